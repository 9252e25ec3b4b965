package boltstore

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/webhook"
)

// DeliveriesChanged implements webhook.QueueStore. The channel holds one value: signals add up to one.
func (db *DB) DeliveriesChanged() <-chan struct{} { return db.out.changed }

// leased reports whether a delivery is under way.
func (db *DB) leased(key string, now time.Time) bool {
	db.mu.RLock()
	defer db.mu.RUnlock()
	p := db.out.pending[key]
	return p != nil && (p.at == settling || p.at == leased && nanos(now) < p.until)
}

// ClaimDeliveries implements webhook.QueueStore. It writes nothing: a lease dies with the process. wake is the earliest moment at
// which time alone makes something claimable: a delivery becomes due, an endpoint's hold ends, a lease runs out.
func (db *DB) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	if err := db.readable(ctx); err != nil {
		return nil, time.Time{}, err
	}
	now := db.now()
	db.mu.Lock()
	db.out.expire(nanos(now))
	leases := db.grant(l, now)
	wake := db.wake(l, nanos(now))
	db.mu.Unlock()
	leases, err := db.fill(ctx, leases)
	if err != nil {
		return nil, time.Time{}, err
	}
	return leases, wake, nil
}

// expire takes back the leases that are over.
func (o *outgoing) expire(now int64) {
	for len(o.leases.heapOf) > 0 && o.leases.heapOf[0].until <= now {
		o.release(o.leases.heapOf[0])
	}
}

// free is how many more attempts an endpoint takes.
func (q *endpointQueue) free(e *webhook.Endpoint, l webhook.ClaimLimits) int {
	n := e.Concurrency
	if n == 0 {
		n = l.PerEndpoint
	}
	return n - q.held
}

// ripen moves what has become due from waiting to ready.
func (q *endpointQueue) ripen(now int64) {
	for len(q.waiting.heapOf) > 0 && q.waiting.heapOf[0].nextAt <= now {
		p := heap.Pop(&q.waiting).(*pending)
		p.at = ready
		heap.Push(&q.ready, p)
	}
}

// grant leases one delivery of each endpoint in turn, until there are enough or no endpoint has one to give.
func (db *DB) grant(l webhook.ClaimLimits, now time.Time) (leases []webhook.Lease) {
	o := &db.out
	var turns []*endpointQueue
	first := 0
	for _, id := range o.ids {
		e := db.endpoints[id]
		if e == nil || e.State != webhook.EndpointActive {
			continue
		}
		if id <= o.lastTurn {
			first++
		}
		turns = append(turns, o.queues[id])
		if nanos(e.HoldUntil) <= nanos(now) {
			o.queues[id].ripen(nanos(now))
		}
	}
	idle := 0
	for i := first; len(leases) < l.Total && idle < len(turns); i++ {
		q := turns[i%len(turns)]
		e := db.endpoints[q.endpoint]
		if len(q.ready.heapOf) == 0 || q.free(e, l) <= 0 || nanos(e.HoldUntil) > nanos(now) {
			idle++
			continue
		}
		idle = 0
		p := heap.Pop(&q.ready).(*pending)
		o.lease(p, nanos(now.Add(l.Lease)))
		o.lastTurn = q.endpoint
		leases = append(leases, webhook.Lease{Delivery: webhook.Delivery{ID: p.key}, Endpoint: copyEndpoint(*e), Token: p.token})
	}
	return leases
}

// wake is when time alone makes something claimable.
func (db *DB) wake(l webhook.ClaimLimits, now int64) time.Time {
	var wake int64
	earliest := func(t int64, e *webhook.Endpoint) {
		if t = max(t, nanos(e.HoldUntil)); t > now && (wake == 0 || t < wake) {
			wake = t
		}
	}
	for _, id := range db.out.ids {
		q, e := db.out.queues[id], db.endpoints[id]
		if e == nil || e.State != webhook.EndpointActive || q.free(e, l) <= 0 {
			continue
		}
		if len(q.waiting.heapOf) > 0 {
			earliest(q.waiting.heapOf[0].nextAt, e)
		}
		if len(q.ready.heapOf) > 0 {
			earliest(now, e)
		}
	}
	for _, p := range db.out.leases.heapOf {
		if e := db.endpoints[p.q.endpoint]; e != nil && e.State == webhook.EndpointActive {
			earliest(p.until, e)
		}
	}
	return fromNano(wake)
}

// fill reads what was leased. A delivery that cannot be read is left out of the queue; the reader's failure ends all leases.
func (db *DB) fill(ctx context.Context, leases []webhook.Lease) ([]webhook.Lease, error) {
	if len(leases) == 0 {
		return nil, nil
	}
	keys := make([]string, len(leases))
	bad := make([]error, len(leases))
	err := db.view(ctx, func(tx *bolt.Tx) error {
		deliveries := tx.Bucket([]byte(bucketDlv))
		for i := range leases {
			l := &leases[i]
			keys[i] = l.Delivery.ID
			if l.Delivery, bad[i] = decodeDelivery(deliveries.Get([]byte(keys[i]))); bad[i] != nil {
				continue
			}
			if l.Event, bad[i] = readEvent(tx, l.Delivery.Event); errors.Is(bad[i], webhook.ErrNotFound) {
				bad[i] = nil // there is nothing to send; what the caller makes of that is on record
			}
		}
		return nil
	})
	db.mu.Lock()
	defer db.mu.Unlock()
	kept := leases[:0]
	for i := range leases {
		if err != nil {
			keys[i] = leases[i].Delivery.ID
		}
		p := db.out.pending[keys[i]]
		if p == nil || p.token != leases[i].Token {
			continue // its endpoint was deleted meanwhile
		}
		switch {
		case err != nil:
			db.out.release(p)
		case bad[i] != nil:
			db.damaged.add(bucketDlv, []byte(keys[i]), bad[i])
			db.out.remove(keys[i])
		default:
			given := leases[i].Delivery
			p.given = &given
			kept = append(kept, leases[i])
		}
	}
	return slices.Clip(kept), err
}

// RecordAttempt implements webhook.QueueStore. An attempt without a Class was a success.
func (db *DB) RecordAttempt(ctx context.Context, l webhook.Lease, a webhook.Attempt, to webhook.Settlement) error {
	key := idKey(prefixDelivery, l.Delivery.ID)
	db.mu.RLock()
	p := db.held(string(key), l.Token, db.now())
	db.mu.RUnlock()
	if p == nil {
		if err := db.readable(ctx); err != nil {
			return err
		}
		return fmt.Errorf("delivery %s: %w", l.Delivery.ID, webhook.ErrLeaseLost)
	}
	// While the lease is held nobody else changes the delivery: it can be encoded here.
	d := *p.given
	d.Settle(a, to)
	a.Delivery, a.Number = d.ID, d.Attempts
	value, err := encodeDelivery(&d)
	if err != nil {
		return fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	attempt, err := encodeAttempt(&a)
	if err != nil {
		return fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	return db.write(ctx, func(g *group) error {
		e := g.endpoint(d.Endpoint)
		db.mu.Lock()
		p := db.held(string(key), l.Token, g.now)
		if p != nil && e != nil {
			db.out.settle(p)
			g.undo = append(g.undo, func() { db.out.unsettle(p) })
		}
		db.mu.Unlock()
		if p == nil || e == nil {
			return fmt.Errorf("delivery %s: %w", d.ID, webhook.ErrLeaseLost)
		}
		g.changed(d.Endpoint).Settle(a, to)
		g.put(bucketAtt, attemptKey(key, a.Number), attempt)
		g.putDelivery(key, value, &d)
		return nil
	})
}

// held gives the delivery if the lease is held. The memory is locked.
func (db *DB) held(key string, token uint64, now time.Time) *pending {
	p := db.out.pending[key]
	if p == nil || p.at != leased || p.token != token || p.given == nil || nanos(now) >= p.until {
		return nil
	}
	return p
}

// changed gives an endpoint to change its health; the record is written with the group.
func (g *group) changed(id string) *webhook.Endpoint {
	g.unhealthy[id] = true
	if e, ok := g.endpoints[id]; ok {
		return e
	}
	e := *g.endpoint(id)
	g.setEndpoint(id, &e)
	return &e
}

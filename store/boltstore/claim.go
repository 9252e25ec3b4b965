package boltstore

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/webhook"
)

// DeliveriesChanged implements webhook.QueueStore. The channel holds one value: signals add up to one.
func (db *DB) DeliveriesChanged() <-chan struct{} { return db.out.changed }

// leased reports whether a delivery is under way.
func (db *DB) leased(key string, now time.Time) bool {
	db.mu.RLock()
	defer db.mu.RUnlock()
	l := db.out.away[db.out.pending[key]]
	return l != nil && (l.at == settling || nanos(now) < l.until)
}

// ClaimDeliveries implements webhook.QueueStore. It writes nothing: a lease dies with the process. wake is the earliest moment at
// which time alone makes something claimable: a delivery becomes due, an endpoint's hold ends, a probe's time comes, the pace allows
// more, a lease runs out.
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
	for len(o.leases) > 0 && o.leases[0].until <= now {
		o.release(o.leases[0])
	}
}

// turnOf is an endpoint that may be served in a claim.
type turnOf struct {
	*endpointQueue
	e     *webhook.Endpoint
	opens int64
	probe bool // one at a time
	limit int
}

func (t *turnOf) full() bool { return t.held >= t.limit }

// turns lists the endpoints that have something pending and may get it, now or later.
func (db *DB) turns(l webhook.ClaimLimits) []turnOf {
	list := make([]turnOf, 0, len(db.out.ids))
	for _, id := range db.out.ids {
		e := db.endpoints[id]
		if e == nil {
			continue
		}
		opens, probe, ok := e.OpensAt()
		if !ok {
			continue
		}
		t := turnOf{endpointQueue: db.out.queues[id], e: e, opens: nanos(opens), probe: probe, limit: e.Concurrency}
		switch {
		case probe:
			t.limit = 1
		case t.limit == 0:
			t.limit = l.PerEndpoint
		}
		list = append(list, t)
	}
	return list
}

// ripen moves what has become due from waiting to ready: one by one where it is little, else, as after a start, all in one go.
func (q *endpointQueue) ripen(now int64) {
	const little = 1000
	for n := 0; len(q.waiting.heapOf) > 0 && q.waiting.heapOf[0].due() <= now; n++ {
		if n == little {
			for _, p := range q.waiting.keep(func(p *pending) bool { return p.due() > now }) {
				p.at = ready
				q.ready.add(p)
			}
			heap.Init(&q.waiting)
			heap.Init(&q.ready)
			return
		}
		p := heap.Pop(&q.waiting).(*pending)
		p.at = ready
		heap.Push(&q.ready, p)
	}
}

// grant leases one delivery of each endpoint in turn, until there are enough or no endpoint has one to give.
func (db *DB) grant(l webhook.ClaimLimits, at time.Time) (leases []webhook.Lease) {
	o, now := &db.out, nanos(at)
	turns := db.turns(l)
	first := 0
	for i := range turns {
		t := &turns[i]
		if t.endpoint <= o.lastTurn {
			first++
		}
		if t.again = 0; t.opens <= now {
			t.ripen(now)
		}
	}
	idle := 0
	for i := first; len(leases) < l.Total && idle < len(turns); i++ {
		t := &turns[i%len(turns)]
		if t.opens > now || len(t.ready.heapOf) == 0 || t.full() || t.again > 0 ||
			t.held > 0 && l.Total-len(leases) <= l.Reserved || !t.allowed(l) {
			idle++
			continue
		}
		idle = 0
		p := heap.Pop(&t.ready).(*pending)
		given := o.lease(p, nanos(at.Add(l.Lease)))
		o.lastTurn, t.servedAt = t.endpoint, now
		leases = append(leases, webhook.Lease{
			Delivery: webhook.Delivery{ID: p.key}, Endpoint: copyEndpoint(*t.e), Probe: t.probe, Pending: t.size, Token: given.token,
		})
	}
	return leases
}

// allowed asks the pace, and notes when to ask again.
func (t *turnOf) allowed(l webhook.ClaimLimits) bool {
	if l.Allow == nil {
		return true
	}
	again := l.Allow(*t.e)
	if again.IsZero() {
		return true
	}
	t.again = nanos(again)
	return false
}

// wake is when time alone makes something claimable.
func (db *DB) wake(l webhook.ClaimLimits, now int64) time.Time {
	var wake int64
	earliest := func(t int64) {
		if t > now && (wake == 0 || t < wake) {
			wake = t
		}
	}
	for _, t := range db.turns(l) {
		if t.full() {
			continue
		}
		if len(t.waiting.heapOf) > 0 {
			earliest(max(t.opens, t.waiting.heapOf[0].due()))
		}
		if len(t.ready.heapOf) > 0 {
			earliest(max(t.opens, t.again))
		}
	}
	for _, l := range db.out.leases {
		if e := db.endpoints[l.q.endpoint]; e != nil {
			if opens, _, ok := e.OpensAt(); ok {
				earliest(max(l.until, nanos(opens)))
			}
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
		l := db.out.away[db.out.pending[keys[i]]]
		if l == nil || l.token != leases[i].Token {
			continue // its endpoint was deleted meanwhile
		}
		switch {
		case err != nil:
			db.out.release(l)
		case bad[i] != nil:
			db.damaged.add(bucketDlv, []byte(keys[i]), bad[i])
			db.out.remove(keys[i])
		default:
			given := leases[i].Delivery
			l.given = &given
			kept = append(kept, leases[i])
		}
	}
	return slices.Clip(kept), err
}

// RecordAttempt implements webhook.QueueStore. An attempt without a Class was a success.
func (db *DB) RecordAttempt(
	ctx context.Context, l webhook.Lease, a webhook.Attempt, to webhook.Settlement,
) (became webhook.EndpointState, err error) {
	key := idKey(prefixDelivery, l.Delivery.ID)
	now := db.now()
	db.mu.RLock()
	held := db.held(string(key), l.Token, now)
	var e *webhook.Endpoint
	if held != nil {
		e = db.endpoints[held.q.endpoint]
	}
	db.mu.RUnlock()
	if e == nil {
		if err := db.readable(ctx); err != nil {
			return "", err
		}
		return "", fmt.Errorf("delivery %s: %w", l.Delivery.ID, webhook.ErrLeaseLost)
	}
	// While the lease is held nobody else changes the delivery: it can be encoded here.
	d := *held.given
	to = to.Still(l, a, e, now)
	d.Settle(a, to, e, now)
	a.Delivery, a.Number = d.ID, d.Attempts
	r := recorded{key: key, d: d, a: a}
	if r.value, err = encodeDelivery(&d); err == nil {
		r.attempt, err = encodeAttempt(&a)
	}
	if err == nil && to.Outbox != nil {
		r.tell, err = prepareOutbox(acs.Outbox{Events: to.Outbox.Events, Deliveries: to.Outbox.Deliveries})
	}
	if err != nil {
		return "", fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	err = db.write(ctx, func(g *group) (err error) {
		became, err = g.record(l, r, to)
		return err
	})
	if err != nil {
		return "", err
	}
	return became, nil
}

// recorded is an attempt encoded by its caller.
type recorded struct {
	key, value, attempt []byte
	d                   webhook.Delivery // after the attempt
	a                   webhook.Attempt
	tell                *preparedOutbox // nil: nothing
}

func (g *group) record(l webhook.Lease, r recorded, to webhook.Settlement) (became webhook.EndpointState, err error) {
	db := g.db
	if r.tell != nil {
		if err := g.check(r.tell); err != nil {
			return "", err
		}
	}
	e := g.endpoint(r.d.Endpoint)
	db.mu.Lock()
	held := db.held(string(r.key), l.Token, g.now)
	if held != nil && e != nil {
		db.out.settle(held)
		g.undo = append(g.undo, func() { db.out.unsettle(held) })
	}
	db.mu.Unlock()
	if held == nil || e == nil {
		return "", fmt.Errorf("delivery %s: %w", r.d.ID, webhook.ErrLeaseLost)
	}
	became = g.changed(r.d.Endpoint).Settle(l, r.a, to, g.now)
	g.put(bucketAtt, attemptKey(r.key, r.a.Number), r.attempt)
	g.putDelivery(r.key, r.value, &r.d)
	g.tally(r.d.Endpoint, func(t *webhook.Tally) { t.Count(l, r.a, &r.d) })
	if r.tell != nil && became == to.EndpointState {
		g.post(r.tell)
	}
	return became, nil
}

// QueueDepth implements webhook.QueueStore.
func (db *DB) QueueDepth(ctx context.Context, client string) (int, error) {
	if err := db.readable(ctx); err != nil {
		return 0, err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.out.depth[client], nil
}

// held gives the lease if it is held. The memory is locked.
func (db *DB) held(key string, token uint64, now time.Time) *lease {
	l := db.out.away[db.out.pending[key]]
	if l == nil || l.at != leased || l.token != token || l.given == nil || nanos(now) >= l.until {
		return nil
	}
	return l
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

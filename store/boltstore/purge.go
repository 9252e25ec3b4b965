package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/webhook"
)

// Purge implements acs.Purger, in small transactions. A context that ends ends it, with what was deleted so far.
func (db *DB) Purge(ctx context.Context, r acs.Retention) (acs.Purged, error) {
	if r.Batch <= 0 {
		r.Batch = 200
	}
	if err := db.cancelLeft(); err != nil {
		return acs.Purged{}, err
	}
	p := &purge{db: db, r: r, events: make(map[string]bool), protocolos: make(map[string]bool)}
	for _, part := range []func(context.Context) error{p.deliveries, p.allEvents, p.actions, p.tokens, p.replays, p.tallies, p.quotas} {
		if err := part(ctx); err != nil {
			return p.done, err
		}
	}
	return p.done, nil
}

type purge struct {
	db   *DB
	r    acs.Retention
	done acs.Purged
	// events and protocolos have a delivery left.
	events, protocolos map[string]bool
}

// lateSlack is how much younger than its action a delivery can be: the watch after a timeout, and some.
const lateSlack = 26 * time.Hour

// made is the time in a UUIDv7 key.
func made(key []byte) (time.Time, bool) {
	if len(key) < 16 || key[0] == oddID || key[6]>>4 != 7 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(key) >> 16)), true
}

// walk calls gone with each record up to a time, the oldest first, and deletes by remove those for which it is true.
func (p *purge) walk(ctx context.Context, bucket string, until time.Time, gone func(k, v []byte) bool,
	remove func(g *group, k []byte),
) error {
	var after []byte
	for {
		var batch [][]byte
		end := true
		err := p.db.view(ctx, func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte(bucket)).Cursor()
			k, v := c.Seek(after)
			if after != nil && bytes.Equal(k, after) {
				k, v = c.Next()
			}
			for n := 0; k != nil; k, v = c.Next() {
				if at, ok := made(k); ok && at.After(until) {
					return nil
				}
				if n++; n > walkStep || len(batch) == p.r.Batch {
					end = false
					return nil
				}
				after = bytes.Clone(k)
				if gone(k, v) {
					batch = append(batch, after)
				}
			}
			return nil
		})
		if err == nil && len(batch) > 0 {
			err = p.db.write(ctx, func(g *group) error {
				for _, k := range batch {
					// What has changed since it was looked at is looked at again.
					if v := g.get(bucket, k); v != nil && gone(k, v) {
						remove(g, k)
					}
				}
				return nil
			})
		}
		if err != nil || end {
			return err
		}
	}
}

func (p *purge) deliveries(ctx context.Context) error {
	until := p.r.Before.Add(lateSlack)
	if p.r.DeadBefore.After(until) {
		until = p.r.DeadBefore
	}
	return p.walk(ctx, bucketDlv, until, func(k, v []byte) bool {
		d, err := decodeDelivery(v)
		if err != nil {
			p.db.damaged.add(bucketDlv, k, err)
			return false
		}
		if p.lets(string(k), &d) {
			return true
		}
		p.events[d.Event], p.protocolos[d.Protocolo] = true, true
		return false
	}, func(g *group, k []byte) {
		if d, err := decodeDelivery(g.get(bucketDlv, k)); err == nil && d.State == webhook.DeliveryPending {
			g.expire(k, d)
			p.events[d.Event], p.protocolos[d.Protocolo] = true, true
			p.done.Expired++
			return
		}
		g.delete(bucketDlv, k)
		g.delete(bucketPend, k)
		g.unindexDead(k)
		key := string(k)
		g.then(func() { g.db.out.remove(key) })
		p.done.Deliveries++
		c := g.bucket(bucketAtt).Cursor()
		var attempts [][]byte
		for a, _ := c.Seek(k); bytes.HasPrefix(a, k); a, _ = c.Next() {
			if len(a) == len(k)+4 {
				attempts = append(attempts, bytes.Clone(a))
			}
		}
		for _, a := range attempts {
			g.delete(bucketAtt, a)
			p.done.Attempts++
		}
	})
}

// lets reports whether a delivery may go, or, where it is pending, has been held too long.
func (p *purge) lets(key string, d *webhook.Delivery) bool {
	switch d.State {
	case webhook.DeliveryDelivered, webhook.DeliveryCancelled:
		return d.DoneAt.Before(p.r.Before)
	case webhook.DeliveryDead:
		return d.DoneAt.Before(p.r.DeadBefore)
	}
	p.db.mu.RLock()
	defer p.db.mu.RUnlock()
	e, q := p.db.endpoints[d.Endpoint], p.db.out.pending[key]
	busy := q != nil && (q.at == leased || q.at == settling)
	return e != nil && e.State != webhook.EndpointActive && !busy && heldSince(d).Before(p.r.DeadBefore)
}

func (p *purge) allEvents(ctx context.Context) error {
	return p.walk(ctx, bucketEvt, p.r.Before, func(k, v []byte) bool {
		e, err := decodeEvent(v)
		if err != nil {
			p.db.damaged.add(bucketEvt, k, err)
			return false
		}
		return e.Time.Before(p.r.Before) && !p.events[e.ID]
	}, func(g *group, k []byte) {
		g.delete(bucketEvt, k)
		p.done.Events++
	})
}

func (p *purge) actions(ctx context.Context) error {
	return p.walk(ctx, bucketAct, p.r.Before, func(k, v []byte) bool {
		a, err := decodeAction(p.db.keys, v)
		if err != nil {
			p.db.damaged.add(bucketAct, k, err)
			return false
		}
		return a.Status.Final() && !a.Live() && a.FinishedAt.Before(p.r.Before) && !p.protocolos[a.ID.String()] &&
			a.CreatedAt.Before(p.db.now().Add(-acs.IdempotencyWindow))
	}, func(g *group, k []byte) {
		g.delete(bucketAct, k)
		p.done.Actions++
	})
}

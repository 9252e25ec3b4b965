package boltstore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/webhook"
)

// heldSince is since when a pending delivery waits: it was made, put off or made due again then.
func heldSince(d *webhook.Delivery) time.Time {
	if d.PutOffAt.After(d.CreatedAt) {
		return d.PutOffAt
	}
	return d.CreatedAt
}

// expire ends a delivery as dead that was held too long. It is kept as long as all that is dead.
func (g *group) expire(key []byte, d webhook.Delivery) {
	state := webhook.EndpointState("gone")
	if e := g.endpoint(d.Endpoint); e != nil {
		state = e.State
	}
	d.LastError = fmt.Sprintf("held since %s, while the endpoint was %s: longer than is waited", heldSince(&d).UTC().Format(time.DateOnly), state)
	d.State, d.NextAt, d.DoneAt = webhook.DeliveryDead, time.Time{}, g.now
	value, err := encodeDelivery(&d)
	if err != nil {
		g.broken = err
		return
	}
	g.putDelivery(key, value, &d)
	g.tally(d.Endpoint, func(t *webhook.Tally) { t.Expired++ })
}

// oldest deletes from the beginning of a bucket, in small transactions, as long as old says so.
func (p *purge) oldest(ctx context.Context, bucket string, old func(k, v []byte) bool) (n int, err error) {
	for {
		var keys [][]byte
		err := p.db.view(ctx, func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte(bucket)).Cursor()
			for k, v := c.First(); k != nil && len(keys) < p.r.Batch && old(k, v); k, v = c.Next() {
				keys = append(keys, bytes.Clone(k))
			}
			return nil
		})
		if err != nil || len(keys) == 0 {
			return n, err
		}
		err = p.db.write(ctx, func(g *group) error {
			for _, k := range keys {
				g.delete(bucket, k)
			}
			return nil
		})
		if err != nil {
			return n, err
		}
		n += len(keys)
	}
}

// tallies deletes counters of hours that are over for long.
func (p *purge) tallies(ctx context.Context) error {
	before := webhook.Hour(p.r.Before)
	_, err := p.oldest(ctx, bucketStat, func(k, _ []byte) bool {
		hour, ok := tallyHour(k)
		return !ok || hour < before
	})
	return err
}

// quotas deletes counts of requests of days that nobody asks for any more.
func (p *purge) quotas(ctx context.Context) error {
	oldest := acs.DayOf(p.db.now()) - quotaDays
	_, err := p.oldest(ctx, bucketQuota, func(k, _ []byte) bool {
		day, ok := quotaDay(k)
		return !ok || day < oldest
	})
	return err
}

func (p *purge) replays(ctx context.Context) error {
	return p.walk(ctx, bucketReplay, p.r.Before, func(k, v []byte) bool {
		r, err := decodeReplay(v)
		if err != nil {
			p.db.damaged.add(bucketReplay, k, err)
			return false
		}
		return r.State != webhook.ReplayRunning && r.FinishedAt.Before(p.r.Before)
	}, func(g *group, k []byte) {
		g.delete(bucketReplay, k)
		p.done.Replays++
	})
}

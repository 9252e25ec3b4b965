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

type (
	preparedEvent struct {
		key, value []byte
		event      webhook.Event
	}
	preparedDelivery struct {
		key, value []byte
		delivery   webhook.Delivery
	}
	// preparedOutbox is an outbox encoded by its caller.
	preparedOutbox struct {
		events     []preparedEvent
		deliveries []preparedDelivery
	}
)

func prepareOutbox(o acs.Outbox) (*preparedOutbox, error) {
	p := &preparedOutbox{}
	for _, e := range o.Events {
		e.Body = bytes.Clone(e.Body)
		value, err := encodeEvent(&e)
		if err != nil {
			return nil, fmt.Errorf("event %s: %w", e.ID, err)
		}
		p.events = append(p.events, preparedEvent{idKey(prefixEvent, e.ID), value, e})
	}
	for _, d := range o.Deliveries {
		value, err := encodeDelivery(&d)
		if err != nil {
			return nil, fmt.Errorf("delivery %s: %w", d.ID, err)
		}
		p.deliveries = append(p.deliveries, preparedDelivery{idKey(prefixDelivery, d.ID), value, d})
	}
	return p, nil
}

// check refuses ids that are taken, before anything is stored.
func (g *group) check(o *preparedOutbox) error {
	for i := range o.events {
		if g.get(bucketEvt, o.events[i].key) != nil {
			return fmt.Errorf("event %s: %w", o.events[i].event.ID, acs.ErrExists)
		}
	}
	for i := range o.deliveries {
		if g.get(bucketDlv, o.deliveries[i].key) != nil {
			return fmt.Errorf("delivery %s: %w", o.deliveries[i].delivery.ID, acs.ErrExists)
		}
	}
	return nil
}

// post stores an outbox and gives the last sequence number that it allotted, 0 for none.
func (g *group) post(o *preparedOutbox) (last uint64) {
	for i := range o.events {
		e := &o.events[i]
		n := uint64(0)
		if e.event.SequenceAt > 0 {
			n = g.nextSequence(e.event.Device)
			e.event.Sequence, last = n, n
		}
		g.put(bucketEvt, e.key, numbered(e.value, n))
	}
	for i := range o.deliveries {
		d := &o.deliveries[i]
		if d.delivery.State == webhook.DeliveryPending && g.endpoint(d.delivery.Endpoint) == nil {
			// The endpoint was deleted since the deliveries were made up.
			g.cancel(d.key, d.delivery)
			continue
		}
		g.putDelivery(d.key, d.value, &d.delivery)
		g.tally(d.delivery.Endpoint, func(t *webhook.Tally) { t.Events++ })
	}
	return last
}

// putDelivery stores a delivery and puts it into its endpoint's queue, or out of it, as its state is.
func (g *group) putDelivery(key, value []byte, d *webhook.Delivery) {
	g.put(bucketDlv, key, value)
	g.indexDead(key, d)
	k, copied := string(key), *d
	if d.State != webhook.DeliveryPending {
		g.delete(bucketPend, key)
		g.then(func() {
			g.db.replaying.note(k, &copied)
			g.db.out.remove(k)
		})
		return
	}
	g.put(bucketPend, key, nil)
	g.then(func() {
		g.db.replaying.note(k, &copied)
		if e := g.db.endpoints[copied.Endpoint]; e != nil {
			g.db.out.put(k, &copied, e)
			signal(g.db.out.changed)
		}
	})
}

func (g *group) cancel(key []byte, d webhook.Delivery) {
	d.State, d.NextAt, d.DoneAt = webhook.DeliveryCancelled, time.Time{}, g.now
	value, err := encodeDelivery(&d)
	if err != nil {
		g.broken = err
		return
	}
	g.putDelivery(key, value, &d)
}

// AddEvent implements webhook.EventStore.
func (db *DB) AddEvent(ctx context.Context, e webhook.Event, deliveries []webhook.Delivery) (webhook.Event, error) {
	p, err := prepareOutbox(acs.Outbox{Events: []webhook.Event{e}, Deliveries: deliveries})
	if err != nil {
		return webhook.Event{}, err
	}
	err = db.write(ctx, func(g *group) error {
		if err := g.check(p); err != nil {
			return err
		}
		g.post(p)
		return nil
	})
	if err != nil {
		return webhook.Event{}, err
	}
	return p.events[0].event, nil
}

// Event implements webhook.EventStore.
func (db *DB) Event(ctx context.Context, id string) (e webhook.Event, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		e, err = readEvent(tx, id)
		return err
	})
	if err != nil {
		return webhook.Event{}, fmt.Errorf("event %s: %w", id, err)
	}
	return e, nil
}

func readEvent(tx *bolt.Tx, id string) (webhook.Event, error) {
	v := tx.Bucket([]byte(bucketEvt)).Get(idKey(prefixEvent, id))
	if v == nil {
		return webhook.Event{}, webhook.ErrNotFound
	}
	return decodeEvent(v)
}

// Delivery implements webhook.DeliveryStore.
func (db *DB) Delivery(ctx context.Context, id string) (d webhook.Delivery, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		v := tx.Bucket([]byte(bucketDlv)).Get(idKey(prefixDelivery, id))
		if v == nil {
			return webhook.ErrNotFound
		}
		d, err = decodeDelivery(v)
		return err
	})
	if err != nil {
		return webhook.Delivery{}, fmt.Errorf("delivery %s: %w", id, err)
	}
	return d, nil
}

// Attempts implements webhook.DeliveryStore. An unknown delivery is webhook.ErrNotFound.
func (db *DB) Attempts(ctx context.Context, delivery string) (list []webhook.Attempt, err error) {
	key := idKey(prefixDelivery, delivery)
	err = db.view(ctx, func(tx *bolt.Tx) error {
		if tx.Bucket([]byte(bucketDlv)).Get(key) == nil {
			return fmt.Errorf("delivery %s: %w", delivery, webhook.ErrNotFound)
		}
		c := tx.Bucket([]byte(bucketAtt)).Cursor()
		for k, v := c.Seek(key); bytes.HasPrefix(k, key); k, v = c.Next() {
			if len(k) != len(key)+4 {
				continue // of a longer id that begins the same
			}
			a, err := decodeAttempt(v)
			if err != nil {
				db.damaged.add(bucketAtt, k, err)
				continue
			}
			list = append(list, a)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Redeliver implements webhook.DeliveryStore. Where the endpoint was deleted there is nowhere to go: webhook.ErrNotFound.
func (db *DB) Redeliver(ctx context.Context, id string) (d webhook.Delivery, err error) {
	key := idKey(prefixDelivery, id)
	err = db.write(ctx, func(g *group) error {
		v := g.get(bucketDlv, key)
		if v == nil {
			return fmt.Errorf("delivery %s: %w", id, webhook.ErrNotFound)
		}
		var err error
		if d, err = decodeDelivery(v); err != nil {
			return fmt.Errorf("delivery %s: %w", id, err)
		}
		e := g.endpoint(d.Endpoint)
		if e == nil {
			return fmt.Errorf("delivery %s: endpoint %s: %w", id, d.Endpoint, webhook.ErrNotFound)
		}
		if g.db.leased(string(key), g.now) {
			return fmt.Errorf("delivery %s is under way: %w", id, webhook.ErrConflict)
		}
		acts := prepareActs(acs.AuditReplay(ctx, &d))
		d = g.redeliver(key, d, e, "")
		g.audit(acts)
		return nil
	})
	if err != nil {
		return webhook.Delivery{}, err
	}
	return d, nil
}

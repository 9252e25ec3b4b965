package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"recado/acs"
	"recado/webhook"
)

func compareDeliveries(a, b *webhook.Delivery) int { return cmp.Compare(a.ID, b.ID) }

// checkOutbox refuses ids that are taken, before anything is stored.
func (s *Store) checkOutbox(o acs.Outbox) error {
	for _, e := range o.Events {
		if _, ok := s.events[e.ID]; ok {
			return fmt.Errorf("event %s: %w", e.ID, acs.ErrExists)
		}
	}
	for _, d := range o.Deliveries {
		if _, ok := s.deliveries.get(&d); ok {
			return fmt.Errorf("delivery %s: %w", d.ID, acs.ErrExists)
		}
	}
	return nil
}

// tell stores the outbox of the context of a write that came about.
func (s *Store) tell(ctx context.Context) {
	if o, ok := webhook.OutboxFrom(ctx); ok {
		s.post(acs.Outbox(o), s.now())
	}
}

// post stores an outbox and gives the last sequence number that it allotted, 0 for none.
func (s *Store) post(o acs.Outbox, now time.Time) (last uint64) {
	for _, e := range o.Events {
		e = cloneEvent(&e)
		if e.SequenceAt > 0 {
			s.sequence[e.Device]++
			e.Sequence = s.sequence[e.Device]
			last = e.Sequence
		}
		s.events[e.ID] = &e
	}
	for _, d := range o.Deliveries {
		// The endpoint may have been deleted since the deliveries were made up.
		if _, ok := s.endpoints[d.Endpoint]; !ok && d.State == webhook.DeliveryPending {
			cancel(&d, now)
		} else {
			s.tally(d.Endpoint, now).Events++
		}
		s.deliveries.put(&d)
		s.enqueue(&d)
	}
	if len(o.Deliveries) > 0 {
		s.signal()
	}
	return last
}

func cancel(d *webhook.Delivery, now time.Time) {
	d.State, d.NextAt, d.DoneAt = webhook.DeliveryCancelled, time.Time{}, now
}

// enqueue puts a delivery into its endpoint's queue, or out of it, as its state is.
func (s *Store) enqueue(d *webhook.Delivery) {
	q, ok := s.queues[d.Endpoint]
	if !ok {
		q = newOrdered(compareDeliveries)
	}
	if d.State == webhook.DeliveryPending {
		q.put(d)
	} else {
		q.remove(d)
	}
	s.queues[d.Endpoint] = q
	if len(q.items) == 0 {
		delete(s.queues, d.Endpoint)
	}
}

// AddEvent implements webhook.EventStore.
func (s *Store) AddEvent(ctx context.Context, e webhook.Event, deliveries []webhook.Delivery) (webhook.Event, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Event{}, err
	}
	defer s.mu.Unlock()
	o := acs.Outbox{Events: []webhook.Event{e}, Deliveries: deliveries}
	if err := s.checkOutbox(o); err != nil {
		return webhook.Event{}, err
	}
	s.post(o, s.now())
	return cloneEvent(s.events[e.ID]), nil
}

// Event implements webhook.EventStore.
func (s *Store) Event(ctx context.Context, id string) (webhook.Event, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Event{}, err
	}
	defer s.mu.Unlock()
	e, ok := s.events[id]
	if !ok {
		return webhook.Event{}, fmt.Errorf("event %s: %w", id, webhook.ErrNotFound)
	}
	return cloneEvent(e), nil
}

func (s *Store) delivery(id string) (*webhook.Delivery, error) {
	d, ok := s.deliveries.get(&webhook.Delivery{ID: id})
	if !ok {
		return nil, fmt.Errorf("delivery %s: %w", id, webhook.ErrNotFound)
	}
	return d, nil
}

// Delivery implements webhook.DeliveryStore.
func (s *Store) Delivery(ctx context.Context, id string) (webhook.Delivery, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Delivery{}, err
	}
	defer s.mu.Unlock()
	d, err := s.delivery(id)
	if err != nil {
		return webhook.Delivery{}, err
	}
	return *d, nil
}

// Deliveries implements webhook.DeliveryStore. A cursor that no page gave is an *acs.InvalidError.
func (s *Store) Deliveries(ctx context.Context, f webhook.DeliveryFilter) ([]webhook.Delivery, string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	var before **webhook.Delivery
	if f.Cursor != "" {
		id, ok := strings.CutPrefix(f.Cursor, "before:")
		if !ok {
			return nil, "", badCursor()
		}
		last := &webhook.Delivery{ID: id}
		before = &last
	}
	page, more := s.deliveries.page(before, f.Limit, f.Selects)
	out := make([]webhook.Delivery, len(page))
	for i, d := range page {
		out[i] = *d
	}
	next := ""
	if more {
		next = "before:" + page[len(page)-1].ID
	}
	return out, next, nil
}

// Attempts implements webhook.DeliveryStore. An unknown delivery is webhook.ErrNotFound.
func (s *Store) Attempts(ctx context.Context, delivery string) ([]webhook.Attempt, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if _, err := s.delivery(delivery); err != nil {
		return nil, err
	}
	return slices.Clone(s.attempts[delivery]), nil
}

// Redeliver implements webhook.DeliveryStore. Where the endpoint was deleted there is nowhere to go: webhook.ErrNotFound.
func (s *Store) Redeliver(ctx context.Context, id string) (webhook.Delivery, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Delivery{}, err
	}
	defer s.mu.Unlock()
	d, err := s.delivery(id)
	if err != nil {
		return webhook.Delivery{}, err
	}
	e, err := s.endpoint(d.Endpoint)
	if err != nil {
		return webhook.Delivery{}, fmt.Errorf("delivery %s: %w", id, err)
	}
	now := s.now()
	if s.leased(id, now) {
		return webhook.Delivery{}, fmt.Errorf("delivery %s is under way: %w", id, webhook.ErrConflict)
	}
	s.did(acs.AuditReplay(ctx, d))
	s.redeliver(d, e, "", now)
	return *d, nil
}

// redeliver makes a delivery that is not under way due now, by itself or for a replay.
func (s *Store) redeliver(d *webhook.Delivery, e *webhook.Endpoint, replay string, now time.Time) {
	d.Redeliver(e, replay, now)
	s.enqueue(d)
	s.signal()
}

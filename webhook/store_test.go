package webhook_test

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"recado/webhook"
)

// tinyStore is a webhook.Store in memory, as small as the contract allows. failing makes every call of the queue return err.
type tinyStore struct {
	webhook.ReplayStore // nil: replays and statistics are tested with the stores
	webhook.StatsStore
	mu         sync.Mutex
	endpoints  map[string]webhook.Endpoint
	events     map[string]webhook.Event
	deliveries map[string]webhook.Delivery
	attempts   map[string][]webhook.Attempt
	leases     map[string]lease
	token      uint64
	changed    chan struct{}

	// What the tests watch or make fail.
	claims     int
	claimErr   error
	recordErr  error
	slow       bool
	beforeSave func() // runs in UpdateEndpoint before the versions are compared
}

type lease struct {
	token uint64
	until time.Time
}

var _ webhook.Store = (*tinyStore)(nil)

func newTinyStore() *tinyStore {
	return &tinyStore{
		endpoints: map[string]webhook.Endpoint{}, events: map[string]webhook.Event{},
		deliveries: map[string]webhook.Delivery{}, attempts: map[string][]webhook.Attempt{}, leases: map[string]lease{},
		changed: make(chan struct{}, 1),
	}
}

func (s *tinyStore) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *tinyStore) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	s.signal()
}

func (s *tinyStore) claimCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims
}

func (s *tinyStore) CreateEndpoint(_ context.Context, e webhook.Endpoint) error {
	s.set(func() { e.Version = 1; s.endpoints[e.ID] = e })
	return nil
}

func (s *tinyStore) Endpoint(_ context.Context, id string) (webhook.Endpoint, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.endpoints[id]
	if !ok {
		return e, webhook.ErrNotFound
	}
	return e, nil
}

func (s *tinyStore) Endpoints(_ context.Context, client string) ([]webhook.Endpoint, error) {
	if s.slow {
		// The answer grows old before the caller has it.
		defer func() {
			for range 100 {
				runtime.Gosched()
			}
		}()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []webhook.Endpoint
	for _, id := range slices.Sorted(maps.Keys(s.endpoints)) {
		if e := s.endpoints[id]; client == "" || e.Client == client {
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *tinyStore) UpdateEndpoint(_ context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	if s.beforeSave != nil {
		s.beforeSave()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.endpoints[e.ID]
	switch {
	case !ok:
		return e, webhook.ErrNotFound
	case old.Version != e.Version:
		return e, webhook.ErrConflict
	}
	e.KeepHealth(&old, time.Now())
	e.Version++
	s.endpoints[e.ID] = e
	s.signal()
	return e, nil
}

func (s *tinyStore) DeleteEndpoint(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.endpoints, id)
	for k, d := range s.deliveries {
		if d.Endpoint == id && d.State == webhook.DeliveryPending {
			d.State = webhook.DeliveryCancelled
			s.deliveries[k] = d
		}
	}
	return nil
}

func (s *tinyStore) AddEvent(_ context.Context, e webhook.Event, ds []webhook.Delivery) (webhook.Event, error) {
	s.set(func() {
		s.events[e.ID] = e
		for _, d := range ds {
			s.deliveries[d.ID] = d
		}
	})
	return e, nil
}

func (s *tinyStore) Event(_ context.Context, id string) (webhook.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.events[id]
	if !ok {
		return e, webhook.ErrNotFound
	}
	return e, nil
}

func (s *tinyStore) Delivery(_ context.Context, id string) (webhook.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.deliveries[id]
	if !ok {
		return d, webhook.ErrNotFound
	}
	return d, nil
}

func (s *tinyStore) Deliveries(_ context.Context, f webhook.DeliveryFilter) ([]webhook.Delivery, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []webhook.Delivery
	for _, d := range s.deliveries {
		if (f.Client == "" || f.Client == d.Client) && (f.Endpoint == "" || f.Endpoint == d.Endpoint) && (f.Event == "" || f.Event == d.Event) &&
			(len(f.States) == 0 || slices.Contains(f.States, d.State)) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b webhook.Delivery) int { return cmp.Compare(b.ID, a.ID) })
	return out[:min(len(out), f.Limit)], "", nil
}

func (s *tinyStore) Attempts(_ context.Context, delivery string) ([]webhook.Attempt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.attempts[delivery]), nil
}

func (s *tinyStore) Redeliver(_ context.Context, id string) (webhook.Delivery, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.deliveries[id]
	if !ok {
		return d, webhook.ErrNotFound
	}
	if s.leased(id, time.Now()) {
		return d, webhook.ErrConflict
	}
	d.State, d.Tries, d.NextAt = webhook.DeliveryPending, 0, time.Now()
	s.deliveries[id] = d
	s.signal()
	return d, nil
}

func (s *tinyStore) leased(id string, now time.Time) bool {
	l, ok := s.leases[id]
	return ok && l.until.After(now)
}

func (s *tinyStore) ClaimDeliveries(_ context.Context, limits webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.claims++
	if s.claimErr != nil {
		return nil, time.Time{}, s.claimErr
	}
	now := time.Now()
	var pending []webhook.Delivery
	held := map[string]int{}
	for id, d := range s.deliveries {
		if s.leased(id, now) {
			held[d.Endpoint]++
		}
		if d.State == webhook.DeliveryPending {
			pending = append(pending, d)
		}
	}
	slices.SortFunc(pending, func(a, b webhook.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	var out []webhook.Lease
	var wake time.Time
	taken := map[string]bool{}
	for _, d := range pending {
		e, ok := s.endpoints[d.Endpoint]
		opens, probe, open := e.OpensAt()
		if !ok || !open {
			continue
		}
		due := d.DueAt(&e)
		if probe || opens.After(due) {
			due = opens
		}
		if s.leased(d.ID, now) {
			due = s.leases[d.ID].until
		}
		key := e.ID + " " + d.OrderKey
		blocked := d.OrderKey != "" && taken[key]
		taken[key] = true
		limit := cmp.Or(e.Concurrency, limits.PerEndpoint)
		if probe {
			limit = 1
		}
		if due.After(now) || blocked || held[e.ID] >= limit || len(out) >= limits.Total {
			if !blocked && held[e.ID] < limit && (wake.IsZero() || due.Before(wake)) {
				wake = due
			}
			continue
		}
		if limits.Allow != nil {
			if again := limits.Allow(e); !again.IsZero() {
				if wake.IsZero() || again.Before(wake) {
					wake = again
				}
				continue
			}
		}
		held[e.ID]++
		s.token++
		s.leases[d.ID] = lease{s.token, now.Add(limits.Lease)}
		out = append(out, webhook.Lease{Delivery: d, Event: s.events[d.Event], Endpoint: e, Probe: probe, Token: s.token})
	}
	return out, wake, nil
}

func (s *tinyStore) RecordAttempt(
	ctx context.Context, l webhook.Lease, a webhook.Attempt, set webhook.Settlement,
) (webhook.EndpointState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(ctx.Err(), s.recordErr); err != nil {
		return "", err
	}
	id := l.Delivery.ID
	if s.leases[id].token != l.Token {
		return "", webhook.ErrLeaseLost
	}
	delete(s.leases, id)
	s.attempts[id] = append(s.attempts[id], a)
	d, e := s.deliveries[id], s.endpoints[l.Endpoint.ID]
	now := time.Now()
	d.Settle(a, set, &e, now)
	became := e.Settle(l, a, set, now)
	s.deliveries[id], s.endpoints[e.ID] = d, e
	if o := set.Outbox; o != nil && became == set.EndpointState {
		for _, event := range o.Events {
			s.events[event.ID] = event
		}
		for _, d := range o.Deliveries {
			s.deliveries[d.ID] = d
		}
	}
	s.signal()
	return became, nil
}

func (s *tinyStore) QueueDepth(_ context.Context, client string) (n int, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.deliveries {
		if d.State == webhook.DeliveryPending && s.endpoints[d.Endpoint].Client == client {
			n++
		}
	}
	return n, nil
}

func (s *tinyStore) DeliveriesChanged() <-chan struct{} { return s.changed }

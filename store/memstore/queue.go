package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"recado/webhook"
)

// lease is one delivery under way.
type lease struct {
	token    uint64
	endpoint string
	until    time.Time // at this moment it is over
}

// DeliveriesChanged implements webhook.QueueStore. The channel holds one value: signals add up to one.
func (s *Store) DeliveriesChanged() <-chan struct{} { return s.changed }

func (s *Store) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *Store) leased(delivery string, now time.Time) bool {
	l, ok := s.leases[delivery]
	return ok && now.Before(l.until)
}

// ClaimDeliveries implements webhook.QueueStore. wake is the earliest moment at which time alone makes something claimable: a
// delivery becomes due, an endpoint's hold ends, a lease runs out.
func (s *Store) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	if err := s.lock(ctx); err != nil {
		return nil, time.Time{}, err
	}
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.leases, func(_ string, l lease) bool { return !now.Before(l.until) })

	active := slices.Sorted(maps.Keys(s.queues))
	active = slices.DeleteFunc(active, func(id string) bool { return s.endpoints[id].State != webhook.EndpointActive })
	free := s.freeSlots(active, l)
	turns := make([][]*webhook.Delivery, len(active))
	for i, id := range active {
		turns[i] = s.claimable(id, min(free[id], l.Total), now)
	}

	var leases []webhook.Lease
	for i := s.firstTurn(active); len(leases) < l.Total && anyLeft(turns); i++ {
		turn := &turns[i%len(active)]
		if len(*turn) == 0 {
			continue
		}
		d := (*turn)[0]
		*turn = (*turn)[1:]
		leases = append(leases, s.grant(d, now.Add(l.Lease)))
		s.lastTurn = d.Endpoint
		free[d.Endpoint]--
	}
	return leases, s.wake(active, free, now), nil
}

// freeSlots tells how many more attempts each endpoint takes.
func (s *Store) freeSlots(endpoints []string, l webhook.ClaimLimits) map[string]int {
	free := make(map[string]int, len(endpoints))
	for _, id := range endpoints {
		free[id] = s.endpoints[id].Concurrency
		if free[id] == 0 {
			free[id] = l.PerEndpoint
		}
	}
	for _, held := range s.leases {
		free[held.endpoint]--
	}
	return free
}

// firstTurn is the place of the endpoint after the one that was served last.
func (s *Store) firstTurn(endpoints []string) int {
	i, found := slices.BinarySearch(endpoints, s.lastTurn)
	if found {
		i++
	}
	return i
}

func anyLeft(turns [][]*webhook.Delivery) bool {
	return slices.ContainsFunc(turns, func(t []*webhook.Delivery) bool { return len(t) > 0 })
}

// waiting calls yield with each pending delivery of an endpoint that no older one with its OrderKey holds back, and with the
// moment from which it can be claimed; the oldest first.
func (s *Store) waiting(endpoint string, yield func(d *webhook.Delivery, from time.Time) bool) {
	hold := s.endpoints[endpoint].HoldUntil
	seen := make(map[string]bool)
	for _, d := range s.queues[endpoint].items {
		if d.OrderKey != "" {
			if seen[d.OrderKey] {
				continue
			}
			seen[d.OrderKey] = true
		}
		from := d.NextAt
		if l, ok := s.leases[d.ID]; ok {
			from = l.until
		}
		if hold.After(from) {
			from = hold
		}
		if !yield(d, from) {
			return
		}
	}
}

// claimable lists at most n deliveries that can be claimed now, the oldest first.
func (s *Store) claimable(endpoint string, n int, now time.Time) (list []*webhook.Delivery) {
	if n <= 0 {
		return nil
	}
	s.waiting(endpoint, func(d *webhook.Delivery, from time.Time) bool {
		if !from.After(now) {
			list = append(list, d)
		}
		return len(list) < n
	})
	return list
}

func (s *Store) grant(d *webhook.Delivery, until time.Time) webhook.Lease {
	s.lastToken++
	s.leases[d.ID] = lease{token: s.lastToken, endpoint: d.Endpoint, until: until}
	given := webhook.Lease{Delivery: *d, Endpoint: cloneEndpoint(s.endpoints[d.Endpoint]), Token: s.lastToken}
	if e := s.events[d.Event]; e != nil {
		given.Event = cloneEvent(e)
	}
	return given
}

func (s *Store) wake(endpoints []string, free map[string]int, now time.Time) (wake time.Time) {
	earliest := func(t time.Time) {
		if t.After(now) && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	full := make(map[string]bool)
	for _, id := range endpoints {
		if full[id] = free[id] <= 0; full[id] {
			continue
		}
		s.waiting(id, func(_ *webhook.Delivery, from time.Time) bool {
			earliest(from)
			return from.After(now) // one that was left behind needs room, not time
		})
	}
	for _, l := range s.leases {
		if !full[l.endpoint] {
			continue
		}
		if hold := s.endpoints[l.endpoint].HoldUntil; hold.After(l.until) {
			earliest(hold)
		} else {
			earliest(l.until)
		}
	}
	return wake
}

// RecordAttempt implements webhook.QueueStore. An attempt without a Class was a success.
func (s *Store) RecordAttempt(ctx context.Context, l webhook.Lease, a webhook.Attempt, to webhook.Settlement) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	now := s.now()
	id := l.Delivery.ID
	if !s.leased(id, now) || s.leases[id].token != l.Token {
		return fmt.Errorf("delivery %s: %w", id, webhook.ErrLeaseLost)
	}
	d, err := s.delivery(id)
	if err != nil {
		return err
	}
	e, err := s.endpoint(d.Endpoint)
	if err != nil {
		return err
	}
	d.Settle(a, to)
	e.Settle(a, to)
	a.Delivery, a.Number = id, d.Attempts
	s.attempts[id] = append(s.attempts[id], a)
	delete(s.leases, id)
	s.enqueue(d)
	s.signal() // a place is free, and what waited for this one by its OrderKey may go
	return nil
}

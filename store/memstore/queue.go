package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"recado/acs"
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
// delivery becomes due, an endpoint's hold ends, a probe's time comes, a lease runs out.
func (s *Store) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	if err := s.lock(ctx); err != nil {
		return nil, time.Time{}, err
	}
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.leases, func(_ string, l lease) bool { return !now.Before(l.until) })

	open := slices.DeleteFunc(slices.Sorted(maps.Keys(s.queues)), func(id string) bool {
		_, _, ok := s.endpoints[id].OpensAt()
		return !ok
	})
	held := s.heldLeases()
	again := make(map[string]time.Time)
	turns := make([][]*webhook.Delivery, len(open))
	for i, id := range open {
		turns[i] = s.claimable(id, min(s.limit(id, l)-held[id], l.Total), now)
	}

	var leases []webhook.Lease
	for i := s.firstTurn(open); len(leases) < l.Total && anyLeft(turns); i++ {
		turn := &turns[i%len(open)]
		if len(*turn) == 0 {
			continue
		}
		d := (*turn)[0]
		if held[d.Endpoint] > 0 && l.Total-len(leases) <= l.Reserved {
			*turn = nil
			continue
		}
		if l.Allow != nil {
			if t := l.Allow(cloneEndpoint(s.endpoints[d.Endpoint])); !t.IsZero() {
				*turn, again[d.Endpoint] = nil, t
				continue
			}
		}
		*turn = (*turn)[1:]
		leases = append(leases, s.grant(d, now.Add(l.Lease)))
		s.lastTurn, s.served[d.Endpoint] = d.Endpoint, now
		held[d.Endpoint]++
	}
	return leases, s.wake(open, held, again, l, now), nil
}

// heldLeases counts each endpoint's leases.
func (s *Store) heldLeases() map[string]int {
	held := make(map[string]int)
	for _, l := range s.leases {
		held[l.endpoint]++
	}
	return held
}

// limit tells how many attempts an endpoint takes at once.
func (s *Store) limit(endpoint string, l webhook.ClaimLimits) int {
	e := s.endpoints[endpoint]
	if _, probe, _ := e.OpensAt(); probe {
		return 1
	}
	if e.Concurrency == 0 {
		return l.PerEndpoint
	}
	return e.Concurrency
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
func (s *Store) waiting(endpoint string, yield func(d *webhook.Delivery, from time.Time)) {
	e := s.endpoints[endpoint]
	opens, probe, _ := e.OpensAt()
	seen := make(map[string]bool)
	for _, d := range s.queues[endpoint].items {
		if d.OrderKey != "" {
			if seen[d.OrderKey] {
				continue
			}
			seen[d.OrderKey] = true
		}
		from := d.DueAt(e)
		if probe {
			from = opens
		}
		if l, ok := s.leases[d.ID]; ok {
			from = l.until
		}
		if opens.After(from) {
			from = opens
		}
		yield(d, from)
	}
}

// claimable lists at most n deliveries that can be claimed now, the highest priority first, of one priority the oldest.
func (s *Store) claimable(endpoint string, n int, now time.Time) (list []*webhook.Delivery) {
	if n <= 0 {
		return nil
	}
	s.waiting(endpoint, func(d *webhook.Delivery, from time.Time) {
		if !from.After(now) {
			list = append(list, d)
		}
	})
	slices.SortStableFunc(list, func(a, b *webhook.Delivery) int { return cmp.Compare(b.Priority, a.Priority) })
	return list[:min(n, len(list))]
}

func (s *Store) grant(d *webhook.Delivery, until time.Time) webhook.Lease {
	s.lastToken++
	s.leases[d.ID] = lease{token: s.lastToken, endpoint: d.Endpoint, until: until}
	given := webhook.Lease{
		Delivery: *d, Endpoint: cloneEndpoint(s.endpoints[d.Endpoint]), Pending: len(s.queues[d.Endpoint].items), Token: s.lastToken,
	}
	_, given.Probe, _ = given.Endpoint.OpensAt()
	if e := s.events[d.Event]; e != nil {
		given.Event = cloneEvent(e)
	}
	return given
}

// wake tells when time alone makes something claimable. Those for which again has a time wait for that.
func (s *Store) wake(
	endpoints []string, held map[string]int, again map[string]time.Time, l webhook.ClaimLimits, now time.Time,
) (wake time.Time) {
	earliest := func(t time.Time) {
		if t.After(now) && (wake.IsZero() || t.Before(wake)) {
			wake = t
		}
	}
	full := make(map[string]bool)
	for _, id := range endpoints {
		if full[id] = held[id] >= s.limit(id, l); full[id] {
			continue
		}
		earliest(again[id])
		// One that was left behind needs room, not time: earliest passes it over.
		s.waiting(id, func(_ *webhook.Delivery, from time.Time) { earliest(from) })
	}
	for _, l := range s.leases {
		if !full[l.endpoint] {
			continue
		}
		if opens, _, _ := s.endpoints[l.endpoint].OpensAt(); opens.After(l.until) {
			earliest(opens)
		} else {
			earliest(l.until)
		}
	}
	return wake
}

// RecordAttempt implements webhook.QueueStore. An attempt without a Class was a success.
func (s *Store) RecordAttempt(
	ctx context.Context, l webhook.Lease, a webhook.Attempt, to webhook.Settlement,
) (webhook.EndpointState, error) {
	if err := s.lock(ctx); err != nil {
		return "", err
	}
	defer s.mu.Unlock()
	now := s.now()
	id := l.Delivery.ID
	if !s.leased(id, now) || s.leases[id].token != l.Token {
		return "", fmt.Errorf("delivery %s: %w", id, webhook.ErrLeaseLost)
	}
	d, err := s.delivery(id)
	if err != nil {
		return "", err
	}
	e, err := s.endpoint(d.Endpoint)
	if err != nil {
		return "", err
	}
	var tell acs.Outbox
	if to.Outbox != nil {
		tell = acs.Outbox{Events: to.Outbox.Events, Deliveries: to.Outbox.Deliveries}
		if err := s.checkOutbox(tell); err != nil {
			return "", err
		}
	}
	to = to.Still(l, a, e, now)
	d.Settle(a, to, e, now)
	became := e.Settle(l, a, to, now)
	if became != "" && became == to.EndpointState {
		s.post(tell, now)
	}
	a.Delivery, a.Number = id, d.Attempts
	s.tally(d.Endpoint, now).Count(l, a, d)
	s.attempts[id] = append(s.attempts[id], a)
	delete(s.leases, id)
	s.enqueue(d)
	s.signal() // a place is free, and what waited for this one by its OrderKey may go
	return became, nil
}

// QueueDepth implements webhook.QueueStore.
func (s *Store) QueueDepth(ctx context.Context, client string) (int, error) {
	if err := s.lock(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := 0
	for id, q := range s.queues {
		if s.endpoints[id].Client == client {
			n += len(q.items)
		}
	}
	return n, nil
}

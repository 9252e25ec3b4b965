package memstore

import (
	"context"
	"maps"
	"slices"
	"time"

	"recado/webhook"
)

// tallyKey is what is counted by.
type tallyKey struct {
	endpoint string
	hour     int64
}

// tally gives the counters of an endpoint and an hour.
func (s *Store) tally(endpoint string, now time.Time) *webhook.Tally {
	key := tallyKey{endpoint, webhook.Hour(now)}
	t := s.tallies[key]
	if t == nil {
		t = &webhook.Tally{}
		s.tallies[key] = t
	}
	return t
}

// Tally implements webhook.StatsStore.
func (s *Store) Tally(ctx context.Context, endpoint string, since time.Time) (sum webhook.Tally, err error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Tally{}, err
	}
	defer s.mu.Unlock()
	for key, t := range s.tallies {
		if key.endpoint == endpoint && key.hour >= webhook.Hour(since) {
			sum.Add(t)
		}
	}
	return sum, nil
}

// QueueStates implements webhook.StatsStore.
func (s *Store) QueueStates(ctx context.Context, client string) (list []webhook.QueueState, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	now := s.now()
	dead := make(map[string]int)
	for _, d := range s.deliveries.items {
		if d.State == webhook.DeliveryDead {
			dead[d.Endpoint]++
		}
	}
	held := s.heldLeases()
	for _, id := range slices.Sorted(maps.Keys(s.endpoints)) {
		e := s.endpoints[id]
		if client != "" && e.Client != client {
			continue
		}
		queue := s.queues[id].items
		q := webhook.QueueState{Endpoint: id, Client: e.Client, State: e.State, Pending: len(queue), Dead: dead[id]}
		if len(queue) > 0 {
			q.Oldest = queue[0].CreatedAt
		}
		if opens, probe, ok := e.OpensAt(); ok && !probe && held[id] == 0 && !opens.After(now) {
			s.waiting(id, func(_ *webhook.Delivery, from time.Time) {
				if !from.After(now) && (q.DueSince.IsZero() || from.Before(q.DueSince)) {
					q.DueSince = from
				}
			})
			if served := s.served[id]; !q.DueSince.IsZero() && served.After(q.DueSince) {
				q.DueSince = served
			}
		}
		list = append(list, q)
	}
	return list, nil
}

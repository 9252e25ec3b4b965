package webhook_test

import (
	"context"
	"sync"
	"time"

	"recado/webhook"
)

// plantedFaults are queues that break one promise each, or a dispatcher's that do.
var plantedFaults = map[string]func(webhook.Store) webhook.Store{
	"a probe burns a try": onRecord(func(_ webhook.Lease, _ *webhook.Attempt, s *webhook.Settlement) { s.KeepTries = false }),
	"the breaker never opens": onRecord(func(_ webhook.Lease, a *webhook.Attempt, s *webhook.Settlement) {
		s.KeepHealth = s.KeepHealth || a.Status == 0 && a.Class != ""
	}),
	"Retry-After is forgotten": onRecord(func(_ webhook.Lease, a *webhook.Attempt, s *webhook.Settlement) {
		if a.RetryAfter > 0 && s.State == webhook.DeliveryPending {
			s.NextAt = a.At.Add(a.Duration + time.Second)
		}
	}),
	"429 does not hold the endpoint": onRecord(func(_ webhook.Lease, _ *webhook.Attempt, s *webhook.Settlement) { s.HoldEndpoint = time.Time{} }),
	"waits are too long": onRecord(func(_ webhook.Lease, a *webhook.Attempt, s *webhook.Settlement) {
		if s.State == webhook.DeliveryPending {
			end := a.At.Add(a.Duration)
			s.NextAt = end.Add(s.NextAt.Sub(end) * 3 / 2)
		}
	}),
	"a failure is delivered": onRecord(func(_ webhook.Lease, a *webhook.Attempt, s *webhook.Settlement) {
		if a.Status == 302 {
			s.State, s.NextAt = webhook.DeliveryDelivered, time.Time{}
		}
	}),
	"the last try is one too early": onRecord(func(l webhook.Lease, a *webhook.Attempt, s *webhook.Settlement) {
		if s.State == webhook.DeliveryPending && !l.Probe && l.Delivery.Tries+1 == len(l.Endpoint.Schedule) {
			s.State, s.NextAt = webhook.DeliveryDead, time.Time{}
		}
	}),
	"the end of an endpoint is not told": onRecord(func(_ webhook.Lease, _ *webhook.Attempt, s *webhook.Settlement) { s.Outbox = nil }),
	"protocolos have no order":           onAdd(func(d *webhook.Delivery) { d.OrderKey = "" }),
	"priorities do not count":            onAdd(func(d *webhook.Delivery) { d.Priority = 0 }),
	"a delivery in fifty is lost": func(s webhook.Store) webhook.Store {
		return &faulty{Store: s, lose: 50}
	},
	"what was taken is not recorded": func(s webhook.Store) webhook.Store {
		return &faulty{Store: s, unrecorded: 30}
	},
	"one is claimed twice": onClaimed(func(l []webhook.Lease) []webhook.Lease { return append(l, l[0]) }),
	"a retry has another body": onClaimed(func(l []webhook.Lease) []webhook.Lease {
		return edit(l, func(e *webhook.Event) { e.Body = append(e.Body, ' ') })
	}),
	"a retry has another id":          onClaimed(func(l []webhook.Lease) []webhook.Lease { return edit(l, func(e *webhook.Event) { e.ID += "x" }) }),
	"the rate does not count":         onClaim(func(l *webhook.ClaimLimits) { l.Allow = nil }),
	"concurrency is doubled":          onClaim(func(l *webhook.ClaimLimits) { l.PerEndpoint *= 2 }),
	"a lease ends before the attempt": onClaim(func(l *webhook.ClaimLimits) { l.Lease = 3 * time.Second }),
	"nobody wakes the dispatcher": func(s webhook.Store) webhook.Store {
		return &faulty{Store: s, sleepy: true}
	},
	"a resume is forgotten": func(s webhook.Store) webhook.Store {
		return &faulty{Store: s, stuck: true}
	},
}

// faulty is a store with a fault.
type faulty struct {
	webhook.Store
	claim   func(*webhook.ClaimLimits)
	claimed func([]webhook.Lease) []webhook.Lease
	record  func(webhook.Lease, *webhook.Attempt, *webhook.Settlement)
	add     func(*webhook.Delivery)

	lose, unrecorded int
	sleepy, stuck    bool

	mu sync.Mutex
	n  int
}

func onRecord(f func(webhook.Lease, *webhook.Attempt, *webhook.Settlement)) func(webhook.Store) webhook.Store {
	return func(s webhook.Store) webhook.Store { return &faulty{Store: s, record: f} }
}

func onAdd(f func(*webhook.Delivery)) func(webhook.Store) webhook.Store {
	return func(s webhook.Store) webhook.Store { return &faulty{Store: s, add: f} }
}

func onClaim(f func(*webhook.ClaimLimits)) func(webhook.Store) webhook.Store {
	return func(s webhook.Store) webhook.Store { return &faulty{Store: s, claim: f} }
}

func onClaimed(f func([]webhook.Lease) []webhook.Lease) func(webhook.Store) webhook.Store {
	return func(s webhook.Store) webhook.Store { return &faulty{Store: s, claimed: f} }
}

// edit changes the events of retries.
func edit(leases []webhook.Lease, change func(*webhook.Event)) []webhook.Lease {
	for i := range leases {
		if leases[i].Delivery.Attempts > 0 {
			change(&leases[i].Event)
		}
	}
	return leases
}

func (f *faulty) every(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return n > 0 && f.n%n == 0
}

func (f *faulty) AddEvent(ctx context.Context, e webhook.Event, ds []webhook.Delivery) (webhook.Event, error) {
	for i := range ds {
		if f.add != nil {
			f.add(&ds[i])
		}
	}
	if len(ds) > 0 && f.every(f.lose) {
		ds = ds[1:]
	}
	return f.Store.AddEvent(ctx, e, ds)
}

func (f *faulty) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	if f.claim != nil {
		f.claim(&l)
	}
	leases, wake, err := f.Store.ClaimDeliveries(ctx, l)
	if f.claimed != nil && len(leases) > 0 {
		leases = f.claimed(leases)
	}
	if f.sleepy {
		wake = time.Time{}
	}
	return leases, wake, err
}

func (f *faulty) RecordAttempt(ctx context.Context, l webhook.Lease, a webhook.Attempt, s webhook.Settlement) (webhook.EndpointState, error) {
	if f.record != nil {
		f.record(l, &a, &s)
	}
	if s.State == webhook.DeliveryDelivered && f.every(f.unrecorded) {
		return "", nil
	}
	return f.Store.RecordAttempt(ctx, l, a, s)
}

func (f *faulty) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	if f.stuck && e.State == webhook.EndpointActive {
		old, err := f.Store.Endpoint(ctx, e.ID)
		if err == nil && old.State != webhook.EndpointActive {
			return e, nil
		}
	}
	return f.Store.UpdateEndpoint(ctx, e)
}

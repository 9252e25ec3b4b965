package boltstore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"recado/acs"
	"recado/store/boltstore"
	"recado/webhook"
)

var errInjected = errors.New("injected")

// queued stores n deliveries that are pending for an endpoint and gives their ids.
func queued(t testing.TB, s *opened, endpoint string, n int) (ids []string) {
	t.Helper()
	const batch = 1000
	for len(ids) < n {
		e := webhook.Event{ID: newID(t, "evt_"), Type: "action.succeeded", Client: "cli_1", Time: time.Now().UTC()}
		var ds []webhook.Delivery
		for range min(batch, n-len(ids)) {
			d := webhook.Delivery{
				ID: newID(t, "dlv_"), Event: e.ID, EventType: e.Type, Endpoint: endpoint, Client: "cli_1", State: webhook.DeliveryPending,
				OrderKey: fmt.Sprint("p:", len(ids)/3), NextAt: time.Now().UTC(), CreatedAt: time.Now().UTC(),
			}
			ds, ids = append(ds, d), append(ids, d.ID)
		}
		_, err := s.AddEvent(ctx, e, ds)
		check(t, "event", err)
	}
	return ids
}

// wantCancelled fails unless all of these are cancelled.
func wantCancelled(t testing.TB, s *opened, ids []string) {
	t.Helper()
	for _, id := range ids {
		if d, err := s.Delivery(ctx, id); err != nil || d.State != webhook.DeliveryCancelled || d.DoneAt.IsZero() {
			t.Fatalf("delivery %s: got %s, done at %v, %v; want cancelled", id, d.State, d.DoneAt, err)
		}
	}
	if n, err := s.QueueDepth(ctx, "cli_1"); n != 0 || err != nil {
		t.Errorf("queue depth: got %d, %v; want 0", n, err)
	}
	if n := s.Left(); n != 0 {
		t.Errorf("deleted endpoints with something left: got %d, want 0", n)
	}
}

// wantDeleted fails unless the endpoint is gone for all to see, whatever is left of it.
func wantDeleted(t testing.TB, s *opened, e webhook.Endpoint, delivery string) {
	t.Helper()
	if _, err := s.Endpoint(ctx, e.ID); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("endpoint: got %v, want ErrNotFound", err)
	}
	if err := s.DeleteEndpoint(ctx, e.ID); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("deleting once more: got %v, want ErrNotFound", err)
	}
	if leases, wake, err := s.ClaimDeliveries(ctx, limits); len(leases) != 0 || !wake.IsZero() || err != nil {
		t.Errorf("claim: got %d leases, wake %v, %v; want none", len(leases), wake, err)
	}
	if _, err := s.Redeliver(ctx, delivery); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("redeliver: got %v, want ErrNotFound", err)
	}
	if n, err := s.QueueDepth(ctx, "cli_1"); n != 0 || err != nil {
		t.Errorf("queue depth: got %d, %v; want 0", n, err)
	}
}

// Others get their turn between the batches.
func TestDeletingIsNoGiantTransaction(t *testing.T) {
	s := newStore(t)
	e, other := newEndpoint(t, "cli_1"), newEndpoint(t, "cli_2")
	check(t, "endpoint", s.CreateEndpoint(ctx, e))
	check(t, "endpoint", s.CreateEndpoint(ctx, other))
	const n = 20 * boltstore.CancelBatch
	ids := queued(t, s, e.ID, n)
	before := s.Commits()
	done := make(chan error, 1)
	go func() { done <- s.DeleteEndpoint(ctx, e.ID) }()
	others := 0
	for {
		select {
		case err := <-done:
			check(t, "delete", err)
			if commits := s.Commits() - before; commits < 21 || others < 10 {
				t.Errorf("deleting an endpoint with %d deliveries: got %d commits and %d by others meanwhile, want at least 21 and 10", n, commits, others)
			}
			wantCancelled(t, s, ids)
			return
		default:
			_, err := s.AddEvent(ctx, webhook.Event{ID: newID(t, "evt_")}, nil)
			check(t, "event", err)
			others++
		}
	}
}

func TestDeletingGoesOnAfterAFailure(t *testing.T) {
	for what, finish := range map[string]func(t *testing.T, s *opened) *opened{
		"reopened": func(t *testing.T, s *opened) *opened {
			check(t, "close", s.Close())
			return open(t, s.path)
		},
		"as a crash leaves it": func(t *testing.T, s *opened) *opened {
			to := filepath.Join(t.TempDir(), "recado.db")
			copyStore(t, s.path, to)
			check(t, "close", s.Close())
			return open(t, to)
		},
		"purged": func(t *testing.T, s *opened) *opened {
			_, err := s.Purge(ctx, acs.Retention{})
			check(t, "purge", err)
			return s
		},
		"another one deleted": func(t *testing.T, s *opened) *opened {
			e := newEndpoint(t, "cli_1")
			check(t, "endpoint", s.CreateEndpoint(ctx, e))
			check(t, "delete", s.DeleteEndpoint(ctx, e.ID))
			return s
		},
	} {
		for _, whole := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, client %v", what, whole), func(t *testing.T) {
				s := open(t, filepath.Join(t.TempDir(), "recado.db"))
				check(t, "client", s.CreateClient(ctx, acs.Client{ID: "cli_1", Name: "erp"}))
				e := newEndpoint(t, "cli_1")
				check(t, "endpoint", s.CreateEndpoint(ctx, e))
				ids := queued(t, s, e.ID, 4*boltstore.CancelBatch+7)
				_, _, err := s.ClaimDeliveries(ctx, limits)
				check(t, "claim", err)
				var commits atomic.Int64
				s.FailCommits(func() error {
					if commits.Add(1) > 3 {
						return errInjected
					}
					return nil
				})
				if whole {
					err = s.DeleteClient(ctx, "cli_1")
				} else {
					err = s.DeleteEndpoint(ctx, e.ID)
				}
				if !errors.Is(err, acs.ErrUnavailable) {
					t.Errorf("delete: got %v, want ErrUnavailable", err)
				}
				s.FailCommits(nil)
				wantDeleted(t, s, e, ids[len(ids)-1])
				if d, err := s.Delivery(ctx, ids[len(ids)-1]); err != nil || d.State != webhook.DeliveryPending {
					t.Fatalf("the last delivery: got %s, %v; want it left pending", d.State, err)
				}
				if d, err := s.Delivery(ctx, ids[0]); err != nil || d.State != webhook.DeliveryCancelled {
					t.Errorf("the first delivery: got %s, %v; want it cancelled", d.State, err)
				}
				if err := s.CreateEndpoint(ctx, e); !errors.Is(err, acs.ErrExists) {
					t.Errorf("the id once more: got %v, want ErrExists while something is left", err)
				}
				s = finish(t, s)
				wantDeleted(t, s, e, ids[len(ids)-1])
				wantCancelled(t, s, ids)
				rebuilt(t, s)
			})
		}
	}
}

// A release is one stamp: it writes none of the deliveries that it makes due.
func TestReleaseWritesOneRecord(t *testing.T) {
	s := newStore(t)
	e := newEndpoint(t, "cli_1")
	check(t, "endpoint", s.CreateEndpoint(ctx, e))
	queued(t, s, e.ID, 5000)
	l := webhook.ClaimLimits{Total: 1000, PerEndpoint: 1000, Lease: time.Minute}
	leases, _, err := s.ClaimDeliveries(ctx, l)
	check(t, "claim", err)
	for _, lease := range leases {
		check(t, "attempt", attempted(s, lease, webhook.Attempt{At: time.Now(), Class: webhook.ErrorConnect},
			webhook.Settlement{State: webhook.DeliveryPending, NextAt: time.Now().Add(time.Hour)}))
	}
	e, err = s.Endpoint(ctx, e.ID)
	if err != nil || e.State != webhook.EndpointFailing {
		t.Fatalf("after %d faults: got %s, %v; want failing", len(leases), e.State, err)
	}
	e.State = webhook.EndpointActive
	allocated := func() int64 {
		stats := s.Main().Stats().TxStats
		return stats.GetPageAlloc()
	}
	pages := allocated()
	e, err = s.UpdateEndpoint(ctx, e)
	check(t, "resume", err)
	if got := allocated() - pages; got > 64<<10 {
		t.Errorf("resuming an endpoint with %d deliveries put off: got %d bytes of pages written, want at most 64 KiB", len(leases), got)
	}
	again, _, err := s.ClaimDeliveries(ctx, l)
	if err != nil || len(again) != len(leases) || again[0].Delivery.ID != leases[0].Delivery.ID {
		t.Errorf("claim after it: got %d leases, %v; want %d, the oldest first", len(again), err, len(leases))
	}
}

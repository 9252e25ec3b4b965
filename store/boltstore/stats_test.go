package boltstore_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"recado/acs"
	"recado/webhook"
)

// Counters that two operations of one group write down, where its commit fails, are counted all the same.
func TestTalliesOfAFailedGroupAreKept(t *testing.T) {
	s := newStore(t)
	e := newEndpoint(t, "cli_1")
	check(t, "endpoint", s.CreateEndpoint(ctx, e))
	queued(t, s, e.ID, 1)
	leases, _, err := s.ClaimDeliveries(ctx, webhook.ClaimLimits{Total: 1, PerEndpoint: 1, Lease: time.Minute})
	check(t, "claim", err)
	if len(leases) != 1 {
		t.Fatalf("claim: got %d leases, want 1", len(leases))
	}
	now := time.Now()
	check(t, "attempt", attempted(s, leases[0], webhook.Attempt{At: now, Status: 200},
		webhook.Settlement{State: webhook.DeliveryDelivered}))
	want, err := s.Tally(ctx, e.ID, now.Add(-time.Hour))
	check(t, "counters", err)
	if reflect.DeepEqual(want, webhook.Tally{}) {
		t.Fatal("nothing was counted of an attempt")
	}

	s.FailCommits(func() error { return errInjected })
	release := s.Hold()
	wait := s.WriteTallies(2)
	release()
	wait()
	s.FailCommits(nil)
	after := func(what string) {
		t.Helper()
		if got, err := s.Tally(ctx, e.ID, now.Add(-time.Hour)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("counters after %s: got %+v, %v; want %+v", what, got, err, want)
		}
	}
	after("a failed commit")
	s.WriteTallies(2)()
	after("one that was made")
}

// An attempt is stored while claims end its lease: nothing of a lease is read that a claim may clear. The race detector watches.
func TestAttemptsAgainstEndingLeases(t *testing.T) {
	s := newStore(t)
	e := newEndpoint(t, "cli_1")
	check(t, "endpoint", s.CreateEndpoint(ctx, e))
	queued(t, s, e.ID, 60)
	limits := webhook.ClaimLimits{Total: 64, PerEndpoint: 64, Lease: 300 * time.Microsecond}
	stop, claimed := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				claimed <- nil
				return
			default:
			}
			if _, _, err := s.ClaimDeliveries(ctx, limits); err != nil {
				claimed <- err
				return
			}
		}
	}()
	tries := 0
	for until := time.Now().Add(time.Second); time.Now().Before(until); {
		leases, _, err := s.ClaimDeliveries(ctx, limits)
		check(t, "claim", err)
		for _, l := range leases {
			tries++
			err := attempted(s, l, webhook.Attempt{At: time.Now(), Status: 503},
				webhook.Settlement{State: webhook.DeliveryPending, NextAt: time.Now()})
			if err != nil && !errors.Is(err, webhook.ErrLeaseLost) && !errors.Is(err, acs.ErrUnavailable) {
				t.Fatalf("attempt: got %v, want none or ErrLeaseLost", err)
			}
		}
	}
	close(stop)
	check(t, "claims beside", <-claimed)
	if tries == 0 {
		t.Error("no attempt was tried")
	}
}

package boltstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/webhook"
)

func TestWaitingOperationsShareACommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		before := s.Commits()
		release := s.Hold()
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if _, _, err := s.CreateAction(ctx, newAction(t, fmt.Sprint(i)), acs.Idempotency{}, acs.Outbox{}); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		if got := s.Commits() - before; got != 2 {
			t.Errorf("got %d commits for one held and 100 waiting operations, want 2", got)
		}
	})
}

func TestCancelledContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		release := s.Hold()
		early, cancel := context.WithCancel(ctx)
		a, b := newAction(t, "cpe-1"), newAction(t, "cpe-1")
		errs := make(chan error, 1)
		go func() {
			_, _, err := s.CreateAction(early, a, acs.Idempotency{}, acs.Outbox{})
			errs <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled while waiting: got %v, want context.Canceled", err)
		}
		release()
		if _, _, err := s.CreateAction(ctx, b, acs.Idempotency{}, acs.Outbox{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Action(ctx, a.ID); !errors.Is(err, acs.ErrNotFound) {
			t.Errorf("the cancelled action: got %v, want ErrNotFound", err)
		}

		// Taken by the writer, an operation is waited for.
		taken, let := make(chan struct{}), make(chan struct{})
		s.FailCommits(func() error { close(taken); <-let; return nil })
		late, cancel := context.WithCancel(ctx)
		c := newAction(t, "cpe-1")
		go func() {
			_, _, err := s.CreateAction(late, c, acs.Idempotency{}, acs.Outbox{})
			errs <- err
		}()
		<-taken
		cancel()
		synctest.Wait()
		select {
		case err := <-errs:
			t.Errorf("returned %v before the commit", err)
		default:
		}
		s.FailCommits(nil)
		close(let)
		if err := <-errs; err != nil {
			t.Errorf("cancelled after being taken: got %v, want none", err)
		}
		if _, err := s.Action(ctx, c.ID); err != nil {
			t.Errorf("the action taken: %v", err)
		}
	})
}

// state is all that the memory answers.
func state(t testing.TB, s *opened) string {
	t.Helper()
	out := ""
	for _, device := range []string{"cpe-0", "cpe-1", "cpe-2"} {
		live, err := s.LiveActions(ctx, device)
		check(t, "live actions", err)
		for _, a := range live {
			out += fmt.Sprintln(device, a.ID, a.Version, a.Status, a.Sequence)
		}
	}
	waiting, err := s.WaitingDevices(ctx)
	check(t, "waiting devices", err)
	endpoints, err := s.Endpoints(ctx, "")
	check(t, "endpoints", err)
	for _, e := range endpoints {
		out += fmt.Sprintln(e.ID, e.Version, e.State, e.ConsecutiveFailures)
	}
	return out + fmt.Sprintln(len(waiting), s.Pending())
}

func TestFailedCommitChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		furnish(t, s)
		e := newEndpoint(t, "cli_1")
		check(t, "endpoint", s.CreateEndpoint(ctx, e))
		open, _, err := s.CreateAction(ctx, newAction(t, "cpe-0"), acs.Idempotency{}, acs.Outbox{})
		check(t, "create", err)
		_, err = s.AddEvent(ctx, webhook.Event{ID: newID(t, "evt_"), Type: "webhook.test"}, newOutbox(t, open, e.ID).Deliveries)
		check(t, "event", err)
		leases, _, err := s.ClaimDeliveries(ctx, limits)
		check(t, "claim", err)
		before := state(t, s)
		full := errors.New("no space left on device")
		s.FailCommits(func() error { return full })
		calls := map[string]func() error{
			"create": func() error {
				_, _, err := s.CreateAction(ctx, newAction(t, "cpe-0"), acs.Idempotency{Key: "k", BodyMAC: "m"}, newOutbox(t, open, e.ID))
				return err
			},
			"update": func() error { _, err := s.UpdateAction(ctx, open, acs.Outbox{}); return err },
			"finish": func() error { _, err := s.FinishAction(ctx, finished(open), newOutbox(t, open, e.ID)); return err },
			"attempt": func() error {
				return attempted(s, leases[0], webhook.Attempt{At: time.Now()}, webhook.Settlement{State: webhook.DeliveryDelivered})
			},
			"delete endpoint": func() error { return s.DeleteEndpoint(ctx, e.ID) },
			"delete client":   func() error { return s.DeleteClient(ctx, "cli_1") },
			"facts": func() error {
				_, err := s.PutFacts(ctx, "cpe-9", cwmp.DeviceID{}, acs.Facts{RouterID: "R9"})
				return err
			},
			"ping": func() error { time.Sleep(2 * time.Second); return s.Ping(ctx) },
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, acs.ErrUnavailable) || !errors.Is(err, full) {
				t.Errorf("%s: got %v, want ErrUnavailable and its cause", name, err)
			}
		}
		if err := s.Ping(ctx); !errors.Is(err, acs.ErrUnavailable) {
			t.Errorf("ping after failures: got %v, want ErrUnavailable", err)
		}
		if got := state(t, s); got != before {
			t.Errorf("memory after failed commits:\n%s\nwant:\n%s", got, before)
		}
		s.FailCommits(nil)
		time.Sleep(2 * time.Second)
		check(t, "ping when healed", s.Ping(ctx))
		for _, name := range []string{"create", "update", "attempt", "facts"} {
			check(t, name+" when healed", calls[name]())
		}
		rebuilt(t, s)
	})
}

// rebuilt closes a store and holds what it opens with against what it had.
func rebuilt(t testing.TB, s *opened) {
	t.Helper()
	before := state(t, s)
	check(t, "close", s.Close())
	again := open(t, s.path)
	if got := state(t, again); got != before {
		t.Errorf("memory after reopening:\n%s\nwant:\n%s", got, before)
	}
	check(t, "close", again.Close())
}

// randomCalls makes n calls with ids of their own; the same seed makes the same calls. Many of them are refused.
func randomCalls(t testing.TB, r *rand.Rand, n int) []func(s *opened) error {
	t.Helper()
	var (
		calls     []func(s *opened) error
		actions   []acs.Action
		endpoints []webhook.Endpoint
	)
	for i := range 3 {
		e := newEndpoint(t, fmt.Sprintf("cli_%d", i))
		endpoints = append(endpoints, e)
		calls = append(calls, func(s *opened) error { return s.CreateEndpoint(ctx, e) })
	}
	for i := range n {
		endpoint := endpoints[r.IntN(len(endpoints))]
		switch r.IntN(10) {
		case 0, 1, 2:
			a := newAction(t, fmt.Sprintf("cpe-%d", r.IntN(3)))
			key := acs.Idempotency{Key: fmt.Sprintf("key-%d", r.IntN(n)), BodyMAC: fmt.Sprint(r.IntN(2))}
			actions = append(actions, a)
			calls = append(calls, func(s *opened) error { _, _, err := s.CreateAction(ctx, a, key, acs.Outbox{}); return err })
		case 3, 4, 5:
			if len(actions) == 0 {
				continue
			}
			a := actions[r.IntN(len(actions))]
			a.Version = uint64(1 + r.IntN(3))
			o := newOutbox(t, a, endpoint.ID)
			calls = append(calls, func(s *opened) error { _, err := s.UpdateAction(ctx, a, o); return err })
		case 6, 7:
			if len(actions) == 0 {
				continue
			}
			a := finished(actions[r.IntN(len(actions))])
			a.Version = uint64(1 + r.IntN(2))
			o := newOutbox(t, a, endpoint.ID)
			calls = append(calls, func(s *opened) error { _, err := s.FinishAction(ctx, a, o); return err })
		case 8:
			f := acs.Facts{RouterID: fmt.Sprint("R", r.IntN(4)), Version: uint64(r.IntN(2))}
			id := fmt.Sprint("cpe-", r.IntN(4))
			calls = append(calls, func(s *opened) error { _, err := s.PutFacts(ctx, id, cwmp.DeviceID{}, f); return err })
		case 9:
			if i%7 == 0 {
				calls = append(calls, func(s *opened) error { return s.DeleteEndpoint(ctx, endpoint.ID) })
				continue
			}
			endpoint.Version = uint64(1 + r.IntN(2))
			calls = append(calls, func(s *opened) error { _, err := s.UpdateEndpoint(ctx, endpoint); return err })
		}
	}
	return calls
}

func kind(err error) string {
	for _, is := range []error{
		acs.ErrNotFound, acs.ErrExists, acs.ErrConflict, acs.ErrFinished, acs.ErrIdempotencyReused, acs.ErrUnavailable,
		webhook.ErrNotFound, webhook.ErrConflict,
	} {
		if errors.Is(err, is) {
			return is.Error()
		}
	}
	return fmt.Sprint(err)
}

// A group gives what its operations give one by one, errors and records alike (I16).
func TestGroupsAreLikeOneByOne(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				calls := randomCalls(t, r, 300)
				single := open(t, filepath.Join(t.TempDir(), "recado.db"))
				want := make([]string, len(calls))
				refused := 0
				for i, call := range calls {
					if err := call(single); err != nil {
						refused++
						want[i] = kind(err)
					}
				}
				if refused < len(calls)/10 || refused > len(calls)*9/10 {
					t.Fatalf("%d of %d calls are refused: the test shows little", refused, len(calls))
				}
				grouped := open(t, filepath.Join(t.TempDir(), "recado.db"))
				for i := 0; i < len(calls); {
					n := min(1+r.IntN(60), len(calls)-i)
					release := grouped.Hold()
					got := make([]string, n)
					var wg sync.WaitGroup
					for j := range n {
						wg.Go(func() {
							if err := calls[i+j](grouped); err != nil {
								got[j] = kind(err)
							}
						})
						synctest.Wait()
					}
					release()
					wg.Wait()
					for j := range n {
						if got[j] != want[i+j] {
							t.Fatalf("call %d in a group: got %q, want %q", i+j, got[j], want[i+j])
						}
					}
					i += n
				}
				if got, want := state(t, grouped), state(t, single); got != want {
					t.Errorf("memory:\n%s\nwant:\n%s", got, want)
				}
				for _, s := range []*opened{single, grouped} {
					rebuilt(t, s)
				}
				if got, want := records(t, grouped.path), records(t, single.path); got != want {
					t.Errorf("records: %s", firstDifference(got, want))
				}
			})
		})
	}
}

// Numbers move from the log into the devices' records, and none is given twice.
func TestSequencesOutliveTheirLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "recado.db")
		s := open(t, path)
		last := func(device string) uint64 {
			e, err := s.AddEvent(ctx, webhook.Event{ID: newID(t, "evt_"), Device: device, Body: []byte("{}"), SequenceAt: 1}, nil)
			check(t, "event", err)
			return e.Sequence
		}
		if got := last("cpe-1"); got != 1 {
			t.Fatalf("first number: got %d", got)
		}
		var wg sync.WaitGroup
		var next atomic.Int64
		for range 64 {
			wg.Go(func() {
				for i := next.Add(1); i <= 2*int64(mergeAt); i = next.Add(1) {
					last(fmt.Sprint("other-", i))
				}
			})
		}
		wg.Wait()
		if got := last("cpe-1"); got != 2 {
			t.Errorf("after a merge: got %d, want 2", got)
		}
		check(t, "close", s.Close())
		s = open(t, path)
		if got := last("cpe-1"); got != 3 {
			t.Errorf("after reopening: got %d, want 3", got)
		}
		if got := last("other-7"); got != 2 {
			t.Errorf("another device: got %d, want 2", got)
		}
		check(t, "close", s.Close())
	})
}

// A state that an attempt has changed outlives the process with its version: who read the old one still cannot write it back.
func TestStateChangedByAttemptIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		e := newEndpoint(t, "cli_1")
		check(t, "endpoint", s.CreateEndpoint(ctx, e))
		_, err := s.AddEvent(ctx, webhook.Event{ID: newID(t, "evt_")}, newOutbox(t, newAction(t, "cpe-1"), e.ID).Deliveries)
		check(t, "event", err)
		leases, _, err := s.ClaimDeliveries(ctx, limits)
		check(t, "claim", err)
		check(t, "attempt", attempted(s, leases[0], webhook.Attempt{At: time.Now(), Status: 410, Class: webhook.ErrorStatus},
			webhook.Settlement{State: webhook.DeliveryDead, EndpointState: webhook.EndpointGone, StateReason: "answered 410"}))
		want, err := s.Endpoint(ctx, e.ID)
		check(t, "read", err)
		rebuilt(t, s)
		s = open(t, s.path)
		got, err := s.Endpoint(ctx, e.ID)
		if err != nil || got.Version != want.Version || got.State != webhook.EndpointGone || got.Version < 2 {
			t.Errorf("reopened: got version %d, %s, %v; want %d, gone", got.Version, got.State, err, want.Version)
		}
		e.Version = 1
		if _, err := s.UpdateEndpoint(ctx, e); !errors.Is(err, webhook.ErrConflict) {
			t.Errorf("the old state written back: got %v, want ErrConflict", err)
		}
		check(t, "close", s.Close())
	})
}

package webhook_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/store/boltstore"
	"recado/store/memstore"
	"recado/webhook"
)

// replays is a site with a service that goes on with replays.
type replays struct {
	*site
	svc *webhook.Service
}

func newReplays(t *testing.T, store webhook.Store) *replays {
	s := &replays{site: newSite(t, store)}
	s.serve()
	return s
}

func (s *replays) serve() {
	s.svc = webhook.NewService(webhook.ServiceConfig{Store: s.store, Catalogue: catalogue})
}

// run starts the dispatcher and the replays; stop ends both.
func (s *replays) run() {
	s.start()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.svc.RunReplays(ctx) }()
	stop := s.stop
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("RunReplays: %v", err)
		}
		stop()
	}
}

// die sends n events that end as dead, since their receiver answers 400 and they have one try.
func (s *replays) die(p *peer, client string, n int) []string {
	s.t.Helper()
	p.set(func(p *peer) { p.status = 400 })
	ids := s.events(client, n)
	for left := true; left; {
		time.Sleep(time.Minute)
		page, _, err := s.store.Deliveries(s.t.Context(), webhook.DeliveryFilter{States: []webhook.DeliveryState{webhook.DeliveryPending}})
		if err != nil {
			s.t.Fatal(err)
		}
		left = len(page) > 0
	}
	p.set(func(p *peer) { p.status, p.calls = 0, nil })
	return ids
}

func (s *replays) replay(r webhook.ReplayRequest) webhook.Replay {
	s.t.Helper()
	job, err := s.svc.StartReplay(s.t.Context(), "c1", r)
	if err != nil {
		s.t.Fatal(err)
	}
	return job
}

func (s *replays) job(id string) webhook.Replay {
	s.t.Helper()
	r, err := s.svc.ReplayJob(s.t.Context(), "c1", id)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *replays) pending() int {
	s.t.Helper()
	n, err := s.store.QueueDepth(s.t.Context(), "c1")
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// once is an endpoint whose deliveries are dead soon: two tries.
func once(e *webhook.Endpoint) { e.Schedule = []time.Duration{time.Second} }

func idsOf(calls []call) (ids []string) {
	for _, c := range calls {
		ids = append(ids, c.id)
	}
	return ids
}

func wantOnce(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %d events, want %d, each once", what, len(got), len(want))
	}
}

// A replay of more than its window goes on while a crash, an endless stream of new events and a pause come between; each dead event goes
// out once, and never do more than the window wait.
func TestReplayThroughACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "recado.db")
		open := func(path string) *boltstore.DB {
			db, err := boltstore.Open(path, boltstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		db := open(path)
		s := newReplays(t, db)
		p := s.endpoint("wh_1", "c1", once)
		s.run()
		const n = 1700
		dead := s.die(p, "c1", n)
		job := s.replay(webhook.ReplayRequest{Endpoint: "wh_1"})
		time.Sleep(3 * time.Second)
		if r := s.job(job.ID); r.State != webhook.ReplayRunning || r.Replayed < webhook.ReplayWindow || r.Replayed > webhook.ReplayWindow+400 {
			t.Fatalf("after three seconds: got %s, %d replayed; want it running with about its window", r.State, r.Replayed)
		}
		fresh := s.events("c1", 50)

		// A crash: what is in the files is all that goes on. Attempts under way are not recorded, and made again.
		crashed := filepath.Join(dir, "crashed.db")
		for _, name := range []string{".db", ".devices.db", ".db.key"} {
			b, err := os.ReadFile(strings.TrimSuffix(path, ".db") + name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(strings.TrimSuffix(crashed, ".db")+name, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		twice := len(p.all())
		s.stop()
		twice = len(p.all()) - twice + webhook.DefaultConcurrency
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(crashed)
		s.store = db
		s.serve()
		s.run()
		if r := s.job(job.ID); r.State != webhook.ReplayRunning {
			t.Fatalf("after the crash: got %s, want it running", r.State)
		}
		for range 600 {
			if depth := s.pending(); depth > webhook.ReplayWindow+len(fresh) {
				t.Fatalf("pending: got %d, want at most the window and what is new, %d", depth, webhook.ReplayWindow+len(fresh))
			}
			time.Sleep(time.Second)
			if s.job(job.ID).State != webhook.ReplayRunning {
				break
			}
		}
		time.Sleep(time.Minute)
		if r := s.job(job.ID); r.State != webhook.ReplayDone || r.Replayed != n || r.Skipped != 0 || r.FinishedAt.IsZero() {
			t.Errorf("at the end: got %s, %d replayed, %d skipped; want done, %d, none", r.State, r.Replayed, r.Skipped, n)
		}
		taken := idsOf(p.taken())
		if more := len(taken) - n - len(fresh); more < 0 || more > twice {
			t.Errorf("got %d requests for %d events, want at most %d more than events: those under way in the crash", len(taken), n+len(fresh), twice)
		}
		slices.Sort(taken)
		wantOnce(t, "what arrived", slices.Compact(taken), append(dead, fresh...))
		s.stop()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestReplayIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newReplays(t, memstore.New())
		p := s.endpoint("wh_1", "c1", once)
		s.run()
		defer func() { s.stop() }()
		dead := s.die(p, "c1", 900)
		job := s.replay(webhook.ReplayRequest{})
		time.Sleep(time.Second)
		r, err := s.svc.CancelReplayJob(t.Context(), "c1", job.ID)
		if err != nil || r.State != webhook.ReplayCancelled || r.Replayed >= len(dead) {
			t.Fatalf("cancel: got %s, %d replayed, %v; want cancelled before the end", r.State, r.Replayed, err)
		}
		time.Sleep(5 * time.Minute)
		if again := s.job(job.ID); again.Replayed != r.Replayed || again.State != webhook.ReplayCancelled {
			t.Errorf("later: got %s, %d replayed; want cancelled, %d", again.State, again.Replayed, r.Replayed)
		}
		wantOnce(t, "what was due stays due", idsOf(p.taken()), dead[:r.Replayed])
		if _, err := s.svc.CancelReplayJob(t.Context(), "c1", job.ID); !errors.Is(err, webhook.ErrReplayEnded) {
			t.Errorf("cancel again: got %v, want %v", err, webhook.ErrReplayEnded)
		}
	})
}

// While one endpoint is paused, what is replayed for it is held, and the other one gets all of its own.
func TestReplayWaitsForAPausedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newReplays(t, memstore.New())
		p, other := s.endpoint("wh_1", "c1", once), s.endpoint("wh_2", "c1", once)
		s.run()
		defer func() { s.stop() }()
		other.set(func(p *peer) { p.status = 400 })
		dead := s.die(p, "c1", 700)
		other.set(func(p *peer) { p.status, p.calls = 0, nil })
		state := func(to webhook.EndpointState) {
			t.Helper()
			e := s.read("wh_1")
			e.State = to
			if _, err := s.store.UpdateEndpoint(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
		state(webhook.EndpointPaused)
		job := s.replay(webhook.ReplayRequest{})
		time.Sleep(5 * time.Minute)
		if r := s.job(job.ID); r.State != webhook.ReplayRunning || r.Replayed != len(dead)+webhook.ReplayWindow {
			t.Errorf("while paused: got %s, %d replayed; want it running, %d", r.State, r.Replayed, len(dead)+webhook.ReplayWindow)
		}
		endpoints, err := s.store.Endpoints(t.Context(), "c1")
		if err != nil {
			t.Fatal(err)
		}
		r := s.job(job.ID)
		if next := r.NextStep(endpoints); !strings.Contains(next, "wh_1 is paused") || strings.Contains(next, "wh_2") {
			t.Errorf("next step: got %q, want it to say which endpoint is paused", next)
		}
		wantOnce(t, "at the other endpoint", idsOf(other.taken()), dead)
		if got := p.all(); len(got) != 0 {
			t.Errorf("at the paused one: got %d requests, want none", len(got))
		}
		state(webhook.EndpointActive)
		time.Sleep(5 * time.Minute)
		if r := s.job(job.ID); r.State != webhook.ReplayDone || r.Replayed != 2*len(dead) {
			t.Errorf("at the end: got %s, %d replayed; want done, %d", r.State, r.Replayed, 2*len(dead))
		}
		wantOnce(t, "after the pause", idsOf(p.taken()), dead)
		for _, c := range p.taken() {
			if c.attempt != "3" {
				t.Fatalf("Recado-Attempt: got %s, want 3, after the two of before", c.attempt)
			}
		}
	})
}

func TestReplayOfADeletedEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newReplays(t, memstore.New())
		p := s.endpoint("wh_1", "c1", once)
		s.run()
		defer func() { s.stop() }()
		s.die(p, "c1", 900)
		job := s.replay(webhook.ReplayRequest{Endpoint: "wh_1"})
		time.Sleep(time.Second)
		if err := s.store.DeleteEndpoint(t.Context(), "wh_1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if r := s.job(job.ID); r.State != webhook.ReplayFailed || r.Reason == "" || s.pending() != 0 {
			t.Errorf("got %s, reason %q, %d pending; want failed, with a reason, and nothing pending", r.State, r.Reason, s.pending())
		}
	})
}

// Events of one protocolo go one after the other in a replay too, however slow the receiver is.
func TestReplayKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newReplays(t, memstore.New())
		p := s.endpoint("wh_1", "c1", func(e *webhook.Endpoint) { once(e); e.Order = webhook.OrderFIFO })
		s.run()
		defer func() { s.stop() }()
		dead := s.die(p, "c1", 130)
		s.replay(webhook.ReplayRequest{})
		time.Sleep(time.Second)
		fresh := s.events("c1", 1)
		time.Sleep(time.Minute)
		if got := idsOf(p.taken()); !slices.Equal(got, append(slices.Clone(dead), fresh...)) {
			t.Errorf("got %d events in another order, want %d, the oldest first, and then the new one", len(got), len(dead)+1)
		}
	})
}

func TestReplayRequests(t *testing.T) {
	svc := webhook.NewService(webhook.ServiceConfig{Store: memstore.New(), Catalogue: catalogue})
	wantInvalid := func(field string, r webhook.ReplayRequest) {
		t.Helper()
		_, err := svc.StartReplay(t.Context(), "c1", r)
		var bad *webhook.InvalidError
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%+v: got %v, want %s refused", r, err, field)
		}
	}
	now := time.Now()
	wantInvalid("webhook", webhook.ReplayRequest{})
	e := mustRegister(t, svc, "c1", webhook.Registration{})
	wantInvalid("states", webhook.ReplayRequest{States: []webhook.DeliveryState{webhook.DeliveryCancelled}})
	wantInvalid("types", webhook.ReplayRequest{Types: []string{"action.nope"}})
	wantInvalid("until", webhook.ReplayRequest{Since: now, Until: now})
	wantInvalid("limit", webhook.ReplayRequest{Limit: -1})
	if _, err := svc.StartReplay(t.Context(), "c2", webhook.ReplayRequest{Endpoint: e.ID}); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("another client's endpoint: got %v, want %v", err, webhook.ErrNotFound)
	}
	r, err := svc.StartReplay(t.Context(), "c1", webhook.ReplayRequest{Until: now.Add(time.Hour)})
	if err != nil || r.Until.After(time.Now()) || len(r.States) != 1 || r.States[0] != webhook.DeliveryDead {
		t.Errorf("got %+v, %v; want dead ones until now", r, err)
	}
	if _, err := svc.StartReplay(t.Context(), "c1", webhook.ReplayRequest{Endpoint: e.ID}); !errors.Is(err, webhook.ErrReplaying) {
		t.Errorf("a second one: got %v, want %v", err, webhook.ErrReplaying)
	}
	if _, err := svc.ReplayJob(t.Context(), "c2", r.ID); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("another client's replay: got %v, want %v", err, webhook.ErrNotFound)
	}
}

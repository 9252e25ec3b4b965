package acs_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
	"recado/store/memstore"
)

// hookedStore lets a test act between what the engine reads and what it writes.
type hookedStore struct {
	*memstore.Store
	looked   func(device string) // after LiveActions has read
	updating func(acs.Action) error
	updated  func(acs.Action)
	finish   func(acs.Action)
	report   func() error
}

func (s *hookedStore) LiveActions(ctx context.Context, device string) ([]acs.Action, error) {
	live, err := s.Store.LiveActions(ctx, device)
	if s.looked != nil {
		s.looked(device)
	}
	return live, err
}

func (s *hookedStore) UpdateAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if s.updating != nil {
		if err := s.updating(a); err != nil {
			return acs.Action{}, err
		}
	}
	stored, err := s.Store.UpdateAction(ctx, a, o)
	if err == nil && s.updated != nil {
		s.updated(stored)
	}
	return stored, err
}

func (s *hookedStore) FinishAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if s.finish != nil {
		s.finish(a)
	}
	return s.Store.FinishAction(ctx, a, o)
}

func (s *hookedStore) Report(ctx context.Context, id string, identity cwmp.DeviceID, r acs.Reported) error {
	if s.report != nil {
		if err := s.report(); err != nil {
			return err
		}
	}
	return s.Store.Report(ctx, id, identity, r)
}

// inHookedWorld runs a story in a bubble without the engine's loops, over a store with hooks.
func inHookedWorld(t *testing.T, story func(w *world, s *hookedStore)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		s := &hookedStore{Store: w.store}
		var err error
		if w.svc, err = acs.NewService(s, acs.ServiceConfig{}); err != nil {
			t.Fatal(err)
		}
		w.h = acs.NewSessions(w.svc, acs.SessionsConfig{})
		story(w, s)
	})
}

// beside runs a loop of the engine while f runs.
func beside(t *testing.T, run func(context.Context) error, f func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			t.Errorf("loop: %v", err)
		}
	})
	f()
	cancel()
	wg.Wait()
}

// The session and the sweeper both notice that the deadline is past; whoever comes second must leave the watch alone.
func TestDeadlineNoticedTwiceKeepsTheWatch(t *testing.T) {
	inHookedWorld(t, func(w *world, s *hookedStore) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		time.Sleep(time.Hour)
		var met atomic.Bool
		s.finish = func(a acs.Action) {
			if a.Status == acs.StatusTimeout && !met.Swap(true) {
				beside(w.t, acs.NewSweeper(w.svc).Run, func() { time.Sleep(time.Second) })
			}
		}
		c.open(boot, mReboot(a)).wantNone()
		got := w.want(a, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNoBoot)
		if got.Late == nil || got.Late.Status != acs.StatusSuccess {
			w.t.Errorf("late: got %+v, want success\ntimeline: %s", got.Late, timeline(got))
		}
		w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)
	})
}

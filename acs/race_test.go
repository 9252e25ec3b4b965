package acs_test

import (
	"context"
	"errors"
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
	due      func() // before DueActions looks
}

func (s *hookedStore) DueActions(ctx context.Context, limit int) ([]acs.Action, time.Time, error) {
	if s.due != nil {
		s.due()
	}
	return s.Store.DueActions(ctx, limit)
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

// A store that is slow to write: the mark was made before the deadline, and is on disk only after it.
func TestNothingLeavesWhenTheMarkTookUntilAfterTheDeadline(t *testing.T) {
	for _, kind := range []acs.Kind{acs.KindReboot, acs.KindParametersUpdate} {
		t.Run(string(kind), func(t *testing.T) {
			inHookedWorld(t, func(w *world, s *hookedStore) {
				c := w.known("1")
				var a acs.Action
				if kind == acs.KindReboot {
					a = w.reboot(c)
				} else {
					a = w.update(c, false, "Device.X", "1")
				}
				tk := c.open(periodic)
				m, err := w.h.Next(w.t.Context(), tk.s)
				if err != nil || m == nil {
					w.t.Fatalf("next: got %v, %v, want a request", m, err)
				}
				time.Sleep(time.Hour - time.Millisecond)
				s.updated = func(acs.Action) { time.Sleep(time.Second) }
				if err := w.h.Sending(w.t.Context(), tk.s, m); !errors.Is(err, acs.ErrPastDeadline) {
					w.t.Errorf("sending: got %v, want ErrPastDeadline", err)
				}
				s.updated = nil
				tk.end(cwmp.EndError, nil)
				beside(w.t, acs.NewSweeper(w.svc).Run, func() { time.Sleep(time.Second) })
				got := w.action(a)
				if got.Status != acs.StatusTimeout || got.Sends != 0 || !got.SentAt.IsZero() {
					w.t.Errorf("action: got %s with %d sends at %v, want timeout and never sent", got.Status, got.Sends, got.SentAt)
				}
			})
		})
	}
}

// A request that comes while the connector finds the device without work must not be forgotten.
func TestRequestWhileTheConnectorLooksIsRung(t *testing.T) {
	inHookedWorld(t, func(w *world, s *hookedStore) {
		c := w.known("1")
		first := w.reboot(c)
		if _, err := w.svc.Cancel(w.t.Context(), w.client, first.ID); err != nil {
			w.t.Fatal(err)
		}
		var met atomic.Bool
		s.looked = func(string) {
			if !met.Swap(true) {
				w.reboot(c)
			}
		}
		beside(w.t, acs.NewConnector(w.svc, w.waker, acs.ConnectorConfig{}).Run, func() {
			time.Sleep(time.Minute)
			synctest.Wait()
			if !met.Load() {
				w.t.Error("the connector never looked")
			}
			if w.waker.count() == 0 {
				w.t.Errorf("rings in the first minute: got 0, want some")
			}
		})
	})
}

// Two reboots were proven not done and are asked again as one; the mark of the second is taken back. Should the first asking have its
// effect after all, that is still known.
func TestAMarkTakenBackLeavesTheEarlierSending(t *testing.T) {
	inHookedWorld(t, func(w *world, s *hookedStore) {
		c := w.known("1")
		a, b := w.reboot(c), w.reboot(c)
		c.sendReboot(a)
		time.Sleep(6 * time.Minute)
		tk := c.open(periodic)
		tk.answer(tk.wantRead("Device.DeviceInfo.UpTime"), values("Device.DeviceInfo.UpTime", "90000"))
		m, err := w.h.Next(w.t.Context(), tk.s)
		if err != nil {
			w.t.Fatal(err)
		}
		full := errors.New("disk full")
		s.updating = func(u acs.Action) error {
			if u.ID == a.ID && u.Stage == acs.StageSent {
				return full
			}
			return nil
		}
		if err := w.h.Sending(w.t.Context(), tk.s, m); !errors.Is(err, full) {
			w.t.Fatalf("sending: got %v, want the store's error", err)
		}
		s.updating = nil
		tk.end(cwmp.EndError, nil)
		if got := w.want(b, acs.StatusPending, acs.StageQueued, ""); got.Sends != 1 || got.BootKey != a.ID || got.SentAt.IsZero() {
			w.t.Errorf("second: got %d sends, key %s, at %v; want the first sending as it was", got.Sends, got.BootKey, got.SentAt)
		}
		c.open(boot, mReboot(a)).wantNone()
		w.want(a, acs.StatusSuccess, acs.StageQueued, "")
		w.want(b, acs.StatusSuccess, acs.StageQueued, "")
	})
}

// The handler's time is up when a mark has to be taken back: that must not keep it on.
func TestAMarkIsTakenBackThoughTheTimeIsUp(t *testing.T) {
	inHookedWorld(t, func(w *world, s *hookedStore) {
		c := w.known("1")
		a, b := w.reboot(c), w.reboot(c)
		tk := c.open(periodic)
		ctx, cancel := context.WithCancel(w.t.Context())
		m, err := w.h.Next(ctx, tk.s)
		if err != nil {
			w.t.Fatal(err)
		}
		s.updating = func(u acs.Action) error {
			if u.ID == a.ID && u.Stage == acs.StageSent {
				cancel()
				return ctx.Err()
			}
			return nil
		}
		if err := w.h.Sending(ctx, tk.s, m); !errors.Is(err, context.Canceled) {
			w.t.Fatalf("sending: got %v, want canceled", err)
		}
		s.updating = nil
		tk.end(cwmp.EndError, nil)
		w.want(b, acs.StatusPending, acs.StageQueued, "")
	})
}

// What was sent stays under watch though the device had not done it when it was last heard of.
func TestRebootProvenNotDoneIsWatchedAfterItsDeadline(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		time.Sleep(59 * time.Minute)
		tk := c.open(periodic)
		tk.answer(tk.wantRead("Device.DeviceInfo.UpTime"), values("Device.DeviceInfo.UpTime", "90000"))
		tk.end(cwmp.EndTimeout, nil)
		time.Sleep(2 * time.Minute)
		if got := w.action(a); got.Status != acs.StatusTimeout || got.WatchUntil.IsZero() {
			w.t.Fatalf("action: got %s, watched until %v; want timeout under watch", got.Status, got.WatchUntil)
		}
		c.open(boot, mReboot(a)).wantNone()
		w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)
	})
}

// A device whose values differ after the deadline: the late result says so.
func TestLateMismatchNamesWhatDiffers(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, true, "Device.X", "1")
		tk := c.open(periodic)
		tk.answer(tk.wantUpdate(a), &cwmp.SetParameterValuesResponse{})
		q := tk.wantRead("Device.X")
		time.Sleep(time.Hour)
		tk.answer(q, values("Device.X", "2"))
		tk.wantNone()
		got := w.action(a)
		if len(got.Mismatched) != 1 || got.Mismatched[0] != "Device.X" {
			w.t.Errorf("mismatched: got %v, want Device.X", got.Mismatched)
		}
		e := w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)[1]
		if e.Status != "failure" || e.Data.Verified == nil || *e.Data.Verified {
			w.t.Errorf("event: got %s, verified %v; want failure, false", e.Status, e.Data.Verified)
		}
	})
}

// A store that cannot be written refuses Informs: that says nothing about the form of XML that a device takes.
func TestRefusedInformsDoNotChangeTheFormOfXML(t *testing.T) {
	inHookedWorld(t, func(w *world, s *hookedStore) {
		c := w.known("1")
		s.report = func() error { return acs.ErrUnavailable }
		in := c.inform(periodic)
		for _, retries := range []string{"0", "1", "2", "3"} {
			in.RetryCount = retries
			tk, err := c.try(in)
			if err == nil {
				w.t.Fatal("inform: got no error, want the store's")
			}
			tk.end(cwmp.EndError, nil)
		}
		s.report = nil
		in.RetryCount = "4"
		tk := c.openWith(in)
		if tk.s.XMLDeclaration {
			w.t.Error("XML declaration: got one, want none as before")
		}
		tk.wantNone()
	})
}

// Some clients drop the session when they are provisioned. What is asked of them must get its turn all the same.
func TestDeviceThatDropsProvisioningIsServed(t *testing.T) {
	inWorld(t, acs.SessionsConfig{Provision: acs.Provision{ConnectionRequest: true}}, func(w *world) {
		credentials := func(tk *talk) cwmp.Message {
			w.t.Helper()
			m, ok := tk.next().(*cwmp.SetParameterValues)
			if !ok || len(m.ParameterList) != 2 {
				w.t.Fatalf("next: got %+v, want the connection-request credentials", m)
			}
			return m
		}
		c := w.cpe("1")
		tk := c.open(periodic)
		tk.end(cwmp.EndTimeout, credentials(tk))
		a := w.update(c, false, "Device.X", "1")
		tk = c.open(periodic)
		tk.answer(tk.wantUpdate(a), &cwmp.SetParameterValuesResponse{})
		w.want(a, acs.StatusSuccess, acs.StageSent, "")
		tk.end(cwmp.EndTimeout, credentials(tk))
		a = w.reboot(c)
		tk = c.open(periodic)
		tk.answer(tk.wantReboot(a), &cwmp.RebootResponse{})
		tk.wantNone()
		tk = c.open(boot, mReboot(a))
		w.want(a, acs.StatusSuccess, acs.StageAccepted, "")
		// It takes them in the end, and is left alone from then on.
		tk.answer(credentials(tk), &cwmp.SetParameterValuesResponse{})
		tk.wantNone()
		c.open(periodic).wantNone()
		// It came from its factory state, and broke off: what it had is gone still.
		tk = c.open(event(cwmp.EventBootstrap))
		tk.end(cwmp.EndTimeout, credentials(tk))
		tk = c.open(periodic)
		tk.answer(credentials(tk), &cwmp.SetParameterValuesResponse{})
		tk.wantNone()
		c.open(periodic).wantNone()
	})
}

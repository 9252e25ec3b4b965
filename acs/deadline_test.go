package acs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
)

func TestTimeoutAtExactlyOneHour(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		w.waker.fail(cwmp.RequestTimeout)
		a := w.reboot(c)
		time.Sleep(time.Hour - time.Millisecond)
		synctest.Wait()
		if got := w.action(a); got.Status != acs.StatusPending {
			t.Fatalf("at 59:59.999: got %s, want pending", got.Status)
		}
		time.Sleep(time.Millisecond)
		got := w.want(a, acs.StatusTimeout, acs.StageQueued, acs.ReasonUnreachable)
		if d := got.FinishedAt.Sub(got.CreatedAt); d != time.Hour {
			t.Errorf("duration: got %v, want 1h", d)
		}
		e := w.wantEvents(a, wire.ActionTimedOut)[0]
		if e.Data.Final || e.Status != "timeout" || *e.Data.Reason != "connection_request_unreachable" {
			t.Errorf("event: got %+v", e)
		}
		c.open(periodic).wantNone() // nothing is sent after the deadline
	})
}

func TestTimeoutReasons(t *testing.T) {
	tests := []struct {
		name   string
		ring   cwmp.RequestReason
		play   func(c *cpe, a acs.Action)
		stage  acs.Stage
		reason acs.Reason
	}{
		{"refused", cwmp.RequestRefused, nil, acs.StageQueued, acs.ReasonUnreachable},
		{"no name", cwmp.RequestDNS, nil, acs.StageQueued, acs.ReasonUnreachable},
		{"wrong password", cwmp.RequestUnauthorized, nil, acs.StageQueued, acs.ReasonUnauthorized},
		{"no password", cwmp.RequestNoPassword, nil, acs.StageQueued, acs.ReasonUnauthorized},
		{"old path", cwmp.RequestNotFound, nil, acs.StageQueued, acs.ReasonRejected},
		{"bad challenge", cwmp.RequestBadChallenge, nil, acs.StageQueued, acs.ReasonRejected},
		{"busy", cwmp.RequestBusy, nil, acs.StageQueued, acs.ReasonBusy},
		{"taken, no session", "", nil, acs.StageWaking, acs.ReasonNoSession},
		{"no answer", "", func(c *cpe, a acs.Action) {
			tk := c.open(periodic)
			tk.end(cwmp.EndTimeout, tk.wantReboot(a))
		}, acs.StageSent, acs.ReasonNoAnswer},
		{"no boot", "", func(c *cpe, a acs.Action) { c.sendReboot(a) }, acs.StageAccepted, acs.ReasonNoBoot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, acs.SessionsConfig{}, func(w *world) {
				c := w.known("1")
				w.waker.fail(tt.ring)
				a := w.reboot(c)
				synctest.Wait()
				if tt.play != nil {
					tt.play(c, a)
				}
				time.Sleep(time.Hour)
				got := w.want(a, acs.StatusTimeout, tt.stage, tt.reason)
				if (tt.play != nil) == got.WatchUntil.IsZero() {
					t.Errorf("watch: got until %v, sent %v", got.WatchUntil, tt.play != nil)
				}
				if tt.ring != "" && (got.Ring == nil || got.Ring.Reason != tt.ring) {
					t.Errorf("ring: got %+v, want %s", got.Ring, tt.ring)
				}
			})
		})
	}
}

// A device that comes when it is rung, and drops its sessions, is another trouble than one that does not come.
func TestTimeoutAfterSessionsThatBrokeOff(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		synctest.Wait()
		if w.waker.count() == 0 {
			t.Fatal("the device was not rung")
		}
		time.Sleep(time.Second)
		c.open(periodic).end(cwmp.EndTimeout, nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := w.action(a); got.Status != acs.StatusTimeout || got.Reason != acs.ReasonSessionIncomplete {
			t.Errorf("got %s, %s, want a timeout for %s", got.Status, got.Reason, acs.ReasonSessionIncomplete)
		}
	})
}

func TestTimeoutBehindAnother(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		first := w.reboot(c)
		c.sendReboot(first)
		second := w.submit(acs.Submission{
			Kind: acs.KindParametersUpdate, RouterID: first.RouterID, Timeout: 30 * time.Minute,
			Parameters: []acs.ParameterInput{{Name: ssid, Value: []byte(`"Net"`)}},
		})
		time.Sleep(30 * time.Minute)
		w.want(second, acs.StatusTimeout, acs.StageQueued, acs.ReasonBehindAnother)
		time.Sleep(30 * time.Minute)
		w.want(first, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNoBoot)
	})
}

func TestTimeoutOfADeviceThatNeverCalledIn(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		name := "RTR-42"
		if _, created, err := w.svc.PutDevice(w.t.Context(), w.client, "00259E-HG8245H-9", acs.DevicePut{RouterID: &name}); err != nil || !created {
			t.Fatalf("put: created %v, %v", created, err)
		}
		a := w.submit(acs.Submission{Kind: acs.KindReboot, RouterID: name, Timeout: time.Minute})
		time.Sleep(time.Minute)
		w.want(a, acs.StatusTimeout, acs.StageQueued, acs.ReasonDeviceOffline)
		if w.waker.count() != 0 {
			t.Errorf("rings: got %d, want 0", w.waker.count())
		}
	})
}

func TestSuccessJustBeforeTheDeadline(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		time.Sleep(time.Hour - 100*time.Millisecond)
		c.open(boot, mReboot(a)).wantNone()
		w.want(a, acs.StatusSuccess, acs.StageAccepted, "")
		time.Sleep(24 * time.Hour)
		w.wantEvents(a, wire.ActionSucceeded)
	})
}

func TestLateResult(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		time.Sleep(time.Hour + 100*time.Millisecond)
		c.open(boot, mReboot(a)).wantNone()
		got := w.want(a, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNoBoot)
		if got.Late == nil || got.Late.Status != acs.StatusSuccess || !got.WatchUntil.IsZero() {
			t.Errorf("late: got %+v, watch until %v", got.Late, got.WatchUntil)
		}
		es := w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)
		late := es[1]
		if *late.Data.Supersedes != es[0].ID || !late.Data.Late || !late.Data.Final || late.Status != "success" || late.Data.Evidence.Kind != "m_reboot" ||
			late.Data.Reason != nil || late.Data.Sequence != es[0].Data.Sequence+1 {
			t.Errorf("late event: got %+v", late)
		}
		c.open(boot, mReboot(a)).wantNone() // told again by the device, not by us
		w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)
	})
}

func TestLateFault(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, true, ssid, "topsecret-value")
		time.Sleep(time.Hour - time.Second)
		tk := c.open(periodic)
		r := tk.wantUpdate(a)
		time.Sleep(2 * time.Second)
		tk.answer(r, &cwmp.Fault{FaultCode: 9003, FaultString: "no topsecret-value"})
		tk.wantNone()
		es := w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)
		if es[1].Status != "failure" || es[1].Data.Fault.Code != 9003 || es[1].Data.Fault.String != "no (value)" {
			t.Errorf("late event: got %+v, fault %+v", es[1], es[1].Data.Fault)
		}
	})
}

// A late answer can find the deadline past before the Sweeper does: the answer itself brings the timeout, then its late result.
func TestAnswerAfterTheDeadlineBeforeTheSweeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		c := w.known("1")
		a := w.update(c, false, ssid, "Net")
		tk := c.open(periodic)
		r := tk.wantUpdate(a)
		time.Sleep(time.Hour)
		tk.answer(r, &cwmp.SetParameterValuesResponse{})
		tk.wantNone()
		w.want(a, acs.StatusTimeout, acs.StageSent, acs.ReasonNoAnswer)
		w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)
	})
}

func TestNothingIsSentAtTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no Sweeper: the store's clock alone holds it back
		w := newWorld(t, acs.SessionsConfig{})
		c := w.known("1")
		w.reboot(c)
		time.Sleep(time.Hour)
		tk := c.open(periodic)
		m, err := w.h.Next(w.t.Context(), tk.s)
		if err != nil || m == nil {
			t.Fatalf("next: got %v, %v", m, err)
		}
		if err := w.h.Sending(w.t.Context(), tk.s, m); !errors.Is(err, acs.ErrPastDeadline) {
			t.Errorf("sending: got %v, want ErrPastDeadline", err)
		}
		tk.end(cwmp.EndError, nil)
	})
}

func TestWatchEndsAfterADay(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		time.Sleep(25*time.Hour + time.Second)
		if got := w.want(a, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNoBoot); !got.WatchUntil.IsZero() {
			t.Errorf("watch: got until %v, want none", got.WatchUntil)
		}
		c.open(boot, mReboot(a)).wantNone()
		w.wantEvents(a, wire.ActionTimedOut)
	})
}

func TestTenThousandDueInOneInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		const n = 10_000
		actions := make([]acs.Action, 0, n)
		for i := range n / 50 {
			c := w.known(time.Duration(i).String())
			for range 50 {
				actions = append(actions, w.reboot(c))
			}
		}
		ctx, cancel := context.WithCancel(w.t.Context())
		done := make(chan error)
		go func() { done <- acs.NewSweeper(w.svc).Run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		for _, a := range actions {
			if got := w.action(a); got.Status != acs.StatusTimeout || got.FinishedAt.Sub(got.DeadlineAt) != 0 {
				t.Fatalf("got %s, %v after the deadline", got.Status, got.FinishedAt.Sub(got.DeadlineAt))
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("sweeper: %v", err)
		}
	})
}

// A verdict and the deadline race for every action; one of them wins, and the client hears one verdict.
func TestVerdictAndDeadlineRace(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		for i := range 200 {
			c := w.known(time.Duration(i).String())
			a := w.reboot(c)
			c.sendReboot(a)
			time.Sleep(time.Until(a.DeadlineAt))
			var wg sync.WaitGroup
			wg.Go(func() {
				if tk, err := c.try(c.inform(boot, mReboot(a))); err == nil {
					tk.end(cwmp.EndDone, nil)
				}
			})
			wg.Wait()
			synctest.Wait()
			switch es := w.events(a); len(es) {
			case 1:
			case 2:
				if es[0].Type != wire.ActionTimedOut || es[1].Type != wire.ActionLateResult {
					t.Fatalf("events: got %s, %s", es[0].Type, es[1].Type)
				}
			default:
				t.Fatalf("events: got %d", len(es))
			}
		}
	})
}

func TestFollow(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.cpe("1")
		name := "RTR-1"
		if _, _, err := w.svc.PutDevice(w.t.Context(), w.client, c.id.Key(), acs.DevicePut{RouterID: &name}); err != nil {
			t.Fatal(err)
		}
		a := w.submit(acs.Submission{Kind: acs.KindReboot, RouterID: name})
		start := time.Now()
		if got, err := w.svc.Follow(w.t.Context(), w.client, a.ID, 30*time.Second); err != nil || got.Version != a.Version || time.Since(start) != 30*time.Second {
			t.Errorf("nothing happens: got version %d after %v, %v", got.Version, time.Since(start), err)
		}
		go func() {
			time.Sleep(7 * time.Second)
			c.open(boot)
		}()
		start = time.Now()
		if got, err := w.svc.Follow(w.t.Context(), w.client, a.ID, 30*time.Second); err != nil || got.Stage != acs.StageInSession || time.Since(start) != 7*time.Second {
			t.Errorf("a change: got %s after %v, %v", got.Stage, time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		if _, err := w.svc.Follow(ctx, w.client, a.ID, 30*time.Second); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("caller gone: got %v, want DeadlineExceeded", err)
		}
		if _, err := w.svc.Follow(w.t.Context(), acs.Client{ID: "cli_other"}, a.ID, time.Second); !errors.Is(err, acs.ErrNotFound) {
			t.Errorf("another's: got %v, want ErrNotFound", err)
		}
	})
}

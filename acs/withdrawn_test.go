package acs_test

import (
	"errors"
	"testing"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
)

// between takes the next request, lets meanwhile happen, and checks that the request is withdrawn, and why.
func (tk *talk) between(why error, meanwhile func()) {
	tk.c.w.t.Helper()
	m, err := tk.c.w.h.Next(tk.c.w.t.Context(), tk.s)
	if err != nil || m == nil {
		tk.c.w.t.Fatalf("next: got %v, %v, want a request", m, err)
	}
	meanwhile()
	if err := tk.c.w.h.Sending(tk.c.w.t.Context(), tk.s, m); !errors.Is(err, cwmp.ErrWithdrawn) || !errors.Is(err, why) {
		tk.c.w.t.Fatalf("sending: got %v, want ErrWithdrawn since %v", err, why)
	}
}

func (w *world) cancel(a acs.Action) {
	w.t.Helper()
	if _, err := w.svc.Cancel(w.t.Context(), w.client, a.ID); err != nil {
		w.t.Fatalf("cancel: %v", err)
	}
}

// An action is cancelled when its request is made and "sent" is not on disk yet: the device is given the next one at once.
func TestCancelBetweenNextAndSending(t *testing.T) {
	t.Run("an update behind a reboot", func(t *testing.T) {
		inWorld(t, acs.SessionsConfig{}, func(w *world) {
			c := w.known("1")
			a, b := w.reboot(c), w.update(c, false, ssid, "Net")
			tk := c.open(periodic)
			tk.between(acs.ErrFinished, func() { w.cancel(a) })
			tk.answer(tk.wantUpdate(b), &cwmp.SetParameterValuesResponse{})
			tk.wantNone()
			w.want(b, acs.StatusSuccess, acs.StageSent, "")
			if got := w.want(a, acs.StatusCancelled, acs.StageInSession, acs.ReasonCancelledByClient); got.Sends != 0 || !got.SentAt.IsZero() {
				t.Errorf("cancelled: got %d sends at %v, want none", got.Sends, got.SentAt)
			}
		})
	})
	t.Run("a reboot that shares its boot", func(t *testing.T) {
		inWorld(t, acs.SessionsConfig{}, func(w *world) {
			c := w.known("1")
			a, b := w.reboot(c), w.reboot(c)
			tk := c.open(periodic)
			tk.between(acs.ErrFinished, func() { w.cancel(a) })
			w.want(b, acs.StatusPending, acs.StageQueued, "")
			tk.answer(tk.wantReboot(b), &cwmp.RebootResponse{})
			tk.wantNone()
			if got := w.want(b, acs.StatusPending, acs.StageAccepted, ""); got.Sends != 1 || got.BootKey != b.ID {
				t.Errorf("second: got %d sends, key %s; want one with its own", got.Sends, got.BootKey)
			}
			c.open(boot, mReboot(b)).wantNone()
			w.wantEvents(b, wire.ActionSucceeded)
		})
	})
	t.Run("nothing is left", func(t *testing.T) {
		inWorld(t, acs.SessionsConfig{}, func(w *world) {
			c := w.known("1")
			a := w.update(c, false, ssid, "Net")
			tk := c.open(periodic)
			tk.between(acs.ErrFinished, func() { w.cancel(a) })
			tk.wantNone()
		})
	})
}

// The deadline passes there, and nobody else has noticed: the action ends, and the next one goes out.
func TestDeadlineBetweenNextAndSending(t *testing.T) {
	inHookedWorld(t, func(w *world, _ *hookedStore) {
		c := w.known("1")
		a := w.reboot(c)
		time.Sleep(time.Minute)
		b := w.update(c, false, ssid, "Net")
		time.Sleep(59*time.Minute - time.Second)
		tk := c.open(periodic)
		tk.between(acs.ErrPastDeadline, func() { time.Sleep(time.Second) })
		w.want(a, acs.StatusTimeout, acs.StageInSession, acs.ReasonSessionIncomplete)
		w.wantEvents(a, wire.ActionTimedOut)
		tk.answer(tk.wantUpdate(b), &cwmp.SetParameterValuesResponse{})
		tk.wantNone()
		w.want(b, acs.StatusSuccess, acs.StageSent, "")
	})
}

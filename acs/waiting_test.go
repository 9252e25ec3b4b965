package acs_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/cwmp"
)

// wantWait checks what an action waits behind, for the client that asked, and that the next step says so.
func (w *world) wantWait(a acs.Action, reason acs.WaitReason, behind acs.Action, says ...string) {
	w.t.Helper()
	synctest.Wait()
	a = w.action(a)
	waits, err := w.svc.Waiting(w.t.Context(), w.client, []acs.Action{a})
	if err != nil {
		w.t.Fatalf("waiting: %v", err)
	}
	got := waits[0]
	if got == nil || got.Behind == nil || got.Reason != reason || got.Behind.ID != behind.ID {
		w.t.Fatalf("waiting: got %+v, want %s behind %s", got, reason, behind.ID)
	}
	step := acs.NextStep(a, got)
	for _, s := range append(says, behind.ID.String()) {
		if !strings.Contains(step, s) {
			w.t.Errorf("next step: got %q, want %q in it", step, s)
		}
	}
}

func (w *world) wantNoWait(a acs.Action) {
	w.t.Helper()
	synctest.Wait()
	waits, err := w.svc.Waiting(w.t.Context(), w.client, []acs.Action{w.action(a)})
	if err != nil || waits[0] != nil {
		w.t.Fatalf("waiting: got %+v, %v; want nothing", waits[0], err)
	}
}

func TestWaitingBehind(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		first, reboot, again, last := w.update(c, false, ssid, "One"), w.reboot(c), w.reboot(c), w.update(c, false, ssid, "Two")
		w.wantNoWait(first)
		for _, a := range []acs.Action{reboot, again, last} {
			w.wantWait(a, acs.WaitTurn, first, "one at a time, oldest first")
		}
		tk := c.open(periodic)
		tk.answer(tk.wantUpdate(first), &cwmp.SetParameterValuesResponse{})
		w.wantNoWait(first)
		w.wantNoWait(reboot)
		w.wantWait(again, acs.WaitSharedBoot, reboot, "one reboot serves both")
		w.wantWait(last, acs.WaitTurn, reboot)
		// The session breaks off without an answer: nobody knows whether the device reboots.
		tk.end(cwmp.EndTimeout, tk.wantReboot(reboot))
		w.wantNoWait(reboot)
		w.wantNoWait(again) // it is sent too
		w.wantWait(last, acs.WaitReboot, reboot, "it is not known yet whether the device did it", reboot.DeadlineAt.UTC().Format(time.RFC3339))
		c.open(boot, mReboot(reboot))
		w.wantNoWait(last)
	})
}

func TestWaitingBehindAnUpdateThatIsNeverAnswered(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a, b := w.update(c, false, ssid, "One"), w.update(c, false, ssid, "Two")
		for range acs.MaxSends {
			w.wantWait(b, acs.WaitTurn, a)
			tk := c.open(periodic)
			tk.end(cwmp.EndTimeout, tk.wantUpdate(a))
			time.Sleep(time.Minute)
		}
		w.wantWait(b, acs.WaitAnswer, a, "sent 3 times without an answer", "ends at its deadline")
		time.Sleep(time.Until(a.DeadlineAt))
		w.wantNoWait(a)
	})
}

// What keeps the device from being reached keeps up those that wait in the row too.
func TestWaitingSaysWhyTheDeviceIsNotReached(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		w.waker.fail(cwmp.RequestUnauthorized)
		a := w.reboot(c)
		b := w.update(c, false, ssid, "Net")
		time.Sleep(2 * time.Minute)
		w.wantWait(b, acs.WaitTurn, a, "Besides, the last connection request failed, since the device refuses")
	})
}

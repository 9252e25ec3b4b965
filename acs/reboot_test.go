package acs_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
)

var (
	periodic = event(cwmp.EventPeriodic)
	boot     = event(cwmp.EventBoot)
)

// known makes a device that called in once.
func (w *world) known(serial string) *cpe {
	w.t.Helper()
	c := w.cpe(serial)
	c.open(periodic).wantNone()
	return c
}

// sendReboot brings a reboot to the device, which answers it, and ends the session.
func (c *cpe) sendReboot(a acs.Action) {
	c.w.t.Helper()
	tk := c.open(event(cwmp.EventConnectionRequest))
	r := tk.wantReboot(a)
	tk.answer(r, &cwmp.RebootResponse{})
	tk.wantNone()
}

func TestRebootProvenByItsKey(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		w.want(a, acs.StatusPending, acs.StageWaking, "")
		time.Sleep(time.Second)
		tk := c.open(event(cwmp.EventConnectionRequest))
		w.want(a, acs.StatusPending, acs.StageInSession, "")
		r := tk.wantReboot(a)
		w.want(a, acs.StatusPending, acs.StageSent, "")
		tk.answer(r, &cwmp.RebootResponse{})
		w.want(a, acs.StatusPending, acs.StageAccepted, "")
		tk.wantNone()
		time.Sleep(time.Minute)
		c.open(boot, mReboot(a)).wantNone()
		got := w.want(a, acs.StatusSuccess, acs.StageAccepted, "")
		if got.Evidence.Kind != acs.EvidenceMReboot || got.Evidence.Downtime != time.Minute {
			t.Errorf("evidence: got %+v, want m_reboot after 1m", got.Evidence)
		}
		e := w.wantEvents(a, wire.ActionSucceeded)[0]
		if e.Protocolo != a.ID.String() || e.RouterID != a.RouterID || e.Status != "success" || e.Data.Sequence != 1 || !e.Data.Final ||
			*e.Data.DurationMS != 61_000 || e.Data.Device.SoftwareVersion != "V1.2" || e.Data.Evidence.DowntimeMS != 60_000 || e.ID != got.FinalEvent {
			t.Errorf("event: got %+v", e)
		}
	})
}

func TestRebootProvenByBootAlone(t *testing.T) {
	for name, events := range map[string][]cwmp.Event{
		"no M Reboot": {boot}, "empty key": {boot, {EventCode: "M Reboot"}}, "bootstrap too": {event("0 BOOTSTRAP"), boot},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, acs.SessionsConfig{}, func(w *world) {
				c := w.known("1")
				a := w.reboot(c)
				c.sendReboot(a)
				time.Sleep(time.Minute)
				c.open(events...).wantNone()
				if got := w.want(a, acs.StatusSuccess, acs.StageAccepted, ""); got.Evidence.Kind != acs.EvidenceBoot {
					t.Errorf("evidence: got %s, want boot", got.Evidence.Kind)
				}
			})
		})
	}
}

func TestRebootProvenByUptime(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		time.Sleep(2 * time.Minute)
		tk := c.open(periodic)
		r := tk.wantRead("Device.DeviceInfo.UpTime")
		tk.answer(r, values("Device.DeviceInfo.UpTime", "60"))
		tk.wantNone()
		got := w.want(a, acs.StatusSuccess, acs.StageAccepted, "")
		if got.Evidence.Kind != acs.EvidenceUptime || got.Evidence.Uptime != time.Minute {
			t.Errorf("evidence: got %+v, want uptime of 1m", got.Evidence)
		}
	})
}

func TestAnotherRebootsKeyProvesNothing(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		time.Sleep(time.Minute)
		other, _ := acs.NewProtocolo()
		c.open(boot, cwmp.Event{EventCode: "M Reboot", CommandKey: other.CommandKey()}).wantNone()
		w.want(a, acs.StatusPending, acs.StageAccepted, "")
		if got := w.wantEvents(a); len(got) != 0 {
			t.Errorf("events: got %v, want none", got)
		}
	})
}

func TestForgedKeyFromAnotherDevice(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c, thief := w.known("1"), w.known("2")
		a := w.reboot(c)
		c.sendReboot(a)
		thief.open(boot, mReboot(a)).wantNone()
		w.want(a, acs.StatusPending, acs.StageAccepted, "")
	})
}

func TestRebootOfUnknownFateIsNotSentAgain(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		tk := c.open(periodic)
		r := tk.wantReboot(a)
		tk.end(cwmp.EndTimeout, r)
		w.want(a, acs.StatusPending, acs.StageSent, "")
		for range 4 {
			time.Sleep(time.Minute)
			tk := c.open(periodic)
			q := tk.wantRead("Device.DeviceInfo.UpTime")
			tk.answer(q, values("Device.DeviceInfo.UpTime", "90000"))
			tk.wantNone()
		}
		if got := w.action(a); got.Sends != 1 {
			t.Fatalf("sends before the proof: got %d, want 1", got.Sends)
		}
		time.Sleep(time.Minute)
		tk = c.open(periodic)
		q := tk.wantRead("Device.DeviceInfo.UpTime")
		tk.answer(q, values("Device.DeviceInfo.UpTime", "90000"))
		r = tk.wantReboot(a)
		if got := w.action(a); got.Sends != 2 {
			t.Fatalf("sends after the proof: got %d, want 2", got.Sends)
		}
		tk.answer(r, &cwmp.RebootResponse{})
		tk.wantNone()
		time.Sleep(time.Minute)
		c.open(boot, mReboot(a)).wantNone()
		w.want(a, acs.StatusSuccess, acs.StageAccepted, "")
	})
}

// A device that takes its time: it had not rebooted when its up-time was read, and does so before it is asked again.
func TestRebootThatHappensAfterItWasProvenNotDone(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		time.Sleep(6 * time.Minute)
		tk := c.open(periodic)
		tk.answer(tk.wantRead("Device.DeviceInfo.UpTime"), values("Device.DeviceInfo.UpTime", "90000"))
		tk.end(cwmp.EndTimeout, nil) // the session breaks before the second sending
		w.want(a, acs.StatusPending, acs.StageQueued, "")
		time.Sleep(time.Second)
		c.open(boot, mReboot(a)).wantNone()
		if got := w.want(a, acs.StatusSuccess, acs.StageQueued, ""); got.Sends != 1 {
			t.Errorf("sends: got %d, want 1", got.Sends)
		}
	})
}

func TestRebootIsSentAtMostThreeTimes(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		c.sendReboot(a)
		for range 8 {
			time.Sleep(6 * time.Minute)
			tk := c.open(periodic)
			q := tk.wantRead("Device.DeviceInfo.UpTime")
			tk.answer(q, values("Device.DeviceInfo.UpTime", "90000"))
			if m := tk.next(); m != nil {
				tk.answer(m, &cwmp.RebootResponse{})
				tk.wantNone()
			} else {
				tk.end(cwmp.EndDone, nil)
			}
		}
		if got := w.action(a); got.Sends != acs.MaxSends {
			t.Errorf("sends: got %d, want %d", got.Sends, acs.MaxSends)
		}
		time.Sleep(time.Hour)
		w.want(a, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNoBoot)
	})
}

func TestRetriedBootAfterSendingInABootSession(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		tk := c.open(boot) // a boot of its own, before the reboot goes out
		r := tk.wantReboot(a)
		tk.end(cwmp.EndTimeout, r)
		time.Sleep(10 * time.Second)
		in := c.inform(boot) // the same boot, told again
		in.RetryCount = "1"
		tk = c.openWith(in)
		q := tk.wantRead("Device.DeviceInfo.UpTime")
		tk.answer(q, values("Device.DeviceInfo.UpTime", "400"))
		tk.wantNone()
		w.want(a, acs.StatusPending, acs.StageSent, "")
	})
}

func TestSharedBoot(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a, b, d := w.reboot(c), w.reboot(c), w.reboot(c)
		synctest.Wait()
		if _, err := w.svc.Cancel(w.t.Context(), w.client, b.ID); err != nil {
			t.Fatalf("cancel: %v", err)
		}
		c.sendReboot(a)
		w.want(a, acs.StatusPending, acs.StageAccepted, "")
		w.want(d, acs.StatusPending, acs.StageAccepted, "")
		e := w.reboot(c) // asked after the sending: a boot of its own
		time.Sleep(time.Minute)
		tk := c.open(boot, mReboot(a))
		w.want(a, acs.StatusSuccess, acs.StageAccepted, "")
		w.want(d, acs.StatusSuccess, acs.StageAccepted, "")
		w.want(b, acs.StatusCancelled, acs.StageWaking, acs.ReasonCancelledByClient)
		w.wantEvents(b)
		tk.wantReboot(e)
		if first, second := w.wantEvents(a, wire.ActionSucceeded)[0], w.wantEvents(d, wire.ActionSucceeded)[0]; first.Data.Sequence == second.Data.Sequence {
			t.Errorf("sequences: got %d twice", first.Data.Sequence)
		}
	})
}

func TestRebootRefusedByTheDevice(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		tk := c.open(periodic)
		r := tk.wantReboot(a)
		tk.answer(r, &cwmp.Fault{FaultCode: 9001, FaultString: "Request denied\x02"})
		tk.wantNone()
		got := w.want(a, acs.StatusFailure, acs.StageSent, acs.ReasonDeviceFault)
		if got.Fault.Source != "cpe" || got.Fault.Code != 9001 || got.Fault.String != "Request denied " {
			t.Errorf("fault: got %+v", got.Fault)
		}
		if e := w.wantEvents(a, wire.ActionFailed)[0]; e.Data.Fault.Code != 9001 || *e.Data.Reason != "device_fault" || e.Status != "failure" {
			t.Errorf("event: got %+v", e)
		}
	})
}

func TestCancel(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.reboot(c)
		tk := c.open(periodic)
		r := tk.wantReboot(a)
		if _, err := w.svc.Cancel(w.t.Context(), w.client, a.ID); !errors.Is(err, acs.ErrSent) {
			t.Errorf("cancel of what was sent: got %v, want ErrSent", err)
		}
		tk.answer(r, &cwmp.Fault{FaultCode: 9002})
		if _, err := w.svc.Cancel(w.t.Context(), w.client, a.ID); !errors.Is(err, acs.ErrFinished) {
			t.Errorf("cancel of what is finished: got %v, want ErrFinished", err)
		}
		b := w.reboot(c)
		if _, err := w.svc.Cancel(w.t.Context(), acs.Client{ID: "cli_other"}, b.ID); !errors.Is(err, acs.ErrNotFound) {
			t.Errorf("cancel of another's: got %v, want ErrNotFound", err)
		}
		if _, err := w.svc.Cancel(w.t.Context(), w.client, b.ID); err != nil {
			t.Errorf("cancel of what waits: got %v", err)
		}
		tk.wantNone()
		w.want(b, acs.StatusCancelled, acs.StageQueued, acs.ReasonCancelledByClient)
	})
}

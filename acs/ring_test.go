package acs_test

import (
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/cwmp"
)

func TestRingPace(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		w.waker.fail(cwmp.RequestRefused)
		a := w.reboot(c)
		time.Sleep(time.Hour)
		synctest.Wait()
		calls := w.waker.calls
		// 0, 30 s, 90 s, 210 s, 450 s, 930 s, then every ten minutes, each up to a tenth later.
		if n := len(calls); n < 8 || n > 11 {
			t.Errorf("rings in an hour of a dead device: got %d, want 8 to 11", n)
		}
		for i := 1; i < len(calls); i++ {
			if d := calls[i].Sub(calls[i-1]); d < 30*time.Second {
				t.Errorf("ring %d came %v after the one before, want 30s or more", i, d)
			}
		}
		if got := w.action(a); got.Ring.Reason != cwmp.RequestRefused || got.Ring.Tries < 8 {
			t.Errorf("ring: got %+v", got.Ring)
		}
	})
}

func TestRingLocksOutAfterThreeRefusals(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		w.waker.fail(cwmp.RequestUnauthorized)
		w.reboot(c)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.waker.count(); n != 3 {
			t.Errorf("rings in ten minutes: got %d, want 3", n)
		}
		w.reboot(c) // asking again does not lift the lock-out
		synctest.Wait()
		if n := w.waker.count(); n != 3 {
			t.Errorf("rings after asking again: got %d, want 3", n)
		}
		cred := acs.Credential{Username: "u", Password: "p"}
		if _, _, err := w.svc.PutDevice(w.t.Context(), w.client, c.id.Key(), acs.DevicePut{ConnectionRequest: &cred}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := w.waker.count(); n != 4 {
			t.Errorf("rings after new credentials: got %d, want 4", n)
		}
	})
}

func TestAskingAgainRingsWithinThirtySeconds(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		w.waker.fail(cwmp.RequestRefused)
		w.reboot(c)
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		before := w.waker.count()
		w.waker.fail("")
		w.reboot(c)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := w.waker.count() - before; n != 1 {
			t.Errorf("rings: got %d, want 1", n)
		}
	})
}

func TestNoRingInASession(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		tk := c.open(periodic)
		a := w.reboot(c)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := w.waker.count(); n != 0 {
			t.Errorf("rings: got %d, want 0: the device is here", n)
		}
		tk.answer(tk.wantReboot(a), &cwmp.RebootResponse{})
		tk.wantNone()
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if n := w.waker.count(); n != 0 {
			t.Errorf("rings while it reboots: got %d, want 0", n)
		}
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if n := w.waker.count(); n != 1 {
			t.Errorf("rings for the proof: got %d, want 1", n)
		}
	})
}

func TestSessionsThatBreakAreNotCalledUpInATightLoop(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		w.waker.onRequest(func(cwmp.ConnectionRequest) {
			if tk, err := c.try(c.inform(event(cwmp.EventConnectionRequest))); err == nil {
				tk.end(cwmp.EndTimeout, nil)
			}
		})
		w.reboot(c)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.waker.count(); n > 25 {
			t.Errorf("rings in ten minutes: got %d, want at most 25", n)
		}
	})
}

// A reboot that no session can settle must not have the device called in again and again.
func TestUnsettledRebootIsRungForEveryFiveMinutes(t *testing.T) {
	for name, uptime := range map[string]cwmp.Message{"no up-time": &cwmp.Fault{FaultCode: 9005}, "did not reboot": values("Device.DeviceInfo.UpTime", "900000")} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, acs.SessionsConfig{}, func(w *world) {
				c := w.known("1")
				w.waker.onRequest(func(cwmp.ConnectionRequest) {
					tk, err := c.try(c.inform(event(cwmp.EventConnectionRequest)))
					for err == nil {
						m := tk.next()
						if m == nil {
							tk.end(cwmp.EndDone, nil)
							return
						}
						if m.Method() == "Reboot" {
							tk.answer(m, &cwmp.RebootResponse{})
						} else {
							tk.answer(m, uptime)
						}
					}
				})
				w.reboot(c)
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := w.waker.count(); n < 8 || n > 13 {
					t.Errorf("rings in an hour: got %d, want 8 to 13", n)
				}
			})
		})
	}
}

func TestUpdateSentThreeTimesIsNotRungForAgain(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		w.waker.onRequest(func(cwmp.ConnectionRequest) {
			tk, err := c.try(c.inform(event(cwmp.EventConnectionRequest)))
			if err != nil {
				return
			}
			if m := tk.next(); m != nil {
				tk.end(cwmp.EndTimeout, m)
			} else {
				tk.end(cwmp.EndDone, nil)
			}
		})
		w.update(c, false, ssid, "Net")
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if n := w.waker.count(); n != acs.MaxSends {
			t.Errorf("rings: got %d, want %d", n, acs.MaxSends)
		}
	})
}

// Thousands of dead devices must not hold up one that is alive.
func TestDeadDevicesDoNotFillThePool(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		w.waker.fail(cwmp.RequestTimeout)
		for i := range 3000 {
			w.reboot(w.known(fmt.Sprintf("dead-%d", i)))
		}
		time.Sleep(30 * time.Second)
		alive := w.known("alive")
		var rung time.Time
		w.waker.onRequest(func(r cwmp.ConnectionRequest) {
			if r.URL == alive.url && rung.IsZero() {
				rung = time.Now()
			}
		})
		asked := time.Now()
		w.reboot(alive)
		time.Sleep(time.Minute)
		synctest.Wait()
		if rung.IsZero() || rung.Sub(asked) > 6*time.Second {
			t.Errorf("the device that is alive was rung after %v, want 6s at most", rung.Sub(asked))
		}
	})
}

// What a device reported can be lost by a crash, while an action for it is on disk: that is no error, and its Inform brings the work to it.
func TestDeviceThatIsNotKnownAnyMore(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.cpe("1")
		id, err := acs.NewProtocolo()
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := w.store.CreateAction(w.t.Context(), acs.Action{
			ID: id, Client: w.client.ID, Kind: acs.KindReboot, Device: c.id.Key(), Status: acs.StatusPending, Stage: acs.StageQueued,
			CreatedAt: time.Now(), DeadlineAt: time.Now().Add(time.Hour),
		}, acs.Idempotency{}, acs.Outbox{})
		if err != nil {
			t.Fatal(err)
		}
		log := slog.New(slog.NewTextHandler(failOnLine{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
		svc, err := acs.NewService(w.store, acs.ServiceConfig{Logger: log})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := contextFor(w.t, 10*time.Minute)
		defer cancel()
		if err := acs.NewConnector(svc, w.waker, acs.ConnectorConfig{}).Run(ctx); err != nil {
			t.Errorf("connector: %v", err)
		}
		c.sendReboot(a)
	})
}

// failOnLine fails the test for each line that is logged.
type failOnLine struct{ t *testing.T }

func (f failOnLine) Write(p []byte) (int, error) {
	f.t.Errorf("logged: %s", p)
	return len(p), nil
}

func TestWorkOfAnEarlierRunIsTakenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		c := w.known("1")
		w.reboot(c)
		svc, err := acs.NewService(w.store, acs.ServiceConfig{}) // the process starts anew
		if err != nil {
			t.Fatal(err)
		}
		w.svc = svc
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			ctx, cancel := contextFor(t, time.Minute)
			defer cancel()
			if err := acs.NewConnector(svc, w.waker, acs.ConnectorConfig{}).Run(ctx); err != nil {
				t.Errorf("connector: %v", err)
			}
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.waker.count(); n != 1 {
			t.Errorf("rings: got %d, want 1", n)
		}
		<-stop
	})
}

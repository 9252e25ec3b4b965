package acs_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/cwmp"
)

// TestRingEvery sets another pace: a device that fails is rung after it, and a new action brings the next ring no nearer than that.
func TestRingEvery(t *testing.T) {
	const every = 7 * time.Second
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		var err error
		if w.svc, err = acs.NewService(w.store, acs.ServiceConfig{RingEvery: every}); err != nil {
			t.Fatal(err)
		}
		w.h = acs.NewSessions(w.svc, acs.SessionsConfig{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := acs.NewConnector(w.svc, w.waker, acs.ConnectorConfig{}).Run(t.Context()); err != nil {
				t.Errorf("connector: %v", err)
			}
		})
		t.Cleanup(wg.Wait)
		c := w.known("1")
		w.waker.fail(cwmp.RequestRefused)
		w.reboot(c)
		time.Sleep(every + every/10)
		synctest.Wait()
		if n := w.waker.count(); n != 2 {
			t.Fatalf("rings within %v: got %d, want 2", every+every/10, n)
		}
		w.reboot(c) // else the next one came after twice the pace
		time.Sleep(every)
		synctest.Wait()
		calls := w.waker.calls
		if len(calls) != 3 {
			t.Fatalf("rings after another action: got %d, want 3", len(calls))
		}
		for i := 1; i < len(calls); i++ {
			if d := calls[i].Sub(calls[i-1]); d < every {
				t.Errorf("ring %d came %v after the one before, want %v or more", i, d, every)
			}
		}
	})
}

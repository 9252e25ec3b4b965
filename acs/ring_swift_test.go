package acs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/cwmp"
)

// TestSessionBeforeTheRingIsOver has a device that is done with its session before its answer to the connection request is read to
// the end: that ring brought a session, so what is asked next need not wait for the pace of those that bring none.
func TestSessionBeforeTheRingIsOver(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		w.waker.onRequest(func(cwmp.ConnectionRequest) {
			tk := c.open(periodic)
			for m := tk.next(); m != nil; m = tk.next() {
				tk.answer(m, &cwmp.SetParameterValuesResponse{})
			}
			tk.end(cwmp.EndDone, nil)
			time.Sleep(200 * time.Millisecond) // the rest of the answer
		})
		for i := range 3 {
			a := w.update(c, false, "Device.X", "1")
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if got := w.action(a); got.Status != acs.StatusSuccess {
				t.Errorf("update %d after 5 s: got %s/%s, want success", i, got.Status, got.Stage)
			}
		}
	})
}

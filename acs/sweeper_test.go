package acs_test

import (
	"testing"
	"time"

	"recado/acs"
)

// A machine's clock may be set forward while nothing else happens: the sweeper, whose timer knows nothing of it, looks often enough.
func TestSweeperLooksEvery30Seconds(t *testing.T) {
	for name, queued := range map[string]bool{"nothing is due": false, "the next is an hour off": true} {
		t.Run(name, func(t *testing.T) {
			inHookedWorld(t, func(w *world, s *hookedStore) {
				if queued {
					w.reboot(w.known("1"))
				}
				var looks []time.Time
				s.due = func() { looks = append(looks, time.Now()) }
				beside(w.t, acs.NewSweeper(w.svc).Run, func() { time.Sleep(10*time.Minute + time.Second) })
				if n := len(looks); n < 20 || n > 25 {
					w.t.Errorf("looks in ten minutes: got %d, want about 20", n)
				}
				for i := 1; i < len(looks); i++ {
					if gap := looks[i].Sub(looks[i-1]); gap > 30*time.Second {
						w.t.Errorf("look %d: came %v after the last, want 30s at most", i, gap)
					}
				}
			})
		})
	}
}

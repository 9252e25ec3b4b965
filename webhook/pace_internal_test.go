package webhook

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// What has been idle is forgotten, so that endpoints that come and go do not fill the memory; what is in use keeps its count.
func TestPaceForgetsTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(10)
		busy := Endpoint{ID: "wh_busy", URL: "https://busy.example/", PerMinute: 1}
		if again := p.allow(busy); !again.IsZero() {
			t.Fatalf("the first attempt: got put off until %v", again)
		}
		for i := range 5 * sweepFrom {
			e := Endpoint{ID: fmt.Sprint("wh_", i), URL: fmt.Sprintf("https://host-%d.example/", i), PerMinute: 60_000}
			if again := p.allow(e); !again.IsZero() {
				t.Fatalf("endpoint %d: got put off until %v", i, again)
			}
			time.Sleep(time.Millisecond)
		}
		if n := len(p.endpoints) + len(p.hosts); n > 2*sweepFrom {
			t.Errorf("got %d endpoints and hosts kept, want at most %d", n, 2*sweepFrom)
		}
		if again := p.allow(busy); again.IsZero() {
			t.Error("the busy endpoint's second attempt within the minute: got it allowed, want it put off")
		} else if wait := time.Until(again); wait <= 0 || wait > time.Minute {
			t.Errorf("the busy endpoint's second attempt: got put off for %v, want at most the minute", wait)
		}
		time.Sleep(time.Minute)
		if again := p.allow(busy); !again.IsZero() {
			t.Errorf("a minute later: got put off until %v", again)
		}
		time.Sleep(time.Second) // for the host's sake
		busy.PerMinute = 120
		if again := p.allow(busy); !again.IsZero() {
			t.Errorf("with another bound: got put off until %v, want it to hold from now on", again)
		}
	})
}

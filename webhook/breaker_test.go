package webhook_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"recado/webhook"
)

var breakerNow = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// A probe that fails burns nothing and ends nothing, whatever it met; a 410 and a success mean what they always mean.
func TestSettleProbe(t *testing.T) {
	schedule := webhook.DefaultSchedule()
	for _, tries := range []int{0, 4, 10, 11, 40} {
		for _, c := range []struct {
			class  webhook.ErrorClass
			status int
			after  time.Duration
		}{
			{class: webhook.ErrorTimeout},
			{class: webhook.ErrorDNS},
			{class: webhook.ErrorRefused},
			{class: webhook.ErrorInternal},
			{class: webhook.ErrorStatus, status: 400},
			{class: webhook.ErrorStatus, status: 500},
			{class: webhook.ErrorStatus, status: 503},
			{class: webhook.ErrorStatus, status: 429, after: 20 * time.Hour},
			{class: webhook.ErrorRedirect, status: 301},
		} {
			a := webhook.Attempt{Probe: true, Class: c.class, Status: c.status, RetryAfter: c.after}
			got := webhook.Settle(webhook.Delivery{Tries: tries}, webhook.Endpoint{}, a, breakerNow, 0.5)
			want := webhook.Settlement{
				State: webhook.DeliveryPending, KeepTries: true,
				NextAt: breakerNow.Add(max(schedule[min(tries, len(schedule)-1)], c.after)),
			}
			if c.status == 503 {
				want.HoldEndpoint = breakerNow.Add(5 * time.Second)
			}
			if c.after > 0 {
				want.HoldEndpoint = breakerNow.Add(c.after)
			}
			if got != want {
				t.Errorf("probe, try %d, %s %d: got %+v, want %+v", tries, c.class, c.status, got, want)
			}
		}
	}
	got := webhook.Settle(webhook.Delivery{Tries: 40}, webhook.Endpoint{}, webhook.Attempt{Probe: true, Status: 204}, breakerNow, 0.5)
	if want := (webhook.Settlement{State: webhook.DeliveryDelivered}); got != want {
		t.Errorf("good probe: got %+v, want %+v", got, want)
	}
	got = webhook.Settle(webhook.Delivery{}, webhook.Endpoint{}, webhook.Attempt{Probe: true, Status: 410, Class: webhook.ErrorStatus}, breakerNow, 0.5)
	if got.State != webhook.DeliveryDead || got.EndpointState != webhook.EndpointGone {
		t.Errorf("probe answered 410: got %+v, want dead, and the endpoint gone", got)
	}
}

func TestSettleDisables(t *testing.T) {
	long := breakerNow.Add(-webhook.DisableAfter)
	for _, c := range []struct {
		what     string
		failures int // before this one
		since    time.Time
		status   int
		want     webhook.EndpointState
	}{
		{"the twentieth in exactly five days", 19, long, 500, webhook.EndpointDisabled},
		{"the hundredth", 99, long.Add(-time.Hour), 500, webhook.EndpointDisabled},
		{"without an answer", 19, long, 0, webhook.EndpointDisabled},
		{"the nineteenth", 18, long, 500, ""},
		{"a moment too early", 19, long.Add(1), 500, ""},
		{"the first", 0, time.Time{}, 500, ""},
		{"a success", 19, long, 204, ""},
		{"410", 19, long, 410, webhook.EndpointGone},
	} {
		a := webhook.Attempt{Status: c.status, Class: webhook.StatusClass(c.status)}
		if c.status == 0 {
			a.Class = webhook.ErrorConnect
		}
		e := webhook.Endpoint{Health: webhook.Health{ConsecutiveFailures: c.failures, FailingSince: c.since}}
		for _, tries := range []int{0, 11} {
			got := webhook.Settle(webhook.Delivery{Tries: tries}, e, a, breakerNow, 0.5)
			if got.EndpointState != c.want {
				t.Errorf("%s, try %d: got %q, want %q", c.what, tries, got.EndpointState, c.want)
			}
			if c.want == webhook.EndpointDisabled && (!strings.Contains(got.StateReason, e.FailingSince.Format(time.RFC3339)) ||
				!strings.Contains(got.StateReason, fmt.Sprint(c.failures+1, " failures"))) {
				t.Errorf("%s: got reason %q, want since when, and how many failures", c.what, got.StateReason)
			}
		}
	}
}

// What an attempt makes of an endpoint in each state: the store's half of the decision.
func TestEndpointSettle(t *testing.T) {
	fault := webhook.Attempt{At: breakerNow.Add(-time.Second), Duration: time.Second, Class: webhook.ErrorConnect}
	ok := webhook.Attempt{At: fault.At, Duration: fault.Duration, Status: 200}
	bad := webhook.Attempt{At: fault.At, Duration: fault.Duration, Status: 500, Class: webhook.ErrorStatus}
	probe := func(a webhook.Attempt) webhook.Attempt { a.Probe = true; return a }
	gone := webhook.Settlement{EndpointState: webhook.EndpointGone, StateReason: "410"}
	disable := webhook.Settlement{EndpointState: webhook.EndpointDisabled, StateReason: "spent"}
	spent := webhook.Health{ConsecutiveFailures: 25, FailingSince: breakerNow.Add(-6 * 24 * time.Hour)}
	faults := func(n int) webhook.Health {
		return webhook.Health{ConsecutiveFailures: n, TransportFaults: n, FailingSince: breakerNow.Add(-time.Minute)}
	}
	for _, c := range []struct {
		what   string
		state  webhook.EndpointState
		health webhook.Health
		a      webhook.Attempt
		s      webhook.Settlement
		want   webhook.EndpointState
	}{
		{"fifth fault", webhook.EndpointActive, faults(4), fault, webhook.Settlement{}, webhook.EndpointFailing},
		{"fourth fault", webhook.EndpointActive, faults(3), fault, webhook.Settlement{}, ""},
		{"an answer after four", webhook.EndpointActive, faults(4), bad, webhook.Settlement{}, ""},
		{"a success after four", webhook.EndpointActive, faults(4), ok, webhook.Settlement{}, ""},
		{"fifth fault, but we broke it off", webhook.EndpointActive, faults(4), fault, webhook.Settlement{KeepHealth: true}, ""},
		{"a fault while failing", webhook.EndpointFailing, faults(9), fault, webhook.Settlement{}, ""},
		{"a success while failing", webhook.EndpointFailing, faults(9), ok, webhook.Settlement{}, ""},
		{"a good probe", webhook.EndpointFailing, faults(9), probe(ok), webhook.Settlement{}, webhook.EndpointActive},
		{"a probe answered 500", webhook.EndpointFailing, faults(9), probe(bad), webhook.Settlement{}, webhook.EndpointActive},
		{"a failed probe", webhook.EndpointFailing, faults(9), probe(fault), webhook.Settlement{}, ""},
		{"a good probe, but it is paused by now", webhook.EndpointPaused, faults(9), probe(ok), webhook.Settlement{}, ""},
		{"a failed probe, but it is active by now", webhook.EndpointActive, faults(1), probe(fault), webhook.Settlement{}, ""},
		{"fifth fault while paused", webhook.EndpointPaused, faults(4), fault, webhook.Settlement{}, ""},
		{"fifth fault while disabled", webhook.EndpointDisabled, faults(4), fault, webhook.Settlement{}, ""},
		{"410", webhook.EndpointActive, webhook.Health{}, bad, gone, webhook.EndpointGone},
		{"410 while paused", webhook.EndpointPaused, webhook.Health{}, bad, gone, webhook.EndpointGone},
		{"410 of a probe", webhook.EndpointFailing, faults(9), probe(bad), gone, webhook.EndpointGone},
		{"410 once more", webhook.EndpointGone, webhook.Health{}, bad, gone, ""},
		{"spent", webhook.EndpointActive, spent, bad, disable, webhook.EndpointDisabled},
		{"spent while failing", webhook.EndpointFailing, spent, probe(fault), disable, webhook.EndpointDisabled},
		{"spent, but paused by now", webhook.EndpointPaused, spent, bad, disable, ""},
		{"spent, but disabled by now", webhook.EndpointDisabled, spent, bad, disable, ""},
		{"asked for, but there was a success meanwhile", webhook.EndpointActive, faults(1), bad, disable, ""},
	} {
		e := webhook.Endpoint{ID: "wh_1", URL: "https://a.example/", State: c.state, StateReason: "before", Version: 7, Health: c.health}
		if c.state == webhook.EndpointFailing {
			e.ProbeAt, e.ProbeWait = breakerNow, webhook.FirstProbeWait
		}
		before := e
		got := e.Settle(webhook.Lease{Endpoint: e}, c.a, c.s, breakerNow)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
		changed := c.want != ""
		if e.Version != before.Version && !changed || changed && (e.Version != 8 || e.State != c.want || e.StateReason == "before") {
			t.Errorf("%s: got %s, %q, version %d; want a change: %v", c.what, e.State, e.StateReason, e.Version, changed)
		}
		if released := e.ReleasedAt.After(breakerNow); released != (c.what == "a good probe") {
			t.Errorf("%s: got released at %v", c.what, e.ReleasedAt)
		}
		if open := e.State == webhook.EndpointFailing; open && !e.ProbeAt.Equal(before.ProbeAt) != (c.a.Probe || changed) {
			t.Errorf("%s: got probe at %v after %v; only an opening and a failed probe move it", c.what, e.ProbeAt, before.ProbeAt)
		}
		elsewhere := before
		elsewhere.URL = "https://b.example/"
		moved := elsewhere
		if got := moved.Settle(webhook.Lease{Endpoint: before}, c.a, c.s, breakerNow); got != "" || moved.Health != elsewhere.Health {
			t.Errorf("%s, at the URL before a change: got %q and %+v, want nothing changed", c.what, got, moved.Health)
		}
	}
}

func TestProbeWaits(t *testing.T) {
	e := webhook.Endpoint{State: webhook.EndpointActive}
	fail := func(now time.Time) {
		e.Settle(webhook.Lease{}, webhook.Attempt{At: now, Class: webhook.ErrorDNS, Probe: e.State == webhook.EndpointFailing}, webhook.Settlement{}, now)
	}
	now := breakerNow
	for range webhook.BreakerFaults {
		fail(now)
	}
	for i, seconds := range []int{30, 60, 120, 240, 480, 900, 900, 900} {
		if want := time.Duration(seconds) * time.Second; e.ProbeWait != want || !e.ProbeAt.Equal(now.Add(want)) {
			t.Fatalf("wait %d: got %v until %v, want %v", i+1, e.ProbeWait, e.ProbeAt, want)
		}
		now = e.ProbeAt.Add(time.Second) // probes are a little late
		fail(now)
	}
}

// A release counts for what was put off before it, and for nothing after, even in one instant of the clock.
func TestReleaseAndPutOff(t *testing.T) {
	e := webhook.Endpoint{State: webhook.EndpointPaused}
	later := breakerNow.Add(time.Hour)
	waits := func(d webhook.Delivery) bool { return d.DueAt(&e).After(breakerNow) }
	release := func() {
		active := e
		active.State = webhook.EndpointActive
		active.KeepHealth(&e, breakerNow)
		e.Health = active.Health
	}
	made := webhook.Delivery{CreatedAt: breakerNow, NextAt: later}
	var first, second webhook.Delivery
	first.PutOff(later, &e, breakerNow)
	for i, want := range []bool{true, false, false, false} {
		if got := waits(first); got != want {
			t.Errorf("after %d releases: put off before them, got waiting %v, want %v", i, got, want)
		}
		if got := waits(made); got != want {
			t.Errorf("after %d releases: never put off, got waiting %v, want %v", i, got, want)
		}
		if i > 0 && waits(second) {
			t.Errorf("after %d releases: put off after the one before, got waiting", i)
		}
		second.PutOff(later, &e, breakerNow)
		if !waits(second) {
			t.Errorf("after %d releases: put off just now, got due", i)
		}
		release()
	}
	early := webhook.Delivery{CreatedAt: breakerNow.Add(-time.Hour), NextAt: breakerNow.Add(-2 * time.Hour)}
	if got := early.DueAt(&e); !got.Equal(early.NextAt) {
		t.Errorf("due before it was made: got %v, want NextAt, %v", got, early.NextAt)
	}
}

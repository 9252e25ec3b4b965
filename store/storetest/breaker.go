package storetest

import (
	"fmt"
	"time"

	"recado/webhook"
)

var breakerCases = []testCase{
	{"breaker/five transport faults in a row open it", (*env).breakerOpens},
	{"breaker/what was in flight changes no state", (*env).breakerInFlight},
	{"breaker/one probe at a time, at twice the last wait", (*env).breakerProbes},
	{"breaker/the highest, then the oldest asks, due or not", (*env).breakerAsks},
	{"breaker/a good probe makes all due", (*env).breakerReleases},
	{"breaker/another answer closes it and makes nothing due", (*env).breakerAnswered},
	{"breaker/an attempt at another URL says nothing", (*env).breakerOtherURL},
	{"breaker/410 of an old URL ends nothing", (*env).breakerOldURLGone},
	{"breaker/a new URL is asked at once", (*env).breakerNewURL},
	{"reopen/a failing endpoint, and after its release", (*env).breakerReopened},
	{"resume/what was held is due, oldest first", func(e *env) { e.resumeHeld(false) }},
	{"reopen/what was held is due after a resume", func(e *env) { e.resumeHeld(e.reopens()) }},
	{"disabled/its event in the same transaction", (*env).disabledTold},
	{"disabled/only where the health says so", (*env).disabledOnlySpent},
}

func (e *env) fault(class webhook.ErrorClass) webhook.Attempt {
	return webhook.Attempt{At: e.now(), Class: class, Error: "no answer"}
}

// putOff settles a failed attempt as pending for an hour.
func (e *env) putOff(l webhook.Lease, a webhook.Attempt) webhook.EndpointState {
	e.Helper()
	a.Probe = l.Probe
	return e.settle(l, a, webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now().Add(time.Hour), KeepTries: l.Probe})
}

// failing opens the breaker of an endpoint with n deliveries, of which the first five were tried and put off for an hour.
func (e *env) failing(n int, change ...func(int, *webhook.Delivery)) (webhook.Endpoint, []webhook.Delivery) {
	e.Helper()
	to := e.endpoint("cli_1")
	ds := e.queue(to, n, change...)
	l := limits
	l.PerEndpoint = webhook.BreakerFaults
	leases, _ := e.claim(l)
	for i, lease := range leases {
		want := webhook.EndpointState("")
		if i == webhook.BreakerFaults-1 {
			want = webhook.EndpointFailing
		}
		e.same(fmt.Sprintf("state after fault %d", i+1), e.putOff(lease, e.fault(webhook.ErrorConnect)), want)
	}
	for i := range ds {
		ds[i] = e.readDelivery(ds[i].ID)
	}
	return e.readEndpoint(to.ID), ds
}

// probe claims the one delivery that a failing endpoint gives.
func (e *env) probe(what string) webhook.Lease {
	e.Helper()
	leases, _ := e.claim(limits)
	if len(leases) != 1 || !leases[0].Probe {
		e.Fatalf("%s: got leases of %v, want one, a probe", what, leasedIDs(leases))
	}
	return leases[0]
}

func (e *env) breakerOpens() {
	for _, c := range []struct {
		what    string
		classes []webhook.ErrorClass // "" is a success
		want    webhook.EndpointState
	}{
		{"every class", []webhook.ErrorClass{"timeout", "dns", "connect", "tls", "bad_answer"}, webhook.EndpointFailing},
		{"refused by the guard", []webhook.ErrorClass{"refused_address", "dns", "dns", "dns", "dns"}, webhook.EndpointFailing},
		{"four", []webhook.ErrorClass{"dns", "dns", "dns", "dns"}, webhook.EndpointActive},
		{"an answer between", []webhook.ErrorClass{"dns", "dns", "dns", "dns", "status", "dns"}, webhook.EndpointActive},
		{"a redirect between", []webhook.ErrorClass{"dns", "dns", "dns", "dns", "redirect", "dns"}, webhook.EndpointActive},
		{"a success between", []webhook.ErrorClass{"dns", "dns", "dns", "dns", "", "dns"}, webhook.EndpointActive},
		{"our own fault between", []webhook.ErrorClass{"dns", "dns", "dns", "dns", "internal", "dns"}, webhook.EndpointFailing},
		{"our own faults", []webhook.ErrorClass{"internal", "internal", "internal", "internal", "internal", "internal"}, webhook.EndpointActive},
	} {
		to := e.endpoint("cli_1")
		e.queue(to, len(c.classes))
		leases, _ := e.claim(limits)
		for i, class := range c.classes {
			if class == "" {
				e.delivered(leases[i])
			} else {
				e.putOff(leases[i], e.fault(class))
			}
		}
		ep := e.readEndpoint(to.ID)
		if ep.State != c.want {
			e.Errorf("%s: got %s, want %s", c.what, ep.State, c.want)
		}
		if opened := c.want == webhook.EndpointFailing; opened != (ep.Version == to.Version+1) || opened != (ep.StateReason != "") ||
			opened != (ep.ProbeWait == webhook.FirstProbeWait) || opened == ep.ProbeAt.IsZero() {
			e.Errorf("%s: got version %d after %d, reason %q, probe at %v after %v", c.what, ep.Version, to.Version, ep.StateReason, ep.ProbeAt, ep.ProbeWait)
		}
		e.ok("delete", e.DeleteEndpoint(e.ctx, to.ID))
	}
}

func (e *env) breakerInFlight() {
	to := e.endpoint("cli_1")
	e.queue(to, 9)
	leases, _ := e.claim(limits)
	for _, l := range leases[:5] {
		e.putOff(l, e.fault(webhook.ErrorTimeout))
	}
	opened := e.readEndpoint(to.ID)
	e.pass(10 * time.Second)
	for _, l := range leases[5:7] {
		e.same("state after a late fault", e.putOff(l, e.fault(webhook.ErrorTimeout)), webhook.EndpointState(""))
	}
	got := e.readEndpoint(to.ID)
	e.same("failures", got.ConsecutiveFailures, 7)
	e.delivered(leases[7])
	got = e.readEndpoint(to.ID)
	if got.State != webhook.EndpointFailing || !got.ProbeAt.Equal(opened.ProbeAt) || got.Version != opened.Version {
		e.Errorf("after late attempts: got %s, probe at %v, version %d; want failing, %v, %d as it was opened",
			got.State, got.ProbeAt, got.Version, opened.ProbeAt, opened.Version)
	}
	if e.pass(opened.ProbeAt.Sub(e.now())); e.exact() {
		e.wantClaim("while one is still in flight", limits)
	}
	e.putOff(leases[8], e.fault(webhook.ErrorTimeout))
	e.probe("when none is in flight")
}

func (e *env) breakerProbes() {
	to, ds := e.failing(8)
	wait := webhook.FirstProbeWait
	for i := range 8 {
		ep := e.readEndpoint(to.ID)
		e.same(fmt.Sprintf("wait before probe %d", i+1), ep.ProbeWait, wait)
		if e.exact() {
			e.wantWake("before its time", limits, ep.ProbeAt)
			e.pass(ep.ProbeAt.Sub(e.now()) - time.Millisecond)
			e.wantWake("a millisecond before", limits, ep.ProbeAt)
		}
		e.pass(ep.ProbeAt.Sub(e.now()))
		l := e.probe("at its time")
		e.same("who asks", l.Delivery.ID, ds[0].ID)
		e.wantClaim("while one asks", limits)
		e.same("state after a failed probe", e.putOff(l, e.fault(webhook.ErrorConnect)), webhook.EndpointState(""))
		wait = min(2*wait, webhook.MaxProbeWait)
		d := e.readDelivery(ds[0].ID)
		if d.State != webhook.DeliveryPending || d.Attempts != i+2 || d.Tries != 1 {
			e.Errorf("after probe %d: got %s, %d attempts, %d tries; want pending, %d, 1", i+1, d.State, d.Attempts, d.Tries, i+2)
		}
	}
	as := try(e.Attempts(e.ctx, ds[0].ID)).get(e, "attempts")
	if len(as) != 9 || as[0].Probe || !as[1].Probe || !as[8].Probe {
		e.Errorf("attempts: got %+v, want the first, and 8 probes", as)
	}
	ep := e.readEndpoint(to.ID)
	e.pass(ep.ProbeAt.Sub(e.now()))
	l := e.probe("whose lease runs out")
	e.pass(limits.Lease)
	again := e.probe("another one")
	e.same("who asks", again.Delivery.ID, l.Delivery.ID)
}

func (e *env) breakerAsks() {
	to, ds := e.failing(5)
	more := e.queue(to, 4, func(i int, d *webhook.Delivery) {
		d.Priority = []webhook.Priority{webhook.PriorityLow, webhook.PriorityNormal, webhook.PriorityHigh, webhook.PriorityHigh}[i]
		d.OrderKey = []string{"", "x", "x", ""}[i]
	})
	for _, want := range []webhook.Delivery{more[3], ds[0]} {
		e.pass(time.Minute)
		l := e.probe("probe")
		e.same("who asks", l.Delivery.ID, want.ID)
		a := e.fault(webhook.ErrorConnect)
		a.Probe = true
		e.settle(l, a, webhook.Settlement{State: webhook.DeliveryDead})
	}
}

func (e *env) breakerReleases() {
	to, ds := e.failing(12)
	e.pass(20 * time.Second)
	ds = append(ds, e.queue(to, 2)...)
	e.pass(10 * time.Second)
	l := e.probe("probe")
	a := webhook.Attempt{At: e.now(), Status: 200, Probe: true}
	e.same("state", e.settle(l, a, webhook.Settlement{State: webhook.DeliveryDelivered}), webhook.EndpointActive)
	ep := e.readEndpoint(to.ID)
	if ep.State != webhook.EndpointActive || ep.StateReason != "" || ep.ConsecutiveFailures != 0 || !ep.ProbeAt.IsZero() || ep.Version != to.Version+1 {
		e.Errorf("after a good probe: got %+v, want active, without failures", ep)
	}
	one := limits
	one.PerEndpoint = 1
	for i, want := range ds[1:6] {
		l := e.wantClaim(fmt.Sprintf("delivery %d", i+1), one, want)[0]
		if l.Probe {
			e.Errorf("delivery %d: got a probe, want none: the endpoint is active", i+1)
		}
		if i == 2 { // put off after the release: it waits
			e.putOff(l, webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus})
			continue
		}
		e.delivered(l)
	}
	e.wantClaim("the rest, without what was put off since", limits, ds[6:]...)
}

func (e *env) breakerAnswered() {
	to, ds := e.failing(7)
	e.pass(webhook.FirstProbeWait)
	l := e.probe("probe")
	e.same("who asks", l.Delivery.ID, ds[0].ID)
	a := webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus}
	e.same("state", e.putOff(l, a), webhook.EndpointActive)
	if d := e.readDelivery(ds[0].ID); d.Tries != 1 || d.State != webhook.DeliveryPending {
		e.Errorf("delivery that asked: got %s, %d tries; want pending, 1", d.State, d.Tries)
	}
	for _, l := range e.wantClaim("what had its turn waits for its time", limits, ds[5], ds[6]) {
		e.delivered(l)
	}
	_, wake := e.claim(limits)
	if want := ds[1].NextAt; e.exact() && !wake.Equal(want) {
		e.Errorf("wake: got %v, want %v", wake, want)
	}
	e.pass(ds[1].NextAt.Sub(e.now()))
	e.wantClaim("and goes then", limits, ds[1:5]...)
	if ep := e.readEndpoint(to.ID); ep.State != webhook.EndpointActive || ep.TransportFaults != 0 {
		e.Errorf("endpoint: got %s, %d transport faults; want active, none", ep.State, ep.TransportFaults)
	}
}

func (e *env) breakerOldURLGone() {
	to := e.endpoint("cli_1")
	d := e.queue(to, 1)[0]
	l := e.wantClaim("claim", limits, d)[0]
	to.URL = "https://other.example/"
	if _, err := e.UpdateEndpoint(e.ctx, to); err != nil {
		e.Fatalf("update: %v", err)
	}
	e.settle(l, webhook.Attempt{At: e.now(), Status: 410, Class: webhook.ErrorStatus},
		webhook.Settlement{State: webhook.DeliveryDead, EndpointState: webhook.EndpointGone, StateReason: "answered 410"})
	if ep := e.readEndpoint(to.ID); ep.State != webhook.EndpointActive {
		e.Errorf("endpoint: got %s, want active: it was the old URL that is gone", ep.State)
	}
	again, _ := e.claim(limits)
	if len(again) != 1 || again[0].Delivery.ID != d.ID || again[0].Delivery.Tries != 0 || again[0].Delivery.Attempts != 1 {
		e.Errorf("claim: got %+v, want the delivery again, at no cost to its schedule", again)
	}
}

func (e *env) breakerOtherURL() {
	to := e.endpoint("cli_1")
	e.queue(to, 6)
	leases, _ := e.claim(limits)
	to.URL = "https://other.example/"
	to, err := e.UpdateEndpoint(e.ctx, to)
	e.ok("update", err)
	for _, l := range leases[:5] {
		e.putOff(l, e.fault(webhook.ErrorConnect))
	}
	gone := webhook.Settlement{State: webhook.DeliveryDead, EndpointState: webhook.EndpointGone, HoldEndpoint: e.now().Add(time.Hour)}
	e.same("410 of the old URL", e.settle(leases[5], webhook.Attempt{At: e.now(), Status: 410, Class: webhook.ErrorStatus}, gone), webhook.EndpointState(""))
	e.same("endpoint", e.readEndpoint(to.ID), to)
}

func (e *env) breakerNewURL() {
	to, ds := e.failing(6)
	e.wantClaim("before the probe's time", limits)
	e.drainChanged()
	to.URL = "https://other.example/"
	to, err := e.UpdateEndpoint(e.ctx, to)
	e.ok("update", err)
	if to.State != webhook.EndpointFailing || to.ConsecutiveFailures != 0 || !to.FailingSince.IsZero() || to.TransportFaults != 0 {
		e.Errorf("another URL: got %s, %+v; want failing, without the old one's failures", to.State, to.Health)
	}
	e.wantChanged("another URL")
	l := e.probe("another URL")
	e.same("who asks", l.Delivery.ID, ds[0].ID)
	e.putOff(l, e.fault(webhook.ErrorConnect))
	e.same("wait after it", e.readEndpoint(to.ID).ProbeWait, webhook.FirstProbeWait)
}

// breakerReopened reopens while failing, with a probe out, and after a release and a put-off that came after it.
func (e *env) breakerReopened() {
	if !e.reopens() {
		return
	}
	to, ds := e.failing(9)
	e.reopen()
	e.wantDepth("reopened", "cli_1", 9)
	e.same("reopened while failing", e.readEndpoint(to.ID), to)
	e.wantWake("before the probe's time", limits, to.ProbeAt)
	e.pass(to.ProbeAt.Sub(e.now()))
	e.probe("whose lease is lost with the process")
	e.reopen()
	e.pass(limits.Lease)
	l := e.probe("after reopening")
	e.same("who asks", l.Delivery.ID, ds[0].ID)
	e.settle(l, webhook.Attempt{At: e.now(), Status: 200, Probe: true}, webhook.Settlement{State: webhook.DeliveryDelivered})
	e.reopen()
	leases := e.wantClaim("reopened after the release: all is due", limits, ds[1:]...)
	for _, l := range leases {
		e.putOff(l, webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus})
	}
	e.reopen()
	e.wantClaim("what was put off since waits", limits)
	e.pass(time.Hour)
	e.wantClaim("and goes at its time", limits, ds[1:]...)
}

func (e *env) resumeHeld(reopen bool) {
	for _, state := range []webhook.EndpointState{
		webhook.EndpointPaused, webhook.EndpointFailing, webhook.EndpointDisabled, webhook.EndpointGone,
	} {
		to := e.endpoint("cli_1", func(ep *webhook.Endpoint) { ep.Concurrency = 2 })
		ds := e.queue(to, 6, keyed("", "x", "x", "", "", ""))
		for _, l := range e.wantClaim("first", limits, ds[0], ds[1]) {
			e.putOff(l, e.fault(webhook.ErrorDNS))
		}
		to = e.readEndpoint(to.ID)
		to.State, to.StateReason = state, "by the test"
		to, err := e.UpdateEndpoint(e.ctx, to)
		e.ok("update", err)
		ds = append(ds, e.queue(to, 1)...)
		if e.pass(time.Minute); reopen {
			e.reopen()
		}
		to.State, to.StateReason = webhook.EndpointActive, ""
		to, err = e.UpdateEndpoint(e.ctx, to)
		e.ok("resume", err)
		if to.ConsecutiveFailures != 0 || !to.FailingSince.IsZero() || to.ReleasedAt.IsZero() {
			e.Errorf("resumed from %s: got %+v, want a fresh health, released", state, to.Health)
		}
		if reopen {
			e.reopen()
		}
		for i, want := range [][]webhook.Delivery{{ds[0], ds[1]}, {ds[2], ds[3]}, {ds[4], ds[5]}, {ds[6]}} {
			for _, l := range e.wantClaim(fmt.Sprintf("resumed from %s, %d", state, i), limits, want...) {
				e.delivered(l)
			}
		}
	}
}

// spend lets an endpoint fail until it has to be disabled, and gives the lease of the attempt that does it.
func (e *env) spend(to webhook.Endpoint, failures int, over time.Duration) webhook.Lease {
	e.Helper()
	d := e.queue(to, 1)[0]
	for i := range failures {
		l := e.wantClaim("claim", limits, d)[0]
		if i == failures-1 {
			return l
		}
		e.settle(l, webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus},
			webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now()})
		if i == 0 {
			e.pass(over)
		}
	}
	return webhook.Lease{}
}

func (e *env) disabling(l webhook.Lease, others ...webhook.Endpoint) (webhook.Attempt, webhook.Settlement) {
	event := e.event(l.Endpoint.Client, "")
	event.SequenceAt = 0
	return webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus}, webhook.Settlement{
		State: webhook.DeliveryPending, NextAt: e.now(), EndpointState: webhook.EndpointDisabled, StateReason: "spent",
		Outbox: &webhook.Outbox{Events: []webhook.Event{event}, Deliveries: e.deliveries(event, others...)},
	}
}

func (e *env) disabledTold() {
	to, other := e.endpoint("cli_1"), e.endpoint("cli_1")
	l := e.spend(to, webhook.DisableFailures, webhook.DisableAfter)
	a, s := e.disabling(l, other)
	taken := *s.Outbox
	taken.Events = []webhook.Event{{ID: l.Event.ID}}
	refused := s
	refused.Outbox = &taken
	e.wantAnyErr("an outbox whose event is there already", e.record(l, a, refused))
	e.same("endpoint after it", e.readEndpoint(to.ID).State, webhook.EndpointActive)
	e.same("attempts after it", len(try(e.Attempts(e.ctx, l.Delivery.ID)).get(e, "attempts")), webhook.DisableFailures-1)

	e.drainChanged()
	e.same("state", e.settle(l, a, s), webhook.EndpointDisabled)
	e.wantChanged("an event for the other endpoint")
	got := e.readEndpoint(to.ID)
	if got.State != webhook.EndpointDisabled || got.StateReason != "spent" || got.Version != to.Version+1 {
		e.Errorf("endpoint: got %s, %q, version %d; want disabled, spent, %d", got.State, got.StateReason, got.Version, to.Version+1)
	}
	e.same("event", try(e.Event(e.ctx, s.Outbox.Events[0].ID)).get(e, "event"), s.Outbox.Events[0])
	e.wantClaim("what tells of it goes out, what is held does not", limits, s.Outbox.Deliveries...)
}

func (e *env) disabledOnlySpent() {
	for _, c := range []struct {
		what     string
		failures int
		over     time.Duration
		state    webhook.EndpointState // what the client made of it meanwhile
	}{
		{"too few failures", webhook.DisableFailures - 1, webhook.DisableAfter, webhook.EndpointActive},
		{"too short a time", webhook.DisableFailures, webhook.DisableAfter - time.Minute, webhook.EndpointActive},
		{"paused meanwhile", webhook.DisableFailures, webhook.DisableAfter, webhook.EndpointPaused},
		{"gone meanwhile", webhook.DisableFailures, webhook.DisableAfter, webhook.EndpointGone},
	} {
		to, other := e.endpoint("cli_1"), e.endpoint("cli_1")
		l := e.spend(to, c.failures, c.over)
		to = e.readEndpoint(to.ID)
		to.State = c.state
		to, err := e.UpdateEndpoint(e.ctx, to)
		e.ok("update", err)
		a, s := e.disabling(l, other)
		e.same(c.what+": state", e.settle(l, a, s), webhook.EndpointState(""))
		e.same(c.what+": endpoint", e.readEndpoint(to.ID).State, c.state)
		_, err = e.Event(e.ctx, s.Outbox.Events[0].ID)
		e.wantErr(c.what+": event", err, webhook.ErrNotFound)
		e.ok("delete", e.DeleteEndpoint(e.ctx, to.ID))
		e.ok("delete", e.DeleteEndpoint(e.ctx, other.ID))
	}
}

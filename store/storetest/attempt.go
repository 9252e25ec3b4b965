package storetest

import (
	"fmt"
	"time"

	"recado/webhook"
)

var attemptCases = []testCase{
	{"attempt/every field is stored", (*env).attemptFields},
	{"attempt/counters follow", (*env).attemptCounters},
	{"attempt/a probe burns no try", (*env).attemptProbe},
	{"attempt/the endpoint's health follows", (*env).attemptHealth},
	{"attempt/a hold only grows", (*env).attemptHold},
	{"attempt/the endpoint's state", (*env).attemptState},
	{"attempt/nothing without the lease", (*env).attemptLeaseLost},
}

func (e *env) attemptFields() {
	d := e.queue(e.endpoint("cli_1"), 1)[0]
	var want []webhook.Attempt
	for i := range 3 {
		l := e.wantClaim("claim", limits, d)[0]
		var a webhook.Attempt
		fill(&a, i*20)
		e.settle(l, a, webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now()})
		a.Delivery, a.Number = d.ID, i+1
		want = append(want, a)
	}
	e.same("attempts, oldest first", try(e.Attempts(e.ctx, d.ID)).get(e, "attempts"), want)
}

func (e *env) attemptCounters() {
	want := e.queue(e.endpoint("cli_1"), 1)[0]
	e.pass(time.Minute)
	for i, step := range []struct {
		attempt webhook.Attempt
		state   webhook.DeliveryState
	}{
		{webhook.Attempt{Class: webhook.ErrorConnect, Error: "connection refused"}, webhook.DeliveryPending},
		{webhook.Attempt{Status: 503, Class: webhook.ErrorStatus, Error: "HTTP 503"}, webhook.DeliveryPending},
		{webhook.Attempt{Status: 200}, webhook.DeliveryDelivered},
	} {
		l := e.wantClaim("claim", limits, want)[0]
		a := step.attempt
		a.At, a.Duration = e.now(), 1500*time.Millisecond
		s := webhook.Settlement{State: step.state, NextAt: e.now().Add(time.Minute)}
		e.settle(l, a, s)
		want.Attempts, want.Tries = i+1, i+1
		want.State, want.NextAt = s.State, s.NextAt
		want.LastStatus, want.LastError, want.PutOffAt = a.Status, a.Error, e.now()
		if s.State != webhook.DeliveryPending {
			want.NextAt, want.PutOffAt, want.DoneAt = time.Time{}, time.Time{}, a.At.Add(a.Duration)
		}
		e.same(fmt.Sprintf("delivery after attempt %d", i+1), e.readDelivery(want.ID), want)
		e.pass(time.Minute)
	}
}

func (e *env) attemptProbe() {
	d := e.queue(e.endpoint("cli_1"), 1)[0]
	for i := range 4 {
		l := e.wantClaim("claim", limits, d)[0]
		e.settle(l, webhook.Attempt{At: e.now(), Class: webhook.ErrorTimeout},
			webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now(), KeepTries: i%2 == 0})
	}
	if got := e.readDelivery(d.ID); got.Attempts != 4 || got.Tries != 2 {
		e.Errorf("4 attempts, 2 of them probes: got %d attempts and %d tries, want 4 and 2", got.Attempts, got.Tries)
	}
}

func (e *env) attemptHealth() {
	want := e.endpoint("cli_1")
	e.queue(want, 6)
	leases, _ := e.claim(limits)
	for i, class := range []webhook.ErrorClass{webhook.ErrorDNS, webhook.ErrorTLS, webhook.ErrorStatus, "", webhook.ErrorConnect, webhook.ErrorRedirect} {
		a := webhook.Attempt{At: e.now().Add(time.Duration(i) * time.Second), Duration: time.Millisecond, Class: class, Error: "a sentence"}
		if class == "" {
			a.Status, a.Error = 200, ""
			want.ConsecutiveFailures, want.TransportFaults, want.FailingSince = 0, 0, time.Time{}
			want.LastSuccessAt = a.At.Add(a.Duration)
		} else {
			if want.ConsecutiveFailures++; want.ConsecutiveFailures == 1 {
				want.FailingSince = a.At.Add(a.Duration)
			}
			if want.TransportFaults++; class == webhook.ErrorRedirect || class == webhook.ErrorStatus {
				want.TransportFaults = 0
			}
			want.LastFailureAt, want.LastError = a.At.Add(a.Duration), string(class)
		}
		e.settle(leases[i], a, webhook.Settlement{State: webhook.DeliveryDelivered})
		e.same(fmt.Sprintf("endpoint after attempt %d", i+1), e.readEndpoint(want.ID), want)
	}
}

func (e *env) attemptHold() {
	to := e.endpoint("cli_1")
	e.queue(to, 4)
	leases, _ := e.claim(limits)
	start := e.now()
	for i, hold := range []struct{ given, want time.Duration }{{time.Hour, time.Hour}, {time.Minute, time.Hour}, {2 * time.Hour, 2 * time.Hour}} {
		e.settle(leases[i], webhook.Attempt{At: e.now(), Status: 429, Class: webhook.ErrorStatus},
			webhook.Settlement{State: webhook.DeliveryPending, NextAt: start, HoldEndpoint: start.Add(hold.given)})
		e.same(fmt.Sprintf("hold after %v", hold.given), e.readEndpoint(to.ID).HoldUntil, start.Add(hold.want))
	}
	e.delivered(leases[3])
	e.same("hold after an attempt that asked for none", e.readEndpoint(to.ID).HoldUntil, start.Add(2*time.Hour))
	e.wantWake("on hold", limits, start.Add(2*time.Hour))
}

func (e *env) attemptState() {
	to := e.endpoint("cli_1")
	ds := e.queue(to, 3)
	l := limits
	l.PerEndpoint = 2
	leases, _ := e.claim(l)
	e.settle(leases[0], webhook.Attempt{At: e.now(), Status: 410, Class: webhook.ErrorStatus},
		webhook.Settlement{State: webhook.DeliveryDead, EndpointState: webhook.EndpointGone, StateReason: "answered 410"})
	e.delivered(leases[1]) // says nothing about the state
	if ep := e.readEndpoint(to.ID); ep.State != webhook.EndpointGone || ep.StateReason != "answered 410" || ep.Version != to.Version+1 {
		e.Errorf("endpoint: got %s, %q, version %d; want gone, \"answered 410\", %d", ep.State, ep.StateReason, ep.Version, to.Version)
	}
	e.wantClaim("nothing more goes there", limits)
	e.same("what waits is held", e.readDelivery(ds[2].ID), ds[2])
}

func (e *env) attemptLeaseLost() {
	to := e.endpoint("cli_1")
	d := e.queue(to, 1)[0]
	a := webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus, Error: "HTTP 500"}
	s := webhook.Settlement{State: webhook.DeliveryDead, HoldEndpoint: e.now().Add(time.Hour), EndpointState: webhook.EndpointGone}
	unleased := webhook.Lease{Delivery: d, Endpoint: to}
	e.wantErr("without a lease", e.record(unleased, a, s), webhook.ErrLeaseLost)
	l := e.wantClaim("claim", limits, d)[0]
	forged := l
	forged.Token++
	e.wantErr("with another token", e.record(forged, a, s), webhook.ErrLeaseLost)
	e.pass(limits.Lease)
	e.wantErr("after the lease's time", e.record(l, a, s), webhook.ErrLeaseLost)
	e.same("the delivery", e.readDelivery(d.ID), d)
	e.same("the endpoint", e.readEndpoint(to.ID), to)
	e.same("the attempts", try(e.Attempts(e.ctx, d.ID)).get(e, "attempts"), []webhook.Attempt(nil))
}

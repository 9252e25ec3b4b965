package storetest

import (
	"time"

	"recado/webhook"
)

var claimCases = []testCase{
	{"claim/gives all that an attempt needs", (*env).claimContent},
	{"claim/what is due, and wakes for the rest", (*env).claimDue},
	{"claim/a lease is exclusive until it runs out", (*env).claimLeases},
	{"claim/only of active endpoints", (*env).claimActive},
	{"claim/not while an endpoint is on hold", (*env).claimHold},
	{"claim/within the endpoint's concurrency", (*env).claimConcurrency},
	{"claim/within the total", (*env).claimTotal},
	{"claim/racing claims never lease twice", (*env).claimRace},
}

func (e *env) claimContent() {
	to := e.endpoint("cli_1", func(ep *webhook.Endpoint) {
		ep.OldSecret, ep.OldSecretUntil, ep.Schedule = "whsec_b2xk", e.now().Add(time.Hour), []time.Duration{time.Second}
	})
	event := e.event("cli_1", "cpe-1")
	d := e.deliveries(event, to)
	event, err := e.AddEvent(e.ctx, event, d)
	e.ok("add event", err)
	l := e.wantClaim("claim", limits, d...)[0]
	e.same("delivery", l.Delivery, d[0])
	e.same("event, with its sequence", l.Event, event)
	e.same("endpoint", l.Endpoint, to)
	e.same("stored", e.readDelivery(d[0].ID).State, webhook.DeliveryPending)
}

func (e *env) wantWake(what string, l webhook.ClaimLimits, want time.Time) {
	e.Helper()
	leases, wake := e.claim(l)
	if len(leases) > 0 {
		e.Fatalf("%s: got leases of %v, want none", what, leasedIDs(leases))
	}
	e.same(what+": wake", wake, want)
}

func (e *env) claimDue() {
	to := e.endpoint("cli_1")
	e.wantWake("nothing there", limits, time.Time{})
	start := e.now()
	ds := e.queue(to, 3, func(i int, d *webhook.Delivery) { d.NextAt = start.Add(time.Duration(3-i) * time.Minute) })
	e.wantWake("none is due", limits, ds[2].NextAt)
	e.pass(time.Minute)
	l := e.wantClaim("the first", limits, ds[2])[0]
	e.delivered(l)
	e.wantWake("the next", limits, ds[1].NextAt)
	e.pass(2 * time.Minute)
	leases, wake := e.claim(limits)
	e.same("the rest: the oldest first, not the longest due", leasedIDs(leases), []string{ds[0].ID, ds[1].ID})
	if !wake.IsZero() && !wake.After(e.now()) {
		e.Errorf("wake when all is leased: got %v, want none or the end of a lease", wake)
	}
	e.delivered(leases[0])
	e.settle(leases[1], webhook.Attempt{At: e.now(), Class: webhook.ErrorDNS},
		webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now().Add(time.Hour)})
	e.wantWake("a retry", limits, e.readDelivery(ds[1].ID).NextAt)
}

func (e *env) claimLeases() {
	to := e.endpoint("cli_1")
	d := e.queue(to, 1)[0]
	first := e.wantClaim("claim", limits, d)[0]
	e.wantClaim("claim what is leased", limits)
	e.pass(limits.Lease - time.Second)
	_, wake := e.claim(limits)
	if end := first.Delivery.NextAt.Add(limits.Lease); wake.IsZero() || wake.After(end) && e.exact() {
		e.Errorf("wake while a lease is held: got %v, want its end, %v", wake, end)
	}
	e.wantClaim("a second before its end", limits)
	e.pass(time.Second)
	second := e.wantClaim("at its end", limits, d)[0]
	if second.Token == first.Token {
		e.Errorf("token of the second lease: got %d, the first one's; want another", second.Token)
	}
	done := webhook.Settlement{State: webhook.DeliveryDelivered}
	e.wantErr("attempt under the first lease", e.record(first, webhook.Attempt{At: e.now()}, done), webhook.ErrLeaseLost)
	e.same("after it", e.readDelivery(d.ID), d)
	e.same("attempts after it", try(e.Attempts(e.ctx, d.ID)).get(e, "attempts"), []webhook.Attempt(nil))
	e.delivered(second)
	e.wantErr("a second attempt under one lease", e.record(second, webhook.Attempt{At: e.now()}, done), webhook.ErrLeaseLost)
	e.pass(time.Hour)
	e.wantWake("what is delivered stays so", limits, time.Time{})
}

func (e *env) claimActive() {
	to := e.endpoint("cli_1")
	for _, state := range []webhook.EndpointState{
		webhook.EndpointPaused, webhook.EndpointDisabled, webhook.EndpointGone,
	} {
		to.State = state
		var err error
		to, err = e.UpdateEndpoint(e.ctx, to)
		e.ok("update endpoint", err)
		held := e.queue(to, 2)
		e.pass(time.Hour)
		leases, wake := e.claim(limits)
		if len(leases) != 0 || !wake.IsZero() && !wake.After(e.now()) {
			e.Errorf("claim of a %s endpoint: got %d leases and wake %v, want none and no moment that is past", state, len(leases), wake)
		}
		to.State = webhook.EndpointActive
		to, err = e.UpdateEndpoint(e.ctx, to)
		e.ok("update endpoint", err)
		for _, l := range e.wantClaim("active again", limits, held...) {
			e.delivered(l)
		}
	}
}

func (e *env) claimHold() {
	until := e.now().Add(time.Hour)
	hold := func(ep *webhook.Endpoint) { ep.HoldUntil = until }
	to, other := e.endpoint("cli_1", hold), e.endpoint("cli_1")
	held := e.queue(to, 2)
	e.delivered(e.wantClaim("the other endpoint", limits, e.queue(other, 1)...)[0])
	e.wantWake("on hold", limits, until)
	e.pass(time.Hour - time.Second)
	e.wantWake("still on hold", limits, until)
	e.pass(time.Second)
	e.wantClaim("the hold is over", limits, held...)
}

func (e *env) claimConcurrency() {
	two := e.endpoint("cli_1", func(ep *webhook.Endpoint) { ep.Concurrency = 2 })
	usual := e.endpoint("cli_1")
	a, b := e.queue(two, 5), e.queue(usual, 5)
	l := limits
	l.PerEndpoint = 3
	first := e.wantClaim("2 and 3", l, a[0], a[1], b[0], b[1], b[2])
	e.wantClaim("held leases count", l)
	for _, lease := range first {
		if lease.Delivery.ID == a[1].ID || lease.Delivery.ID == b[0].ID {
			e.delivered(lease)
		}
	}
	e.wantClaim("a place is free at each", l, a[2], b[3])
	l.PerEndpoint = 4
	e.wantClaim("a wider limit", l, b[4])
	e.pass(l.Lease)
	e.wantClaim("all leases ran out", l, a[0], a[2], b[1], b[2], b[3], b[4])
}

func (e *env) claimTotal() {
	to := e.endpoint("cli_1")
	ds := e.queue(to, 5)
	l := limits
	l.Total = 2
	e.wantClaim("two", l, ds[0], ds[1])
	e.wantClaim("two more", l, ds[2], ds[3])
	e.wantClaim("the last", l, ds[4])
	e.pass(l.Lease)
	l.Total = 0
	e.wantClaim("none", l)
	l.Total = 1
	e.wantClaim("the oldest again", l, ds[0])
}

func (e *env) claimRace() {
	var all []webhook.Delivery
	for range 4 {
		all = append(all, e.queue(e.endpoint("cli_1"), 25)...)
	}
	got := make([][]webhook.Lease, 100)
	e.many(len(got), func(i int) {
		l := limits
		l.Total = 3
		got[i], _ = e.claim(l)
	})
	var ids []string
	for _, leases := range got {
		ids = append(ids, leasedIDs(leases)...)
	}
	e.same("100 racing claims of 3", sorted(ids), sorted(deliveryIDs(all)))
}

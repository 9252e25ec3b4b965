package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"recado/webhook"
)

var endpointCases = []testCase{
	{"endpoint/every field is stored", (*env).endpointFields},
	{"endpoint/listed by id, by client", (*env).endpointList},
	{"endpoint/not there", (*env).endpointMissing},
	{"endpoint/changes by version", (*env).endpointVersions},
	{"endpoint/its health is the store's", (*env).endpointHealth},
	{"endpoint/deleting cancels what is pending", (*env).deleteEndpoint},
	{"endpoint/a delivery that comes too late is cancelled", (*env).lateDelivery},
	{"endpoint/one of many racing updates wins", (*env).racingEndpoints},
}

func (e *env) endpointFields() {
	var ep webhook.Endpoint
	fill(&ep, 1)
	e.ok("create", e.CreateEndpoint(e.ctx, ep))
	ep.Version = 1
	e.same("read", e.readEndpoint(ep.ID), ep)
	next := ep
	fill(&next, 100)
	next.ID, next.Client, next.Version = ep.ID, ep.Client, 1
	got, err := e.UpdateEndpoint(e.ctx, next)
	e.ok("update", err)
	next.Version = 2
	next.Health = ep.Health
	next.ConsecutiveFailures, next.FailingSince, next.TransportFaults = 0, time.Time{}, 0 // of the receiver at the old URL
	e.same("updated", got, next)
	e.same("read", e.readEndpoint(ep.ID), next)
}

func (e *env) endpointList() {
	e.same("nothing yet", try(e.Endpoints(e.ctx, "")).get(e, "endpoints"), []webhook.Endpoint(nil))
	id := func(id string) func(*webhook.Endpoint) { return func(ep *webhook.Endpoint) { ep.ID = id } }
	c, a := e.endpoint("cli_1", id("wh_3")), e.endpoint("cli_1", id("wh_1"))
	b, d := e.endpoint("cli_2", id("wh_2")), e.endpoint("cli_10", id("wh_4"))
	e.same("of one client", try(e.Endpoints(e.ctx, "cli_1")).get(e, "endpoints"), []webhook.Endpoint{a, c})
	e.same("of another", try(e.Endpoints(e.ctx, "cli_2")).get(e, "endpoints"), []webhook.Endpoint{b})
	e.same("of a client without", try(e.Endpoints(e.ctx, "cli_3")).get(e, "endpoints"), []webhook.Endpoint(nil))
	e.same("of all", try(e.Endpoints(e.ctx, "")).get(e, "endpoints"), []webhook.Endpoint{a, b, c, d})
}

func (e *env) endpointMissing() {
	_, err := e.Endpoint(e.ctx, "wh_1")
	e.wantErr("endpoint", err, webhook.ErrNotFound)
	_, err = e.UpdateEndpoint(e.ctx, webhook.Endpoint{ID: "wh_1"})
	e.wantErr("update", err, webhook.ErrNotFound)
	e.wantErr("delete", e.DeleteEndpoint(e.ctx, "wh_1"), webhook.ErrNotFound)
}

func (e *env) endpointVersions() {
	a := e.endpoint("cli_1")
	b := a
	b.Description = "first"
	b, err := e.UpdateEndpoint(e.ctx, b)
	e.ok("update", err)
	for _, version := range []uint64{0, a.Version, b.Version + 1} {
		c := a
		c.Version = version
		_, err = e.UpdateEndpoint(e.ctx, c)
		e.wantErr("update of another version", err, webhook.ErrConflict)
	}
	e.same("after the conflicts", e.readEndpoint(a.ID), b)
}

func (e *env) endpointHealth() {
	before := e.endpoint("cli_1")
	e.queue(before, 2)
	leases, _ := e.claim(limits)
	failed := webhook.Attempt{At: e.now(), Duration: time.Second, Status: 500, Class: webhook.ErrorStatus, Error: "HTTP 500"}
	e.settle(leases[0], failed, webhook.Settlement{State: webhook.DeliveryDead, HoldEndpoint: e.now().Add(time.Hour)})
	after := e.readEndpoint(before.ID)
	if after.Version != before.Version {
		e.Errorf("version after an attempt: got %d, want %d as before", after.Version, before.Version)
	}

	// Who read it before the attempt may still change it, and takes nothing of its health back.
	before.Description, before.State, before.StateReason = "changed", webhook.EndpointPaused, "by hand"
	got, err := e.UpdateEndpoint(e.ctx, before)
	e.ok("update", err)
	want := before
	want.Version++
	want.ConsecutiveFailures, want.LastError = 1, "status"
	want.FailingSince, want.LastFailureAt = e.now().Add(time.Second), e.now().Add(time.Second)
	e.same("updated: State and HoldUntil are the caller's, health the store's", got, want)
	e.same("read", e.readEndpoint(before.ID), want)

	e.settle(leases[1], failed, webhook.Settlement{State: webhook.DeliveryDead})
	if ep := e.readEndpoint(before.ID); ep.ConsecutiveFailures != 2 || ep.Version != want.Version || ep.State != webhook.EndpointPaused {
		e.Errorf("after a second failure: got %d failures, version %d, %s; want 2, %d, paused",
			ep.ConsecutiveFailures, ep.Version, ep.State, want.Version)
	}
}

// wantCancelled fails unless the store cancelled the delivery.
func (e *env) wantCancelled(id string) {
	e.Helper()
	d := e.readDelivery(id)
	if d.State != webhook.DeliveryCancelled || d.DoneAt.IsZero() {
		e.Errorf("delivery %s: got %s, done at %v; want cancelled and a time", id, d.State, d.DoneAt)
	}
}

func (e *env) deleteEndpoint() {
	gone, other := e.endpoint("cli_1"), e.endpoint("cli_1")
	done := e.queue(gone, 1)[0]
	e.delivered(e.wantClaim("claim", limits, done)[0])
	before := e.readDelivery(done.ID)
	pending := e.queue(gone, 3)
	kept := e.queue(other, 1)
	one := limits
	one.PerEndpoint = 1
	leases, _ := e.claim(one)

	e.ok("delete", e.DeleteEndpoint(e.ctx, gone.ID))
	_, err := e.Endpoint(e.ctx, gone.ID)
	e.wantErr("read", err, webhook.ErrNotFound)
	e.same("list", endpointIDs(try(e.Endpoints(e.ctx, "")).get(e, "endpoints")), []string{other.ID})
	for _, d := range pending {
		e.wantCancelled(d.ID)
		_, err = e.Redeliver(e.ctx, d.ID)
		e.wantErr("redeliver to nowhere", err, webhook.ErrNotFound)
		e.wantCancelled(d.ID)
	}
	e.same("what was done before", e.readDelivery(done.ID), before)
	for _, l := range leases {
		err = e.record(l, webhook.Attempt{At: e.now()}, webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now()})
		if l.Endpoint.ID == gone.ID {
			e.wantErr("attempt that was under way", err, webhook.ErrLeaseLost)
		} else {
			e.ok("attempt at the other endpoint", err)
		}
	}
	e.pass(time.Hour)
	e.wantClaim("claim after it", limits, kept...)
}

func (e *env) lateDelivery() {
	gone, here := e.endpoint("cli_1"), e.endpoint("cli_1")
	a := e.create(e.action("cli_1", "cpe-1"))
	final, o := e.verdict(a, "success", gone, here)
	e.ok("delete", e.DeleteEndpoint(e.ctx, gone.ID))
	_, err := e.FinishAction(e.ctx, final, o)
	e.ok("finish", err)
	e.wantCancelled(o.Deliveries[0].ID)
	e.wantClaim("the other goes out", limits, o.Deliveries[1])
}

func (e *env) racingEndpoints() {
	ep := e.endpoint("cli_1")
	var (
		wg   sync.WaitGroup
		wins atomic.Int32
	)
	for range 8 {
		wg.Go(func() {
			if _, err := e.UpdateEndpoint(e.ctx, ep); err == nil {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		e.Errorf("8 racing updates of one version: got %d winners, want 1", wins.Load())
	}
}

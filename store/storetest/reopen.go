package storetest

import (
	"time"

	"recado/acs"
	"recado/webhook"
)

var reopenCases = []testCase{
	{"reopen/everything is there", (*env).reopenWhole},
	{"reopen/idempotency keys hold", (*env).reopenKeys},
	{"reopen/sequence numbers go on", (*env).reopenSequence},
	{"reopen/what is due is due, what is pending goes out", (*env).reopenQueues},
	{"reopen/names are still taken", (*env).reopenNames},
	{"reopen/learned types", (*env).reopenTypes},
}

// reopens skips nothing silently: a backend that forgets has no such cases to pass.
func (e *env) reopens() bool {
	if e.h.Reopen == nil {
		e.Log("this backend outlives nothing: there is nothing to reopen")
		return false
	}
	return true
}

func (e *env) reopenWhole() {
	if !e.reopens() {
		return
	}
	var a acs.Action
	fill(&a, 1)
	a.Status, a.DeadlineAt = acs.StatusPending, e.now().Add(time.Hour)
	e.create(a)
	on := e.furnish()
	var d acs.Device
	fill(&d, 1)
	d.Facts.Version = 0
	_, err := e.PutFacts(e.ctx, d.ID, d.Identity, d.Facts)
	e.ok("put facts", err)
	e.ok("report", e.Report(e.ctx, d.ID, d.Identity, d.Reported))
	e.report("said-only", acs.Reported{RetryCount: 3})
	e.settle(on.lease, webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus, Error: "HTTP 500"},
		webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now().Add(time.Hour), HoldEndpoint: e.now().Add(time.Hour)})
	e.finish(on.action, acs.StatusSuccess, on.endpoint)
	var ep webhook.Endpoint
	fill(&ep, 500)
	e.ok("create endpoint", e.CreateEndpoint(e.ctx, ep))
	var c acs.Client
	fill(&c, 600)
	e.ok("create client", e.CreateClient(e.ctx, c))
	e.pass(time.Minute)
	want := e.everything()
	for range 2 {
		e.reopen()
		e.same("reopened", e.everything(), want)
		e.same("token", try(e.Token(e.ctx, "hash")).get(e, "token"), acs.Token{Hash: "hash", Client: "cli_1"})
		e.same("by user name", try(e.DeviceByCPEUsername(e.ctx, "user")).get(e, "by user name").ID, "cpe-1")
	}
}

func (e *env) reopenKeys() {
	if !e.reopens() {
		return
	}
	key := acs.Idempotency{Key: "k", BodyMAC: "m"}
	a, _, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("create", err)
	e.pass(acs.IdempotencyWindow - time.Minute)
	e.reopen()
	got, existed, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("the same again", err)
	if !existed || got.ID != a.ID {
		e.Errorf("the same again: got action %s, existed %v; want %s, true", got.ID, existed, a.ID)
	}
	_, _, err = e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), acs.Idempotency{Key: "k", BodyMAC: "n"}, acs.Outbox{})
	e.wantErr("another body", err, acs.ErrIdempotencyReused)
	e.pass(2 * time.Minute)
	e.reopen()
	_, existed, err = e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("after a day", err)
	if existed {
		e.Errorf("after a day: got existed, want a new action")
	}
}

func (e *env) reopenSequence() {
	if !e.reopens() {
		return
	}
	for i := range uint64(3) {
		a := e.create(e.action("cli_1", "cpe-1"))
		if a, _ = e.finish(a, acs.StatusSuccess); a.Sequence != i+1 {
			e.Errorf("verdict %d: got sequence %d", i+1, a.Sequence)
		}
		e.reopen()
	}
}

func (e *env) reopenQueues() {
	if !e.reopens() {
		return
	}
	to := e.endpoint("cli_1")
	a, b := e.create(e.action("cli_1", "cpe-1")), e.create(e.action("cli_1", "cpe-2"))
	ds := e.queue(to, 3, keyed("x", "x", ""))
	e.pass(30 * time.Minute)
	old := e.wantClaim("claim", limits, ds[0], ds[2])
	e.reopen()
	e.wantDue("reopened: none is due", 10, a.DeadlineAt)
	e.wantLive("reopened", "cpe-1", a)
	e.same("reopened: waiting", sorted(try(e.WaitingDevices(e.ctx)).get(e, "waiting devices")), []string{"cpe-1", "cpe-2"})
	e.pass(limits.Lease) // leases may be forgotten, and may be kept: now they are over
	for _, l := range old {
		err := e.record(l, webhook.Attempt{At: e.now()}, webhook.Settlement{State: webhook.DeliveryDelivered})
		e.wantErr("attempt under a lease from before", err, webhook.ErrLeaseLost)
	}
	leases := e.wantClaim("reopened: the same are due", limits, ds[0], ds[2])
	for _, l := range old {
		err := e.record(l, webhook.Attempt{At: e.now()}, webhook.Settlement{State: webhook.DeliveryDelivered})
		e.wantErr("attempt under a lease from before, leased anew", err, webhook.ErrLeaseLost)
	}
	for _, l := range leases {
		e.delivered(l)
	}
	e.reopen()
	e.wantClaim("reopened again", limits, ds[1])
	e.pass(time.Hour)
	e.wantDue("all are due", 10, time.Time{}, a, b)
}

func (e *env) reopenNames() {
	if !e.reopens() {
		return
	}
	e.client("cli_1", "one")
	e.facts("A", acs.Facts{RouterID: "R", CWMPAuth: acs.Credential{Username: "u", Password: "p"}, PPPoELogin: "login"})
	e.report("B", acs.Reported{PPPoELogin: "login", MAC: "00:00:00:00:00:0b"})
	e.pass(time.Minute)
	e.reopen()
	e.wantErr("client's name", e.CreateClient(e.ctx, acs.Client{ID: "cli_2", Name: "one"}), acs.ErrExists)
	_, err := e.PutFacts(e.ctx, "B", identity("SNB"), acs.Facts{RouterID: "R"})
	e.wantErr("router_id", err, acs.ErrExists)
	_, err = e.PutFacts(e.ctx, "B", identity("SNB"), acs.Facts{CWMPAuth: acs.Credential{Username: "u"}})
	e.wantErr("CPE user name", err, acs.ErrExists)
	e.wantFound("R", "A")
	e.wantFound("login", "A", "B")
	e.wantFound("SNB", "B")
	e.wantFound("00000000000B", "B")
}

func (e *env) reopenTypes() {
	if !e.reopens() {
		return
	}
	want := map[string]string{"Device.A": "xsd:string", "Device.B": "xsd:int"}
	e.report("A", acs.Reported{})
	e.ok("learn", e.LearnTypes(e.ctx, "A", want))
	e.pass(time.Minute)
	e.reopen()
	e.same("reopened", try(e.LearnedTypes(e.ctx, "A", []string{"Device.A", "Device.B", "Device.C"})).get(e, "types"), want)
}

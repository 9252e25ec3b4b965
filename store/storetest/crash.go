package storetest

import (
	"fmt"

	"recado/acs"
)

var crashCases = []testCase{
	{"crash/who a device is and where it is reached outlive it", (*env).crashAfterReport},
	{"crash/a full queue stays full", (*env).crashWithFullQueue},
}

func (e *env) crashAfterReport() {
	if !e.reopens() {
		return
	}
	want := func(what, id string, r acs.Reported) {
		e.Helper()
		e.crash()
		d := e.readDevice(id)
		e.same(what+": identity", d.Identity, identity("SN"+id))
		e.same(what+": connection-request URL", d.Reported.ConnectionRequestURL, r.ConnectionRequestURL)
		e.wantFound("SN"+id, id)
		e.wantFound(r.PPPoELogin, id)
		e.wantFound(r.MAC, id)
	}
	r := acs.Reported{
		ConnectionRequestURL: "http://192.0.2.7:7547/a", PPPoELogin: "login", MAC: "00259E000001", FirstInform: e.now(), LastInform: e.now(),
	}
	e.report("A", r)
	want("first contact", "A", r)
	for i := range 3 {
		r.ConnectionRequestURL = fmt.Sprintf("http://192.0.2.7:7547/%d", i)
		e.report("A", r)
		want("another URL", "A", r)
	}
	r.PPPoELogin, r.MAC = "login-2", "00259E000002"
	e.report("A", r)
	want("other names", "A", r)
	_, err := e.PutFacts(e.ctx, "A", identity("SNA"), acs.Facts{ConnectionRequest: acs.Credential{Username: "recado", Password: "p"}})
	e.ok("put facts", err)
	want("credentials", "A", r)
	e.same("credentials", e.readDevice("A").Facts.ConnectionRequest, acs.Credential{Username: "recado", Password: "p"})
}

func (e *env) crashWithFullQueue() {
	if !e.reopens() {
		return
	}
	key := acs.Idempotency{Key: "k", BodyMAC: "m"}
	first, _, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("create", err)
	e.many(acs.MaxPendingPerDevice-1, func(int) { e.create(e.action("cli_1", "cpe-1")) })
	e.crash()
	e.wantFull("cpe-1")
	got, existed, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("the first again", err)
	if !existed || got.ID != first.ID {
		e.Errorf("the first again: got action %s, existed %v; want %s, true", got.ID, existed, first.ID)
	}
	e.finish(got, acs.StatusCancelled)
	e.crash()
	e.create(e.action("cli_1", "cpe-1"))
	e.wantFull("cpe-1")
}

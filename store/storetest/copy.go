package storetest

import (
	"encoding/json"
	"time"

	"recado/acs"
	"recado/webhook"
)

var copyCases = []testCase{
	{"copies/of actions", (*env).copyActions},
	{"copies/of devices", (*env).copyDevices},
	{"copies/of clients", (*env).copyClients},
	{"copies/of endpoints", (*env).copyEndpoints},
	{"copies/of events and leases", (*env).copyEvents},
}

// unshared scribbles on each of the values and fails if read then gives something else than before.
func unshared[T any](e *env, what string, read func() T, values ...*T) {
	e.Helper()
	want := deepCopy(e, read())
	for i, v := range values {
		scribble(v, 1000*(i+1))
		e.same(what, read(), want)
	}
	got := read()
	scribble(&got, 9000)
	e.same(what+" after changing what was read", read(), want)
}

// only gives the one element of a list.
func only[T any](e *env, what string, list []T) *T {
	e.Helper()
	if len(list) != 1 {
		e.Fatalf("%s: got %d of them, want 1", what, len(list))
	}
	return &list[0]
}

// deepCopy shares no memory with v.
func deepCopy[T any](e *env, v T) T {
	e.Helper()
	var c T
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	e.ok("copy", err)
	return c
}

func (e *env) copyActions() {
	var given acs.Action
	fill(&given, 1)
	given.Status, given.Device, given.DeadlineAt = acs.StatusPending, "cpe-1", e.now()
	id := given.ID
	created := e.create(given)
	live := try(e.LiveActions(e.ctx, "cpe-1")).get(e, "live")
	due, _, err := e.DueActions(e.ctx, 1)
	e.ok("due", err)
	listed := tryAll(e.Actions(e.ctx, acs.ActionFilter{})).get(e, "list")
	read := func() acs.Action { return e.read(id) }
	unshared(e, "created action", read, &given, &created, only(e, "live", live), only(e, "due", due), only(e, "listed", listed))

	update := read()
	updated, err := e.UpdateAction(e.ctx, update, acs.Outbox{})
	e.ok("update", err)
	unshared(e, "updated action", read, &update, &updated)
	final := read()
	final.Status = acs.StatusTimeout
	finished, err := e.FinishAction(e.ctx, final, acs.Outbox{})
	e.ok("finish", err)
	if final.Parameters[0].Value == "" {
		e.Errorf("values of the caller's own action after FinishAction: got none, want them untouched")
	}
	unshared(e, "finished action", read, &final, &finished)
}

func (e *env) copyDevices() {
	var given acs.Device
	fill(&given, 1)
	given.Facts.Version = 0
	id := given.ID
	put, err := e.PutFacts(e.ctx, id, given.Identity, given.Facts)
	e.ok("put facts", err)
	e.ok("report", e.Report(e.ctx, id, given.Identity, given.Reported))
	found := try(e.FindDevices(e.ctx, id)).get(e, "find")
	listed := tryAll(e.Devices(e.ctx, acs.DeviceFilter{})).get(e, "list")
	byUser := try(e.DeviceByCPEUsername(e.ctx, given.Facts.CWMPAuth.Username)).get(e, "by user name")
	unshared(e, "device", func() acs.Device { return e.readDevice(id) }, &given, &put, only(e, "found", found), only(e, "listed", listed), &byUser)

	types := map[string]string{"Device.A": "xsd:string"}
	e.ok("learn", e.LearnTypes(e.ctx, id, types))
	types["Device.A"] = "xsd:int"
	learned := try(e.LearnedTypes(e.ctx, id, []string{"Device.A"})).get(e, "types")
	e.same("types after changing what was given", learned, map[string]string{"Device.A": "xsd:string"})
	learned["Device.A"] = "xsd:int"
	learned = try(e.LearnedTypes(e.ctx, id, []string{"Device.A"})).get(e, "types")
	e.same("types after changing what was read", learned, map[string]string{"Device.A": "xsd:string"})
}

func (e *env) copyClients() {
	var given acs.Client
	fill(&given, 1)
	id := given.ID
	e.ok("create", e.CreateClient(e.ctx, given))
	read := func() acs.Client { return e.readClient(id) }
	listed := try(e.Clients(e.ctx)).get(e, "list")
	unshared(e, "client", read, &given, only(e, "listed", listed))
	update := read()
	updated, err := e.UpdateClient(e.ctx, update)
	e.ok("update", err)
	unshared(e, "updated client", read, &update, &updated)
}

func (e *env) copyEndpoints() {
	var given webhook.Endpoint
	fill(&given, 1)
	id := given.ID
	e.ok("create", e.CreateEndpoint(e.ctx, given))
	read := func() webhook.Endpoint { return e.readEndpoint(id) }
	listed := try(e.Endpoints(e.ctx, "")).get(e, "list")
	unshared(e, "endpoint", read, &given, only(e, "listed", listed))
	update := read()
	updated, err := e.UpdateEndpoint(e.ctx, update)
	e.ok("update", err)
	unshared(e, "updated endpoint", read, &update, &updated)
}

func (e *env) copyEvents() {
	to := e.endpoint("cli_1")
	given := e.event("cli_1", "cpe-1")
	id := given.ID
	ds := e.deliveries(given, to)
	delivery := ds[0].ID
	added, err := e.AddEvent(e.ctx, given, ds)
	e.ok("add", err)
	read := func() webhook.Event { return try(e.Event(e.ctx, id)).get(e, "event") }
	unshared(e, "event", read, &given, &added)
	stored := e.readDelivery(delivery)
	scribble(&ds[0], 1)
	e.same("delivery after changing what was given", e.readDelivery(delivery), stored)

	l := e.wantClaimOf(delivery)
	token, before := l.Token, e.readEndpoint(to.ID)
	event := l.Event
	unshared(e, "leased event", read, &event)
	scribble(&l.Endpoint, 1)
	e.same("endpoint after changing a lease's", e.readEndpoint(to.ID), before)
	e.settle(webhook.Lease{Delivery: stored, Token: token}, webhook.Attempt{At: e.now(), Error: "first", Class: webhook.ErrorDNS},
		webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now().Add(time.Hour)})
	attempts := try(e.Attempts(e.ctx, delivery)).get(e, "attempts")
	scribble(&attempts, 1)
	if got := try(e.Attempts(e.ctx, delivery)).get(e, "attempts"); only(e, "attempts", got).Error != "first" {
		e.Errorf("attempts after changing what was read: got %q, want \"first\"", got[0].Error)
	}

	var o acs.Outbox
	a := e.create(e.action("cli_1", "cpe-1"))
	a, o = e.verdict(a, acs.StatusSuccess, to)
	_, err = e.FinishAction(e.ctx, a, o)
	e.ok("finish", err)
	id = o.Events[0].ID
	unshared(e, "event of an outbox", read, &o.Events[0])
}

package storetest

import (
	"time"

	"recado/acs"
	"recado/webhook"
)

var clientCases = []testCase{
	{"client/every field is stored", (*env).clientFields},
	{"client/names are unique", (*env).clientNames},
	{"client/changes by version", (*env).clientVersions},
	{"client/listed by id", (*env).clientList},
	{"client/not there", (*env).clientMissing},
	{"client/deleting takes what is its own along", (*env).deleteClient},
	{"token/by its hash", (*env).tokens},
	{"token/revoked by client", (*env).revokedTokens},
	{"token/fetched ones are bounded", (*env).fetchedTokens},
	{"token/a mark is used once", (*env).marks},
}

func (e *env) readClient(id string) acs.Client {
	e.Helper()
	return try(e.Client(e.ctx, id)).get(e, "read client")
}

func (e *env) client(id, name string) acs.Client {
	e.Helper()
	e.ok("create client", e.CreateClient(e.ctx, acs.Client{ID: id, Name: name, CreatedAt: e.now()}))
	return e.readClient(id)
}

func (e *env) clientFields() {
	var c acs.Client
	fill(&c, 1)
	e.ok("create client", e.CreateClient(e.ctx, c))
	c.Version = 1
	e.same("read", e.readClient(c.ID), c)
	d := c
	fill(&d, 100)
	d.ID, d.Version = c.ID, 1
	got, err := e.UpdateClient(e.ctx, d)
	e.ok("update", err)
	d.Version = 2
	e.same("updated", got, d)
	e.same("read", e.readClient(c.ID), d)
}

func (e *env) clientNames() {
	a, b := e.client("cli_1", "a"), e.client("cli_2", "b")
	e.wantErr("a name that is taken", e.CreateClient(e.ctx, acs.Client{ID: "cli_3", Name: "a"}), acs.ErrExists)
	_, err := e.Client(e.ctx, "cli_3")
	e.wantErr("client that was refused", err, acs.ErrNotFound)
	taken := b
	taken.Name = "a"
	_, err = e.UpdateClient(e.ctx, taken)
	e.wantErr("changing to a name that is taken", err, acs.ErrExists)
	e.same("after the refusal", e.readClient("cli_2"), b)
	a.Name = "c"
	_, err = e.UpdateClient(e.ctx, a)
	e.ok("changing the name", err)
	_, err = e.UpdateClient(e.ctx, taken)
	e.ok("taking a name that was given up", err)
	e.client("cli_4", "b")
	e.ok("delete", e.DeleteClient(e.ctx, "cli_4"))
	e.client("cli_5", "b")
}

func (e *env) clientVersions() {
	a := e.client("cli_1", "a")
	b := a
	b.Blocked = true
	b, err := e.UpdateClient(e.ctx, b)
	e.ok("update", err)
	if b.Version != a.Version+1 {
		e.Errorf("version after an update: got %d, want %d", b.Version, a.Version+1)
	}
	for _, version := range []uint64{0, a.Version, b.Version + 1} {
		c := a
		c.Version = version
		_, err = e.UpdateClient(e.ctx, c)
		e.wantErr("update of another version", err, acs.ErrConflict)
	}
	e.same("after the conflicts", e.readClient("cli_1"), b)
}

func (e *env) clientList() {
	e.same("nothing yet", try(e.Clients(e.ctx)).get(e, "clients"), []acs.Client(nil))
	c, a, b := e.client("cli_3", "a"), e.client("cli_1", "b"), e.client("cli_2", "c")
	e.same("by id", try(e.Clients(e.ctx)).get(e, "clients"), []acs.Client{a, b, c})
}

func (e *env) clientMissing() {
	_, err := e.Client(e.ctx, "cli_1")
	e.wantErr("client", err, acs.ErrNotFound)
	_, err = e.UpdateClient(e.ctx, acs.Client{ID: "cli_1", Name: "a"})
	e.wantErr("update", err, acs.ErrNotFound)
	e.wantErr("delete", e.DeleteClient(e.ctx, "cli_1"), acs.ErrNotFound)
	_, err = e.Token(e.ctx, "hash")
	e.wantErr("token", err, acs.ErrNotFound)
	_, err = e.Client(e.ctx, "")
	e.wantErr("client without an id", err, acs.ErrNotFound)
}

func (e *env) deleteClient() {
	e.client("cli_1", "a")
	other := e.client("cli_2", "b")
	e.ok("add token", e.AddToken(e.ctx, acs.Token{Hash: "h1", Client: "cli_1"}))
	e.ok("add token", e.AddToken(e.ctx, acs.Token{Hash: "h2", Client: "cli_2"}))
	mine, second, others := e.endpoint("cli_1"), e.endpoint("cli_1"), e.endpoint("cli_2")
	a := e.create(e.action("cli_1", "cpe-1"))
	done := e.queue(mine, 1)[0]
	e.delivered(e.wantClaim("claim", limits, done)[0])
	pending := append(e.queue(mine, 2), e.queue(second, 1)...)
	kept := e.queue(others, 1)
	leases, _ := e.claim(webhook.ClaimLimits{Total: 1000, PerEndpoint: 1, Lease: time.Minute})

	e.ok("delete client", e.DeleteClient(e.ctx, "cli_1"))
	_, err := e.Client(e.ctx, "cli_1")
	e.wantErr("the client", err, acs.ErrNotFound)
	_, err = e.Token(e.ctx, "h1")
	e.wantErr("its token", err, acs.ErrNotFound)
	for _, ep := range []webhook.Endpoint{mine, second} {
		_, err = e.Endpoint(e.ctx, ep.ID)
		e.wantErr("its endpoint", err, webhook.ErrNotFound)
	}
	for _, d := range pending {
		e.wantCancelled(d.ID)
	}
	if s := e.readDelivery(done.ID).State; s != webhook.DeliveryDelivered {
		e.Errorf("its delivery that was done: got %s, want delivered", s)
	}
	for _, l := range leases {
		err := e.record(l, webhook.Attempt{At: e.now()}, webhook.Settlement{State: webhook.DeliveryDelivered})
		if l.Endpoint.Client == "cli_1" {
			e.wantErr("attempt for an endpoint that was deleted", err, webhook.ErrLeaseLost)
		} else {
			e.ok("attempt for another client's endpoint", err)
		}
	}

	e.same("the other client", e.readClient("cli_2"), other)
	_, err = e.Token(e.ctx, "h2")
	e.ok("the other's token", err)
	if s := e.readDelivery(kept[0].ID).State; s != webhook.DeliveryDelivered {
		e.Errorf("the other's delivery: got %s, want delivered", s)
	}
	e.wantLive("its action stays", "cpe-1", a)
	e.finish(a, acs.StatusSuccess)
	e.wantErr("delete again", e.DeleteClient(e.ctx, "cli_1"), acs.ErrNotFound)
}

func (e *env) tokens() {
	var t acs.Token
	fill(&t, 1)
	e.ok("add", e.AddToken(e.ctx, t))
	e.same("every field", try(e.Token(e.ctx, t.Hash)).get(e, "token"), t)
	old := acs.Token{Hash: "old", Client: "cli_1", CreatedAt: e.now(), ExpiresAt: e.now().Add(time.Second)}
	e.ok("add", e.AddToken(e.ctx, old))
	e.pass(time.Hour)
	e.same("expiry is the caller's to check", try(e.Token(e.ctx, "old")).get(e, "token"), old)
	_, err := e.Token(e.ctx, "ol")
	e.wantErr("another hash", err, acs.ErrNotFound)
}

func (e *env) revokedTokens() {
	for hash, client := range map[string]string{"h1": "cli_1", "h2": "cli_1", "h3": "cli_10", "h4": "cli_"} {
		e.ok("add", e.AddToken(e.ctx, acs.Token{Hash: hash, Client: client}))
	}
	e.ok("delete", e.DeleteTokens(e.ctx, "cli_1"))
	for hash, stays := range map[string]bool{"h1": false, "h2": false, "h3": true, "h4": true} {
		if _, err := e.Token(e.ctx, hash); (err == nil) != stays {
			e.Errorf("token %s after revoking cli_1's: got error %v, want it to stay: %v", hash, err, stays)
		}
	}
	e.ok("delete again", e.DeleteTokens(e.ctx, "cli_1"))
}

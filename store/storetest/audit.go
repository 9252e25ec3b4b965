package storetest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"recado/acs"
	"recado/webhook"
)

var auditCases = []testCase{
	{"audit/every act is written down with who did it", (*env).auditActs},
	{"audit/what is refused or changes nothing is not", (*env).auditRefusals},
	{"audit/the chain holds", (*env).auditChain},
	{"audit/pages, filters, order", (*env).auditPages},
	{"audit/nothing secret", (*env).auditSecrets},
	{"reopen/the audit record goes on", (*env).auditReopened},
}

// actor is somebody who is not Recado.
var actor = acs.Actor{
	Client: "cli_" + strings.Repeat("0a", 16), ClientName: "the ERP é", Source: "192.0.2.7",
	RequestID: "0f8fad5b-d9cb-469f-a165-70867728950e", Via: acs.ViaAPI,
}

// entries are all entries, the oldest first, by pages of so many.
func (e *env) entries(page int) iter.Seq2[acs.AuditEntry, error] {
	return func(yield func(acs.AuditEntry, error) bool) {
		f := acs.AuditFilter{OldestFirst: true, Limit: page}
		for {
			list, next, err := e.Audit(e.ctx, f)
			if err != nil {
				yield(acs.AuditEntry{}, err)
				return
			}
			for _, one := range list {
				if !yield(one, nil) {
					return
				}
			}
			if f.Cursor = next; next == "" {
				return
			}
		}
	}
}

// verify checks the whole record and gives its last entry's mark.
func (e *env) verify(what string) acs.AuditMark {
	e.Helper()
	ends := try(e.AuditEnds(e.ctx)).get(e, what)
	last, err := acs.VerifyAudit(ends.Anchor, e.entries(7), ends.Head)
	e.ok(what, err)
	e.same(what+": the last entry", last, ends.Head)
	return last
}

// newest gives the entries after a mark, the oldest first.
func (e *env) newest(after acs.AuditMark) []acs.AuditEntry {
	e.Helper()
	var list []acs.AuditEntry
	for one, err := range e.entries(0) {
		e.ok("audit", err)
		if one.Seq > after.Seq {
			list = append(list, one)
		}
	}
	return list
}

func (e *env) auditActs() {
	ctx := acs.WithActor(e.ctx, actor)
	e.client("cli_1", "one")
	e.ok("token", e.AddToken(e.ctx, acs.Token{Hash: "h1", Client: "cli_1"}))
	c := e.readClient("cli_1")
	to := e.endpoint("cli_1")
	dead := e.queue(to, 1)[0]
	a := e.action("cli_1", "cpe-1")
	for _, tt := range []struct {
		name string
		do   func() error
		want []acs.AuditAct
	}{
		{"create client", func() error {
			return e.CreateClient(ctx, acs.Client{ID: "cli_2", Name: "two", Scopes: acs.DefaultScopes[:2]})
		}, []acs.AuditAct{entry(acs.AuditClientCreated, "cli_2", "cli_2", "name", "two", "scopes", "actions,devices:read")}},
		{"change client", func() error {
			c.Tags, c.RequestsPerDay, c.Blocked = []string{"north"}, 7, true
			changed, err := e.UpdateClient(ctx, c)
			c = changed
			return err
		}, []acs.AuditAct{entry(acs.AuditClientChanged, "cli_1", "cli_1", "fields", "requests_per_day,tags"), entry(acs.AuditClientBlocked, "cli_1", "cli_1")}},
		{"unblock client", func() error {
			c.Blocked = false
			_, err := e.UpdateClient(ctx, c)
			return err
		}, []acs.AuditAct{entry(acs.AuditClientUnblocked, "cli_1", "cli_1")}},
		{"make token", func() error {
			return e.AddToken(ctx, acs.Token{Hash: "h2", Client: "cli_1", ExpiresAt: time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)})
		}, []acs.AuditAct{entry(acs.AuditTokenMade, "cli_1", "cli_1", "expires_at", "2027-01-02T03:04:05Z")}},
		{"fetch token", func() error {
			return e.GrantToken(ctx, acs.Grant{Token: acs.Token{Hash: "h3", Client: "cli_1", Fetched: true, ExpiresAt: time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)}})
		}, []acs.AuditAct{entry(acs.AuditTokenMade, "cli_1", "cli_1", "expires_at", "2099-01-02T03:04:05Z", "how", "fetched")}},
		{"revoke tokens", func() error { return e.DeleteTokens(ctx, "cli_1") }, []acs.AuditAct{entry(acs.AuditTokensRevoked, "cli_1", "cli_1", "tokens", "3")}},
		{"register webhook", func() error {
			return e.CreateEndpoint(ctx, webhook.Endpoint{
				ID: "wh_1", Client: "cli_1", URL: "https://user:pass@hooks.example:8443/T0/B1?key=K", State: webhook.EndpointActive,
				TLS: webhook.TLS{AcceptInvalid: true},
			})
		}, []acs.AuditAct{
			entry(acs.AuditWebhookRegistered, "wh_1", "cli_1", "host", "hooks.example:8443"),
			entry(acs.AuditWebhookCertificates, "wh_1", "cli_1", "accept_invalid", "on"),
		}},
		{"change webhook", func() error {
			return e.changeEndpoint(ctx, "wh_1", func(p *webhook.Endpoint) { p.URL, p.Events = "https://other.example/x", []string{"action.*"} })
		}, []acs.AuditAct{entry(acs.AuditWebhookChanged, "wh_1", "cli_1", "fields", "url,events", "host", "other.example")}},
		{"check certificates again", func() error {
			return e.changeEndpoint(ctx, "wh_1", func(p *webhook.Endpoint) { p.TLS.AcceptInvalid = false })
		}, []acs.AuditAct{entry(acs.AuditWebhookCertificates, "wh_1", "cli_1", "accept_invalid", "off")}},
		{"rotate secret", func() error {
			return e.changeEndpoint(ctx, "wh_1", func(p *webhook.Endpoint) {
				p.OldSecret, p.Secret, p.OldSecretUntil = "old", "new", time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)
			})
		}, []acs.AuditAct{entry(acs.AuditSecretRotated, "wh_1", "cli_1", "old_until", "2099-01-02T03:04:05Z")}},
		{"promote secret", func() error {
			return e.changeEndpoint(ctx, "wh_1", func(p *webhook.Endpoint) { p.OldSecret, p.OldSecretUntil = "", time.Time{} })
		}, []acs.AuditAct{entry(acs.AuditSecretPromoted, "wh_1", "cli_1")}},
		{"pause", func() error {
			return e.changeEndpoint(ctx, "wh_1", func(p *webhook.Endpoint) { p.State = webhook.EndpointPaused })
		}, []acs.AuditAct{entry(acs.AuditWebhookState, "wh_1", "cli_1", "from", "active", "to", "paused")}},
		{"resume", func() error {
			return e.changeEndpoint(ctx, "wh_1", func(p *webhook.Endpoint) { p.State = webhook.EndpointActive })
		}, []acs.AuditAct{entry(acs.AuditWebhookResumed, "wh_1", "cli_1", "from", "paused")}},
		{"show secret", func() error {
			p := e.readEndpoint("wh_1")
			return e.AppendAudit(ctx, acs.AuditSecret(ctx, &p))
		}, []acs.AuditAct{entry(acs.AuditSecretShown, "wh_1", "cli_1")}},
		{"delete webhook", func() error { return e.DeleteEndpoint(ctx, "wh_1") }, []acs.AuditAct{entry(acs.AuditWebhookDeleted, "wh_1", "cli_1", "host", "other.example")}},
		{"replay", func() error {
			_, err := e.Redeliver(ctx, dead.ID)
			return err
		}, []acs.AuditAct{entry(acs.AuditDeliveryReplayed, dead.ID, "cli_1", "webhook", to.ID, "state", "pending")}},
		{"start replay", func() error {
			return e.CreateReplay(ctx, webhook.Replay{
				ID: "rpl_1", Client: "cli_1", States: []webhook.DeliveryState{"dead", "delivered"}, State: webhook.ReplayRunning,
				Parts: []webhook.ReplayPart{{Endpoint: to.ID}},
			})
		}, []acs.AuditAct{entry(acs.AuditReplayStarted, "rpl_1", "cli_1", "states", "dead,delivered", "webhooks", to.ID)}},
		{"cancel replay", func() error {
			_, err := e.CancelReplay(ctx, "rpl_1")
			return err
		}, []acs.AuditAct{entry(acs.AuditReplayCancelled, "rpl_1", "cli_1", "replayed", "0")}},
		{"accept action", func() error {
			a.Kind = acs.KindParametersUpdate
			a.Parameters = []acs.Parameter{{Name: "Device.ManagementServer.URL", Value: "x"}, {Name: "Device.WiFi.SSID.1.SSID", Value: "y"}}
			stored, _, err := e.CreateAction(ctx, a, acs.Idempotency{}, acs.Outbox{})
			a = stored
			return err
		}, []acs.AuditAct{entry(acs.AuditActionAccepted, a.ID.String(), "cli_1", "kind", "parameters.update", "device", "cpe-1",
			"router_id", "RTR-cpe-1", "dangerous", "Device.ManagementServer.URL")}},
		{"cancel action", func() error {
			final, o := e.verdict(a, acs.StatusCancelled)
			_, err := e.FinishAction(ctx, final, o)
			return err
		}, []acs.AuditAct{entry(acs.AuditActionCancelled, a.ID.String(), "cli_1", "kind", "parameters.update", "device", "cpe-1")}},
		{"put facts", func() error {
			_, err := e.PutFacts(ctx, "cpe-1", identity("SN1"), acs.Facts{City: "Recife", CWMPAuth: acs.Credential{Username: "u", Password: "p"}})
			return err
		}, []acs.AuditAct{entry(acs.AuditDeviceFacts, "cpe-1", "", "fields", "city,cwmp_auth")}},
		{"delete client", func() error { return e.DeleteClient(ctx, "cli_1") }, []acs.AuditAct{entry(acs.AuditClientDeleted, "cli_1", "cli_1", "name", "one", "webhooks", "1")}},
	} {
		before := e.verify("before " + tt.name)
		at := e.now()
		e.ok(tt.name, tt.do())
		got := e.newest(before)
		var acts []acs.AuditAct
		for _, one := range got {
			acts = append(acts, one.AuditAct)
			if one.Time.Before(at) || one.Time.After(at.Add(time.Minute)) || !one.Time.Equal(one.Time.Truncate(time.Millisecond)) {
				e.Errorf("%s: time %v, want whole milliseconds at %v", tt.name, one.Time, at)
			}
			if one.Prev != before.Hash {
				e.Errorf("%s: prev is not the hash of the entry before", tt.name)
			}
			before = acs.AuditMark{Seq: one.Seq, Hash: one.Hash}
		}
		e.same(tt.name, acts, tt.want)
	}
	e.verify("at the end")
}

// entry is an act of the actor's.
func entry(act, object, client string, details ...string) acs.AuditAct {
	a := acs.AuditAct{Actor: actor, Act: act, Object: object, Client: client}
	for i := 0; i < len(details); i += 2 {
		if a.Details == nil {
			a.Details = make(map[string]string)
		}
		a.Details[details[i]] = details[i+1]
	}
	return a
}

func (e *env) changeEndpoint(ctx context.Context, id string, change func(*webhook.Endpoint)) error {
	p := e.readEndpoint(id)
	change(&p)
	_, err := e.UpdateEndpoint(ctx, p)
	return err
}

func (e *env) auditRefusals() {
	on := e.furnish()
	key := acs.Idempotency{Key: "k", BodyMAC: "m"}
	a, _, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-2"), key, acs.Outbox{})
	e.ok("create", err)
	before := e.verify("before")
	stale := on.client
	stale.Version, stale.Name = 99, "x"
	staleHook := on.endpoint
	staleHook.Version, staleHook.URL = 99, "https://x.example/"
	for _, tt := range []struct {
		name string
		want error
		do   func() error
	}{
		{"client with a taken name", acs.ErrExists, func() error { return e.CreateClient(e.ctx, acs.Client{ID: "cli_7", Name: on.client.Name}) }},
		{"stale client", acs.ErrConflict, func() error { _, err := e.UpdateClient(e.ctx, stale); return err }},
		{"no such client", acs.ErrNotFound, func() error { return e.DeleteClient(e.ctx, "cli_7") }},
		{"webhook with a taken id", acs.ErrExists, func() error { return e.CreateEndpoint(e.ctx, on.endpoint) }},
		{"stale webhook", webhook.ErrConflict, func() error { _, err := e.UpdateEndpoint(e.ctx, staleHook); return err }},
		{"no such webhook", webhook.ErrNotFound, func() error { return e.DeleteEndpoint(e.ctx, "wh_7") }},
		{"leased delivery", webhook.ErrConflict, func() error { _, err := e.Redeliver(e.ctx, on.lease.Delivery.ID); return err }},
		{"action with a taken id", acs.ErrExists, func() error {
			_, _, err := e.CreateAction(e.ctx, on.action, acs.Idempotency{}, acs.Outbox{})
			return err
		}},
		{"stale facts", acs.ErrConflict, func() error {
			_, err := e.PutFacts(e.ctx, "cpe-1", identity("SN1"), acs.Facts{Version: 9, City: "x"})
			return err
		}},
		{"the same request again", nil, func() error {
			again, existed, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-2"), key, acs.Outbox{})
			if err == nil && (!existed || again.ID != a.ID) {
				err = errors.New("not the first one's action")
			}
			return err
		}},
		{"webhook as it is", nil, func() error { _, err := e.UpdateEndpoint(e.ctx, e.readEndpoint(on.endpoint.ID)); return err }},
		{"client as it is", nil, func() error { _, err := e.UpdateClient(e.ctx, e.readClient("cli_1")); return err }},
		{"a device's verdict", nil, func() error { e.finish(on.action, acs.StatusSuccess, on.endpoint); return nil }},
		{"cancelling what is final", acs.ErrFinished, func() error {
			final, o := e.verdict(on.action, acs.StatusCancelled)
			_, err := e.FinishAction(e.ctx, final, o)
			return err
		}},
		{"an attempt", nil, func() error { e.delivered(on.lease); return nil }},
		{"no acts", nil, func() error { return e.AppendAudit(e.ctx) }},
	} {
		err := tt.do()
		if !errors.Is(err, tt.want) {
			e.Fatalf("%s: got error %v, want %v", tt.name, err, tt.want)
		}
		for _, one := range e.newest(before) {
			e.Errorf("%s: got entry %s of %s, want none", tt.name, one.Act, one.Object)
		}
		before = e.verify(tt.name)
	}
}

func (e *env) auditChain() {
	if last := e.verify("an empty record"); last != (acs.AuditMark{}) {
		e.Errorf("an empty record: got its last entry %v, want none", last)
	}
	const n = 200
	ctx := acs.WithActor(e.ctx, actor)
	e.many(n, func(i int) {
		_, _, err := e.CreateAction(ctx, e.action("cli_1", fmt.Sprint("cpe-", i)), acs.Idempotency{}, acs.Outbox{})
		e.ok("create", err)
	})
	if last := e.verify("many at once"); last.Seq != n {
		e.Errorf("many at once: got %d entries, want %d", last.Seq, n)
	}
	seen := make(map[string]bool)
	for _, one := range e.newest(acs.AuditMark{}) {
		seen[one.Object] = true
	}
	if len(seen) != n {
		e.Errorf("got entries of %d actions, want %d", len(seen), n)
	}
}

func (e *env) auditPages() {
	start := e.now()
	for i := range 25 {
		ctx := acs.WithActor(e.ctx, acs.Actor{Client: fmt.Sprint("cli_", i%2), Via: acs.ViaAPI})
		e.ok("append", e.AppendAudit(ctx, acs.AuditAct{
			Actor: acs.ActorFrom(ctx), Act: []string{"a", "b", "c"}[i%3], Object: fmt.Sprint("o", i%5), Client: fmt.Sprint("cli_", 2+i%2),
		}))
		e.pass(time.Minute)
	}
	all := e.newest(acs.AuditMark{})
	if len(all) != 25 {
		e.Fatalf("got %d entries, want 25", len(all))
	}
	for _, f := range []acs.AuditFilter{
		{},
		{Client: "cli_1"},
		{Client: "cli_3"},
		{Client: "cli_9"},
		{Act: "b"},
		{Object: "o4"},
		{Act: "a", Object: "o0", Client: "cli_0"},
		{Since: start.Add(10 * time.Minute)},
		{Until: start.Add(10 * time.Minute)},
		{Since: all[7].Time, Until: all[9].Time},
		{Since: start.Add(48 * time.Hour)},
		{Until: start.Add(-48 * time.Hour)},
		{Since: start.Add(-48 * time.Hour), Until: start.Add(48 * time.Hour)},
	} {
		for _, oldest := range []bool{false, true} {
			var want []uint64
			for i := range all {
				if f.Matches(&all[i]) {
					want = append(want, all[i].Seq)
				}
			}
			if !oldest {
				slices.Reverse(want)
			}
			for _, limit := range []int{0, 1, 3, 25} {
				f := f
				f.OldestFirst, f.Limit = oldest, limit
				var got []uint64
				for {
					page, next, err := e.Audit(e.ctx, f)
					e.ok("audit", err)
					for _, one := range page {
						got = append(got, one.Seq)
						e.same("an entry of a page", one, all[one.Seq-1])
					}
					if limit > 0 && next != "" && len(page) != limit || len(page) == 0 && next != "" {
						e.Fatalf("%+v: got a page of %d and the cursor %q", f, len(page), next)
					}
					if f.Cursor = next; next == "" {
						break
					}
				}
				f.Cursor = ""
				e.same(fmt.Sprintf("%+v", f), got, want)
			}
		}
	}
	for _, cursor := range []string{"x", "0", "-1", "01", "1.5", " 1"} {
		_, _, err := e.Audit(e.ctx, acs.AuditFilter{Cursor: cursor})
		var invalid *acs.InvalidError
		if !errors.As(err, &invalid) {
			e.Errorf("cursor %q: got error %v, want an *acs.InvalidError", cursor, err)
		}
	}
}

// auditSecrets has canaries wherever something secret is kept.
func (e *env) auditSecrets() {
	const canary = "CANARY-5e12"
	e.ok("client", e.CreateClient(e.ctx, acs.Client{ID: "cli_1", Name: "one", SecretHash: canary, PublicKey: canary}))
	c := e.readClient("cli_1")
	c.SecretHash, c.PublicKey = canary+"2", canary+"2"
	_, err := e.UpdateClient(e.ctx, c)
	e.ok("update client", err)
	e.ok("token", e.AddToken(e.ctx, acs.Token{Hash: canary, Client: "cli_1"}))
	secret := func(p *webhook.Endpoint, n string) {
		p.URL = "https://" + canary + ":" + canary + "@hooks.example/" + canary + "?" + canary + n
		p.Secret, p.OldSecret, p.Headers = canary+n, canary+n, []webhook.Header{{Name: "X-Key", Value: canary + n}}
		p.TLS = webhook.TLS{CA: canary + n, Pins: []string{canary + n}, ClientCert: canary + n, ClientKey: canary + n, AcceptInvalid: n == ""}
		p.Filter.Expression, p.Description = canary+n, canary+n
	}
	to := e.endpoint("cli_1", func(p *webhook.Endpoint) { secret(p, "") })
	e.ok("change", e.changeEndpoint(e.ctx, to.ID, func(p *webhook.Endpoint) { secret(p, "2") }))
	e.ok("delete", e.DeleteEndpoint(e.ctx, to.ID))
	for _, n := range []string{"", "2"} {
		d, err := e.Device(e.ctx, "cpe-1")
		if n == "2" {
			e.ok("device", err)
		}
		d.Facts.ConnectionRequest = acs.Credential{Username: canary + n, Password: canary + n}
		d.Facts.CWMPAuth, d.Facts.City, d.Facts.PPPoELogin = d.Facts.ConnectionRequest, canary+n, canary+n
		_, err = e.PutFacts(e.ctx, "cpe-1", identity("SN1"), d.Facts)
		e.ok("put facts", err)
	}
	a := e.action("cli_1", "cpe-1")
	a.Kind = acs.KindParametersUpdate
	a.Parameters = []acs.Parameter{{Name: "Device.ManagementServer.Password", Value: canary}}
	_, _, err = e.CreateAction(e.ctx, a, acs.Idempotency{Key: canary, BodyMAC: canary}, acs.Outbox{})
	e.ok("create", err)
	e.ok("revoke", e.DeleteTokens(e.ctx, "cli_1"))
	e.ok("delete client", e.DeleteClient(e.ctx, "cli_1"))
	list := e.newest(acs.AuditMark{})
	if len(list) < 10 {
		e.Fatalf("got %d entries, want 10 or more", len(list))
	}
	text, err := json.Marshal(list)
	e.ok("encode", err)
	if at := strings.Index(string(text), canary); at >= 0 {
		e.Errorf("got a secret in the record: %s", text[max(0, at-200):at+len(canary)])
	}
}

func (e *env) auditReopened() {
	if !e.reopens() {
		return
	}
	var last acs.AuditMark
	for i := range 3 {
		e.create(e.action("cli_1", fmt.Sprint("cpe-", i)))
		e.ok("append", e.AppendAudit(e.ctx, acs.AuditAct{Act: "x", Object: "o"}))
		before := e.verify("before reopening")
		e.reopen()
		if last = e.verify("reopened"); last != before {
			e.Fatalf("reopened: got the last entry %d, want %d", last.Seq, before.Seq)
		}
	}
	if last.Seq != 6 {
		e.Errorf("got %d entries, want 6", last.Seq)
	}
}

// auditSeen is an entry, to be compared.
type auditSeen struct {
	Seq  uint64
	Time time.Time
	Act  acs.AuditAct
	Hash string
}

// audited are the newest entries.
func (e *env) audited() (list []auditSeen) {
	e.Helper()
	page, _, err := e.Audit(e.ctx, acs.AuditFilter{})
	e.ok("audit", err)
	for _, one := range page {
		seen := auditSeen{Seq: one.Seq, Time: one.Time, Act: one.AuditAct}
		if !e.unhashed {
			seen.Hash = hex.EncodeToString(one.Hash[:])
		}
		list = append(list, seen)
	}
	return list
}

package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"recado/acs"
	"recado/acs/wire"
)

func (s *server) audit(t testing.TB, query string) []wire.AuditEntry {
	t.Helper()
	return as[wire.List[wire.AuditEntry]](t, s.do(t, "GET", "/api/v1/audit"+query, s.admin, ""), 200).Items
}

// TestAuditTellsWho has clients do things, and looks for who did them.
func TestAuditTellsWho(t *testing.T) {
	s := newServer(t)
	s.device(t, modem, "RTR-42")
	erp := s.client(t, "erp", "actions", "webhooks", "devices:write", "parameters:dangerous")
	other := s.client(t, "other", "webhooks")
	do := func(method, path, token, body, id string) reply {
		t.Helper()
		return s.do(t, method, path, token, body, "X-Request-Id", id)
	}
	receipt := as[wire.Receipt](t, do("POST", "/api/v1/devices/parameters/update", erp.token,
		`{"router_id": "RTR-42", "parameters": {"Device.ManagementServer.URL": "https://evil.example/canary", "Device.WiFi.SSID.1.SSID": "canary"}}`, "req-1"), 202)
	do("POST", "/api/v1/protocols/"+receipt.Protocolo+"/cancel", erp.token, "", "req-2")
	hook := as[wire.WebhookCreated](t, do("POST", "/api/v1/webhooks", erp.token, `{"url": "https://hooks.example/canary", "secret": "canary-canary-canary"}`, "req-3"), 201)
	do("PATCH", "/api/v1/webhooks/"+hook.ID, erp.token, `{"active": false, "events": ["action.*"]}`, "req-4")
	shown := as[wire.WebhookSecret](t, do("POST", "/api/v1/webhooks/"+hook.ID+"/secret", erp.token, "", "req-4a"), 200)
	if shown.Secret == "" {
		t.Error("no secret was shown")
	}
	do("PUT", "/api/v1/devices/"+modem, erp.token, `{"city": "canary", "cwmp_auth": {"username": "canary", "password": "canary"}}`, "req-5")
	do("PATCH", "/api/v1/clients/"+erp.id, s.admin, `{"blocked": true}`, "req-6")
	do("POST", "/api/v1/clients/"+erp.id+"/tokens", s.admin, "", "req-7")
	do("POST", "/api/v1/webhooks/"+hook.ID+"/secret", other.token, "", "req-9") // refused
	do("DELETE", "/api/v1/webhooks/wh_0", erp.token, "", "req-8")               // refused

	root := s.actorID(t)
	got := s.audit(t, "?order=oldest")
	at := slices.IndexFunc(got, func(e wire.AuditEntry) bool { return e.Actor.RequestID == "req-1" })
	if at < 0 {
		t.Fatalf("got no entry of request req-1 in %+v", got)
	}
	type line struct{ request, client, name, act, object, details string }
	var lines []line
	for _, e := range got[at:] {
		if e.Actor.Source != "192.0.2.1" || e.Actor.Via != "api" {
			t.Errorf("%s: got source %q via %q, want 192.0.2.1 via api", e.Act, e.Actor.Source, e.Actor.Via)
		}
		if since := time.Since(time.Time(e.Time)); since < 0 || since > time.Minute {
			t.Errorf("%s: got time %v", e.Act, time.Time(e.Time))
		}
		details, _ := json.Marshal(e.Details)
		lines = append(lines, line{e.Actor.RequestID, e.Actor.Client, e.Actor.Name, e.Act, e.Object, string(details)})
	}
	want := []line{
		{"req-1", erp.id, "erp", "action.accepted", receipt.Protocolo, `{"dangerous":"Device.ManagementServer.URL","device":"` + modem + `","kind":"parameters.update","router_id":"RTR-42"}`},
		{"req-2", erp.id, "erp", "action.cancelled", receipt.Protocolo, `{"device":"` + modem + `","kind":"parameters.update"}`},
		{"req-3", erp.id, "erp", "webhook.registered", hook.ID, `{"host":"hooks.example"}`},
		{"req-4", erp.id, "erp", "webhook.changed", hook.ID, `{"fields":"events"}`},
		{"req-4", erp.id, "erp", "webhook.state", hook.ID, `{"from":"active","to":"paused"}`},
		{"req-4a", erp.id, "erp", "webhook.secret_shown", hook.ID, `null`},
		{"req-5", erp.id, "erp", "device.facts", modem, `{"fields":"city,cwmp_auth"}`},
		{"req-6", root, "root", "client.blocked", erp.id, `null`},
		{"req-7", root, "root", "token.made", erp.id, `{"expires_at":"never"}`},
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got entries\n%+v\nwant\n%+v", lines, want)
	}
	whole := s.do(t, "GET", "/api/v1/audit?limit=1000", s.admin, "").body
	for _, secret := range []string{"canary", erp.token, s.admin, hook.Secret, strings.TrimPrefix(erp.token, "rcd_")} {
		if strings.Contains(string(whole), secret) {
			t.Errorf("the record holds a secret: %.12s…", secret)
		}
	}
	ends := as[wire.AuditEnds](t, s.do(t, "GET", "/api/v1/audit/ends", s.admin, ""), 200)
	if last := got[len(got)-1]; ends.Head != (wire.AuditMark{Seq: last.Seq, Hash: last.Hash}) || ends.Anchor.Seq != 0 {
		t.Errorf("ends: got %+v, want the head %d %s and no anchor", ends, last.Seq, last.Hash)
	}
}

// actorID is the id of the admin's client.
func (s *server) actorID(t testing.TB) string {
	t.Helper()
	who, err := s.svc.Authenticate(context.Background(), s.admin)
	if err != nil {
		t.Fatal(err)
	}
	return who.ID
}

func TestAuditFilters(t *testing.T) {
	s := newServer(t)
	a, b := s.client(t, "a"), s.client(t, "b")
	s.do(t, "PATCH", "/api/v1/clients/"+a.id, s.admin, `{"blocked": true}`)
	s.do(t, "PATCH", "/api/v1/clients/"+a.id, s.admin, `{"blocked": false}`)
	s.do(t, "POST", "/api/v1/webhooks", b.token, `{"url": "https://hooks.example/"}`)
	for query, want := range map[string][]string{
		"?client=" + a.id:                             {"client.unblocked", "client.blocked", "token.made", "client.created"},
		"?client=" + a.id + "&order=oldest":           {"client.created", "token.made", "client.blocked", "client.unblocked"},
		"?client=" + b.id + "&act=token.made":         {"token.made"},
		"?client=" + s.actorID(t) + "&object=" + a.id: {"client.unblocked", "client.blocked"},
		"?limit=1":                        {"webhook.registered"},
		"?since=2200-01-01T00:00:00Z":     nil,
		"?until=2020-01-01T00:00:00Z":     nil,
		"?object=nothing":                 nil,
		"?act=client.blocked":             {"client.blocked"},
		"?act=client.blocked&client=cli_": nil,
	} {
		var acts []string
		for _, e := range s.audit(t, query) {
			acts = append(acts, e.Act)
		}
		if !slices.Equal(acts, want) {
			t.Errorf("%s: got %v, want %v", query, acts, want)
		}
	}
	for _, query := range []string{"?act=x", "?order=up", "?since=now", "?limit=0", "?cursor=x", "?who=me", "?client="} {
		s.do(t, "GET", "/api/v1/audit"+query, s.admin, "").problem(t, 400, wire.CodeInvalidRequest)
	}
	s.do(t, "GET", "/api/v1/audit/ends?x=1", s.admin, "").problem(t, 400, wire.CodeInvalidRequest)
	for _, path := range []string{"/api/v1/audit", "/api/v1/audit/ends"} {
		s.do(t, "GET", path, b.token, "").problem(t, 403, wire.CodeScope)
		s.do(t, http.MethodPost, path, s.admin, `{}`).problem(t, 405, wire.CodeMethodNotAllowed)
	}
	var described []string
	for _, v := range loadDescription(t).doc.Components.Schemas["AuditAct"].Value.Enum {
		described = append(described, v.(string))
	}
	if !slices.Equal(described, acs.AuditActs) {
		t.Errorf("acts described: got %v, want %v", described, acs.AuditActs)
	}
}

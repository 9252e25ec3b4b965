package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
	"recado/webhook"
)

const modem = "202BC1-BM632w-000001"

func TestReboot(t *testing.T) {
	s := newServer(t)
	erp := s.client(t, "erp")
	s.device(t, modem, "RTR-42")
	as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", erp.token, `{"url": "https://erp.example.com/hook"}`), 201)

	r := s.do(t, "POST", "/api/v1/devices/reboot", erp.token, `{"router_id": "RTR-42", "client_ref": "T1", "timeout_seconds": 90}`)
	got := as[wire.Receipt](t, r, 202)
	if want := "/api/v1/protocols/" + got.Protocolo; r.header.Get("Location") != want || got.StatusURL != want {
		t.Errorf("Location %q, status_url %q, want both %q", r.header.Get("Location"), got.StatusURL, want)
	}
	if d := time.Time(got.DeadlineAt).Sub(time.Time(got.CreatedAt)); d != 90*time.Second {
		t.Errorf("deadline: got %v after acceptance, want 90s", d)
	}
	want := wire.Receipt{
		Protocolo: got.Protocolo, RouterID: "RTR-42", DeviceID: modem, Action: "reboot", ClientRef: "T1", Status: "pending", Stage: "queued",
		CreatedAt: got.CreatedAt, DeadlineAt: got.DeadlineAt, StatusURL: got.StatusURL, Webhooks: 1,
	}
	if got != want {
		t.Errorf("receipt: got %+v, want %+v", got, want)
	}

	p := as[wire.Protocol](t, s.do(t, "GET", got.StatusURL, erp.token, ""), 200)
	if p.Status != "pending" || p.NextStep == "" || len(p.Timeline) == 0 || p.Reason != nil {
		t.Errorf("status: got %+v", p)
	}
	// The 32 digits of a CommandKey name the protocolo too.
	short := strings.ReplaceAll(got.Protocolo, "-", "")
	as[wire.Protocol](t, s.do(t, "GET", "/api/v1/protocols/"+short, erp.token, ""), 200)

	list := as[wire.List[wire.Protocol]](t, s.do(t, "GET", "/api/v1/protocols?status=pending,success&action=reboot&device="+modem+
		"&since=2020-01-01T00:00:00Z&limit=10", erp.token, ""), 200)
	if len(list.Items) != 1 || list.Items[0].Protocolo != got.Protocolo || list.Items[0].Timeline != nil {
		t.Errorf("list: got %+v", list)
	}
	d := as[wire.Device](t, s.do(t, "GET", "/api/v1/devices/"+modem, erp.token, ""), 200)
	if len(d.OpenActions) != 1 || d.OpenActions[0].Protocolo != got.Protocolo {
		t.Errorf("open actions: got %+v", d.OpenActions)
	}

	c := as[wire.Protocol](t, s.do(t, "POST", got.StatusURL+"/cancel", erp.token, ""), 200)
	if c.Status != "cancelled" || c.FinishedAt == nil || c.DurationMS == nil || !c.Final() {
		t.Errorf("cancelled: got %+v", c)
	}
	s.do(t, "POST", got.StatusURL+"/cancel", erp.token, "{}").problem(t, 409, wire.CodeFinished)
}

func TestUpdateParameters(t *testing.T) {
	s := newServer(t)
	erp := s.client(t, "erp")
	s.device(t, modem, "RTR-42")
	for name, params := range map[string]string{
		"list": `[{"name": "InternetGatewayDevice.A.B", "value": 18446744073709551615, "type": "xsd:unsignedLong"},
			{"name": "InternetGatewayDevice.A.A", "value": true}]`,
		"object": `{"InternetGatewayDevice.A.B": "x", "InternetGatewayDevice.A.A": 1}`,
	} {
		t.Run(name, func(t *testing.T) {
			got := as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/parameters/update", erp.token,
				`{"router_id": "RTR-42", "verify": true, "parameters": `+params+`}`), 202)
			p := as[wire.Protocol](t, s.do(t, "GET", got.StatusURL, erp.token, ""), 200)
			if len(p.Parameters) != 2 || p.Parameters[0].Name != "InternetGatewayDevice.A.B" || p.Parameters[1].Name != "InternetGatewayDevice.A.A" {
				t.Errorf("parameters: got %+v, want B, then A", p.Parameters)
			}
			if !p.Verify || p.Verified != nil {
				t.Errorf("verify: got %v, verified %v; want true and nothing yet", p.Verify, p.Verified)
			}
		})
	}
	dangerous := `{"router_id": "RTR-42", "parameters": {"InternetGatewayDevice.ManagementServer.URL": "http://acs.example.com/"}}`
	p := s.do(t, "POST", "/api/v1/devices/parameters/update", erp.token, dangerous).problem(t, 403, wire.CodeScope)
	if p.Scope != "parameters:dangerous" || len(p.Parameters) != 1 {
		t.Errorf("problem: got %+v, want the scope and the parameter", p)
	}
	as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/parameters/update", s.admin, dangerous), 202)
}

func TestDeviceNames(t *testing.T) {
	s := newServer(t)
	s.device(t, "202BC1-A-77", "one")
	s.device(t, "202BC1-B-77", "two")
	s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "nobody"}`).problem(t, 404, wire.CodeDeviceNotFound)
	p := s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "77"}`).problem(t, 409, wire.CodeDeviceAmbiguous)
	if strings.Join(p.Candidates, " ") != "202BC1-A-77 202BC1-B-77" || p.Field != "router_id" {
		t.Errorf("problem: got %+v, want both candidates", p)
	}
	// One by one the queue fills up.
	for range 64 {
		as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "one"}`), 202)
	}
	s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "one"}`).problem(t, 409, wire.CodeQueueFull)
}

func TestIdempotency(t *testing.T) {
	s := newServer(t)
	erp, other := s.client(t, "erp"), s.client(t, "other")
	s.device(t, modem, "RTR-42")
	const path, body = "/api/v1/devices/reboot", `{"router_id": "RTR-42"}`
	first := s.do(t, "POST", path, erp.token, body, "Idempotency-Key", "k 1")
	got := as[wire.Receipt](t, first, 202)
	// The receipt is the first one also after the action has moved on.
	as[wire.Protocol](t, s.do(t, "POST", got.StatusURL+"/cancel", erp.token, ""), 200)
	again := s.do(t, "POST", path, erp.token, body, "Idempotency-Key", "k 1")
	if again.code != 202 || string(again.body) != string(first.body) || again.header.Get("Location") != first.header.Get("Location") {
		t.Errorf("again: got %d %s, want %s", again.code, again.body, first.body)
	}
	if first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
		t.Error("Idempotent-Replayed is not told, or told too early")
	}
	s.do(t, "POST", path, erp.token, body+" ", "Idempotency-Key", "k 1").problem(t, 422, wire.CodeIdempotencyKeyReused)
	if o := as[wire.Receipt](t, s.do(t, "POST", path, other.token, body, "Idempotency-Key", "k 1"), 202); o.Protocolo == got.Protocolo {
		t.Error("another client's key gave this client's action")
	}
	for _, bad := range []string{"", "é", strings.Repeat("k", 256), "a\tb"} {
		if p := s.do(t, "POST", path, erp.token, body, "Idempotency-Key", bad).problem(t, 400, wire.CodeInvalidRequest); p.Field != "Idempotency-Key" {
			t.Errorf("key %q: field %q, want Idempotency-Key", bad, p.Field)
		}
	}
	s.do(t, "POST", path, erp.token, body, "Idempotency-Key", "a", "Idempotency-Key", "b").problem(t, 400, wire.CodeInvalidRequest)
}

func TestDevices(t *testing.T) {
	s := newServer(t)
	erp := s.client(t, "erp")
	r := s.do(t, "PUT", "/api/v1/devices/00259E-HG8245H%252DV5-48575443", erp.token, `{"router_id": "R1", "account_id": "A", "pppoe_login": "p@x",
		"mac": "00:25:9e:12:34:56", "city": "Recife", "pon_port": "1/2", "tags": ["fibre"],
		"connection_request": {"username": "cr", "password": "secret-one"}, "cwmp_auth": {"username": "cpe", "password": "secret-two"}}`)
	d := as[wire.Device](t, r, 201)
	const id = "00259E-HG8245H%2DV5-48575443"
	if d.ID != id || d.ProductClass != "HG8245H-V5" || d.MAC != "00259E123456" || !d.ConnectionRequest.PasswordSet || !d.CWMPAuth.PasswordSet {
		t.Errorf("device: got %+v", d)
	}
	if loc := r.header.Get("Location"); loc != "/api/v1/devices/00259E-HG8245H%252DV5-48575443" {
		t.Errorf("Location: got %q", loc)
	}
	if strings.Contains(string(r.body), "secret") {
		t.Errorf("the reply shows a password: %s", r.body)
	}
	d = as[wire.Device](t, s.do(t, "GET", r.header.Get("Location"), erp.token, ""), 200)
	if d.Reported != nil || d.Online.Estimate != "unknown" || d.ConnectionRequest.State != "impossible" {
		t.Errorf("device: got %+v, want one that never called in", d)
	}
	d = as[wire.Device](t, s.do(t, "PUT", r.header.Get("Location"), erp.token, `{"city": "", "cwmp_auth": {}}`), 200)
	if d.City != "" || d.RouterID != "R1" || d.CWMPAuth.PasswordSet || !d.ConnectionRequest.PasswordSet {
		t.Errorf("device: got %+v, want city and cwmp_auth gone, the rest kept", d)
	}
	s.device(t, modem, "R2")
	page := as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices?limit=1", erp.token, ""), 200)
	if len(page.Items) != 1 || page.NextCursor == nil {
		t.Fatalf("first page: got %+v", page)
	}
	rest := as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices?limit=1&cursor="+*page.NextCursor, erp.token, ""), 200)
	if len(rest.Items) != 1 || rest.Items[0].ID == page.Items[0].ID || rest.NextCursor != nil {
		t.Errorf("second page: got %+v", rest)
	}
	found := as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices?search=r1&tags=fibre,cable", erp.token, ""), 200)
	if len(found.Items) != 1 || found.Items[0].ID != id {
		t.Errorf("search: got %+v", found)
	}
	s.do(t, "PUT", r.header.Get("Location"), erp.token, `{"cwmp_auth": {"username": "cpe", "password": "x"}}`)
	for body, want := range map[string]string{
		`{"router_id": "R1"}`: "router_id", `{"cwmp_auth": {"username": "cpe", "password": "x"}}`: "cwmp_auth.username",
	} {
		got := s.do(t, "PUT", "/api/v1/devices/"+modem, erp.token, body).problem(t, 409, wire.CodeExists)
		if got.Field != want || got.DeviceID != id || got.Detail != "belongs to another device" {
			t.Errorf("%s: got field %q, device %q, detail %q, want field %q of %s", body, got.Field, got.DeviceID, got.Detail, want, id)
		}
	}
	// A client that does not see the other device learns no more than that the name is taken.
	s.do(t, "PUT", "/api/v1/devices/"+modem, erp.token, `{"tags": ["north"]}`)
	north, err := s.svc.CreateClient(t.Context(), acs.NewClient{Name: "north", Tags: []string{"north"}})
	if err != nil {
		t.Fatal(err)
	}
	taken := s.do(t, "PUT", "/api/v1/devices/"+modem, north.Token, `{"router_id": "R1", "tags": ["north"]}`)
	if p := taken.problem(t, 409, wire.CodeExists); p.Field != "router_id" || strings.Contains(string(taken.body), id) {
		t.Errorf("out of sight: got %s", taken.body)
	}
	s.do(t, "PUT", "/api/v1/devices/nonsense", erp.token, `{}`).problem(t, 400, wire.CodeInvalidRequest)
	s.do(t, "GET", "/api/v1/devices/nonsense", erp.token, "").problem(t, 404, wire.CodeNotFound)
}

func TestWebhooks(t *testing.T) {
	s := newServer(t)
	erp := s.client(t, "erp")
	r := s.do(t, "POST", "/api/v1/webhooks", erp.token, `{"url": "https://erp.example.com/hook", "events": ["action.*", "action.accepted"],
		"description": "ERP", "secret": "our-own-shared-secret", "body_signature_header": "X-Sig", "order": "device", "concurrency": 2,
		"timeout_seconds": 10, "retry_seconds": [1, 2]}`)
	w := as[wire.WebhookCreated](t, r, 201)
	if w.ID == "" || w.WebhookID != w.ID || w.Secret != "our-own-shared-secret" || w.StandardSecret != "whsec_"+base64.StdEncoding.EncodeToString([]byte(w.Secret)) {
		t.Errorf("created: got %+v", w)
	}
	checkExample(t, w)
	path := r.header.Get("Location")
	got := s.do(t, "GET", path, erp.token, "")
	if e := as[wire.Webhook](t, got, 200); e.TimeoutSeconds != 10 || len(e.RetrySeconds) != 2 || !e.Active {
		t.Errorf("got %+v", e)
	}
	if strings.Contains(string(got.body), "secret") {
		t.Errorf("the secret is shown again: %s", got.body)
	}

	tested := as[wire.WebhookTested](t, s.do(t, "POST", path+"/test", erp.token, ""), 202)
	if tested.Delivery.State != "pending" || tested.Delivery.EventType != "webhook.test" || tested.EventID != tested.Delivery.EventID {
		t.Errorf("tested: got %+v", tested)
	}
	e := as[wire.Webhook](t, s.do(t, "PATCH", path, erp.token, `{"active": false, "events": ["*"], "retry_seconds": [], "timeout_seconds": 0}`), 200)
	if e.State != "paused" || e.Active || len(e.RetrySeconds) != 11 || e.TimeoutSeconds != 30 {
		t.Errorf("paused: got %+v", e)
	}
	one := "/api/v1/deliveries/" + tested.Delivery.ID
	if d := as[wire.Delivery](t, s.do(t, "GET", one, erp.token, ""), 200); d.State != "held" {
		t.Errorf("state: got %s, want held", d.State)
	}
	for _, list := range []string{path + "/deliveries?state=pending", "/api/v1/deliveries?webhook=" + w.ID + "&event=" + tested.EventID + "&state=pending,dead"} {
		if l := as[wire.List[wire.Delivery]](t, s.do(t, "GET", list, erp.token, ""), 200); len(l.Items) != 1 {
			t.Errorf("%s: got %+v, want one", list, l)
		}
	}
	if l := as[wire.List[wire.Delivery]](t, s.do(t, "GET", "/api/v1/deliveries?protocolo=0192f6a1b2c37d4e8f90a1b2c3d4e5f6", erp.token, ""), 200); len(l.Items) != 0 {
		t.Errorf("got %+v, want none", l)
	}
	if l := as[wire.List[wire.Attempt]](t, s.do(t, "GET", one+"/attempts", erp.token, ""), 200); l.Items == nil || len(l.Items) != 0 {
		t.Errorf("attempts: got %+v, want an empty list", l)
	}
	as[wire.Delivery](t, s.do(t, "POST", one+"/replay", erp.token, ""), 202)
	as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", erp.token, `{"url": "https://two.example.com", "active": false}`), 201)
	page := as[wire.List[wire.Webhook]](t, s.do(t, "GET", "/api/v1/webhooks?limit=1", erp.token, ""), 200)
	if len(page.Items) != 1 || page.NextCursor == nil {
		t.Fatalf("first page: got %+v", page)
	}
	rest := as[wire.List[wire.Webhook]](t, s.do(t, "GET", "/api/v1/webhooks?cursor="+*page.NextCursor, erp.token, ""), 200)
	if len(rest.Items) != 1 || rest.Items[0].ID == page.Items[0].ID || rest.NextCursor != nil || rest.Items[0].State != "paused" {
		t.Errorf("second page: got %+v", rest)
	}
	as[struct{}](t, s.do(t, "DELETE", path, erp.token, ""), 204)
	s.do(t, "GET", path, erp.token, "").problem(t, 404, wire.CodeNotFound)
	for field, body := range map[string]string{
		"url":                   `{"url": "ftp://x"}`,
		"timeout_seconds":       `{"url": "https://x.example", "timeout_seconds": 31}`,
		"retry_seconds":         `{"url": "https://x.example", "retry_seconds": [0]}`,
		"secret":                `{"url": "https://x.example", "secret": "short"}`,
		"events":                `{"url": "https://x.example", "events": ["nothing.*"]}`,
		"body_signature_header": `{"url": "https://x.example", "body_signature_header": "Content-Type"}`,
	} {
		if p := s.do(t, "POST", "/api/v1/webhooks", erp.token, body).problem(t, 400, wire.CodeInvalidRequest); p.Field != field {
			t.Errorf("%s: field %q, want %q", body, p.Field, field)
		}
	}
	for range 19 {
		as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", erp.token, `{"url": "https://x.example"}`), 201)
	}
	s.do(t, "POST", "/api/v1/webhooks", erp.token, `{"url": "https://x.example"}`).problem(t, 409, wire.CodeTooManyWebhooks)
}

// checkExample verifies the worked example with the reference library.
func checkExample(t *testing.T, w wire.WebhookCreated) {
	t.Helper()
	v, err := standard.NewWebhook(w.StandardSecret)
	if err != nil {
		t.Fatalf("standard_secret: %v", err)
	}
	h := http.Header{}
	h.Set("webhook-id", w.Example.ID)
	h.Set("webhook-timestamp", w.Example.Timestamp)
	h.Set("webhook-signature", w.Example.Signature)
	if err := v.Verify([]byte(w.Example.Body), h); err != nil {
		t.Errorf("the reference library refuses the example: %v", err)
	}
	if want := w.Example.ID + "." + w.Example.Timestamp + "." + w.Example.Body; w.Example.SignedContent != want {
		t.Errorf("signed_content: got %q, want %q", w.Example.SignedContent, want)
	}
	if w.Example.BodySignatureHeader != w.BodySignatureHeader {
		t.Errorf("body_signature_header: got %q, want %q", w.Example.BodySignatureHeader, w.BodySignatureHeader)
	}
	want := ""
	if w.BodySignatureHeader != "" {
		m := hmac.New(sha256.New, []byte(w.Secret))
		m.Write([]byte(w.Example.Body))
		want = "sha256=" + hex.EncodeToString(m.Sum(nil))
	}
	if w.Example.BodySignature != want {
		t.Errorf("body_signature: got %q, want %q", w.Example.BodySignature, want)
	}
}

// The example's body is what the endpoint would be sent by a test, but for the id and the time.
func TestSigningExampleIsARealBody(t *testing.T) {
	for name, body := range map[string]string{
		"standard":       `{"url": "https://erp.example.com/hook"}`,
		"body signature": `{"url": "https://erp.example.com/hook", "body_signature_header": "X-Sig", "secret": "our-own-shared-secret"}`,
		"other events":   `{"url": "https://erp.example.com/hook", "body_signature_header": "X-Sig", "events": ["action.failed"], "active": false}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			erp := s.client(t, "erp")
			w := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", erp.token, body), 201)
			checkExample(t, w)
			tested := as[wire.WebhookTested](t, s.do(t, "POST", "/api/v1/webhooks/"+w.ID+"/test", erp.token, ""), 202)
			d, err := s.store.Delivery(t.Context(), tested.Delivery.ID)
			if err != nil {
				t.Fatal(err)
			}
			e, err := s.store.Event(t.Context(), tested.EventID)
			if err != nil {
				t.Fatal(err)
			}
			timestamp := func(b string) string {
				var v struct{ Timestamp string }
				if err := json.Unmarshal([]byte(b), &v); err != nil || v.Timestamp == "" {
					t.Fatalf("body %s: timestamp %q, %v", b, v.Timestamp, err)
				}
				return v.Timestamp
			}
			sent := string(webhook.Render(e, d.Format))
			want := strings.NewReplacer(e.ID, w.Example.ID, timestamp(sent), timestamp(w.Example.Body)).Replace(sent)
			if w.Example.Body != want {
				t.Errorf("body: got %s, want %s", w.Example.Body, want)
			}
			if added := strings.Contains(want, `"event_type":"webhook.test","event_id":"`+w.Example.ID+`"`); added != (w.BodySignatureHeader != "") {
				t.Errorf("body: got %s", want)
			}
		})
	}
}

func TestClients(t *testing.T) {
	s := newServer(t)
	r := s.do(t, "POST", "/api/v1/clients", s.admin, `{"name": "erp", "scopes": ["actions", "devices:read"], "requests_per_minute": 60,
		"requests_per_day": 1000, "token_ttl_seconds": 3600, "tags": ["north"]}`)
	c := as[wire.ClientCreated](t, r, 201)
	if c.Token == "" || c.ClientSecret == "" || c.ClientID != c.ID || len(c.Scopes) != 2 || c.RequestsPerDay != 1000 || c.TokenTTLSeconds != 3600 {
		t.Errorf("created: got %+v", c)
	}
	path := r.header.Get("Location")
	got := s.do(t, "GET", path, s.admin, "")
	as[wire.Client](t, got, 200)
	if strings.Contains(string(got.body), "secret") || strings.Contains(string(got.body), "token\"") {
		t.Errorf("secrets are shown: %s", got.body)
	}
	if l := as[wire.List[wire.Client]](t, s.do(t, "GET", "/api/v1/clients", s.admin, ""), 200); len(l.Items) != 2 {
		t.Errorf("list: got %d, want 2", len(l.Items))
	}
	s.do(t, "POST", "/api/v1/clients", s.admin, `{"name": "erp"}`).problem(t, 409, wire.CodeExists)
	tok := as[wire.TokenCreated](t, s.do(t, "POST", path+"/tokens", s.admin, ""), 201)
	if tok.Token == c.Token || tok.ExpiresAt == nil || tok.ClientID != c.ID {
		t.Errorf("token: got %+v", tok)
	}
	as[wire.List[wire.Protocol]](t, s.do(t, "GET", "/api/v1/protocols", tok.Token, ""), 200)
	if c := as[wire.Client](t, s.do(t, "PATCH", path, s.admin, `{"blocked": true, "scopes": ["network"], "tags": []}`), 200); !c.Blocked || len(c.Tags) != 0 {
		t.Errorf("changed: got %+v", c)
	}
	s.do(t, "GET", "/api/v1/protocols", tok.Token, "").problem(t, 403, wire.CodeBlocked)
	as[struct{}](t, s.do(t, "DELETE", path+"/tokens", s.admin, ""), 204)
	s.do(t, "GET", "/api/v1/protocols", tok.Token, "").problem(t, 401, wire.CodeUnauthenticated)
	as[struct{}](t, s.do(t, "DELETE", path, s.admin, ""), 204)
	s.do(t, "GET", path, s.admin, "").problem(t, 404, wire.CodeNotFound)
	for field, body := range map[string]string{
		"scopes[1]":           `{"name": "x", "scopes": ["actions", "root"]}`,
		"scopes[0]":           `{"name": "x", "scopes": ["root"]}`,
		"requests_per_minute": `{"name": "x", "requests_per_minute": -1}`,
		"token_ttl_seconds":   `{"name": "x", "token_ttl_seconds": 2000000000}`,
		"name":                `{"name": " "}`,
	} {
		if p := s.do(t, "POST", "/api/v1/clients", s.admin, body).problem(t, 400, wire.CodeInvalidRequest); p.Field != field {
			t.Errorf("%s: field %q, want %q", body, p.Field, field)
		}
	}
}

func TestPublicURL(t *testing.T) {
	s := newServer(t, func(c *api.Config) { c.PublicURL = "https://recado.example.net/" })
	s.device(t, modem, "RTR-42")
	r := s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "RTR-42"}`)
	got := as[wire.Receipt](t, r, 202)
	if want := "https://recado.example.net/api/v1/protocols/" + got.Protocolo; got.StatusURL != want {
		t.Errorf("status_url: got %q, want %q", got.StatusURL, want)
	}
	if want := "/api/v1/protocols/" + got.Protocolo; r.header.Get("Location") != want {
		t.Errorf("Location: got %q, want %q", r.header.Get("Location"), want)
	}
}

package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"recado/acs"
	"recado/acs/wire"
)

// TestClientForm fills in a client's form as IXC ACS has it, webhook and all.
func TestClientForm(t *testing.T) {
	s := newServer(t)
	x := s.ixc(t, acs.NewClient{Name: "whose key it is"})
	key, err := json.Marshal(x.Client.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	r := s.do(t, "POST", "/api/v1/clients", s.admin, fmt.Sprintf(`{"name": "IXC Provedor", "type": "erp", "token_ttl_seconds": 86400,
		"requests_per_minute": 600, "requests_per_day": 100000, "public_key": %s, "legacy": true, "time_zone": "America/Sao_Paulo",
		"webhook": {"url": "https://erp.example.com/hook", "events": ["action.*"], "accept_invalid_certificate": true}}`, key))
	c := as[wire.ClientCreated](t, r, 201)
	if c.Type != "erp" || c.PublicKey != x.Client.PublicKey || !c.Legacy || c.TimeZone != "America/Sao_Paulo" {
		t.Errorf("created: got %+v", c.Client)
	}
	w := c.Webhook
	if w == nil || w.URL != "https://erp.example.com/hook" || fmt.Sprint(w.Events) != "[action.*]" || !w.Active || w.State != "active" ||
		!w.AcceptInvalidCertificate || !strings.HasPrefix(w.Secret, "whsec_") || w.StandardSecret != w.Secret {
		t.Fatalf("webhook: got %+v", w)
	}
	path := "/api/v1/clients/" + c.ID
	plain := func(r reply) *wire.ClientWebhook {
		t.Helper()
		got := as[wire.Client](t, r, 200)
		if got.Webhook != nil && got.Webhook.Secret+got.Webhook.StandardSecret != "" {
			t.Errorf("the secret is shown: %s", r.body)
		}
		return got.Webhook
	}
	if got := plain(s.do(t, "GET", path, s.admin, "")); got == nil || got.ID != w.ID {
		t.Errorf("get: got %+v, want %s", got, w.ID)
	}
	for _, one := range as[wire.List[wire.Client]](t, s.do(t, "GET", "/api/v1/clients", s.admin, ""), 200).Items {
		if (one.Webhook != nil) != (one.ID == c.ID) {
			t.Errorf("list: %s has webhook %v", one.Name, one.Webhook)
		}
	}
	// It is an endpoint like any other of the client's.
	if got := as[wire.Webhook](t, s.do(t, "GET", "/api/v1/webhooks/"+w.ID, c.Token, ""), 200); got.URL != w.URL || got.TLS == nil || !got.TLS.AcceptInvalidCertificate {
		t.Errorf("endpoint: got %+v", got)
	}

	got := plain(s.do(t, "PATCH", path, s.admin, `{"webhook": {"active": false}, "legacy": false}`))
	if got.Active || got.State != "paused" || got.URL != w.URL || !got.AcceptInvalidCertificate {
		t.Errorf("paused: got %+v", got)
	}
	got = plain(s.do(t, "PATCH", path, s.admin, `{"webhook": {"url": "https://erp.example.com/new", "active": true, "events": ["*"], "accept_invalid_certificate": false}}`))
	if got.ID != w.ID || !got.Active || got.URL != "https://erp.example.com/new" || fmt.Sprint(got.Events) != "[*]" || got.AcceptInvalidCertificate {
		t.Errorf("changed: got %+v", got)
	}

	// Other settings of its TLS stay.
	const pin = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	as[wire.Webhook](t, s.do(t, "PATCH", "/api/v1/webhooks/"+w.ID, c.Token, `{"tls": {"pins": ["`+pin+`"]}}`), 200)
	plain(s.do(t, "PATCH", path, s.admin, `{"webhook": {"accept_invalid_certificate": false, "active": true}}`))
	p := s.do(t, "PATCH", path, s.admin, `{"webhook": {"accept_invalid_certificate": true}}`).problem(t, 400, wire.CodeInvalidRequest)
	if p.Field != "webhook.accept_invalid_certificate" {
		t.Errorf("any certificate beside a pin: field %q, want webhook.accept_invalid_certificate", p.Field)
	}
	if got := as[wire.Webhook](t, s.do(t, "GET", "/api/v1/webhooks/"+w.ID, c.Token, ""), 200); got.TLS == nil || fmt.Sprint(got.TLS.Pins) != "["+pin+"]" {
		t.Errorf("TLS: got %+v, want the pin", got.TLS)
	}

	// What is refused changes nothing.
	for body, field := range map[string]string{
		`{"name": "other", "legacy": true, "webhook": {"url": "ftp://erp.example.com"}}`: "webhook.url",
		`{"name": "other", "webhook": {"events": ["nothing.such"]}}`:                     "webhook.events",
		`{"webhook": {"active": true}, "time_zone": "Sao Paulo"}`:                        "time_zone",
		`{"webhook": {"active": true}, "type": "fax"}`:                                   "type",
		`{"public_key": "x"}`:                     "public_key",
		`{"webhook": {"secret": "x"}}`:            "webhook.secret",
		`{"webhook": null}`:                       "webhook",
		`{"webhook": {"url": null}}`:              "webhook.url",
		`{"name": "other", "webhook": {"url":1}}`: "webhook.url",
	} {
		p := s.do(t, "PATCH", path, s.admin, body).problem(t, 400, wire.CodeInvalidRequest)
		if !strings.HasPrefix(p.Field, field) {
			t.Errorf("%s: field %q, want %q", body, p.Field, field)
		}
	}
	now := as[wire.Client](t, s.do(t, "GET", path, s.admin, ""), 200)
	if now.Name != "IXC Provedor" || now.Legacy || now.Webhook.URL != "https://erp.example.com/new" {
		t.Errorf("after what was refused: got %+v", now)
	}

	// A webhook that the client itself deleted is made anew.
	as[struct{}](t, s.do(t, "DELETE", "/api/v1/webhooks/"+w.ID, c.Token, ""), 204)
	if got := plain(s.do(t, "GET", path, s.admin, "")); got != nil {
		t.Errorf("deleted: got %+v, want none", got)
	}
	s.do(t, "PATCH", path, s.admin, `{"webhook": {"active": true}}`).problem(t, 400, wire.CodeInvalidRequest)
	made := as[wire.Client](t, s.do(t, "PATCH", path, s.admin, `{"webhook": {"url": "https://erp.example.com/again"}}`), 200)
	if made.Webhook.ID == w.ID || made.Webhook.Secret == "" || made.Webhook.Secret == w.Secret {
		t.Errorf("made anew: got %+v", made.Webhook)
	}
	if got := as[wire.Client](t, s.do(t, "PATCH", path, s.admin, `{"public_key": "", "time_zone": ""}`), 200); got.PublicKey != "" || got.TimeZone != "" {
		t.Errorf("taken away: got %+v", got)
	}
}

func TestRefusedClientFormMakesNoClient(t *testing.T) {
	s := newServer(t)
	for _, body := range []string{
		`{"name": "erp", "webhook": {"url": "ftp://x"}}`, `{"name": "erp", "webhook": {}}`, `{"name": "erp", "webhook": {"url": "https://x.example", "events": ["no"]}}`,
		`{"name": "erp", "public_key": "-----BEGIN PRIVATE KEY-----"}`,
	} {
		s.do(t, "POST", "/api/v1/clients", s.admin, body).problem(t, 400, wire.CodeInvalidRequest)
	}
	c := as[wire.ClientCreated](t, s.do(t, "POST", "/api/v1/clients", s.admin, `{"name": "erp", "blocked": true, "webhook": {"url": "https://x.example", "active": false}}`), 201)
	if !c.Blocked || c.Type != "generic" || c.Webhook.Active || c.Webhook.State != "paused" {
		t.Errorf("got %+v with %+v", c.Client, c.Webhook)
	}
	s.do(t, "GET", "/api/v1/protocols", c.Token, "").problem(t, 403, wire.CodeBlocked)
}

// TestTagsLimitEverywhere has a client with tags ask for a device that it does not see, in every way there is.
func TestTagsLimitEverywhere(t *testing.T) {
	s := newServer(t)
	s.fleet(t)
	north, err := s.svc.CreateClient(t.Context(), acs.NewClient{Name: "north", Tags: []string{"north"}})
	if err != nil {
		t.Fatal(err)
	}
	const seen, unseen = "202BC1-BM632w-S1", "202BC1-BM632w-S4"
	token := north.Token
	const one = `[{"parameter": "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID", "value": "x"}]`
	for _, name := range []string{unseen, "S4"} {
		s.do(t, "POST", "/api/v1/devices/reboot", token, fmt.Sprintf(`{"router_id": %q}`, name)).problem(t, 404, wire.CodeDeviceNotFound)
		s.do(t, "POST", "/api/v1/devices/parameters/update", token, fmt.Sprintf(`{"router_id": %q, "parameters": {"Device.WiFi.SSID.1.SSID": "x"}}`, name)).
			problem(t, 404, wire.CodeDeviceNotFound)
		s.do(t, "POST", "/api/v2/devices/"+name+"/parameters/update", token, one).problem(t, 404, wire.CodeDeviceNotFound)
	}
	s.do(t, "GET", "/api/v1/devices/"+unseen, token, "").problem(t, 404, wire.CodeNotFound)
	s.do(t, "PUT", "/api/v1/devices/"+unseen, token, `{"tags": ["north"]}`).problem(t, 404, wire.CodeNotFound)
	s.do(t, "PUT", "/api/v1/devices/"+seen, token, `{"tags": ["south"]}`).problem(t, 400, wire.CodeInvalidRequest)
	for _, query := range []string{"", "?search=S4", "?tags=south", "?tags=vip,north"} {
		for _, d := range as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices"+query, token, ""), 200).Items {
			if d.ID == unseen {
				t.Errorf("devices%s shows %s", query, unseen)
			}
		}
	}
	for _, query := range [][]string{nil, {"search[search]", "S4"}, {"filters[0][0][accessor]", "status", "filters[0][0][value]", "true"}} {
		if got := serials(s.natural(t, token, query...)); strings.Contains(got, "S4") || strings.Contains(got, "S5") {
			t.Errorf("natural view %v: got %q", query, got)
		}
	}
	as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", token, `{"router_id": "S1"}`), 202)
	got := as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "S4"}`), 202)
	s.do(t, "GET", got.StatusURL, token, "").problem(t, 404, wire.CodeNotFound)
	s.do(t, "POST", got.StatusURL+"/cancel", token, "").problem(t, 404, wire.CodeNotFound)
	if l := as[wire.List[wire.Protocol]](t, s.do(t, "GET", "/api/v1/protocols?device="+unseen, token, ""), 200); len(l.Items) != 0 {
		t.Errorf("protocols of %s: got %d, want none", unseen, len(l.Items))
	}
}

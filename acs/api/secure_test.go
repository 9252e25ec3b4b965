package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
	"recado/webhook"
)

func TestTokens(t *testing.T) {
	s := newServer(t)
	for _, c := range []struct {
		name    string
		headers []string
		told    bool // that a token came and is no good
	}{
		{"none", nil, false},
		{"empty", []string{"Authorization", ""}, false},
		{"no scheme", []string{"Authorization", s.admin}, false},
		{"Basic", []string{"Authorization", "Basic " + s.admin}, false},
		{"no token", []string{"Authorization", "Bearer "}, false},
		{"two headers", []string{"Authorization", "Bearer " + s.admin, "Authorization", "Bearer " + s.admin}, false},
		{"unknown", []string{"Authorization", "Bearer rcd_0000000000000000000000000000000000000000000"}, true},
		{"cut", []string{"Authorization", "Bearer " + s.admin[:len(s.admin)-1]}, true},
		{"two tokens", []string{"Authorization", "Bearer " + s.admin + " " + s.admin}, true},
		{"control character", []string{"Authorization", "Bearer " + s.admin + "\x00"}, true},
		{"long", []string{"Authorization", "Bearer " + strings.Repeat("x", 10_000)}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.raw("GET", "/api/v1/devices", "", "", c.headers...)
			r.problem(t, 401, wire.CodeUnauthenticated)
			got := r.header.Get("WWW-Authenticate")
			if !strings.HasPrefix(got, `Bearer realm="recado"`) || strings.Contains(got, "invalid_token") != c.told {
				t.Errorf("WWW-Authenticate: got %q", got)
			}
			if strings.Contains(string(r.body), s.admin[:20]) || strings.Contains(s.log.String(), s.admin[:20]) {
				t.Error("the token is in the reply or the log")
			}
		})
	}
	if r := s.raw("GET", "/api/v1/devices", "", "", "Authorization", "bEARER  "+s.admin); r.code != 200 {
		t.Errorf("the scheme in another case: got %d, want 200", r.code)
	}
}

// TestEveryRouteAsksForToken is generated from the routes: all but the open ones refuse a stranger before anything else.
func TestEveryRouteAsksForToken(t *testing.T) {
	s := newServer(t)
	open := 0
	for _, r := range s.api.Routes() {
		got := s.do(t, r.Method, fill(r.Path, "x")+"?nonsense=1", "", "{")
		switch r.Path {
		case "/webhook/health", "/healthz", "/readyz", "/metrics", "/api/v1/openapi.yaml":
			open++
			if got.code != 200 {
				t.Errorf("%s: got %d, want 200 without a token", r.Path, got.code)
			}
		case "/api/v1/token/oauth", "/api/v2/token/oauth", "/api/v1/token":
			open++
			if got.code != 400 {
				t.Errorf("%s: got %d, want 400 for the query", r.Path, got.code)
			}
		default:
			got.problem(t, 401, wire.CodeUnauthenticated)
		}
	}
	if open != 8 {
		t.Errorf("got %d open routes, want 8", open)
	}
}

// TestForeignThings is generated from the routes: with another client's id in the path, each is 404 and changes nothing.
func TestForeignThings(t *testing.T) {
	s := newServer(t)
	mine, other := s.client(t, "mine"), s.client(t, "other")
	s.device(t, modem, "RTR-42")
	receipt := as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", mine.token, `{"router_id": "RTR-42"}`), 202)
	hook := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", mine.token, `{"url": "https://x.example"}`), 201)
	tested := as[wire.WebhookTested](t, s.do(t, "POST", "/api/v1/webhooks/"+hook.ID+"/test", mine.token, ""), 202)
	ids := map[string]string{"/protocols/": receipt.Protocolo, "/webhooks/": hook.ID, "/deliveries/": tested.Delivery.ID}
	tried := 0
	for _, r := range s.api.Routes() {
		for prefix, id := range ids {
			if !strings.HasPrefix(r.Path, "/api/v1"+prefix+"{") {
				continue
			}
			tried++
			body := ""
			if r.Method == http.MethodPatch {
				body = `{"active": false}`
			}
			if strings.HasSuffix(r.Path, "/verify") {
				body = `{"headers": {}}`
			}
			foreign := s.do(t, r.Method, fill(r.Path, id), other.token, body).problem(t, 404, wire.CodeNotFound)
			nothing := s.do(t, r.Method, fill(r.Path, id[:len(id)-4]+"0000"), other.token, body).problem(t, 404, wire.CodeNotFound)
			if foreign.Detail != nothing.Detail {
				t.Errorf("%s %s: a foreign thing is told from none: %q, %q", r.Method, r.Path, foreign.Detail, nothing.Detail)
			}
			s.do(t, r.Method, fill(r.Path, "%2e%2e%2f"), other.token, body).problem(t, 404, wire.CodeNotFound)
		}
	}
	if tried < 10 {
		t.Errorf("tried %d routes, want 10 at least", tried)
	}
	for _, list := range []string{"protocols", "webhooks", "deliveries", "deliveries?webhook=" + hook.ID} {
		if l := as[wire.List[struct{}]](t, s.plain("GET", "/api/v1/"+list, other.token), 200); len(l.Items) != 0 {
			t.Errorf("%s: another client sees %d", list, len(l.Items))
		}
	}
	d := as[wire.Device](t, s.do(t, "GET", "/api/v1/devices/"+modem, other.token, ""), 200)
	if len(d.OpenActions) != 0 {
		t.Errorf("another client sees open actions: %+v", d.OpenActions)
	}
	if p := as[wire.Protocol](t, s.do(t, "GET", receipt.StatusURL, mine.token, ""), 200); p.Status != "pending" {
		t.Errorf("status: got %s, want pending still", p.Status)
	}
	if w := as[wire.Webhook](t, s.do(t, "GET", "/api/v1/webhooks/"+hook.ID, mine.token, ""), 200); w.State != "active" {
		t.Errorf("state: got %s, want active still", w.State)
	}
	// For admins, clients that do not exist.
	for _, r := range s.api.Routes() {
		if strings.HasPrefix(r.Path, "/api/v1/clients/{") {
			body := ""
			if r.Method == http.MethodPatch {
				body = `{"blocked": true}`
			}
			s.do(t, r.Method, fill(r.Path, "cli_0"), s.admin, body).problem(t, 404, wire.CodeNotFound)
			s.do(t, r.Method, fill(r.Path, mine.id), mine.token, body).problem(t, 403, wire.CodeScope)
		}
	}
}

func (s *server) plain(method, path, token string) reply { return s.raw(method, path, token, "") }

// TestTagsLimit holds a client with tags to the devices that have them.
func TestTagsLimit(t *testing.T) {
	s := newServer(t)
	s.device(t, modem, "RTR-42")
	c, err := s.svc.CreateClient(context.Background(), acs.NewClient{Name: "north", Tags: []string{"north"}})
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, "GET", "/api/v1/devices/"+modem, c.Token, "").problem(t, 404, wire.CodeNotFound)
	s.do(t, "PUT", "/api/v1/devices/"+modem, c.Token, `{"tags": ["north"]}`).problem(t, 404, wire.CodeNotFound)
	s.do(t, "POST", "/api/v1/devices/reboot", c.Token, `{"router_id": "RTR-42"}`).problem(t, 404, wire.CodeDeviceNotFound)
}

func TestProblems(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("store action: %w", err) }
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{wrap(acs.ErrNotFound), 404, wire.CodeNotFound},
		{wrap(webhook.ErrNotFound), 404, wire.CodeNotFound},
		{wrap(acs.ErrDeviceNotFound), 404, wire.CodeDeviceNotFound},
		{wrap(acs.ErrSent), 409, wire.CodeAlreadySent},
		{wrap(acs.ErrFinished), 409, wire.CodeFinished},
		{wrap(acs.ErrExists), 409, wire.CodeExists},
		{wrap(acs.ErrConflict), 409, wire.CodeConflict},
		{wrap(webhook.ErrConflict), 409, wire.CodeConflict},
		{wrap(acs.ErrUnavailable), 503, wire.CodeUnavailable},
		{wrap(context.DeadlineExceeded), 503, wire.CodeUnavailable},
		{wrap(acs.ErrBlocked), 403, wire.CodeBlocked},
		{wrap(acs.ErrUnauthenticated), 401, wire.CodeUnauthenticated},
		{wrap(acs.ErrIdempotencyReused), 422, wire.CodeIdempotencyKeyReused},
		{wrap(&acs.InvalidError{Field: "x", Problem: "is odd"}), 400, wire.CodeInvalidRequest},
		{errors.New("disk /dev/sda1 is on fire"), 500, wire.CodeInternal},
	} {
		p := api.ProblemOf(c.err)
		if p.Status != c.status || p.Code != c.code {
			t.Errorf("%v: got %d %s, want %d %s", c.err, p.Status, p.Code, c.status, c.code)
		}
		if strings.Contains(p.Detail+p.Title, "sda1") || strings.Contains(p.Detail, "store action") {
			t.Errorf("%v: the problem gives it away: %q", c.err, p.Detail)
		}
	}
}

package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
	"recado/acs/wire/wiretest"
	"recado/store/memstore"
	"recado/webhook"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is the API over the real engine and a store in memory. Every exchange is held against openapi.yaml.
type server struct {
	api   *api.API
	store *memstore.Store
	svc   *acs.Service
	hooks *webhook.Service
	// checkup is of a dispatcher that has just turned.
	checkup *webhook.Checkup
	log     *bytes.Buffer
	admin   string // a token
}

type caller struct{ id, token string }

func newServer(t testing.TB, change ...func(*api.Config)) *server {
	t.Helper()
	s := &server{store: memstore.New(), log: &bytes.Buffer{}}
	var err error
	if s.svc, err = acs.NewService(s.store, acs.ServiceConfig{}); err != nil {
		t.Fatal(err)
	}
	s.hooks = webhook.NewService(webhook.ServiceConfig{Store: s.store, Catalogue: acs.EventTypes})
	s.checkup = webhook.NewCheckup(webhook.CheckupConfig{Store: s.store, Ping: s.store.Ping, Turned: time.Now})
	cfg := api.Config{
		Actions: s.svc, Devices: s.svc, Clients: s.svc, Auth: s.svc, Webhooks: s.hooks, Audit: s.svc, Quota: s.svc, Ready: s.svc.Ready,
		WebhookHealth: func(ctx context.Context) webhook.CheckReport { return s.checkup.Report(ctx) },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = io.WriteString(w, "recado_up 1\n")
		}),
		Logger: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	if s.api, err = api.New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.checkBodies(t) })
	s.admin = s.client(t, "root", "admin", "parameters:dangerous").token
	return s
}

// checkBodies holds the body of every event against its schema.
func (s *server) checkBodies(t testing.TB) {
	all, _, err := s.store.Events(context.Background(), webhook.EventFilter{})
	if err != nil {
		t.Errorf("events: %v", err)
	}
	for _, e := range all {
		if err := wiretest.CheckBody(e.Type, e.Bytes()); err != nil {
			t.Errorf("the body of an event is wrong: %v\n%s", err, e.Bytes())
		}
	}
}

// client makes a client with scopes; without any it gets the usual ones.
func (s *server) client(t testing.TB, name string, scopes ...acs.Scope) caller {
	t.Helper()
	c, err := s.svc.CreateClient(context.Background(), acs.NewClient{Name: name, Scopes: scopes})
	if err != nil {
		t.Fatalf("create client %s: %v", name, err)
	}
	return caller{c.Client.ID, c.Token}
}

// device makes a device known by a router_id.
func (s *server) device(t testing.TB, id, routerID string) {
	t.Helper()
	body := fmt.Sprintf(`{"router_id": %q}`, routerID)
	if r := s.do(t, "PUT", "/api/v1/devices/"+id, s.admin, body); r.code != 201 {
		t.Fatalf("put device: got %d %s, want 201", r.code, r.body)
	}
}

type reply struct {
	code   int
	header http.Header
	body   []byte
}

// do makes a request; headers are name, value, name, value, …
func (s *server) do(t testing.TB, method, path, token, body string, headers ...string) reply {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	if w.Header().Get("X-Request-Id") == "" {
		t.Errorf("%s %s: the reply has no X-Request-Id", method, path)
	}
	refusal := wire.ProblemType
	if bare, _, _ := strings.Cut(path, "?"); strings.HasSuffix(bare, "/token/oauth") || strings.HasSuffix(bare, "/token") {
		refusal = "application/json" // RFC 6749 section 5.2
	}
	if w.Code >= 400 && w.Header().Get("Content-Type") != refusal {
		t.Errorf("%s %s: reply %d is %q, want %s", method, path, w.Code, w.Header().Get("Content-Type"), refusal)
	}
	checkExchange(t, r, []byte(body), w)
	return reply{w.Code, w.Header(), w.Body.Bytes()}
}

// problem checks that the reply is a problem with this status and code.
func (r reply) problem(t testing.TB, status int, code string) wire.Problem {
	t.Helper()
	var p wire.Problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatalf("got %d %s, want a problem: %v", r.code, r.body, err)
	}
	if r.code != status || p.Status != status || p.Code != code {
		t.Fatalf("got %d %s, want %d %s", r.code, r.body, status, code)
	}
	if p.Type != "urn:recado:problem:"+code || p.Title == "" || p.RequestID != r.header.Get("X-Request-Id") {
		t.Errorf("problem is not whole: %s", r.body)
	}
	return p
}

// as checks the status and decodes the body.
func as[T any](t testing.TB, r reply, status int) T {
	t.Helper()
	var v T
	if r.code != status {
		t.Fatalf("got %d %s, want %d", r.code, r.body, status)
	}
	if status == http.StatusNoContent {
		if len(r.body) > 0 {
			t.Errorf("204 with a body: %s", r.body)
		}
		return v
	}
	d := json.NewDecoder(bytes.NewReader(r.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("decode %s: %v", r.body, err)
	}
	return v
}

var names = regexp.MustCompile(`\{[a-z]+\}`)

// fill puts a value in place of the path's names.
func fill(path, value string) string { return names.ReplaceAllString(path, value) }

// raw makes a request as it is given, and holds it against nothing.
func (s *server) raw(method, path, token, body string, headers ...string) reply {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[http.CanonicalHeaderKey(headers[i])] = append(r.Header[http.CanonicalHeaderKey(headers[i])], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.Bytes()}
}

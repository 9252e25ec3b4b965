package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
)

// broken is a part of the engine that does what it should not.
type broken struct {
	engine
	do func() error
}

type engine = api.Actions

func (b broken) Actions(context.Context, acs.Client, acs.ActionFilter) ([]acs.Action, string, error) {
	return nil, "", b.do()
}

func TestPanics(t *testing.T) {
	for name, do := range map[string]func() error{
		"text":  func() error { panic("password hunter2") },
		"error": func() error { panic(errors.New("password hunter2")) },
		"nil":   func() error { var p *struct{ hunter2 string }; return errors.New(p.hunter2) },
		"error returned": func() error {
			return errors.New("cannot read /var/lib/recado: disk error")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(c *api.Config) { c.Actions = broken{c.Actions, do} })
			r := s.do(t, "GET", "/api/v1/protocols", s.admin, "")
			if p := r.problem(t, 500, wire.CodeInternal); p.Detail != "" {
				t.Errorf("detail: got %q, want none", p.Detail)
			}
			line := s.lastLine(t)
			if line["level"] != "ERROR" || line["status"] != 500.0 || line["error"] == nil {
				t.Errorf("log: got %v, want an error with status 500", line)
			}
			if name != "error returned" && line["stack"] == nil {
				t.Errorf("log: got %v, want a stack", line)
			}
			if strings.Contains(s.log.String(), "hunter2") || strings.Contains(string(r.body), "disk") {
				t.Errorf("too much is told: %s %s", r.body, s.log)
			}
			as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices", s.admin, ""), 200)
		})
	}
}

// TestGivenUp has clients hang up in the middle: that is no error of the server's, while a time limit of its own is.
func TestGivenUp(t *testing.T) {
	for level, reason := range map[string]error{"INFO": context.Canceled, "ERROR": context.DeadlineExceeded} {
		s := newServer(t, func(c *api.Config) {
			c.Actions = broken{c.Actions, func() error { return fmt.Errorf("read: %w", reason) }}
		})
		s.do(t, "GET", "/api/v1/protocols", s.admin, "").problem(t, 503, wire.CodeUnavailable)
		if line := s.lastLine(t); line["level"] != level {
			t.Errorf("log of %v: got %v, want level %s", reason, line, level)
		}
	}
}

func TestPanicAfterReply(t *testing.T) {
	s := newServer(t, func(c *api.Config) {
		c.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half of it"))
			panic("x")
		})
	})
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("got %v, want the connection broken off (http.ErrAbortHandler)", v)
		}
	}()
	s.plain("GET", "/metrics", "")
	t.Error("half a reply looks like a whole one")
}

func (s *server) lastLine(t *testing.T) map[string]any {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace(s.log.Bytes()), []byte("\n"))
	var line map[string]any
	if err := json.Unmarshal(lines[len(lines)-1], &line); err != nil {
		t.Fatalf("log line %q: %v", lines[len(lines)-1], err)
	}
	return line
}

func TestAccessLog(t *testing.T) {
	s := newServer(t)
	erp := s.client(t, "erp")
	s.log.Reset()
	s.do(t, "PUT", "/api/v1/devices/"+modem, erp.token, `{"city": "in-the-body", "cwmp_auth": {"username": "u", "password": "in-the-body"}}`)
	s.do(t, "GET", "/api/v1/devices?search=in-the-query", erp.token, "")
	if n := bytes.Count(s.log.Bytes(), []byte("\n")); n != 2 {
		t.Errorf("got %d lines, want one for each request: %s", n, s.log)
	}
	for _, secret := range []string{"in-the-body", "in-the-query", erp.token} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %q: %s", secret, s.log)
		}
	}
	line := s.lastLine(t)
	for key, want := range map[string]any{
		"method": "GET", "path": "/api/v1/devices", "route": "/api/v1/devices", "status": 200.0, "client": erp.id, "msg": "request", "remote": "192.0.2.1",
	} {
		if line[key] != want {
			t.Errorf("log %s: got %v, want %v", key, line[key], want)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	s := newServer(t)
	for given, kept := range map[string]bool{
		"abc-123_x.y:z": true, strings.Repeat("a", 64): true, "": false, strings.Repeat("a", 65): false, "a b": false, "a\nb": false, "é": false, "<x>": false,
	} {
		got := s.do(t, "GET", "/healthz", "", "", "X-Request-Id", given).header.Get("X-Request-Id")
		if (got == given) != kept || got == "" {
			t.Errorf("X-Request-Id %q: got %q back, want it kept: %v", given, got, kept)
		}
	}
	s.do(t, "GET", "/healthz", "", "", "X-Request-Id", "log-me")
	if s.lastLine(t)["request_id"] != "log-me" {
		t.Errorf("log: got %v, want the request id", s.lastLine(t))
	}
}

func TestPathsAndMethods(t *testing.T) {
	s := newServer(t)
	s.device(t, modem, "RTR-42")
	for _, path := range []string{"/", "/api", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/protocols/x/y", "/api/v1/webhooks/x/y/z", "/api//v1/devices", "/healthz/x", "/%zz"} {
		if path == "/%zz" {
			continue // net/http does not let it in
		}
		s.do(t, "GET", path, s.admin, "").problem(t, 404, wire.CodeNotFound)
		s.do(t, "GET", path, "", "").problem(t, 404, wire.CodeNotFound)
	}
	for path, method := range map[string]string{
		"/api/v1/protocols": "POST", "/api/v1/protocols/x": "DELETE", "/api/v1/clients/x/tokens": "GET", "/healthz": "POST", "/api/v1/devices": "PATCH",
		"/api/v1/devices/" + modem: "DELETE", "/api/v1/webhooks": "TRACE", "/api/v1/deliveries": "BREW",
	} {
		r := s.do(t, method, path, s.admin, "")
		r.problem(t, 405, wire.CodeMethodNotAllowed)
		allow := strings.Split(r.header.Get("Allow"), ", ")
		if !slices.Contains(allow, "GET") && !slices.Contains(allow, "POST") || slices.Contains(allow, "GET") != slices.Contains(allow, "HEAD") {
			t.Errorf("%s %s: Allow is %q, want HEAD where GET is", method, path, allow)
		}
	}
	for path, want := range map[string]bool{"/api/v1/devices": true, "/api/v1/devices/reboot": false} {
		r := s.do(t, "OPTIONS", path, s.admin, "")
		if allow := r.header.Get("Allow"); r.code != 204 || strings.Contains(allow, "HEAD") != want {
			t.Errorf("OPTIONS %s: got %d, Allow %q; want 204, HEAD %v", path, r.code, allow, want)
		}
	}
	// A trailing slash does not matter, for POST neither.
	as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot/", s.admin, `{"router_id": "RTR-42"}`), 202)
	as[wire.Device](t, s.do(t, "GET", "/api/v1/devices/"+modem+"/", s.admin, ""), 200)
	as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices/?limit=1", s.admin, ""), 200)
	as[wire.Health](t, s.do(t, "GET", "/healthz/", "", ""), 200)
	// Letters may come percent-encoded, with a trailing slash too; an encoded slash is part of a name.
	for _, path := range []string{"/api/v1/devices/%32%302BC1-BM632w-000001", "/api/v1/devices/%32%302BC1-BM632w-000001/"} {
		if r := s.plain("GET", path, s.admin); r.code != 200 {
			t.Errorf("%s: got %d, want 200", path, r.code)
		}
	}
	if r := s.plain("GET", "/api/v1/devices/"+modem+"%2F", s.admin); r.code != 404 {
		t.Errorf("an encoded slash: got %d, want 404", r.code)
	}
}

func TestOpenRoutes(t *testing.T) {
	ready := errors.New("bolt: disk is full at /secret/place")
	s := newServer(t, func(c *api.Config) { c.Ready = func(context.Context) error { return ready } })
	r := s.do(t, "GET", "/readyz", "", "")
	r.problem(t, 503, wire.CodeUnavailable)
	if r.header.Get("Retry-After") == "" || strings.Contains(string(r.body), "secret") {
		t.Errorf("not ready: got %v %s", r.header, r.body)
	}
	if got := s.lastLine(t)["error"]; got != "not ready: bolt: disk is full at /secret/place" {
		t.Errorf("log: got %v, want the reason", got)
	}
	ready = nil
	as[wire.Health](t, s.do(t, "GET", "/readyz", "", ""), 200)
	if r := s.do(t, "GET", "/metrics", "", ""); r.code != 200 || !strings.Contains(string(r.body), "recado_up 1") {
		t.Errorf("metrics: got %d %s", r.code, r.body)
	}
	if r := s.do(t, "GET", "/api/v1/openapi.yaml", "", ""); r.code != 200 || !strings.HasPrefix(string(r.body), "openapi: 3.1.0") {
		t.Errorf("openapi.yaml: got %d %.40s", r.code, r.body)
	}
}

func TestHeaders(t *testing.T) {
	s := newServer(t)
	for _, path := range []string{"/healthz", "/nothing", "/api/v1/devices"} {
		h := s.do(t, "GET", path, s.admin, "").header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, h.Get(name), want)
			}
		}
	}
}

func TestHead(t *testing.T) {
	s := newServer(t)
	web := httptest.NewServer(s.api)
	defer web.Close()
	defer web.Client().CloseIdleConnections()
	r, err := web.Client().Head(web.URL + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: got %d %s", r.StatusCode, r.Header.Get("Content-Type"))
	}
}

func TestConfig(t *testing.T) {
	if _, err := api.New(api.Config{}); err == nil || err.Error() != "api: Config.Actions is missing" {
		t.Errorf("empty config: got %v", err)
	}
	h := newServer(t).api.HTTPServer()
	if h.ReadTimeout != 30*time.Second || h.WriteTimeout <= wire.MaxWaitSeconds*time.Second || h.MaxHeaderBytes != 64<<10 || h.IdleTimeout == 0 {
		t.Errorf("limits: got read %v, write %v, headers %d, idle %v", h.ReadTimeout, h.WriteTimeout, h.MaxHeaderBytes, h.IdleTimeout)
	}
}

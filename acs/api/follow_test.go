package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs/wire"
)

// pipes is a listener in memory: real sockets do not work in a bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	p.conns <- far
	return near, nil
}

// overPipes runs the API's own http.Server, with its limits, and gives a client of it.
func overPipes(t *testing.T, s *server) *http.Client {
	t.Helper()
	p := &pipes{make(chan net.Conn), make(chan struct{})}
	srv := s.api.HTTPServer()
	done := make(chan error, 1)
	go func() { done <- srv.Serve(p) }()
	c := &http.Client{Transport: &http.Transport{DialContext: p.dial}}
	t.Cleanup(func() {
		c.CloseIdleConnections()
		_ = srv.Close()
		if err := <-done; err != http.ErrServerClosed { //nolint:errorlint // Serve returns it bare
			t.Errorf("serve: got %v", err)
		}
	})
	return c
}

func get(t *testing.T, c *http.Client, token, path, seen string) (*http.Response, wire.Protocol) {
	t.Helper()
	r, err := http.NewRequest("GET", "http://recado"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if seen != "" {
		r.Header.Set("If-None-Match", seen)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	var p wire.Protocol
	if res.StatusCode == http.StatusOK {
		if err := json.Unmarshal(b, &p); err != nil {
			t.Fatalf("GET %s: %s: %v", path, b, err)
		}
	}
	return res, p
}

func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.device(t, modem, "RTR-42")
		web := overPipes(t, s)
		receipt := as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "RTR-42"}`), 202)

		start := time.Now()
		res, p := get(t, web, s.admin, receipt.StatusURL, "")
		if took := time.Since(start); took != 0 || p.Status != "pending" {
			t.Errorf("without wait: %s after %v, want pending at once", p.Status, took)
		}
		seen := res.Header.Get("ETag")

		// Nothing happens: the whole wait, which is longer than the server's limit on reading a request.
		res, _ = get(t, web, s.admin, receipt.StatusURL+"?wait=60s", "")
		if took := time.Since(start); took != time.Minute || res.StatusCode != 200 {
			t.Errorf("with wait: %d after %v, want 200 after 1m0s", res.StatusCode, took)
		}
		start = time.Now()
		res, _ = get(t, web, s.admin, receipt.StatusURL+"?wait=5", seen)
		if took := time.Since(start); took != 5*time.Second || res.StatusCode != http.StatusNotModified {
			t.Errorf("with the ETag: %d after %v, want 304 after 5s", res.StatusCode, took)
		}

		// It is cancelled after 10 s: that ends the wait.
		start = time.Now()
		go func() {
			time.Sleep(10 * time.Second)
			s.raw("POST", receipt.StatusURL+"/cancel", s.admin, "")
		}()
		res, p = get(t, web, s.admin, receipt.StatusURL+"?wait=60s", seen)
		if took := time.Since(start); took != 10*time.Second || p.Status != "cancelled" {
			t.Errorf("a change: %s after %v, want cancelled after 10s", p.Status, took)
		}
		// What is final is not waited for, and what the client has not seen neither.
		start = time.Now()
		_, p = get(t, web, s.admin, receipt.StatusURL+"?wait=60s", seen)
		final, _ := get(t, web, s.admin, receipt.StatusURL+"?wait=60s", res.Header.Get("ETag"))
		if took := time.Since(start); took != 0 || p.Status != "cancelled" || final.StatusCode != http.StatusNotModified {
			t.Errorf("final: %s and %d after %v, want cancelled and 304 at once", p.Status, final.StatusCode, took)
		}
	})
}

// TestMissedChange is a change between two calls: with the ETag of the first the second does not wait.
func TestMissedChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.device(t, modem, "RTR-42")
		receipt := as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "RTR-42"}`), 202)
		start := time.Now()
		r := s.do(t, "GET", receipt.StatusURL+"?wait=60s", s.admin, "", "If-None-Match", `W/"0"`)
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v, want an answer at once", took)
		}
		as[wire.Protocol](t, r, 200)
	})
}

// TestSlowBody is a client that stops in the middle of its body: the server's limit ends it.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		p := &pipes{make(chan net.Conn), make(chan struct{})}
		srv := s.api.HTTPServer()
		done := make(chan error, 1)
		go func() { done <- srv.Serve(p) }()
		conn, err := p.dial(context.Background(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		head := "POST /api/v1/devices/reboot HTTP/1.1\r\nHost: recado\r\nAuthorization: Bearer " + s.admin +
			"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"router_id\":"
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if took := time.Since(start); err != nil || took != 30*time.Second {
			t.Errorf("got %v after %v, want an answer after 30s", err, took)
		}
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400") || !strings.Contains(string(answer), "did not arrive whole") {
			t.Errorf("got %q, want 400", answer)
		}
		_ = conn.Close()
		_ = srv.Close()
		<-done
	})
}

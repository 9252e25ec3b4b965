package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
)

// shop gives tokens T1, T2, … for the secret "s", and takes the newest one only.
type shop struct {
	mu      sync.Mutex
	given   int
	seconds int
	status  int
	calls   []string
}

func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	if r.URL.Path == "/api/v1/token/oauth" {
		body, _ := io.ReadAll(r.Body)
		s.calls = append(s.calls, "fetch")
		switch {
		case s.status != 0:
			return answer(s.status, "<html>")
		case string(body) != "client_id=i&client_secret=s&grant_type=client_credentials":
			return answer(401, `{"error":"invalid_client","message":"no","status":401}`)
		}
		s.given++
		return answer(200, fmt.Sprintf(`{"access_token":"T%d","token_type":"Bearer","expires_in":%d}`, s.given, s.seconds))
	}
	s.calls = append(s.calls, r.Header.Get("Authorization"))
	if r.Header.Get("Authorization") != fmt.Sprintf("Bearer T%d", s.given) {
		return answer(401, `{"code":"unauthenticated","title":"Token not accepted","status":401}`)
	}
	return answer(200, `{"status":"ok"}`)
}

func (s *shop) want(t *testing.T, what string, calls ...string) {
	t.Helper()
	if got := strings.Join(s.calls, ", "); got != strings.Join(calls, ", ") {
		t.Errorf("%s: got %s, want %s", what, got, strings.Join(calls, ", "))
	}
	s.calls = nil
}

func TestClientCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{seconds: 3600}
		dial := func(secret string) *client.Client {
			c, err := client.New("http://recado.test", "unused", client.WithHTTPClient(&http.Client{Transport: s}),
				client.WithClientCredentials("i", secret))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c := dial("s")
		call := func(what string) {
			t.Helper()
			if err := c.Live(t.Context()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		call("first")
		call("second")
		s.want(t, "one token for both", "fetch", "Bearer T1", "Bearer T1")
		time.Sleep(time.Hour - time.Minute)
		call("a minute before its end")
		s.want(t, "renewed in time", "fetch", "Bearer T2")
		s.given = 7 // the token was revoked
		call("revoked")
		s.want(t, "renewed when refused", "Bearer T2", "fetch", "Bearer T8")

		var wg sync.WaitGroup
		time.Sleep(time.Hour)
		for range 20 {
			wg.Go(func() { call("at once") })
		}
		wg.Wait()
		if n := strings.Count(strings.Join(s.calls, ","), "fetch"); n != 1 {
			t.Errorf("20 calls at once: got %d tokens, want 1", n)
		}
		s.calls = nil

		if err := dial("wrong").Live(t.Context()); client.Code(err) != wire.CodeUnauthenticated || strings.Contains(err.Error(), "wrong") {
			t.Errorf("wrong secret: got %v, want %s without the secret", err, wire.CodeUnauthenticated)
		}
		s.want(t, "wrong secret", "fetch")
		s.status = 502
		var refused *client.Error
		if err := dial("s").Live(t.Context()); !errors.As(err, &refused) || refused.Problem.Status != 502 {
			t.Errorf("a proxy's answer: got %v, want 502", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := dial("s").Live(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: got %v", err)
		}
	})
}

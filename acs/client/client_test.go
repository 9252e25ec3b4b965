package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"recado/acs/client"
	"recado/acs/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// served is a transport that answers by a handler, without a socket.
type served http.HandlerFunc

func (s served) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	s(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func newClient(t testing.TB, h http.HandlerFunc) *client.Client {
	t.Helper()
	c, err := client.New("http://recado.test/at/", "tok", client.WithHTTPClient(&http.Client{Transport: served(h)}), client.WithUserAgent("erp/1"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNew(t *testing.T) {
	for _, bad := range []string{"", "recado", "ftp://x", "http://", "http://u:p@x", "http://x?y=1", "http://x#y", "http://%zz"} {
		if _, err := client.New(bad, ""); err == nil {
			t.Errorf("%q: got no error", bad)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: the error shows the user: %v", bad, err)
		}
	}
}

func TestRequest(t *testing.T) {
	var got *http.Request
	var body string
	c := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"protocolo": "p", "webhooks": 2, "newer_field": 1}`)
	})
	r, err := c.Reboot(context.Background(), wire.RebootRequest{RouterID: "R 1"}, client.IdempotencyKey("k"))
	if err != nil || r.Protocolo != "p" || r.Webhooks != 2 {
		t.Fatalf("got %+v, %v", r, err)
	}
	if got.Method != "POST" || got.URL.Path != "/at/api/v1/devices/reboot" || body != `{"router_id":"R 1"}` {
		t.Errorf("got %s %s %s", got.Method, got.URL, body)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer tok", "Content-Type": "application/json", "Idempotency-Key": "k", "User-Agent": "erp/1",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if _, err := c.Device(context.Background(), "00259E-A%2DB-1"); err != nil || got.URL.EscapedPath() != "/at/api/v1/devices/00259E-A%252DB-1" {
		t.Errorf("got %s, %v", got.URL.EscapedPath(), err)
	}
	if _, err := c.Devices(context.Background(), client.DeviceFilter{Search: "a&b", Tags: []string{"x", "y"}, Page: client.Page{Limit: 7}}); err != nil ||
		got.URL.RawQuery != "limit=7&search=a%26b&tags=x%2Cy" {
		t.Errorf("got %s, %v", got.URL.RawQuery, err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		status     int
		body       string
		code, text string
	}{
		{409, `{"code": "device_ambiguous", "title": "T", "detail": "two", "field": "router_id", "candidates": ["a", "b"]}`, "device_ambiguous", "router_id: two: a, b (device_ambiguous)"},
		{500, `{"code": "internal", "title": "Internal error"}`, "internal", "Internal error (internal)"},
		{502, `<html>`, "", "HTTP 502: Bad Gateway"},
		{404, `{}`, "", "HTTP 404: Not Found"},
		{302, ``, "", "HTTP 302: Found"},
	} {
		cl := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		_, err := cl.Protocol(context.Background(), "p")
		e := (*client.Error)(nil)
		if !errors.As(err, &e) || e.Problem.Status != c.status || client.Code(err) != c.code || err.Error() != c.text {
			t.Errorf("%d %s: got %v, code %q; want %q", c.status, c.body, err, client.Code(err), c.text)
		}
	}
	cl := newClient(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"protocolo": 1}`) })
	if _, err := cl.Protocol(context.Background(), "p"); err == nil || client.Code(err) != "" {
		t.Errorf("a reply that does not fit: got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := cl.Devices(ctx, client.DeviceFilter{Search: "in-the-query"})
	if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "in-the-query") {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestAll(t *testing.T) {
	pages := func(_ context.Context, p client.Page) (wire.List[int], error) {
		from, next := len(p.Cursor), p.Cursor+strings.Repeat("x", min(2, p.Limit))
		l := wire.List[int]{}
		for i := from; i < min(len(next), 5); i++ {
			l.Items = append(l.Items, i)
		}
		if len(next) < 5 {
			l.NextCursor = &next
		}
		return l, nil
	}
	for limit, want := range map[int]int{0: 5, 3: 3, 1: 1, 9: 5} {
		if got, err := client.All(context.Background(), limit, pages); err != nil || len(got) != want {
			t.Errorf("limit %d: got %v, %v; want %d items", limit, got, err, want)
		}
	}
}

// script answers polls one after another, and notes when they came.
type script struct {
	start   time.Time
	polls   []string
	answers []func(w http.ResponseWriter, r *http.Request)
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.polls = append(s.polls, time.Since(s.start).String()+" "+r.URL.RawQuery+" "+r.Header.Get("If-None-Match"))
	next := s.answers[0]
	s.answers = s.answers[1:]
	next(w, r)
}

func state(after time.Duration, etag, status, stage string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(after)
		w.Header().Set("ETag", etag)
		_, _ = io.WriteString(w, `{"protocolo": "p", "status": "`+status+`", "stage": "`+stage+`"}`)
	}
}

func fails(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), answers: []func(http.ResponseWriter, *http.Request){
			state(0, "1", "pending", "queued"),
			func(w http.ResponseWriter, _ *http.Request) { time.Sleep(30 * time.Second); w.WriteHeader(304) },
			state(5*time.Second, "2", "pending", "sent"),
			fails(502, "<html>"),
			fails(503, `{"code": "unavailable", "retry_after_seconds": 5}`),
			fails(429, `{"code": "rate_limited", "retry_after_seconds": 1}`),
			state(time.Second, "3", "success", "accepted"),
		}}
		var heard []string
		p, err := newClient(t, s.ServeHTTP).Wait(context.Background(), "p", func(p wire.Protocol) { heard = append(heard, p.Stage) })
		if err != nil || p.Status != "success" {
			t.Fatalf("got %+v, %v", p, err)
		}
		if got := strings.Join(heard, " "); got != "queued sent accepted" {
			t.Errorf("heard %s, want queued sent accepted", got)
		}
		want := "0s  \n0s wait=30s 1\n30s wait=30s 1\n35s wait=30s 2\n36s wait=30s 2\n41s wait=30s 2\n51s wait=30s 2"
		if got := strings.Join(s.polls, "\n"); got != want {
			t.Errorf("polls: got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{start: time.Now(), answers: []func(http.ResponseWriter, *http.Request){fails(404, `{"code": "not_found"}`)}}
		if _, err := newClient(t, s.ServeHTTP).Wait(context.Background(), "p", nil); client.Code(err) != wire.CodeNotFound {
			t.Errorf("a refusal: got %v, want not_found at once", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
		defer cancel()
		c := newClient(t, fails(502, ""))
		start := time.Now()
		_, err := c.Wait(ctx, "p", nil)
		if took := time.Since(start); took != 100*time.Second || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "502") {
			t.Errorf("a dead server: got %v after %v, want the deadline and the trouble after 1m40s", err, took)
		}
	})
}

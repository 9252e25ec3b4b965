package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"recado/webhook"
)

func mustVerifier(t *testing.T, c webhook.VerifierConfig) *webhook.Verifier {
	t.Helper()
	v, err := webhook.NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// signedPost is a request as Recado makes it.
func signedPost(s webhook.Secret, id, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(body))
	webhook.Sign(r.Header, id, time.Now(), []byte(body), s)
	r.Header.Set(webhook.HeaderAttempt, "2")
	return r
}

func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestVerifierHandler(t *testing.T) {
	s, old, other := webhook.NewSecret(), mustSecret(t, ownText), webhook.NewSecret()
	v := mustVerifier(t, webhook.VerifierConfig{Secrets: []string{s.Text(), old.Standard()}, MaxBody: 100})
	var got []webhook.Message
	fail := false
	h := v.Handler(func(_ context.Context, m webhook.Message) error {
		if fail {
			return errors.New("no disk")
		}
		got = append(got, m)
		return nil
	})
	const body = "{ \"a\": 1 }\n"
	edit := func(id string, f func(r *http.Request)) *http.Request {
		r := signedPost(s, id, body)
		f(r)
		return r
	}
	for _, c := range []struct {
		name string
		r    *http.Request
		want int
		take bool
	}{
		{"right", signedPost(s, "evt_1", body), 204, true},
		{"the same event again", signedPost(s, "evt_1", body), 204, false},
		{"by the old secret", signedPost(old, "evt_2", body), 204, true},
		{"by a stranger", signedPost(other, "evt_3", body), 401, false},
		{"by a stranger, a known event", signedPost(other, "evt_1", body), 401, false},
		{"another id", edit("evt_4", func(r *http.Request) { r.Header.Set("webhook-id", "evt_5") }), 401, false},
		{"no headers", edit("evt_4", func(r *http.Request) { r.Header = http.Header{} }), 401, false},
		{"two ids", edit("evt_4", func(r *http.Request) { r.Header.Add("webhook-id", "evt_4") }), 401, false},
		{"GET", edit("evt_4", func(r *http.Request) { r.Method = http.MethodGet }), 405, false},
		{"too long", signedPost(s, "evt_4", strings.Repeat("x", 101)), 413, false},
		{"as long as may be", signedPost(s, "evt_6", strings.Repeat("x", 100)), 204, true},
		{"empty", signedPost(s, "evt_7", ""), 204, true},
		{"broken off", edit("evt_4", func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) }), 400, false},
	} {
		before := len(got)
		if w := answer(h, c.r); w.Code != c.want {
			t.Errorf("%s: got %d, want %d", c.name, w.Code, c.want)
		}
		if took := len(got) > before; took != c.take {
			t.Errorf("%s: taken %v, want %v", c.name, took, c.take)
		}
	}
	if m := got[0]; m.ID != "evt_1" || m.Attempt != "2" || string(m.Body) != body {
		t.Errorf("message: got %+v", m)
	}
	// What was not taken comes again.
	fail = true
	if w := answer(h, signedPost(s, "evt_8", body)); w.Code != 503 {
		t.Errorf("an error of take: got %d, want 503", w.Code)
	}
	fail = false
	if w := answer(h, signedPost(s, "evt_8", body)); w.Code != 204 || got[len(got)-1].ID != "evt_8" {
		t.Errorf("after it: got %d, last %s, want 204 and evt_8", w.Code, got[len(got)-1].ID)
	}
}

func TestVerifierClock(t *testing.T) {
	s := webhook.NewSecret()
	v := mustVerifier(t, webhook.VerifierConfig{Secrets: []string{webhook.NewSecret().Text(), s.Text()}})
	now := time.Unix(1_800_000_000, 0)
	for offset, want := range map[time.Duration]error{
		300 * time.Second: nil, -300 * time.Second: nil, 301 * time.Second: webhook.ErrTimestampTooNew, -301 * time.Second: webhook.ErrTimestampTooOld,
	} {
		h := http.Header{}
		webhook.Sign(h, "evt_1", now.Add(offset), nil, s)
		if _, err := v.Verify(h, nil, now); !errors.Is(err, want) {
			t.Errorf("%v: got %v, want %v", offset, err, want)
		}
	}
}

func TestVerifierBodySignature(t *testing.T) {
	s := mustSecret(t, ownText)
	v := mustVerifier(t, webhook.VerifierConfig{Secrets: []string{webhook.NewSecret().Text(), ownText}, BodySignatureHeader: "X-Signature"})
	taken := ""
	h := v.Handler(func(_ context.Context, m webhook.Message) error { taken += m.ID + " "; return nil })
	post := func(body, signature string) int {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("webhook-id", fmt.Sprint("evt_forged", time.Now().UnixNano())) // not covered, so it must not count
		r.Header.Set("X-Signature", signature)
		return answer(h, r).Code
	}
	const body = `{"event_id":"evt_1"}`
	right := s.BodySignature([]byte(body))
	for i, c := range []struct {
		body, signature string
		want            int
	}{
		{body, right, 204},
		{body, right, 204}, // recorded and sent again
		{`{"event_id":"evt_2"}`, right, 401},
		{body, "", 401},
		{body, strings.TrimPrefix(right, "sha256="), 401},
		{`{"id":"evt_3"}`, s.BodySignature([]byte(`{"id":"evt_3"}`)), 401},
	} {
		if got := post(c.body, c.signature); got != c.want {
			t.Errorf("%d: got %d, want %d", i, got, c.want)
		}
	}
	if taken != "evt_1 " {
		t.Errorf("taken: got %q, want evt_1 once", taken)
	}
}

// The memory is bounded, and forgets the oldest first.
func TestVerifierRemembers(t *testing.T) {
	s := webhook.NewSecret()
	v := mustVerifier(t, webhook.VerifierConfig{Secrets: []string{s.Text()}, Remember: 3})
	var taken []string
	h := v.Handler(func(_ context.Context, m webhook.Message) error { taken = append(taken, m.ID); return nil })
	for _, id := range strings.Fields("a b c a d b a c d a") {
		if w := answer(h, signedPost(s, id, "{}")); w.Code != 204 {
			t.Fatalf("%s: got %d, want 204", id, w.Code)
		}
	}
	// d pushes a out; then a pushes b out; c and d are known still.
	if got, want := strings.Join(taken, " "), "a b c d a"; got != want {
		t.Errorf("taken: got %s, want %s", got, want)
	}
}

func TestVerifierMiddleware(t *testing.T) {
	s := webhook.NewSecret()
	v := mustVerifier(t, webhook.VerifierConfig{Secrets: []string{s.Text()}})
	status := 0
	body := ""
	h := v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		m, ok := webhook.MessageOf(r.Context())
		if err != nil || !ok || string(b) != string(m.Body) || r.ContentLength != int64(len(b)) {
			t.Errorf("got body %q, message %+v, %v, %v", b, m, ok, err)
		}
		body = string(b)
		if status == -1 {
			panic(http.ErrAbortHandler)
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		fmt.Fprint(w, "x")
	}))
	post := func() int { return answer(h, signedPost(s, "evt_1", "body")).Code }
	for _, c := range []struct{ status, want int }{{500, 500}, {302, 302}, {202, 202}, {500, 204}} {
		status, body = c.status, ""
		if got := post(); got != c.want {
			t.Errorf("next answers %d: got %d, want %d", c.status, got, c.want)
		}
		if asked := body != ""; asked != (c.want != 204) {
			t.Errorf("next answers %d: asked %v", c.status, asked)
		}
	}
	// A panic leaves nothing behind.
	status = -1
	func() {
		defer func() { _ = recover() }()
		answer(h, signedPost(s, "evt_2", "body"))
	}()
	status = 0
	if got := answer(h, signedPost(s, "evt_2", "body")).Code; got != 200 {
		t.Errorf("after a panic: got %d, want 200", got)
	}
	if _, ok := webhook.MessageOf(t.Context()); ok {
		t.Error("MessageOf another context: got one")
	}
}

func TestVerifierConcurrentRepetition(t *testing.T) {
	s := webhook.NewSecret()
	v := mustVerifier(t, webhook.VerifierConfig{Secrets: []string{s.Text()}})
	entered, leave := make(chan struct{}), make(chan struct{})
	h := v.Handler(func(context.Context, webhook.Message) error { close(entered); <-leave; return nil })
	var wg sync.WaitGroup
	wg.Go(func() {
		if w := answer(h, signedPost(s, "evt_1", "{}")); w.Code != 204 {
			t.Errorf("the first: got %d, want 204", w.Code)
		}
	})
	<-entered
	if w := answer(h, signedPost(s, "evt_1", "{}")); w.Code != 409 {
		t.Errorf("the same event meanwhile: got %d, want 409", w.Code)
	}
	close(leave)
	wg.Wait()
	if w := answer(h, signedPost(s, "evt_1", "{}")); w.Code != 204 {
		t.Errorf("after it: got %d, want 204", w.Code)
	}
}

func TestNewVerifierRefuses(t *testing.T) {
	for _, c := range []webhook.VerifierConfig{
		{},
		{Secrets: []string{"short"}},
		{Secrets: []string{ownText, "whsec_***"}},
		{Secrets: []string{"whsec_c2l4dGVlbiBsZXR0ZXJzIQ=="}, BodySignatureHeader: "X-Signature"}, // the standard form of an own text is not its text
	} {
		if _, err := webhook.NewVerifier(c); !errors.Is(err, webhook.ErrSecret) {
			t.Errorf("%d secrets: got %v, want ErrSecret", len(c.Secrets), err)
		}
	}
}

// A receiver for net/http: what verifies is handed on once, and answered 204 when it is stored.
func ExampleVerifier() {
	v, err := webhook.NewVerifier(webhook.VerifierConfig{
		Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, // by the environment, or a file; both during a change
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver := httptest.NewServer(v.Handler(func(_ context.Context, m webhook.Message) error {
		fmt.Printf("%s: %s\n", m.ID, m.Body) // store it here; an error makes Recado try again
		return nil
	}))
	defer receiver.Close()

	secret, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 { // the second one is a repetition
		body := `{"type":"webhook.test"}`
		req, err := http.NewRequest(http.MethodPost, receiver.URL, strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		webhook.Sign(req.Header, "evt_1", time.Now(), []byte(body), secret)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	// Output:
	// evt_1: {"type":"webhook.test"}
	// 204
	// 204
}

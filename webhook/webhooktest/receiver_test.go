package webhooktest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/webhook"
	"recado/webhook/webhooktest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// serve serves r on l until the test ends, and returns a client for it.
func serve(t *testing.T, r *webhooktest.Receiver, l net.Listener) *http.Client {
	t.Helper()
	tr := &http.Transport{}
	if p, ok := l.(*webhooktest.Pipe); ok {
		tr.DialContext = p.DialContext
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return &http.Client{Transport: tr}
}

func post(ctx context.Context, t *testing.T, c *http.Client, url, id string, edit func(http.Header)) (*http.Response, error) {
	t.Helper()
	body := []byte(`{"a":1}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	s, err := webhook.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	webhook.Sign(req.Header, id, time.Now(), body, s)
	req.Header.Set("X-Sig", s.BodySignature(body))
	req.Header.Set("Recado-Attempt", "3")
	if edit != nil {
		edit(req.Header)
	}
	return c.Do(req)
}

func wantStatus(t *testing.T, resp *http.Response, err error, want int) {
	t.Helper()
	if err != nil {
		t.Errorf("got %v, want status %d", err, want)
		return
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("body: %v", err)
	}
	if resp.StatusCode != want {
		t.Errorf("got status %d, want %d", resp.StatusCode, want)
	}
}

func TestReceiverOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hooked := make(chan string, 5)
	r := &webhooktest.Receiver{
		Secrets: []string{"another secret of the client", secret}, BodyHeader: "X-Sig",
		OnArrival: func(a webhooktest.Arrival) { hooked <- a.ID },
	}
	r.Script(webhooktest.Answer(500, "no"), webhooktest.RetryAfter(429, "7"), webhooktest.Reset())
	c := serve(t, r, l)
	url := "http://" + l.Addr().String() + "/hook?x=1"
	resp, err := post(t.Context(), t, c, url, "evt_1", nil)
	wantStatus(t, resp, err, 500)
	resp, err = post(t.Context(), t, c, url, "evt_1", nil)
	wantStatus(t, resp, err, 429)
	if got := resp.Header.Get("Retry-After"); got != "7" {
		t.Errorf("got Retry-After %q, want 7", got)
	}
	if _, err := post(t.Context(), t, c, url, "evt_2", nil); err == nil { //nolint:bodyclose // there is none
		t.Error("got an answer, want a reset")
	}
	resp, err = post(t.Context(), t, c, url, "evt_3", func(h http.Header) { h.Set("webhook-id", "evt_4") })
	wantStatus(t, resp, err, 204)
	resp, err = post(t.Context(), t, c, url, "evt_5", func(h http.Header) { h.Set("X-Sig", "sha256=00"); h.Del("Recado-Attempt") })
	wantStatus(t, resp, err, 204)
	got, err := r.Wait(t.Context(), 5)
	if err != nil || len(got) != 5 || r.Total() != 5 {
		t.Fatalf("got %d of %d, %v; want 5 of 5", len(got), r.Total(), err)
	}
	for i, want := range []struct {
		id              string
		attempt         int
		verified, again bool
	}{
		{"evt_1", 3, true, false},
		{"evt_1", 3, true, true},
		{"evt_2", 3, true, false},
		{"evt_4", 3, false, false},
		{"evt_5", 0, false, false},
	} {
		a := got[i]
		if a.ID != want.id || a.Attempt != want.attempt || a.Verified() != want.verified || a.Duplicate != want.again {
			t.Errorf("arrival %d: got %s, attempt %d, verified %v (%v, %v), duplicate %v; want %+v",
				i, a.ID, a.Attempt, a.Verified(), a.Err, a.BodyErr, a.Duplicate, want)
		}
		if a.Path != "/hook" || a.Method != http.MethodPost || string(a.Body) != `{"a":1}` {
			t.Errorf("arrival %d: got %s %s %s", i, a.Method, a.Path, a.Body)
		}
		if id := <-hooked; id != a.ID {
			t.Errorf("arrival %d: the hook got %s, want %s", i, id, a.ID)
		}
	}
	if !errors.Is(got[3].Err, webhook.ErrSignatureMismatch) || got[3].BodyErr != nil {
		t.Errorf("another id: got %v and %v, want the standard signature alone to fail", got[3].Err, got[3].BodyErr)
	}
	if got[4].Err != nil || !errors.Is(got[4].BodyErr, webhook.ErrSignatureMismatch) {
		t.Errorf("another body signature: got %v and %v, want it alone to fail", got[4].Err, got[4].BodyErr)
	}
}

func TestRefuseUnverified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &webhooktest.Receiver{RefuseUnverified: true}
		r.Script(webhooktest.Status(202))
		c := serve(t, r, webhooktest.NewPipe())
		resp, err := post(t.Context(), t, c, "http://h/", "evt_1", nil)
		wantStatus(t, resp, err, 401)
		r.SetSecrets(secret)
		resp, err = post(t.Context(), t, c, "http://h/", "evt_1", nil)
		wantStatus(t, resp, err, 202)
	})
}

func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong := errors.New("wrong")
		r := &webhooktest.Receiver{Secrets: []string{secret}, Check: func(eventType string, body []byte) error {
			if eventType == "a.b" && string(body) == `{"type":"a.b"}` {
				return nil
			}
			return wrong
		}}
		c := serve(t, r, webhooktest.NewPipe())
		for _, body := range []string{`{"type":"a.b"}`, `{"type":"a.c"}`, `{"type":7}`, ""} {
			resp, err := c.Post("http://h/", "application/json", strings.NewReader(body))
			wantStatus(t, resp, err, 204)
		}
		got := r.Arrivals()
		for i, want := range []error{nil, wrong, wrong, wrong} {
			if got[i].CheckErr != want {
				t.Errorf("body %s: got %v, want %v", got[i].Body, got[i].CheckErr, want)
			}
		}
		r.RefuseUnverified = true
		resp, err := c.Post("http://h/", "application/json", strings.NewReader("{}"))
		wantStatus(t, resp, err, 401)
		if got := r.Arrivals()[4]; got.CheckErr != nil {
			t.Errorf("a body that is refused: got %v, want it unchecked", got.CheckErr)
		}
	})
}

func TestKeepIsBounded(t *testing.T) {
	r := &webhooktest.Receiver{Secrets: []string{secret}, Keep: 2, MaxBody: 8}
	c := serve(t, r, webhooktest.NewPipe())
	for i := range 5 {
		resp, err := post(t.Context(), t, c, "http://h/", "evt_"+strconv.Itoa(i%3), nil)
		wantStatus(t, resp, err, 204)
	}
	got := r.Arrivals()
	if len(got) != 2 || r.Total() != 5 || got[0].ID != "evt_0" || got[1].ID != "evt_1" {
		t.Errorf("got %d of %d, want the last 2 of 5", len(got), r.Total())
	}
	if got[0].Duplicate {
		t.Error("got a duplicate of what is no longer kept")
	}
	resp, err := c.Post("http://h/", "text/plain", strings.NewReader("more than 8 bytes"))
	wantStatus(t, resp, err, 413)
	if r.Total() != 5 {
		t.Errorf("got %d, want what is too large not to count", r.Total())
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r webhooktest.Receiver
		c := serve(t, &r, webhooktest.NewPipe())
		resp, err := post(t.Context(), t, c, "http://h/", "evt_1", nil)
		wantStatus(t, resp, err, 204)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, err := r.Wait(ctx, 2)
		if !errors.Is(err, context.DeadlineExceeded) || len(got) != 1 {
			t.Errorf("got %d, %v; want 1 and the context's error", len(got), err)
		}
	})
}

func TestWaitWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r webhooktest.Receiver
		c := serve(t, &r, webhooktest.NewPipe())
		for i := range 3 {
			go func() {
				time.Sleep(time.Duration(i+1) * time.Minute)
				resp, err := post(t.Context(), t, c, "http://h/", "evt_1", nil)
				wantStatus(t, resp, err, 204)
			}()
		}
		start := time.Now()
		if _, err := r.Wait(t.Context(), 3); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 3*time.Minute {
			t.Errorf("got all after %v, want 3m0s", took)
		}
		synctest.Wait()
	})
}

// Hanging answers end when the sender gives up, and when the receiver stops.
func TestHangsEnd(t *testing.T) {
	for name, do := range map[string]webhooktest.Behaviour{
		"hang": webhooktest.Hang(), "drip": webhooktest.Drip(200, time.Second), "drip of the head": webhooktest.DripHead(time.Second),
		"delay": webhooktest.Delay(time.Hour, webhooktest.Status(200)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &webhooktest.Receiver{Default: do}
				c := serve(t, r, webhooktest.NewPipe())
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				start := time.Now()
				resp, err := post(ctx, t, c, "http://h/", "evt_1", nil)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 10*time.Second {
					t.Errorf("got %v after %v, want the deadline after 10s", err, time.Since(start))
				}
				// One more is under way when the receiver stops; the bubble ends only if it ends.
				go func() {
					resp, err := post(t.Context(), t, c, "http://h/", "evt_2", nil)
					if err == nil {
						resp.Body.Close()
					}
				}()
				synctest.Wait()
			})
		})
	}
}

func TestPipe(t *testing.T) {
	p := webhooktest.NewPipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.DialContext(ctx, "tcp", "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("dial without a listener's Accept: got %v, want %v", err, context.Canceled)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Errorf("Close twice: %v", err)
	}
	if _, err := p.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept after Close: got %v, want %v", err, net.ErrClosed)
	}
	_, err := p.DialContext(t.Context(), "tcp", "x")
	if class, _ := webhook.Classify(err); class != webhook.ErrorConnect {
		t.Errorf("dial after Close: got %v of class %s, want %s", err, class, webhook.ErrorConnect)
	}
}

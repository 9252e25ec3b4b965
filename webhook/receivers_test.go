package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"recado/webhook"
	"recado/webhook/webhooktest"
)

// What receivers do, what class it gets, how long the attempt takes and when the next one is.
func TestReceiverBehaviours(t *testing.T) {
	type want struct {
		class    webhook.ErrorClass
		status   int
		state    webhook.DeliveryState
		duration time.Duration
		wait     time.Duration // exact, or 0 for the schedule's 4 to 6 s
		response string        // the beginning
		length   int           // of the response
	}
	pending, delivered := webhook.DeliveryPending, webhook.DeliveryDelivered
	for _, c := range []struct {
		name string
		do   webhooktest.Behaviour
		want want
	}{
		{"200", webhooktest.Answer(200, "thanks"), want{status: 200, state: delivered, response: "thanks", length: 6}},
		{"204", webhooktest.Status(204), want{status: 204, state: delivered}},
		{"299", webhooktest.Status(299), want{status: 299, state: delivered}},
		{"400", webhooktest.Status(400), want{class: "status", status: 400, state: pending, response: "Bad Request", length: 11}},
		{"500", webhooktest.Answer(500, "a\x1b[2J\n\xff"), want{
			class: "status", status: 500, state: pending, response: `a\u001b[2J\n` + "\ufffd", length: 15,
		}},
		{"character at the limit", webhooktest.Answer(200, strings.Repeat("a", 4095)+"é"), want{
			status: 200, state: delivered, response: "aaa", length: 4095,
		}},
		{"escapes beyond the limit", webhooktest.Answer(200, strings.Repeat("\x00", 4000)), want{
			status: 200, state: delivered, response: `\u0000\u0000`, length: 4092,
		}},
		{"410", webhooktest.Gone(), want{class: "status", status: 410, state: webhook.DeliveryDead, response: "Gone", length: 4}},
		{"late", webhooktest.Delay(29*time.Second, webhooktest.Status(204)), want{
			status: 204, state: delivered, duration: 29 * time.Second,
		}},
		{"hang", webhooktest.Hang(), want{class: "timeout", state: pending, duration: 30 * time.Second}},
		{"drip of the head", webhooktest.DripHead(time.Second), want{class: "timeout", state: pending, duration: 30 * time.Second}},
		{"drip of a 200's body", webhooktest.Drip(200, 1100*time.Millisecond), want{
			status: 200, state: delivered, duration: 30 * time.Second, response: ".....", length: 27,
		}},
		{"drip of a 500's body", webhooktest.Drip(500, 1100*time.Millisecond), want{
			class: "status", status: 500, state: pending, duration: 30 * time.Second, response: ".....", length: 27,
		}},
		{"301", webhooktest.Redirect(301, "http://wh_2.example/"), want{class: "redirect", status: 301, state: pending}},
		{"302", webhooktest.Redirect(302, "http://wh_2.example/"), want{class: "redirect", status: 302, state: pending}},
		{"307", webhooktest.Redirect(307, "/again"), want{class: "redirect", status: 307, state: pending}},
		{"308", webhooktest.Redirect(308, "/again"), want{class: "redirect", status: 308, state: pending}},
		{"302 to nowhere", webhooktest.Redirect(302, "::"), want{class: "redirect", status: 302, state: pending}},
		{"flood of 10 MB", webhooktest.FloodBody(200, 10<<20), want{
			status: 200, state: delivered, response: "flood ", length: webhook.MaxResponseKept,
		}},
		{"flood of headers", webhooktest.FloodHeaders(1 << 20), want{class: "bad_answer", state: pending}},
		{"reset", webhooktest.Reset(), want{class: "connect", state: pending}},
		{"garbage", webhooktest.Garbage(), want{class: "bad_answer", state: pending}},
		{"cut body", webhooktest.CutBody(200, 100), want{status: 200, state: delivered, response: "ccc", length: 50}},
		{"429 with seconds", webhooktest.RetryAfter(429, "90"), want{
			class: "status", status: 429, state: pending, wait: 90 * time.Second, response: "Too Many", length: 17,
		}},
		{"503 with a date", webhooktest.RetryAfter(503, "Sat, 01 Jan 2000 01:00:00 GMT"), want{
			class: "status", status: 503, state: pending, wait: time.Hour, response: "Service", length: 19,
		}},
		{"503 for years", webhooktest.RetryAfter(503, "999999999"), want{
			class: "status", status: 503, state: pending, wait: 24 * time.Hour, response: "Service", length: 19,
		}},
		{"500 with Retry-After", webhooktest.RetryAfter(500, "60"), want{
			class: "status", status: 500, state: pending, wait: time.Minute, response: "Internal", length: 21,
		}},
		{"Retry-After sooner than the schedule", webhooktest.RetryAfter(500, "1"), want{
			class: "status", status: 500, state: pending, response: "Internal", length: 21,
		}},
		{"panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want{class: "connect", state: pending}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				r := b.receiver("wh_1", nil, c.do)
				_, ids := b.event("", "")
				b.start()
				// Recorded by then, and the next attempt not yet made.
				time.Sleep(c.want.duration + time.Second)
				if n := r.Total(); n != 1 {
					t.Errorf("got %d requests, want 1", n)
				}
				as := b.attempts(ids["wh_1"])
				if len(as) != 1 {
					t.Fatalf("got %d attempts, want 1", len(as))
				}
				a, d, w := as[0], b.delivery(ids["wh_1"]), c.want
				if a.Class != w.class || a.Status != w.status || d.State != w.state || a.Duration != w.duration {
					t.Errorf("got class %q, status %d, %s after %v (%s); want %q, %d, %s after %v",
						a.Class, a.Status, d.State, a.Duration, a.Error, w.class, w.status, w.state, w.duration)
				}
				if !strings.HasPrefix(a.Response, w.response) || len(a.Response) != w.length {
					t.Errorf("got response of %d bytes %.40q, want %d beginning with %q", len(a.Response), a.Response, w.length, w.response)
				}
				if !utf8.ValidString(a.Response) || strings.ContainsFunc(a.Response, unicode.IsControl) {
					t.Errorf("got response %q, want printable UTF-8", a.Response)
				}
				if (a.Error == "") != (a.Class == "") {
					t.Errorf("got class %q with error %q", a.Class, a.Error)
				}
				if strings.Contains(a.Error, "querysecret") || strings.Contains(a.Error, "pw@") {
					t.Errorf("the error shows the URL: %s", a.Error)
				}
				ended := a.At.Add(a.Duration)
				switch wait := d.NextAt.Sub(ended); {
				case w.state != pending:
					if !d.NextAt.IsZero() {
						t.Errorf("got next %v, want none", d.NextAt)
					}
				case w.wait > 0 && wait.Round(time.Second) != w.wait:
					t.Errorf("got next in %v, want %v", wait, w.wait)
				case w.wait == 0 && (wait < 4*time.Second || wait > 6*time.Second):
					t.Errorf("got next in %v, want 4 to 6 s", wait)
				}
			})
		})
	}
}

type doerFunc func(*http.Request) (*http.Response, error)

func (f doerFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

func TestDoersThatFail(t *testing.T) {
	for _, c := range []struct {
		name string
		doer webhook.Doer
		want webhook.ErrorClass
	}{
		{"refused by the guard", doerFunc(func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("169.254.169.254: %w", webhook.ErrRefusedAddress)
		}), webhook.ErrorRefused},
		{"no such host", doerFunc(func(*http.Request) (*http.Response, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "wh_1.example"}
		}), webhook.ErrorDNS},
		{"panic", doerFunc(func(*http.Request) (*http.Response, error) { panic("querysecret") }), webhook.ErrorInternal},
		{"panic of the runtime", doerFunc(func(*http.Request) (*http.Response, error) {
			var none []*http.Response
			return none[len(none)], nil
		}), webhook.ErrorInternal},
		{"no client", nil, webhook.ErrorInternal},
		{"no client, typed", (*http.Client)(nil), webhook.ErrorInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.endpoint("wh_1", c.doer, nil)
				other := b.receiver("wh_2", nil)
				b.start()
				_, ids := b.event("", "")
				time.Sleep(time.Second)
				as := b.attempts(ids["wh_1"])
				if len(as) != 1 || as[0].Class != c.want || as[0].Error == "" || as[0].Response != "" {
					t.Errorf("got %+v, want one attempt of class %s with a text and no response", as, c.want)
				}
				if d := b.delivery(ids["wh_1"]); d.State != webhook.DeliveryPending {
					t.Errorf("got %s, want pending", d.State)
				}
				if _, err := other.Wait(b.ctx, 1); err != nil {
					t.Errorf("the other endpoint got nothing: %v", err)
				}
				b.event("", "")
				time.Sleep(time.Second)
				if n := other.Total(); n != 2 {
					t.Errorf("afterwards the other endpoint got %d, want 2: the loop should live on", n)
				}
				if log := b.log.String(); strings.Contains(log, "querysecret") || strings.Contains(log, "169.254") {
					t.Errorf("the log shows too much:\n%s", log)
				}
			})
		})
	}
}

func TestEndpointsThatCannotBeAsked(t *testing.T) {
	for name, edit := range map[string]func(*webhook.Endpoint){
		"URL":        func(e *webhook.Endpoint) { e.URL = "http://querysecret\x7f/" },
		"secret":     func(e *webhook.Endpoint) { e.Secret = "querysecret" },
		"old secret": func(e *webhook.Endpoint) { e.OldSecret, e.OldSecretUntil = "querysecret", time.Now().Add(time.Hour) },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			r := b.receiver("wh_1", edit)
			b.start()
			_, ids := b.event("", "")
			time.Sleep(time.Second)
			as := b.attempts(ids["wh_1"])
			if len(as) != 1 || as[0].Class != webhook.ErrorInternal || strings.Contains(as[0].Error, "querysecret") {
				t.Errorf("%s: got %+v, want one internal error that does not show it", name, as)
			}
			if r.Total() != 0 {
				t.Errorf("%s: got %d requests, want none", name, r.Total())
			}
		})
	}
}

func TestTimeoutOfAnEndpoint(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{
		0: 30 * time.Second, time.Second: time.Second, 10 * time.Second: 10 * time.Second,
		time.Millisecond: time.Second, time.Hour: 30 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			b.receiver("wh_1", func(e *webhook.Endpoint) { e.Timeout = set }, webhooktest.Hang())
			_, ids := b.event("", "")
			b.start()
			time.Sleep(31 * time.Second)
			as := b.attempts(ids["wh_1"])
			if len(as) == 0 || as[0].Duration != want || as[0].Error != fmt.Sprintf("no answer within %v", want) {
				t.Errorf("timeout %v: got %+v, want an attempt of %v", set, as, want)
			}
		})
	}
}

func TestGoneEndpointHoldsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.receiver("wh_1", func(e *webhook.Endpoint) { e.Order = webhook.OrderFIFO }, webhooktest.Gone())
		b.start()
		_, first := b.event("p1", "")
		_, second := b.event("p2", "")
		time.Sleep(24 * time.Hour)
		if n := r.Total(); n != 1 {
			t.Errorf("got %d requests, want 1", n)
		}
		e, err := b.store.Endpoint(b.ctx, "wh_1")
		if err != nil || e.State != webhook.EndpointGone || e.StateReason == "" {
			t.Errorf("got %s (%s), %v; want gone with a reason", e.State, e.StateReason, err)
		}
		if got := b.delivery(first["wh_1"]).State; got != webhook.DeliveryDead {
			t.Errorf("first: got %s, want dead", got)
		}
		if got := b.delivery(second["wh_1"]).State; got != webhook.DeliveryPending {
			t.Errorf("second: got %s, want pending", got)
		}
		e.State = webhook.EndpointActive
		if _, err := b.store.UpdateEndpoint(b.ctx, e); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := b.delivery(second["wh_1"]).State; got != webhook.DeliveryDelivered {
			t.Errorf("second after coming back: got %s, want delivered", got)
		}
	})
}

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		seen := make(chan webhook.Attempt, 10)
		b.config.Observer = observerFunc(func(_ webhook.Lease, a webhook.Attempt, _ webhook.Settlement) {
			seen <- a
			panic(errors.New("an observer's own fault"))
		})
		b.receiver("wh_1", nil, webhooktest.Status(500))
		b.start()
		_, ids := b.event("", "")
		time.Sleep(10 * time.Second)
		if len(seen) != 2 {
			t.Fatalf("got %d observations, want 2", len(seen))
		}
		if a := <-seen; a.Status != 500 || a.Number != 1 {
			t.Errorf("got %+v, want attempt 1 with 500", a)
		}
		if d := b.delivery(ids["wh_1"]); d.State != webhook.DeliveryDelivered || d.Attempts != 2 {
			t.Errorf("got %s after %d, want delivered after 2", d.State, d.Attempts)
		}
	})
}

type observerFunc func(webhook.Lease, webhook.Attempt, webhook.Settlement)

func (f observerFunc) DeliveryAttempted(l webhook.Lease, a webhook.Attempt, s webhook.Settlement) {
	f(l, a, s)
}

func (observerFunc) EndpointChanged(webhook.Endpoint, webhook.EndpointState) {}

func TestRunWithoutStore(t *testing.T) {
	if err := webhook.NewDispatcher(webhook.DispatcherConfig{}).Run(context.Background()); err == nil {
		t.Error("got nil, want an error that names what is missing")
	}
}

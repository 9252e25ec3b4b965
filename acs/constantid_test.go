package acs_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

// serve puts a cwmp.Server before the engine, and returns how to reach it.
func (w *world) serve(ctx context.Context, wg *sync.WaitGroup) *cwmptest.Network {
	w.t.Helper()
	srv, err := cwmp.NewServer(cwmp.ServerConfig{Handler: w.h, Auth: cwmp.AuthNone})
	if err != nil {
		w.t.Fatal(err)
	}
	n := cwmptest.NewNetwork()
	l, err := n.Listen("acs.example:7547")
	if err != nil {
		w.t.Fatal(err)
	}
	hs := srv.HTTPServer()
	wg.Go(func() { _ = hs.Serve(l) })
	wg.Go(func() { _ = srv.Run(ctx) })
	context.AfterFunc(ctx, func() { _ = hs.Close() })
	return n
}

// inServedWorld is inWorld with the server before it.
func inServedWorld(t *testing.T, story func(w *world, n *cwmptest.Network)) {
	t.Helper()
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		ctx, cancel := context.WithCancel(w.t.Context())
		var wg sync.WaitGroup
		n := w.serve(ctx, &wg)
		story(w, n)
		cancel()
		wg.Wait()
	})
}

// A device is served whatever IDs its answers have: updates in a row, read back or not, and a reboot. Only one that gives all answers the
// first request's ID loses a session, and that once: until something has shown it, its second answer looks like its first.
func TestAnswersWithAnyID(t *testing.T) {
	for name, id := range map[string]cwmptest.IDForm{
		"proper": cwmptest.IDProper, "missing": cwmptest.IDMissing, "empty": cwmptest.IDEmpty, "constant": cwmptest.IDConstant, "first": cwmptest.IDFirst,
	} {
		t.Run(name, func(t *testing.T) {
			inServedWorld(t, func(w *world, n *cwmptest.Network) {
				t, c := w.t, w.known("1")
				actions := []acs.Action{
					w.update(c, false, ssid, "one"), w.update(c, true, ssid, "two"), w.update(c, false, ssid, "three"),
					w.update(c, false, ssid, "four"), w.reboot(c),
				}
				dev := cwmptest.New(cwmptest.Config{
					ACSURL: "http://acs.example:7547/", Net: n, DeviceID: c.id, Root: cwmptest.RootTR181, KnownToACS: true, BootDelay: time.Minute, Quirks: cwmptest.Quirks{ID: id},
				})
				ctx, cancel := context.WithCancel(t.Context())
				ran := make(chan error, 1)
				go func() { ran <- dev.Run(ctx) }()
				for range 10 {
					time.Sleep(2 * time.Minute)
					dev.Trigger(cwmp.EventPeriodic)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				unanswered := 0
				for i, a := range actions {
					unanswered += strings.Count(timeline(w.action(a)), "no_answer")
					if got := w.action(a); got.Status != acs.StatusSuccess {
						t.Errorf("action %d: got %s/%s/%q, want success\ntimeline: %s", i+1, got.Status, got.Stage, got.Reason, timeline(got))
					}
				}
				if want := map[cwmptest.IDForm]int{cwmptest.IDFirst: 1}[id]; unanswered != want {
					t.Errorf("got %d requests without an answer, want %d", unanswered, want)
				}
				if got := dev.Value(ssid); got != "four" {
					t.Errorf("SSID: got %q, want four", got)
				}
				if got := len(dev.Reboots()); got != 1 {
					t.Errorf("got %d reboots, want 1", got)
				}
				cancel()
				if err := <-ran; err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

// An answer sent once more is no word about the update that went out since, from a device whose IDs are right, and from one that has a
// constant ID and comes back over another connection.
func TestAnswerOnceMoreSettlesNoUpdate(t *testing.T) {
	for name, tc := range map[string]struct {
		id        string // "" echoes
		reconnect bool
	}{
		"echoed":                        {"", false},
		"echoed, over a new connection": {"", true},
		"constant, over a new one":      {"1", true},
	} {
		t.Run(name, func(t *testing.T) {
			inServedWorld(t, func(w *world, n *cwmptest.Network) {
				t, c := w.t, w.known("1")
				first, second := w.update(c, false, ssid, "one"), w.update(c, false, ssid, "two")
				p := &poster{t: t, transport: &http.Transport{DialContext: n.DialContext}}
				p.post("i", c.inform(periodic))
				e := p.post("", nil)
				id := e.ID
				if tc.id != "" {
					id = tc.id
				}
				done := &cwmp.SetParameterValuesResponse{}
				if e = p.post(id, done); e == nil || e.Message.Method() != "SetParameterValues" {
					t.Fatalf("second request: got %+v, want SetParameterValues", e)
				}
				w.want(first, acs.StatusSuccess, acs.StageSent, "")
				if tc.reconnect {
					p.transport.CloseIdleConnections()
				}
				if e = p.post(id, done); e != nil {
					t.Errorf("answer once more: got %s, want the session's end", e.Message.Method())
				}
				synctest.Wait()
				if got := w.action(second); got.Status.Final() || !strings.Contains(timeline(got), "no_answer") {
					t.Errorf("second update: got %s, want it open and unanswered\ntimeline: %s", got.Status, timeline(got))
				}
				p.transport.CloseIdleConnections()
			})
		})
	}
}

// poster is a device's end of a session, by hand.
type poster struct {
	t         *testing.T
	transport *http.Transport
	cookie    string
}

// post sends a message, nothing for a nil one, and reads the answer: nil for an empty one.
func (p *poster) post(id string, m cwmp.Message) *cwmp.Envelope {
	p.t.Helper()
	body := ""
	if m != nil {
		b, err := cwmp.Encode(&cwmp.Envelope{Namespace: cwmp.Namespace10, ID: id, HasID: true, Message: m}, false)
		if err != nil {
			p.t.Fatal(err)
		}
		body = string(b)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://acs.example:7547/", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if p.cookie != "" {
		r.Header.Set("Cookie", p.cookie)
	}
	res, err := p.transport.RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		p.t.Fatal(err)
	}
	if set := res.Header.Get("Set-Cookie"); set != "" {
		p.cookie, _, _ = strings.Cut(set, ";")
	}
	if res.StatusCode == http.StatusNoContent {
		return nil
	}
	e, err := cwmp.Decode(b, cwmp.DefaultLimits)
	if err != nil {
		p.t.Fatalf("status %d, body %q: %v", res.StatusCode, b, err)
	}
	return e
}

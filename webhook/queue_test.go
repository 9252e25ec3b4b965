package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/webhook"
	"recado/webhook/webhooktest"
)

func TestHungEndpointDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slow := b.receiver("wh_slow", nil)
		slow.Default = webhooktest.Hang()
		fast := b.receiver("wh_fast", nil)
		b.start()
		start := time.Now()
		for range 100 {
			b.event("", "")
		}
		time.Sleep(10 * time.Second)
		if n := slow.Total(); n != webhook.DefaultConcurrency {
			t.Errorf("got %d requests at the hung endpoint, want %d", n, webhook.DefaultConcurrency)
		}
		got := fast.Arrivals()
		if len(got) != 100 {
			t.Fatalf("got %d at the fast endpoint, want 100", len(got))
		}
		if late := got[99].At.Sub(start); late > time.Second {
			t.Errorf("the last one at the fast endpoint came after %v, want at most 1 s", late)
		}
	})
}

func TestConcurrencyOfAnEndpoint(t *testing.T) {
	for _, set := range []int{1, 7} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			r := b.receiver("wh_1", func(e *webhook.Endpoint) { e.Concurrency = set })
			r.Default = webhooktest.Delay(10*time.Second, webhooktest.Status(204))
			for range 3 * set {
				b.event("", "")
			}
			b.start()
			for round := range 3 {
				time.Sleep(time.Second)
				if n := r.Total(); n != (round+1)*set {
					t.Errorf("concurrency %d, round %d: got %d requests, want %d", set, round, n, (round+1)*set)
				}
				time.Sleep(9 * time.Second)
			}
		})
	}
}

func TestTotalConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.config.Total = 5
		var rs []*webhooktest.Receiver
		for i := range 4 {
			r := b.receiver(fmt.Sprintf("wh_%d", i), nil)
			r.Default = webhooktest.Delay(10*time.Second, webhooktest.Status(204))
			rs = append(rs, r)
		}
		total := func() (n int) {
			for _, r := range rs {
				n += r.Total()
			}
			return n
		}
		for range 5 {
			b.event("", "")
		}
		b.start()
		time.Sleep(9 * time.Second)
		if n := total(); n != 5 {
			t.Errorf("got %d requests under way, want 5", n)
		}
		time.Sleep(time.Hour)
		if n := total(); n != 20 {
			t.Errorf("got %d requests in the end, want 20", n)
		}
	})
}

func TestOrderOfAProtocolo(t *testing.T) {
	for _, order := range []webhook.Order{webhook.OrderNone, webhook.OrderDevice, webhook.OrderFIFO} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			r := b.receiver("wh_1", func(e *webhook.Endpoint) { e.Order = order },
				webhooktest.Status(500), webhooktest.Status(500), webhooktest.Hang())
			b.start()
			want := map[string][]string{}
			for i := range 12 {
				p, device := fmt.Sprintf("p%d", i%4), fmt.Sprintf("d%d", i%2)
				id, _ := b.event(p, device)
				for _, key := range map[webhook.Order][]string{
					webhook.OrderNone: {p}, webhook.OrderDevice: {p, device}, webhook.OrderFIFO: {p, device, "all"},
				}[order] {
					want[key] = append(want[key], id)
				}
			}
			time.Sleep(time.Hour)
			var arrived []string
			for _, a := range r.Arrivals() {
				// The order in which they were taken: the last arrival of an id.
				arrived = slices.DeleteFunc(arrived, func(id string) bool { return id == a.ID })
				arrived = append(arrived, a.ID)
			}
			if len(arrived) != 12 || r.Total() != 15 {
				t.Fatalf("%s: got %d events in %d requests, want 12 in 15", order, len(arrived), r.Total())
			}
			for key, ids := range want {
				got := slices.DeleteFunc(slices.Clone(arrived), func(id string) bool { return !slices.Contains(ids, id) })
				if !slices.Equal(got, ids) {
					t.Errorf("%s: of %s got %v, want %v", order, key, got, ids)
				}
			}
		})
	}
}

func TestRetryAfterHoldsTheEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		held := b.receiver("wh_held", nil, webhooktest.RetryAfter(429, "600"))
		other := b.receiver("wh_other", nil)
		b.start()
		start := time.Now()
		b.event("", "")
		time.Sleep(time.Minute)
		for range 3 {
			b.event("", "")
		}
		time.Sleep(time.Hour)
		if n := other.Total(); n != 4 {
			t.Errorf("got %d at the other endpoint, want 4", n)
		}
		got := held.Arrivals()
		if len(got) != 5 {
			t.Fatalf("got %d at the held endpoint, want 5", len(got))
		}
		for i, a := range got[1:] {
			if after := a.At.Sub(start); after != 10*time.Minute {
				t.Errorf("request %d came after %v, want exactly 10m0s", i+2, after)
			}
		}
	})
}

func TestPausedEndpointHolds(t *testing.T) {
	for _, state := range []webhook.EndpointState{webhook.EndpointPaused, webhook.EndpointDisabled, webhook.EndpointGone} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			r := b.receiver("wh_1", func(e *webhook.Endpoint) { e.State = state })
			b.start()
			for range 3 {
				b.event("", "")
			}
			time.Sleep(100 * time.Hour)
			if n := r.Total(); n != 0 {
				t.Errorf("%s: got %d requests, want none", state, n)
			}
			active := true
			s := webhook.NewService(webhook.ServiceConfig{Store: b.store, Catalogue: catalogue})
			b.store.set(func() { // the bench's URL has user info, which the service refuses
				e := b.store.endpoints["wh_1"]
				e.URL = "http://wh_1.example/"
				b.store.endpoints["wh_1"] = e
			})
			if _, err := s.Change(b.ctx, "c1", "wh_1", webhook.Change{Active: &active}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if n := r.Total(); n != 3 {
				t.Errorf("%s, then resumed: got %d requests, want 3", state, n)
			}
		})
	}
}

func TestStopDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.config.Drain = 20 * time.Second
		r := b.receiver("wh_1", func(e *webhook.Endpoint) { e.Concurrency = 1 })
		r.Default = webhooktest.Delay(15*time.Second, webhooktest.Status(204))
		_, first := b.event("", "")
		_, second := b.event("", "")
		b.start()
		time.Sleep(time.Second)
		began := time.Now()
		if err := b.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took != 14*time.Second {
			t.Errorf("stopping took %v, want 14s", took)
		}
		if d := b.delivery(first["wh_1"]); d.State != webhook.DeliveryDelivered || d.Attempts != 1 {
			t.Errorf("under way: got %s after %d attempts, want delivered after 1", d.State, d.Attempts)
		}
		if d := b.delivery(second["wh_1"]); d.State != webhook.DeliveryPending || d.Attempts != 0 || r.Total() != 1 {
			t.Errorf("waiting: got %s after %d attempts, want pending after 0", d.State, d.Attempts)
		}
	})
}

func TestStopBreaksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.config.Drain = 5 * time.Second
		r := b.receiver("wh_1", nil, webhooktest.Hang())
		_, ids := b.event("", "")
		b.start()
		time.Sleep(time.Second)
		began := time.Now()
		if err := b.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("stopping took %v, want 5s", took)
		}
		d, as := b.delivery(ids["wh_1"]), b.attempts(ids["wh_1"])
		if d.State != webhook.DeliveryPending || d.Attempts != 1 || d.Tries != 0 || !d.NextAt.Equal(time.Now()) {
			t.Errorf("got %+v, want pending, due now, no try used", d)
		}
		if len(as) != 1 || as[0].Class != webhook.ErrorInternal || !strings.Contains(as[0].Error, "stopping") {
			t.Errorf("got %+v, want one attempt broken off by the stop", as)
		}
		b.start()
		time.Sleep(time.Second)
		if got := r.Arrivals(); len(got) != 2 || got[1].ID != got[0].ID || got[1].Attempt != 2 {
			t.Errorf("after the next start: got %d arrivals, want the same event as attempt 2", len(got))
		}
		if d := b.delivery(ids["wh_1"]); d.State != webhook.DeliveryDelivered {
			t.Errorf("after the next start: got %s, want delivered", d.State)
		}
	})
}

// A doer that does not mind its context must not keep Run for ever.
func TestStopGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		release := make(chan struct{})
		b.endpoint("wh_1", doerFunc(func(*http.Request) (*http.Response, error) {
			<-release
			return nil, errors.New("at last")
		}), nil)
		b.event("", "")
		ctx, cancel := context.WithCancel(b.ctx)
		done := make(chan error, 1)
		d := webhook.NewDispatcher(b.config)
		go func() { done <- d.Run(ctx) }()
		time.Sleep(time.Second)
		cancel()
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), "1 attempts did not end") {
				t.Errorf("got %v, want an error that counts the attempts", err)
			}
		default:
			t.Error("Run is still waiting after a minute")
		}
		if d.InFlight() != 1 {
			t.Errorf("got %d in flight, want 1", d.InFlight())
		}
		close(release)
	})
}

func TestFailingStoreAtClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.receiver("wh_1", nil)
		b.event("", "")
		b.store.set(func() { b.store.claimErr = errors.New("disk full") })
		b.start()
		time.Sleep(time.Minute)
		if n := b.store.claimCount(); n < 5 || n > 20 {
			t.Errorf("got %d claims in a minute of failures, want 5 to 20", n)
		}
		for range 100 { // signals must not break the back-off
			b.store.set(func() {})
			synctest.Wait()
		}
		if n := b.store.claimCount(); n > 20 {
			t.Errorf("got %d claims after signals, want at most 20", n)
		}
		b.store.set(func() { b.store.claimErr = nil })
		time.Sleep(11 * time.Second)
		if n := r.Total(); n != 1 {
			t.Errorf("got %d requests after the store came back, want 1", n)
		}
		if !strings.Contains(b.log.String(), "disk full") {
			t.Errorf("the failure is not in the log:\n%s", b.log.String())
		}
	})
}

func TestFailingStoreAtRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.receiver("wh_1", nil)
		_, ids := b.event("", "")
		b.store.set(func() { b.store.recordErr = errors.New("disk full") })
		b.start()
		time.Sleep(time.Minute)
		if n := r.Total(); n != 1 {
			t.Errorf("got %d requests while the record is tried again, want 1", n)
		}
		b.store.set(func() { b.store.recordErr = nil })
		time.Sleep(11 * time.Second)
		if d := b.delivery(ids["wh_1"]); d.State != webhook.DeliveryDelivered || d.Attempts != 1 || r.Total() != 1 {
			t.Errorf("got %s after %d attempts and %d requests, want delivered after one", d.State, d.Attempts, r.Total())
		}
	})
}

// What could not be recorded by the lease's end goes out again under the same id: at least once.
func TestAtLeastOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.receiver("wh_1", nil)
		event, ids := b.event("", "")
		b.store.set(func() { b.store.recordErr = errors.New("disk full") })
		b.start()
		time.Sleep(3 * time.Minute)
		b.store.set(func() { b.store.recordErr = nil })
		time.Sleep(3 * time.Minute)
		got := r.Arrivals()
		if len(got) != 2 {
			t.Fatalf("got %d requests, want 2", len(got))
		}
		for _, a := range got {
			if a.ID != event {
				t.Errorf("got id %s, want %s", a.ID, event)
			}
		}
		if d := b.delivery(ids["wh_1"]); d.State != webhook.DeliveryDelivered {
			t.Errorf("got %s, want delivered", d.State)
		}
	})
}

func TestLostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.receiver("wh_1", nil)
		_, ids := b.event("", "")
		b.store.set(func() { b.store.recordErr = webhook.ErrLeaseLost })
		b.start()
		time.Sleep(time.Second)
		if n := strings.Count(b.log.String(), webhook.ErrLeaseLost.Error()); n != 1 {
			t.Errorf("got %d lines about the lost lease, want 1: it is not to be tried again\n%s", n, b.log.String())
		}
		if len(b.attempts(ids["wh_1"])) != 0 || r.Total() != 1 {
			t.Errorf("got %d attempts recorded, %d requests; want 0, 1", len(b.attempts(ids["wh_1"])), r.Total())
		}
	})
}

func TestConnectionsAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		pipe := webhooktest.NewPipe()
		r := &webhooktest.Receiver{Secrets: []string{testSecret}, Default: webhooktest.FloodBody(500, 60<<10)}
		ctx, cancel := context.WithCancel(b.ctx)
		served := make(chan error, 1)
		go func() { served <- r.Serve(ctx, pipe) }()
		dials := 0
		tr := &http.Transport{DialContext: pipe.DialContext}
		b.endpoint("wh_1", doerFunc(func(req *http.Request) (*http.Response, error) { return tr.RoundTrip(req) }),
			func(e *webhook.Endpoint) { e.Concurrency = 1 })
		dial := tr.DialContext
		tr.DialContext = func(ctx context.Context, n, a string) (net.Conn, error) {
			dials++
			return dial(ctx, n, a)
		}
		for range 10 {
			b.event("", "")
		}
		b.start()
		time.Sleep(time.Second)
		if n := r.Total(); n != 10 || dials != 1 {
			t.Errorf("got %d requests over %d connections, want 10 over 1", n, dials)
		}
		cancel()
		tr.CloseIdleConnections()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

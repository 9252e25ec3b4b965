package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"recado/webhook"
)

const goodURL = "https://erp.example/hooks"

func newService(edit func(*webhook.ServiceConfig)) (*webhook.Service, *tinyStore) {
	s := newTinyStore()
	c := webhook.ServiceConfig{Store: s, Catalogue: catalogue}
	if edit != nil {
		edit(&c)
	}
	return webhook.NewService(c), s
}

func mustRegister(t *testing.T, s *webhook.Service, client string, r webhook.Registration) webhook.Endpoint {
	t.Helper()
	if r.URL == "" {
		r.URL = goodURL
	}
	e, err := s.Register(t.Context(), client, r)
	if err != nil {
		t.Fatalf("Register: %v", err)
	}
	return e
}

func ptr[T any](v T) *T { return &v }

func TestRegisterDefaults(t *testing.T) {
	s, _ := newService(nil)
	e := mustRegister(t, s, "c1", webhook.Registration{})
	if !strings.HasPrefix(e.ID, "wh_") || len(e.ID) != 35 || e.Client != "c1" || e.State != webhook.EndpointActive ||
		len(e.Events) != 1 || e.Events[0] != "*" || e.Order != webhook.OrderNone || e.Version != 1 ||
		e.CreatedAt.IsZero() || !e.CreatedAt.Equal(e.UpdatedAt) {
		t.Errorf("got %+v", e)
	}
	if sec, err := webhook.ParseSecret(e.Secret); err != nil || sec.Own() {
		t.Errorf("got own %v, %v; want a standard secret", sec.Own(), err)
	}
	p := mustRegister(t, s, "c1", webhook.Registration{
		Paused: true, Secret: "the client's own text", Events: []string{"action.*", "action.*", "action.accepted"},
	})
	if p.State != webhook.EndpointPaused || p.StateReason == "" || p.Secret != "the client's own text" || len(p.Events) != 2 {
		t.Errorf("got %+v, want paused with a reason, the given secret and two filters", p)
	}
}

func TestInvalidInput(t *testing.T) {
	good := func(edit func(*webhook.Registration)) webhook.Registration {
		r := webhook.Registration{URL: goodURL}
		edit(&r)
		return r
	}
	header := func(name string) webhook.Registration {
		return good(func(r *webhook.Registration) { r.BodySignatureHeader = name })
	}
	url := func(u string) webhook.Registration { return webhook.Registration{URL: u} }
	for _, c := range []struct {
		name  string
		r     webhook.Registration
		field string
		says  string
	}{
		{"no URL", url(""), "url", "required"},
		{"other scheme", url("ftp://h.example/"), "url", "https://"},
		{"no scheme", url("h.example/x"), "url", "https://"},
		{"opaque", url("https:h.example"), "url", "cannot be read"},
		{"no host", url("https:///x"), "url", "host"},
		{"port alone", url("https://:443/x"), "url", "host"},
		{"user info", url("https://u:hushhush@h.example/"), "url", "password"},
		{"fragment", url("https://h.example/#x"), "url", "fragment"},
		{"control character", url("https://h.example/\x00"), "url", "cannot be read"},
		{"long URL", url(goodURL + strings.Repeat("x", 2048)), "url", "2048"},
		{"refused by the guard", url("https://10.0.0.1/"), "url", "private"},
		{"unknown type", good(func(r *webhook.Registration) { r.Events = []string{"*", "action.suceeded"} }), "events", "action.succeeded"},
		{"unknown prefix", good(func(r *webhook.Registration) { r.Events = []string{"foo.*"} }), "events", "action.*"},
		{"many filters", good(func(r *webhook.Registration) { r.Events = make([]string, 51) }), "events", "50"},
		{"long description", good(func(r *webhook.Registration) { r.Description = strings.Repeat("é", 501) }), "description", "500"},
		{"description with escapes", good(func(r *webhook.Registration) { r.Description = "a\x1b[2J" }), "description", "control"},
		{"short secret", good(func(r *webhook.Registration) { r.Secret = "hushhush" }), "secret", "16 to 75"},
		{"bad standard secret", good(func(r *webhook.Registration) { r.Secret = "whsec_hushhush" }), "secret", "24 to 64"},
		{"header with a space", header("X Sig"), "body_signature_header", "X-Signature"},
		{"header with a line break", header("X-Sig\r\nHost"), "body_signature_header", "X-Signature"},
		{"header too long", header("X-" + strings.Repeat("s", 64)), "body_signature_header", "64"},
		{"standard header", header("WEBHOOK-signature"), "body_signature_header", "otherwise"},
		{"own header", header("recado-attempt"), "body_signature_header", "otherwise"},
		{"HTTP's header", header("content-Length"), "body_signature_header", "otherwise"},
		{"host", header("host"), "body_signature_header", "otherwise"},
		{"order", good(func(r *webhook.Registration) { r.Order = "lifo" }), "order", "fifo"},
		{"concurrency 65", good(func(r *webhook.Registration) { r.Concurrency = 65 }), "concurrency", "1 to 64"},
		{"concurrency -1", good(func(r *webhook.Registration) { r.Concurrency = -1 }), "concurrency", "1 to 64"},
		{"timeout 31 s", good(func(r *webhook.Registration) { r.Timeout = 31 * time.Second }), "timeout", "1s to 30s"},
		{"timeout 1 ms", good(func(r *webhook.Registration) { r.Timeout = time.Millisecond }), "timeout", "1s to 30s"},
		{"21 waits", good(func(r *webhook.Registration) { r.Schedule = make([]time.Duration, 21) }), "retry_schedule", "20"},
		{"wait of 0", good(func(r *webhook.Registration) { r.Schedule = []time.Duration{time.Second, 0} }), "retry_schedule", "wait 2"},
		{"wait of 25 h", good(func(r *webhook.Registration) { r.Schedule = []time.Duration{25 * time.Hour} }), "retry_schedule", "24h"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, store := newService(func(c *webhook.ServiceConfig) {
				c.CheckURL = func(_ context.Context, raw string) error {
					if strings.Contains(raw, "10.0.0.1") {
						return errors.New("points at a private address")
					}
					return nil
				}
			})
			_, err := s.Register(t.Context(), "c1", c.r)
			var bad *webhook.InvalidError
			if !errors.As(err, &bad) || bad.Field != c.field || !strings.Contains(bad.Problem, c.says) {
				t.Errorf("got %v, want %s refused with %q", err, c.field, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "hushhush") {
				t.Errorf("the error shows a secret: %v", err)
			}
			if all, _ := store.Endpoints(t.Context(), ""); len(all) != 0 {
				t.Errorf("got %d endpoints stored, want none", len(all))
			}
		})
	}
}

func TestChangeChecksToo(t *testing.T) {
	s, _ := newService(func(c *webhook.ServiceConfig) {
		c.CheckURL = func(_ context.Context, raw string) error {
			if strings.Contains(raw, "10.0.0.1") {
				return errors.New("points at a private address")
			}
			return nil
		}
	})
	e := mustRegister(t, s, "c1", webhook.Registration{})
	for field, c := range map[string]webhook.Change{
		"url":                   {URL: ptr("https://10.0.0.1/")},
		"events":                {Events: &[]string{}},
		"description":           {Description: ptr("\x07")},
		"body_signature_header": {BodySignatureHeader: ptr("Host")},
		"order":                 {Order: ptr(webhook.Order(""))},
		"concurrency":           {Concurrency: ptr(100)},
		"timeout":               {Timeout: ptr(time.Hour)},
		"retry_schedule":        {Schedule: &[]time.Duration{0}},
	} {
		_, err := s.Change(t.Context(), "c1", e.ID, c)
		var bad *webhook.InvalidError
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("got %v, want %s refused", err, field)
		}
	}
	got, err := s.Endpoint(t.Context(), "c1", e.ID)
	if err != nil || got.Version != e.Version {
		t.Errorf("got version %d, %v; want %d: nothing changed", got.Version, err, e.Version)
	}
}

func TestChange(t *testing.T) {
	s, _ := newService(nil)
	e := mustRegister(t, s, "c1", webhook.Registration{Description: "old"})
	got, err := s.Change(t.Context(), "c1", e.ID, webhook.Change{
		URL: ptr("https://new.example/"), Description: ptr("new"), Events: &[]string{"action.failed"}, Active: ptr(false),
		BodySignatureHeader: ptr("X-Signature"), Order: ptr(webhook.OrderFIFO), Concurrency: ptr(1),
		Timeout: ptr(5 * time.Second), Schedule: &[]time.Duration{time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.URL != "https://new.example/" || got.Description != "new" || got.Events[0] != "action.failed" ||
		got.State != webhook.EndpointPaused || got.BodySignatureHeader != "X-Signature" || got.Order != webhook.OrderFIFO ||
		got.Concurrency != 1 || got.Timeout != 5*time.Second || got.Schedule[0] != time.Second || got.Version != 2 ||
		got.Secret != e.Secret || got.ID != e.ID {
		t.Errorf("got %+v", got)
	}
	same, err := s.Change(t.Context(), "c1", e.ID, webhook.Change{})
	if err != nil || same.URL != got.URL || same.State != got.State || same.Description != got.Description {
		t.Errorf("an empty change: got %+v, %v; want it as it was", same, err)
	}
}

func TestPauseAndResume(t *testing.T) {
	active, paused := webhook.EndpointActive, webhook.EndpointPaused
	for _, c := range []struct {
		from   webhook.EndpointState
		active bool
		want   webhook.EndpointState
	}{
		{active, true, active},
		{active, false, paused},
		{paused, false, paused},
		{paused, true, active},
		{webhook.EndpointFailing, true, active},
		{webhook.EndpointFailing, false, paused},
		{webhook.EndpointDisabled, true, active},
		{webhook.EndpointDisabled, false, webhook.EndpointDisabled},
		{webhook.EndpointGone, true, active},
		{webhook.EndpointGone, false, webhook.EndpointGone},
	} {
		s, store := newService(nil)
		e := mustRegister(t, s, "c1", webhook.Registration{})
		e.State, e.StateReason, e.HoldUntil = c.from, "because", time.Now().Add(time.Hour)
		if _, err := store.UpdateEndpoint(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		got, err := s.Change(t.Context(), "c1", e.ID, webhook.Change{Active: &c.active})
		if err != nil || got.State != c.want {
			t.Errorf("%s, active %v: got %s, %v; want %s", c.from, c.active, got.State, err, c.want)
		}
		if c.from != active && c.want == active && (got.StateReason != "" || !got.HoldUntil.IsZero()) {
			t.Errorf("%s resumed: got reason %q and hold %v, want neither", c.from, got.StateReason, got.HoldUntil)
		}
	}
}

// A hold is what the receiver asked for: another receiver did not, another description does not end it.
func TestHoldOutlivesChanges(t *testing.T) {
	s, store := newService(nil)
	e := mustRegister(t, s, "c1", webhook.Registration{})
	until := time.Now().Add(time.Hour)
	store.set(func() { e.HoldUntil = until; store.endpoints[e.ID] = e })
	for _, c := range []struct {
		change webhook.Change
		want   time.Time
	}{
		{webhook.Change{Description: ptr("x"), Active: ptr(true)}, until},
		{webhook.Change{URL: ptr(goodURL)}, until},
		{webhook.Change{URL: ptr("https://other.example/")}, time.Time{}},
	} {
		got, err := s.Change(t.Context(), "c1", e.ID, c.change)
		if err != nil || !got.HoldUntil.Equal(c.want) {
			t.Errorf("got hold %v, %v; want %v", got.HoldUntil, err, c.want)
		}
	}
}

func TestChangeAfterConflicts(t *testing.T) {
	s, store := newService(nil)
	e := mustRegister(t, s, "c1", webhook.Registration{})
	left := 3
	store.beforeSave = func() {
		if left == 0 {
			return
		}
		left--
		store.set(func() {
			o := store.endpoints[e.ID]
			o.Version++
			o.Description = fmt.Sprintf("somebody's %d", left)
			store.endpoints[e.ID] = o
		})
	}
	got, err := s.Change(t.Context(), "c1", e.ID, webhook.Change{Concurrency: ptr(9)})
	if err != nil || got.Concurrency != 9 || got.Description != "somebody's 0" {
		t.Errorf("got %d, %q, %v; want both changes kept", got.Concurrency, got.Description, err)
	}
	left = 1000
	if _, err := s.Change(t.Context(), "c1", e.ID, webhook.Change{Concurrency: ptr(8)}); !errors.Is(err, webhook.ErrConflict) {
		t.Errorf("conflicts without end: got %v, want %v", err, webhook.ErrConflict)
	}
}

func TestMaxEndpoints(t *testing.T) {
	s, store := newService(nil)
	store.slow = true
	var wg sync.WaitGroup
	errs := make(chan error, 30)
	for range 30 {
		wg.Go(func() {
			_, err := s.Register(t.Context(), "c1", webhook.Registration{URL: goodURL})
			errs <- err
		})
	}
	wg.Wait()
	refused := 0
	for range 30 {
		if err := <-errs; errors.Is(err, webhook.ErrTooManyEndpoints) {
			refused++
		} else if err != nil {
			t.Errorf("got %v", err)
		}
	}
	if all, _ := store.Endpoints(t.Context(), "c1"); len(all) != 20 || refused != 10 {
		t.Errorf("got %d endpoints and %d refusals of 30 at once, want 20 and 10", len(all), refused)
	}
	mustRegister(t, s, "c2", webhook.Registration{})
}

func TestForeignIsNotFound(t *testing.T) {
	s, store := newService(nil)
	ctx := t.Context()
	e := mustRegister(t, s, "c1", webhook.Registration{})
	_, d, err := s.Test(ctx, "c1", e.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, client := range []string{"c2", ""} {
		for name, call := range map[string]func() error{
			"Endpoint": func() error { _, err := s.Endpoint(ctx, client, e.ID); return err },
			"Change":   func() error { _, err := s.Change(ctx, client, e.ID, webhook.Change{Active: ptr(false)}); return err },
			"Delete":   func() error { return s.Delete(ctx, client, e.ID) },
			"Test":     func() error { _, _, err := s.Test(ctx, client, e.ID); return err },
			"Delivery": func() error { _, err := s.Delivery(ctx, client, d.ID); return err },
			"Attempts": func() error { _, err := s.Attempts(ctx, client, d.ID); return err },
			"Replay":   func() error { _, err := s.Replay(ctx, client, d.ID); return err },
		} {
			if err := call(); !errors.Is(err, webhook.ErrNotFound) {
				t.Errorf("%s by client %q: got %v, want %v", name, client, err, webhook.ErrNotFound)
			}
		}
		if l, err := s.Endpoints(ctx, client); err != nil || len(l) != 0 {
			t.Errorf("Endpoints of client %q: got %d, %v; want none", client, len(l), err)
		}
		if l, _, err := s.Deliveries(ctx, webhook.DeliveryFilter{Client: client}); err != nil || len(l) != 0 {
			t.Errorf("Deliveries of client %q: got %d, %v; want none", client, len(l), err)
		}
	}
	if got, _ := store.Endpoint(ctx, e.ID); got.State != webhook.EndpointActive {
		t.Errorf("got %s, want the endpoint untouched", got.State)
	}
}

func TestTestEvent(t *testing.T) {
	s, store := newService(nil)
	ctx := t.Context()
	e := mustRegister(t, s, "c1", webhook.Registration{Events: []string{"device.added"}, BodySignatureHeader: "X-S"})
	mustRegister(t, s, "c1", webhook.Registration{})
	ev, d, err := s.Test(ctx, "c1", e.ID)
	if err != nil {
		t.Fatal(err)
	}
	if d.Endpoint != e.ID || d.Event != ev.ID || d.EventType != "webhook.test" || d.Format != webhook.FormatBodySignature ||
		d.State != webhook.DeliveryPending || d.Client != "c1" {
		t.Errorf("got %+v", d)
	}
	var body struct {
		Type, ID  string
		Timestamp time.Time
		Data      map[string]any
	}
	if err := json.Unmarshal(ev.Body, &body); err != nil {
		t.Fatal(err)
	}
	if body.Type != "webhook.test" || body.ID != ev.ID || body.Data["webhook_id"] != e.ID || !body.Timestamp.Equal(ev.Time.Truncate(time.Millisecond)) {
		t.Errorf("got body %s", ev.Body)
	}
	all, _, err := s.Deliveries(ctx, webhook.DeliveryFilter{Client: "c1"})
	if err != nil || len(all) != 1 {
		t.Errorf("got %d deliveries, %v; want one, to this endpoint only", len(all), err)
	}
	if got, err := store.Event(ctx, ev.ID); err != nil || string(got.Body) != string(ev.Body) {
		t.Errorf("stored: got %s, %v", got.Body, err)
	}
}

func TestReplay(t *testing.T) {
	s, store := newService(nil)
	ctx := t.Context()
	e := mustRegister(t, s, "c1", webhook.Registration{})
	_, d, err := s.Test(ctx, "c1", e.ID)
	if err != nil {
		t.Fatal(err)
	}
	store.set(func() {
		dead := store.deliveries[d.ID]
		dead.State, dead.Attempts, dead.Tries = webhook.DeliveryDead, 12, 12
		store.deliveries[d.ID] = dead
	})
	got, err := s.Replay(ctx, "c1", d.ID)
	if err != nil || got.State != webhook.DeliveryPending || got.Event != d.Event || got.Attempts != 12 || got.Tries != 0 {
		t.Errorf("got %+v, %v; want the same event pending with a fresh schedule", got, err)
	}
	store.set(func() { store.leases[d.ID] = lease{1, time.Now().Add(time.Hour)} })
	if _, err := s.Replay(ctx, "c1", d.ID); !errors.Is(err, webhook.ErrConflict) {
		t.Errorf("while an attempt is under way: got %v, want %v", err, webhook.ErrConflict)
	}
	if err := s.Delete(ctx, "c1", e.ID); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Delivery(ctx, "c1", d.ID); err != nil || got.State != webhook.DeliveryCancelled {
		t.Errorf("after the endpoint's end: got %s, %v; want cancelled", got.State, err)
	}
	if _, err := s.Replay(ctx, "c1", d.ID); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("after the endpoint's end: got %v, want %v", err, webhook.ErrNotFound)
	}
}

func TestDeliveriesFilter(t *testing.T) {
	s, _ := newService(nil)
	for field, f := range map[string]webhook.DeliveryFilter{
		"state": {Client: "c1", States: []webhook.DeliveryState{"dead", "lost"}},
		"limit": {Client: "c1", Limit: 1001},
	} {
		_, _, err := s.Deliveries(t.Context(), f)
		var bad *webhook.InvalidError
		if !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("got %v, want %s refused", err, field)
		}
	}
	e := mustRegister(t, s, "c1", webhook.Registration{})
	for range webhook.DefaultPage + 1 {
		if _, _, err := s.Test(t.Context(), "c1", e.ID); err != nil {
			t.Fatal(err)
		}
	}
	page, _, err := s.Deliveries(t.Context(), webhook.DeliveryFilter{Client: "c1"})
	if err != nil || len(page) != webhook.DefaultPage {
		t.Errorf("got %d, %v; want a page of %d", len(page), err, webhook.DefaultPage)
	}
}

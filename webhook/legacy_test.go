package webhook_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"recado/webhook"
)

func TestLegacyBody(t *testing.T) {
	at := time.Date(2026, 11, 21, 2, 7, 0, 900e6, time.UTC)
	const p = "0192f6a1-b2c3-7d4e-8f90-a1b2c3d4e5f6"
	body := func(status string) string {
		return `{"type":"action.x","id":"evt_1","timestamp":"t","protocolo":"` + p + `","router_id":"RTR-42","status":"` + status + `","data":{"sequence":}}`
	}
	want := func(status, clock string) string {
		return `{"protocolo":"` + p + `","router_id":"RTR-42","status":"` + status + `","timestamp":"` + clock + `"}`
	}
	for _, c := range []struct {
		name, zone, body, want string
		change                 func(*webhook.Event)
	}{
		{"success", "", body("success"), want("success", "02:07:00"), nil},
		{"a failure is an error", "", body("failure"), want("error", "02:07:00"), nil},
		{"a timeout is an error", "", body("timeout"), want("error", "02:07:00"), nil},
		{"no word for it", "", body("cancelled"), want("cancelled", "02:07:00"), nil},
		{"the day before, west of it", "America/Sao_Paulo", body("success"), want("success", "23:07:00"), nil},
		{"half hours", "Asia/Kolkata", body("success"), want("success", "07:37:00"), nil},
		{"a zone that is no more", "Mars/Olympus", body("success"), want("success", "02:07:00"), nil},
		{
			"after noon", "", body("success"), want("success", "14:07:00"),
			func(e *webhook.Event) { e.Time = e.Time.Add(12 * time.Hour) },
		},
		{
			"a test", "America/Sao_Paulo", `{"type":"webhook.test"}`,
			`{"protocolo":"00000000-0000-0000-0000-000000000000","router_id":"TEST","status":"success","timestamp":"23:07:00"}`,
			func(e *webhook.Event) { e.Type, e.Protocolo, e.SequenceAt = webhook.TypeTest, "", 0 },
		},
		{
			"about no protocolo", "", `{"type":"device.added"}`, `{"type":"device.added"}`,
			func(e *webhook.Event) { e.Type, e.Protocolo, e.SequenceAt = "device.added", "", 0 },
		},
	} {
		e := webhook.Event{ID: "evt_1", Type: "action.x", Protocolo: p, Time: at, Body: []byte(c.body), SequenceAt: len(c.body) - 2, Sequence: 17}
		if c.change != nil {
			c.change(&e)
		}
		ds := []webhook.Delivery{{Protocolo: e.Protocolo, EventType: e.Type, Format: webhook.FormatBodySignature}}
		webhook.SetLegacy(ds, c.zone)
		if e.Type == "device.added" {
			if ds[0].Format != webhook.FormatBodySignature {
				t.Errorf("%s: format %q, want it as it was", c.name, ds[0].Format)
			}
			ds[0].Format = webhook.FormatLegacy
		}
		for range 2 {
			if got := string(webhook.Body(e, &ds[0])); got != c.want {
				t.Errorf("%s: got %s, want %s", c.name, got, c.want)
			}
		}
	}
}

func TestLegacyRouterIDIsEscaped(t *testing.T) {
	e := webhook.Event{Type: "action.x", Protocolo: "p", Body: []byte(`{"router_id":"a\"b\u0000é","status":"success"}`)}
	want := `{"protocolo":"p","router_id":"a\"b\u0000é","status":"success","timestamp":"00:00:00"}`
	if got := string(webhook.Render(e, webhook.FormatLegacy)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestLoadZone(t *testing.T) {
	for _, name := range []string{"America/Sao_Paulo", "UTC", "Europe/Lisbon"} {
		if l, err := webhook.LoadZone(name); err != nil || l.String() != name {
			t.Errorf("%s: got %v, %v", name, l, err)
		}
	}
	for _, name := range []string{"Local", "America/Nowhere", "../etc/passwd", "/etc/localtime", "GMT+3x"} {
		var invalid *webhook.InvalidError
		if l, err := webhook.LoadZone(name); !errors.As(err, &invalid) || invalid.Field != "time_zone" {
			t.Errorf("%s: got %v, %v; want an InvalidError of time_zone", name, l, err)
		}
	}
}

func TestTestOfALegacyClient(t *testing.T) {
	for client, want := range map[string]webhook.Format{"old": webhook.FormatLegacy, "new": webhook.FormatStandard} {
		s, _ := newService(func(c *webhook.ServiceConfig) {
			c.Legacy = func(_ context.Context, client string) (bool, string, error) {
				return client == "old", "Asia/Kolkata", nil
			}
		})
		p := mustRegister(t, s, client, webhook.Registration{URL: "https://example.com/hook"})
		_, d, err := s.Test(t.Context(), client, p.ID)
		if err != nil || d.Format != want || d.Format == webhook.FormatLegacy && d.TimeZone != "Asia/Kolkata" {
			t.Errorf("%s: got %+v, %v; want format %q", client, d, err, want)
		}
	}
	broken := errors.New("broken")
	s, _ := newService(func(c *webhook.ServiceConfig) {
		c.Legacy = func(context.Context, string) (bool, string, error) { return false, "", broken }
	})
	p := mustRegister(t, s, "c", webhook.Registration{URL: "https://example.com/hook"})
	if _, _, err := s.Test(t.Context(), "c", p.ID); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

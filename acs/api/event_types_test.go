package api_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"recado/acs"
	"recado/acs/wire"
	"recado/acs/wire/wiretest"
)

func TestEventTypesAreServed(t *testing.T) {
	s := newServer(t)
	mine := s.client(t, "erp")
	got := as[page[wire.EventType]](t, s.do(t, "GET", "/api/v1/event-types", mine.token, ""), 200)
	var names []string
	for _, e := range got.Items {
		names = append(names, e.Name)
		if e.Description == "" || e.Priority == "" {
			t.Errorf("got %+v, want a description and a priority", e)
		}
		one := as[wire.EventTypeShown](t, s.do(t, "GET", "/api/v1/event-types/"+e.Name, mine.token, ""), 200)
		if one.EventType != e {
			t.Errorf("%s: got %+v, want %+v as in the list", e.Name, one.EventType, e)
		}
		if err := wiretest.CheckBody(e.Name, one.Example); err != nil {
			t.Errorf("%s: the example served: %v", e.Name, err)
		}
		served, err := wiretest.Compile(wire.SchemaID(e.Name), one.Schema, false)
		if err != nil {
			t.Errorf("%s: the schema served: %v", e.Name, err)
			continue
		}
		var example any
		if err := json.Unmarshal(one.Example, &example); err != nil {
			t.Fatal(err)
		}
		if err := served.Validate(example); err != nil {
			t.Errorf("%s: the example served does not fit the schema served: %v", e.Name, err)
		}
	}
	if want := wire.EventTypeNames(); !slices.Equal(names, want) || len(acs.EventTypes) != len(want) {
		t.Errorf("got types %v, want those with a schema, %v", names, want)
	}
	first := as[page[wire.EventType]](t, s.do(t, "GET", "/api/v1/event-types?limit=4", mine.token, ""), 200)
	if len(first.Items) != 4 || first.NextCursor == nil {
		t.Errorf("got %d types and cursor %v, want 4 and a cursor", len(first.Items), first.NextCursor)
	}
	s.do(t, "GET", "/api/v1/event-types/action.nope", mine.token, "").problem(t, 404, "not_found")
}

// TestFiltersKnowFields holds filters to the schemas, at registration, change and try-out.
func TestFiltersKnowFields(t *testing.T) {
	s := newServer(t)
	mine := s.client(t, "erp")
	body := func(events, expression string) string {
		b, err := json.Marshal(map[string]any{
			"url": "https://receiver.example/x", "events": strings.Split(events, " "), "filter": map[string]any{"expression": expression},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, c := range []struct {
		events, expression string
		good               bool
	}{
		{"*", `data.fault.code not in [9005, 9008]`, true},
		{"*", `data.fautl.code == 9005`, false},
		{"*", `data.fault.cod == 9005`, false},
		{"action.*", `data.device.oui == "00259E" and data.evidence.kind != "uptime"`, true},
		{"action.*", `data.device.city == "x"`, false},
		{"action.*", `data.kind == "failed_logins"`, false}, // of another type
		{"security.alert", `data.kind == "failed_logins" and data.count > 50`, true},
		{"*", `data.kind == "failed_logins"`, true},
		{"device.boot", `data.reason == "factory_reset"`, true},
		{"client.changed", `any(data.changes, .what == "webhook.changed")`, true},
		{"client.changed", `data.by.source != ""`, true},
		{"client.changed", `data.by.sauce != ""`, false},
	} {
		r := s.do(t, "POST", "/api/v1/webhooks", mine.token, body(c.events, c.expression))
		if c.good {
			as[wire.WebhookCreated](t, r, 201)
			continue
		}
		if p := r.problem(t, 400, "invalid_request"); !strings.Contains(p.Detail, "event-types") {
			t.Errorf("%s: got detail %q, want a word on where the fields are", c.expression, p.Detail)
		}
	}
	made := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", mine.token, body("*", `data.final`)), 201)
	s.do(t, "PATCH", "/api/v1/webhooks/"+made.ID, mine.token, `{"filter": {"expression": "data.finall"}}`).problem(t, 400, "invalid_request")
	s.do(t, "POST", "/api/v1/webhooks/try-filter", mine.token, `{"filter": {"expression": "data.finall"}}`).problem(t, 400, "invalid_request")
}

// TestProtocolGathersEvents looks for all events of a request in its one document.
func TestProtocolGathersEvents(t *testing.T) {
	s := newServer(t)
	mine := s.client(t, "erp")
	s.device(t, "00259E-HG8245H-4857", "RTR-1")
	w := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", mine.token,
		`{"url": "https://receiver.example/x", "events": ["action.accepted"], "active": false}`), 201)
	r := as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", mine.token, `{"router_id": "RTR-1"}`), 202)
	as[wire.Protocol](t, s.do(t, "POST", "/api/v1/protocols/"+r.Protocolo+"/cancel", mine.token, ""), 200)

	p := as[wire.Protocol](t, s.do(t, "GET", "/api/v1/protocols/"+r.Protocolo, mine.token, ""), 200)
	if len(p.Events) != 2 || p.Events[0].Type != "action.accepted" || p.Events[1].Type != "action.cancelled" {
		t.Fatalf("got events %+v, want action.accepted and action.cancelled", p.Events)
	}
	if to := p.Events[0].Deliveries; len(to) != 1 || to[0].WebhookID != w.ID || to[0].State != "held" || to[0].DeliveryID != p.Deliveries[0].ID {
		t.Errorf("got deliveries %+v of the first, want one held at %s", to, w.ID)
	}
	if len(p.Events[1].Deliveries) != 0 {
		t.Errorf("got deliveries %+v of the second, want none", p.Events[1].Deliveries)
	}
	for _, e := range p.Events {
		stored := as[wire.Event](t, s.do(t, "GET", "/api/v1/events/"+e.ID, mine.token, ""), 200)
		if stored.Type != e.Type || stored.At != e.Timestamp || stored.Protocolo != r.Protocolo {
			t.Errorf("got event %+v, want the stored one %+v", e, stored)
		}
		if err := wiretest.CheckBody(stored.Type, stored.Body); err != nil {
			t.Errorf("%s: %v", stored.Type, err)
		}
	}
	l := as[page[wire.Protocol]](t, s.do(t, "GET", "/api/v1/protocols", mine.token, ""), 200)
	if len(l.Items) != 1 || l.Items[0].Events != nil {
		t.Errorf("got %+v, want a list without events", l.Items)
	}
}

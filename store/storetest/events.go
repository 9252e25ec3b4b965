package storetest

import (
	"slices"
	"time"

	"recado/webhook"
)

var eventCases = []testCase{
	{"events/newest first, page by page", (*env).pageEvents},
	{"events/each filter", (*env).filterEvents},
}

func (e *env) addedEvent(client, device, eventType string) webhook.Event {
	e.Helper()
	ev := e.event(client, device)
	ev.Type = eventType
	stored, err := e.AddEvent(e.ctx, ev, nil)
	e.ok("add event", err)
	return stored
}

func (e *env) listEvents(f webhook.EventFilter) []webhook.Event {
	e.Helper()
	return walkPages(e, "events", f.Limit, func(cursor string) ([]webhook.Event, string, error) {
		f.Cursor = cursor
		return e.Events(e.ctx, f)
	}, nil)
}

func (e *env) pageEvents() {
	if got := e.listEvents(webhook.EventFilter{Limit: 3}); len(got) != 0 {
		e.Fatalf("events of an empty store: got %d, want none", len(got))
	}
	var made []webhook.Event
	for range 7 {
		made = append(made, e.addedEvent("cli_1", "cpe-1", "action.failed"))
		e.pass(2 * time.Millisecond)
	}
	slices.Reverse(made)
	for _, limit := range []int{1, 3, 7, 8} {
		e.same("events", e.listEvents(webhook.EventFilter{Limit: limit}), made)
	}
}

func (e *env) filterEvents() {
	first := e.addedEvent("cli_1", "cpe-1", "action.failed")
	second := e.addedEvent("cli_2", "cpe-1", "action.failed")
	e.pass(3 * time.Hour)
	third := e.addedEvent("cli_1", "cpe-2", "device.added")
	fourth := e.event("cli_1", "cpe-2")
	fourth.Protocolo = "0192f6a1-0000-7000-8000-000000000001"
	fourth, err := e.AddEvent(e.ctx, fourth, nil)
	e.ok("add event", err)
	for _, c := range []struct {
		name string
		f    webhook.EventFilter
		want []webhook.Event
	}{
		{"none", webhook.EventFilter{}, []webhook.Event{fourth, third, second, first}},
		{"client", webhook.EventFilter{Client: "cli_2"}, []webhook.Event{second}},
		{"protocolo", webhook.EventFilter{Protocolo: fourth.Protocolo}, []webhook.Event{fourth}},
		{"types", webhook.EventFilter{Types: []string{"device.added", "other"}}, []webhook.Event{third}},
		{"since", webhook.EventFilter{Since: third.Time}, []webhook.Event{fourth, third}},
		{"all at once", webhook.EventFilter{Client: "cli_1", Since: first.Time, Types: []string{"action.failed"}}, []webhook.Event{first}},
	} {
		c.f.Limit = 10
		e.same("events by "+c.name, e.listEvents(c.f), c.want)
	}
}

package webhook_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"recado/webhook"
)

func TestNewID(t *testing.T) {
	last := ""
	for range 1000 {
		id := webhook.NewID("evt_")
		if len(id) != 36 || !strings.HasPrefix(id, "evt_") || strings.Trim(id[4:], "0123456789abcdef") != "" || id[16] != '7' {
			t.Fatalf("got %s, want evt_ and the 32 hex digits of a UUIDv7", id)
		}
		if id <= last {
			t.Fatalf("got %s after %s, want ids in order", id, last)
		}
		last = id
	}
}

func TestBytes(t *testing.T) {
	body := []byte(`{"sequence":,"a":1}`)
	for _, c := range []struct {
		name string
		at   int
		seq  uint64
		want string
	}{
		{"none", 0, 7, `{"sequence":,"a":1}`},
		{"one digit", 12, 7, `{"sequence":7,"a":1}`},
		{"the largest", 12, 1<<64 - 1, `{"sequence":18446744073709551615,"a":1}`},
		{"at the end", len(body), 7, `{"sequence":,"a":1}7`},
		{"beyond", len(body) + 1, 7, `{"sequence":,"a":1}`},
		{"below", -1, 7, `{"sequence":,"a":1}`},
	} {
		e := webhook.Event{Body: slices.Clone(body), SequenceAt: c.at, Sequence: c.seq}
		if got := string(e.Bytes()); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if !bytes.Equal(e.Body, body) {
			t.Errorf("%s: the body was changed to %s", c.name, e.Body)
		}
	}
}

func TestRender(t *testing.T) {
	const added = `"event_type":"t","event_id":"i"}`
	for _, c := range []struct{ body, want string }{
		{`{"a":1}`, `{"a":1,` + added},
		{"{\"a\":1 \n}\n ", `{"a":1,` + added},
		{`{}`, `{` + added},
		{`{ }`, `{` + added},
		{`[1]`, `[1]`},
		{`}`, `}`},
		{``, ``},
	} {
		e := webhook.Event{ID: "i", Type: "t", Body: []byte(c.body)}
		if got := string(webhook.Render(e, webhook.FormatBodySignature)); got != c.want {
			t.Errorf("%q: got %q, want %q", c.body, got, c.want)
		}
		if got := string(webhook.Render(e, webhook.FormatStandard)); got != c.body {
			t.Errorf("%q in the standard format: got %q, want no change", c.body, got)
		}
	}
}

func FuzzRender(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"c":"}"}}`), "action.failed", "evt_1", uint64(9), 0)
	f.Add([]byte(`{"sequence":}`), "t", "i", uint64(3), 12)
	f.Add([]byte(`{ }`), "\"\x00<", "\xff", uint64(0), 1)
	f.Add([]byte(` `), "", "", uint64(0), -5)
	f.Fuzz(func(t *testing.T, body []byte, typ, id string, seq uint64, at int) {
		e := webhook.Event{ID: id, Type: typ, Body: body, Sequence: seq, SequenceAt: at}
		plain := e.Bytes()
		out := webhook.Render(e, webhook.FormatBodySignature)
		if again := webhook.Render(e, webhook.FormatBodySignature); !bytes.Equal(out, again) {
			t.Fatalf("two renderings differ: %s and %s", out, again)
		}
		var before, after map[string]any
		if json.Unmarshal(plain, &before) != nil || before == nil {
			return
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatalf("%s became %s: %v", plain, out, err)
		}
		clean := func(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
		if strings.ContainsRune(clean(typ)+clean(id), '\ufffd') {
			return
		}
		if after["event_type"] != typ || after["event_id"] != id {
			t.Fatalf("got %q and %q in %s, want %q and %q", after["event_type"], after["event_id"], out, typ, id)
		}
	})
}

func TestFanOut(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	e := webhook.Event{
		ID: "evt_1", Type: "action.succeeded", Client: "c1", Protocolo: "p1", Device: "d1", Priority: webhook.PriorityHigh,
	}
	endpoints := []webhook.Endpoint{
		{ID: "all", Client: "c1", Events: []string{"*"}, State: webhook.EndpointActive},
		{ID: "prefix", Client: "c1", Events: []string{"action.*"}, State: webhook.EndpointPaused, Order: webhook.OrderDevice},
		{ID: "name", Client: "c1", Events: []string{"action.succeeded"}, State: webhook.EndpointFailing, Order: webhook.OrderFIFO},
		{ID: "disabled", Client: "c1", Events: []string{"*"}, State: webhook.EndpointDisabled, BodySignatureHeader: "X-S"},
		{ID: "gone", Client: "c1", Events: []string{"*"}, State: webhook.EndpointGone},
		{ID: "other filter", Client: "c1", Events: []string{"device.*", "action.failed"}, State: webhook.EndpointActive},
		{ID: "other client", Client: "c2", Events: []string{"*"}, State: webhook.EndpointActive},
	}
	got := webhook.FanOut(catalogue, e, endpoints, now)
	want := []webhook.Delivery{
		{Endpoint: "all", OrderKey: "p:p1"},
		{Endpoint: "prefix", OrderKey: "d:d1"},
		{Endpoint: "name", OrderKey: "f"},
		{Endpoint: "disabled", OrderKey: "p:p1", Format: webhook.FormatBodySignature},
		{Endpoint: "gone", OrderKey: "p:p1"},
	}
	if len(got) != len(want) {
		t.Fatalf("got %d deliveries, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		w.ID, w.Event, w.EventType, w.Client, w.Protocolo, w.Device = got[i].ID, "evt_1", "action.succeeded", "c1", "p1", "d1"
		w.State, w.NextAt, w.CreatedAt, w.Priority = webhook.DeliveryPending, now, now, webhook.PriorityHigh
		if got[i] != w {
			t.Errorf("got %+v, want %+v", got[i], w)
		}
		if !strings.HasPrefix(got[i].ID, "dlv_") || i > 0 && got[i].ID <= got[i-1].ID {
			t.Errorf("got id %s, want dlv_ and ids in order", got[i].ID)
		}
	}
	all := webhook.Event{ID: "evt_2", Type: "device.added", Device: "d1"}
	both := []webhook.Endpoint{endpoints[0], endpoints[6], {ID: "by device", Client: "c3", Events: []string{"*"}, Order: webhook.OrderDevice}}
	if got := webhook.FanOut(catalogue, all, both, now); len(got) != 3 || got[0].OrderKey != "" || got[1].Client != "c2" || got[2].OrderKey != "d:d1" {
		t.Errorf("an event for all: got %+v, want one for each of three clients, the third in its device's order", got)
	}
	quiet := webhook.Event{ID: "evt_3", Type: "action.accepted", Client: "c1"}
	if got := webhook.FanOut(catalogue, quiet, endpoints, now); len(got) != 0 {
		t.Errorf("a type asked for by name only: got %+v, want none", got)
	}
}

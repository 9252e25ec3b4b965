package webhook_test

import (
	"strings"
	"testing"
	"time"

	"recado/webhook"
)

const (
	succeeded = `{"type":"action.succeeded","id":"evt_1","timestamp":"2026-11-21T10:07:00.123Z","protocolo":"p","router_id":"RTR-42",` +
		`"status":"success","data":{"action":"reboot","duration_ms":5000,"fault":null,"device":{"oui":"00259E"},` +
		`"evidence":{"event_codes":["1 BOOT","M Reboot"]}}}`
	failed = `{"type":"action.failed","id":"evt_2","timestamp":"2026-11-21T10:07:00.123Z","protocolo":"p","router_id":"RTR-42",` +
		`"status":"failure","data":{"action":"parameters.update","fault":{"code":9005,"parameters":[{"name":"Device.X","code":9005}]},` +
		`"device":{"oui":"00259E"}}}`
	bare = `{"type":"webhook.test","id":"evt_3","timestamp":"2026-11-21T10:07:00.123Z"}`
)

func event(body string, p webhook.Priority) webhook.Event {
	return webhook.Event{ID: "evt_1", Type: "action.failed", Client: "cli_1", Body: []byte(body), Priority: p}
}

func TestFilterMatches(t *testing.T) {
	high, normal := webhook.PriorityHigh, webhook.PriorityNormal
	for _, c := range []struct {
		name                    string
		filter                  webhook.Filter
		succeeded, failed, bare bool
	}{
		{"nothing asked", webhook.Filter{}, true, true, true},
		{"faults and a maker", webhook.Filter{Expression: `data.fault.code not in [9005, 9008] and data.device.oui == "00259E"`}, true, false, false},
		{"a type", webhook.Filter{Expression: `type == "action.failed"`}, false, true, false},
		{"a status that is not there is no text", webhook.Filter{Expression: `status == ""`}, false, false, true},
		{"a list that is not there is empty", webhook.Filter{Expression: `any(data.evidence.event_codes, # == "1 BOOT")`}, true, false, false},
		{"all of no list", webhook.Filter{Expression: `all(data.fault.parameters, .code == 9005)`}, true, true, true},
		{"in a list", webhook.Filter{Expression: `"M Reboot" in data.evidence.event_codes`}, true, false, false},
		{"a number that is not there is not greater", webhook.Filter{Expression: `data.duration_ms > 1000`}, true, false, false},
		{"nor smaller or equal", webhook.Filter{Expression: `data.duration_ms <= 1000`}, false, false, false},
		{"a text that is not there holds nothing", webhook.Filter{Expression: `data.action contains "boot"`}, true, false, false},
		{"a pattern", webhook.Filter{Expression: `router_id matches "^RTR-[0-9]+$"`}, true, true, false},
		{"a place in a list", webhook.Filter{Expression: `data.evidence.event_codes[0] == "1 BOOT"`}, true, false, false},
		{"a field by its text", webhook.Filter{Expression: `data["fault"]["code"] == 9005`}, false, true, false},
		{"a default", webhook.Filter{Expression: `(data.fault.code ?? 0) == 0`}, true, false, true},
		{"a variable", webhook.Filter{Expression: `let f = data.fault; f.code == 9005`}, false, true, false},
		{"the priority by name", webhook.Filter{Expression: `priority == "high"`}, false, true, false},
		{"ignored faults", webhook.Filter{IgnoreFaults: []int{9001, 9005}}, true, false, true},
		{"other faults", webhook.Filter{IgnoreFaults: []int{9001}}, true, true, true},
		{"high only", webhook.Filter{MinPriority: &high}, false, true, false},
		{"normal and above", webhook.Filter{MinPriority: &normal}, true, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, e := range []struct {
				name  string
				event webhook.Event
				want  bool
			}{
				{"succeeded", event(succeeded, webhook.PriorityNormal), c.succeeded},
				{"failed", event(failed, webhook.PriorityHigh), c.failed},
				{"bare", event(bare, webhook.PriorityLow), c.bare},
			} {
				got, err := c.filter.Match(e.event)
				if err != nil || got != e.want {
					t.Errorf("%s: got %t (%v), want %t", e.name, got, err, e.want)
				}
			}
		})
	}
}

// What cannot be evaluated is sent, with the reason for those who ask.
func TestFilterRatherSends(t *testing.T) {
	for expression, want := range map[string]string{
		`data.duration_ms < "x"`:    "compares two numbers or two texts",
		`data.action`:               "bool",
		`data.duration_ms + 1 > 3`:  "+",
		`len(data.duration_ms) > 1`: "len",
	} {
		got, err := webhook.Filter{Expression: expression}.Match(event(strings.Replace(succeeded, `"duration_ms":5000`, `"duration_ms":true`, 1), 0))
		if !got || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %t and %v, want true and one line about %q", expression, got, err, want)
		}
	}
	if got, err := (webhook.Filter{Expression: "status == \"x\""}).Match(event(`no JSON`, 0)); !got || err == nil {
		t.Errorf("a body that is no JSON: got %t and %v, want true and an error", got, err)
	}
}

func TestFilterIsChecked(t *testing.T) {
	schema := []byte(`{"properties":{"type":{},"data":{"$ref":"#/$defs/data"}},"$defs":{"data":{"properties":{"action":{},"fault":{"anyOf":[{"type":"null"},
		{"properties":{"code":{}}}]},"device":{"properties":{"oui":{}}},"labels":{"additionalProperties":{"type":"string"}},"list":{}}}}}`)
	catalogue := webhook.Catalogue{
		{Name: "action.failed", Schema: schema},
		{Name: "device.added", Schema: []byte(`{"properties":{"data":{"properties":{"address":{}}}}}`)},
	}
	deep := strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60)
	for _, c := range []struct {
		name, expression string
		events           []string
		want             string // part of the problem; "" is none
	}{
		{"fields that there are", `data.fault.code == 1 and data.device.oui == "x"`, nil, ""},
		{"a member of an open object", `data.labels.anything == "x"`, nil, ""},
		{"a field of another type that may come", `data.address == "x" or data.fault.code == 1`, []string{"*"}, ""},
		{"a field of a type that does not come", `data.address == "x"`, []string{"action.*"}, "no event that this endpoint gets has data.address"},
		{"a field that is misspelt", `data.fautl.code == 1`, nil, "data.fautl"},
		{"a name at the top that there is not", `fault.code == 1`, nil, "unknown name fault (at character 1)"},
		{"no condition", `1 + 1`, nil, "expected bool"},
		{"no end", `data.action ==`, nil, "unexpected token EOF"},
		{"a bad pattern", `data.action matches "(("`, nil, "missing closing )"},
		{"a pattern from the event", `data.action matches router_id`, nil, "must be a text in the expression itself"},
		{"a range", `len(1..100000000) > 1`, nil, "ranges (a..b) are not allowed"},
		{"a list in a list", `all(data.list, all(data.list, true))`, nil, "may not be gone through inside another"},
		{"the clock", `now() > 1`, nil, "only these functions can be called"},
		{"a function that is not allowed", `repeat("x", 100000) == ""`, nil, "unknown name repeat"},
		{"a method", `data.action.Foo()`, nil, "only these functions can be called"},
		{"too long", `status == "` + strings.Repeat("x", webhook.MaxExpression) + `"`, nil, "at most 1000 bytes"},
		{"too many parts", strings.Repeat(`status == "x" or `, 50) + "true", nil, "node"},
		{"deep brackets", deep, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := webhook.NewService(webhook.ServiceConfig{Store: newTinyStore(), Catalogue: catalogue})
			events := c.events
			if events == nil {
				events = []string{"action.failed"}
			}
			_, err := service.Register(t.Context(), "cli_1", webhook.Registration{
				URL: "https://example.com/x", Events: events, Filter: webhook.Filter{Expression: c.expression},
			})
			switch {
			case c.want == "" && err != nil:
				t.Errorf("got %v, want none", err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), "filter.expression: ") || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("got %v, want one line with %q", err, c.want)
			}
		})
	}
}

func TestFanOutFilters(t *testing.T) {
	catalogue := webhook.Catalogue{{Name: "action.failed"}}
	endpoint := func(id, expression string) webhook.Endpoint {
		return webhook.Endpoint{ID: id, Client: "cli_1", Events: []string{"*"}, State: webhook.EndpointActive, Filter: webhook.Filter{Expression: expression}}
	}
	got := webhook.FanOut(catalogue, event(failed, webhook.PriorityHigh), []webhook.Endpoint{
		endpoint("wh_1", `data.fault.code == 9005`), endpoint("wh_2", `data.fault.code == 9001`), endpoint("wh_3", `data.fault.code + "x" == 1`),
	}, time.Unix(1, 0))
	if len(got) != 2 || got[0].Endpoint != "wh_1" || got[1].Endpoint != "wh_3" {
		t.Fatalf("got deliveries %+v, want those of wh_1 and, since its expression cannot be evaluated, wh_3", got)
	}
	if got[0].Priority != webhook.PriorityHigh {
		t.Errorf("got priority %v, want that of the event", got[0].Priority)
	}
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		`data.fault.code not in [9005, 9008] and data.device.oui == "00259E"`, `any(data.a, # > 1)`, `$list(data)`, `{"a": data}.a.b == 1`,
		`data[data][0] ?? 1 == 2`, `filter(data.evidence.event_codes, {true})[0] == "x"`, `status matches "a{1000}"`, `not`, `-"x" > 1`,
	} {
		f.Add(s, succeeded)
	}
	f.Fuzz(func(t *testing.T, expression, body string) {
		if len(expression) > webhook.MaxExpression {
			return
		}
		if got, err := (webhook.Filter{Expression: expression}).Match(event(body, 0)); err != nil && !got {
			t.Errorf("got false with %v, want true: an event is not lost for a bad expression", err)
		}
	})
}

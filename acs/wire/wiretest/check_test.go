package wiretest_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"recado/acs/wire"
	"recado/acs/wire/wiretest"
)

func schemaOf(t *testing.T, eventType string) json.RawMessage {
	t.Helper()
	raw, err := wire.EventSchema(eventType)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func exampleOf(t *testing.T, eventType string) json.RawMessage {
	t.Helper()
	raw, err := wire.EventExample(eventType)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestExamplesFitTheirSchemas(t *testing.T) {
	for _, name := range wire.EventTypeNames() {
		if err := wiretest.CheckBody(name, exampleOf(t, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := wiretest.Compile(wire.SchemaID(name), schemaOf(t, name), false); err != nil {
			t.Errorf("%s: the schema that is served: %v", name, err)
		}
	}
}

// TestServedSchemasAreOpen holds the promise that fields are only ever added: who checks bodies takes those with fields to come.
func TestServedSchemasAreOpen(t *testing.T) {
	for _, name := range wire.EventTypeNames() {
		open, err := wiretest.Compile(wire.SchemaID(name), schemaOf(t, name), false)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal(exampleOf(t, name), &body); err != nil {
			t.Fatal(err)
		}
		body["to_come"] = 1
		body["data"].(map[string]any)["to_come"] = map[string]any{"a": 1}
		again, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		var instance any
		if err := json.Unmarshal(again, &instance); err != nil {
			t.Fatal(err)
		}
		if err := open.Validate(instance); err != nil {
			t.Errorf("%s: a body with a field to come is refused: %v", name, err)
		}
		if err := wiretest.CheckBody(name, again); err == nil {
			t.Errorf("%s: the strict check takes a field that the schema does not have", name)
		}
	}
}

// TestWrongBodies takes each required member away from each example, and gives it a wrong type.
func TestWrongBodies(t *testing.T) {
	for _, name := range wire.EventTypeNames() {
		var schema struct {
			Required   []string
			Properties map[string]any
		}
		if err := json.Unmarshal(schemaOf(t, name), &schema); err != nil {
			t.Fatal(err)
		}
		if len(schema.Required) < 4 {
			t.Errorf("%s: got required %v, want type, id, timestamp, data and more", name, schema.Required)
		}
		for _, member := range schema.Required {
			for _, wrong := range []any{nil, 7, "x"} {
				var body map[string]any
				if err := json.Unmarshal(exampleOf(t, name), &body); err != nil {
					t.Fatal(err)
				}
				if body[member] = wrong; wrong == nil {
					delete(body, member)
				}
				if member == "router_id" && wrong == "x" {
					continue // any text is one
				}
				b, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				if err := wiretest.CheckBody(name, b); err == nil {
					t.Errorf("%s: %s = %v is taken", name, member, wrong)
				}
			}
		}
	}
}

func TestOtherForms(t *testing.T) {
	legacy := `{"protocolo":"019aa5e3-21c0-7d62-9f0e-3f7f52bb3a10","router_id":"RTR-42","status":"error","timestamp":"07:05:09"}`
	signed := strings.TrimSuffix(strings.TrimSpace(string(exampleOf(t, wire.WebhookTest))), "}")
	for _, c := range []struct {
		name, eventType, body string
		good                  bool
	}{
		{"legacy", "", legacy, true},
		{"legacy with more", "", strings.Replace(legacy, "{", `{"data":{},`, 1), false},
		{"legacy with less", "", strings.Replace(legacy, `"status":"error",`, "", 1), false},
		{"legacy with a date", "", strings.Replace(legacy, "07:05:09", "2026-11-21T07:05:09Z", 1), false},
		{"legacy with our word for a timeout", "", strings.Replace(legacy, `"error"`, `"timeout"`, 1), false},
		{"body signature", wire.WebhookTest, signed + `,"event_type":"webhook.test","event_id":"evt_019aa5e4ef7b7c31a5d2000000000008"}`, true},
		{"body signature, another id", wire.WebhookTest, signed + `,"event_type":"webhook.test","event_id":"evt_019aa5e4ef7b7c31a5d2000000000009"}`, false},
		{"body signature, no id", wire.WebhookTest, signed + `,"event_type":"webhook.test"}`, false},
		{"another type", wire.DeviceAdded, string(exampleOf(t, wire.WebhookTest)), false},
		{"unknown type", "x.y", `{"type":"x.y"}`, false},
		{"no JSON", "", "x", false},
	} {
		if err := wiretest.CheckBody(c.eventType, []byte(c.body)); (err == nil) != c.good {
			t.Errorf("%s: got %v, want good %v", c.name, err, c.good)
		}
	}
}

// bodies are the types that the schemas describe.
var bodies = map[string]reflect.Type{
	wire.ActionSucceeded:  reflect.TypeFor[wire.ActionEvent](),
	wire.ActionFailed:     reflect.TypeFor[wire.ActionEvent](),
	wire.ActionTimedOut:   reflect.TypeFor[wire.ActionEvent](),
	wire.ActionLateResult: reflect.TypeFor[wire.ActionEvent](),
	wire.ActionAccepted:   reflect.TypeFor[wire.ActionEvent](),
	wire.ActionCancelled:  reflect.TypeFor[wire.ActionEvent](),
	wire.ActionStage:      reflect.TypeFor[wire.ActionEvent](),
	wire.WebhookTest:      reflect.TypeFor[wire.Notice[wire.TestData]](),
	wire.EndpointDisabled: reflect.TypeFor[wire.Notice[wire.EndpointDisabledData]](),
	wire.DeviceAdded:      reflect.TypeFor[wire.Notice[wire.DeviceAddedData]](),
	wire.DeviceBoot:       reflect.TypeFor[wire.Notice[wire.DeviceBootData]](),
	wire.SecurityAlert:    reflect.TypeFor[wire.Notice[wire.SecurityAlertData]](),
	wire.ClientChanged:    reflect.TypeFor[wire.Notice[wire.ClientChangedData]](),
}

// TestSchemasAreOfTheTypes compares names and what is required, both ways and all the way down.
func TestSchemasAreOfTheTypes(t *testing.T) {
	for _, name := range wire.EventTypeNames() {
		typ, ok := bodies[name]
		if !ok {
			t.Errorf("%s is compared with no type", name)
			continue
		}
		var schema map[string]any
		if err := json.Unmarshal(schemaOf(t, name), &schema); err != nil {
			t.Fatal(err)
		}
		if required, _ := schema["required"].([]any); len(required) == 0 {
			t.Errorf("%s: nothing is required", name)
		}
		compare(t, name, schema, schema, typ)
	}
	if len(bodies) != len(wire.EventTypeNames()) {
		t.Errorf("got %d schemas, want %d", len(wire.EventTypeNames()), len(bodies))
	}
}

func compare(t *testing.T, at string, root, schema map[string]any, typ reflect.Type) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		if typ.Kind() == reflect.Slice {
			schema, _ = deref(root, schema)["items"].(map[string]any)
		}
		typ = typ.Elem()
	}
	schema = deref(root, schema)
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[wire.Time]() {
		if schema["properties"] != nil {
			t.Errorf("%s: got an object, want one %v", at, typ)
		}
		return
	}
	properties, _ := schema["properties"].(map[string]any)
	var names, required, want []string
	for f := range typ.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		want = append(want, name)
		if options != "omitempty" {
			required = append(required, name)
		}
		if of, ok := properties[name].(map[string]any); ok {
			compare(t, at+"."+name, root, of, f.Type)
		}
	}
	for name := range properties {
		names = append(names, name)
	}
	var gotRequired []string
	for _, r := range schema["required"].([]any) {
		gotRequired = append(gotRequired, r.(string))
	}
	for _, s := range [][]string{names, required, want, gotRequired} {
		slices.Sort(s)
	}
	if !slices.Equal(names, want) {
		t.Errorf("%s: got properties %v, want %v", at, names, want)
	}
	if !slices.Equal(gotRequired, required) {
		t.Errorf("%s: got required %v, want %v", at, gotRequired, required)
	}
}

// deref follows a reference, and takes the one of two that is not null.
func deref(root, schema map[string]any) map[string]any {
	for {
		if ref, ok := schema["$ref"].(string); ok {
			schema, _ = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
			continue
		}
		either, _ := schema["anyOf"].([]any)
		if len(either) == 0 {
			return schema
		}
		schema, _ = either[0].(map[string]any)
	}
}

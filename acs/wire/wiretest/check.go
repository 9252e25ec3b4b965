// Package wiretest holds what Recado sends against the schemas that it serves. It is for tests.
package wiretest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"recado/acs/wire"
)

// CheckBody says what is wrong with the body of a webhook, nil where nothing is. It is strict: a field that the schema does not name is
// wrong, though the schema that is served would let it pass, as one that is still to come.
//
// A body is of the standard form, of the one with event_type and event_id for receivers of a body signature, or of the legacy form with
// exactly four members. eventType is the one that it says it has, "" for the legacy form.
func CheckBody(eventType string, body []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return fmt.Errorf("the body is no JSON object: %w", err)
	}
	if _, typed := members["type"]; !typed {
		if eventType != "" {
			return fmt.Errorf("a body of %s has no type", eventType)
		}
		return validate(legacySchema(), body)
	}
	var is string
	if err := json.Unmarshal(members["type"], &is); err != nil || is != eventType {
		return fmt.Errorf("the body's type is %s, want %q", members["type"], eventType)
	}
	standard, err := withoutSignatureMembers(body, members)
	if err != nil {
		return err
	}
	s, err := Strict(eventType)
	if err != nil {
		return err
	}
	return validate(s, standard)
}

// withoutSignatureMembers gives the standard form of a body that has event_type and event_id at its end.
func withoutSignatureMembers(body []byte, members map[string]json.RawMessage) ([]byte, error) {
	eventType, has := members["event_type"]
	id, hasID := members["event_id"]
	switch {
	case !has && !hasID:
		return body, nil
	case has != hasID:
		return nil, errors.New("the body has one of event_type and event_id, and not the other")
	case !bytes.Equal(eventType, members["type"]) || !bytes.Equal(id, members["id"]):
		return nil, fmt.Errorf("event_type %s and event_id %s are not type %s and id %s", eventType, id, members["type"], members["id"])
	}
	members = maps.Clone(members)
	delete(members, "event_type")
	delete(members, "event_id")
	return json.Marshal(members)
}

// Strict gives the compiled schema of a type with all of its objects closed.
func Strict(eventType string) (*jsonschema.Schema, error) {
	kept, ok := compiled.Load(eventType)
	if !ok {
		s, err := compile(eventType)
		if err != nil {
			return nil, err
		}
		kept, _ = compiled.LoadOrStore(eventType, s)
	}
	return kept.(*jsonschema.Schema), nil
}

var compiled sync.Map // by type

func compile(eventType string) (*jsonschema.Schema, error) {
	if !slices.Contains(wire.EventTypeNames(), eventType) {
		return nil, fmt.Errorf("%.100q is no event type", eventType)
	}
	raw, err := wire.EventSchema(eventType)
	if err != nil {
		return nil, err
	}
	return Compile(wire.SchemaID(eventType), raw, true)
}

// Compile compiles a schema that stands alone; closed closes its objects.
func Compile(id string, raw []byte, closed bool) (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if closed {
		closeObjects(doc)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.AssertVocabs()
	c.UseLoader(noLoader{})
	if err := c.AddResource(id, doc); err != nil {
		return nil, err
	}
	return c.Compile(id)
}

// noLoader loads nothing: a schema stands alone.
type noLoader struct{}

// Load implements jsonschema.URLLoader.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("the schema refers to %s, which is not in it", url)
}

// closeObjects lets objects have no members but those that they name. What only narrows another schema says no type, and stays as it is.
func closeObjects(v any) {
	switch v := v.(type) {
	case []any:
		for _, of := range v {
			closeObjects(of)
		}
	case map[string]any:
		if _, open := v["additionalProperties"]; v["type"] == "object" && v["properties"] != nil && !open {
			v["additionalProperties"] = false
		}
		for _, of := range v {
			closeObjects(of)
		}
	}
}

func validate(s *jsonschema.Schema, body []byte) error {
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(instance)
}

// legacySchema is of the body that receivers of IXC ACS know.
var legacySchema = sync.OnceValue(func() *jsonschema.Schema {
	s, err := Compile("urn:recado:legacy", []byte(`{
		"type": "object",
		"properties": {
			"protocolo": {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"},
			"router_id": {"type": "string", "minLength": 1},
			"status": {"enum": ["success", "error", "pending", "cancelled"]},
			"timestamp": {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$"}
		},
		"required": ["protocolo", "router_id", "status", "timestamp"]
	}`), true)
	if err != nil {
		panic(err)
	}
	return s
})

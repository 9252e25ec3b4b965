package wire

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// Each event type has a schema and an example in a file of their own; defs.json has what schemas share.
//
//go:embed schemas/*.json
var schemaFiles embed.FS

const (
	schemaEnd  = ".schema.json"
	exampleEnd = ".example.json"
)

// EventTypeNames lists the event types that have a schema, in order.
func EventTypeNames() []string {
	files, err := fs.Glob(schemaFiles, "schemas/*"+schemaEnd)
	if err != nil {
		panic(err) // the pattern is bad
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(f, "schemas/"), schemaEnd)
	}
	return files
}

// SchemaID is the $id of an event type's schema. It is a name, and nothing is to be found under it.
func SchemaID(eventType string) string { return "urn:recado:event:" + eventType }

// EventSchema gives the JSON Schema (2020-12) of an event type's bodies. It stands alone: what it refers to is in its $defs.
//
// Objects are open, since fields are only ever added: a receiver that checks bodies with it goes on taking those of later versions.
// Fields that are there always are required.
func EventSchema(eventType string) (json.RawMessage, error) {
	var schema, shared map[string]any
	if err := readSchema(eventType+schemaEnd, &schema); err != nil {
		return nil, err
	}
	if err := readSchema("defs.json", &shared); err != nil {
		return nil, err
	}
	defs := map[string]any{}
	if err := collectRefs(schema, shared, defs); err != nil {
		return nil, fmt.Errorf("schema of %s: %w", eventType, err)
	}
	schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	schema["$id"] = SchemaID(eventType)
	schema["title"] = eventType
	if len(defs) > 0 {
		schema["$defs"] = defs
	}
	return json.Marshal(schema)
}

// EventExample gives an example of an event type's bodies.
func EventExample(eventType string) (json.RawMessage, error) {
	var example json.RawMessage
	err := readSchema(eventType+exampleEnd, &example)
	return example, err
}

func readSchema(name string, v any) error {
	b, err := schemaFiles.ReadFile("schemas/" + name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

const refStart = "#/$defs/"

// collectRefs puts the shared definitions that v refers to into defs, and those that they refer to.
func collectRefs(v any, shared, defs map[string]any) error {
	switch v := v.(type) {
	case []any:
		for _, of := range v {
			if err := collectRefs(of, shared, defs); err != nil {
				return err
			}
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			name := strings.TrimPrefix(ref, refStart)
			def, known := shared[name]
			if !known {
				return fmt.Errorf("%s is not defined", ref)
			}
			if _, have := defs[name]; !have {
				defs[name] = def
				if err := collectRefs(def, shared, defs); err != nil {
					return err
				}
			}
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := collectRefs(v[key], shared, defs); err != nil {
				return err
			}
		}
	}
	return nil
}

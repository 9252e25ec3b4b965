package webhook

import (
	"encoding/json"
	"strings"
)

// knowsField reports whether a field, by its names from the top, is in the schema of an event type that these filters let through. A
// type without a schema may have any field.
func (c Catalogue) knowsField(path, events []string) bool {
	for _, t := range c {
		if !c.Match(events, t.Name) {
			continue
		}
		if len(t.Schema) == 0 {
			return true
		}
		var schema map[string]any
		if err := json.Unmarshal(t.Schema, &schema); err != nil || hasPath(schema, schema, path, 0) {
			return true
		}
	}
	return false
}

const maxSchemaDepth = 32

// hasPath follows properties, references inside the schema, and alternatives. What has no properties and is not closed may hold
// anything.
func hasPath(root, schema map[string]any, path []string, depth int) bool {
	if len(path) == 0 {
		return true
	}
	if depth > maxSchemaDepth {
		return false
	}
	if ref, ok := schema["$ref"].(string); ok {
		target := resolveRef(root, ref)
		return target == nil || hasPath(root, target, path, depth+1)
	}
	for _, word := range []string{"anyOf", "oneOf", "allOf"} {
		options, _ := schema[word].([]any)
		for _, o := range options {
			if option, ok := o.(map[string]any); ok && hasPath(root, option, path, depth+1) {
				return true
			}
		}
	}
	properties, ok := schema["properties"].(map[string]any)
	if !ok {
		open, _ := schema["additionalProperties"].(map[string]any)
		return open != nil && hasPath(root, open, path[1:], depth+1)
	}
	next, ok := properties[path[0]].(map[string]any)
	return ok && hasPath(root, next, path[1:], depth+1)
}

// resolveRef finds "#/$defs/name" and the like.
func resolveRef(root map[string]any, ref string) map[string]any {
	at := root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		next, ok := at[name].(map[string]any)
		if !ok {
			return nil
		}
		at = next
	}
	return at
}

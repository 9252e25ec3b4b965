package webhook

import (
	"encoding/json"
	"slices"
	"strings"
)

// EventType is one entry of a Catalogue.
type EventType struct {
	Name string
	// ByNameOnly types are not covered by "*" or a prefix filter.
	ByNameOnly  bool
	Description string
	// Priority is that of its events.
	Priority Priority
	// Schema is the JSON Schema (2020-12) of its bodies, in FormatStandard, and Example one of them.
	Schema, Example json.RawMessage
}

// Catalogue lists the event types that exist. The engine that makes events gives it.
type Catalogue []EventType

// Match reports whether an endpoint with these filters wants events of a type. Filters are "*", "prefix.*" or a name.
func (c Catalogue) Match(filters []string, eventType string) bool {
	if slices.Contains(filters, eventType) {
		return true
	}
	for _, t := range c {
		if t.Name == eventType && t.ByNameOnly {
			return false
		}
	}
	for _, f := range filters {
		if f == "*" {
			return true
		}
		if p, ok := strings.CutSuffix(f, "*"); ok && strings.HasSuffix(p, ".") && strings.HasPrefix(eventType, p) {
			return true
		}
	}
	return false
}

// Known reports whether a filter could ever match a type of the catalogue.
func (c Catalogue) Known(filter string) bool {
	if filter == "*" {
		return true
	}
	p, prefix := strings.CutSuffix(filter, ".*")
	for _, t := range c {
		if t.Name == filter || prefix && strings.HasPrefix(t.Name, p+".") {
			return true
		}
	}
	return false
}

// Type gives the entry of that name.
func (c Catalogue) Type(name string) (EventType, bool) {
	for _, t := range c {
		if t.Name == name {
			return t, true
		}
	}
	return EventType{}, false
}

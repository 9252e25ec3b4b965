package wire

import "encoding/json"

// Event is a stored event.
type Event struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Priority  string `json:"priority"` // low, normal or high
	Protocolo string `json:"protocolo,omitempty"`
	DeviceID  string `json:"device_id,omitempty"`
	At        Time   `json:"at"`
	// Body is what endpoints get, in the standard form.
	Body json.RawMessage `json:"body"`
}

// FilterTry is the body of POST /webhooks/try-filter.
type FilterTry struct {
	Filter WebhookFilter `json:"filter"`
	// Events are filters of types, as an endpoint has them; left out, "*".
	Events []string `json:"events,omitempty"`
	// Since leaves older events out.
	Since *Time `json:"since,omitempty"`
	// Limit is how many stored events to try at the most, the newest first: 1 to 1,000; left out, 100.
	Limit int `json:"limit,omitempty"`
}

// FilterTried is the answer to POST /webhooks/try-filter.
type FilterTried struct {
	Tried   int               `json:"tried"`
	Matched int               `json:"matched"`
	Items   []FilterTriedItem `json:"items"`
}

// FilterTriedItem is what the filter makes of one event.
type FilterTriedItem struct {
	EventID   string `json:"event_id"`
	Type      string `json:"type"`
	Priority  string `json:"priority"`
	Protocolo string `json:"protocolo,omitempty"`
	At        Time   `json:"at"`
	Matches   bool   `json:"matches"`
	// Problem is why the expression cannot be evaluated on it; then it is sent.
	Problem string `json:"problem,omitempty"`
}

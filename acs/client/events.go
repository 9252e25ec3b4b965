package client

import (
	"context"
	"net/http"
	"strings"
	"time"

	"recado/acs/wire"
)

// EventTypes lists the types of events that there are, by name.
func (c *Client) EventTypes(ctx context.Context, p Page) (wire.List[wire.EventType], error) {
	return get[wire.List[wire.EventType]](ctx, c, request{path: base + "/event-types", query: p.query()})
}

// EventType shows a type of events with the JSON Schema of its bodies, and an example.
func (c *Client) EventType(ctx context.Context, name string) (wire.EventTypeShown, error) {
	return get[wire.EventTypeShown](ctx, c, request{path: named("event-types", name)})
}

// EventFilter selects stored events; empty fields do not filter.
type EventFilter struct {
	Types     []string
	Protocolo string
	Since     time.Time
	Page
}

// Events lists stored events, newest first.
func (c *Client) Events(ctx context.Context, f EventFilter) (wire.List[wire.Event], error) {
	return get[wire.List[wire.Event]](ctx, c, request{path: base + "/events", query: f.query("type", strings.Join(f.Types, ","),
		"protocolo", f.Protocolo, "since", since(f.Since))})
}

// Event shows a stored event with its body.
func (c *Client) Event(ctx context.Context, id string) (wire.Event, error) {
	return get[wire.Event](ctx, c, request{path: named("events", id)})
}

// EventDeliveries lists where an event was delivered, and where not.
func (c *Client) EventDeliveries(ctx context.Context, id string, p Page) (wire.List[wire.Delivery], error) {
	return get[wire.List[wire.Delivery]](ctx, c, request{path: named("events", id, "deliveries"), query: p.query()})
}

// TryFilter tries a content filter on stored events.
func (c *Client) TryFilter(ctx context.Context, in wire.FilterTry) (wire.FilterTried, error) {
	return do[wire.FilterTried](ctx, c, http.MethodPost, base+"/webhooks/try-filter", in)
}

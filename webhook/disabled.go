package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"
)

// TypeEndpointDisabled is the type of the event that tells a client's other endpoints that one is disabled or gone.
const TypeEndpointDisabled = "endpoint.disabled"

type disabledBody struct {
	Type      string       `json:"type"`
	ID        string       `json:"id"`
	Timestamp string       `json:"timestamp"`
	Data      disabledData `json:"data"`
}

type disabledData struct {
	WebhookID string `json:"webhook_id"`
	// URLHost is the URL's host and port: its path and query may hold what only its own receiver should see.
	URLHost string        `json:"url_host"`
	State   EndpointState `json:"state"`
	Reason  string        `json:"reason"`
	// Since is when the first of the failures was that ended it.
	Since string `json:"since"`
	// Held counts the deliveries that wait for it to be resumed.
	Held int `json:"held"`
}

const bodyTime = "2006-01-02T15:04:05.000Z"

// disabledOutbox tells the other ones of a client's endpoints what s makes of the lease's.
func disabledOutbox(c Catalogue, l Lease, a Attempt, s Settlement, endpoints []Endpoint) (*Outbox, error) {
	now := a.At.Add(a.Duration).UTC()
	since := l.Endpoint.FailingSince
	if since.IsZero() {
		since = now
	}
	held := l.Pending
	if s.State != DeliveryPending {
		held--
	}
	e := Event{
		ID: NewID(PrefixEvent), Type: TypeEndpointDisabled, Client: l.Endpoint.Client, Time: now, Priority: PriorityHigh,
	}
	data := disabledData{
		WebhookID: l.Endpoint.ID, URLHost: hostOf(l.Endpoint.URL), State: s.EndpointState, Reason: s.StateReason,
		Since: since.UTC().Format(bodyTime), Held: max(held, 0),
	}
	var err error
	e.Body, err = json.Marshal(disabledBody{Type: e.Type, ID: e.ID, Timestamp: now.Format(bodyTime), Data: data})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", e.Type, err)
	}
	others := slices.DeleteFunc(endpoints, func(p Endpoint) bool { return p.ID == l.Endpoint.ID })
	return &Outbox{Events: []Event{e}, Deliveries: FanOut(c, e, others, now)}, nil
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

func (d *Dispatcher) logState(ctx context.Context, l Lease, became EndpointState, s Settlement) {
	attrs := []slog.Attr{
		slog.String("endpoint", l.Endpoint.ID), slog.String("client", l.Endpoint.Client),
		slog.String("from", string(l.Endpoint.State)), slog.String("state", string(became)), slog.Int("pending", l.Pending),
	}
	level := slog.LevelWarn
	switch became {
	case EndpointActive:
		level = slog.LevelInfo
	case s.EndpointState:
		attrs = append(attrs, slog.String("reason", s.StateReason), slog.Duration("failing_for", failingFor(l.Endpoint)))
	}
	d.log.LogAttrs(ctx, level, "endpoint came to another state", attrs...)
}

func failingFor(e Endpoint) time.Duration {
	if e.FailingSince.IsZero() {
		return 0
	}
	return time.Since(e.FailingSince).Round(time.Second)
}

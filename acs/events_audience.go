package acs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

// listener is a client with those of its endpoints that want a type of events.
type listener struct {
	client    Client
	endpoints []webhook.Endpoint
}

// audience knows who listens to what. It is there for events that come in crowds, such as boots after a power cut, so that each need not
// read all endpoints and clients. What is changed by this process is known at once, see AudienceChanged; what others change, in
// audienceAge.
type audience struct {
	mu   sync.Mutex
	at   time.Time
	seen uint64 // the changes that by knows of
	by   map[string][]listener

	changes atomic.Uint64
}

const audienceAge = time.Second

// AudienceChanged tells that an endpoint or a client was changed. WebhookStore does that for endpoints.
func (s *Service) AudienceChanged() { s.audience.changes.Add(1) }

// listeners gives the clients with an endpoint that wants a type, but for blocked ones. What it gives must not be changed.
func (s *Service) listeners(ctx context.Context, eventType string) ([]listener, error) {
	a := &s.audience
	a.mu.Lock()
	defer a.mu.Unlock()
	changes := a.changes.Load() // before the reading: what changes meanwhile is read again
	if since := time.Since(a.at); a.by != nil && changes == a.seen && since >= 0 && since < audienceAge {
		return a.by[eventType], nil
	}
	by, err := s.readListeners(ctx)
	if err != nil {
		return nil, err
	}
	a.by, a.at, a.seen = by, time.Now(), changes
	return by[eventType], nil
}

func (s *Service) readListeners(ctx context.Context) (map[string][]listener, error) {
	by := map[string][]listener{}
	endpoints, err := s.store.Endpoints(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("endpoints: %w", err)
	}
	if len(endpoints) == 0 {
		return by, nil
	}
	clients, err := s.store.Clients(ctx)
	if err != nil {
		return nil, fmt.Errorf("clients: %w", err)
	}
	of := map[string][]webhook.Endpoint{}
	for _, e := range endpoints {
		of[e.Client] = append(of[e.Client], e)
	}
	for _, c := range clients {
		if c.Blocked {
			continue
		}
		for _, t := range EventTypes {
			l := listener{client: c}
			for _, e := range of[c.ID] {
				if EventTypes.Match(e.Events, t.Name) {
					l.endpoints = append(l.endpoints, e)
				}
			}
			if len(l.endpoints) > 0 {
				by[t.Name] = append(by[t.Name], l)
			}
		}
	}
	return by, nil
}

// tell adds an event for a client to an outbox; nothing where its endpoints' filters want none.
func tell[T any](out *Outbox, eventType string, l *listener, device string, data T, now time.Time) error {
	e := webhook.Event{
		ID: webhook.NewID(webhook.PrefixEvent), Type: eventType, Client: l.client.ID, Device: device, Time: now, Priority: priorityOf(eventType),
	}
	var err error
	if e.Body, err = json.Marshal(wire.Notice[T]{Type: e.Type, ID: e.ID, Timestamp: wire.Time(now), Data: data}); err != nil {
		return fmt.Errorf("body of %s: %w", eventType, err)
	}
	endpoints := l.endpoints
	if l.client.Legacy {
		// Its receivers know the four fields of a result, and may choke on more: they get what they name.
		endpoints = slices.DeleteFunc(slices.Clone(endpoints), func(p webhook.Endpoint) bool { return !slices.Contains(p.Events, eventType) })
	}
	deliveries := webhook.FanOut(EventTypes, e, endpoints, now)
	if len(deliveries) == 0 {
		return nil
	}
	out.Events = append(out.Events, e)
	out.Deliveries = append(out.Deliveries, deliveries...)
	return nil
}

// post stores what tells of nothing else in the store.
func (s *Service) post(ctx context.Context, out Outbox) error {
	for _, e := range out.Events {
		var of []webhook.Delivery
		for _, d := range out.Deliveries {
			if d.Event == e.ID {
				of = append(of, d)
			}
		}
		if _, err := s.store.AddEvent(ctx, e, of); err != nil {
			return fmt.Errorf("store event %s: %w", e.Type, err)
		}
	}
	return nil
}

package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

type testBody struct {
	Type      string   `json:"type"`
	ID        string   `json:"id"`
	Timestamp string   `json:"timestamp"`
	Data      testData `json:"data"`
}

type testData struct {
	WebhookID string `json:"webhook_id"`
	Message   string `json:"message"`
}

// Sample is the event that Test would send to the endpoint at that time, and the bytes of its body as the receiver would get them. It
// stores and sends nothing.
func (s *Service) Sample(ctx context.Context, p Endpoint, at time.Time) (e Event, body []byte, err error) {
	e, d, err := s.sample(ctx, &p, at)
	if err != nil {
		return Event{}, nil, err
	}
	return e, Body(e, &d), nil
}

func (s *Service) sample(ctx context.Context, p *Endpoint, at time.Time) (Event, Delivery, error) {
	e := Event{ID: NewID(PrefixEvent), Type: TypeTest, Client: p.Client, Time: at}
	var err error
	e.Body, err = json.Marshal(testBody{
		Type: e.Type, ID: e.ID, Timestamp: at.UTC().Format("2006-01-02T15:04:05.000Z"),
		Data: testData{WebhookID: p.ID, Message: "This is a test of your webhook. Nothing happened to any device."},
	})
	if err != nil {
		return Event{}, Delivery{}, fmt.Errorf("encode the test event: %w", err)
	}
	ds := []Delivery{newDelivery(e, *p, at)}
	if s.legacy != nil {
		legacy, zone, err := s.legacy(ctx, p.Client)
		if err != nil {
			return Event{}, Delivery{}, fmt.Errorf("client of the test event: %w", err)
		}
		if legacy {
			SetLegacy(ds, zone)
		}
	}
	return e, ds[0], nil
}

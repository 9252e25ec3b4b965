package webhook

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Page sizes of Deliveries.
const (
	DefaultPage = 100
	MaxPage     = 1000
)

var deliveryStates = []DeliveryState{DeliveryPending, DeliveryHeld, DeliveryDelivered, DeliveryDead, DeliveryCancelled}

// Deliveries returns a page of f.Client's deliveries, newest first, and the cursor of the next page ("" after the last one).
// Among f.States may be DeliveryHeld, which is a part of DeliveryPending. A filter without a client finds nothing.
// Errors: *InvalidError, and the store's.
func (s *Service) Deliveries(ctx context.Context, f DeliveryFilter) (page []Delivery, next string, err error) {
	for _, state := range f.States {
		if !slices.Contains(deliveryStates, state) {
			return nil, "", &InvalidError{"state", fmt.Sprintf("%q is no state of a delivery; known are %s", state, join(deliveryStates))}
		}
	}
	if f.Limit < 0 || f.Limit > MaxPage {
		return nil, "", &InvalidError{"limit", fmt.Sprintf("must be 1 to %d", MaxPage)}
	}
	if f.Limit == 0 {
		f.Limit = DefaultPage
	}
	if err := checkTimes(f.Since, f.Until); err != nil {
		return nil, "", err
	}
	if err := s.knowTypes("type", f.Types); err != nil {
		return nil, "", err
	}
	if f.Client == "" {
		return nil, "", nil
	}
	endpoints, err := s.store.Endpoints(ctx, f.Client)
	if err != nil {
		return nil, "", err
	}
	if !f.byEndpoint(endpoints) {
		return nil, "", nil
	}
	return s.store.Deliveries(ctx, f)
}

// Delivery returns a delivery of client.
func (s *Service) Delivery(ctx context.Context, client, id string) (Delivery, error) {
	d, err := s.store.Delivery(ctx, id)
	if err != nil {
		return Delivery{}, fmt.Errorf("delivery %q: %w", id, err)
	}
	if d.Client != client {
		return Delivery{}, fmt.Errorf("delivery %q: %w", id, ErrNotFound)
	}
	return d, nil
}

// Attempts lists the attempts of a delivery of client, oldest first.
func (s *Service) Attempts(ctx context.Context, client, delivery string) ([]Attempt, error) {
	if _, err := s.Delivery(ctx, client, delivery); err != nil {
		return nil, err
	}
	return s.store.Attempts(ctx, delivery)
}

// Replay makes a delivery of client due again, whatever its state, under the same event id and with a fresh schedule.
// Errors: ErrNotFound, also where its endpoint was deleted; ErrConflict while an attempt is under way.
func (s *Service) Replay(ctx context.Context, client, delivery string) (Delivery, error) {
	d, err := s.Delivery(ctx, client, delivery)
	if err != nil {
		return Delivery{}, err
	}
	if _, err := s.Endpoint(ctx, client, d.Endpoint); err != nil {
		return Delivery{}, err
	}
	if d, err = s.store.Redeliver(ctx, delivery); err != nil {
		return Delivery{}, fmt.Errorf("replay delivery %q: %w", delivery, err)
	}
	return d, nil
}

func join[T ~string](of []T) string {
	s := make([]string, len(of))
	for i, v := range of {
		s[i] = string(v)
	}
	return strings.Join(s, ", ")
}

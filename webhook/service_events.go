package webhook

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Event returns an event of client.
func (s *Service) Event(ctx context.Context, client, id string) (Event, error) {
	e, err := s.store.Event(ctx, id)
	if err != nil {
		return Event{}, fmt.Errorf("event %q: %w", id, err)
	}
	if e.Client != client {
		return Event{}, fmt.Errorf("event %q: %w", id, ErrNotFound)
	}
	return e, nil
}

// Events returns a page of f.Client's events, newest first, and the cursor of the next page ("" after the last one). A filter without
// a client finds nothing. Errors: *InvalidError, and the store's.
func (s *Service) Events(ctx context.Context, f EventFilter) (page []Event, next string, err error) {
	if err := s.knowTypes("type", f.Types); err != nil {
		return nil, "", err
	}
	if f.Limit < 0 || f.Limit > MaxPage {
		return nil, "", invalid("limit", "must be 1 to %d", MaxPage)
	}
	if f.Limit == 0 {
		f.Limit = DefaultPage
	}
	if f.Client == "" {
		return nil, "", nil
	}
	return s.store.Events(ctx, f)
}

// knowTypes refuses names that are no event types.
func (s *Service) knowTypes(field string, names []string) error {
	for _, name := range names {
		if _, known := s.catalogue.Type(name); !known {
			return invalid(field, "%.100q is no event type; GET /api/v1/event-types lists them", name)
		}
	}
	return nil
}

// Trial is what a filter makes of a stored event.
type Trial struct {
	Event   Event
	Matches bool
	// Problem says why the expression cannot be evaluated on the event, which is sent for that reason; "" is none.
	Problem string
}

// TryFilter checks a filter as a registration with these event filters would (empty is "*"), and tries it on the newest of client's
// stored events that these let through, at most limit of them (0 is DefaultPage), from since on. It changes nothing.
func (s *Service) TryFilter(ctx context.Context, client string, f Filter, events []string, since time.Time, limit int) ([]Trial, error) {
	e := Endpoint{Events: slices.Clone(events)}
	if len(e.Events) == 0 {
		e.Events = []string{"*"}
	}
	if err := s.checkEvents(&e); err != nil {
		return nil, err
	}
	if err := s.catalogue.checkFilter(f, e.Events); err != nil {
		return nil, err
	}
	var types []string
	for _, t := range s.catalogue {
		if s.catalogue.Match(e.Events, t.Name) {
			types = append(types, t.Name)
		}
	}
	page, _, err := s.Events(ctx, EventFilter{Client: client, Types: types, Since: since, Limit: limit})
	if err != nil {
		return nil, err
	}
	trials := make([]Trial, len(page))
	for i, e := range page {
		trials[i].Event = e
		if trials[i].Matches, err = f.Match(e); err != nil {
			trials[i].Problem = err.Error()
		}
	}
	return trials, nil
}

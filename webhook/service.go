package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// TypeTest is the type of the event that Service.Test sends.
const TypeTest = "webhook.test"

// DefaultMaxEndpoints is how many endpoints a client may have.
const DefaultMaxEndpoints = 20

// ErrTooManyEndpoints is a registration beyond the client's number of endpoints.
var ErrTooManyEndpoints = errors.New("too many endpoints")

// changeTries is how often a change is tried again that met another one.
const changeTries = 5

// ServiceConfig is what a Service needs. Store is required.
type ServiceConfig struct {
	Store Store
	// CheckURL says whether webhooks may go to a URL; its error's text is shown to the client. Nil allows all.
	CheckURL  func(ctx context.Context, raw string) error
	Catalogue Catalogue
	// MaxEndpoints bounds the endpoints of one client; 0 is DefaultMaxEndpoints.
	MaxEndpoints int
	// Legacy tells whether a client gets FormatLegacy, and in which time zone. Nil: none does.
	Legacy func(ctx context.Context, client string) (legacy bool, zone string, err error)
	// Logger is told how replays end, and of their errors; nil discards it.
	Logger *slog.Logger
}

// Service is what clients do with their endpoints and deliveries. What belongs to another client is ErrNotFound, as is what
// does not exist. It is safe for concurrent use.
type Service struct {
	store     Store
	checkURL  func(ctx context.Context, raw string) error
	legacy    func(ctx context.Context, client string) (bool, string, error)
	catalogue Catalogue
	max       int

	registering sync.Mutex    // so that two registrations cannot both be the last one allowed
	rotated     chan struct{} // wakes RunSecrets
	replays     chan struct{} // wakes RunReplays
	log         *slog.Logger
}

// NewService returns a Service.
func NewService(c ServiceConfig) *Service {
	s := &Service{store: c.Store, checkURL: c.CheckURL, catalogue: c.Catalogue, max: c.MaxEndpoints, rotated: make(chan struct{}, 1)}
	s.replays, s.log = make(chan struct{}, 1), c.Logger
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.checkURL == nil {
		s.checkURL = func(context.Context, string) error { return nil }
	}
	if s.max <= 0 {
		s.max = DefaultMaxEndpoints
	}
	s.legacy = c.Legacy
	return s
}

// Registration is a new endpoint. Only URL is required.
type Registration struct {
	URL         string
	Description string
	// Events are filters; empty is "*".
	Events []string
	// Secret is the client's own, see ParseSecret; one is made where it is empty.
	Secret string
	// Paused registers the endpoint without delivering to it yet.
	Paused              bool
	BodySignatureHeader string
	Order               Order // "" is OrderNone
	Concurrency         int
	Timeout             time.Duration
	Schedule            []time.Duration
	PerMinute           int // attempts; 0 is no bound
	Filter              Filter
	Headers             []Header
	TLS                 TLS
}

// Register makes an endpoint of client. Errors: *InvalidError, ErrTooManyEndpoints, and the store's.
func (s *Service) Register(ctx context.Context, client string, r Registration) (Endpoint, error) {
	now := time.Now().UTC()
	e := Endpoint{
		ID: NewID(PrefixEndpoint), Client: client, URL: r.URL, Description: r.Description, Events: slices.Clone(r.Events),
		State: EndpointActive, Secret: r.Secret, BodySignatureHeader: r.BodySignatureHeader, Order: r.Order,
		Concurrency: r.Concurrency, Timeout: r.Timeout, Schedule: slices.Clone(r.Schedule), PerMinute: r.PerMinute, Filter: r.Filter,
		Headers: slices.Clone(r.Headers), TLS: r.TLS, CreatedAt: now, UpdatedAt: now,
	}
	if r.Paused {
		e.State, e.StateReason = EndpointPaused, reasonPaused
	}
	if e.Order == "" {
		e.Order = OrderNone
	}
	if len(e.Events) == 0 {
		e.Events = []string{"*"}
	}
	if e.Secret == "" {
		e.Secret = NewSecret().Text()
	} else if _, err := ParseSecret(e.Secret); err != nil {
		return Endpoint{}, &InvalidError{Field: "secret", Problem: err.Error()}
	}
	if err := s.check(&e); err != nil {
		return Endpoint{}, err
	}
	if err := s.allowURL(ctx, e.URL); err != nil {
		return Endpoint{}, err
	}
	s.registering.Lock()
	defer s.registering.Unlock()
	have, err := s.store.Endpoints(ctx, client)
	if err != nil {
		return Endpoint{}, fmt.Errorf("count endpoints: %w", err)
	}
	if len(have) >= s.max {
		return Endpoint{}, fmt.Errorf("%w: a client may have %d", ErrTooManyEndpoints, s.max)
	}
	if err := s.store.CreateEndpoint(ctx, e); err != nil {
		return Endpoint{}, fmt.Errorf("create endpoint: %w", err)
	}
	// The store gives the version.
	return s.store.Endpoint(ctx, e.ID)
}

// Endpoint returns an endpoint of client.
func (s *Service) Endpoint(ctx context.Context, client, id string) (Endpoint, error) {
	e, err := s.store.Endpoint(ctx, id)
	if err != nil {
		return Endpoint{}, fmt.Errorf("endpoint %q: %w", id, err)
	}
	if e.Client != client {
		return Endpoint{}, fmt.Errorf("endpoint %q: %w", id, ErrNotFound)
	}
	return e, nil
}

// Endpoints lists the endpoints of client, oldest first.
func (s *Service) Endpoints(ctx context.Context, client string) ([]Endpoint, error) {
	if client == "" {
		// The store would give everybody's.
		return nil, nil
	}
	return s.store.Endpoints(ctx, client)
}

// Change is what to change of an endpoint; nil fields stay as they are.
type Change struct {
	URL         *string
	Description *string
	Events      *[]string
	// Active pauses (false) and resumes (true); resuming also brings back an endpoint that is disabled, gone or failing.
	Active              *bool
	BodySignatureHeader *string // "" for none; deliveries already made keep the format that they have
	Order               *Order  // for deliveries made from then on
	Concurrency         *int    // 0 for the default
	Timeout             *time.Duration
	Schedule            *[]time.Duration // empty for the default
	PerMinute           *int             // 0 for no bound
	Filter              *Filter          // for events that come about from then on
	Headers             *[]Header
	TLS                 *TLS // an empty ClientKey keeps the one of an unchanged ClientCert
}

const reasonPaused = "paused by the client"

// Change changes an endpoint of client. Errors: *InvalidError, ErrNotFound, ErrConflict where others keep changing it, and
// the store's.
func (s *Service) Change(ctx context.Context, client, id string, c Change) (Endpoint, error) {
	checked := false
	for try := 1; ; try++ {
		e, err := s.Endpoint(ctx, client, id)
		if err != nil {
			return Endpoint{}, err
		}
		c.apply(&e)
		if err := s.check(&e); err != nil {
			return Endpoint{}, err
		}
		if c.URL != nil && !checked {
			if err := s.allowURL(ctx, e.URL); err != nil {
				return Endpoint{}, err
			}
			checked = true
		}
		e.UpdatedAt = time.Now().UTC()
		e.dropOldSecret(e.UpdatedAt)
		e, err = s.store.UpdateEndpoint(ctx, e)
		if err == nil {
			return e, nil
		}
		if !errors.Is(err, ErrConflict) || try == changeTries {
			return Endpoint{}, fmt.Errorf("change endpoint: %w", err)
		}
	}
}

func (c Change) apply(e *Endpoint) {
	set(&e.Description, c.Description)
	set(&e.BodySignatureHeader, c.BodySignatureHeader)
	set(&e.Order, c.Order)
	set(&e.Concurrency, c.Concurrency)
	set(&e.Timeout, c.Timeout)
	set(&e.PerMinute, c.PerMinute)
	set(&e.Filter, c.Filter)
	c.applyTLS(e)
	if c.URL != nil && *c.URL != e.URL {
		e.URL = *c.URL
		e.HoldUntil = time.Time{} // it was the old receiver who asked for it
	}
	if c.Events != nil {
		e.Events = slices.Clone(*c.Events)
	}
	if c.Schedule != nil {
		e.Schedule = slices.Clone(*c.Schedule)
	}
	if c.Headers != nil {
		e.Headers = slices.Clone(*c.Headers)
	}
	switch {
	case c.Active == nil:
	case *c.Active && e.State != EndpointActive:
		e.State, e.StateReason, e.HoldUntil = EndpointActive, "", time.Time{}
	case !*c.Active && (e.State == EndpointActive || e.State == EndpointFailing):
		e.State, e.StateReason = EndpointPaused, reasonPaused
	}
}

func (c Change) applyTLS(e *Endpoint) {
	if c.TLS == nil {
		return
	}
	to := *c.TLS
	to.Pins = slices.Clone(to.Pins)
	if to.ClientKey == "" && to.ClientCert != "" && to.ClientCert == e.TLS.ClientCert {
		to.ClientKey = e.TLS.ClientKey
	}
	e.TLS = to
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Delete deletes an endpoint of client and cancels what it had still to get.
func (s *Service) Delete(ctx context.Context, client, id string) error {
	if _, err := s.Endpoint(ctx, client, id); err != nil {
		return err
	}
	return s.store.DeleteEndpoint(ctx, id)
}

// Test sends a webhook.test event to an endpoint of client, whatever its filters. It goes through the queue like any other,
// so an endpoint that is not active gets it when it is resumed.
func (s *Service) Test(ctx context.Context, client, id string) (Event, Delivery, error) {
	p, err := s.Endpoint(ctx, client, id)
	if err != nil {
		return Event{}, Delivery{}, err
	}
	e, d, err := s.sample(ctx, &p, time.Now().UTC())
	if err != nil {
		return Event{}, Delivery{}, err
	}
	if e, err = s.store.AddEvent(ctx, e, []Delivery{d}); err != nil {
		return Event{}, Delivery{}, fmt.Errorf("add the test event: %w", err)
	}
	return e, d, nil
}

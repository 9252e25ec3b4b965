package acs

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

// Limits of what clients may ask.
const (
	DefaultTimeout = time.Hour
	MinTimeout     = time.Minute
	MaxTimeout     = 24 * time.Hour
	// MaxPendingPerDevice bounds the queue of one device; ActionStore.CreateAction holds it.
	MaxPendingPerDevice = 64
	// DefaultMaxWebhookQueue bounds the deliveries that wait for one client.
	DefaultMaxWebhookQueue = 100_000
	maxRouterID            = 256
	maxClientRef           = 256
	maxIdempotencyKey      = 255
)

// ServiceConfig is what a Service needs besides its store.
type ServiceConfig struct {
	Logger  *slog.Logger // nil: none
	Metrics *Metrics     // nil: none
	// IdempotencyKey is the secret key that request bodies are bound to idempotency keys with; it has to outlive a restart. Empty: one
	// that does not.
	IdempotencyKey []byte
	// RingEvery is the least time between two connection requests to a device, unless the first brought a session; 0 is 30 s.
	RingEvery time.Duration
	// MaxWebhookQueue is how many deliveries may be pending for a client before its new actions are refused with ErrWebhookQueueFull;
	// 0 is DefaultMaxWebhookQueue. Actions that were accepted are told of all the same.
	MaxWebhookQueue int
}

// Service is the northbound door: clients submit, follow and cancel actions, and see devices. It is safe for concurrent use.
type Service struct {
	store   Store
	log     *slog.Logger
	metrics *Metrics
	macKey  []byte
	hub     hub
	rings   *ringBook
	// maxWebhookQueue is ServiceConfig.MaxWebhookQueue.
	maxWebhookQueue int
	// audience, alerts and moves are what events that are told of by the way need to know.
	audience audience
	alerts   alertBook
	moves    moveBook
	// deadlines wakes the Sweeper when an action may be due earlier than it thinks.
	deadlines chan struct{}
}

// NewService makes a Service over a store.
func NewService(store Store, cfg ServiceConfig) (*Service, error) {
	s := &Service{
		store: store, log: cfg.Logger, metrics: cfg.Metrics, macKey: cfg.IdempotencyKey,
		rings: newRingBook(cfg.RingEvery), deadlines: make(chan struct{}, 1),
	}
	if s.maxWebhookQueue = cfg.MaxWebhookQueue; s.maxWebhookQueue <= 0 {
		s.maxWebhookQueue = DefaultMaxWebhookQueue
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if len(s.macKey) == 0 {
		s.macKey = make([]byte, 32)
		if _, err := rand.Read(s.macKey); err != nil {
			return nil, fmt.Errorf("make idempotency key: %w", err)
		}
	}
	return s, nil
}

// Submission is a request for an action.
type Submission struct {
	Client    Client
	Kind      Kind
	RouterID  string
	ClientRef string
	// Timeout is from acceptance to deadline; 0 is DefaultTimeout.
	Timeout    time.Duration
	Parameters []ParameterInput // of KindParametersUpdate
	Verify     bool
	// IdempotencyKey and Body (the request as it came): the same key with the same body gives the same action.
	IdempotencyKey string
	Body           []byte
}

// Receipt is an accepted action.
type Receipt struct {
	Action Action
	// Webhooks counts the client's endpoints that will be told the result.
	Webhooks int
	// Existed tells that an earlier request with the same idempotency key was accepted, and this is its action.
	Existed bool
}

// Submit accepts an action: when it returns without an error, the action is on disk and will end in exactly one final status.
// Errors: *InvalidError, *ScopeError, ErrDeviceNotFound, *AmbiguousError, ErrIdempotencyReused, ErrQueueFull,
// ErrWebhookQueueFull, ErrUnavailable.
func (s *Service) Submit(ctx context.Context, sub Submission) (Receipt, error) {
	timeout, err := checkSubmission(&sub)
	if err != nil {
		return Receipt{}, err
	}
	d, err := s.findDevice(ctx, sub.Client, sub.RouterID)
	if err != nil {
		return Receipt{}, err
	}
	a := Action{
		Client: sub.Client.ID, Kind: sub.Kind, Device: d.ID, RouterID: sub.RouterID, ClientRef: sub.ClientRef,
		Status: StatusPending, Stage: StageQueued, Verify: sub.Verify,
	}
	if sub.Kind == KindParametersUpdate {
		if a.Parameters, err = s.parametersFor(ctx, &sub, &d); err != nil {
			return Receipt{}, err
		}
	}
	if a.ID, err = NewProtocolo(); err != nil {
		return Receipt{}, fmt.Errorf("make protocolo: %w", err)
	}
	now := time.Now()
	a.CreatedAt, a.DeadlineAt = now, now.Add(timeout)
	a.note(now, "queued", "the request is stored")
	return s.accept(ctx, a, &sub, now)
}

func (s *Service) accept(ctx context.Context, a Action, sub *Submission, now time.Time) (Receipt, error) {
	endpoints, err := s.store.Endpoints(ctx, a.Client)
	if err != nil {
		return Receipt{}, fmt.Errorf("endpoints of client %s: %w", a.Client, err)
	}
	idem := Idempotency{Key: sub.IdempotencyKey}
	if idem.Key != "" {
		idem.BodyMAC = s.bodyMAC(sub)
	}
	if err := s.roomToTell(ctx, a.Client); err != nil {
		if idem.Key == "" || !errors.Is(err, ErrWebhookQueueFull) {
			return Receipt{}, err
		}
		// A repeated request finds its receipt even now.
		stored, repeatErr := s.store.Repeated(ctx, a.Client, idem)
		switch {
		case errors.Is(repeatErr, ErrNotFound):
			return Receipt{}, err
		case repeatErr != nil:
			return Receipt{}, fmt.Errorf("find repeated action: %w", repeatErr)
		}
		return Receipt{Action: stored, Webhooks: countTold(endpoints), Existed: true}, nil
	}
	var out Outbox
	if slices.ContainsFunc(endpoints, func(e webhook.Endpoint) bool { return EventTypes.Match(e.Events, wire.ActionAccepted) }) {
		if out, err = s.outbox(ctx, &a, wire.ActionAccepted, webhook.NewID("evt_"), now); err != nil {
			return Receipt{}, err
		}
	}
	danger, err := s.dangerousOutbox(ctx, &a, &sub.Client, now)
	if err != nil {
		return Receipt{}, err
	}
	out = join(out, danger)
	stored, existed, err := s.store.CreateAction(ctx, a, idem, out)
	if err != nil {
		return Receipt{}, fmt.Errorf("store action: %w", err)
	}
	if !existed {
		s.metrics.actionAccepted(&stored)
		s.log.Info("action accepted", "action", stored.ID, "kind", stored.Kind, "device", stored.Device, "client", stored.Client,
			"deadline", stored.DeadlineAt)
		poke(s.deadlines)
		s.rings.asked(stored.Device)
	}
	return Receipt{Action: stored, Webhooks: countTold(endpoints), Existed: existed}, nil
}

// roomToTell refuses what could only add to a queue that nobody empties.
func (s *Service) roomToTell(ctx context.Context, client string) error {
	n, err := s.store.QueueDepth(ctx, client)
	if err != nil {
		return fmt.Errorf("pending deliveries of client %s: %w", client, err)
	}
	if n >= s.maxWebhookQueue {
		return ErrWebhookQueueFull
	}
	return nil
}

func countTold(endpoints []webhook.Endpoint) int {
	n := 0
	for _, e := range endpoints {
		if e.State != webhook.EndpointGone && (EventTypes.Match(e.Events, wire.ActionSucceeded) ||
			EventTypes.Match(e.Events, wire.ActionFailed) || EventTypes.Match(e.Events, wire.ActionTimedOut)) {
			n++
		}
	}
	return n
}

func checkSubmission(sub *Submission) (time.Duration, error) {
	timeout := sub.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	switch {
	case sub.Kind != KindReboot && sub.Kind != KindParametersUpdate:
		return 0, &InvalidError{"action", "is unknown"}
	case sub.RouterID == "":
		return 0, &InvalidError{"router_id", "is missing; give the device's router_id, device id, PPPoE login, serial number or MAC"}
	case len(sub.RouterID) > maxRouterID:
		return 0, &InvalidError{"router_id", fmt.Sprintf("has %d bytes; at most %d fit", len(sub.RouterID), maxRouterID)}
	case len(sub.ClientRef) > maxClientRef:
		return 0, &InvalidError{"client_ref", fmt.Sprintf("has %d bytes; at most %d fit", len(sub.ClientRef), maxClientRef)}
	case timeout < MinTimeout || timeout > MaxTimeout:
		return 0, &InvalidError{"timeout_seconds", fmt.Sprintf("is out of range; give %d to %d",
			int(MinTimeout.Seconds()), int(MaxTimeout.Seconds()))}
	case len(sub.IdempotencyKey) > maxIdempotencyKey:
		return 0, &InvalidError{"Idempotency-Key", fmt.Sprintf("has %d bytes; at most %d fit", len(sub.IdempotencyKey), maxIdempotencyKey)}
	}
	return timeout, nil
}

func (s *Service) parametersFor(ctx context.Context, sub *Submission, d *Device) ([]Parameter, error) {
	names := make([]string, len(sub.Parameters))
	var dangerous []string
	for i, p := range sub.Parameters {
		names[i] = p.Name
		if Dangerous(p.Name) {
			dangerous = append(dangerous, clip(p.Name, MaxParameterName))
		}
	}
	learned, err := s.store.LearnedTypes(ctx, d.ID, names)
	if err != nil {
		return nil, fmt.Errorf("learned types of device %s: %w", d.ID, err)
	}
	ps, err := resolveParameters(sub.Parameters, d.Reported.Root, learned)
	if err != nil {
		return nil, err
	}
	if len(dangerous) > 0 && !sub.Client.HasNamed(ScopeParametersDangerous) {
		return nil, &ScopeError{Scope: ScopeParametersDangerous, Names: dangerous}
	}
	return ps, nil
}

// bodyMAC binds a request's body to its idempotency key. It is a MAC and no hash, so that nobody who reads the store can try out
// parameter values against it.
func (s *Service) bodyMAC(sub *Submission) string {
	m := hmac.New(sha256.New, s.macKey)
	m.Write([]byte(string(sub.Kind) + "\x00"))
	m.Write(sub.Body)
	return hex.EncodeToString(m.Sum(nil))
}

// Action returns an action of the client; ErrNotFound for another's.
func (s *Service) Action(ctx context.Context, c Client, id Protocolo) (Action, error) {
	a, err := s.store.Action(ctx, id)
	if err != nil {
		return Action{}, err
	}
	if a.Client != c.ID {
		return Action{}, ErrNotFound
	}
	return a, nil
}

// Follow returns the action when it changes, when it is final, or when wait ends, whichever is first.
func (s *Service) Follow(ctx context.Context, c Client, id Protocolo, wait time.Duration) (Action, error) {
	changed, stop := s.hub.follow(id)
	defer stop()
	first, err := s.Action(ctx, c, id)
	if err != nil || first.Status.Final() {
		return first, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return Action{}, context.Cause(ctx)
		case <-timer.C:
			return s.Action(ctx, c, id)
		case <-changed:
			a, err := s.Action(ctx, c, id)
			if err != nil || a.Version != first.Version {
				return a, err
			}
		}
	}
}

// Actions lists the client's actions, newest first.
func (s *Service) Actions(ctx context.Context, c Client, f ActionFilter) ([]Action, string, error) {
	f.Client = c.ID
	return s.store.Actions(ctx, f)
}

// Cancel ends an action that was not sent. ErrSent where it was, ErrFinished where it is final.
func (s *Service) Cancel(ctx context.Context, c Client, id Protocolo) (Action, error) {
	a, err := s.Action(ctx, c, id)
	if err != nil {
		return Action{}, err
	}
	a, err = s.change(ctx, a, func(a *Action, now time.Time) error {
		switch {
		case a.Status.Final():
			return ErrFinished
		case !a.unsent() || a.Sends > 0:
			return ErrSent
		}
		a.finish(now, verdict{status: StatusCancelled, reason: ReasonCancelledByClient, detail: "cancelled before it was sent"})
		return nil
	})
	if errors.Is(err, ErrPastDeadline) {
		return a, ErrFinished
	}
	return a, err
}

// Ready fails where the store cannot take writes.
func (s *Service) Ready(ctx context.Context) error { return s.store.Ping(ctx) }

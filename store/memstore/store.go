package memstore

import (
	"context"
	"sync"
	"time"

	"recado/acs"
	"recado/webhook"
)

// Store keeps everything in memory. Make one with New; it is safe for concurrent use. Its clock is time.Now.
type Store struct {
	mu     sync.Mutex
	closed bool

	actions     ordered[*acs.Action]            // by id, which is by age
	live        map[string]ordered[*acs.Action] // by device: what is pending or under watch, by id
	due         ordered[due]
	idempotency map[idempotencyKey]idempotent
	sequence    map[string]uint64 // by device: the last number allotted

	facts     map[string]*facts
	reported  map[string]*reported
	types     map[string]map[string]string // by device, then by parameter name
	routerIDs map[string]string            // the device that has the router_id
	usernames map[string]string            // the device that has the CPE user name

	clients map[string]*acs.Client
	tokens  map[string]acs.Token // by hash

	endpoints  map[string]*webhook.Endpoint
	events     map[string]*webhook.Event
	deliveries ordered[*webhook.Delivery]            // by id, which is by age
	queues     map[string]ordered[*webhook.Delivery] // by endpoint: what is pending, by id
	attempts   map[string][]webhook.Attempt          // by delivery
	replays    ordered[*webhook.Replay]              // by id, which is by age
	tallies    map[tallyKey]*webhook.Tally
	served     map[string]time.Time // by endpoint: when the last one was leased

	audit  []acs.AuditEntry // whole, by number
	quotas map[quota]int

	leases    map[string]lease // by delivery
	lastToken uint64
	lastTurn  string // the endpoint that was served last
	changed   chan struct{}
}

var (
	_ acs.Store     = (*Store)(nil)
	_ webhook.Store = (*Store)(nil)
)

// New makes an empty store.
func New() *Store {
	return &Store{
		actions:     newOrdered(compareActions),
		live:        make(map[string]ordered[*acs.Action]),
		due:         newOrdered(compareDue),
		idempotency: make(map[idempotencyKey]idempotent),
		sequence:    make(map[string]uint64),
		facts:       make(map[string]*facts),
		reported:    make(map[string]*reported),
		types:       make(map[string]map[string]string),
		routerIDs:   make(map[string]string),
		usernames:   make(map[string]string),
		clients:     make(map[string]*acs.Client),
		tokens:      make(map[string]acs.Token),
		endpoints:   make(map[string]*webhook.Endpoint),
		events:      make(map[string]*webhook.Event),
		deliveries:  newOrdered(compareDeliveries),
		queues:      make(map[string]ordered[*webhook.Delivery]),
		attempts:    make(map[string][]webhook.Attempt),
		replays:     newOrdered(compareReplays),
		tallies:     make(map[tallyKey]*webhook.Tally),
		served:      make(map[string]time.Time),
		quotas:      make(map[quota]int),
		leases:      make(map[string]lease),
		changed:     make(chan struct{}, 1),
	}
}

// Close makes every later call fail with acs.ErrUnavailable. It may be called twice.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Ping implements acs.Store; it fails after Close only.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	s.mu.Unlock()
	return nil
}

// lock takes the mutex, unless the context has ended or the store is closed.
func (s *Store) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return acs.ErrUnavailable
	}
	return nil
}

// now is the store's clock. The monotonic part is dropped: a deadline is wall time.
func (s *Store) now() time.Time { return time.Now().UTC().Round(0) }

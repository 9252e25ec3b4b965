package webhook

import (
	"context"
	"time"
)

// Lease is a delivery claimed for one attempt.
type Lease struct {
	Delivery Delivery
	Event    Event
	Endpoint Endpoint
	// Token proves the lease to RecordAttempt.
	Token uint64
}

// ClaimLimits bounds a claim.
type ClaimLimits struct {
	// Total is how many leases to give at the most.
	Total int
	// PerEndpoint is used for endpoints whose Concurrency is 0. Leases still held count.
	PerEndpoint int
	// Lease is how long the claim holds; after it the delivery is due again.
	Lease time.Duration
}

// Settlement is what an attempt did to its delivery and endpoint.
type Settlement struct {
	State  DeliveryState
	NextAt time.Time // of a pending one
	// KeepTries leaves Tries as it was: a probe burns no attempt of the schedule.
	KeepTries bool
	// HoldEndpoint, if later than the endpoint's HoldUntil, replaces it.
	HoldEndpoint time.Time
	// EndpointState, if not empty, is the endpoint's new state, with its reason.
	EndpointState EndpointState
	StateReason   string
}

// DeliveryFilter selects deliveries; empty fields do not filter.
type DeliveryFilter struct {
	Client, Endpoint, Event, Protocolo string
	States                             []DeliveryState
	Since                              time.Time
	// Limit is the page's size (at most 1,000); Cursor is where the last page ended. Newest first.
	Limit  int
	Cursor string
}

// EventFilter selects events; empty fields do not filter.
type EventFilter struct {
	Client, Protocolo string
	Types             []string
	Since             time.Time
	// Limit is the page's size (at most 1,000); Cursor is where the last page ended. Newest first, by id.
	Limit  int
	Cursor string
}

// EndpointStore keeps endpoints.
type EndpointStore interface {
	CreateEndpoint(ctx context.Context, e Endpoint) error
	// Endpoint returns ErrNotFound where there is none.
	Endpoint(ctx context.Context, id string) (Endpoint, error)
	// Endpoints lists the endpoints of a client by id; all where client is empty.
	Endpoints(ctx context.Context, client string) ([]Endpoint, error)
	// UpdateEndpoint stores e if e.Version is the stored one, else ErrConflict; it returns e with the version after.
	// Of what RecordAttempt maintains only a change of State counts as a change of the version; Health is the store's, see
	// Endpoint.KeepHealth, State, StateReason and HoldUntil are e's.
	UpdateEndpoint(ctx context.Context, e Endpoint) (Endpoint, error)
	// DeleteEndpoint deletes it and cancels its pending deliveries.
	DeleteEndpoint(ctx context.Context, id string) error
}

// EventStore keeps events that tell of nothing else in the store, such as webhook.test; all others are stored by the
// transaction of what they tell of.
type EventStore interface {
	AddEvent(ctx context.Context, e Event, deliveries []Delivery) (Event, error)
	Event(ctx context.Context, id string) (Event, error)
	// Events lists events, also those that nobody was subscribed to.
	Events(ctx context.Context, f EventFilter) (page []Event, next string, err error)
}

// DeliveryStore keeps deliveries and their attempts.
type DeliveryStore interface {
	Delivery(ctx context.Context, id string) (Delivery, error)
	Deliveries(ctx context.Context, f DeliveryFilter) (page []Delivery, next string, err error)
	// Attempts lists a delivery's attempts, oldest first.
	Attempts(ctx context.Context, delivery string) ([]Attempt, error)
	// Redeliver makes a delivery due now, with a fresh schedule and the same event, whatever its state (ErrConflict while it is
	// leased).
	Redeliver(ctx context.Context, id string) (Delivery, error)
}

// QueueStore is what the Dispatcher works from.
type QueueStore interface {
	// ClaimDeliveries leases due deliveries of active endpoints, endpoints in turn, the oldest of an endpoint first, none past
	// the endpoint's concurrency, none before an older pending one with its OrderKey. wake is when the next pending delivery
	// becomes due, zero for none. It writes nothing where leases can be kept in memory.
	ClaimDeliveries(ctx context.Context, l ClaimLimits) (leases []Lease, wake time.Time, err error)
	// RecordAttempt stores the attempt, the delivery's new state and the endpoint's health in one transaction and ends the
	// lease; ErrLeaseLost, and nothing stored, where the lease is no longer held. Counters (Attempts, Tries, LastStatus,
	// LastError, DoneAt; the endpoint's LastSuccessAt, ConsecutiveFailures …) follow from a and s.
	RecordAttempt(ctx context.Context, l Lease, a Attempt, s Settlement) error
	// DeliveriesChanged returns a channel that gets a value (without blocking the store) when deliveries may have become due.
	DeliveriesChanged() <-chan struct{}
}

// Store is all that this package needs kept. Implementations are safe for concurrent use, copy what they take and give, and
// return only after what they stored is durable.
type Store interface {
	EndpointStore
	EventStore
	DeliveryStore
	QueueStore
}

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
	// Probe is one that asks whether the receiver is back: the endpoint is failing.
	Probe bool
	// Pending is how much is pending for the endpoint, this delivery included.
	Pending int
	// Token proves the lease to RecordAttempt.
	Token uint64
}

// ClaimLimits bounds a claim.
type ClaimLimits struct {
	// Total is how many leases to give at the most.
	Total int
	// Reserved are the last ones of Total, which go only to endpoints with no lease held: however many are slow, there is room for others.
	Reserved int
	// PerEndpoint is used for endpoints whose Concurrency is 0. Leases still held count.
	PerEndpoint int
	// Lease is how long the claim holds; after it the delivery is due again.
	Lease time.Duration
	// Allow, where it is not nil, is asked right before each lease is given. The zero time lets it go, and counts it; another one puts
	// the endpoint off, and wake is no later. It is called with the store's locks held: it must not call the store, block, or keep or
	// change what the endpoint points to.
	Allow func(e Endpoint) (again time.Time)
}

// Settlement is what an attempt did to its delivery and endpoint.
type Settlement struct {
	State  DeliveryState
	NextAt time.Time // of a pending one
	// KeepTries leaves Tries as it was: a probe burns no attempt of the schedule.
	KeepTries bool
	// KeepHealth leaves the endpoint as it was: the attempt says nothing of the receiver.
	KeepHealth bool
	// HoldEndpoint, if later than the endpoint's HoldUntil, replaces it.
	HoldEndpoint time.Time
	// EndpointState is gone or disabled, with the reason, where the attempt asks for that; Endpoint.Settle has the last word.
	EndpointState EndpointState
	StateReason   string
	// Outbox, where it is not nil, tells of EndpointState. It is stored in the same transaction if the endpoint comes to that state, else
	// not at all.
	Outbox *Outbox
}

// Outbox is what has to be told.
type Outbox struct {
	Events     []Event
	Deliveries []Delivery
}

// DeliveryFilter selects deliveries; empty fields do not filter.
type DeliveryFilter struct {
	Client, Endpoint, Event, Protocolo string
	// States and PendingAt together say which states: one of States, or pending for one of the endpoints of PendingAt. A store does
	// not know of DeliveryHeld: Service.Deliveries turns it into PendingAt.
	States    []DeliveryState
	PendingAt []string
	Types     []string // of events
	// Since and Until bound CreatedAt: from Since on, and before Until.
	Since, Until time.Time
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
	// DeleteEndpoint deletes it, then cancels its pending deliveries: in small transactions where there are many, so that nobody else
	// waits. What a crash leaves of that is done after it.
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
	// ClaimDeliveries leases due deliveries of active endpoints, endpoints in turn, none past the endpoint's concurrency, none before
	// an older pending one with its OrderKey. Of an endpoint the highest Priority goes first, and of one priority the oldest.
	// A delivery is due at its DueAt. A failing endpoint gives one at a time, from its ProbeAt on, whether it is due or not: Lease.Probe.
	// wake is when time alone makes something claimable, zero for never. It writes nothing where leases can be kept in memory.
	ClaimDeliveries(ctx context.Context, l ClaimLimits) (leases []Lease, wake time.Time, err error)
	// RecordAttempt stores the attempt, the delivery's new state and the endpoint's health in one transaction and ends the
	// lease; ErrLeaseLost, and nothing stored, where the lease is no longer held. Counters (Attempts, Tries, LastStatus,
	// LastError, DoneAt; the endpoint's Health) follow from a and s by the Settle methods. became is the state that the attempt
	// brought the endpoint to, "" where it changed none.
	RecordAttempt(ctx context.Context, l Lease, a Attempt, s Settlement) (became EndpointState, err error)
	// QueueDepth counts what is pending for all endpoints of a client; it is cheap.
	QueueDepth(ctx context.Context, client string) (int, error)
	// Endpoints is EndpointStore's: whom to tell that an endpoint is disabled.
	Endpoints(ctx context.Context, client string) ([]Endpoint, error)
	// DeliveriesChanged returns a channel that gets a value (without blocking the store) when deliveries may have become due.
	DeliveriesChanged() <-chan struct{}
}

// Store is all that this package needs kept. Its changes of endpoints, and those of clients, tokens and devices' facts, store the outbox
// of their context with what they change, see WithOutbox.
//
// Implementations are safe for concurrent use, copy what they take and give, and
// return only after what they stored is durable.
type Store interface {
	EndpointStore
	EventStore
	DeliveryStore
	QueueStore
	ReplayStore
	StatsStore
}

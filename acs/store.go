package acs

import (
	"context"
	"time"

	"recado/cwmp"
	"recado/webhook"
)

// Outbox is what has to be told about a change of an action. It is stored in the same transaction as the change. The store
// allots the device's next sequence number to each event whose SequenceAt is above 0, in order, and it goes into
// Action.Sequence too.
type Outbox struct {
	Events     []webhook.Event
	Deliveries []webhook.Delivery
}

// Idempotency is the key that a client sent with a request, and a MAC of the request's body.
type Idempotency struct {
	Key     string // empty: none
	BodyMAC string
}

// IdempotencyWindow is how long a key is kept.
const IdempotencyWindow = 24 * time.Hour

// ActionFilter selects actions; empty fields do not filter. Newest first.
type ActionFilter struct {
	Client, Device string
	Kind           Kind
	Statuses       []Status
	Since          time.Time
	Limit          int // at most 1,000
	Cursor         string
}

// ActionStore keeps actions. Every write is durable when it returns. The store's clock, not the caller's, decides about
// deadlines.
type ActionStore interface {
	// CreateAction stores a new action with Version 1. Where the client used the idempotency key in the last 24 h with the same
	// MAC, it stores nothing and returns that action and true; with another MAC, ErrIdempotencyReused. Otherwise, where the
	// device has MaxPendingPerDevice pending actions, it returns ErrQueueFull: however many create at once, no more are ever
	// there. An outbox may come with it.
	CreateAction(ctx context.Context, a Action, i Idempotency, o Outbox) (stored Action, existed bool, err error)
	// Repeated gives the action that CreateAction would give a second time for the key: ErrNotFound where there is none,
	// ErrIdempotencyReused for another MAC.
	Repeated(ctx context.Context, client string, i Idempotency) (Action, error)
	// Action returns ErrNotFound where there is none.
	Action(ctx context.Context, id Protocolo) (Action, error)
	Actions(ctx context.Context, f ActionFilter) (page []Action, next string, err error)
	// LiveActions lists the pending and watched actions of a device, oldest first.
	LiveActions(ctx context.Context, device string) ([]Action, error)
	// UpdateAction replaces the stored action by a if a.Version is the stored one (else ErrConflict) and returns it with the
	// version after. It cannot change the status: ErrFinished where the stored one is final and a's is pending; a final
	// action may be updated as final (watch, late result), with its status unchanged.
	// Where a.Stage is sent and the stored one's is not, or a.Sends grew, it returns ErrPastDeadline at or after the deadline.
	UpdateAction(ctx context.Context, a Action, o Outbox) (Action, error)
	// FinishAction stores a verdict (a.Status is final) with its outbox if the stored action is pending (else ErrFinished) and
	// its version is a.Version (else ErrConflict). A timeout before the deadline is ErrNotDue, anything else at or after it
	// ErrPastDeadline.
	FinishAction(ctx context.Context, a Action, o Outbox) (Action, error)
	// DueActions lists actions whose Due is reached by the store's clock, the longest overdue first; next is the Due of the
	// first that is not, zero for none. It writes nothing.
	DueActions(ctx context.Context, limit int) (due []Action, next time.Time, err error)
	// WaitingDevices lists every device that has a pending action, in no order.
	WaitingDevices(ctx context.Context) ([]string, error)
}

// DeviceFilter selects devices; empty fields do not filter. Ordered by id.
type DeviceFilter struct {
	// Search is a part of the id, router_id, PPPoE login, serial number or MAC, in any case.
	Search string
	// Tags selects devices with one of them.
	Tags   []string
	Limit  int // at most 1,000
	Cursor string
}

// DeviceStore keeps devices.
type DeviceStore interface {
	// Device returns ErrNotFound where neither facts nor reports of it are there.
	Device(ctx context.Context, id string) (Device, error)
	Devices(ctx context.Context, f DeviceFilter) (page []Device, next string, err error)
	// FindDevices finds the devices that name calls, by the first of these that finds any: router_id, device id, PPPoE login
	// (facts' or reported), serial number, MAC (any punctuation).
	FindDevices(ctx context.Context, name string) ([]Device, error)
	// DeviceByCPEUsername finds the device whose Facts.CWMPAuth has the user name; ErrNotFound where there is none.
	DeviceByCPEUsername(ctx context.Context, username string) (Device, error)
	// PutFacts stores facts if f.Version is the stored one (0: none yet), else ErrConflict. ErrExists where another device has
	// the router_id or the CWMPAuth user name. Durable when it returns.
	PutFacts(ctx context.Context, id string, identity cwmp.DeviceID, f Facts) (Device, error)
	// Report stores what a device said. It is seen by the next read. It is durable when it returns where the device had not reported
	// before, or where it is now told apart, found or reached by something else: its identity, connection-request URL, MAC or
	// PPPoE login. Otherwise it is written behind: a crash within some seconds loses it. An error can mean either.
	Report(ctx context.Context, id string, identity cwmp.DeviceID, r Reported) error
	// LearnTypes remembers the types that a device reported, by parameter name. It is written behind, though never later
	// than a Report made after it.
	LearnTypes(ctx context.Context, id string, types map[string]string) error
	// LearnedTypes gives what is known of the named parameters.
	LearnedTypes(ctx context.Context, id string, names []string) (map[string]string, error)
}

// ClientStore keeps API clients and their tokens.
type ClientStore interface {
	// CreateClient returns ErrExists where a client has the name.
	CreateClient(ctx context.Context, c Client) error
	Client(ctx context.Context, id string) (Client, error)
	// Clients lists all, by id.
	Clients(ctx context.Context) ([]Client, error)
	// UpdateClient stores c if c.Version is the stored one, else ErrConflict.
	UpdateClient(ctx context.Context, c Client) (Client, error)
	// DeleteClient deletes it, its tokens and endpoints, and cancels its pending deliveries. Its actions stay, and run on.
	DeleteClient(ctx context.Context, id string) error
	AddToken(ctx context.Context, t Token) error
	// GrantToken stores a token that a client fetches. ErrExists, and nothing stored, where the mark is remembered; ErrNotFound where
	// there is no such client. The client's tokens that have expired by the store's clock go with it, and so do the oldest of those
	// that it fetched beyond MaxFetchedTokens, and marks whose time is over.
	GrantToken(ctx context.Context, g Grant) error
	// Token returns ErrNotFound for an unknown hash. Expiry is the caller's to check.
	Token(ctx context.Context, hash string) (Token, error)
	// DeleteTokens revokes all tokens of a client.
	DeleteTokens(ctx context.Context, client string) error
}

// Store is all that the engine needs kept. Implementations are safe for concurrent use, and copy what they take and give.
type Store interface {
	ActionStore
	DeviceStore
	ClientStore
	AuditStore
	QuotaStore
	// Endpoints is webhook.EndpointStore's: who is to be told.
	Endpoints(ctx context.Context, client string) ([]webhook.Endpoint, error)
	// QueueDepth is webhook.QueueStore's: how much waits to be delivered to the client.
	QueueDepth(ctx context.Context, client string) (int, error)
	// AddEvent is webhook.EventStore's: what tells of nothing else in the store.
	AddEvent(ctx context.Context, e webhook.Event, deliveries []webhook.Delivery) (webhook.Event, error)
	// Ping fails where the store cannot take writes.
	Ping(ctx context.Context) error
}

// Waker sends connection requests; *cwmp.Requester is one.
type Waker interface {
	// Request returns nil when the device took the request, else a *cwmp.RequestError.
	Request(ctx context.Context, r cwmp.ConnectionRequest) error
}

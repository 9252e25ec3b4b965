package acs

import (
	"context"
	"time"
)

// Ways in which an act came.
const (
	ViaAPI    = "api"
	ViaSystem = "system" // Recado itself: what it does on its own, and acts whose context names nobody
)

// Actor is who does something, as far as Recado knows.
type Actor struct {
	Client     string // id of the API client; empty where none had shown who it is
	ClientName string // at the time of the act
	Source     string // address that the request came from, without the port
	RequestID  string // X-Request-Id of the request
	Via        string // ViaAPI, ViaSystem
}

type actorKey struct{}

// WithActor makes what is done under the context that actor's act: stores write it down in the audit record.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom gives the context's actor; without one it is Recado itself.
func ActorFrom(ctx context.Context) Actor {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a
	}
	return Actor{Via: ViaSystem}
}

// Acts that are written down. Object is the id of what they change.
const (
	AuditClientCreated   = "client.created"
	AuditClientChanged   = "client.changed" // details: fields
	AuditClientBlocked   = "client.blocked"
	AuditClientUnblocked = "client.unblocked"
	AuditClientDeleted   = "client.deleted"
	AuditTokenMade       = "token.made" // object: the client
	AuditTokensRevoked   = "token.revoked"

	AuditWebhookRegistered = "webhook.registered"
	AuditWebhookChanged    = "webhook.changed" // details: fields
	AuditWebhookState      = "webhook.state"   // paused, disabled, …; details: from, to
	AuditWebhookResumed    = "webhook.resumed"
	// AuditWebhookCertificates is the tick that takes any certificate; details: accept_invalid on or off.
	AuditWebhookCertificates = "webhook.accept_invalid"
	AuditSecretRotated       = "webhook.secret_rotated"
	AuditSecretPromoted      = "webhook.secret_promoted"
	AuditOldSecretWiped      = "webhook.old_secret_wiped" // the overlap of a rotation is over
	AuditSecretShown         = "webhook.secret_shown"
	AuditWebhookDeleted      = "webhook.deleted"
	AuditDeliveryReplayed    = "delivery.replayed"
	AuditReplayStarted       = "replay.started" // of many deliveries; details: webhooks, states
	AuditReplayCancelled     = "replay.cancelled"

	AuditActionAccepted  = "action.accepted" // details: kind, device, router_id, dangerous
	AuditActionCancelled = "action.cancelled"
	AuditDeviceFacts     = "device.facts" // details: fields
)

// AuditActs lists all acts.
var AuditActs = []string{
	AuditClientCreated, AuditClientChanged, AuditClientBlocked, AuditClientUnblocked, AuditClientDeleted, AuditTokenMade, AuditTokensRevoked,
	AuditWebhookRegistered, AuditWebhookChanged, AuditWebhookState, AuditWebhookResumed, AuditWebhookCertificates, AuditSecretRotated,
	AuditSecretPromoted, AuditOldSecretWiped, AuditSecretShown, AuditWebhookDeleted, AuditDeliveryReplayed, AuditReplayStarted, AuditReplayCancelled, AuditActionAccepted,
	AuditActionCancelled,
	AuditDeviceFacts,
}

// AuditAct is something done, without its place in the record.
type AuditAct struct {
	Actor  Actor
	Act    string
	Object string
	// Client is the id of the client whom it is about: the owner of the webhook, the client that is blocked.
	Client string
	// Details say more, in names and never in values that are secret: no parameter's value, password, token, hash or URL.
	Details map[string]string
}

// AuditEntry is an act in its place in the record.
type AuditEntry struct {
	Seq  uint64    // from 1, without gaps
	Time time.Time // UTC, in whole milliseconds, by the store's clock
	AuditAct
	// Prev is the hash of the entry before, Hash this one's; see AuditHash.
	Prev, Hash [32]byte
}

// AuditMark is a place in the record: an entry's number and its hash. The zero value is the place before the first entry.
type AuditMark struct {
	Seq  uint64
	Hash [32]byte
}

// AuditEnds are the ends of the record that a store holds.
type AuditEnds struct {
	// Anchor is the last entry that is not there any more; the zero value where the record is whole.
	Anchor AuditMark
	// Head is the last entry; Anchor where there is none.
	Head AuditMark
}

// AuditFilter selects entries; empty fields do not filter.
type AuditFilter struct {
	// Client is the id of a client: what it did, and what was done to it.
	Client string
	Act    string
	Object string
	// Since and Until bound the time: from Since on, before Until.
	Since, Until time.Time
	// OldestFirst turns the order: the newest is first otherwise.
	OldestFirst bool
	Limit       int // at most 1,000
	Cursor      string
}

// Matches reports whether the filter selects the entry.
func (f *AuditFilter) Matches(e *AuditEntry) bool {
	return (f.Client == "" || e.Client == f.Client || e.Actor.Client == f.Client) &&
		(f.Act == "" || e.Act == f.Act) &&
		(f.Object == "" || e.Object == f.Object) &&
		!e.Time.Before(f.Since) && (f.Until.IsZero() || e.Time.Before(f.Until))
}

// AuditStore keeps the record of who did what. Each act that changes something in the store is written down by the transaction
// that changes it, with the actor of its context: either both are stored or neither is. Entries are only ever added.
type AuditStore interface {
	// AppendAudit writes down acts that change nothing else in the store, such as the showing of a secret.
	AppendAudit(ctx context.Context, acts ...AuditAct) error
	// Audit lists entries. A cursor that no page gave is an *InvalidError.
	Audit(ctx context.Context, f AuditFilter) (page []AuditEntry, next string, err error)
	// AuditEnds gives both ends of the record.
	AuditEnds(ctx context.Context) (AuditEnds, error)
}

// Audit lists entries of the record of who did what.
func (s *Service) Audit(ctx context.Context, f AuditFilter) ([]AuditEntry, string, error) {
	return s.store.Audit(ctx, f)
}

// AuditEnds gives both ends of the record.
func (s *Service) AuditEnds(ctx context.Context) (AuditEnds, error) { return s.store.AuditEnds(ctx) }

// AppendAudit writes down acts that change nothing in the store.
func (s *Service) AppendAudit(ctx context.Context, acts ...AuditAct) error {
	return s.store.AppendAudit(ctx, acts...)
}

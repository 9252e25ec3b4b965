package webhook

import (
	"errors"
	"time"
)

// EndpointState is what an endpoint is doing.
type EndpointState string

// States of an endpoint. Events for an endpoint that is not active are held, never dropped.
const (
	EndpointActive   EndpointState = "active"
	EndpointPaused   EndpointState = "paused"
	EndpointFailing  EndpointState = "failing"  // the breaker is open
	EndpointDisabled EndpointState = "disabled" // days without a success
	EndpointGone     EndpointState = "gone"     // the receiver answered 410
)

// Order says which deliveries of an endpoint wait for one another. Deliveries of one protocolo always do.
type Order string

// Orders.
const (
	OrderNone   Order = "none"
	OrderDevice Order = "device"
	OrderFIFO   Order = "fifo"
)

// Endpoint is a client's registered URL.
type Endpoint struct {
	ID          string   `json:"id"`     // "wh_" + UUIDv7 hex
	Client      string   `json:"client"` // id of the owning client
	URL         string   `json:"url"`
	Description string   `json:"description,omitempty"`
	Events      []string `json:"events"` // filters: "*", "action.*", "action.failed", …

	State       EndpointState `json:"state"`
	StateReason string        `json:"state_reason,omitempty"`
	// HoldUntil stops all deliveries until then: Retry-After of a 429 or 503.
	HoldUntil time.Time `json:"hold_until,omitzero"`

	// Secret is the signing key's text as the client sees it: "whsec_…" or the client's own text. Stores encrypt it.
	Secret string `json:"secret"`
	// OldSecret signs too, after Secret, until OldSecretUntil: a rotation's overlap.
	OldSecret      string    `json:"old_secret,omitempty"`
	OldSecretUntil time.Time `json:"old_secret_until,omitzero"`
	// BodySignatureHeader asks for "sha256=<hex HMAC-SHA256(body)>" under that header name.
	BodySignatureHeader string `json:"body_signature_header,omitempty"`

	Order Order `json:"order"`
	// Concurrency is how many attempts may be under way at once; 0 is DefaultConcurrency.
	Concurrency int `json:"concurrency,omitempty"`
	// Timeout of an attempt in all; 0 is DefaultTimeout.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Schedule are the waits before the second and later attempts; empty is DefaultSchedule.
	Schedule []time.Duration `json:"schedule,omitempty"`
	// PerMinute bounds the attempts begun in a minute; 0 is no bound.
	PerMinute int `json:"per_minute,omitempty"`
	// Filter narrows what Events lets through.
	Filter Filter `json:"filter,omitzero"`
	// Headers go out with every attempt, for receivers that ask for a key of theirs. Stores encrypt the values.
	Headers []Header `json:"headers,omitempty"`
	TLS     TLS      `json:"tls,omitzero"`

	Health

	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version counts changes; UpdateEndpoint compares it.
	Version uint64 `json:"version"`
}

// Health is what attempts make of an endpoint. It is stored, so that a restart does not forget it.
type Health struct {
	// ConsecutiveFailures counts the failed attempts since the last success, FailingSince is when the first of them was, and
	// TransportFaults counts the last ones of them without a gap that got no HTTP answer.
	ConsecutiveFailures int       `json:"consecutive_failures,omitempty"`
	FailingSince        time.Time `json:"failing_since,omitzero"`
	TransportFaults     int       `json:"transport_faults,omitempty"`
	// ProbeAt is when an endpoint whose breaker is open gets one attempt; ProbeWait is the wait that ends then.
	ProbeAt   time.Time     `json:"probe_at,omitzero"`
	ProbeWait time.Duration `json:"probe_wait,omitempty"`
	// ReleasedAt makes everything due that was put off before it: a good probe, or a resume, does that.
	ReleasedAt    time.Time `json:"released_at,omitzero"`
	LastSuccessAt time.Time `json:"last_success_at,omitzero"`
	LastFailureAt time.Time `json:"last_failure_at,omitzero"`
	LastError     string    `json:"last_error,omitempty"` // class of the last failed attempt
}

// Priority says how much an event matters. At one endpoint the higher goes first, as far as the order allows.
type Priority int

// Priorities. The zero value is the usual one.
const (
	PriorityLow    Priority = -1
	PriorityNormal Priority = 0
	PriorityHigh   Priority = 1
)

// Filter narrows what an endpoint gets by what events say. The zero value lets everything through.
type Filter struct {
	// Expression is true for the events to send; empty is true for all.
	Expression string `json:"expression,omitempty"`
	// IgnoreFaults are codes of faults: an event whose fault has one of them is not sent.
	IgnoreFaults []int `json:"ignore_faults,omitempty"`
	// MinPriority holds back events of a lower priority where it is not nil.
	MinPriority *Priority `json:"min_priority,omitempty"`
}

// Header is a header of the client's own.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// TLS says how the receiver's certificate is checked, and which one it is shown.
type TLS struct {
	// CA are certificates in PEM, the only roots to trust; empty is the system's.
	CA string `json:"ca,omitempty"`
	// Pins are "sha256/" and the base64 of the SHA-256 of a SubjectPublicKeyInfo (RFC 7469 section 2.4). A receiver whose own key
	// is pinned needs no chain to a root; its name and dates are checked all the same.
	Pins []string `json:"pins,omitempty"`
	// AcceptInvalid takes any certificate.
	AcceptInvalid bool `json:"accept_invalid,omitempty"`
	// ClientCert and ClientKey, in PEM, are shown to receivers that ask for a certificate. Stores encrypt the key.
	ClientCert string `json:"client_cert,omitempty"`
	ClientKey  string `json:"client_key,omitempty"`
}

// Event is one thing worth telling. Its id never changes.
type Event struct {
	ID        string    `json:"id"` // "evt_" + UUIDv7 hex
	Type      string    `json:"type"`
	Client    string    `json:"client"`
	Protocolo string    `json:"protocolo,omitempty"` // of the action that it tells of
	Device    string    `json:"device,omitempty"`
	Time      time.Time `json:"time"`
	Priority  Priority  `json:"priority,omitempty"`
	// Body is the JSON to send. Where SequenceAt is above 0, the store allots the device's next sequence number in the
	// event's own transaction and Bytes puts its decimal in at that offset of Body.
	Body       []byte `json:"body"`
	SequenceAt int    `json:"sequence_at,omitempty"`
	Sequence   uint64 `json:"sequence,omitempty"`
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// States of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryDead      DeliveryState = "dead"      // attempts are spent, or the endpoint is gone
	DeliveryCancelled DeliveryState = "cancelled" // the endpoint was deleted
	// DeliveryHeld is how a pending one is called whose endpoint is not active. No delivery is stored with it.
	DeliveryHeld DeliveryState = "held"
)

// Format is how the event's body is shaped for an endpoint; fixed when the delivery is made.
type Format string

// Formats.
const (
	FormatStandard Format = ""
	// FormatBodySignature adds event_type and event_id at the top of the body.
	FormatBodySignature Format = "body_signature"
	// FormatLegacy is the body that receivers of IXC ACS know: protocolo, router_id, status and timestamp, and nothing else.
	FormatLegacy Format = "legacy"
)

// Delivery is one event for one endpoint.
type Delivery struct {
	ID        string        `json:"id"` // "dlv_" + UUIDv7 hex; ids order as they were made
	Event     string        `json:"event"`
	EventType string        `json:"event_type"`
	Endpoint  string        `json:"endpoint"`
	Client    string        `json:"client"`
	Protocolo string        `json:"protocolo,omitempty"`
	Device    string        `json:"device,omitempty"`
	Format    Format        `json:"format,omitempty"`
	State     DeliveryState `json:"state"`
	// OrderKey: of two pending deliveries of one endpoint with the same non-empty key the older goes first, and the younger
	// only when the older is no longer pending.
	OrderKey string   `json:"order_key,omitempty"`
	Priority Priority `json:"priority,omitempty"`
	// Replay is the replay that made it due last, "" where none did.
	Replay string `json:"replay,omitempty"`
	// ReplayedAt is when it was last made due again by hand or by a replay.
	ReplayedAt time.Time `json:"replayed_at,omitzero"`
	// TimeZone is the IANA zone that FormatLegacy tells the time in; empty is UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Attempts counts attempts ever made; Tries those since the last replay, which the schedule goes by.
	Attempts int       `json:"attempts"`
	Tries    int       `json:"tries"`
	NextAt   time.Time `json:"next_at,omitzero"`
	// PutOffAt is when NextAt was set; zero is CreatedAt.
	PutOffAt  time.Time `json:"put_off_at,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	DoneAt    time.Time `json:"done_at,omitzero"`
	// LastStatus and LastError are the last attempt's.
	LastStatus int    `json:"last_status,omitempty"`
	LastError  string `json:"last_error,omitempty"`
}

// ErrorClass names why an attempt failed; few values, fit for a metric label. "" is success.
type ErrorClass string

// Classes.
const (
	ErrorStatus   ErrorClass = "status"   // an answer other than 2xx or 3xx
	ErrorRedirect ErrorClass = "redirect" // 3xx: never followed
	ErrorTimeout  ErrorClass = "timeout"
	ErrorDNS      ErrorClass = "dns"
	ErrorConnect  ErrorClass = "connect" // refused, unreachable, reset before an answer
	ErrorTLS      ErrorClass = "tls"
	ErrorRefused  ErrorClass = "refused_address" // the guard refused where the name points
	ErrorAnswer   ErrorClass = "bad_answer"      // no HTTP, or headers beyond the limit
	ErrorInternal ErrorClass = "internal"
)

// Attempt is the record of one POST.
type Attempt struct {
	Delivery string        `json:"delivery"`
	Number   int           `json:"number"`          // from 1
	Probe    bool          `json:"probe,omitempty"` // one that asked whether the receiver is back
	At       time.Time     `json:"at"`
	Duration time.Duration `json:"duration"`
	Status   int           `json:"status,omitempty"` // HTTP status, 0 where none came
	Class    ErrorClass    `json:"class,omitempty"`
	// Error is a sentence without secrets, URL query or user info.
	Error string `json:"error,omitempty"`
	// Response is at most the first 4 KiB of the answer's body; empty where the guard refused.
	Response   string        `json:"response,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
}

// Defaults and limits of delivery.
const (
	DefaultConcurrency = 4
	MaxConcurrency     = 64
	TotalConcurrency   = 256
	DefaultTimeout     = 30 * time.Second
	MaxRetryAfter      = 24 * time.Hour
	MaxResponseRead    = 64 << 10
	MaxResponseKept    = 4 << 10
)

var (
	// ErrNotFound is an endpoint, event or delivery that does not exist (or is another client's).
	ErrNotFound = errors.New("not found")
	// ErrConflict is a change made to a version that is no longer the newest.
	ErrConflict = errors.New("changed meanwhile")
	// ErrLeaseLost is an attempt recorded under a lease that is no longer held.
	ErrLeaseLost = errors.New("lease lost")
)

package wire

import "time"

// List is a page of things. NextCursor, given as ?cursor=, brings the next page; it is null on the last one.
type List[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// Receipt is the 202 of an accepted request.
type Receipt struct {
	Protocolo  string `json:"protocolo"`
	RouterID   string `json:"router_id"`
	DeviceID   string `json:"device_id"`
	Action     string `json:"action"`
	ClientRef  string `json:"client_ref,omitempty"`
	Status     string `json:"status"`
	Stage      string `json:"stage"`
	CreatedAt  Time   `json:"created_at"`
	DeadlineAt Time   `json:"deadline_at"`
	StatusURL  string `json:"status_url"`
	// Webhooks is how many endpoints will be told the result.
	Webhooks int `json:"webhooks"`
}

// Protocol is all that is known of a protocolo. Lists leave Timeline, Events and Deliveries out.
type Protocol struct {
	Protocolo string `json:"protocolo"`
	RouterID  string `json:"router_id"`
	DeviceID  string `json:"device_id"`
	Action    string `json:"action"`
	ClientRef string `json:"client_ref,omitempty"`

	Status string `json:"status"` // pending, success, failure, timeout, cancelled
	Stage  string `json:"stage"`  // queued, waking, in_session, sent, accepted
	// Reason is a code: why it failed, or why it is stuck. ReasonDetail says more, NextStep what happens or helps next.
	Reason       *string `json:"reason"`
	ReasonDetail string  `json:"reason_detail,omitempty"`
	NextStep     string  `json:"next_step"`
	// WaitingFor is what it waits behind; null where it is next, sent or final.
	WaitingFor *WaitingFor `json:"waiting_for"`

	CreatedAt  Time   `json:"created_at"`
	DeadlineAt Time   `json:"deadline_at"`
	SentAt     *Time  `json:"sent_at"`
	AcceptedAt *Time  `json:"accepted_at"`
	FinishedAt *Time  `json:"finished_at"`
	DurationMS *int64 `json:"duration_ms"`

	// Parameters are the names and types asked for; values are never shown.
	Parameters   []ParameterName `json:"parameters,omitempty"`
	Verify       bool            `json:"verify,omitempty"`
	Applied      string          `json:"applied,omitempty"` // now, after_reboot
	Verified     *bool           `json:"verified,omitempty"`
	Unverifiable []string        `json:"unverifiable,omitempty"`
	Mismatched   []string        `json:"mismatched,omitempty"`
	Fault        *Fault          `json:"fault"`
	Evidence     *Evidence       `json:"evidence"`

	// Ring is the last connection request made for the action.
	Ring *Ring `json:"ring"`
	// Late is what the device did after the time-out.
	Late *Late `json:"late"`

	StatusURL string          `json:"status_url"`
	Timeline  []TimelineEntry `json:"timeline,omitempty"`
	// Events are what was told of it, oldest first, each with where it went. GET /events/{id} shows the body.
	Events     []ProtocolEvent `json:"events,omitempty"`
	Deliveries []Delivery      `json:"deliveries,omitempty"`
}

// ProtocolEvent is an event about a protocolo.
type ProtocolEvent struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Timestamp Time   `json:"timestamp"`
	// Deliveries are empty where no endpoint wanted it.
	Deliveries []EventDelivery `json:"deliveries"`
}

// EventDelivery is how an event stands at an endpoint.
type EventDelivery struct {
	WebhookID  string `json:"webhook_id"`
	DeliveryID string `json:"delivery_id"`
	State      string `json:"state"` // pending, held, delivered, dead, cancelled
	Attempts   int    `json:"attempts"`
}

// Final reports whether the status can no longer change.
func (p *Protocol) Final() bool { return p.Status != "pending" }

// WaitingFor is the action that another one of the same device waits behind. All but Reason is null where it is another client's.
type WaitingFor struct {
	Reason     string  `json:"reason"` // turn, reboot_unsettled, answer_outstanding, shared_boot
	Protocolo  *string `json:"protocolo"`
	Action     *string `json:"action"`
	Stage      *string `json:"stage"`
	DeadlineAt *Time   `json:"deadline_at"`
	StatusURL  *string `json:"status_url"`
}

// ParameterName is a parameter without its value.
type ParameterName struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Ring is a connection request. Result is "ok" where the device took it, else the reason why not: "dns", "unauthorized", …
type Ring struct {
	At         Time   `json:"at"`
	Result     string `json:"result"`
	HTTPStatus int    `json:"http_status,omitempty"`
	Tries      int    `json:"tries"`
	NextAt     *Time  `json:"next_at"`
}

// RingOK is the Result of a connection request that the device took.
const RingOK = "ok"

// Late is what the device did after the action had timed out, told by the event action.late_result.
type Late struct {
	At      Time   `json:"at"`
	Status  string `json:"status"` // success, failure
	EventID string `json:"event_id"`
}

// TimelineEntry is one step in an action's life.
type TimelineEntry struct {
	At     Time   `json:"at"`
	What   string `json:"what"`
	Detail string `json:"detail,omitempty"`
}

// Device is what is known of a CPE: who it is, what its provider says, what it said itself, and how to reach it.
type Device struct {
	ID           string `json:"id"`
	Manufacturer string `json:"manufacturer,omitempty"`
	OUI          string `json:"oui"`
	ProductClass string `json:"product_class"`
	SerialNumber string `json:"serial_number"`

	RouterID   string   `json:"router_id,omitempty"`
	AccountID  string   `json:"account_id,omitempty"`
	PPPoELogin string   `json:"pppoe_login,omitempty"`
	MAC        string   `json:"mac,omitempty"`
	City       string   `json:"city,omitempty"`
	PONPort    string   `json:"pon_port,omitempty"`
	Tags       []string `json:"tags"`

	// Reported is null until the device calls in.
	Reported *Reported `json:"reported"`
	Online   Online    `json:"online"`

	ConnectionRequest ConnectionHealth `json:"connection_request"`
	CWMPAuth          CredentialShown  `json:"cwmp_auth"`

	// IdentityConflict is there where the device called in from two addresses in turn within the last day.
	IdentityConflict *IdentityConflict `json:"identity_conflict,omitempty"`

	// OpenActions are the client's own pending actions on it; lists of devices leave it out.
	OpenActions []OpenAction `json:"open_actions,omitempty"`
	CreatedAt   *Time        `json:"created_at"` // of the provider's facts
	UpdatedAt   *Time        `json:"updated_at"`
}

// IdentityConflict is one identity that calls in from two addresses in turn: two devices, or a network that changes addresses.
type IdentityConflict struct {
	Since     Time     `json:"since"`
	LastAt    Time     `json:"last_at"`
	Addresses []string `json:"addresses"`
}

// Reported is what a device last said of itself.
type Reported struct {
	DataModel       string   `json:"data_model,omitempty"` // "InternetGatewayDevice." or "Device."
	SoftwareVersion string   `json:"software_version,omitempty"`
	HardwareVersion string   `json:"hardware_version,omitempty"`
	MAC             string   `json:"mac,omitempty"`
	PPPoELogin      string   `json:"pppoe_login,omitempty"`
	CWMPNamespace   string   `json:"cwmp_namespace,omitempty"`
	Address         string   `json:"address,omitempty"`
	FirstInformAt   Time     `json:"first_inform_at"`
	LastInformAt    Time     `json:"last_inform_at"`
	LastBootAt      *Time    `json:"last_boot_at"`
	LastEvents      []string `json:"last_events"`
	UptimeSeconds   *int64   `json:"uptime_seconds"` // at UptimeAt
	UptimeAt        *Time    `json:"uptime_at"`
	RetryCount      int      `json:"retry_count"`
}

// Online is an estimate: a CPE keeps no connection open, so nobody knows.
type Online struct {
	Estimate string `json:"estimate"` // online, offline, unknown
	Why      string `json:"why"`      // in plain words
}

// ConnectionHealth tells whether the device can be rung.
type ConnectionHealth struct {
	State string `json:"state"` // ok, failing, untried, impossible
	// URLKnown is false until the device has told its connection-request URL.
	URLKnown    bool   `json:"url_known"`
	Username    string `json:"username,omitempty"`
	PasswordSet bool   `json:"password_set"`
	// Last is the last connection request to the device since the server's start.
	Last *Ring `json:"last"`
}

// CredentialShown is a credential without its password.
type CredentialShown struct {
	Username    string `json:"username,omitempty"`
	PasswordSet bool   `json:"password_set"`
}

// OpenAction is a pending action of a device.
type OpenAction struct {
	Protocolo  string `json:"protocolo"`
	Action     string `json:"action"`
	Stage      string `json:"stage"`
	CreatedAt  Time   `json:"created_at"`
	DeadlineAt Time   `json:"deadline_at"`
	StatusURL  string `json:"status_url"`
}

// Client is an API client.
type Client struct {
	ID                string   `json:"id"`
	Name              string   `json:"name"`
	Scopes            []string `json:"scopes"`
	RequestsPerMinute int      `json:"requests_per_minute"` // 0: no limit
	RequestsPerDay    int      `json:"requests_per_day"`    // 0: no limit
	TokenTTLSeconds   int64    `json:"token_ttl_seconds"`   // 0: until revoked
	Tags              []string `json:"tags"`
	Blocked           bool     `json:"blocked"`
	Type              string   `json:"type"` // generic, erp, help_desk
	PublicKey         string   `json:"public_key,omitempty"`
	Legacy            bool     `json:"legacy"`
	TimeZone          string   `json:"time_zone,omitempty"` // empty: UTC
	// Webhook is the one of the client's form; null: it has none.
	Webhook   *ClientWebhook `json:"webhook"`
	CreatedAt Time           `json:"created_at"`
	UpdatedAt Time           `json:"updated_at"`
}

// ClientCreated is a new client with what is shown this once.
type ClientCreated struct {
	Client
	Token        string `json:"token"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

// TokenCreated is a new token, shown this once.
type TokenCreated struct {
	Token     string `json:"token"`
	ClientID  string `json:"client_id"`
	CreatedAt Time   `json:"created_at"`
	ExpiresAt *Time  `json:"expires_at"` // null: until revoked
}

// Health is the answer of /healthz and /readyz when all is well.
type Health struct {
	Status string `json:"status"` // ok, ready
}

// TimePtr is t for a field that is null where there is none: nil for the zero time.
func TimePtr(t time.Time) *Time {
	if t.IsZero() {
		return nil
	}
	w := Time(t)
	return &w
}

package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Bounds of requests.
const (
	MaxBody           = 1 << 20 // bytes
	MaxDepth          = 16      // objects and lists within one another
	MinTimeoutSeconds = 60
	MaxTimeoutSeconds = 86400
	MaxPage           = 1000 // items of a list
	DefaultPage       = 100
	MaxWaitSeconds    = 60 // of GET /protocols/{protocolo}?wait=
)

// RebootRequest is the body of POST /devices/reboot.
type RebootRequest struct {
	RouterID string `json:"router_id"`
	// TimeoutSeconds is MinTimeoutSeconds to MaxTimeoutSeconds; nil is an hour.
	TimeoutSeconds *int   `json:"timeout_seconds,omitempty"`
	ClientRef      string `json:"client_ref,omitempty"`
}

// ParametersUpdateRequest is the body of POST /devices/parameters/update.
type ParametersUpdateRequest struct {
	RouterID   string     `json:"router_id"`
	Parameters Parameters `json:"parameters"`
	// Verify asks for the values to be read back.
	Verify         bool   `json:"verify,omitempty"`
	TimeoutSeconds *int   `json:"timeout_seconds,omitempty"`
	ClientRef      string `json:"client_ref,omitempty"`
}

// Parameter is a parameter to set. Value is a JSON string, number or boolean, kept as it was written.
type Parameter struct {
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
	// Type is an XSD type such as "xsd:unsignedInt"; empty: what the device last reported, else the data model's, else it follows
	// the JSON value.
	Type string `json:"type,omitempty"`
}

// Parameters are the parameters of an update, in order. In JSON they are a list of Parameter, or an object {name: value}.
type Parameters []Parameter

// UnmarshalJSON implements json.Unmarshaler.
func (p *Parameters) UnmarshalJSON(b []byte) error {
	if b = bytes.TrimSpace(b); len(b) == 0 || b[0] != '{' {
		return json.Unmarshal(b, (*[]Parameter)(p))
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil {
		return err
	}
	*p = Parameters{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		if !ok {
			return fmt.Errorf("parameters: %v is no name", t)
		}
		q := Parameter{Name: name}
		if err := dec.Decode(&q.Value); err != nil {
			return err
		}
		*p = append(*p, q)
	}
	return nil
}

// DevicePut is the body of PUT /devices/{id}: the provider's own facts. What is nil stays as it is; an empty text or list clears.
type DevicePut struct {
	RouterID          *string     `json:"router_id,omitempty"`
	AccountID         *string     `json:"account_id,omitempty"`
	PPPoELogin        *string     `json:"pppoe_login,omitempty"`
	MAC               *string     `json:"mac,omitempty"`
	City              *string     `json:"city,omitempty"`
	PONPort           *string     `json:"pon_port,omitempty"`
	Tags              *[]string   `json:"tags,omitempty"`
	ConnectionRequest *Credential `json:"connection_request,omitempty"`
	CWMPAuth          *Credential `json:"cwmp_auth,omitempty"`
}

// Credential is a user name and a password, for writing only; without both it takes away what was there.
type Credential struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
}

// WebhookCreate is the body of POST /webhooks.
type WebhookCreate struct {
	URL string `json:"url"`
	// Events are filters: "*" (the default), "action.*", "action.failed", …
	Events      []string `json:"events,omitempty"`
	Description string   `json:"description,omitempty"`
	// Secret is the client's own: "whsec_" and 24 to 64 bytes in base64, or 16 to 75 characters of text. Left out, one is made.
	Secret string `json:"secret,omitempty"`
	// Active is false for an endpoint that starts paused.
	Active              *bool  `json:"active,omitempty"`
	BodySignatureHeader string `json:"body_signature_header,omitempty"`
	// Order is "none" (the default), "device" or "fifo".
	Order string `json:"order,omitempty"`
	// Concurrency is how many attempts may be under way at once; 0 is the default.
	Concurrency int `json:"concurrency,omitempty"`
	// TimeoutSeconds is of one attempt, 1 to 30; 0 is the default.
	TimeoutSeconds int `json:"timeout_seconds,omitempty"`
	// RetrySeconds are the waits before the second and later attempts; empty is the default schedule.
	RetrySeconds []int `json:"retry_seconds,omitempty"`
	// RequestsPerMinute bounds the attempts begun in a minute; 0 is no bound.
	RequestsPerMinute int `json:"requests_per_minute,omitempty"`
	// Filter narrows what Events lets through.
	Filter *WebhookFilter `json:"filter,omitempty"`
	// Headers go out with every attempt. Their values are not shown again.
	Headers map[string]string `json:"headers,omitempty"`
	TLS     *WebhookTLS       `json:"tls,omitempty"`
}

// WebhookFilter narrows what an endpoint gets by what events say. What is left out lets everything through.
type WebhookFilter struct {
	// Expression is true for the events to send, such as data.device.oui == "00259E".
	Expression string `json:"expression,omitempty"`
	// IgnoreFaultCodes keeps back events whose data.fault.code is one of them.
	IgnoreFaultCodes []int `json:"ignore_fault_codes,omitempty"`
	// MinPriority is low, normal or high.
	MinPriority string `json:"min_priority,omitempty"`
}

// WebhookTLS says how the receiver's certificate is checked, and which one it is shown.
type WebhookTLS struct {
	// CA are certificates in PEM, the only roots to trust; empty is the system's.
	CA string `json:"ca,omitempty"`
	// Pins are "sha256/" and the base64 of the SHA-256 of a SubjectPublicKeyInfo.
	Pins []string `json:"pins,omitempty"`
	// AcceptInvalidCertificate takes any certificate.
	AcceptInvalidCertificate bool `json:"accept_invalid_certificate,omitempty"`
	// ClientCertificate and ClientKey, in PEM, are shown to a receiver that asks for a certificate. The key is not shown again; left
	// out in a change, it stays with an unchanged certificate.
	ClientCertificate string `json:"client_certificate,omitempty"`
	ClientKey         string `json:"client_key,omitempty"`
}

// WebhookChange is the body of PATCH /webhooks/{id}: what is nil stays as it is.
type WebhookChange struct {
	URL                 *string   `json:"url,omitempty"`
	Events              *[]string `json:"events,omitempty"`
	Description         *string   `json:"description,omitempty"`
	Active              *bool     `json:"active,omitempty"`
	BodySignatureHeader *string   `json:"body_signature_header,omitempty"`
	Order               *string   `json:"order,omitempty"`
	Concurrency         *int      `json:"concurrency,omitempty"`
	TimeoutSeconds      *int      `json:"timeout_seconds,omitempty"`
	RetrySeconds        *[]int    `json:"retry_seconds,omitempty"`
	RequestsPerMinute   *int      `json:"requests_per_minute,omitempty"`
	// Filter, Headers and TLS replace what was there as a whole; empty ones take it away.
	Filter  *WebhookFilter     `json:"filter,omitempty"`
	Headers *map[string]string `json:"headers,omitempty"`
	TLS     *WebhookTLS        `json:"tls,omitempty"`
}

// ClientCreate is the body of POST /clients.
type ClientCreate struct {
	Name string `json:"name"`
	// Scopes left out are actions, devices:read, devices:write and webhooks.
	Scopes            []string `json:"scopes,omitempty"`
	RequestsPerMinute int      `json:"requests_per_minute,omitempty"` // 0: no limit
	RequestsPerDay    int      `json:"requests_per_day,omitempty"`    // 0: no limit
	TokenTTLSeconds   int      `json:"token_ttl_seconds,omitempty"`   // 0: until revoked
	Tags              []string `json:"tags,omitempty"`
	Type              string   `json:"type,omitempty"` // generic (the default), erp or help_desk
	// PublicKey checks the JWTs that the client signs: a P-256 key in PEM.
	PublicKey string `json:"public_key,omitempty"`
	// Legacy gives its webhooks of results four members, with the time of day in TimeZone (an IANA name; empty is UTC).
	Legacy   bool              `json:"legacy,omitempty"`
	TimeZone string            `json:"time_zone,omitempty"`
	Blocked  bool              `json:"blocked,omitempty"`
	Webhook  *ClientWebhookPut `json:"webhook,omitempty"`
}

// ClientChange is the body of PATCH /clients/{id}: what is nil stays as it is.
type ClientChange struct {
	Name              *string           `json:"name,omitempty"`
	Scopes            *[]string         `json:"scopes,omitempty"`
	RequestsPerMinute *int              `json:"requests_per_minute,omitempty"`
	RequestsPerDay    *int              `json:"requests_per_day,omitempty"`
	TokenTTLSeconds   *int              `json:"token_ttl_seconds,omitempty"`
	Tags              *[]string         `json:"tags,omitempty"`
	Blocked           *bool             `json:"blocked,omitempty"`
	Type              *string           `json:"type,omitempty"`
	PublicKey         *string           `json:"public_key,omitempty"` // "" takes it away
	Legacy            *bool             `json:"legacy,omitempty"`
	TimeZone          *string           `json:"time_zone,omitempty"`
	Webhook           *ClientWebhookPut `json:"webhook,omitempty"`
}

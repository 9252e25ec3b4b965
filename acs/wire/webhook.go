package wire

// Webhook is a registered endpoint.
type Webhook struct {
	ID          string   `json:"id"`
	WebhookID   string   `json:"webhook_id"` // the same as ID
	URL         string   `json:"url"`
	Description string   `json:"description,omitempty"`
	Events      []string `json:"events"`
	Active      bool     `json:"active"`
	// State is active, paused, failing, disabled or gone; events for one that is not active are held.
	State       string `json:"state"`
	StateReason string `json:"state_reason,omitempty"`
	HoldUntil   *Time  `json:"hold_until"` // the receiver asked for a pause until then

	// RotationUntil is set while a rotation is under way: the old secret signs too, until then.
	RotationUntil *Time `json:"rotation_until"`

	BodySignatureHeader string `json:"body_signature_header,omitempty"`
	Order               string `json:"order"`
	Concurrency         int    `json:"concurrency"`
	TimeoutSeconds      int    `json:"timeout_seconds"`
	RetrySeconds        []int  `json:"retry_seconds"`
	RequestsPerMinute   int    `json:"requests_per_minute"` // 0: no bound

	Filter      *WebhookFilter `json:"filter"`
	HeaderNames []string       `json:"header_names"` // of its own headers; the values are not shown
	TLS         *WebhookTLS    `json:"tls"`          // without the client certificate's key

	ConsecutiveFailures int    `json:"consecutive_failures"`
	FailingSince        *Time  `json:"failing_since"` // the first failure after the last success
	ProbeAt             *Time  `json:"probe_at"`      // when a failing endpoint is asked again
	LastSuccessAt       *Time  `json:"last_success_at"`
	LastFailureAt       *Time  `json:"last_failure_at"`
	LastError           string `json:"last_error,omitempty"` // Attempt.ErrorClass of the last failed one
	// Health is shown by GET only.
	Health *WebhookHealth `json:"health,omitempty"`

	CreatedAt Time `json:"created_at"`
	UpdatedAt Time `json:"updated_at"`
}

// WebhookCreated is an endpoint with its new secret, from its registration or a rotation, and an example to try a receiver with.
type WebhookCreated struct {
	Webhook
	// Secret is as it was given or made; StandardSecret is the same key as "whsec_" and base64, for Standard Webhooks libraries.
	Secret         string         `json:"secret"`
	StandardSecret string         `json:"standard_secret"`
	Example        SigningExample `json:"signing_example"`
}

// SigningExample is a worked signature: a receiver that computes the same from ID, Timestamp and Body has it right.
type SigningExample struct {
	ID        string `json:"webhook-id"`
	Timestamp string `json:"webhook-timestamp"`
	Body      string `json:"body"`
	// SignedContent is what the HMAC-SHA256 is taken of, KeyHex the key in hex.
	SignedContent string `json:"signed_content"`
	KeyHex        string `json:"key_hex"`
	Signature     string `json:"webhook-signature"`
	// BodySignature is the value of the endpoint's body_signature_header, where it has one.
	BodySignatureHeader string `json:"body_signature_header,omitempty"`
	BodySignature       string `json:"body_signature,omitempty"`
}

// WebhookTested is the answer to POST /webhooks/{id}/test.
type WebhookTested struct {
	EventID  string   `json:"event_id"`
	Delivery Delivery `json:"delivery"`
}

// Delivery is one event for one endpoint.
type Delivery struct {
	ID        string `json:"id"`
	EventID   string `json:"event_id"`
	EventType string `json:"event_type"`
	WebhookID string `json:"webhook_id"`
	Protocolo string `json:"protocolo,omitempty"`
	DeviceID  string `json:"device_id,omitempty"`
	// State is pending, held (pending at an endpoint that is not active), delivered, dead or cancelled.
	State      string `json:"state"`
	Attempts   int    `json:"attempts"`
	NextAt     *Time  `json:"next_at"`
	CreatedAt  Time   `json:"created_at"`
	DoneAt     *Time  `json:"done_at"`
	LastStatus int    `json:"last_status,omitempty"`
	LastError  string `json:"last_error,omitempty"` // in words; Attempt.ErrorClass has the class
}

// Attempt is the record of one POST to an endpoint.
type Attempt struct {
	Number     int    `json:"number"`
	Probe      bool   `json:"probe,omitempty"` // it asked whether a failing endpoint is back, and cost the schedule nothing
	At         Time   `json:"at"`
	DurationMS int64  `json:"duration_ms"`
	HTTPStatus int    `json:"http_status,omitempty"`
	ErrorClass string `json:"error_class,omitempty"` // empty: delivered
	Error      string `json:"error,omitempty"`
	// Response is at most the first 4 KiB of the answer.
	Response          string `json:"response,omitempty"`
	RetryAfterSeconds int64  `json:"retry_after_seconds,omitempty"`
}

package wire

// ProblemType is the media type of a Problem (RFC 9457).
const ProblemType = "application/problem+json"

// Codes of problems: stable, for programs.
const (
	CodeInvalidRequest       = "invalid_request"        // 400; field tells where
	CodeUnauthenticated      = "unauthenticated"        // 401
	CodeBlocked              = "blocked"                // 403
	CodeScope                = "scope"                  // 403; scope tells which one is needed
	CodeNotFound             = "not_found"              // 404: does not exist, or is another client's
	CodeDeviceNotFound       = "device_not_found"       // 404: router_id names no device
	CodeMethodNotAllowed     = "method_not_allowed"     // 405
	CodeDeviceAmbiguous      = "device_ambiguous"       // 409; candidates lists the devices
	CodeAlreadySent          = "already_sent"           // 409: cancelling comes too late
	CodeFinished             = "finished"               // 409: the action has its verdict
	CodeQueueFull            = "queue_full"             // 409: the device has too many pending actions
	CodeTooManyWebhooks      = "too_many_webhooks"      // 409: the client has as many endpoints as it may
	CodeRotating             = "rotation_under_way"     // 409: the endpoint's old secret still signs
	CodeReplayRunning        = "replay_running"         // 409: the endpoint has a replay under way
	CodeExists               = "exists"                 // 409: the name is taken
	CodeConflict             = "conflict"               // 409: changed meanwhile; try again
	CodeBodyTooLarge         = "body_too_large"         // 413
	CodeUnsupportedMediaType = "unsupported_media_type" // 415
	CodeIdempotencyKeyReused = "idempotency_key_reused" // 422
	CodeRateLimited          = "rate_limited"           // 429; Retry-After
	CodeInternal             = "internal"               // 500
	CodeUnavailable          = "unavailable"            // 503; Retry-After
	CodeWebhookQueueFull     = "webhook_queue_full"     // 507: too many deliveries wait for the client's endpoints
)

// Codes lists every code of a Problem.
var Codes = []string{
	CodeInvalidRequest, CodeUnauthenticated, CodeBlocked, CodeScope, CodeNotFound, CodeDeviceNotFound, CodeMethodNotAllowed,
	CodeDeviceAmbiguous, CodeAlreadySent, CodeFinished, CodeQueueFull, CodeTooManyWebhooks, CodeRotating, CodeReplayRunning, CodeExists, CodeConflict, CodeBodyTooLarge, CodeUnsupportedMediaType,
	CodeIdempotencyKeyReused, CodeRateLimited, CodeInternal, CodeUnavailable, CodeWebhookQueueFull,
}

// Problem is the body of every refusal: RFC 9457 with a stable code.
type Problem struct {
	Type   string `json:"type"` // "urn:recado:problem:" + code
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`
	// Message says all in one sentence, for clients that look at the status and at this.
	Message string `json:"message,omitempty"`
	// Field is where in the request the trouble is: a JSON path such as "parameters[2].value" or parameters["Device.X"], by the
	// form that was sent, or the name of a query parameter or header.
	Field string `json:"field,omitempty"`
	// Candidates are the device ids that an ambiguous router_id fits.
	Candidates []string `json:"candidates,omitempty"`
	// DeviceID is the device that has the name which is taken, where the client sees it.
	DeviceID string `json:"device_id,omitempty"`
	// Scope is the one that is missing; Parameters are those that need it.
	Scope      string   `json:"scope,omitempty"`
	Parameters []string `json:"parameters,omitempty"`
	// RetryAfterSeconds says the same as the header Retry-After.
	RetryAfterSeconds int    `json:"retry_after_seconds,omitempty"`
	RequestID         string `json:"request_id,omitempty"`
}

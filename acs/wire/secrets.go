package wire

import "encoding/json"

// MaxOverlapSeconds bounds a rotation's overlap.
const MaxOverlapSeconds = 604800

// WebhookRotate is the body of POST /webhooks/{id}/rotate.
type WebhookRotate struct {
	// Secret is the client's own, as in WebhookCreate. Left out, one is made.
	Secret string `json:"secret,omitempty"`
	// OverlapSeconds is how long the old secret signs too, 0 to MaxOverlapSeconds; nil is a day.
	OverlapSeconds *int `json:"overlap_seconds,omitempty"`
}

// WebhookSecret is the answer to POST /webhooks/{id}/secret.
type WebhookSecret struct {
	WebhookID      string `json:"webhook_id"`
	Secret         string `json:"secret"`
	StandardSecret string `json:"standard_secret"`
	// The old secret signs too, until then: a rotation's overlap. The body signature is made with it alone meanwhile.
	OldSecret         string `json:"old_secret,omitempty"`
	OldStandardSecret string `json:"old_standard_secret,omitempty"`
	OldSecretUntil    *Time  `json:"old_secret_until"`
}

// WebhookVerify is the body of POST /webhooks/{id}/verify: a request as a receiver saw it. One of Body and BodyBase64 is given,
// for an empty body neither need be.
type WebhookVerify struct {
	Body       string                  `json:"body,omitempty"`
	BodyBase64 string                  `json:"body_base64,omitempty"` // for what is not UTF-8
	Headers    map[string]HeaderValues `json:"headers"`
	// ReceivedAt is the receiver's clock when the request came, in RFC 3339; empty is now.
	ReceivedAt string `json:"received_at,omitempty"`
}

// HeaderValues are the values of a header. In JSON they are a string, or a list of strings for a header that came several times.
type HeaderValues []string

// UnmarshalJSON implements json.Unmarshaler.
func (h *HeaderValues) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(h))
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*h = HeaderValues{one}
	return nil
}

// MarshalJSON implements json.Marshaler.
func (h HeaderValues) MarshalJSON() ([]byte, error) {
	if len(h) == 1 {
		return json.Marshal(h[0])
	}
	return json.Marshal([]string(h))
}

// WebhookVerified is the answer to POST /webhooks/{id}/verify.
type WebhookVerified struct {
	// Accepted is whether a receiver that checks as documented takes the request.
	Accepted bool             `json:"accepted"`
	Matches  []SignatureMatch `json:"matches"`
	// AgeSeconds is ReceivedAt, or now, less webhook-timestamp.
	AgeSeconds *int64 `json:"age_seconds"`
	// EventKnown is whether webhook-id is an event of this endpoint, so that the body could be compared.
	EventKnown bool `json:"event_known"`
	// FirstDifference is the byte, from 0, at which the body is not the one that was delivered.
	FirstDifference *int               `json:"first_difference"`
	Findings        []SignatureFinding `json:"findings"`
}

// SignatureMatch is a signature that is right.
type SignatureMatch struct {
	Scheme string `json:"scheme"` // standard or body_signature
	Header string `json:"header"`
	Secret string `json:"secret"` // new, or old during a rotation
}

// SignatureFinding is something wrong with a request, and what to do about it.
type SignatureFinding struct {
	Code    string `json:"code"`
	Problem string `json:"problem"`
	Advice  string `json:"advice"`
}

package wire

// AccessToken is a token that a client fetched for itself, by its secret (RFC 6749 section 5.1).
type AccessToken struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"` // Bearer
	ExpiresIn   int64  `json:"expires_in"` // seconds
	ExpiresAt   Time   `json:"expires_at"`
	// Scope is there where the request asked for one: the scopes that the client has, which no request changes.
	Scope string `json:"scope,omitempty"`
	// Token is the same as AccessToken, for clients that sign JWTs.
	Token string `json:"token,omitempty"`
}

// Errors of a TokenRefusal: those of RFC 6749 section 5.2, and some for what is nobody's fault.
const (
	OAuthInvalidRequest       = "invalid_request"
	OAuthInvalidClient        = "invalid_client"
	OAuthInvalidGrant         = "invalid_grant" // a JWT that proves nothing
	OAuthUnauthorizedClient   = "unauthorized_client"
	OAuthUnsupportedGrantType = "unsupported_grant_type"
	OAuthTooManyRequests      = "too_many_requests"
	OAuthUnavailable          = "temporarily_unavailable"
	OAuthServerError          = "server_error"
)

// OAuthErrors lists every Error of a TokenRefusal.
var OAuthErrors = []string{
	OAuthInvalidRequest, OAuthInvalidClient, OAuthInvalidGrant, OAuthUnauthorizedClient, OAuthUnsupportedGrantType, OAuthTooManyRequests,
	OAuthUnavailable, OAuthServerError,
}

// TokenRefusal is why there is no token: RFC 6749 section 5.2, and the same again for clients that look at status and message.
type TokenRefusal struct {
	Error             string `json:"error"`
	ErrorDescription  string `json:"error_description"`
	Status            int    `json:"status"`
	Message           string `json:"message"` // as ErrorDescription
	RetryAfterSeconds int    `json:"retry_after_seconds,omitempty"`
	RequestID         string `json:"request_id,omitempty"`
}

package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

// oauthError is a refused token: the word of RFC 6749 section 5.2, and why in plain words.
type oauthError struct {
	status        int
	word, message string
	wait          time.Duration
	err           error // what is behind it, for the log; nil: nothing
}

// Error implements error.
func (e *oauthError) Error() string {
	if e.err != nil {
		return e.err.Error()
	}
	return e.message
}

// Unwrap gives what is behind it.
func (e *oauthError) Unwrap() error { return e.err }

func badTokenRequest(message string) error {
	return &oauthError{status: http.StatusBadRequest, word: wire.OAuthInvalidRequest, message: message}
}

// asOAuth tells an error as RFC 6749 does.
func asOAuth(err error) *oauthError {
	var o *oauthError
	if errors.As(err, &o) {
		return o
	}
	p := problemOf(err)
	o = &oauthError{status: p.Status, word: wire.OAuthServerError, message: p.Title, err: err}
	if p.Detail != "" {
		o.message = p.Detail
	}
	var limit *throttleError
	switch {
	case errors.As(err, &limit):
		o.status, o.word, o.message, o.wait = http.StatusTooManyRequests, wire.OAuthTooManyRequests, limit.Error(), limit.wait
	case errors.Is(err, acs.ErrBlocked):
		o.status, o.word = http.StatusBadRequest, wire.OAuthUnauthorizedClient
	case errors.Is(err, acs.ErrUnauthenticated):
		o.word, o.message = wire.OAuthInvalidClient, "client_id is unknown, or client_secret is wrong"
	case p.Status == http.StatusServiceUnavailable:
		o.word, o.wait = wire.OAuthUnavailable, retryUnavailable*time.Second
	case p.Status < http.StatusInternalServerError:
		o.word = wire.OAuthInvalidRequest
	}
	return o
}

// refuseToken answers with a TokenRefusal.
func (a *API) refuseToken(o *oauthError, c echo.Context) {
	body := wire.TokenRefusal{Error: o.word, ErrorDescription: o.message, Status: o.status, Message: o.message}
	body.RequestID, _ = c.Get(keyRequestID).(string)
	h := c.Response().Header()
	switch {
	case o.word == wire.OAuthInvalidClient:
		h.Set("WWW-Authenticate", `Basic realm="recado", charset="UTF-8"`)
	case o.status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="recado", error="invalid_token"`)
	case o.status == http.StatusRequestEntityTooLarge:
		h.Set("Connection", "close")
	}
	if o.wait > 0 {
		body.RetryAfterSeconds = wholeSeconds(o.wait)
		h.Set("Retry-After", strconv.Itoa(body.RetryAfterSeconds))
	}
	// A client that is gone cannot be told.
	_ = c.JSON(o.status, body)
}

// fetchToken gives a client a token for its secret (RFC 6749 section 4.4).
func (a *API) fetchToken(c echo.Context, _ acs.Client) error {
	in, err := readTokenRequest(c)
	if err != nil {
		return asOAuth(err)
	}
	got, err := a.throttled(c, in.id, func() (acs.FetchedToken, error) {
		return a.cfg.Auth.FetchToken(c.Request().Context(), in.id, in.secret)
	})
	if err != nil {
		return asOAuth(err)
	}
	w := accessToken(&got)
	if in.scope != "" {
		w.Scope = scopeText(got.Client.Scopes)
	}
	return a.giveToken(c, w)
}

// exchangeJWT gives a client a token for a JWT that it signed, as older clients of IXC ACS do.
func (a *API) exchangeJWT(c echo.Context, _ acs.Client) error {
	if err := noQuery(c); err != nil {
		return asOAuth(err)
	}
	text, err := bearerJWT(c.Request().Header)
	if err != nil {
		return asOAuth(err)
	}
	got, err := a.throttled(c, acs.JWTIssuer(text), func() (acs.FetchedToken, error) {
		return a.cfg.Auth.ExchangeJWT(c.Request().Context(), text)
	})
	var proof *acs.ProofError
	switch {
	case errors.As(err, &proof):
		return &oauthError{status: http.StatusUnauthorized, word: wire.OAuthInvalidGrant, message: proof.Problem, err: err}
	case errors.Is(err, acs.ErrUnauthenticated):
		return &oauthError{status: http.StatusUnauthorized, word: wire.OAuthInvalidGrant, message: "the client of this JWT is gone", err: err}
	case err != nil:
		return asOAuth(err)
	}
	w := accessToken(&got)
	w.Token = w.AccessToken
	return a.giveToken(c, w)
}

func accessToken(t *acs.FetchedToken) wire.AccessToken {
	return wire.AccessToken{
		AccessToken: t.Text, TokenType: "Bearer", ExpiresIn: int64(t.Token.ExpiresAt.Sub(t.Token.CreatedAt) / time.Second),
		ExpiresAt: wire.Time(t.Token.ExpiresAt),
	}
}

func (a *API) giveToken(c echo.Context, w wire.AccessToken) error {
	c.Response().Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1 asks for it beside Cache-Control
	return c.JSON(http.StatusOK, w)
}

func scopeText(scopes []acs.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, " ")
}

// throttled lets a client try to get a token, within the bounds for its address and its id.
func (a *API) throttled(c echo.Context, id string, get func() (acs.FetchedToken, error)) (acs.FetchedToken, error) {
	try, err := a.tokens.begin(network(c.Request()), clip(id, 64), time.Now())
	if err != nil {
		return acs.FetchedToken{}, err
	}
	actAs(c, &acs.Client{ID: id}) // what is written down is so only where it is true
	t, err := get()
	if err == nil {
		c.Set(keyClient, t.Client.ID)
	}
	a.tokens.end(try, err)
	return t, err
}

// network is where a request comes from, by the connection: of IPv6 the network, since whoever has one address there has the others too.
func network(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	at = at.Unmap().WithZone("")
	if at.Is6() {
		if p, err := at.Prefix(64); err == nil {
			return p.String()
		}
	}
	return at.String()
}

// bearerJWT takes the JWT out of the one Authorization header.
func bearerJWT(h http.Header) (string, error) {
	given := h.Values("Authorization")
	refused := func(message string) error {
		return &oauthError{status: http.StatusUnauthorized, word: wire.OAuthInvalidGrant, message: message}
	}
	if len(given) != 1 {
		return "", refused("send the header Authorization: Bearer JWT, with a JWT that the client's key signed (ES256)")
	}
	scheme, text, _ := strings.Cut(given[0], " ")
	text = strings.Trim(text, " ")
	if !strings.EqualFold(scheme, "Bearer") || text == "" {
		return "", refused("send the header Authorization: Bearer JWT, with a JWT that the client's key signed (ES256)")
	}
	if len(text) > acs.MaxJWT {
		return "", refused(fmt.Sprintf("the JWT has more than %d bytes", acs.MaxJWT))
	}
	return text, nil
}

// tokenFields are what a token request may hold; all else is passed over, as RFC 6749 section 3.2 wants.
var tokenFields = []string{"client_id", "client_secret", "grant_type", "scope"}

// jsonFields reads texts out of a JSON object.
func jsonFields(b []byte) (map[string]string, error) {
	if err := scan(b); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, badTokenRequest("want a JSON object with client_id and client_secret")
	}
	fields, seen := map[string]string{}, map[string]bool{}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, badTokenRequest("the body is not JSON")
		}
		key, _ := t.(string)
		if seen[key] {
			return nil, badTokenRequest(clip(key, maxPathKey) + " comes twice")
		}
		seen[key] = true
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, badTokenRequest("the body is not JSON")
		}
		for _, known := range tokenFields {
			if key != known {
				continue
			}
			var text string
			if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
				return nil, badTokenRequest(key + ": want a string")
			}
			fields[key] = text
		}
	}
	return fields, nil
}

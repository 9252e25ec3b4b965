package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"recado/acs/wire"
)

// maxTokenReply bounds what is read of a reply with a token.
const maxTokenReply = 64 << 10

// WithClientCredentials makes the Client fetch its tokens with a client's id and secret (RFC 6749 section 4.4), and fetch a new one before
// the old one is over or when it is refused. The token given to New does not count then.
func WithClientCredentials(id, secret string) Option {
	return func(c *Client) { c.source = &tokenSource{id: id, secret: secret, turn: make(chan struct{}, 1)} }
}

// tokenSource keeps a fetched token. Whoever has the turn may look at it or fetch a new one.
type tokenSource struct {
	id, secret string
	turn       chan struct{}
	token      string
	renewAt    time.Time
}

// bearer is a token that holds for now; refused is one that the server did not take (any more).
func (c *Client) bearer(ctx context.Context, refused string) (string, error) {
	s := c.source
	if s == nil {
		return c.token, nil
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if s.token != "" && s.token != refused && time.Now().Before(s.renewAt) {
		return s.token, nil
	}
	asked := time.Now()
	got, err := c.fetchToken(ctx)
	if err != nil {
		return "", fmt.Errorf("fetch a token: %w", err)
	}
	holds := time.Duration(got.ExpiresIn) * time.Second
	s.token, s.renewAt = got.AccessToken, asked.Add(holds-min(time.Minute, holds/10))
	return s.token, nil
}

func (c *Client) fetchToken(ctx context.Context) (wire.AccessToken, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.source.id}, "client_secret": {c.source.secret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+base+"/token/oauth", strings.NewReader(form.Encode()))
	if err != nil {
		return wire.AccessToken{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	res, err := c.http.Do(req)
	if err != nil {
		return wire.AccessToken{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTokenReply))
	if err != nil {
		return wire.AccessToken{}, fmt.Errorf("read the reply: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		var said wire.TokenRefusal
		if json.Unmarshal(body, &said) != nil || said.Message == "" {
			said.Message = http.StatusText(res.StatusCode)
		}
		p := wire.Problem{Status: res.StatusCode, Title: said.Message, RetryAfterSeconds: said.RetryAfterSeconds}
		if res.StatusCode == http.StatusUnauthorized {
			p.Code = wire.CodeUnauthenticated
		}
		return wire.AccessToken{}, &Error{p}
	}
	var got wire.AccessToken
	if err := json.Unmarshal(body, &got); err != nil || got.AccessToken == "" {
		return wire.AccessToken{}, errors.New("the reply holds no token")
	}
	return got, nil
}

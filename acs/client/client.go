package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"recado/acs/wire"
)

const base = "/api/v1"

// maxReply bounds what is read of a reply.
const maxReply = 64 << 20

// Client calls the API of one server with one token. It is safe for concurrent use.
type Client struct {
	url       string
	token     string
	source    *tokenSource // nil: token is what there is
	http      *http.Client
	userAgent string
}

// Option changes how a Client works.
type Option func(*Client)

// WithHTTPClient makes the Client use hc instead of http.DefaultClient. A time limit of hc has to leave room for long polls of a
// minute.
func WithHTTPClient(hc *http.Client) Option { return func(c *Client) { c.http = hc } }

// WithUserAgent sets the User-Agent.
func WithUserAgent(ua string) Option { return func(c *Client) { c.userAgent = ua } }

// New makes a Client of the server at serverURL, such as "https://recado.example.net". token may be empty for the calls that need
// none.
func New(serverURL, token string, options ...Option) (*Client, error) {
	u, err := url.Parse(serverURL)
	if err != nil {
		return nil, fmt.Errorf("server URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("server URL: want http:// or https://, a host, and a path at the most")
	}
	c := &Client{url: strings.TrimRight(u.String(), "/"), token: token, http: http.DefaultClient, userAgent: "recado-client"}
	for _, o := range options {
		o(c)
	}
	return c, nil
}

// Error is a refusal of the server.
type Error struct {
	// Problem is what the server says; where it said no problem (a proxy's answer), only Status and Title are set.
	Problem wire.Problem
}

// Error implements error.
func (e *Error) Error() string {
	p := &e.Problem
	text := p.Title
	if p.Detail != "" {
		text = p.Detail
	}
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	if len(p.Candidates) > 0 {
		text += ": " + strings.Join(p.Candidates, ", ")
	}
	if p.Code == "" {
		return fmt.Sprintf("HTTP %d: %s", p.Status, text)
	}
	return fmt.Sprintf("%s (%s)", text, p.Code)
}

// Code is the stable code of a refusal (wire.CodeNotFound, …); empty for other errors.
func Code(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Problem.Code
	}
	return ""
}

// errNotModified is a 304.
var errNotModified = errors.New("not modified")

// request is one call.
type request struct {
	method, path string
	query        url.Values
	header       map[string]string
	in           any // body, nil for none
}

// call makes a request, and decodes the reply into out unless that is nil. It gives the reply's header.
func (c *Client) call(ctx context.Context, r request, out any) (http.Header, error) {
	res, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	switch {
	case res.StatusCode == http.StatusNotModified:
		return res.Header, errNotModified
	case err != nil:
		return nil, fmt.Errorf("%s %s: read the reply: %w", r.method, r.path, err)
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, refusal(res, body)
	case len(body) > maxReply:
		return nil, fmt.Errorf("%s %s: the reply is above %d bytes", r.method, r.path, maxReply)
	case out == nil || res.StatusCode == http.StatusNoContent:
		return res.Header, nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return nil, fmt.Errorf("%s %s: decode the reply: %w", r.method, r.path, err)
	}
	return res.Header, nil
}

// send makes a request; where a fetched token is refused, once more with a new one.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	token, err := c.bearer(ctx, "")
	if err != nil {
		return nil, err
	}
	res, err := c.sendAs(ctx, r, token)
	if err != nil || res.StatusCode != http.StatusUnauthorized || c.source == nil {
		return res, err
	}
	_ = res.Body.Close()
	if token, err = c.bearer(ctx, token); err != nil {
		return nil, err
	}
	return c.sendAs(ctx, r, token)
}

func (c *Client) sendAs(ctx context.Context, r request, token string) (*http.Response, error) {
	var body io.Reader
	if r.in != nil {
		b, err := json.Marshal(r.in)
		if err != nil {
			return nil, fmt.Errorf("%s %s: encode the request: %w", r.method, r.path, err)
		}
		body = bytes.NewReader(b)
	}
	target := c.url + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Accept", "application/json, "+wire.ProblemType)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range r.header {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		// The cause alone: the whole error quotes the URL with its query.
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return res, nil
}

func refusal(res *http.Response, body []byte) error {
	e := &Error{}
	if err := json.Unmarshal(body, &e.Problem); err != nil || e.Problem.Code == "" {
		e.Problem = wire.Problem{Title: http.StatusText(res.StatusCode)}
	}
	e.Problem.Status = res.StatusCode
	return e
}

// named is a path with a name of a thing in it.
func named(collection, name string, rest ...string) string {
	return base + "/" + strings.Join(append([]string{collection, url.PathEscape(name)}, rest...), "/")
}

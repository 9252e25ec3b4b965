package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"recado/acs/wire"
)

// CallOption changes a single submission.
type CallOption func(*request)

// IdempotencyKey makes a submission safe to repeat: the same key with the same request gives the first receipt again for 24 hours.
func IdempotencyKey(key string) CallOption {
	return func(r *request) { r.header = map[string]string{"Idempotency-Key": key} }
}

// Reboot asks for a reboot.
func (c *Client) Reboot(ctx context.Context, in wire.RebootRequest, options ...CallOption) (wire.Receipt, error) {
	return c.submit(ctx, "/devices/reboot", in, options)
}

// UpdateParameters asks for parameters to be set.
func (c *Client) UpdateParameters(ctx context.Context, in wire.ParametersUpdateRequest, options ...CallOption) (wire.Receipt, error) {
	return c.submit(ctx, "/devices/parameters/update", in, options)
}

func (c *Client) submit(ctx context.Context, path string, in any, options []CallOption) (wire.Receipt, error) {
	r := request{method: http.MethodPost, path: base + path, in: in}
	for _, o := range options {
		o(&r)
	}
	var out wire.Receipt
	_, err := c.call(ctx, r, &out)
	return out, err
}

// Protocol tells where a protocolo stands.
func (c *Client) Protocol(ctx context.Context, protocolo string) (wire.Protocol, error) {
	var out wire.Protocol
	_, err := c.call(ctx, request{method: http.MethodGet, path: named("protocols", protocolo)}, &out)
	return out, err
}

// Cancel cancels what was not sent yet. Codes: already_sent, finished.
func (c *Client) Cancel(ctx context.Context, protocolo string) (wire.Protocol, error) {
	var out wire.Protocol
	_, err := c.call(ctx, request{method: http.MethodPost, path: named("protocols", protocolo, "cancel")}, &out)
	return out, err
}

// Page asks for a part of a list; zero values are the server's default and the first page.
type Page struct {
	Limit  int // at most wire.MaxPage
	Cursor string
}

// All reads a list page by page, up to limit items (0: all).
func All[T any](ctx context.Context, limit int, page func(context.Context, Page) (wire.List[T], error)) ([]T, error) {
	all := []T{}
	p := Page{}
	for {
		p.Limit = wire.MaxPage
		if limit > 0 {
			p.Limit = min(p.Limit, limit-len(all))
		}
		l, err := page(ctx, p)
		if err != nil {
			return all, err
		}
		all = append(all, l.Items...)
		if l.NextCursor == nil || limit > 0 && len(all) >= limit {
			return all, nil
		}
		p.Cursor = *l.NextCursor
	}
}

func (p Page) query(names ...string) url.Values {
	q := url.Values{}
	if p.Limit != 0 {
		q.Set("limit", strconv.Itoa(p.Limit))
	}
	add(q, "cursor", p.Cursor)
	for i := 0; i+1 < len(names); i += 2 {
		add(q, names[i], names[i+1])
	}
	return q
}

func add(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

func since(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// ProtocolFilter selects protocols; empty fields do not filter.
type ProtocolFilter struct {
	Page
	Statuses []string
	Device   string // a device id
	Action   string
	Since    time.Time
}

// Protocols lists the client's protocols, newest first, without timelines and deliveries.
func (c *Client) Protocols(ctx context.Context, f ProtocolFilter) (wire.List[wire.Protocol], error) {
	var out wire.List[wire.Protocol]
	_, err := c.call(ctx, request{method: http.MethodGet, path: base + "/protocols", query: f.query(
		"status", strings.Join(f.Statuses, ","), "device", f.Device, "action", f.Action, "since", since(f.Since))}, &out)
	return out, err
}

// How Wait asks: each poll's length, and the pauses after failures.
const (
	pollWait  = 30 * time.Second
	firstRest = time.Second
	longRest  = 30 * time.Second
)

// Wait follows a protocolo until it is final, and gives its last state. onChange (may be nil) hears its state at first and at every
// change after, in this goroutine. Trouble of the network or the server (5xx, 429) is borne until ctx ends; the error then is the
// context's, joined with the trouble.
func (c *Client) Wait(ctx context.Context, protocolo string, onChange func(wire.Protocol)) (wire.Protocol, error) {
	var (
		last wire.Protocol
		etag string
		rest time.Duration
	)
	for {
		now, seen, err := c.poll(ctx, protocolo, etag, last.Protocolo != "")
		switch {
		case errors.Is(err, errNotModified):
			rest = 0
		case err == nil:
			rest = 0
			if changed := seen != etag || etag == ""; changed && onChange != nil {
				onChange(now)
			}
			last, etag = now, seen
			if now.Final() {
				return now, nil
			}
		case ctx.Err() != nil:
			return last, errors.Join(context.Cause(ctx), err)
		case !passing(err):
			return last, err
		default:
			rest = min(max(2*rest, firstRest, retryAfter(err)), longRest)
			if !pause(ctx, rest) {
				return last, errors.Join(context.Cause(ctx), err)
			}
		}
	}
}

// poll asks at once, or waits for a change of what the ETag stands for.
func (c *Client) poll(ctx context.Context, protocolo, etag string, wait bool) (wire.Protocol, string, error) {
	r := request{method: http.MethodGet, path: named("protocols", protocolo), header: map[string]string{"If-None-Match": etag}}
	if wait {
		r.query = url.Values{"wait": {pollWait.String()}}
	}
	var out wire.Protocol
	h, err := c.call(ctx, r, &out)
	return out, h.Get("Etag"), err
}

// passing reports whether an error may go away by itself.
func passing(err error) bool {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Problem.Status >= http.StatusInternalServerError || e.Problem.Status == http.StatusTooManyRequests
	}
	return true
}

func retryAfter(err error) time.Duration {
	if e := (*Error)(nil); errors.As(err, &e) {
		return time.Duration(e.Problem.RetryAfterSeconds) * time.Second
	}
	return 0
}

// pause sleeps; false where ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// panicError is a panic in an attempt. Its text stays out of records, for it may quote anything.
type panicError struct{ value any }

func (*panicError) Error() string { return "panic in an attempt" }

// deliver makes one attempt, settles it and records it.
func (d *Dispatcher) deliver(ctx context.Context, l Lease, leaseEnd time.Time) {
	defer func() {
		if p := recover(); p != nil {
			d.logPanic(ctx, l, p)
		}
	}()
	a := d.attempt(ctx, l)
	now := time.Now()
	s := Settle(l.Delivery, l.Endpoint, a, now, rand.Float64())
	if a.Class != "" && a.Status == 0 && errors.Is(context.Cause(ctx), errStopping) {
		// Broken off by us, so it proves nothing about the receiver.
		a.Class, a.Error = ErrorInternal, "broken off: the server was stopping"
		s = Settlement{State: DeliveryPending, NextAt: now, KeepTries: true, KeepHealth: true}
	}
	became, err := d.record(ctx, l, a, s, leaseEnd)
	if err != nil {
		level := slog.LevelError
		if errors.Is(err, ErrLeaseLost) || errors.Is(err, ErrNotFound) {
			level = slog.LevelWarn // the endpoint was deleted, or the lease given to another
		}
		d.log.LogAttrs(ctx, level, "recording an attempt", slog.String("delivery", l.Delivery.ID),
			slog.String("endpoint", l.Endpoint.ID), slog.Int("attempt", a.Number), slog.Int("status", a.Status),
			slog.String("class", string(a.Class)), slog.Any("error", err))
		return
	}
	d.logAttempt(ctx, l, a, s)
	if became != "" {
		d.logState(ctx, l, became, s)
	}
	if d.observer != nil {
		d.observer.DeliveryAttempted(l, a, s)
		if became != "" {
			d.observer.EndpointChanged(l.Endpoint, became)
		}
	}
}

// attempt posts the event once. Whatever happens in it becomes the attempt's class and text.
func (d *Dispatcher) attempt(ctx context.Context, l Lease) (a Attempt) {
	began := time.Now()
	a = Attempt{Delivery: l.Delivery.ID, Number: l.Delivery.Attempts + 1, Probe: l.Probe, At: began.Round(0).UTC()}
	defer func() {
		if p := recover(); p != nil {
			d.logPanic(ctx, l, p)
			a.Status, a.Response = 0, ""
			a.Class, a.Error = Classify(&panicError{p})
		}
		a.Duration = time.Since(began)
	}()
	timeout := attemptTimeout(l.Endpoint)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := d.request(ctx, l, a.Number, began)
	if err != nil {
		a.Class, a.Error = ErrorInternal, err.Error()
		return a
	}
	doer := withoutRedirects(d.clients.Client(l.Endpoint))
	if doer == nil {
		a.Class, a.Error = ErrorInternal, "there is no client for the endpoint"
		return a
	}
	resp, err := doer.Do(req)
	if err != nil {
		a.Class, a.Error = Classify(err)
		if a.Class == ErrorTimeout && ctx.Err() != nil {
			a.Error = fmt.Sprintf("no answer within %v", timeout)
		}
		return a
	}
	defer resp.Body.Close()
	a.Status = resp.StatusCode
	a.Class = StatusClass(a.Status)
	a.Error = statusSentence(a.Status, a.Class)
	if a.Class != "" {
		a.RetryAfter = ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
	}
	if a.Status != http.StatusSwitchingProtocols {
		// After that the connection is no longer HTTP, and no time limit holds for what comes over it.
		a.Response = readAnswer(resp.Body)
	}
	return a
}

// request builds and signs the POST.
func (d *Dispatcher) request(ctx context.Context, l Lease, number int, now time.Time) (*http.Request, error) {
	body := Body(l.Event, &l.Delivery)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.Endpoint.URL, bytes.NewReader(body))
	if err != nil {
		// The error's own text quotes the URL.
		return nil, errors.New("the endpoint's URL cannot be read")
	}
	secrets, bodySecret, err := signingSecrets(l.Endpoint, now)
	if err != nil {
		return nil, err
	}
	h := req.Header
	for _, own := range l.Endpoint.Headers {
		h.Set(own.Name, own.Value)
	}
	h.Set("Content-Type", "application/json")
	h.Set("User-Agent", d.agent)
	h.Set(HeaderAttempt, strconv.Itoa(number))
	Sign(h, l.Event.ID, now, body, secrets...)
	if name := l.Endpoint.BodySignatureHeader; name != "" {
		// Not by Set: the name goes out as the client wrote it.
		h[name] = []string{bodySecret.BodySignature(body)}
	}
	return req, nil
}

// signingSecrets returns the secrets of the standard signatures, the new one first, and the one of the body signature, which
// has room for one only: the old one as long as the overlap lasts.
func signingSecrets(e Endpoint, now time.Time) (standard []Secret, body Secret, err error) {
	s, err := ParseSecret(e.Secret)
	if err != nil {
		return nil, Secret{}, errors.New("the endpoint's secret cannot be read")
	}
	if e.OldSecret == "" || !now.Before(e.OldSecretUntil) {
		return []Secret{s}, s, nil
	}
	old, err := ParseSecret(e.OldSecret)
	if err != nil {
		return nil, Secret{}, errors.New("the endpoint's old secret cannot be read")
	}
	return []Secret{s, old}, old, nil
}

func attemptTimeout(e Endpoint) time.Duration {
	if e.Timeout <= 0 {
		return DefaultTimeout
	}
	return min(max(e.Timeout, MinTimeout), MaxTimeout)
}

// withoutRedirects makes sure of it where the Doer is a plain client that would follow them.
func withoutRedirects(doer Doer) Doer {
	c, ok := doer.(*http.Client)
	if !ok {
		return doer
	}
	if c == nil {
		return nil
	}
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if own.Transport != nil {
		own.Transport = withoutLocation{own.Transport}
	}
	return &own
}

// withoutLocation keeps Location from http.Client, which would turn one that it cannot read into an error without the
// answer, and with the receiver's text in it.
type withoutLocation struct{ http.RoundTripper }

func (w withoutLocation) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// readAnswer keeps the beginning of the body and reads on, within the limit, so that the connection can be used again. The
// status has decided already: a body that breaks off or never ends changes nothing.
func readAnswer(body io.Reader) string {
	limited := io.LimitReader(body, MaxResponseRead)
	// One byte more than is kept would do; the buffer grows only as far as the answer does.
	b, err := io.ReadAll(io.LimitReader(limited, MaxResponseKept))
	if err == nil && len(b) == MaxResponseKept {
		_, _ = io.Copy(io.Discard, limited)
	}
	return kept(b)
}

// record stores the attempt, again and again while the store fails and the lease lasts. When that is in vain, the delivery
// becomes due again by the lease's end: at least once.
func (d *Dispatcher) record(ctx context.Context, l Lease, a Attempt, s Settlement, leaseEnd time.Time) (EndpointState, error) {
	for wait := minBackoff; ; wait = min(2*wait, maxBackoff) {
		became, err := d.recordOnce(ctx, l, a, s)
		if err == nil || errors.Is(err, ErrLeaseLost) || errors.Is(err, ErrNotFound) || ctx.Err() != nil {
			return became, err
		}
		if !time.Now().Add(wait).Before(leaseEnd) {
			return "", err
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-time.After(wait):
		}
	}
}

func (d *Dispatcher) recordOnce(ctx context.Context, l Lease, a Attempt, s Settlement) (EndpointState, error) {
	// What was sent must be recorded even while stopping.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if s.EndpointState != "" {
		others, err := d.store.Endpoints(ctx, l.Endpoint.Client)
		if err != nil {
			return "", fmt.Errorf("endpoints of client %s: %w", l.Endpoint.Client, err)
		}
		if s.Outbox, err = disabledOutbox(d.catalogue, l, a, s, others); err != nil {
			return "", err
		}
	}
	return d.store.RecordAttempt(ctx, l, a, s)
}

func (d *Dispatcher) logAttempt(ctx context.Context, l Lease, a Attempt, s Settlement) {
	level := slog.LevelInfo
	if s.State == DeliveryDead {
		level = slog.LevelWarn
	}
	attrs := [...]slog.Attr{
		slog.String("delivery", l.Delivery.ID),
		slog.String("event", l.Event.ID),
		slog.String("type", l.Event.Type),
		slog.String("endpoint", l.Endpoint.ID),
		slog.Int("attempt", a.Number),
		slog.Int("status", a.Status),
		slog.String("class", string(a.Class)),
		slog.Duration("duration", a.Duration),
		slog.String("state", string(s.State)),
		slog.Time("next", s.NextAt),
	}
	n := len(attrs)
	if s.NextAt.IsZero() {
		n--
	}
	d.log.LogAttrs(ctx, level, "delivery attempted", attrs[:n]...)
}

// logPanic leaves the value out unless it is an error of the runtime: a panic of other code could quote a secret.
func (d *Dispatcher) logPanic(ctx context.Context, l Lease, p any) {
	what := fmt.Sprintf("%T", p)
	if r, ok := p.(interface {
		error
		RuntimeError()
	}); ok {
		what = r.Error()
	}
	d.log.LogAttrs(ctx, slog.LevelError, "panic in a delivery attempt", slog.String("delivery", l.Delivery.ID),
		slog.String("endpoint", l.Endpoint.ID), slog.String("panic", what), slog.String("stack", string(debug.Stack())))
}

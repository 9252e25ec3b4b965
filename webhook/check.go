package webhook

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of an endpoint's settings.
const (
	MinTimeout        = time.Second
	MaxTimeout        = 30 * time.Second
	MaxURLLength      = 2048
	MaxDescription    = 500 // characters
	MaxFilters        = 50
	MaxHeaderName     = 64
	MaxScheduleLength = 20 // waits, so one attempt more
	MinWait           = time.Second
	MaxWait           = 24 * time.Hour
	MaxPerMinute      = 60_000
)

// InvalidError is input that cannot be taken. Problem says what is wrong and what would be right.
type InvalidError struct {
	Field   string // as in the API's JSON
	Problem string
}

func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)}
}

// check checks all settings of an endpoint but its secret and where its URL leads, and drops repeated filters.
func (s *Service) check(e *Endpoint) error {
	for _, err := range []error{
		checkURLForm(e.URL), checkDescription(e.Description), s.checkEvents(e), checkHeader(e.BodySignatureHeader),
		checkOrder(e.Order), checkSchedule(e.Schedule), s.catalogue.checkFilter(e.Filter, e.Events), checkHeaders(e),
		checkTLS(e.URL, e.TLS),
	} {
		if err != nil {
			return err
		}
	}
	if e.Concurrency < 0 || e.Concurrency > MaxConcurrency {
		return invalid("concurrency", "must be 1 to %d, got %d", MaxConcurrency, e.Concurrency)
	}
	if e.PerMinute < 0 || e.PerMinute > MaxPerMinute {
		return invalid("requests_per_minute", "must be 1 to %d, or 0 for no bound, got %d", MaxPerMinute, e.PerMinute)
	}
	if e.Timeout != 0 && (e.Timeout < MinTimeout || e.Timeout > MaxTimeout) {
		return invalid("timeout", "must be %v to %v, got %v", MinTimeout, MaxTimeout, e.Timeout)
	}
	return nil
}

// allowURL asks the guard.
func (s *Service) allowURL(ctx context.Context, raw string) error {
	if err := s.checkURL(ctx, raw); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &InvalidError{Field: "url", Problem: err.Error()}
	}
	return nil
}

func checkURLForm(raw string) error {
	if raw == "" {
		return invalid("url", "is required")
	}
	if len(raw) > MaxURLLength {
		return invalid("url", "may have at most %d bytes, got %d", MaxURLLength, len(raw))
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Opaque != "":
		return invalid("url", "cannot be read as a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return invalid("url", "must begin with https://")
	case u.Hostname() == "":
		return invalid("url", "names no host")
	case u.User != nil:
		return invalid("url", "may not hold a user name or password: they would be shown; verify the signature instead")
	case u.Fragment != "":
		return invalid("url", "may not have a fragment (#…): it is never sent")
	}
	return nil
}

func checkDescription(d string) error {
	if n := utf8.RuneCountInString(d); n > MaxDescription {
		return invalid("description", "may have at most %d characters, got %d", MaxDescription, n)
	}
	if !utf8.ValidString(d) || strings.ContainsFunc(d, unicode.IsControl) {
		return invalid("description", "may not hold control characters")
	}
	return nil
}

func (s *Service) checkEvents(e *Endpoint) error {
	if len(e.Events) == 0 {
		return invalid("events", "must name at least one filter; * is for all")
	}
	if len(e.Events) > MaxFilters {
		return invalid("events", "may have at most %d filters, got %d", MaxFilters, len(e.Events))
	}
	for _, f := range e.Events {
		if !s.catalogue.Known(f) {
			return invalid("events", "no event type fits %.100q; known are *, %s", f, strings.Join(s.catalogue.filters(), ", "))
		}
	}
	events := make([]string, 0, len(e.Events))
	for _, f := range e.Events {
		if !slices.Contains(events, f) {
			events = append(events, f)
		}
	}
	e.Events = events
	return nil
}

// filters lists the names and prefixes that there are, sorted.
func (c Catalogue) filters() []string {
	var out []string
	for _, t := range c {
		out = append(out, t.Name)
		if i := strings.IndexByte(t.Name, '.'); i > 0 {
			out = append(out, t.Name[:i]+".*")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ownHeaders are set by Recado or by HTTP itself.
var ownHeaders = []string{
	"Accept", "Accept-Encoding", "Authorization", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Cookie",
	"Date", "Expect", "Forwarded", "Host", "Http2-Settings", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"User-Agent", "Via",
}

// headerCharacters are fewer than HTTP allows: those that no proxy or framework stumbles over.
const headerCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

func checkHeader(name string) error {
	if name == "" {
		return nil
	}
	if len(name) > MaxHeaderName || strings.Trim(name, headerCharacters) != "" {
		return invalid("body_signature_header", "must be an HTTP header name of at most %d letters, digits and hyphens, such as X-Signature",
			MaxHeaderName)
	}
	if canonical := http.CanonicalHeaderKey(name); usedOtherwise(canonical) {
		return invalid("body_signature_header", "%s is used otherwise; take a name such as X-Signature", canonical)
	}
	return nil
}

// usedOtherwise reports whether Recado, HTTP or a proxy sets the header itself.
func usedOtherwise(canonical string) bool {
	for _, prefix := range []string{"Webhook-", "Recado-", "Proxy-", "Sec-", "Content-"} {
		if strings.HasPrefix(canonical, prefix) {
			return true
		}
	}
	return slices.Contains(ownHeaders, canonical)
}

func checkOrder(o Order) error {
	switch o {
	case OrderNone, OrderDevice, OrderFIFO:
		return nil
	}
	return invalid("order", "must be %s, %s or %s, got %.100q", OrderNone, OrderDevice, OrderFIFO, string(o))
}

func checkSchedule(waits []time.Duration) error {
	if len(waits) > MaxScheduleLength {
		return invalid("retry_schedule", "may have at most %d waits, got %d", MaxScheduleLength, len(waits))
	}
	for i, w := range waits {
		if w < MinWait || w > MaxWait {
			return invalid("retry_schedule", "wait %d must be %v to %v, got %v", i+1, MinWait, MaxWait, w)
		}
	}
	return nil
}

package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// What Explain says must not help anybody to sign. So it is built by these rules:
//
//   - It answers whether signatures that the caller brought match, never what a signature would be. No computed signature, no key
//     and no part of either is in an Explanation, and whole signatures are compared, in constant time: neither the answer nor the
//     time that it takes tells how near a guess came. A forger would have to guess 256 bits, as at a receiver.
//   - The caller is the endpoint's owner, who may have the secret shown. Still the answer must be fit for a ticket or a chat,
//     where it ends up when somebody asks for help.
//   - Of the body that was delivered it tells lengths and the place of the first difference, no byte of it: events may be
//     looked at by others in the client's house than those who may read them.
//   - Keys read wrongly (as text, without the prefix, empty) are tried, for those are what people get wrong. A match shows that
//     the caller computed with such a key already.
//   - The body is bounded by MaxExplained, and the work by that: a fixed number of HMACs over it.

// Bounds of what Explain looks at.
const (
	MaxExplained        = 256 << 10 // bytes of a body
	MaxExplainedHeaders = 100
	maxEntries          = 8 // of a webhook-signature
)

// Received is a request as a receiver saw it.
type Received struct {
	Body    []byte
	Headers http.Header
	// At is the receiver's clock when the request came; zero is now.
	At time.Time
}

// Scheme is a way of signing.
type Scheme string

// Schemes.
const (
	SchemeStandard Scheme = "standard"
	SchemeBody     Scheme = "body_signature"
)

// Match is a signature that is right.
type Match struct {
	Scheme Scheme
	Header string
	// Old is whether it is the old secret's, during a rotation.
	Old bool
}

// Finding is one thing that is wrong, and what to do about it.
type Finding struct {
	Code            string // stable, for programs
	Problem, Advice string
}

// Codes of findings.
const (
	FindingHeaderMissing    = "header_missing"
	FindingHeaderRepeated   = "header_repeated"
	FindingTimestamp        = "timestamp_unreadable"
	FindingClockSkew        = "clock_skew"
	FindingOldRequest       = "old_request"
	FindingWrongKey         = "wrong_key"
	FindingOtherEndpoint    = "other_endpoint"
	FindingSignedContent    = "signed_content"
	FindingSignatureForm    = "signature_form"
	FindingBodyReserialised = "body_reserialised"
	FindingBodyChanged      = "body_changed"
	FindingHeadersChanged   = "headers_changed"
	FindingNoMatch          = "no_match"
)

// Explanation says why a receiver takes a request or refuses it.
type Explanation struct {
	// Accepted is whether a receiver that checks as documented takes the request: the standard signature is right, and its
	// timestamp within Tolerance; where none of its headers was given, the body signature is right.
	Accepted bool
	Matches  []Match
	// Age is Received.At less webhook-timestamp, negative where the timestamp is ahead; nil where that cannot be read.
	Age *time.Duration
	// EventKnown is whether webhook-id is an event that this endpoint gets or got.
	EventKnown bool
	// FirstDifference is the byte, from 0, at which the body is not the one delivered; nil where it is, or nothing is known of it.
	FirstDifference *int
	Findings        []Finding
}

func (x *Explanation) found(code, problem, advice string) {
	x.Findings = append(x.Findings, Finding{code, problem, advice})
}

// Explain checks a request by the secrets of an endpoint of client and says which signature matches, or why none does. It
// changes nothing and sends nothing. Errors: *InvalidError, ErrNotFound, and the store's.
func (s *Service) Explain(ctx context.Context, client, id string, r Received) (Explanation, error) {
	if len(r.Body) > MaxExplained {
		return Explanation{}, invalid("body", "may have at most %d bytes, got %d", MaxExplained, len(r.Body))
	}
	if len(r.Headers) > MaxExplainedHeaders {
		return Explanation{}, invalid("headers", "may be at most %d, got %d", MaxExplainedHeaders, len(r.Headers))
	}
	e, err := s.Endpoint(ctx, client, id)
	if err != nil {
		return Explanation{}, err
	}
	x := examination{endpoint: e, received: r, now: time.Now()}
	if x.at = r.At; x.at.IsZero() {
		x.at = x.now
	}
	if x.others, err = s.store.Endpoints(ctx, client); err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	if err := s.lookUp(ctx, &x); err != nil {
		return Explanation{}, fmt.Errorf("explain: %w", err)
	}
	if err := x.run(); err != nil {
		return Explanation{}, err
	}
	return x.result, nil
}

// lookUp finds what was delivered under the request's webhook-id.
func (s *Service) lookUp(ctx context.Context, x *examination) error {
	id := x.received.Headers.Get(HeaderID)
	if id == "" {
		return nil
	}
	event, err := s.store.Event(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	page, _, err := s.store.Deliveries(ctx, DeliveryFilter{Client: x.endpoint.Client, Endpoint: x.endpoint.ID, Event: id, Limit: 1})
	if err != nil || len(page) == 0 {
		return err
	}
	x.result.EventKnown, x.sent = true, Body(event, &page[0])
	x.attempts, err = s.store.Attempts(ctx, page[0].ID)
	return err
}

// examination is one call of Explain.
type examination struct {
	endpoint Endpoint
	others   []Endpoint // of the same client, with the endpoint itself
	received Received
	at, now  time.Time
	sent     []byte // what was delivered under webhook-id; nil where that is not known
	attempts []Attempt

	keys   []key // of the endpoint
	id     string
	stamp  string
	result Explanation
}

// key is one of the endpoint's secrets.
type key struct {
	Secret
	old bool
}

func (k key) name() string {
	if k.old {
		return "the old secret"
	}
	return "the secret"
}

func (x *examination) run() error {
	s, err := ParseSecret(x.endpoint.Secret)
	if err != nil {
		return errors.New("the endpoint's secret cannot be read")
	}
	x.keys = []key{{Secret: s}}
	if x.endpoint.Rotating(x.now) {
		if s, err = ParseSecret(x.endpoint.OldSecret); err != nil {
			return errors.New("the endpoint's old secret cannot be read")
		}
		x.keys = append(x.keys, key{s, true})
	}
	x.result.Matches, x.result.Findings = []Match{}, []Finding{}
	if x.sent != nil {
		x.result.FirstDifference = firstDifference(x.received.Body, x.sent)
	}
	bodyName := x.endpoint.BodySignatureHeader
	body := bodyName != "" && len(x.received.Headers.Values(bodyName)) > 0
	if body {
		x.bodySignature(bodyName)
	}
	// Where only the body signature was given, it alone is asked about.
	if body && !x.hasStandard() {
		x.result.Accepted = x.matched(SchemeBody)
	} else {
		x.standard()
	}
	x.result.Findings = slices.Compact(x.result.Findings)
	return nil
}

func (x *examination) hasStandard() bool {
	return slices.ContainsFunc([]string{HeaderID, HeaderTimestamp, HeaderSignature}, func(name string) bool {
		return len(x.received.Headers.Values(name)) > 0
	})
}

// standard examines the three headers of Standard Webhooks.
func (x *examination) standard() {
	ok := true
	var list string
	for _, h := range []struct {
		name string
		to   *string
	}{{HeaderID, &x.id}, {HeaderTimestamp, &x.stamp}, {HeaderSignature, &list}} {
		v, err := single(x.received.Headers, h.name)
		switch {
		case errors.Is(err, ErrHeaderMissing):
			x.headerMissing(h.name)
			ok = false
		case err != nil:
			x.result.found(FindingHeaderRepeated, h.name+" came several times, or is several values joined",
				"each header comes once; several signatures are in one header, separated by spaces. Look for a proxy or a framework that doubles headers, or joins them.")
			ok = false
		default:
			*h.to = v
		}
	}
	if !ok {
		return
	}
	unix, readable := readStamp(x.stamp)
	if readable {
		age := x.at.Truncate(time.Second).Sub(time.Unix(unix, 0))
		x.result.Age = &age
	} else {
		x.stampUnreadable()
	}
	given := readEntries(list)
	content := x.standardContent(x.received.Body)
	for _, k := range x.keys {
		if given.canonical(hmacOf(k.key, content)) {
			x.result.Matches = append(x.result.Matches, Match{SchemeStandard, HeaderSignature, k.old})
		}
	}
	if !x.matched(SchemeStandard) {
		x.diagnose(SchemeStandard, HeaderSignature, given)
		return
	}
	if readable && x.judgeAge() {
		x.result.Accepted = true
	}
}

func (x *examination) matched(s Scheme) bool {
	return slices.ContainsFunc(x.result.Matches, func(m Match) bool { return m.Scheme == s })
}

// bodySignature examines the header that the endpoint asked for.
func (x *examination) bodySignature(name string) {
	value, err := single(x.received.Headers, name)
	switch {
	case errors.Is(err, ErrHeaderMissing):
		x.headerMissing(name)
		return
	case err != nil:
		x.result.found(FindingHeaderRepeated, name+" came several times, or is several values joined",
			"it comes once, with one signature.")
		return
	}
	x.id, x.stamp = x.received.Headers.Get(HeaderID), x.received.Headers.Get(HeaderTimestamp)
	given := readBodyEntry(value)
	for _, k := range x.keys {
		if given.canonical(k.bodyMAC(x.received.Body)) {
			x.result.Matches = append(x.result.Matches, Match{SchemeBody, name, k.old})
		}
	}
	if !x.matched(SchemeBody) {
		x.diagnose(SchemeBody, name, given)
	}
}

func (x *examination) headerMissing(name string) {
	x.result.found(FindingHeaderMissing, name+" is missing",
		"Recado sends it with every attempt. Header names are the same in any case; look for a proxy that drops what it does not know, or for code that asks for another name.")
}

func (x *examination) standardContent(body []byte) []byte {
	return append([]byte(x.id+"."+x.stamp+"."), body...)
}

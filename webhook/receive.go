package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Defaults of a VerifierConfig.
const (
	DefaultMaxBody  = 1 << 20 // bytes
	DefaultRemember = 10_000  // event ids
)

// VerifierConfig is what a Verifier goes by. Only Secrets is required.
type VerifierConfig struct {
	// Secrets are as Recado showed them, in either form (the body signature needs "secret", not "standard_secret"). During a
	// change of secret give both: a signature by any of them is right.
	Secrets []string
	// BodySignatureHeader is for receivers that check the body signature under that header instead of the standard one. It says
	// nothing of the time, so what keeps a recorded request out is only that its event is remembered.
	BodySignatureHeader string
	// MaxBody bounds a body in bytes; 0 is DefaultMaxBody.
	MaxBody int64
	// Remember is how many event ids are remembered, the newest ones; 0 is DefaultRemember. They take some 200 bytes each.
	Remember int
}

// Verifier lets webhooks of Recado in, and nothing else. It is safe for concurrent use, and runs no goroutine.
//
// It remembers the events that were taken, in memory and as many as configured: a repeated one is answered 204 and not handed on.
// That spares most repetitions; after a restart, or behind a balancer, one may be handed on again, so what must not happen twice has to be
// kept with the event's id in the receiver's own store.
type Verifier struct {
	secrets []string
	header  string
	maxBody int64
	seen    *seenEvents
}

// NewVerifier makes a Verifier. Errors: ErrSecret.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	if len(c.Secrets) == 0 {
		return nil, fmt.Errorf("%w: there is none", ErrSecret)
	}
	for i, text := range c.Secrets {
		if _, err := verifySecret(text); err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
		if _, err := ParseSecret(text); err != nil && c.BodySignatureHeader != "" {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
	}
	v := &Verifier{secrets: append([]string{}, c.Secrets...), header: c.BodySignatureHeader, maxBody: c.MaxBody}
	if v.maxBody <= 0 {
		v.maxBody = DefaultMaxBody
	}
	remember := c.Remember
	if remember <= 0 {
		remember = DefaultRemember
	}
	v.seen = newSeenEvents(remember)
	return v, nil
}

// Message is a webhook that verified.
type Message struct {
	ID      string // of the event, the same on every attempt; covered by the signature
	Attempt string // Recado-Attempt, not covered by it
	Body    []byte // exactly as it came in
}

// Verify checks headers and body, exactly as they came in, by the clock now, and returns the event's id. It remembers nothing.
// Errors are those of Verify and VerifyBody.
func (v *Verifier) Verify(h http.Header, body []byte, now time.Time) (id string, err error) {
	if v.header != "" {
		return v.verifyBody(h, body)
	}
	for _, s := range v.secrets {
		if err = Verify(s, h, body, now); err == nil {
			return h.Get(HeaderID), nil
		}
		if !errors.Is(err, ErrSignatureMismatch) {
			break // it would be the same with every secret
		}
	}
	return "", err
}

func (v *Verifier) verifyBody(h http.Header, body []byte) (id string, err error) {
	value, err := single(h, v.header)
	if err != nil {
		return "", err
	}
	for _, s := range v.secrets {
		if err = VerifyBody(s, value, body); err == nil {
			break
		}
	}
	if err != nil {
		return "", err
	}
	// The header webhook-id is not covered by this signature; the body is.
	var named struct {
		EventID string `json:"event_id"`
	}
	if json.Unmarshal(body, &named) != nil || named.EventID == "" {
		return "", fmt.Errorf("%w: the body has no event_id", ErrHeaderInvalid)
	}
	return named.EventID, nil
}

// Handler calls take with each event that verifies and was not taken before, and answers:
//
//   - 204 when take returns nil, and for an event that it took before;
//   - 503 when take returns an error, so that Recado tries again;
//   - 401 where the signature is not right, 413 and 400 where the body is too long or did not arrive whole, 405 for other methods
//     than POST;
//   - 409 while the same event is being taken by another request.
//
// take gets the request's context. It should store the event and return; slow work comes after.
func (v *Verifier) Handler(take func(ctx context.Context, m Message) error) http.Handler {
	return v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, _ := MessageOf(r.Context())
		if err := take(r.Context(), m); err != nil {
			http.Error(w, "not taken; try again", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
}

type messageKey struct{}

// MessageOf returns the message that Middleware let through.
func MessageOf(ctx context.Context) (Message, bool) {
	m, ok := ctx.Value(messageKey{}).(Message)
	return m, ok
}

// Middleware lets only those requests through to next that verify and were not taken before, with their body as it came in; it
// answers the others as Handler does. An event counts as taken when next answers 2xx.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, status := v.read(w, r)
		if status != 0 {
			http.Error(w, http.StatusText(status), status)
			return
		}
		switch v.seen.begin(m.ID) {
		case seenTaken:
			w.WriteHeader(http.StatusNoContent)
			return
		case seenBusy:
			http.Error(w, "this event is being taken", http.StatusConflict)
			return
		}
		taken := false
		defer func() { v.seen.end(m.ID, taken) }() // also where next panics
		r = r.WithContext(context.WithValue(r.Context(), messageKey{}, m))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(m.Body)), int64(len(m.Body))
		s := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(s, r)
		taken = s.status == 0 || s.status/100 == 2
	})
}

// read reads and verifies a request; status is what to answer where it is refused, else 0.
func (v *Verifier) read(w http.ResponseWriter, r *http.Request) (m Message, status int) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return m, http.StatusMethodNotAllowed
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, v.maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return m, http.StatusRequestEntityTooLarge
	}
	if err != nil {
		return m, http.StatusBadRequest
	}
	id, err := v.Verify(r.Header, body, time.Now())
	if err != nil {
		return m, http.StatusUnauthorized
	}
	return Message{ID: id, Attempt: r.Header.Get(HeaderAttempt), Body: body}, 0
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 && status >= 200 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

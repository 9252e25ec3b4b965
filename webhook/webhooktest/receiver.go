package webhooktest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"recado/webhook"
)

const (
	defaultKeep    = 10_000
	defaultMaxBody = 1 << 20
	shutdownTime   = time.Second
)

// Arrival is one request that came in.
type Arrival struct {
	At     time.Time
	Method string
	Path   string
	Header http.Header
	Body   []byte

	ID      string // webhook-id
	Attempt int    // Recado-Attempt, 0 where it is missing
	// Err is why the request did not verify, nil if it did. Without any secret nothing verifies.
	Err error
	// BodyErr is the same for the body signature; nil also where none was asked for.
	BodyErr error
	// CheckErr is what Check says of the body.
	CheckErr error
	// Duplicate tells that the same webhook-id arrived before.
	Duplicate bool
}

// Verified tells whether the request had every signature that it should have.
func (a Arrival) Verified() bool { return a.Err == nil && a.BodyErr == nil }

var errNoSecret = errors.New("the receiver has no secret to verify with")

// Receiver receives webhooks. Set the fields before the first request; the methods are safe for concurrent use.
type Receiver struct {
	// Secrets are tried in turn; one that fits is enough. SetSecrets replaces them once requests come in.
	Secrets []string
	// BodyHeader is where the body signature is, for endpoints that asked for one.
	BodyHeader string
	// Default answers when the script is at its end; nil is Status(204).
	Default Behaviour
	// Check says what is wrong with a body that is not refused, by the type that it names ("" where it names none); nil checks nothing.
	// A wrong body is answered as any other: Arrival.CheckErr tells.
	Check func(eventType string, body []byte) error
	// OnArrival is called for each request before it is answered.
	OnArrival func(Arrival)
	// RefuseUnverified answers 401 to what does not verify, whatever the script says, and does not use up a step of it.
	RefuseUnverified bool
	// Keep is how many arrivals are kept, the newest; 0 is 10,000.
	Keep int
	// MaxBody bounds a request's body in bytes; 0 is 1 MiB.
	MaxBody int64

	mu       sync.Mutex
	script   []Behaviour
	arrivals []Arrival
	seen     map[string]int // how often each id of arrivals came
	total    int
	changed  chan struct{} // closed by the next arrival; nil while nobody waits
}

var _ http.Handler = (*Receiver)(nil)

// Script adds steps: each answers one request, in the order of arrival.
func (r *Receiver) Script(steps ...Behaviour) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = append(r.script, steps...)
}

// ServeHTTP records the request and answers it.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	limit := r.MaxBody
	if limit <= 0 {
		limit = defaultMaxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	a := Arrival{
		At: time.Now(), Method: req.Method, Path: req.URL.Path, Header: req.Header.Clone(), Body: body,
		ID: req.Header.Get(webhook.HeaderID),
	}
	a.Attempt, _ = strconv.Atoi(req.Header.Get(webhook.HeaderAttempt)) // 0 where it is no number
	r.verify(&a)
	refused := r.RefuseUnverified && !a.Verified()
	if r.Check != nil && !refused {
		a.CheckErr = r.Check(typeOf(body), body)
	}
	answer := r.record(&a, refused)
	if r.OnArrival != nil {
		r.OnArrival(a)
	}
	if refused {
		http.Error(w, "the signature does not verify", http.StatusUnauthorized)
		return
	}
	answer(w, req)
}

// typeOf is the type that a body names.
func typeOf(body []byte) string {
	var named struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(body, &named); err != nil {
		return ""
	}
	return named.Type
}

// SetSecrets replaces the secrets: of an endpoint that was registered when the receiver was up already, or rotated.
func (r *Receiver) SetSecrets(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Secrets = slices.Clone(secrets)
}

func (r *Receiver) verify(a *Arrival) {
	r.mu.Lock()
	secrets := r.Secrets // replaced whole, never changed
	r.mu.Unlock()
	a.Err = errNoSecret
	for _, s := range secrets {
		if a.Err = webhook.Verify(s, a.Header, a.Body, a.At); a.Err == nil {
			break
		}
	}
	if r.BodyHeader == "" {
		return
	}
	a.BodyErr = errNoSecret
	for _, s := range secrets {
		if a.BodyErr = webhook.VerifyBody(s, a.Header.Get(r.BodyHeader), a.Body); a.BodyErr == nil {
			break
		}
	}
}

// record keeps the arrival and takes the next step of the script.
func (r *Receiver) record(a *Arrival, refused bool) Behaviour {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := r.Keep
	if keep <= 0 {
		keep = defaultKeep
	}
	if r.seen == nil {
		r.seen = make(map[string]int)
	}
	if len(r.arrivals) >= keep {
		oldest := r.arrivals[0]
		r.arrivals = slices.Delete(r.arrivals, 0, 1)
		if r.seen[oldest.ID]--; r.seen[oldest.ID] == 0 {
			delete(r.seen, oldest.ID)
		}
	}
	a.Duplicate = a.ID != "" && r.seen[a.ID] > 0
	r.seen[a.ID]++
	r.arrivals = append(r.arrivals, *a)
	r.total++
	if r.changed != nil {
		close(r.changed)
		r.changed = nil
	}
	switch {
	case refused:
	case len(r.script) > 0:
		step := r.script[0]
		r.script = r.script[1:]
		return step
	case r.Default != nil:
		return r.Default
	}
	return Status(http.StatusNoContent)
}

// Arrivals returns what arrived and is still kept, oldest first.
func (r *Receiver) Arrivals() []Arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrivals)
}

// Total counts all that ever arrived.
func (r *Receiver) Total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

// Wait waits until n requests have arrived in all and returns those that are kept; or ctx's error, with them.
func (r *Receiver) Wait(ctx context.Context, n int) ([]Arrival, error) {
	for {
		r.mu.Lock()
		if r.total >= n {
			defer r.mu.Unlock()
			return slices.Clone(r.arrivals), nil
		}
		if r.changed == nil {
			r.changed = make(chan struct{})
		}
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return r.Arrivals(), ctx.Err()
		}
	}
}

// Serve serves the receiver on l until ctx ends, then breaks off what is still being answered and closes l. It returns nil
// when ctx ended it.
func (r *Receiver) Serve(ctx context.Context, l net.Listener) error {
	// The requests' contexts end with ctx, so that hanging answers do.
	base, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &http.Server{
		Handler: r, BaseContext: func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- s.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, stop := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer stop()
	if err := s.Shutdown(end); err != nil {
		_ = s.Close()
	}
	<-failed
	return nil
}

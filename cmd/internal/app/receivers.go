package app

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"recado/cmd/internal/outbound"
	"recado/webhook"
)

// maxReceivers is how many clients with TLS settings of an endpoint's own are kept; past it they are made anew.
const maxReceivers = 1000

// receivers gives the client to reach an endpoint with: one for all that are checked as usual, and one for each host and its TLS
// settings. Endpoints that are equal in both share one, and with it its connections; others never do.
type receivers struct {
	guard *outbound.Guard
	usual *http.Client

	mu sync.Mutex
	by map[[sha256.Size]byte]*http.Client
}

func newReceivers(g *outbound.Guard) *receivers {
	return &receivers{guard: g, usual: g.HTTPClient(nil), by: map[[sha256.Size]byte]*http.Client{}}
}

// Client implements webhook.Clients.
func (r *receivers) Client(e webhook.Endpoint) webhook.Doer {
	if e.TLS.IsZero() {
		return r.usual
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return failing{errors.New("the endpoint's URL cannot be read")}
	}
	text, err := json.Marshal(struct {
		Host string
		TLS  webhook.TLS
	}{u.Hostname(), e.TLS})
	if err != nil {
		return failing{err}
	}
	key := sha256.Sum256(text)
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.by[key]; c != nil {
		return c
	}
	config, err := e.TLS.Config(u.Hostname())
	if err != nil {
		return failing{fmt.Errorf("tls: %w", err)}
	}
	if len(r.by) >= maxReceivers {
		for _, c := range r.by {
			c.CloseIdleConnections()
		}
		clear(r.by)
	}
	c := r.guard.HTTPClient(config)
	r.by[key] = c
	return c
}

// failing stands for an endpoint whose settings cannot be used.
type failing struct{ err error }

// Do implements webhook.Doer.
func (f failing) Do(*http.Request) (*http.Response, error) { return nil, f.err }

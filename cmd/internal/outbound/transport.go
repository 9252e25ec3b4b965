package outbound

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync/atomic"
	"time"
)

// MaxResponseHeader is how many bytes of headers (informational answers included) a receiver may send.
const MaxResponseHeader = 64 << 10

// MaxConnectionsPerRequest is how many connections are made for one request. net/http makes another one where the receiver says at once
// that it takes no more requests on the last one, and as often as that goes on.
const MaxConnectionsPerRequest = 4

// Transport is an http.RoundTripper that goes only where its Guard lets it: no proxy, no decompression, bounded headers, and a
// check of the real address at every dial. It is safe for concurrent use.
type Transport struct {
	guard *Guard
	http  *http.Transport
}

// Transport makes one. tlsConfig may be nil; it is copied, and TLS below 1.2 is not spoken.
func (g *Guard) Transport(tlsConfig *tls.Config) *Transport {
	if tlsConfig == nil {
		tlsConfig = &tls.Config{}
	}
	tlsConfig = tlsConfig.Clone()
	tlsConfig.MinVersion = max(tlsConfig.MinVersion, tls.VersionTLS12)
	return &Transport{guard: g, http: &http.Transport{
		DialContext:            g.dial,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    ConnectTimeout,
		DisableCompression:     true,
		MaxResponseHeaderBytes: MaxResponseHeader,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        30 * time.Second,
	}}
}

// RoundTrip implements http.RoundTripper. It checks the form of the URL again: a URL may have been stored under other rules.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, _, err := t.guard.parse(r.URL.String()); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	ctx := context.WithValue(r.Context(), plainKey{}, r.URL.Scheme == "http")
	ctx = context.WithValue(ctx, dialsKey{}, new(atomic.Int32))
	return t.http.RoundTrip(r.WithContext(ctx))
}

// CloseIdleConnections closes what is kept open and not in use.
func (t *Transport) CloseIdleConnections() { t.http.CloseIdleConnections() }

// HTTPClient makes a client over Transport that follows no redirect: a 3xx is the answer. The caller's context is its only
// time limit beyond the connect's.
func (g *Guard) HTTPClient(tlsConfig *tls.Config) *http.Client {
	return &http.Client{
		Transport:     g.Transport(tlsConfig),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

package outbound_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recado/cmd/internal/outbound"
)

// A receiver that says goodbye on every connection of HTTP/2 as soon as it is made must not have us connect again and again until the
// time is over: a handshake costs more than a delivery.
func TestClientBoundsConnectionsOfARequest(t *testing.T) {
	template := httptest.NewUnstartedServer(nil)
	template.StartTLS()
	t.Cleanup(template.Close)
	roots := x509.NewCertPool()
	roots.AddCert(template.Certificate())
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: template.TLS.Certificates, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	var conns atomic.Int32
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				conns.Add(1)
				goodbye := "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + "\x00\x00\x08\x07\x00\x00\x00\x00\x00" + strings.Repeat("\x00", 8)
				if _, err := io.WriteString(c, goodbye); err != nil {
					return
				}
				_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	g := newGuard(t, outbound.GuardConfig{Dev: true})
	client := g.HTTPClient(&tls.Config{RootCAs: roots, ServerName: "example.com"})
	t.Cleanup(client.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+l.Addr().(*net.TCPAddr).String()+"/", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err == nil {
		res.Body.Close()
		t.Errorf("got %s, want an error", res.Status)
	}
	t.Logf("%d connections: %v", conns.Load(), err)
	if n := conns.Load(); n < 1 || n > outbound.MaxConnectionsPerRequest {
		t.Errorf("got %d connections for one request, want 1 to %d", n, outbound.MaxConnectionsPerRequest)
	}
}

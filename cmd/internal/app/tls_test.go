package app_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"recado/cmd/internal/app"
	"recado/cwmp/cwmptest"
)

func TestTLSOnBothListeners(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	pool := app.WritePair(t, certFile, keyFile, "first")
	cfg := devConfig()
	cfg.APITLSCert, cfg.APITLSKey, cfg.CWMPTLSCert, cfg.CWMPTLSKey = certFile, keyFile, certFile, keyFile
	s := start(t, cfg)

	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.APIURL+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("readyz over TLS: got %d over %s, want 200 over HTTP/2", res.StatusCode, res.Proto)
	}

	ended := make(chan struct{}, 16)
	cpe(t, cwmptest.Config{ACSURL: s.CWMPURL, TLS: &tls.Config{RootCAs: pool}, Observe: func(n cwmptest.Note) {
		if n.Kind == cwmptest.NoteEnded {
			ended <- struct{}{}
		}
	}})
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("the device had no session over TLS\n%s", s.logs)
	}

	for _, url := range []string{s.APIURL, s.CWMPURL} {
		old := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11} //nolint:gosec // what must be refused
		conn, err := tls.Dial("tcp", url[len("https://"):], old)
		if err == nil {
			conn.Close()
			t.Errorf("TLS 1.1 with %s: got a connection, want none", url)
		}
	}
}

func TestTLSFilesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad")
	if err := os.WriteFile(bad, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{bad, filepath.Join(dir, "none")} {
		cfg := devConfig()
		cfg.CWMPTLSCert, cfg.CWMPTLSKey = file, file
		_, err := app.New(cfg, app.Options{})
		var field *app.FieldError
		if !errors.As(err, &field) || field.Field != "cwmp-tls-cert" {
			t.Errorf("New with the certificate %s: got %v, want an error about cwmp-tls-cert", filepath.Base(file), err)
		}
	}
}

// TestReadyTellsFirst stops a server under the eyes of a balancer: readyz says 503 while the API still answers.
func TestReadyTellsFirst(t *testing.T) {
	cfg := devConfig()
	cfg.ShutdownDelay = 3 * time.Second
	s := start(t, cfg)
	ended := make(chan error, 1)
	go func() { ended <- s.stop() }()
	ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
	defer cancel()
	for s.call(http.MethodGet, "/readyz", "", nil, nil) != http.StatusServiceUnavailable {
		if ctx.Err() != nil {
			t.Fatal("readyz never said 503 in the shutdown delay")
		}
	}
	if code := s.call(http.MethodGet, "/api/v1/devices", adminToken, nil, nil); code != http.StatusOK {
		t.Errorf("devices while stopping: got %d, want 200", code)
	}
	if code := s.call(http.MethodGet, "/healthz", "", nil, nil); code != http.StatusOK {
		t.Errorf("healthz while stopping: got %d, want 200", code)
	}
	if err := <-ended; err != nil {
		t.Errorf("stop: got %v, want nil", err)
	}
}

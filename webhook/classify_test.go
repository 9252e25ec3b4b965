package webhook_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"recado/webhook"
)

func TestClassify(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("10.1.2.3: %w", webhook.ErrRefusedAddress)}
	op := func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }
	for _, c := range []struct {
		name string
		err  error
		want webhook.ErrorClass
	}{
		{"none", nil, ""},
		{"refused by the guard", refused, webhook.ErrorRefused},
		{"no such host", &net.DNSError{Err: "no such host", Name: "h.example", Server: "192.0.2.53:53"}, webhook.ErrorDNS},
		{"name server silent", &net.DNSError{Err: "i/o timeout", Name: "h.example", IsTimeout: true}, webhook.ErrorDNS},
		{"deadline", context.DeadlineExceeded, webhook.ErrorTimeout},
		{"i/o deadline", op(os.ErrDeadlineExceeded), webhook.ErrorTimeout},
		{"dial deadline", &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}, webhook.ErrorTimeout},
		{"refused", op(syscall.ECONNREFUSED), webhook.ErrorConnect},
		{"reset", op(syscall.ECONNRESET), webhook.ErrorConnect},
		{"unreachable", op(syscall.EHOSTUNREACH), webhook.ErrorConnect},
		{"end", io.EOF, webhook.ErrorConnect},
		{"cut", io.ErrUnexpectedEOF, webhook.ErrorConnect},
		{"idle connection closed", errors.New("http: server closed idle connection"), webhook.ErrorConnect},
		{"unknown authority", x509.UnknownAuthorityError{}, webhook.ErrorTLS},
		{"wrong host", x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, webhook.ErrorTLS},
		{"expired", x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}, webhook.ErrorTLS},
		{"verification", &tls.CertificateVerificationError{Err: errors.New("x")}, webhook.ErrorTLS},
		{"no TLS there", tls.RecordHeaderError{Msg: "x"}, webhook.ErrorTLS},
		{"HTTP on the TLS port", http.ErrSchemeMismatch, webhook.ErrorTLS},
		{"alert", &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, webhook.ErrorTLS},
		{"handshake", errors.New("tls: no supported versions"), webhook.ErrorTLS},
		{"no HTTP", errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP response "220"`), webhook.ErrorAnswer},
		{"broken off", context.Canceled, webhook.ErrorInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.err
			if err != nil {
				err = fmt.Errorf("wrapped: %w", &url.Error{Op: "Post", URL: "https://u:pw@h.example/x?token=q", Err: err})
			}
			class, text := webhook.Classify(err)
			if class != c.want {
				t.Errorf("got class %q, want %q", class, c.want)
			}
			if (text == "") != (c.want == "") {
				t.Errorf("got text %q", text)
			}
			for _, secret := range []string{"token", "pw@", "https://", "10.1.2.3", "192.0.2.53"} {
				if strings.Contains(text, secret) {
					t.Errorf("the text shows %s: %s", secret, text)
				}
			}
		})
	}
}

func TestClassifyTextIsPrintable(t *testing.T) {
	_, text := webhook.Classify(errors.New("malformed \x1b[2J\r\n\u202e\xff" + strings.Repeat("é", 1000)))
	if len(text) > 300 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x1b\r\n\u202e") {
		t.Errorf("got %d bytes: %q", len(text), text)
	}
	if want := `malformed \u001b[2J\r\n\u202e` + "\ufffd"; !strings.HasPrefix(text, want) {
		t.Errorf("got %q, want it to begin with %q", text, want)
	}
}

// The errors that real clients make, not those that a test thinks up.
func TestClassifyRealTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	plain := httptest.NewServer(http.NotFoundHandler()) // answers a ClientHello with 400
	defer plain.Close()
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	for _, c := range []struct {
		name, url string
		config    *tls.Config
	}{
		{"unknown authority", s.URL, nil},
		{"no TLS there", "https" + strings.TrimPrefix(plain.URL, "http"), nil},
		{"version too old", s.URL, old},
	} {
		tr := &http.Transport{TLSClientConfig: c.config, DisableKeepAlives: true}
		_, err := (&http.Client{Transport: tr}).Post(c.url, "text/plain", nil) //nolint:bodyclose // it fails
		if class, text := webhook.Classify(err); class != webhook.ErrorTLS {
			t.Errorf("%s: got %s (%s; %v), want %s", c.name, class, text, err, webhook.ErrorTLS)
		}
	}
}

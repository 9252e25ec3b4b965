package webhook

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Bounds of an endpoint's own headers and certificates.
const (
	MaxHeaders     = 20
	MaxHeaderValue = 1024 // bytes
	MaxPEM         = 64 << 10
	MaxPins        = 10
)

// checkHeaders checks the client's own headers. Values are never part of an error.
func checkHeaders(e *Endpoint) error {
	if len(e.Headers) > MaxHeaders {
		return invalid("headers", "may have at most %d, got %d", MaxHeaders, len(e.Headers))
	}
	seen := map[string]bool{}
	for _, h := range e.Headers {
		if h.Name == "" || len(h.Name) > MaxHeaderName || strings.Trim(h.Name, headerCharacters) != "" {
			return invalid("headers", "%.100q is no header name; want at most %d letters, digits and hyphens, such as X-Api-Key", h.Name, MaxHeaderName)
		}
		name := http.CanonicalHeaderKey(h.Name)
		switch {
		case name != "Authorization" && name != "Cookie" && usedOtherwise(name):
			return invalid("headers", "%s is used otherwise; take a name such as X-Api-Key", name)
		case name == http.CanonicalHeaderKey(e.BodySignatureHeader):
			return invalid("headers", "%s is the body_signature_header already", name)
		case seen[name]:
			return invalid("headers", "%s comes twice", name)
		case h.Value == "" || len(h.Value) > MaxHeaderValue || strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' || r > '~' }):
			return invalid("headers", "the value of %s must be 1 to %d printable ASCII characters", name, MaxHeaderValue)
		case strings.TrimSpace(h.Value) != h.Value:
			return invalid("headers", "the value of %s may not begin or end with a space", name)
		}
		seen[name] = true
	}
	return nil
}

// IsZero reports whether the receiver is checked as everybody else, and shown no certificate.
func (t TLS) IsZero() bool {
	return t.CA == "" && len(t.Pins) == 0 && !t.AcceptInvalid && t.ClientCert == "" && t.ClientKey == ""
}

func checkTLS(url string, t TLS) error {
	switch {
	case t.IsZero():
		return nil
	case !strings.HasPrefix(strings.ToLower(url), "https:"):
		return invalid("tls", "has no meaning for a URL that does not begin with https://")
	case t.AcceptInvalid && (t.CA != "" || len(t.Pins) > 0):
		return invalid("tls.accept_invalid_certificate", "takes any certificate, so ca and pins would check nothing; leave one or the other out")
	case len(t.Pins) > MaxPins:
		return invalid("tls.pins", "may have at most %d, got %d", MaxPins, len(t.Pins))
	}
	for _, p := range t.Pins {
		if _, err := parsePin(p); err != nil {
			return invalid("tls.pins", "%s", err)
		}
	}
	_, err := t.Config("")
	return err
}

// Config makes the settings for connections to a receiver with that host name or address; nil where there is nothing to set. Its
// errors are *InvalidError.
func (t TLS) Config(host string) (*tls.Config, error) {
	if t.IsZero() {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		if c.RootCAs = x509.NewCertPool(); len(t.CA) > MaxPEM || !onlyCertificates(t.CA, c.RootCAs) {
			return nil, invalid("tls.ca", "must be certificates in PEM (-----BEGIN CERTIFICATE-----), %d bytes at most", MaxPEM)
		}
	}
	if t.ClientCert != "" || t.ClientKey != "" {
		if len(t.ClientCert) > MaxPEM || len(t.ClientKey) > MaxPEM {
			return nil, invalid("tls.client_certificate", "and its key may have at most %d bytes each", MaxPEM)
		}
		pair, err := tls.X509KeyPair([]byte(t.ClientCert), []byte(t.ClientKey))
		if err != nil {
			// The error's own text could quote from what was given.
			return nil, invalid("tls.client_certificate", "must be a certificate in PEM, and client_key its private key in PEM, not encrypted")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	var pins [][]byte
	for _, text := range t.Pins {
		pin, err := parsePin(text)
		if err != nil {
			return nil, invalid("tls.pins", "%s", err)
		}
		pins = append(pins, pin)
	}
	if t.AcceptInvalid || len(pins) > 0 {
		// Go's own verification is replaced, not left out, where there are pins.
		c.InsecureSkipVerify = true
	}
	if len(pins) > 0 {
		roots, pinned := c.RootCAs, pins
		// The state's own ServerName is empty for an address.
		c.VerifyConnection = func(s tls.ConnectionState) error { return verifyPinned(s.PeerCertificates, host, roots, pinned) }
	}
	return c, nil
}

func onlyCertificates(text string, into *x509.CertPool) bool {
	rest, n := []byte(text), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return n > 0 && len(bytes.TrimSpace(rest)) == 0
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			return false
		}
		into.AddCert(cert)
		n++
	}
}

var errPin = errors.New("must be sha256/ and the base64 of the 32 bytes that SHA-256 makes of the SubjectPublicKeyInfo")

func parsePin(text string) ([]byte, error) {
	b64, ok := strings.CutPrefix(text, "sha256/")
	if !ok {
		return nil, errPin
	}
	pin, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(pin) != sha256.Size {
		return nil, errPin
	}
	return pin, nil
}

// errUnpinned is a receiver whose keys are none of those that were pinned.
var errUnpinned = errors.New("x509: the certificate's key is none of the pinned ones")

// verifyPinned checks the receiver's name and dates. If its own key is pinned that is enough; else it needs a chain to a root with a
// pinned key in it.
func verifyPinned(given []*x509.Certificate, host string, roots *x509.CertPool, pins [][]byte) error {
	if len(given) == 0 || host == "" {
		return errUnpinned
	}
	pinned := func(cert *x509.Certificate) bool {
		sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
		return slices.ContainsFunc(pins, func(pin []byte) bool { return bytes.Equal(pin, sum[:]) })
	}
	leaf := given[0]
	opts := x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: x509.NewCertPool()}
	for _, cert := range given[1:] {
		opts.Intermediates.AddCert(cert)
	}
	own := pinned(leaf)
	if own {
		opts.Roots = x509.NewCertPool()
		opts.Roots.AddCert(leaf)
	}
	chains, err := leaf.Verify(opts)
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: given, Err: err}
	}
	for _, chain := range chains {
		if own || slices.ContainsFunc(chain, pinned) {
			return nil
		}
	}
	return &tls.CertificateVerificationError{UnverifiedCertificates: given, Err: errUnpinned}
}

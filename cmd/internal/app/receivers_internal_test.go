package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"recado/cmd/internal/outbound"
	"recado/webhook"
)

// identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (i identity) certPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw}))
}

func (i identity) keyPEM(t *testing.T) string {
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (i identity) pin() string {
	sum := sha256.Sum256(i.cert.RawSubjectPublicKeyInfo)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:])
}

// issue makes a certificate by template, signed by the issuer or, where that is nil, by itself.
func issue(t *testing.T, template x509.Certificate, by *identity) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := &template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return identity{cert, key}
}

func authority(t *testing.T, name string) identity {
	return issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
}

// secureReceiver serves one certificate, and asks for a client's where an authority for them is given.
func secureReceiver(t *testing.T, who identity, clients *identity) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			w.Header().Set("X-Client", r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{who.cert.Raw}, PrivateKey: who.key}}}
	if clients != nil {
		srv.TLS.ClientCAs = x509.NewCertPool()
		srv.TLS.ClientCAs.AddCert(clients.cert)
		srv.TLS.ClientAuth = tls.RequireAndVerifyClientCert
	}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestEndpointTLS(t *testing.T) {
	guard, err := outbound.NewGuard(outbound.GuardConfig{Dev: true, Refused: webhook.ErrRefusedAddress})
	if err != nil {
		t.Fatal(err)
	}
	here := x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	elsewhere, expired := here, here
	elsewhere.IPAddresses, elsewhere.DNSNames = nil, []string{"receiver.example"}
	expired.NotBefore, expired.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	ca, otherCA := authority(t, "provider"), authority(t, "other")
	selfSigned, issued := issue(t, here, nil), issue(t, here, &ca)
	old, oldIssued, misnamed := issue(t, expired, nil), issue(t, expired, &ca), issue(t, elsewhere, nil)
	client := issue(t, x509.Certificate{
		Subject: pkix.Name{CommonName: "recado"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}, &otherCA)
	shown := webhook.TLS{CA: ca.certPEM(), ClientCert: client.certPEM(), ClientKey: client.keyPEM(t)}

	all := newReceivers(guard)
	for _, c := range []struct {
		name     string
		receiver identity
		clients  *identity
		tls      webhook.TLS
		want     webhook.ErrorClass
		client   string
	}{
		{"self-signed, as usual", selfSigned, nil, webhook.TLS{}, webhook.ErrorTLS, ""},
		{"self-signed, pinned", selfSigned, nil, webhook.TLS{Pins: []string{otherCA.pin(), selfSigned.pin()}}, "", ""},
		{"self-signed, another key pinned", selfSigned, nil, webhook.TLS{Pins: []string{issued.pin()}}, webhook.ErrorTLS, ""},
		{"self-signed, taken as its own root", selfSigned, nil, webhook.TLS{CA: selfSigned.certPEM()}, "", ""},
		{"self-signed, any taken", selfSigned, nil, webhook.TLS{AcceptInvalid: true}, "", ""},
		{"of a private CA, as usual", issued, nil, webhook.TLS{}, webhook.ErrorTLS, ""},
		{"of a private CA that is given", issued, nil, webhook.TLS{CA: otherCA.certPEM() + ca.certPEM()}, "", ""},
		{"of a private CA that is not given", issued, nil, webhook.TLS{CA: otherCA.certPEM()}, webhook.ErrorTLS, ""},
		{"the CA given and pinned", issued, nil, webhook.TLS{CA: ca.certPEM(), Pins: []string{ca.pin()}}, "", ""},
		{"the CA pinned, but not given", issued, nil, webhook.TLS{Pins: []string{ca.pin()}}, webhook.ErrorTLS, ""},
		{"the CA given, another pinned", issued, nil, webhook.TLS{CA: ca.certPEM(), Pins: []string{otherCA.pin()}}, webhook.ErrorTLS, ""},
		{"expired, pinned", old, nil, webhook.TLS{Pins: []string{old.pin()}}, webhook.ErrorTLS, ""},
		{"expired, its CA given", oldIssued, nil, webhook.TLS{CA: ca.certPEM()}, webhook.ErrorTLS, ""},
		{"expired, any taken", old, nil, webhook.TLS{AcceptInvalid: true}, "", ""},
		{"another's name, pinned", misnamed, nil, webhook.TLS{Pins: []string{misnamed.pin()}}, webhook.ErrorTLS, ""},
		{"another's name, any taken", misnamed, nil, webhook.TLS{AcceptInvalid: true}, "", ""},
		{"asks for a certificate, none is shown", issued, &otherCA, webhook.TLS{CA: ca.certPEM()}, webhook.ErrorTLS, ""},
		{"asks for a certificate, one is shown", issued, &otherCA, shown, "", "recado"},
		{"does not take the certificate", issued, &ca, shown, webhook.ErrorTLS, ""},
		{"settings that cannot be used", issued, nil, webhook.TLS{CA: "not to be told"}, webhook.ErrorTLS, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := webhook.Endpoint{URL: secureReceiver(t, c.receiver, c.clients), TLS: c.tls}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := all.Client(e).Do(req)
			class, text := webhook.Classify(err)
			if class != c.want {
				t.Fatalf("got class %q (%s), want %q", class, text, c.want)
			}
			if strings.Contains(text, "not to be told") {
				t.Errorf("got %q, want nothing of the settings in it", text)
			}
			if err != nil {
				return
			}
			defer resp.Body.Close()
			if got := resp.Header.Get("X-Client"); got != c.client {
				t.Errorf("got client certificate %q, want %q", got, c.client)
			}
		})
	}
}

func TestEndpointsShareClients(t *testing.T) {
	guard, err := outbound.NewGuard(outbound.GuardConfig{Dev: true})
	if err != nil {
		t.Fatal(err)
	}
	all := newReceivers(guard)
	one, two := webhook.TLS{AcceptInvalid: true}, webhook.TLS{Pins: []string{"sha256/" + base64.StdEncoding.EncodeToString(make([]byte, 32))}}
	usual := all.Client(webhook.Endpoint{ID: "wh_1"})
	if all.Client(webhook.Endpoint{ID: "wh_2"}) != usual {
		t.Error("got a client of its own for an endpoint without settings, want the one for all")
	}
	a := all.Client(webhook.Endpoint{ID: "wh_1", TLS: one})
	if a == usual || all.Client(webhook.Endpoint{ID: "wh_3", TLS: one}) != a || all.Client(webhook.Endpoint{ID: "wh_1", TLS: two}) == a {
		t.Error("got clients shared otherwise than by their settings")
	}
	for i := range 2 * maxReceivers {
		pin := make([]byte, 32)
		pin[0], pin[1] = byte(i), byte(i>>8)
		all.Client(webhook.Endpoint{TLS: webhook.TLS{Pins: []string{"sha256/" + base64.StdEncoding.EncodeToString(pin)}}})
	}
	if got := len(all.by); got > maxReceivers {
		t.Errorf("got %d clients kept, want at most %d", got, maxReceivers)
	}
}

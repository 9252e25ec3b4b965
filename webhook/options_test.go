package webhook_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"recado/webhook"
)

const secretValue = "k3y-of-the-receiver"

func TestOptionsAreChecked(t *testing.T) {
	pin := "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	header := func(name, value string) webhook.Registration {
		return webhook.Registration{Headers: []webhook.Header{{Name: name, Value: value}}}
	}
	secure := func(t webhook.TLS) webhook.Registration { return webhook.Registration{TLS: t} }
	many := webhook.Registration{}
	for range webhook.MaxHeaders + 1 {
		many.Headers = append(many.Headers, webhook.Header{Name: "X-A", Value: "b"})
	}
	for _, c := range []struct {
		name string
		r    webhook.Registration
		want string // what the error holds; "" is none
	}{
		{"a header", header("X-Api-Key", secretValue), ""},
		{"Authorization", header("authorization", "Bearer "+secretValue), ""},
		{"a header without a name", header("", secretValue), "headers: "},
		{"a name with a space", header("X Key", secretValue), "headers: "},
		{"a name of ours", header("Webhook-Id", secretValue), "headers: Webhook-Id is used otherwise"},
		{"a name of HTTP's", header("content-length", secretValue), "headers: Content-Length is used otherwise"},
		{"the host", header("Host", secretValue), "headers: Host is used otherwise"},
		{"a value with a line break", header("X-Api-Key", secretValue+"\r\nX-More: 1"), "headers: the value of X-Api-Key must be"},
		{"a value that is not ASCII", header("X-Api-Key", secretValue+"é"), "headers: the value of X-Api-Key must be"},
		{"a value with a space at its end", header("X-Api-Key", secretValue+" "), "headers: the value of X-Api-Key may not begin or end"},
		{"no value", header("X-Api-Key", ""), "headers: the value of X-Api-Key must be"},
		{"a name twice", webhook.Registration{Headers: []webhook.Header{{"X-A", secretValue}, {"x-a", secretValue}}}, "headers: X-A comes twice"},
		{
			"the name of the body signature",
			webhook.Registration{BodySignatureHeader: "X-Sig", Headers: []webhook.Header{{"x-sig", secretValue}}},
			"headers: X-Sig is the body_signature_header",
		},
		{"too many", many, "headers: may have at most 20"},

		{"a pin", secure(webhook.TLS{Pins: []string{pin}}), ""},
		{"a pin in hex", secure(webhook.TLS{Pins: []string{strings.Repeat("00", 32)}}), "tls.pins: must be sha256/"},
		{"a pin of another length", secure(webhook.TLS{Pins: []string{"sha256/AAAA"}}), "tls.pins: must be sha256/"},
		{"too many pins", secure(webhook.TLS{Pins: slicesRepeat(pin, 11)}), "tls.pins: may have at most 10"},
		{"any certificate", secure(webhook.TLS{AcceptInvalid: true}), ""},
		{"any certificate and a pin", secure(webhook.TLS{AcceptInvalid: true, Pins: []string{pin}}), "tls.accept_invalid_certificate: takes any certificate"},
		{"a CA that is none", secure(webhook.TLS{CA: secretValue}), "tls.ca: must be certificates in PEM"},
		{"a certificate without a key", secure(webhook.TLS{ClientCert: secretValue}), "tls.client_certificate: must be"},
		{"TLS without TLS", webhook.Registration{URL: "http://example.com/x", TLS: webhook.TLS{AcceptInvalid: true}}, "tls: has no meaning"},

		{"a rate", webhook.Registration{PerMinute: 60}, ""},
		{"a rate below 0", webhook.Registration{PerMinute: -1}, "requests_per_minute: must be"},
		{"a rate beyond all", webhook.Registration{PerMinute: webhook.MaxPerMinute + 1}, "requests_per_minute: must be"},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := webhook.NewService(webhook.ServiceConfig{Store: newTinyStore(), Catalogue: catalogue})
			if c.r.URL == "" {
				c.r.URL = "https://example.com/x"
			}
			_, err := service.Register(t.Context(), "cli_1", c.r)
			if c.want == "" {
				if err != nil {
					t.Errorf("got %v, want none", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), secretValue) {
				t.Errorf("got %v, want the value left out", err)
			}
		})
	}
}

func slicesRepeat(s string, n int) (list []string) {
	for range n {
		list = append(list, s)
	}
	return list
}

func TestChangeOptions(t *testing.T) {
	store := newTinyStore()
	service := webhook.NewService(webhook.ServiceConfig{Store: store, Catalogue: catalogue})
	cert, key := testPair(t)
	e, err := service.Register(t.Context(), "cli_1", webhook.Registration{
		URL: "https://example.com/x", TLS: webhook.TLS{ClientCert: cert, ClientKey: key}, Headers: []webhook.Header{{"X-A", "1"}},
		Filter: webhook.Filter{IgnoreFaults: []int{9005}}, PerMinute: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	change := func(c webhook.Change) webhook.Endpoint {
		t.Helper()
		got, err := service.Change(t.Context(), "cli_1", e.ID, c)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := change(webhook.Change{Description: new("other")}); got.TLS.ClientKey != key || len(got.Headers) != 1 || got.PerMinute != 5 || len(got.Filter.IgnoreFaults) != 1 {
		t.Errorf("a change of something else: got %+v, want the options as they were", got)
	}
	if got := change(webhook.Change{TLS: &webhook.TLS{ClientCert: cert}}); got.TLS.ClientKey != key {
		t.Error("the same certificate without its key: got another key, want the one that was there")
	}
	if _, err := service.Change(t.Context(), "cli_1", e.ID, webhook.Change{TLS: &webhook.TLS{ClientCert: cert + "\n"}}); err == nil {
		t.Error("another certificate without its key: got no error, want one")
	}
	got := change(webhook.Change{TLS: &webhook.TLS{}, Headers: &[]webhook.Header{}, Filter: &webhook.Filter{}, PerMinute: new(0)})
	if !got.TLS.IsZero() || len(got.Headers) != 0 || !got.Filter.IsZero() || got.PerMinute != 0 {
		t.Errorf("all taken away: got %+v, want none", got)
	}
}

// testPair makes a certificate and its key in PEM.
func testPair(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", keyDER)
}

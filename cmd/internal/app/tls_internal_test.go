package app

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestCertificateIsReadAgain swaps the files under a running server, first for a broken pair and then for a good one.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert"), filepath.Join(dir, "key")
	writePair(t, certFile, keyFile, "first")
	synctest.Test(t, func(t *testing.T) {
		cfg, err := newTLSConfig(certFile, keyFile, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if got := subject(t, cfg); got != "first" {
			t.Fatalf("certificate: got %s, want first", got)
		}
		writePair(t, certFile, keyFile, "second, with a longer name")
		if got := subject(t, cfg); got != "first" {
			t.Errorf("certificate at once: got %s, want the one in memory", got)
		}
		time.Sleep(recheck)
		if got := subject(t, cfg); got != "second, with a longer name" {
			t.Errorf("certificate after %s: got %s, want the second", recheck, got)
		}
		if err := os.WriteFile(certFile, []byte("broken"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(recheck)
		if got := subject(t, cfg); got != "second, with a longer name" {
			t.Errorf("certificate with a broken file: got %s, want the last good one", got)
		}
		writePair(t, certFile, keyFile, "third")
		time.Sleep(recheck)
		if got := subject(t, cfg); got != "third" {
			t.Errorf("certificate after the repair: got %s, want the third", got)
		}
	})
}

func subject(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	c, err := cfg.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Subject.CommonName
}

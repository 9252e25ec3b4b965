package app_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"recado/cmd/internal/app"
)

func TestDefaultsAreValid(t *testing.T) {
	cfg := app.DefaultConfig()
	if err := cfg.Resolve(); err != nil {
		t.Fatalf("Resolve of the defaults: got %v, want nil", err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"CWMPAuth", cfg.CWMPAuth, "digest"},
		{"KeyFile", cfg.KeyFile, "./data/recado.db.key"},
		{"AdminTokenFile", cfg.AdminTokenFile, "data/admin-token"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", c.what, c.got, c.want)
		}
	}
}

func TestDevMakesAuthenticationNone(t *testing.T) {
	cfg := app.DefaultConfig()
	cfg.Dev = true
	if err := cfg.Resolve(); err != nil {
		t.Fatal(err)
	}
	if cfg.CWMPAuth != "none" {
		t.Errorf("CWMPAuth under Dev: got %q, want none", cfg.CWMPAuth)
	}
	cfg = app.DefaultConfig()
	cfg.Dev, cfg.CWMPAuth = true, "digest"
	if err := cfg.Resolve(); err != nil {
		t.Fatal(err)
	}
	if cfg.CWMPAuth != "digest" {
		t.Errorf("CWMPAuth that was asked for: got %q, want digest", cfg.CWMPAuth)
	}
}

func TestResolveRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, field, want string
		set               func(*app.Config)
	}{
		{"no port", "api-listen", "HOST:PORT", func(c *app.Config) { c.APIListen = "127.0.0.1" }},
		{"bad port", "cwmp-listen", "0 to 65535", func(c *app.Config) { c.CWMPListen = "127.0.0.1:70000" }},
		{"host name", "api-listen", "IP address", func(c *app.Config) { c.APIListen = "api.example.net:80" }},
		{"unknown store", "store", "bolt://", func(c *app.Config) { c.Store = "mysql://u:MARKER@h/x" }},
		{"store without path", "store", "bolt://", func(c *app.Config) { c.Store = "bolt://" }},
		{"postgres", "store", "not supported", func(c *app.Config) { c.Store = "postgres://u:MARKER@h/db" }},
		{"dev off loopback", "dev", "loopback", func(c *app.Config) { c.Dev, c.APIListen = true, "0.0.0.0:8080" }},
		{"dev on all addresses", "dev", "loopback", func(c *app.Config) { c.Dev, c.CWMPListen = true, ":7547" }},
		{"unknown authentication", "cwmp-auth", "none, basic, digest", func(c *app.Config) { c.CWMPAuth = "ntlm" }},
		{"HTTP without networks", "webhook-allow-http", "webhook-allow-cidr", func(c *app.Config) { c.WebhookAllowHTTP = true }},
		{"no ports", "webhook-ports", "65535", func(c *app.Config) { c.WebhookPorts = nil }},
		{"port 0", "webhook-ports", "65535", func(c *app.Config) { c.WebhookPorts = []uint16{0} }},
		{"certificate without key", "api-tls-key", "api-tls-cert", func(c *app.Config) { c.APITLSCert = "x" }},
		{"key without certificate", "cwmp-tls-cert", "cwmp-tls-key", func(c *app.Config) { c.CWMPTLSKey = "x" }},
		{"public URL", "public-url", "https://", func(c *app.Config) { c.PublicURL = "recado" }},
		{"log format", "log-format", "json", func(c *app.Config) { c.LogFormat = "xml" }},
		{"log level", "log-level", "debug", func(c *app.Config) { c.LogLevel = "loud" }},
		{"short token", "admin-token", "32", func(c *app.Config) { c.AdminToken = "MARKER" }},
		{"shutdown delay", "shutdown-delay", "5s", func(c *app.Config) { c.ShutdownDelay = time.Minute }},
		{"negative shutdown delay", "shutdown-delay", "5s", func(c *app.Config) { c.ShutdownDelay = -1 }},
		{"no body", "cwmp-max-body", "0 is out of range; want 64KiB to 64MiB", func(c *app.Config) { c.CWMPMaxBody = 0 }},
		{"negative body", "cwmp-max-body", "-1 is out of range; want 64KiB", func(c *app.Config) { c.CWMPMaxBody = -1 }},
		{"absurd body", "cwmp-max-body", "1024MiB is out of range", func(c *app.Config) { c.CWMPMaxBody = 1024 * app.MiB }},
		{"no depth", "cwmp-max-depth", "0 is out of range; want 16 to 1024", func(c *app.Config) { c.CWMPMaxDepth = 0 }},
		{"absurd depth", "cwmp-max-depth", "1025 is out of range", func(c *app.Config) { c.CWMPMaxDepth = 1025 }},
		{"no elements", "cwmp-max-elements", "want 1000 to 10000000", func(c *app.Config) { c.CWMPMaxElements = 0 }},
		{"absurd elements", "cwmp-max-elements", "want 1000 to 10000000", func(c *app.Config) { c.CWMPMaxElements = 10_000_001 }},
		{"no message timeout", "cwmp-message-timeout", "0s is out of range; want 1s to 10m0s", func(c *app.Config) { c.CWMPMessageTimeout = 0 }},
		{"absurd message timeout", "cwmp-message-timeout", "1h0m0s is out of range", func(c *app.Config) { c.CWMPMessageTimeout = time.Hour }},
		{"negative session timeout", "cwmp-session-timeout", "-1s is out of range; want 5s", func(c *app.Config) { c.CWMPSessionTimeout = -time.Second }},
		{"session timeouts that disagree", "cwmp-max-session-timeout", "5m0s is less than --cwmp-session-timeout 6m0s", func(c *app.Config) { c.CWMPSessionTimeout = 6 * time.Minute }},
		{"absurd longest session timeout", "cwmp-max-session-timeout", "want 30s to 1h0m0s", func(c *app.Config) { c.CWMPMaxSessionTimeout = 2 * time.Hour }},
		{"no connection-request timeout", "connection-request-timeout", "want 500ms to 1m0s", func(c *app.Config) { c.ConnectionRequestTimeout = 0 }},
		{"no pace", "connection-request-interval", "0s is out of range", func(c *app.Config) { c.ConnectionRequestInterval = 0 }},
		{"a pace without pause", "connection-request-interval", "30s is less than --connection-request-timeout 40s", func(c *app.Config) { c.ConnectionRequestTimeout = 40 * time.Second }},
		{"none at a time", "connection-request-parallel", "0 is out of range; want 1 to 4096", func(c *app.Config) { c.ConnectionRequestParallel = 0 }},
		{"absurdly many at a time", "connection-request-parallel", "5000 is out of range", func(c *app.Config) { c.ConnectionRequestParallel = 5000 }},
		{"no read timeout", "api-read-timeout", "want 1s to 10m0s", func(c *app.Config) { c.APIReadTimeout = 0 }},
		{"absurd wait", "api-max-wait", "24h0m0s is out of range; want 1s to 10m0s", func(c *app.Config) { c.APIMaxWait = 24 * time.Hour }},
		{"no webhooks", "webhook-host-rate", "0 is out of range; want 1 to 100000", func(c *app.Config) { c.WebhookHostRate = 0 }},
		{"periodic Inform", "periodic-inform", "30s", func(c *app.Config) { c.PeriodicInform = time.Second }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := app.DefaultConfig()
			tc.set(&cfg)
			err := cfg.Resolve()
			var field *app.FieldError
			if !errors.As(err, &field) || field.Field != tc.field || !strings.Contains(field.Problem, tc.want) {
				t.Errorf("Resolve: got %v, want one about %s that says %q", err, tc.field, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "MARKER") {
				t.Errorf("Resolve: got %q, want it without the secret", err)
			}
		})
	}
}

func TestResolveTellsAllErrors(t *testing.T) {
	cfg := app.DefaultConfig()
	cfg.LogFormat, cfg.Store, cfg.APIListen = "x", "y", "z"
	err := cfg.Resolve()
	for _, want := range []string{"--log-format", "--store", "--api-listen"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Resolve: got %v, want it to name %s too", err, want)
		}
	}
}

func TestSettingsMaskSecrets(t *testing.T) {
	cfg := app.DefaultConfig()
	cfg.AdminToken = strings.Repeat("MARKER", 8)
	cfg.WebhookAllowCIDR = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	got := map[string]string{}
	for _, s := range cfg.Settings() {
		if s.Name == "" {
			t.Errorf("a setting has no name (value %q)", s.Value)
		}
		if strings.Contains(s.Value, "MARKER") {
			t.Errorf("%s shows the token", s.Name)
		}
		got[s.Name] = s.Value
	}
	for name, want := range map[string]string{
		"admin-token": "********", "webhook-allow-cidr": "10.0.0.0/8,fd00::/8", "webhook-ports": "443,8443", "dev": "false",
		"shutdown-delay": "1s", "api-listen": "127.0.0.1:8080",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]app.Size{"8388608": 8 * app.MiB, "8MiB": 8 * app.MiB, "512KiB": 512 * app.KiB, "512 KiB": 512 * app.KiB, "1000": 1000, "-1": -1, "0": 0} {
		var got app.Size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("size %q: got %d, %v, want %d", text, got, err, want)
		}
		var again app.Size
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != want {
			t.Errorf("size %q, written as %q: got %d, %v, want %d", text, got, again, err, want)
		}
	}
	for _, text := range []string{"", "8MB", "8 parsecs", "MiB", "1e3", "9999999999999999999", "99999999999999MiB"} {
		var got app.Size
		if err := got.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "8MiB") {
			t.Errorf("size %q: got %d, %v, want an error that says what would be right", text, got, err)
		}
	}
}

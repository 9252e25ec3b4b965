package app_test

import (
	"net/http"
	"strings"
	"testing"

	"recado/acs/wire"
)

// TestHostileWebhookURLs registers webhooks that point inside, at a server that is not under --dev.
func TestHostileWebhookURLs(t *testing.T) {
	cfg := devConfig()
	cfg.Dev, cfg.CWMPAuth = false, "none"
	s := start(t, cfg)
	a := &siege{t: t, s: s}
	canary := newTrap(t, "127.0.0.1", nil)
	port := canary.port()
	var id string
	{ // one that is good, for changes
		var made wire.WebhookCreated
		if code := s.call(http.MethodPost, "/api/v1/webhooks", adminToken, wire.WebhookCreate{URL: "https://1.1.1.1/hook"}, &made); code != http.StatusCreated {
			t.Fatalf("a public address: got %d, want 201", code)
		}
		id = made.ID
	}
	for _, url := range []string{
		"http://1.1.1.1/", "https://1.1.1.1:22/", "https://1.1.1.1:80/", "https://1.1.1.1:0/", "https://1.1.1.1:99999/", "https://1.1.1.1:/",
		"https://127.0.0.1:" + port + "/", "https://127.0.0.1/", "http://127.0.0.1:" + port + "/", "https://127.255.255.254/", "https://0.0.0.0/", "https://0.0.0.0:" + port + "/",
		"https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://100.64.0.1/", "https://198.18.0.1/", "https://192.0.2.1/", "https://203.0.113.9/", "https://240.0.0.1/",
		"https://169.254.169.254/latest/meta-data/", "https://169.254.1.1/", "https://168.63.129.16/", "https://100.100.100.200/", "https://192.0.0.192/", "https://224.0.0.1/", "https://255.255.255.255/",
		"https://[::1]/", "https://[::1]:" + port + "/", "https://[::]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/", "https://[fc00::1]/", "https://[fd00:ec2::254]/", "https://[ff02::1]/", "https://[2001:db8::1]/",
		"https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]:" + port + "/", "https://[::ffff:169.254.169.254]/", "https://[::127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[64:ff9b::a9fe:a9fe]/",
		"https://[64:ff9b:1::7f00:1]/", "https://[2002:7f00:1::]/", "https://[2002:a9fe:a9fe::1]/", "https://[2001:0:7f00:1::]/",
		"https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://127.1/", "https://127.0.1/", "https://0/", "https://127.0.0.01/", "https://1.1.1.0x1/",
		"https://user@1.1.1.1/", "https://user:pass@1.1.1.1/", "https://1.1.1.1@127.0.0.1/", "https://1.1.1.1/#fragment", "https://1.1.1.1./", "https://localhost./", "https://localhost/", "https://localhost:" + port + "/",
		"https://LOCALHOST/", "https://localhost.localdomain/", "https://foo.localhost/", "https://metadata.google.internal/", "https://①②⑦.⓪.⓪.①/", "https://1.1.1.1\\@127.0.0.1/", "https://1.1.1.1 /", "https://1.1.1.1/\r\nX: y",
		"ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/", "javascript:alert(1)", "data:,x", "//1.1.1.1/", "1.1.1.1", "", "https://", "https:///x", "https:1.1.1.1", "https://%31%32%37.0.0.1/", "https://127。0。0。1/",
		"https://-/", "https://a..b/", "https://[::1/", "https://" + repeat("a", 64) + ".com/", "https://1.1.1.1/" + repeat("p", 2100), s.APIURL, strings.Replace(s.CWMPURL, "http:", "https:", 1),
	} {
		what := url[:min(len(url), 80)]
		got := a.raw(t, http.MethodPost, "/api/v1/webhooks", adminToken, marshal(t, map[string]string{"url": url}))
		refused(t, "register "+what, got, 400, wire.CodeInvalidRequest)
		if got.problem.Field != "url" || got.problem.Detail == "" {
			t.Errorf("register %s: got %s, want a detail about url", what, got.text)
		}
		refused(t, "change to "+what, a.raw(t, http.MethodPatch, "/api/v1/webhooks/"+id, adminToken, marshal(t, map[string]string{"url": url})), 400, wire.CodeInvalidRequest)
	}
	var kept wire.Webhook
	if code := s.call(http.MethodGet, "/api/v1/webhooks/"+id, adminToken, nil, &kept); code != http.StatusOK || kept.URL != "https://1.1.1.1/hook" {
		t.Errorf("the endpoint after refused changes: got %d %s, want it as it was", code, kept.URL)
	}
	if n := canary.calls.Load(); n != 0 {
		t.Errorf("loopback was called %d times, want never", n)
	}
}

package outbound_test

import (
	"context"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"recado/cmd/internal/outbound"
)

// anyName resolves each name to a public address.
type anyName struct{}

func (anyName) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("93.184.215.14")}, nil
}

func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://public.example/hook?x=1", "https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://0x7f.1/", "https://2130706433",
		"https://a@b/", "https://a:443:443/", "https://[fe80::1%25eth0]:8443/", "https://a./", "https://ä/", "https://a/#", "http://a/",
		"https://[64:ff9b::7f00:1]", "https://a\\@b", "https://%61/", "https://a:08443/", "https://192.0.0.192", "https://1.1.1.1:443",
	} {
		f.Add(seed)
	}
	g, err := outbound.NewGuard(outbound.GuardConfig{Resolver: anyName{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		err := g.CheckURL(t.Context(), raw)
		if err != nil {
			if !errors.Is(err, outbound.ErrRefused) {
				t.Fatalf("CheckURL(%q): got %v, want a refusal", raw, err)
			}
			return
		}
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatalf("CheckURL(%q) accepts what cannot be read: %v", raw, err)
		}
		if u.Scheme != "https" || u.User != nil || u.Fragment != "" || strings.HasSuffix(u.Host, ".") || strings.HasSuffix(u.Host, ":") {
			t.Fatalf("CheckURL(%q) accepts %+v", raw, u)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil {
			if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.Is4In6() {
				t.Fatalf("CheckURL(%q) accepts the address %s", raw, a)
			}
		} else if last := u.Hostname()[strings.LastIndexByte(u.Hostname(), '.')+1:]; strings.Trim(last, "0123456789") == "" {
			t.Fatalf("CheckURL(%q) accepts a host that ends in a number", raw)
		}
	})
}

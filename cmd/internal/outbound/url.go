package outbound

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// MaxURL is the longest webhook URL, in bytes.
const MaxURL = 2048

// CheckURL checks a webhook's URL as it is registered: its form, and every address that its host has now. A refusal wraps
// ErrRefused and says what was wrong and what would be right; it never holds the query, which may be a secret.
func (g *Guard) CheckURL(ctx context.Context, raw string) error {
	u, port, err := g.parse(raw)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, ConnectTimeout, errConnectTimeout)
	defer cancel()
	addrs, err := resolve(ctx, g.cfg.Resolver, u.Hostname())
	if err != nil {
		return g.refuse("host %q does not resolve: %s", u.Hostname(), dnsReason(err))
	}
	for _, a := range addrs {
		if err := g.check(netip.AddrPortFrom(a, port), u.Scheme == "http"); err != nil {
			return err
		}
	}
	return nil
}

func dnsReason(err error) string {
	if d, ok := err.(*net.DNSError); ok {
		switch {
		case d.IsNotFound:
			return "no such host"
		case d.IsTimeout:
			return "no answer in time"
		}
	}
	return "the lookup went wrong"
}

// parse checks all of a URL that can be told without a lookup.
func (g *Guard) parse(raw string) (*url.URL, uint16, error) {
	if len(raw) > MaxURL {
		return nil, 0, g.refuse("URL has %d bytes; want at most %d", len(raw), MaxURL)
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case c >= 0x80:
			return nil, 0, g.refuse("URL holds characters outside ASCII; want the host in punycode and the path percent-encoded")
		case c <= ' ' || c == 0x7f || c == '\\':
			return nil, 0, g.refuse("URL holds a blank, a backslash or a control character; want it percent-encoded")
		case c == '#':
			return nil, 0, g.refuse("URL has a fragment; want it without #")
		}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, 0, g.refuse("URL cannot be read; want https://host/path") // the error's text would show the query
	}
	if err := g.checkForm(u); err != nil {
		return nil, 0, err
	}
	port, err := portOf(u)
	if err != nil {
		return nil, 0, g.refuse("%s", err)
	}
	return u, port, nil
}

func (g *Guard) checkForm(u *url.URL) error {
	switch {
	case u.Scheme == "http" && (g.cfg.AllowHTTP || g.cfg.Dev):
	case u.Scheme == "http":
		return g.refuse("plain http is not allowed; want https://")
	case u.Scheme != "https":
		return g.refuse("scheme %.20q is not allowed; want https://", u.Scheme)
	}
	switch {
	case u.Opaque != "" || u.Host == "":
		return g.refuse("URL has no host; want https://host/path")
	case u.User != nil:
		return g.refuse("URL has a user name or password; want it without")
	}
	if err := checkHost(u.Hostname(), strings.HasPrefix(u.Host, "[")); err != nil {
		return g.refuse("%s", err)
	}
	return nil
}

// checkHost takes an address literal in its one canonical form, or a host name. Whatever some resolver might read as a number
// (decimal, octal, hex, short forms) is refused, so that it need not be known how each of them reads it.
func checkHost(host string, bracketed bool) error {
	if a, err := netip.ParseAddr(host); err == nil {
		switch {
		case a.Is6() != bracketed:
			return fmt.Errorf("host %.60q is no address; want an IPv6 address in brackets", host)
		case a.Zone() != "":
			return fmt.Errorf("host %.60q has a zone; want an address without", host)
		case a.Is4In6():
			return fmt.Errorf("host %.60q is an IPv4 address in IPv6 form; want it as IPv4", host)
		}
		return nil
	}
	if bracketed {
		return fmt.Errorf("host %.60q is no IPv6 address", host)
	}
	if len(host) == 0 || len(host) > 253 {
		return fmt.Errorf("host name has %d characters; want 1 to 253", len(host))
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if err := checkLabel(l); err != nil {
			return fmt.Errorf("host %.60q %w", host, err)
		}
	}
	if last := labels[len(labels)-1]; looksNumeric(last) {
		return fmt.Errorf("host %.60q looks like a number; want an address as four decimal numbers, or a host name", host)
	}
	return nil
}

func checkLabel(l string) error {
	if l == "" {
		return fmt.Errorf("has an empty part; want no leading, trailing or doubled dot")
	}
	if len(l) > 63 {
		return fmt.Errorf("has a part of %d characters; want at most 63", len(l))
	}
	for i := range len(l) {
		c := l[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' {
			continue
		}
		return fmt.Errorf("holds %q; want letters, digits, hyphens and dots", c)
	}
	return nil
}

// looksNumeric is the "ends in a number" rule of the URL standard, for the last part of a host.
func looksNumeric(label string) bool {
	if h, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(h, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

func portOf(u *url.URL) (uint16, error) {
	if strings.HasSuffix(u.Host, ":") {
		return 0, fmt.Errorf("port is empty; want host:port, or the host alone")
	}
	text := u.Port()
	if text == "" {
		if u.Scheme == "http" {
			return 80, nil
		}
		return 443, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("port %.10q is none; want 1 to 65535", text)
	}
	return uint16(port), nil
}

func splitHostPort(address string) (string, uint16, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil || host == "" {
		return "", 0, fmt.Errorf("address has no host or no port; want host:port")
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return "", 0, fmt.Errorf("port %.10q is none; want 1 to 65535", text)
	}
	return host, uint16(port), nil
}

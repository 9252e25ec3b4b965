package cwmp

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxRequestURL bounds a ConnectionRequestURL; TR-069 allows 256 characters.
const maxRequestURL = 2048

var errBadURL = errors.New("not an http URL that can be asked")

// requestURL is a ConnectionRequestURL taken apart.
type requestURL struct {
	address string // "host:port" to dial
	host    string // for the Host header
	target  string // path and query, as in the URL
}

// parseRequestURL reads a ConnectionRequestURL. Devices leave out the path, the slash after the host, and even the scheme
// ("80.0.0.1"): that is http then. Anything but http is refused, and so is user info. Errors say nothing of the URL.
func parseRequestURL(raw string) (requestURL, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" || len(raw) > maxRequestURL {
		return requestURL{}, errBadURL
	}
	rest := raw
	if scheme, after, ok := strings.Cut(raw, "://"); ok && !strings.ContainsAny(scheme, "/?#") {
		if !strings.EqualFold(scheme, "http") {
			return requestURL{}, errBadURL
		}
		rest = after
	}
	rest, _, _ = strings.Cut(rest, "#")
	u := requestURL{host: rest, target: "/"}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		u.host, u.target = rest[:i], rest[i:]
	}
	if u.target[0] == '?' {
		u.target = "/" + u.target
	}
	u.target = escapeTarget(u.target)
	parsed, err := url.Parse("http://" + u.host)
	if err != nil || parsed.User != nil || parsed.Path != "" || !isHost(parsed.Hostname()) {
		return requestURL{}, errBadURL
	}
	port := parsed.Port()
	if port == "" {
		port = "80"
		u.host = strings.TrimSuffix(u.host, ":")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return requestURL{}, errBadURL
	}
	u.address = net.JoinHostPort(parsed.Hostname(), port)
	return u, nil
}

// isHost takes IP addresses without zones, and names of letters, digits, dots, hyphens and underscores.
func isHost(h string) bool {
	if strings.Contains(h, ":") {
		a, err := netip.ParseAddr(h)
		return err == nil && a.Zone() == ""
	}
	for i := range len(h) {
		c := h[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return h != "" && len(h) <= 253
}

// escapeTarget percent-encodes what no request line may hold, and nothing else: the path goes out as the device wrote it.
func escapeTarget(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > 0x20 && c < 0x7f {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

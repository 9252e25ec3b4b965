package cwmp

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strings"
)

// The Digest words that both sides share: the Server verifies answers to its challenges, the Requester answers those of
// devices (RFC 7616, with the older forms of RFC 2617 and RFC 2069).

// maxAuthHeader bounds one Authorization or WWW-Authenticate header, maxAuthParams the parameters in it.
const (
	maxAuthHeader = 16 << 10
	maxAuthParams = 64
)

// authScheme is one challenge of a WWW-Authenticate header, or the credentials of an Authorization header.
type authScheme struct {
	name   string // lower case
	params []authParam
}

type authParam struct{ name, value string }

// get returns the first parameter of that name; ok tells an empty one from none.
func (a authScheme) get(name string) (value string, ok bool) {
	for _, p := range a.params {
		if p.name == name {
			return p.value, true
		}
	}
	return "", false
}

// parseAuth reads an Authorization or WWW-Authenticate header. It takes what devices send: parameters parted by commas or
// by blanks alone, values quoted or not, several challenges in one header. What cannot be read is skipped.
func parseAuth(header string) []authScheme {
	if len(header) > maxAuthHeader {
		return nil
	}
	var schemes []authScheme
	total := 0
	for i := 0; i < len(header) && total < maxAuthParams; {
		if isAuthGap(header[i]) {
			i++
			continue
		}
		start := i
		for i < len(header) && !isAuthGap(header[i]) && header[i] != '=' {
			i++
		}
		name := strings.ToLower(header[start:i])
		j := skipBlanks(header, i)
		total++
		if j == len(header) || header[j] != '=' {
			schemes = append(schemes, authScheme{name: name})
			continue
		}
		var value string
		value, i = authValue(header, skipBlanks(header, j+1))
		if name != "" && len(schemes) > 0 {
			last := &schemes[len(schemes)-1]
			last.params = append(last.params, authParam{name, value})
		}
	}
	return schemes
}

// authValue reads a quoted string or a bare value at i and returns where it ends.
func authValue(s string, i int) (string, int) {
	if i >= len(s) || s[i] != '"' {
		start := i
		for i < len(s) && !isAuthGap(s[i]) {
			i++
		}
		return s[start:i], i
	}
	var b strings.Builder
	for i++; i < len(s) && s[i] != '"'; i++ {
		// Only these two are escapes: devices also write a lone backslash, in user names for example.
		if s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), min(i+1, len(s))
}

func isAuthGap(c byte) bool { return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func skipBlanks(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
		i++
	}
	return i
}

// quoteAuth writes s as a quoted string. Control characters, which no header may hold, are left out.
func quoteAuth(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		if c < 0x20 || c == 0x7f {
			continue
		}
		if c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
	return b.String()
}

// digestAlgorithm is one of the hashes of RFC 7616 6.1 that we speak.
type digestAlgorithm struct {
	name    string
	new     func() hash.Hash
	session bool
}

// digestAlgorithmOf finds an algorithm by the name in a header; no name is MD5.
func digestAlgorithmOf(name string) (digestAlgorithm, bool) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "", "md5":
		return digestAlgorithm{"MD5", md5.New, false}, true
	case "md5-sess":
		return digestAlgorithm{"MD5-sess", md5.New, true}, true
	case "sha-256":
		return digestAlgorithm{"SHA-256", sha256.New, false}, true
	case "sha-256-sess":
		return digestAlgorithm{"SHA-256-sess", sha256.New, true}, true
	}
	return digestAlgorithm{}, false
}

func (a digestAlgorithm) sum(parts ...string) string {
	h := a.new()
	for i, p := range parts {
		if i > 0 {
			h.Write([]byte{':'})
		}
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digestInput is what a digest response is made of. QOP is empty in the form of RFC 2069.
type digestInput struct {
	username, realm, password string
	method, uri               string
	nonce, cnonce, nc, qop    string
}

// response computes the digest (RFC 7616 3.4.1).
func (a digestAlgorithm) response(in digestInput) string {
	ha1 := a.sum(in.username, in.realm, in.password)
	if a.session {
		ha1 = a.sum(ha1, in.nonce, in.cnonce)
	}
	ha2 := a.sum(in.method, in.uri)
	if in.qop == "" {
		return a.sum(ha1, in.nonce, ha2)
	}
	return a.sum(ha1, in.nonce, in.nc, in.cnonce, in.qop, ha2)
}

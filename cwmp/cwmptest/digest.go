package cwmptest

import (
	"crypto/md5" //nolint:gosec // what TR-069 3.4.5 and 3.2.2.2 ask for
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// digestHash is H of RFC 7616 3.2 for an algorithm name; unknown names count as MD5, the default.
func digestHash(algorithm, text string) string {
	if strings.HasPrefix(strings.ToUpper(algorithm), "SHA-256") {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	sum := md5.Sum([]byte(text)) //nolint:gosec // see above
	return hex.EncodeToString(sum[:])
}

// digestAnswer holds what goes into a digest response, on either side.
type digestAnswer struct {
	username, password, realm string
	nonce, uri, method        string
	algorithm                 string
	qop, nc, cnonce           string // all empty in the form of RFC 2069
}

func (a digestAnswer) response() string {
	h := func(s string) string { return digestHash(a.algorithm, s) }
	a1 := h(a.username + ":" + a.realm + ":" + a.password)
	if strings.HasSuffix(strings.ToLower(a.algorithm), "-sess") {
		a1 = h(a1 + ":" + a.nonce + ":" + a.cnonce)
	}
	a2 := h(a.method + ":" + a.uri)
	if a.qop == "" {
		return h(a1 + ":" + a.nonce + ":" + a2)
	}
	return h(a1 + ":" + a.nonce + ":" + a.nc + ":" + a.cnonce + ":" + a.qop + ":" + a2)
}

// header is the value of the Authorization header.
func (a digestAnswer) header(opaque string) string {
	s := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"`,
		a.username, a.realm, a.nonce, a.uri, a.response())
	if a.algorithm != "" {
		s += ", algorithm=" + a.algorithm
	}
	if a.qop != "" {
		s += fmt.Sprintf(`, qop=%s, nc=%s, cnonce="%s"`, a.qop, a.nc, a.cnonce)
	}
	if opaque != "" {
		s += `, opaque="` + opaque + `"`
	}
	return s
}

// authParams reads the parameters of a challenge or of an Authorization header. The scheme comes back in lower case.
func authParams(header string) (scheme string, params map[string]string) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	params = make(map[string]string)
	for {
		rest = strings.TrimLeft(rest, " \t,")
		name, after, ok := strings.Cut(rest, "=")
		if !ok {
			return strings.ToLower(scheme), params
		}
		name = strings.ToLower(strings.TrimSpace(name))
		after = strings.TrimLeft(after, " \t")
		var value string
		if strings.HasPrefix(after, `"`) {
			value, rest = quotedString(after[1:])
		} else {
			end := strings.IndexAny(after, ", \t")
			if end < 0 {
				end = len(after)
			}
			value, rest = after[:end], after[end:]
		}
		params[name] = value
	}
}

// quotedString reads up to the closing quote and undoes backslashes.
func quotedString(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		case '"':
			return b.String(), s[i+1:]
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

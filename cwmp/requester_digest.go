package cwmp

import (
	"crypto/rand"
	"strings"
)

// maxNonce bounds what of a challenge we send back.
const maxNonce = 4 << 10

// deviceChallenge is the challenge of a device that is to be answered.
type deviceChallenge struct {
	basic     bool
	algorithm digestAlgorithm
	named     bool // the challenge names its algorithm
	realm     string
	nonce     string
	opaque    string
	hasOpaque bool
	qop       string // "auth", or "" for the form of RFC 2069
	stale     bool
}

// chooseChallenge picks the first digest challenge that can be answered; Basic only where it is allowed and no digest is
// offered. The reason tells why there is none.
func chooseChallenge(headers []string, c ConnectionRequest) (deviceChallenge, RequestReason) {
	var digest, basic bool
	for _, h := range headers {
		for _, s := range parseAuth(h) {
			switch s.name {
			case "digest":
				digest = true
				if ch, ok := readChallenge(s); ok {
					return ch, noPassword(c)
				}
			case "basic":
				basic = true
			}
		}
	}
	switch {
	case digest || !basic:
		return deviceChallenge{}, RequestBadChallenge
	case !c.AllowBasic:
		return deviceChallenge{}, RequestBasicOnly
	}
	return deviceChallenge{basic: true}, noPassword(c)
}

func noPassword(c ConnectionRequest) RequestReason {
	if c.Username == "" && c.Password == "" {
		return RequestNoPassword
	}
	return ""
}

// readChallenge reads one digest challenge; false where it cannot be answered: no nonce, an unknown algorithm, no qop that
// we speak.
func readChallenge(s authScheme) (deviceChallenge, bool) {
	var ch deviceChallenge
	ch.realm, _ = s.get("realm")
	ch.nonce, _ = s.get("nonce")
	ch.opaque, ch.hasOpaque = s.get("opaque")
	if ch.nonce == "" || len(ch.nonce)+len(ch.realm)+len(ch.opaque) > maxNonce {
		return ch, false
	}
	name, _ := s.get("algorithm")
	ch.named = name != ""
	var ok bool
	if ch.algorithm, ok = digestAlgorithmOf(name); !ok {
		return ch, false
	}
	if qop, _ := s.get("qop"); strings.Trim(qop, ", \t") != "" {
		for _, q := range strings.FieldsFunc(qop, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
			if strings.EqualFold(q, "auth") {
				ch.qop = "auth"
			}
		}
		if ch.qop == "" {
			return ch, false
		}
	}
	stale, _ := s.get("stale")
	ch.stale = strings.EqualFold(stale, "true")
	return ch, true
}

// answer makes the Authorization header (RFC 7616 3.4). Without qop there is neither nc nor cnonce (RFC 2069), but a
// session algorithm needs a cnonce all the same. It is written only once each nonce, so nc is always 1.
func (ch deviceChallenge) answer(c ConnectionRequest, uri string) string {
	if ch.basic {
		return basicAuthorization(c)
	}
	in := digestInput{
		username: c.Username, realm: ch.realm, password: c.Password,
		method: "GET", uri: uri, nonce: ch.nonce, qop: ch.qop,
	}
	if in.qop != "" || ch.algorithm.session {
		in.cnonce = rand.Text()
	}
	if in.qop != "" {
		in.nc = "00000001"
	}
	return ch.header(in)
}

// header writes the fields in the order that is usual, unquoted where RFC 7616 says so.
func (ch deviceChallenge) header(in digestInput) string {
	h := "Digest username=" + quoteAuth(in.username) + ", realm=" + quoteAuth(in.realm) + ", nonce=" + quoteAuth(in.nonce) +
		", uri=" + quoteAuth(in.uri) + `, response="` + ch.algorithm.response(in) + `"`
	if ch.named {
		h += ", algorithm=" + ch.algorithm.name
	}
	if in.cnonce != "" {
		h += ", cnonce=" + quoteAuth(in.cnonce)
	}
	if ch.hasOpaque {
		h += ", opaque=" + quoteAuth(ch.opaque)
	}
	if in.qop != "" {
		h += ", qop=" + in.qop + ", nc=" + in.nc
	}
	return h
}

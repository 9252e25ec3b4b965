package cwmp

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
)

// AuthMode says how CPEs prove who they are (TR-069 3.4.4).
type AuthMode string

// Modes of authentication.
const (
	// AuthNone takes every CPE at its word.
	AuthNone AuthMode = "none"
	// AuthBasic challenges with Basic, and takes it unasked too. Without TLS the password travels in clear.
	AuthBasic AuthMode = "basic"
	// AuthDigest challenges with Digest (MD5, qop auth). Over TLS it also takes Basic that comes unasked, as TR-069 3.4.4
	// wants CPEs to do there; without TLS Basic is never looked at.
	AuthDigest AuthMode = "digest"
)

// maxUsername is the longest user name that is looked up, in bytes: TR-069 allows 256 characters.
const maxUsername = 1024

// authenticator verifies Authorization headers. It is safe for concurrent use.
type authenticator struct {
	mode        AuthMode
	realm       string
	credentials Credentials
	nonces      *nonces
	throttle    *throttle
	dummy       string // a password that nobody has
	// checks bounds the checks under way to fewer than a bucket of the throttle holds: a crowd with one fleet-wide
	// credential behind one address waits a moment, and is not taken for a guesser.
	checks chan struct{}
}

const maxChecks = 8

func newAuthenticator(mode AuthMode, realm string, c Credentials) *authenticator {
	return &authenticator{
		mode: mode, realm: realm, credentials: c,
		nonces: newNonces(1 << 16), throttle: newThrottle(1 << 16), dummy: rand.Text(),
		checks: make(chan struct{}, maxChecks),
	}
}

// authVerdict is what came of an Authorization header.
type authVerdict int

const (
	authOK        authVerdict = iota
	authMissing               // no credentials, or of a scheme that is not taken
	authStale                 // right, but the nonce is used, too old or not ours: no failure
	authWrong                 // wrong password or unknown user
	authThrottled             // not checked: too many failures
	authBroken                // the credentials could not be looked up
)

// verify checks the Authorization header of r. The error is that of Credentials.
func (a *authenticator) verify(ctx context.Context, r *http.Request, addr netip.Addr) (string, authVerdict, error) {
	header := r.Header.Get("Authorization")
	scheme, _, _ := strings.Cut(strings.TrimSpace(header), " ")
	switch {
	case strings.EqualFold(scheme, "Basic") && (a.mode == AuthBasic || r.TLS != nil):
		user, password, ok := r.BasicAuth()
		if !ok || len(user) > maxUsername {
			return "", authWrong, nil
		}
		return a.check(ctx, r, addr, user, func(want string) authVerdict {
			if equalSecret(password, want) {
				return authOK
			}
			return authWrong
		})
	case strings.EqualFold(scheme, "Digest") && a.mode == AuthDigest:
		d, ok := parseDigestAnswer(header)
		if !ok {
			return "", authWrong, nil
		}
		return a.check(ctx, r, addr, d.in.username, func(want string) authVerdict { return a.checkDigest(d, r.Method, want) })
	}
	return "", authMissing, nil
}

// check looks the password up and lets match compare it. An unknown user goes the same way with a password of nobody.
func (a *authenticator) check(ctx context.Context, r *http.Request, addr netip.Addr, user string, match func(password string) authVerdict) (string, authVerdict, error) {
	select {
	case a.checks <- struct{}{}:
		defer func() { <-a.checks }()
	case <-ctx.Done():
		return user, authBroken, context.Cause(ctx)
	}
	try, ok := a.throttle.begin(addr, user, formOf(r))
	if !ok {
		return user, authThrottled, nil
	}
	password, known, err := a.credentials.CPEPassword(ctx, user)
	if err != nil {
		try.undo()
		return user, authBroken, err
	}
	if !known {
		password = a.dummy
	}
	v := match(password)
	if v == authWrong || !known {
		return user, authWrong, nil
	}
	if v == authStale {
		try.undo() // it may be somebody else's answer, heard and sent again
	} else {
		try.ok()
	}
	return user, v, nil
}

// checkDigest verifies the digest before the nonce, since only a right digest with a bad nonce is stale (RFC 7616 3.3).
// cwmp-sim, for one, repeats nc=00000001 with one nonce: it gets a fresh one, and no failure is counted.
func (a *authenticator) checkDigest(d digestAnswer, method, password string) authVerdict {
	in := d.in
	in.realm, in.password, in.method = a.realm, password, method
	if !equalSecret(strings.ToLower(d.response), d.algorithm.response(in)) {
		return authWrong
	}
	if !a.nonces.use(in.nonce, d.nc) {
		return authStale
	}
	return authOK
}

// equalSecret compares in a time that depends on the length alone.
func equalSecret(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// challenge is the WWW-Authenticate header of a 401: one scheme only, since CPEs take whichever they see first.
func (a *authenticator) challenge(stale bool) string {
	if a.mode == AuthBasic {
		return "Basic realm=" + quoteAuth(a.realm)
	}
	c := "Digest realm=" + quoteAuth(a.realm) + `, nonce="` + a.nonces.make() + `", algorithm=MD5, qop="auth"`
	if stale {
		c += ", stale=true"
	}
	return c
}

// digestAnswer is an Authorization header of the Digest scheme.
type digestAnswer struct {
	in        digestInput
	algorithm digestAlgorithm
	response  string
	nc        uint32
}

// parseDigestAnswer reads an Authorization header: values quoted or not; uri empty, absolute or without its query, and taken
// as it is; and without qop, nc and cnonce the form of RFC 2069, which is good for one use of the nonce.
func parseDigestAnswer(header string) (digestAnswer, bool) {
	schemes := parseAuth(header)
	if len(schemes) == 0 || schemes[0].name != "digest" {
		return digestAnswer{}, false
	}
	s := schemes[0]
	field := func(name string) string { v, _ := s.get(name); return v }
	var d digestAnswer
	var ok bool
	if d.algorithm, ok = digestAlgorithmOf(field("algorithm")); !ok {
		return d, false
	}
	d.in = digestInput{
		username: field("username"), uri: field("uri"), nonce: field("nonce"),
		cnonce: field("cnonce"), nc: field("nc"), qop: field("qop"),
	}
	d.response = field("response")
	if len(d.response) != 2*d.algorithm.new().Size() || d.in.nonce == "" || len(d.in.username) > maxUsername {
		return d, false
	}
	if _, err := hex.DecodeString(d.response); err != nil {
		return d, false
	}
	if d.in.qop == "" {
		d.nc = onceOnly
		return d, true
	}
	nc, err := strconv.ParseUint(d.in.nc, 16, 32)
	if err != nil || !strings.EqualFold(d.in.qop, "auth") || d.in.cnonce == "" {
		return d, false
	}
	d.nc = uint32(nc)
	return d, true
}

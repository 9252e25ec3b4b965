package acs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strings"
	"time"
)

// Limits of the JWTs that clients sign.
const (
	// MaxJWT bounds the text, in bytes.
	MaxJWT = 2048
	// MaxJWTLife is the longest time from iat to exp.
	MaxJWTLife = time.Hour
	// JWTSkew is how far the client's clock may be from Recado's.
	JWTSkew = time.Minute
)

// ProofError is a JWT that proves nothing. It is an ErrUnauthenticated.
type ProofError struct{ Problem string }

// Error implements error.
func (e *ProofError) Error() string { return e.Problem }

// Unwrap makes it an ErrUnauthenticated.
func (e *ProofError) Unwrap() error { return ErrUnauthenticated }

func noProof(format string, args ...any) error { return &ProofError{fmt.Sprintf(format, args...)} }

// es256Size is the length of a signature: two numbers of the curve's size (RFC 7518 section 3.4).
const es256Size = 64

// signedJWT is a JWT in its compact form (RFC 7515 section 3.1), read and not yet verified.
type signedJWT struct {
	issuer        string
	iat, exp, nbf time.Time // nbf is zero where it is not said
	input         []byte    // what is signed
	r, s          *big.Int
}

// readJWT reads what a client of IXC ACS signs. There is one algorithm, ES256, and so nothing that a token could choose: another word in
// its header is refused, and what the header says of keys is not looked at.
func readJWT(text string) (*signedJWT, error) {
	if len(text) > MaxJWT {
		return nil, noProof("the JWT has more than %d bytes", MaxJWT)
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, noProof("this is no JWT: want three parts with points between")
	}
	j := &signedJWT{input: []byte(text[:len(parts[0])+1+len(parts[1])])}
	header, err := jwtObject("header", parts[0])
	if err != nil {
		return nil, err
	}
	if err := checkHeader(header); err != nil {
		return nil, err
	}
	claims, err := jwtObject("payload", parts[1])
	if err != nil {
		return nil, err
	}
	if err := j.readClaims(claims); err != nil {
		return nil, err
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(sig) != es256Size {
		return nil, noProof("the signature is not 64 bytes in base64url without padding, as ES256 has it (RFC 7518 section 3.4; DER is another form)")
	}
	j.r, j.s = new(big.Int).SetBytes(sig[:es256Size/2]), new(big.Int).SetBytes(sig[es256Size/2:])
	return j, nil
}

func checkHeader(h map[string]json.RawMessage) error {
	alg, ok := jwtText(h["alg"])
	if !ok || alg != "ES256" {
		return noProof("alg is %q; want ES256", clip(alg, 16))
	}
	if raw, given := h["typ"]; given {
		if typ, ok := jwtText(raw); !ok || !strings.EqualFold(typ, "JWT") {
			return noProof("typ is %q; want JWT, or none", clip(typ, 16))
		}
	}
	if _, given := h["crit"]; given {
		return noProof("crit asks for an extension, and none is known here")
	}
	return nil
}

func (j *signedJWT) readClaims(claims map[string]json.RawMessage) error {
	var ok bool
	if j.issuer, ok = jwtText(claims["iss"]); !ok || j.issuer == "" {
		return noProof("iss is missing; give the client_id")
	}
	if _, given := claims["aud"]; given {
		// RFC 7519 section 4.1.3: it is meant for somebody, and Recado has no name to compare.
		return noProof("aud is not known here; leave it out")
	}
	for _, c := range []struct {
		name string
		to   *time.Time
	}{{"iat", &j.iat}, {"exp", &j.exp}, {"nbf", &j.nbf}} {
		raw, given := claims[c.name]
		if !given && c.name == "nbf" {
			continue
		}
		if *c.to, ok = jwtTime(raw); !ok {
			return noProof("%s is missing, or no time; give UNIX seconds as a number", c.name)
		}
	}
	return nil
}

// jwtObject decodes a part that is a JSON object, without doubled names and with nothing behind it.
func jwtObject(name, part string) (map[string]json.RawMessage, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, noProof("the %s is not base64url without padding", name)
	}
	bad := noProof("the %s is not one JSON object without doubled names", name)
	dec := json.NewDecoder(bytes.NewReader(b))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, bad
	}
	m := map[string]json.RawMessage{}
	for dec.More() {
		t, err := dec.Token()
		key, ok := t.(string)
		if _, twice := m[key]; err != nil || !ok || twice {
			return nil, bad
		}
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, bad
		}
		m[key] = v
	}
	if _, err := dec.Token(); err != nil || len(bytes.TrimSpace(b[dec.InputOffset():])) > 0 {
		return nil, bad
	}
	return m, nil
}

func jwtText(raw json.RawMessage) (s string, ok bool) {
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// maxJWTTime is in the year 5138: what is later are milliseconds.
const maxJWTTime = 1e11

// jwtTime is a NumericDate (RFC 7519 section 2).
func jwtTime(raw json.RawMessage) (time.Time, bool) {
	var f float64
	if len(raw) == 0 || raw[0] == '"' || raw[0] == 'n' || json.Unmarshal(raw, &f) != nil || f < 0 || f >= maxJWTTime {
		return time.Time{}, false
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), true
}

// signedBy reports whether the key's owner signed it.
func (j *signedJWT) signedBy(key *ecdsa.PublicKey) bool {
	sum := sha256.Sum256(j.input)
	return ecdsa.Verify(key, sum[:], j.r, j.s)
}

// checkTimes tells whether it holds now.
func (j *signedJWT) checkTimes(now time.Time) error {
	switch life := j.exp.Sub(j.iat); {
	case life <= 0:
		return noProof("exp is not after iat")
	case life > MaxJWTLife:
		return noProof("exp is %v after iat; at most %v fit", life, MaxJWTLife)
	case j.iat.After(now.Add(JWTSkew)):
		return noProof("iat is %v in the future; set the clock", j.iat.Sub(now).Round(time.Second))
	case !now.Before(j.exp.Add(JWTSkew)):
		return noProof("it expired %v ago", now.Sub(j.exp).Round(time.Second))
	case !j.nbf.IsZero() && j.nbf.After(now.Add(JWTSkew)):
		return noProof("nbf is %v in the future", j.nbf.Sub(now).Round(time.Second))
	}
	return nil
}

// mark stands for this JWT and for the other signature that anybody can make of it: with (r, s), (r, n-s) holds too.
func (j *signedJWT) mark() string {
	low := new(big.Int).Sub(elliptic.P256().Params().N, j.s)
	if low.Cmp(j.s) > 0 {
		low = j.s
	}
	h := sha256.New()
	h.Write(j.input)
	h.Write(j.r.FillBytes(make([]byte, es256Size/2)))
	h.Write(low.FillBytes(make([]byte, es256Size/2)))
	return hex.EncodeToString(h.Sum(nil))
}

// JWTIssuer is who a JWT says that it is of, for counting; nothing of it is verified. Empty where it cannot be read.
func JWTIssuer(text string) string {
	j, err := readJWT(text)
	if err != nil {
		return ""
	}
	return j.issuer
}

package acs_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/store/memstore"
)

// pair is a client's key.
type pair struct {
	key *ecdsa.PrivateKey
	pem string
}

func publicPEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func newPair(t testing.TB, curve elliptic.Curve) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pair{key, publicPEM(t, &key.PublicKey)}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

const es256Header = `{"alg":"ES256","typ":"JWT"}`

// sign makes a JWT; the signature has two numbers of 32 bytes.
func (p pair) sign(t testing.TB, header, claims string) string {
	t.Helper()
	input := b64(header) + "." + b64(claims)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encodeSignature(r, s)
}

func encodeSignature(r, s *big.Int) string {
	raw := r.FillBytes(make([]byte, 32))
	return base64.RawURLEncoding.EncodeToString(append(raw, s.FillBytes(make([]byte, 32))...))
}

func claims(iss string, iat, exp time.Time) string {
	return fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d}`, iss, iat.Unix(), exp.Unix())
}

// keyed is a service with a client that has a public key.
func keyed(t testing.TB, change func(*acs.NewClient)) (*acs.Service, acs.Client, pair) {
	t.Helper()
	svc, err := acs.NewService(memstore.New(), acs.ServiceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	p := newPair(t, elliptic.P256())
	n := acs.NewClient{Name: "erp", PublicKey: p.pem}
	if change != nil {
		change(&n)
	}
	made, err := svc.CreateClient(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return svc, made.Client, p
}

func TestExchangeJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, c, p := keyed(t, func(n *acs.NewClient) { n.TokenTTL = 300 * time.Second })
		now := time.Now()
		for name, text := range map[string]string{
			"as IXC has it":          p.sign(t, es256Header, claims(c.ID, now, now.Add(time.Minute))),
			"no typ":                 p.sign(t, `{"alg":"ES256"}`, claims(c.ID, now, now.Add(time.Minute))),
			"typ in lower case":      p.sign(t, `{"typ":"jwt","alg":"ES256","kid":"1"}`, claims(c.ID, now, now.Add(time.Minute))),
			"the longest life":       p.sign(t, es256Header, claims(c.ID, now, now.Add(time.Hour))),
			"a clock that goes fast": p.sign(t, es256Header, claims(c.ID, now.Add(time.Minute), now.Add(2*time.Minute))),
			"just not over":          p.sign(t, es256Header, claims(c.ID, now.Add(-time.Minute), now.Add(-59*time.Second))),
			"parts of seconds": p.sign(t, es256Header, fmt.Sprintf(`{"iss":%q,"iat":%d.25,"exp":%d.5,"nbf":%d.1,"jti":"x"}`,
				c.ID, now.Unix(), now.Unix()+60, now.Unix())),
			"nbf in a minute": p.sign(t, es256Header, fmt.Sprintf(`{"iss":%q,"iat":%d,"exp":%d,"nbf":%d}`,
				c.ID, now.Unix(), now.Unix()+600, now.Unix()+60)),
			"written with an exponent": p.sign(t, es256Header, fmt.Sprintf(`{"iss":%q,"iat":%de0,"exp":%d}`, c.ID, now.Unix(), now.Unix()+60)),
		} {
			got, err := svc.ExchangeJWT(t.Context(), text)
			if err != nil || got.Client.ID != c.ID || !got.Token.ExpiresAt.Equal(now.Add(300*time.Second)) {
				t.Errorf("%s: got %+v, %v; want a token of 300 s", name, got.Token, err)
				continue
			}
			if who, err := svc.Authenticate(t.Context(), got.Text); err != nil || who.ID != c.ID {
				t.Errorf("%s: the token is %v's, %v; want %s's", name, who.ID, err, c.ID)
			}
		}
	})
}

func TestRefusedJWTs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, c, p := keyed(t, nil)
		now := time.Now()
		good := claims(c.ID, now, now.Add(time.Minute))
		valid := p.sign(t, es256Header, good)
		parts := strings.Split(valid, ".")
		unsigned := parts[0] + "." + parts[1] + "."
		input := b64(`{"alg":"HS256","typ":"JWT"}`) + "." + b64(good)
		mac := hmac.New(sha256.New, []byte(p.pem))
		mac.Write([]byte(input))
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		der, err := p.key.Sign(rand.Reader, sum[:], crypto.SHA256)
		if err != nil {
			t.Fatal(err)
		}
		p384 := newPair(t, elliptic.P384())
		r384, s384, err := ecdsa.Sign(rand.Reader, p384.key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		long := append(r384.FillBytes(make([]byte, 48)), s384.FillBytes(make([]byte, 48))...)
		n := elliptic.P256().Params().N
		raw, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		withClaims := func(format string, args ...any) string { return p.sign(t, es256Header, fmt.Sprintf(format, args...)) }
		u := now.Unix()
		for name, c := range map[string]struct{ text, want string }{
			"nothing":                      {"", "no JWT"},
			"two parts":                    {parts[0] + "." + parts[1], "no JWT"},
			"four parts":                   {valid + ".", "no JWT"},
			"too long":                     {valid + strings.Repeat("A", 3000), "more than 2048 bytes"},
			"none":                         {b64(`{"alg":"none"}`) + "." + b64(good) + ".", `alg is "none"`},
			"none with a signature":        {p.sign(t, `{"alg":"none"}`, good), `alg is "none"`},
			"HS256 with the public key":    {input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), `alg is "HS256"`},
			"no alg":                       {p.sign(t, `{"typ":"JWT"}`, good), `alg is ""`},
			"alg in another case":          {p.sign(t, `{"ALG":"ES256"}`, good), `alg is ""`},
			"alg as a list":                {p.sign(t, `{"alg":["ES256"]}`, good), `alg is ""`},
			"alg twice":                    {p.sign(t, `{"alg":"none","alg":"ES256"}`, good), "doubled"},
			"another typ":                  {p.sign(t, `{"alg":"ES256","typ":"at+jwt"}`, good), "typ is"},
			"crit":                         {p.sign(t, `{"alg":"ES256","crit":["b64"],"b64":false}`, good), "crit"},
			"header is a list":             {p.sign(t, `["ES256"]`, good), "one JSON object"},
			"header and more":              {p.sign(t, es256Header+"{}", good), "one JSON object"},
			"header with padding":          {b64("{\"alg\":\"ES256\"} ") + "=" + "." + parts[1] + "." + parts[2], "base64url"},
			"payload is no JSON":           {p.sign(t, es256Header, "iss"), "one JSON object"},
			"iss twice":                    {withClaims(`{"iss":"x","iss":%q,"iat":%d,"exp":%d}`, c.ID, u, u+60), "doubled"},
			"no signature":                 {unsigned, "not 64 bytes"},
			"a signature in DER":           {unsigned + base64.RawURLEncoding.EncodeToString(der), "not 64 bytes"},
			"a signature of P-384":         {unsigned + base64.RawURLEncoding.EncodeToString(long), "not 64 bytes"},
			"63 bytes":                     {unsigned + base64.RawURLEncoding.EncodeToString(raw[:63]), "not 64 bytes"},
			"padded":                       {valid + "==", "not 64 bytes"},
			"standard base64":              {unsigned + "++++" + parts[2][4:], "not 64 bytes"},
			"r and s are 0":                {unsigned + encodeSignature(new(big.Int), new(big.Int)), "another key"},
			"r and s are n":                {unsigned + encodeSignature(n, n), "another key"},
			"r and s are 1":                {unsigned + encodeSignature(big.NewInt(1), big.NewInt(1)), "another key"},
			"r and s changed over":         {unsigned + base64.RawURLEncoding.EncodeToString(append(raw[32:64:64], raw[:32]...)), "another key"},
			"another one's key":            {newPair(t, elliptic.P256()).sign(t, es256Header, good), "another key"},
			"other claims":                 {parts[0] + "." + b64(claims(c.ID, now, now.Add(2*time.Minute))) + "." + parts[2], "another key"},
			"of nobody":                    {p.sign(t, es256Header, claims("cli_0", now, now.Add(time.Minute))), "another key"},
			"by the client's name":         {p.sign(t, es256Header, claims("erp", now, now.Add(time.Minute))), "another key"},
			"no iss":                       {withClaims(`{"iat":%d,"exp":%d}`, u, u+60), "iss is missing"},
			"iss is a number":              {withClaims(`{"iss":7,"iat":%d,"exp":%d}`, u, u+60), "iss is missing"},
			"no iat":                       {withClaims(`{"iss":%q,"exp":%d}`, c.ID, u+60), "iat is missing"},
			"no exp":                       {withClaims(`{"iss":%q,"iat":%d}`, c.ID, u), "exp is missing"},
			"exp is null":                  {withClaims(`{"iss":%q,"iat":%d,"exp":null}`, c.ID, u), "exp is missing"},
			"exp is a text":                {withClaims(`{"iss":%q,"iat":%d,"exp":"%d"}`, c.ID, u, u+60), "exp is missing"},
			"milliseconds":                 {withClaims(`{"iss":%q,"iat":%d000,"exp":%d000}`, c.ID, u, u+60), "iat is missing"},
			"before 1970":                  {withClaims(`{"iss":%q,"iat":-1,"exp":%d}`, c.ID, u+60), "iat is missing"},
			"nbf is no time":               {withClaims(`{"iss":%q,"iat":%d,"exp":%d,"nbf":true}`, c.ID, u, u+60), "nbf is missing"},
			"aud":                          {withClaims(`{"iss":%q,"iat":%d,"exp":%d,"aud":"ixc"}`, c.ID, u, u+60), "aud"},
			"a second too long":            {withClaims(`{"iss":%q,"iat":%d,"exp":%d}`, c.ID, u, u+3601), "at most 1h0m0s"},
			"exp at iat":                   {withClaims(`{"iss":%q,"iat":%d,"exp":%d}`, c.ID, u, u), "not after iat"},
			"a clock that goes too fast":   {withClaims(`{"iss":%q,"iat":%d,"exp":%d}`, c.ID, u+61, u+90), "1m1s in the future"},
			"over":                         {withClaims(`{"iss":%q,"iat":%d,"exp":%d}`, c.ID, u-600, u-60), "expired 1m0s ago"},
			"nbf in a minute and a second": {withClaims(`{"iss":%q,"iat":%d,"exp":%d,"nbf":%d}`, c.ID, u, u+600, u+61), "nbf is 1m1s"},
		} {
			_, err := svc.ExchangeJWT(t.Context(), c.text)
			if !errors.Is(err, acs.ErrUnauthenticated) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("%s: got %v, want ErrUnauthenticated with %q", name, err, c.want)
			}
		}
		if _, err := svc.ExchangeJWT(t.Context(), valid); err != nil {
			t.Errorf("what they were all made from: got %v, want it taken", err)
		}
	})
}

// TestJWTIsTakenOnce has the same JWT, and the other signature that anybody can make of it, come again.
func TestJWTIsTakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		svc, err := acs.NewService(store, acs.ServiceConfig{})
		if err != nil {
			t.Fatal(err)
		}
		p := newPair(t, elliptic.P256())
		made, err := svc.CreateClient(t.Context(), acs.NewClient{Name: "erp", PublicKey: p.pem})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		text := p.sign(t, es256Header, claims(made.ClientID, now, now.Add(time.Hour)))
		if _, err := svc.ExchangeJWT(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		at := strings.LastIndexByte(text, '.') + 1
		raw, err := base64.RawURLEncoding.DecodeString(text[at:])
		if err != nil {
			t.Fatal(err)
		}
		s := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(raw[32:]))
		twin := text[:at] + encodeSignature(new(big.Int).SetBytes(raw[:32]), s)
		again := func(when string) {
			t.Helper()
			for _, text := range []string{text, twin} {
				if _, err := svc.ExchangeJWT(t.Context(), text); !errors.Is(err, acs.ErrUnauthenticated) {
					t.Errorf("%s: got %v, want ErrUnauthenticated", when, err)
				}
			}
		}
		again("at once")
		if err := svc.RevokeTokens(t.Context(), made.ClientID); err != nil {
			t.Fatal(err)
		}
		if svc, err = acs.NewService(store, acs.ServiceConfig{}); err != nil {
			t.Fatal(err)
		}
		again("after a restart, and with all tokens revoked")
		time.Sleep(time.Hour + 59*time.Second)
		again("a second before its end")
		time.Sleep(time.Second)
		again("when it is over")
		now = time.Now()
		same := claims(made.ClientID, now, now.Add(time.Minute))
		for range 3 {
			if _, err := svc.ExchangeJWT(t.Context(), p.sign(t, es256Header, same)); err != nil {
				t.Errorf("another one of the same second: got %v, want it taken", err)
			}
		}
	})
}

func TestJWTOfABlockedClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, c, p := keyed(t, nil)
		blocked := true
		if _, err := svc.ChangeClient(t.Context(), c.ID, acs.ClientChange{Blocked: &blocked}); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		text := p.sign(t, es256Header, claims(c.ID, now, now.Add(time.Minute)))
		if _, err := svc.ExchangeJWT(t.Context(), text); !errors.Is(err, acs.ErrBlocked) {
			t.Errorf("got %v, want ErrBlocked", err)
		}
		// Whoever has not the key does not learn that it is blocked.
		text = newPair(t, elliptic.P256()).sign(t, es256Header, claims(c.ID, now, now.Add(time.Minute)))
		if _, err := svc.ExchangeJWT(t.Context(), text); errors.Is(err, acs.ErrBlocked) || !errors.Is(err, acs.ErrUnauthenticated) {
			t.Errorf("with another key: got %v, want ErrUnauthenticated", err)
		}
		none := ""
		if _, err := svc.ChangeClient(t.Context(), c.ID, acs.ClientChange{PublicKey: &none}); err != nil {
			t.Fatal(err)
		}
		text = p.sign(t, es256Header, claims(c.ID, now, now.Add(time.Minute)))
		if _, err := svc.ExchangeJWT(t.Context(), text); !errors.Is(err, acs.ErrUnauthenticated) {
			t.Errorf("without a key: got %v, want ErrUnauthenticated", err)
		}
	})
}

func TestPublicKeys(t *testing.T) {
	p := newPair(t, elliptic.P256())
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	for name, c := range map[string]struct{ text, want string }{
		"as openssl writes it": {p.pem, ""},
		"of Windows":           {strings.ReplaceAll(p.pem, "\n", "\r\n"), ""},
		"with text around":     {"erp's key\n" + p.pem + "\n\n", ""},
		"no PEM":               {"MFkwEwYHKoZIzj0CAQYI", "no PEM"},
		"a private key":        {block("PRIVATE KEY", private), "private key"},
		"both":                 {p.pem + block("EC PRIVATE KEY", private), "private key"},
		"a certificate":        {block("CERTIFICATE", []byte("x")), "certificate"},
		"RSA as PKCS #1":       {block("RSA PUBLIC KEY", []byte("x")), "not a PUBLIC KEY"},
		"RSA":                  {publicPEM(t, &weak.PublicKey), "another kind"},
		"P-384":                {newPair(t, elliptic.P384()).pem, "P-384"},
		"two keys":             {p.pem + p.pem, "behind the key"},
		"no key in it":         {block("PUBLIC KEY", []byte("x")), "no SubjectPublicKeyInfo"},
		"too long":             {p.pem + strings.Repeat(" ", 5000), "too long"},
	} {
		svc, err := acs.NewService(memstore.New(), acs.ServiceConfig{})
		if err != nil {
			t.Fatal(err)
		}
		made, err := svc.CreateClient(t.Context(), acs.NewClient{Name: "x", PublicKey: c.text})
		var invalid *acs.InvalidError
		switch {
		case c.want == "" && (err != nil || made.Client.PublicKey != p.pem):
			t.Errorf("%s: got %q, %v; want it as openssl writes it", name, made.Client.PublicKey, err)
		case c.want != "" && (!errors.As(err, &invalid) || invalid.Field != "public_key" || !strings.Contains(invalid.Problem, c.want)):
			t.Errorf("%s: got %v, want public_key refused with %q", name, err, c.want)
		}
	}
}

func FuzzReadJWT(f *testing.F) {
	p := newPair(f, elliptic.P256())
	svc, err := acs.NewService(memstore.New(), acs.ServiceConfig{})
	if err != nil {
		f.Fatal(err)
	}
	made, err := svc.CreateClient(f.Context(), acs.NewClient{Name: "erp", PublicKey: p.pem})
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	f.Add(p.sign(f, es256Header, claims(made.ClientID, now, now.Add(time.Minute))))
	f.Add(b64(`{"alg":"none"}`) + "." + b64(claims(made.ClientID, now, now.Add(time.Minute))) + ".")
	f.Add("..")
	f.Add(b64(`{"alg":"ES256","crit":[]}`) + "." + b64(`{"iss":"x","iat":1e400,"exp":-0}`) + "." + strings.Repeat("A", 86))
	f.Fuzz(func(t *testing.T, text string) {
		_, err := svc.ExchangeJWT(t.Context(), text)
		if err == nil {
			// Only what was signed with the key can be taken: the seed, once.
			if !strings.HasPrefix(text, b64(es256Header)+".") {
				t.Errorf("%q was taken", text)
			}
		} else if !errors.Is(err, acs.ErrUnauthenticated) {
			t.Errorf("%q: got %v, want ErrUnauthenticated", text, err)
		}
	})
}

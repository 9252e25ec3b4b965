package cwmp_test

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
)

func digestACS(t *testing.T) (*acs, *script) {
	h := &script{}
	return startACS(t, cwmp.ServerConfig{Handler: h, Auth: cwmp.AuthDigest, Credentials: passwords{"cpe": "secret", "other": "else", `o"dd\name`: "p"}}), h
}

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestDigestChallenge(t *testing.T) {
	a, h := digestACS(t)
	c := a.cpe("192.0.2.7")
	refused := c.wantStatus(401, informOf(t, "A"))
	want := `Digest realm="cwmp", nonce="` + nonceOf(t, refused) + `", algorithm=MD5, qop="auth"`
	if got := refused.header["Www-Authenticate"]; len(got) != 1 || got[0] != want {
		t.Errorf("challenge %q, want %q alone", got, want)
	}
	if refused.header.Get("Set-Cookie") != "" {
		t.Error("a 401 sets a cookie")
	}
	h.wantCalls(t) // nothing is recorded for the Inform that is challenged
	c.inform("A", digestHeader("cpe", "secret", nonceOf(t, refused), "00000001", "/acs"))
	// Later POSTs of the session are not challenged: with no Authorization, or any of that user.
	c.post(say(t, "1", &cwmp.GetRPCMethods{})).envelope(t)
	c.wantStatus(204, "", digestHeader("cpe", "wrong", "x", "00000001", "/acs"))
	h.wantCalls(t, "A Inform", "A Next", "A End done")
	if a.seen.count("auth wrong") != 0 {
		t.Error("a failure was counted")
	}
}

func TestDigestForms(t *testing.T) {
	sum := func(h func() hash.Hash, s string) string {
		x := h()
		x.Write([]byte(s))
		return hex.EncodeToString(x.Sum(nil))
	}
	// general computes any algorithm's answer with qop auth.
	general := func(h func() hash.Hash, algorithm string, session bool, nonce string) string {
		ha1 := sum(h, "cpe:cwmp:secret")
		if session {
			ha1 = sum(h, ha1+":"+nonce+":cn")
		}
		return fmt.Sprintf(`Authorization: Digest username="cpe", realm="cwmp", nonce="%s", uri="/acs", algorithm=%s, qop=auth, nc=00000001, cnonce="cn", response="%s"`,
			nonce, algorithm, sum(h, ha1+":"+nonce+":00000001:cn:auth:"+sum(h, "POST:/acs")))
	}
	for name, tc := range map[string]struct {
		header func(nonce string) string
		status int
	}{
		"qop auth":  {func(n string) string { return digestHeader("cpe", "secret", n, "00000001", "/acs") }, 200},
		"high nc":   {func(n string) string { return digestHeader("cpe", "secret", n, "0000beef", "/acs") }, 200},
		"empty uri": {func(n string) string { return digestHeader("cpe", "secret", n, "00000001", "") }, 200},
		"absolute uri": {func(n string) string {
			return digestHeader("cpe", "secret", n, "00000001", "http://acs.example:7547/acs?x=1")
		}, 200},
		"RFC 2069":         {func(n string) string { return oldDigestHeader("cpe", "secret", n, "/acs") }, 200},
		"RFC 2069, no uri": {func(n string) string { return oldDigestHeader("cpe", "secret", n, "") }, 200},
		"all quoted": {func(n string) string {
			return strings.NewReplacer("qop=auth", `qop="auth"`, "nc=00000001", `nc="00000001"`).Replace(digestHeader("cpe", "secret", n, "00000001", "/acs"))
		}, 200},
		"none quoted": {func(n string) string {
			return strings.ReplaceAll(digestHeader("cpe", "secret", n, "00000001", "/acs"), `"`, "")
		}, 200},
		"no commas": {func(n string) string {
			return strings.ReplaceAll(digestHeader("cpe", "secret", n, "00000001", "/acs"), ",", "")
		}, 200},
		"upper-case digest": {func(n string) string {
			h := digestHeader("cpe", "secret", n, "00000001", "/acs")
			i := strings.Index(h, "response=")
			return h[:i+9] + strings.ToUpper(h[i+9:])
		}, 200},
		"scheme in capitals": {func(n string) string {
			return strings.Replace(digestHeader("cpe", "secret", n, "00000001", "/acs"), "Digest", "DIGEST", 1)
		}, 200},
		"MD5 by name":      {func(n string) string { return general(md5.New, "MD5", false, n) }, 200},
		"MD5-sess":         {func(n string) string { return general(md5.New, "MD5-sess", true, n) }, 200},
		"SHA-256":          {func(n string) string { return general(sha256.New, "SHA-256", false, n) }, 200},
		"quoted algorithm": {func(n string) string { return general(md5.New, `"md5"`, false, n) }, 200},
		"escaped name": {func(n string) string {
			r := md5hex(md5hex(`o"dd\name:cwmp:p`) + ":" + n + ":" + md5hex("POST:/"))
			return fmt.Sprintf(`Authorization: Digest username="o\"dd\\name", realm="cwmp", nonce="%s", uri="/", response="%s"`, n, r)
		}, 200},
		"lone backslash": {func(n string) string {
			r := md5hex(md5hex(`o"dd\name:cwmp:p`) + ":" + n + ":" + md5hex("POST:/"))
			return fmt.Sprintf(`Authorization: Digest username="o\"dd\name", realm="cwmp", nonce="%s", uri="/", response="%s"`, n, r)
		}, 200},

		"wrong password":   {func(n string) string { return digestHeader("cpe", "wrong", n, "00000001", "/acs") }, 401},
		"unknown user":     {func(n string) string { return digestHeader("nobody", "", n, "00000001", "/acs") }, 401},
		"other's password": {func(n string) string { return digestHeader("cpe", "else", n, "00000001", "/acs") }, 401},
		"digest of a GET": {func(n string) string {
			return strings.Replace(oldDigestHeader("cpe", "secret", n, "/acs"), md5hex("x"), "", 1)[:len(oldDigestHeader("cpe", "secret", n, "/acs"))-33] + md5hex(md5hex("cpe:cwmp:secret")+":"+n+":"+md5hex("GET:/acs")) + `"`
		}, 401},
		"uri changed": {func(n string) string {
			return strings.Replace(digestHeader("cpe", "secret", n, "00000001", "/acs"), `uri="/acs"`, `uri="/b"`, 1)
		}, 401},
		"nc changed": {func(n string) string {
			return strings.Replace(digestHeader("cpe", "secret", n, "00000001", "/acs"), "nc=00000001", "nc=00000002", 1)
		}, 401},
		"nc is zero":      {func(n string) string { return digestHeader("cpe", "secret", n, "00000000", "/acs") }, 401},
		"nc is no number": {func(n string) string { return digestHeader("cpe", "secret", n, "x", "/acs") }, 401},
		"auth-int": {func(n string) string {
			return strings.Replace(digestHeader("cpe", "secret", n, "00000001", "/acs"), "qop=auth", "qop=auth-int", 1)
		}, 401},
		"unknown algorithm": {func(n string) string { return general(md5.New, "SHA-512-256", false, n) }, 401},
		"short response": {func(n string) string {
			return `Authorization: Digest username="cpe", realm="cwmp", nonce="` + n + `", uri="/acs", response="ab"`
		}, 401},
		"no response":    {func(n string) string { return `Authorization: Digest username="cpe", nonce="` + n + `"` }, 401},
		"nothing":        {func(string) string { return "Authorization: Digest" }, 401},
		"basic, no TLS":  {func(string) string { return basic("cpe", "secret") }, 401},
		"unknown scheme": {func(string) string { return "Authorization: Bearer cpe" }, 401},
		"made-up nonce":  {func(string) string { return digestHeader("cpe", "secret", strings.Repeat("0", 64), "00000001", "/acs") }, 401},
		"foreign nonce":  {func(string) string { return digestHeader("cpe", "secret", "abc", "00000001", "/acs") }, 401},
		"nonce changed": {func(n string) string {
			return digestHeader("cpe", "secret", "00"+n[2:len(n)-2]+"00", "00000001", "/acs")
		}, 401},
		"broken store": {func(n string) string { return digestHeader("broken", "x", n, "00000001", "/acs") }, 503},
	} {
		t.Run(name, func(t *testing.T) {
			a, h := digestACS(t)
			c := a.cpe("192.0.2.7")
			nonce := nonceOf(t, c.post(informOf(t, "A")))
			c.hangUp() // AVM devices answer on a new connection
			c.wantStatus(tc.status, informOf(t, "A"), tc.header(nonce))
			if calls := len(h.record()); (calls > 0) != (tc.status == 200) {
				t.Errorf("%d calls of the handler, want some only where the CPE got in", calls)
			}
		})
	}
}

func TestDigestReplay(t *testing.T) {
	a, _ := digestACS(t)
	c := a.cpe("192.0.2.7")
	nonce := nonceOf(t, c.post(informOf(t, "A")))
	header := digestHeader("cpe", "secret", nonce, "00000001", "/acs")
	c.inform("A", header)
	c.wantStatus(204, "")

	replay := c.wantStatus(401, informOf(t, "A"), header)
	if challenge := replay.header.Get("WWW-Authenticate"); !strings.HasSuffix(challenge, ", stale=true") {
		t.Errorf("challenge %q, want stale=true", challenge)
	}
	if fresh := nonceOf(t, replay); fresh == nonce {
		t.Error("the stale challenge has the old nonce, want a fresh one")
	}
	if a.seen.count("auth wrong") != 0 || a.seen.count("auth stale") != 1 {
		t.Error("a stale nonce counts as a failure, want it not to")
	}
	// One that counts goes on with the nonce, but not backwards.
	c.inform("A", digestHeader("cpe", "secret", nonce, "00000003", "/acs"))
	c.wantStatus(204, "")
	c.wantStatus(401, informOf(t, "A"), digestHeader("cpe", "secret", nonce, "00000002", "/acs"))
	// Without a counter a nonce is good once, and not after one with a counter.
	c.wantStatus(401, informOf(t, "A"), oldDigestHeader("cpe", "secret", nonceOf(t, replay)[:63]+"x", "/acs"))
	c.inform("A", oldDigestHeader("cpe", "secret", nonceOf(t, replay), "/acs"))
	c.wantStatus(204, "")
	c.wantStatus(401, informOf(t, "A"), oldDigestHeader("cpe", "secret", nonceOf(t, replay), "/acs"))
	c.wantStatus(401, informOf(t, "A"), digestHeader("cpe", "secret", nonceOf(t, replay), "00000009", "/acs"))
}

func TestDigestNonceExpires(t *testing.T) {
	for wait, want := range map[time.Duration]int{4*time.Minute + 59*time.Second: 200, 5*time.Minute + time.Second: 401} {
		synctest.Test(t, func(t *testing.T) {
			a, _ := digestACS(t)
			c := a.cpe("192.0.2.7")
			nonce := nonceOf(t, c.post(informOf(t, "A")))
			c.hangUp()
			time.Sleep(wait)
			c.wantStatus(want, informOf(t, "A"), digestHeader("cpe", "secret", nonce, "00000001", "/acs"))
			if stale := a.seen.count("auth stale"); (stale == 1) != (want == 401) {
				t.Errorf("after %v: %d stale nonces", wait, stale)
			}
		})
	}
}

func TestDigestEmptyPostDrawsTheChallenge(t *testing.T) {
	for name, again := range map[string]func(nonce string) []string{
		"Inform without Authorization":      func(string) []string { return nil },
		"Inform with the same nonce, no nc": func(n string) []string { return []string{oldDigestHeader("cpe", "secret", n, "")} },
	} {
		t.Run(name, func(t *testing.T) {
			a, h := digestACS(t)
			c := a.cpe("192.0.2.7")
			nonce := nonceOf(t, c.post(""))
			c.wantStatus(204, "", oldDigestHeader("cpe", "secret", nonce, ""))
			h.wantCalls(t)
			c.inform("A", again(nonce)...)
			c.wantStatus(204, "")
			// It is good for one Inform only, and on that connection only.
			c.wantStatus(401, informOf(t, "A"))
			nonce = nonceOf(t, c.post(informOf(t, "A")))
			c.cookie = ""
			c.hangUp()
			c.wantStatus(204, "", oldDigestHeader("cpe", "secret", nonce, ""))
			c.wantStatus(401, informOf(t, "A"), digestHeader("other", "wrong", nonce, "00000001", ""))
			c.wantStatus(401, informOf(t, "A"))
		})
	}
}

func TestBasic(t *testing.T) {
	h := &script{}
	a := startACS(t, cwmp.ServerConfig{Handler: h, Auth: cwmp.AuthBasic, Realm: "R", Credentials: passwords{"cpe": "secret"}})
	c := a.cpe("192.0.2.7")
	refused := c.wantStatus(401, informOf(t, "A"))
	if got := refused.header.Get("WWW-Authenticate"); got != `Basic realm="R"` {
		t.Errorf("challenge %q, want Basic realm=\"R\"", got)
	}
	c.wantStatus(401, informOf(t, "A"), basic("cpe", "wrong"))
	c.wantStatus(401, informOf(t, "A"), basic("nobody", "secret"))
	c.wantStatus(401, informOf(t, "A"), "Authorization: Basic !!!")
	c.wantStatus(401, informOf(t, "A"), digestHeader("cpe", "secret", "n", "00000001", "/"))
	h.wantCalls(t)
	c.inform("A", basic("cpe", "secret"))
	c.wantStatus(204, "")
	if strings.Contains(a.log.String(), "secret") || strings.Contains(a.log.String(), "Basic ") {
		t.Error("the log has the password in it")
	}
}

// slowPasswords take their time.
type slowPasswords struct{ passwords }

func (p slowPasswords) CPEPassword(ctx context.Context, username string) (string, bool, error) {
	time.Sleep(10 * time.Millisecond)
	return p.passwords.CPEPassword(ctx, username)
}

// A fleet with one credential behind one address is no guesser, however many of it come at once.
func TestAuthCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := startACS(t, cwmp.ServerConfig{Handler: &script{}, Auth: cwmp.AuthBasic, Credentials: slowPasswords{passwords{"fleet": "secret"}}})
		var wg sync.WaitGroup
		for i := range 300 {
			c := a.cpe("192.0.2.7")
			wg.Go(func() {
				if got, err := c.try(informOf(t, fmt.Sprint(i)), basic("fleet", "secret")); err != nil || got.status != 200 {
					t.Errorf("device %d: got %d, %v, want 200", i, got.status, err)
				}
			})
		}
		wg.Wait()
	})
}

// Over TLS a CPE may send Basic unasked, whatever the challenge would be (TR-069 3.4.4).
func TestDigestModeTakesBasicOverTLS(t *testing.T) {
	s, err := cwmp.NewServer(cwmp.ServerConfig{Handler: &script{}, Auth: cwmp.AuthDigest, Credentials: passwords{"cpe": "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]int{"secret": 200, "wrong": 401} {
		r := httptest.NewRequest(http.MethodPost, "https://acs.example/", strings.NewReader(informOf(t, "A")))
		r.SetBasicAuth("cpe", password)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("password %q: got %d, want %d", password, w.Code, want)
		}
	}
}

// The guesser is at one address; the device at another, or at the same one where it has been before.
func TestAuthThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := startACS(t, cwmp.ServerConfig{Handler: &script{}, Auth: cwmp.AuthBasic, Credentials: passwords{"cpe": "secret", "neighbour": "n"}})
		neighbour := a.cpe("203.0.113.9")
		neighbour.inform("N", basic("neighbour", "n"))
		neighbour.wantStatus(204, "")

		guesser := a.cpe("203.0.113.9")
		for i := range 10_000 {
			guesser.wantStatus(401, informOf(t, "A"), basic("cpe", fmt.Sprint("guess", i)))
		}
		if n := a.seen.count("auth wrong"); n > 100 {
			t.Errorf("%d passwords were checked, want 100 at most", n)
		}
		guesser.wantStatus(401, informOf(t, "A"), basic("cpe", "secret"))
		for i := range 1000 {
			guesser.wantStatus(401, informOf(t, "A"), basic(fmt.Sprint("user", i), "x"))
		}
		if n := a.seen.count("auth wrong"); n > 100 {
			t.Errorf("%d passwords were checked, want 100 at most", n)
		}
		a.cpe("192.0.2.7").inform("A", basic("cpe", "secret"))
		neighbour.inform("N", basic("neighbour", "n"))
		// Guessers everywhere use up the name; one that has not failed yet gets in all the same.
		for i := range 200 {
			g := a.cpe(fmt.Sprintf("198.51.100.%d", i))
			g.wantStatus(401, informOf(t, "A"), basic("cpe", "guess"))
			g.hangUp()
		}
		a.cpe("192.0.2.7").inform("A", basic("cpe", "secret"))
		time.Sleep(time.Minute)
		guesser.inform("A", basic("cpe", "secret"))
		a.cpe("192.0.2.99").inform("A", basic("cpe", "secret"))
	})
}

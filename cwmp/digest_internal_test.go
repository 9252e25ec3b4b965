package cwmp

import (
	"strings"
	"testing"
	"time"
)

// The vectors of RFC 2617 3.5, RFC 7616 3.9.1 and RFC 2069 (with the digest of its erratum 749).
func TestDigestVectors(t *testing.T) {
	mufasa := digestInput{
		username: "Mufasa", realm: "testrealm@host.com", password: "Circle Of Life", method: "GET", uri: "/dir/index.html",
		nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093", cnonce: "0a4f113b", nc: "00000001", qop: "auth",
	}
	http := digestInput{
		username: "Mufasa", realm: "http-auth@example.org", password: "Circle of Life", method: "GET", uri: "/dir/index.html",
		nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", nc: "00000001", qop: "auth",
	}
	old := digestInput{
		username: "Mufasa", realm: "testrealm@host.com", password: "CircleOfLife", method: "GET", uri: "/dir/index.html",
		nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
	}
	for _, tc := range []struct {
		name, algorithm, want string
		in                    digestInput
	}{
		{"RFC 2617", "", "6629fae49393a05397450978507c4ef1", mufasa},
		{"RFC 7616 MD5", "MD5", "8ca523f5e9506fed4657c9700eebdbec", http},
		{"RFC 7616 SHA-256", "SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1", http},
		{"RFC 2069", "", "1949323746fe6a43ef61f9606e7febea", old},
	} {
		a, ok := digestAlgorithmOf(tc.algorithm)
		if !ok {
			t.Fatalf("%s: algorithm %q is unknown", tc.name, tc.algorithm)
		}
		if got := a.response(tc.in); got != tc.want {
			t.Errorf("%s: got %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestParseAuth(t *testing.T) {
	flat := func(schemes []authScheme) string {
		var b strings.Builder
		for _, s := range schemes {
			b.WriteString("[" + s.name + "]")
			for _, p := range s.params {
				b.WriteString(p.name + "<" + p.value + ">")
			}
		}
		return b.String()
	}
	for header, want := range map[string]string{
		`Digest realm="a", nonce="b", qop="auth,auth-int"`: `[digest]realm<a>nonce<b>qop<auth,auth-int>`,
		`Digest realm="a" nonce="b" opaque="" stale=FALSE`: `[digest]realm<a>nonce<b>opaque<>stale<FALSE>`,
		`Digest realm = "a" ,nonce= b`:                     `[digest]realm<a>nonce<b>`,
		`Basic realm="x, y=z", Digest realm="d"`:           `[basic]realm<x, y=z>[digest]realm<d>`,
		`Digest username="DOMAIN\user\"s\\"`:               `[digest]username<DOMAIN\user"s\>`,
		`Digest realm="open`:                               `[digest]realm<open>`,
		`Digest realm=`:                                    `[digest]realm<>`,
		`realm="a"`:                                        ``,
		`Negotiate`:                                        `[negotiate]`,
		``:                                                 ``,
		`=,=,"`:                                            `["]`,
	} {
		if got := flat(parseAuth(header)); got != want {
			t.Errorf("%s: got %s, want %s", header, got, want)
		}
	}
	if got := parseAuth("Digest " + strings.Repeat("a=b,", maxAuthHeader)); got != nil {
		t.Errorf("an oversized header gives %d schemes, want none", len(got))
	}
}

// A full memory must not let a replay through.
func TestNoncesForgetSafely(t *testing.T) {
	n := newNonces(10)
	first := n.make()
	if !n.use(first, onceOnly) {
		t.Fatal("a fresh nonce is refused")
	}
	for range 100 {
		if !n.use(n.make(), onceOnly) {
			t.Fatal("a fresh nonce is refused while the memory fills")
		}
		if n.use(first, onceOnly) {
			t.Fatal("a used nonce is taken again")
		}
	}
	if len(n.young)+len(n.old) > 20 {
		t.Errorf("%d nonces are kept, want 20 at most", len(n.young)+len(n.old))
	}
}

func TestThrottleMemoryIsBounded(t *testing.T) {
	th := newThrottle(100)
	for i := range 10_000 {
		if a, ok := th.begin(parseAddress("192.0.2.7:1"), strings.Repeat("x", i), requestForm{}); ok && i%2 == 0 {
			a.ok()
		}
	}
	if n := len(th.young) + len(th.old); n > 220 {
		t.Errorf("%d buckets are kept, want about 200 at most", n)
	}
	if n := len(th.good.young) + len(th.good.old); n > 200 {
		t.Errorf("%d pairs are kept, want 200 at most", n)
	}
}

// One credential whose requests never look the same pushes out no pair but its own forms, the oldest first.
func TestThrottleKeepsFewFormsOfAPair(t *testing.T) {
	th := newThrottle(100)
	form := func(i int) requestForm { return requestForm{agent: strings.Repeat("x", i)} }
	login := func(user string, f requestForm) attempt {
		t.Helper()
		a, ok := th.begin(parseAddress("192.0.2.7:1"), user, f)
		if !ok {
			t.Fatalf("%s is refused", user)
		}
		a.ok()
		return a
	}
	other := login("other", form(0))
	var last attempt
	for i := range 1000 {
		last = login("cpe", form(i))
	}
	if forms, ok := th.good.get(other.pair); !ok || forms[0] != other.client {
		t.Errorf("the other pair's forms: got %v, %v, want its own", forms, ok)
	}
	forms, _ := th.good.get(last.pair)
	first := login("cpe", form(999))
	if again, _ := th.good.get(last.pair); forms[0] != last.client || again != forms || first.client != last.client {
		t.Errorf("the pair's forms: got %v and then %v, want the last one in front, once", forms, again)
	}
	if len(th.good.young)+len(th.good.old) != 2 {
		t.Errorf("%d pairs are kept, want 2", len(th.good.young)+len(th.good.old))
	}
}

func FuzzDigestHeader(f *testing.F) {
	for _, s := range []string{
		`Digest username="u", realm="r", nonce="n", uri="/", qop=auth, nc=00000001, cnonce="c", response="00000000000000000000000000000000"`,
		`Digest realm="r" nonce="n" opaque="" qop="auth" algorithm=SHA-256-sess`, `Basic realm="x", Digest realm="d"`, "Digest \x00=\"", `a="b\`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		started := time.Now()
		for _, s := range parseAuth(header) {
			if len(s.params) > maxAuthParams {
				t.Errorf("%d parameters, want %d at most", len(s.params), maxAuthParams)
			}
		}
		if d, ok := parseDigestAnswer(header); ok {
			a := newNonces(1)
			if a.use(d.in.nonce, d.nc) {
				t.Error("a nonce that was never made is taken")
			}
		}
		c := ConnectionRequest{Username: "u", Password: "p", AllowBasic: true}
		ch, reason := chooseChallenge([]string{header}, c)
		if reason != "" {
			return
		}
		answer := ch.answer(c, "/x")
		if strings.ContainsAny(answer, "\r\n\x00") {
			t.Errorf("answer %q has control characters in it", answer)
		}
		if ch.basic {
			return
		}
		// What we send must read back as what the device gave.
		s := parseAuth(answer)
		if len(answer) > maxAuthHeader || len(s) != 1 {
			t.Fatalf("answer %q reads as %d schemes, want 1", answer, len(s))
		}
		if took := time.Since(started); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func FuzzReplyReader(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "\r\n\nHTTP/1.0 204", "HTTP/1.1 100 C\r\n\r\nHTTP/1.1 401 U\nWWW-Authenticate: Digest\n\trealm=\"r\",\n\tnonce=\"n\"\n",
		"HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"r\",\r nonce=\"n\"\r\n\r\n", "HTTP/", "\x15\x03\x01\x00\x02\x02\x28",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		reply, err := newReplyReader(strings.NewReader(s), func() {}).read()
		if err != nil {
			return
		}
		if reply.status < 200 || reply.status > 999 {
			t.Errorf("final status %d", reply.status)
		}
		for _, c := range reply.challenges {
			if strings.ContainsAny(c, "\r\n") || len(c) > maxReplyHeader {
				t.Errorf("challenge %q of %d bytes has line breaks or is too long", c, len(c))
			}
		}
	})
}

package cwmptest_test

import (
	"bufio"
	"crypto/md5"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

// raw sends one request on a new connection and returns all that comes back until quiet or closed.
func raw(t *testing.T, n cwmptest.Net, target, authorization string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	c, err := n.DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return ask(t, c, u, authorization)
}

func ask(t *testing.T, c net.Conn, u *url.URL, authorization string) string {
	t.Helper()
	req := "GET " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\n"
	if authorization != "" {
		req += "Authorization: " + authorization + "\r\n"
	}
	if _, err := io.WriteString(c, req+"\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	got, _ := io.ReadAll(c)
	return string(got)
}

func hash(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }

var param = regexp.MustCompile(`(\w+)="([^"]*)"`)

// digest answers a challenge as RFC 7616 has it, written apart from the package's own code.
func digest(challenge, user, password, uri string, nc int) string {
	p := map[string]string{}
	for _, m := range param.FindAllStringSubmatch(challenge, -1) {
		p[m[1]] = m[2]
	}
	ha1, ha2 := hash(user+":"+p["realm"]+":"+password), hash("GET:"+uri)
	s := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s"`, user, p["realm"], p["nonce"], uri)
	if p["qop"] == "" {
		return s + fmt.Sprintf(`, response="%s"`, hash(ha1+":"+p["nonce"]+":"+ha2))
	}
	count := fmt.Sprintf("%08x", nc)
	return s + fmt.Sprintf(`, qop=auth, nc=%s, cnonce="abc", response="%s"`,
		count, hash(ha1+":"+p["nonce"]+":"+count+":abc:auth:"+ha2))
}

// knock makes a whole connection request.
func knock(t *testing.T, n cwmptest.Net, target, user, password string) *http.Response {
	t.Helper()
	u, _ := url.Parse(target)
	first := raw(t, n, target, "")
	second := raw(t, n, target, digest(first, user, password, u.RequestURI(), 1))
	res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(second)), nil)
	if err != nil {
		t.Fatalf("answer %q: %v", second, err)
	}
	res.Body.Close()
	return res
}

func woken(q cwmptest.Quirks) cwmptest.Config {
	return cwmptest.Config{
		KnownToACS: true, Quirks: q, ConnectionRequestUsername: "acs", ConnectionRequestPassword: "secret",
	}
}

func TestConnectionRequestOpensOneSession(t *testing.T) {
	run(t, woken(cwmptest.Quirks{}), func(b *bed) {
		b.after(0)
		u := b.dev.ConnectionRequestURL()
		if res := knock(b.T, b.net, u, "acs", "secret"); res.StatusCode != 200 {
			t.Errorf("right password: got %s, want 200", res.Status)
		}
		b.after(time.Second)
		b.wantInforms("1 BOOT", "6 CONNECTION REQUEST")
		if res := knock(b.T, b.net, u, "acs", "wrong"); res.StatusCode != 401 {
			t.Errorf("wrong password: got %s, want 401", res.Status)
		}
		if res := knock(b.T, b.net, u+"x", "acs", "secret"); res.StatusCode != 404 {
			t.Errorf("wrong path: got %s, want 404", res.Status)
		}
		b.after(time.Second)
		b.wantInforms("1 BOOT", "6 CONNECTION REQUEST")
		b.dev.Offline(true)
		host, _ := url.Parse(u)
		if c, err := b.net.DialContext(b.Context(), "tcp", host.Host); err == nil {
			c.Close()
			t.Error("offline: got a connection, want none")
		}
		b.dev.Offline(false)
		b.after(0)
		b.wantInforms("1 BOOT", "6 CONNECTION REQUEST", "2 PERIODIC")
	})
}

func TestConnectionRequestNonce(t *testing.T) {
	for name, q := range map[string]cwmptest.Quirks{"quirk 38 reuse": {}, "once": {NonceOnce: true}} {
		t.Run(name, func(t *testing.T) {
			run(t, woken(q), func(b *bed) {
				b.after(0)
				u, _ := url.Parse(b.dev.ConnectionRequestURL())
				first := raw(b.T, b.net, u.String(), "")
				for nc, want := range []string{1: "200", 2: map[bool]string{false: "200", true: "401"}[q.NonceOnce]} {
					if want == "" {
						continue
					}
					got := raw(b.T, b.net, u.String(), digest(first, "acs", "secret", u.RequestURI(), nc))
					if !strings.HasPrefix(got, "HTTP/1.1 "+want) {
						t.Errorf("nc %d: got %q, want %s", nc, got, want)
					}
				}
				got := raw(b.T, b.net, u.String(), digest(first, "acs", "secret", u.RequestURI(), 1))
				if !strings.Contains(got, "stale=true") {
					t.Errorf("nc again: got %q, want stale=true", got)
				}
				b.after(301 * time.Second)
				got = raw(b.T, b.net, u.String(), digest(first, "acs", "secret", u.RequestURI(), 3))
				if !strings.Contains(got, "stale=true") {
					t.Errorf("old nonce: got %q, want stale=true", got)
				}
			})
		})
	}
}

// TestConnectionRequestReplies shows quirks 33 to 35, 38, 39 and 41 on the wire.
func TestConnectionRequestReplies(t *testing.T) {
	for name, c := range map[string]struct {
		q         cwmptest.Quirks
		user      string
		challenge string // a pattern for the whole reply
		accepted  string
	}{
		"plain": {
			cwmptest.Quirks{},
			"acs",
			`^HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm="cpe", qop="auth", nonce="\w+", opaque="\w+"\r\nContent-Length: 0\r\n\r\n$`,
			`^HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n$`,
		},
		"quirk 33": {
			cwmptest.Quirks{NoBlankLine: true, BareLF: true, Folded: true},
			"acs",
			`^HTTP/1.1 401 Unauthorized\nWWW-Authenticate: Digest realm="cpe",\n qop="auth",\n nonce="\w+",\n opaque="\w+"\nContent-Length: 0\nConnection: close\n$`,
			`^HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n$`,
		},
		"quirk 34": {
			cwmptest.Quirks{NoCommas: true},
			"acs",
			`Digest realm="cpe" qop="auth" nonce="\w+" opaque=""\r\n`, `^HTTP/1.1 200 OK\r\n`,
		},
		"quirk 35 no content": {cwmptest.Quirks{NoContent: true}, "acs", `^HTTP/1.1 401`, `^HTTP/1.1 204 No Content\r\n\r\n$`},
		"quirk 35 body":       {cwmptest.Quirks{ReplyBody: true}, "acs", `^HTTP/1.1 401`, `Content-Length: 4\r\n\r\nOK\r\n$`},
		"quirk 35 two CRLF":   {cwmptest.Quirks{DoubleCRLF: true}, "acs", `0\r\n\r\n$`, `0\r\n\r\n\r\n$`},
		"quirk 41":            {cwmptest.Quirks{OwnUsername: true}, "02CD00-Simulator-000001", `^HTTP/1.1 401`, `^HTTP/1.1 200`},
		"no qop":              {cwmptest.Quirks{DoorAuth: cwmptest.DoorOldDigest}, "acs", `realm="cpe", nonce=`, `^HTTP/1.1 200`},
		"sha-256 asked":       {cwmptest.Quirks{DoorAlgorithm: "SHA-256"}, "acs", `algorithm=SHA-256`, `^HTTP/1.1 401`},
		"basic":               {cwmptest.Quirks{DoorAuth: cwmptest.DoorBasic}, "acs", `WWW-Authenticate: Basic realm="cpe"`, `^HTTP/1.1 401`},
		"open":                {cwmptest.Quirks{DoorAuth: cwmptest.DoorOpen}, "acs", `^HTTP/1.1 200`, `^HTTP/1.1 200`},
		"status":              {cwmptest.Quirks{DoorStatus: 404}, "acs", `^HTTP/1.1 401`, `^HTTP/1.1 404`},
		"hangs up":            {cwmptest.Quirks{DoorHangsUp: true}, "acs", `^$`, `^$`},
		"silent":              {cwmptest.Quirks{DoorSilent: true}, "acs", `^$`, `^$`},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, woken(c.q), func(b *bed) {
				b.after(0)
				u, _ := url.Parse(b.dev.ConnectionRequestURL())
				first := raw(b.T, b.net, u.String(), "")
				if !regexp.MustCompile(c.challenge).MatchString(first) {
					t.Errorf("challenge: got %q, want %s", first, c.challenge)
				}
				second := raw(b.T, b.net, u.String(), digest(first, c.user, "secret", u.RequestURI(), 1))
				if !regexp.MustCompile(c.accepted).MatchString(second) {
					t.Errorf("reply: got %q, want %s", second, c.accepted)
				}
			})
		})
	}
}

func TestConnectionRequestsCoalesceOrNot(t *testing.T) { // quirk 37
	for two, want := range map[bool]int{false: 2, true: 3} {
		run(t, woken(cwmptest.Quirks{TwoSessions: two, SessionDelay: 4 * time.Second, DoorAuth: cwmptest.DoorOpen}), func(b *bed) {
			b.after(0)
			u := b.dev.ConnectionRequestURL()
			parsed, _ := url.Parse(u)
			c, err := b.net.DialContext(b.Context(), "tcp", parsed.Host)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprintf(c, "GET %[1]s HTTP/1.1\r\nHost: x\r\n\r\nGET %[1]s HTTP/1.1\r\nHost: x\r\n\r\n", parsed.Path)
			b.after(5 * time.Second)
			c.Close()
			if got := len(b.acs.informs()); got != want {
				t.Errorf("two requests at once, TwoSessions %v: got %d sessions, want %d", two, got, want)
			}
		})
	}
}

func TestConnectionRequestThrottle(t *testing.T) { // quirk 39
	run(t, woken(cwmptest.Quirks{Throttle: 2, DoorAuth: cwmptest.DoorOpen}), func(b *bed) {
		b.after(0)
		for i, want := range []string{"200", "200", "503"} {
			if got := raw(b.T, b.net, b.dev.ConnectionRequestURL(), ""); !strings.HasPrefix(got, "HTTP/1.1 "+want) {
				t.Errorf("request %d: got %q, want %s", i+1, got, want)
			}
			b.after(time.Second)
		}
		b.after(time.Hour)
		if got := raw(b.T, b.net, b.dev.ConnectionRequestURL(), ""); !strings.HasPrefix(got, "HTTP/1.1 200") {
			t.Errorf("an hour later: got %q, want 200", got)
		}
	})
}

func TestInformBeforeTheReply(t *testing.T) { // quirk 36
	for first, want := range map[bool]string{
		true: "posted Inform, connection_request 200", false: "connection_request 200, posted Inform",
	} {
		run(t, woken(cwmptest.Quirks{InformFirst: first, DoorAuth: cwmptest.DoorOpen}), func(b *bed) {
			b.after(0)
			before := len(b.journal.Notes(""))
			raw(b.T, b.net, b.dev.ConnectionRequestURL(), "")
			b.after(0)
			var order []string
			for _, n := range b.journal.Notes("")[before:] {
				if n.Kind == cwmptest.NotePosted && n.Method == "Inform" || n.Kind == cwmptest.NoteConnectionRequest {
					order = append(order, strings.TrimSpace(string(n.Kind)+" "+n.Method+n.Text))
				}
			}
			if got := strings.Join(order, ", "); got != want {
				t.Errorf("InformFirst %v: got %q, want %q", first, got, want)
			}
		})
	}
}

func TestBusyInSession(t *testing.T) { // quirk 39
	run(t, woken(cwmptest.Quirks{BusyInSession: true, DoorAuth: cwmptest.DoorOpen}), func(b *bed) {
		b.after(0)
		hold := make(chan struct{}) // the ACS hangs, so the session stays
		b.acs.mu.Lock()
		b.acs.hold = hold
		b.acs.mu.Unlock()
		b.dev.Trigger(cwmp.EventPeriodic)
		b.after(time.Second)
		got := raw(b.T, b.net, b.dev.ConnectionRequestURL(), "")
		close(hold)
		if !strings.HasPrefix(got, "HTTP/1.1 503") {
			t.Errorf("in a session: got %q, want 503", got)
		}
	})
}

package cwmp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
)

// replies is a Dialer to a device that gives one canned reply per connection, in turn, and keeps the requests.
type replies struct {
	t        *testing.T
	canned   []string
	hold     bool // the connection stays open after the reply
	requests []string
	address  string
	source   netip.Addr
	done     []chan struct{}
}

func (d *replies) DialDevice(_ context.Context, address string, source netip.Addr) (net.Conn, error) {
	d.address, d.source = address, source
	if len(d.canned) == 0 {
		d.t.Error("one connection more than there are replies")
		return nil, errors.New("no reply left")
	}
	reply := d.canned[0]
	d.canned = d.canned[1:]
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	d.done = append(d.done, done)
	go func() {
		defer close(done)
		defer theirs.Close()
		in := bufio.NewReader(theirs)
		var request strings.Builder
		for {
			line, err := in.ReadString('\n')
			request.WriteString(line)
			if err != nil || strings.TrimSpace(line) == "" {
				break
			}
		}
		d.requests = append(d.requests, request.String())
		_, _ = io.WriteString(theirs, reply)
		if d.hold {
			_, _ = io.Copy(io.Discard, theirs)
		}
	}()
	return ours, nil
}

func (d *replies) wait() {
	for _, c := range d.done {
		<-c
	}
}

const (
	ok200     = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	digest401 = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"dev\", nonce=\"n1\", algorithm=MD5, qop=\"auth\"\r\nContent-Length: 0\r\n\r\n"
	stale401  = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"dev\", nonce=\"n2\", stale=true, qop=\"auth\"\r\n\r\n"
	basic401  = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"dev\"\r\n\r\n"
)

func TestRequesterReplies(t *testing.T) {
	bare := "HTTP/1.1 401 Unauthorized\nServer: x\nWWW-Authenticate: Digest realm=\"IGD\",\n\tqop=\"auth\",\n\tnonce=\"5f\",\n\talgorithm=MD5,\n\topaque=\"abc\"\n"
	challenge := func(c string) string { return "HTTP/1.1 401 x\r\nWWW-Authenticate: " + c + "\r\n\r\n" }
	for name, tc := range map[string]struct {
		canned []string
		hold   bool
		basic  bool
		anon   bool
		want   cwmp.RequestReason
		status int
		header []string // must be in the last request
		absent []string
	}{
		"accepted without a challenge":        {canned: []string{ok200}},
		"accepted with 204":                   {canned: []string{"HTTP/1.1 204 No Content\r\n\r\n"}},
		"digest":                              {canned: []string{digest401, ok200}, header: []string{`username="u"`, `realm="dev"`, `nonce="n1"`, `uri="/path?x=1"`, "algorithm=MD5", "qop=auth", "nc=00000001", "cnonce="}},
		"bare LF, folded, no blank line":      {canned: []string{bare, "HTTP/1.1 200 OK\nContent-Length: 0\n"}, header: []string{`realm="IGD"`, `nonce="5f"`, `opaque="abc"`, "qop=auth"}},
		"folded without blanks in front":      {canned: []string{"HTTP/1.1 401 x\nWWW-Authenticate: Digest realm=\"r\",\nnonce=\"n9\",\nqop=\"auth\"\n\n", ok200}, header: []string{`nonce="n9"`, "qop=auth"}},
		"status line alone":                   {canned: []string{"HTTP/1.0 200 OK"}},
		"no commas, empty opaque":             {canned: []string{challenge(`Digest realm="netcwmp" nonce="abc" qop="auth" opaque=""`), ok200}, header: []string{`realm="netcwmp"`, `nonce="abc"`, `opaque=""`, "qop=auth"}},
		"one line break too many before":      {canned: []string{"\r\n\r\n" + digest401, "\r\n" + ok200}},
		"one line break too many after":       {canned: []string{ok200 + "\r\n"}},
		"no qop":                              {canned: []string{challenge(`Digest realm="r", nonce="n"`), ok200}, absent: []string{"qop=", "nc=", "cnonce=", "algorithm="}},
		"empty qop":                           {canned: []string{challenge(`Digest realm="r", nonce="n", qop=""`), ok200}, absent: []string{"qop=", "nc=", "cnonce="}},
		"unquoted values":                     {canned: []string{challenge(`digest REALM=r, NONCE=n, QOP=auth, algorithm="md5"`), ok200}, header: []string{`realm="r"`, `nonce="n"`, "algorithm=MD5"}},
		"MD5-sess":                            {canned: []string{challenge(`Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth"`), ok200}, header: []string{"algorithm=MD5-sess"}},
		"SHA-256":                             {canned: []string{challenge(`Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth,auth-int"`), ok200}, header: []string{"algorithm=SHA-256", "qop=auth,"}},
		"SHA-256-sess":                        {canned: []string{challenge(`Digest realm="r", nonce="n", algorithm=SHA-256-sess, qop="auth-int, auth"`), ok200}, header: []string{"algorithm=SHA-256-sess"}},
		"several headers, digest second":      {canned: []string{"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic realm=\"b\"\r\nWWW-Authenticate: Digest realm=\"d\", nonce=\"n\"\r\n\r\n", ok200}, header: []string{`Digest username="u", realm="d"`}},
		"both in one header":                  {canned: []string{challenge(`Basic realm="b", Digest realm="d", nonce="n"`), ok200}, header: []string{`Digest username="u", realm="d"`}},
		"unknown algorithm first":             {canned: []string{"HTTP/1.1 401 x\r\nWWW-Authenticate: Digest realm=\"a\", nonce=\"n\", algorithm=SHA-512-256\r\nWWW-Authenticate: Digest realm=\"d\", nonce=\"n\"\r\n\r\n", ok200}, header: []string{`realm="d"`}},
		"carriage return inside the header":   {canned: []string{challenge("Digest realm=\"r\",\r nonce=\"n\""), ok200}, header: []string{`nonce="n"`}},
		"interim replies":                     {canned: []string{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\n" + digest401, ok200}},
		"stale once":                          {canned: []string{digest401, stale401, ok200}, header: []string{`nonce="n2"`}},
		"basic where allowed":                 {canned: []string{basic401, ok200}, basic: true, header: []string{"Authorization: Basic dTpw\r\n"}},
		"length without a close":              {canned: []string{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}, hold: true},
		"stale for ever":                      {canned: []string{digest401, stale401, stale401}, want: cwmp.RequestUnauthorized, status: 401},
		"wrong password":                      {canned: []string{digest401, digest401}, want: cwmp.RequestUnauthorized, status: 401},
		"wrong basic password":                {canned: []string{basic401, basic401}, basic: true, want: cwmp.RequestUnauthorized, status: 401},
		"digest, then basic":                  {canned: []string{digest401, basic401}, want: cwmp.RequestUnauthorized, status: 401},
		"basic only":                          {canned: []string{basic401}, want: cwmp.RequestBasicOnly, status: 401},
		"no password":                         {canned: []string{digest401}, anon: true, want: cwmp.RequestNoPassword, status: 401},
		"no challenge":                        {canned: []string{"HTTP/1.1 401 x\r\n\r\n"}, want: cwmp.RequestBadChallenge, status: 401},
		"unknown scheme":                      {canned: []string{challenge("Negotiate")}, want: cwmp.RequestBadChallenge, status: 401},
		"auth-int only":                       {canned: []string{challenge(`Digest realm="r", nonce="n", qop="auth-int"`)}, want: cwmp.RequestBadChallenge, status: 401},
		"no nonce":                            {canned: []string{challenge(`Digest realm="r"`)}, want: cwmp.RequestBadChallenge, status: 401},
		"huge nonce":                          {canned: []string{challenge(`Digest realm="r", nonce="` + strings.Repeat("n", 5000) + `"`)}, want: cwmp.RequestBadChallenge, status: 401},
		"basic beside a bad digest":           {canned: []string{challenge(`Digest realm="r", Basic realm="r"`)}, basic: true, want: cwmp.RequestBadChallenge, status: 401},
		"404":                                 {canned: []string{"HTTP/1.1 404 Not Found\r\n\r\n"}, want: cwmp.RequestNotFound, status: 404},
		"403 to credentials":                  {canned: []string{digest401, "HTTP/1.1 403 No\r\n\r\n"}, want: cwmp.RequestNotFound, status: 403},
		"503":                                 {canned: []string{digest401, "HTTP/1.1 503 Busy\r\n\r\n"}, want: cwmp.RequestBusy, status: 503},
		"redirect":                            {canned: []string{"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n"}, want: cwmp.RequestBadAnswer, status: 302},
		"500":                                 {canned: []string{"HTTP/1.1 500 x\r\n\r\n"}, want: cwmp.RequestBadAnswer, status: 500},
		"no HTTP":                             {canned: []string{"SSH-2.0-dropbear\r\n"}, want: cwmp.RequestBadAnswer},
		"interim replies for ever":            {canned: []string{strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100)}, want: cwmp.RequestBadAnswer},
		"huge header":                         {canned: []string{"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100)}, want: cwmp.RequestBadAnswer},
		"huge line":                           {canned: []string{strings.Repeat("z", 100_000)}, want: cwmp.RequestBadAnswer},
		"closed without an answer":            {canned: []string{""}, want: cwmp.RequestReset},
		"closed after the challenge, no 200":  {canned: []string{digest401, ""}, want: cwmp.RequestReset},
		"401 that ends before its challenge":  {canned: []string{"HTTP/1.1 401 x\r\nServer: y"}, want: cwmp.RequestBadChallenge, status: 401},
		"hangs":                               {canned: []string{""}, hold: true, want: cwmp.RequestTimeout},
		"hangs in the status line":            {canned: []string{"HTTP/1"}, hold: true, want: cwmp.RequestTimeout},
		"hangs after the challenge":           {canned: []string{digest401, ""}, hold: true, want: cwmp.RequestTimeout},
		"hangs in the header of a 401":        {canned: []string{"HTTP/1.1 401 x\r\nServer: y\r\n"}, hold: true, want: cwmp.RequestTimeout},
		"no blank line, and stays open":       {canned: []string{"HTTP/1.1 401 x\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\n", "HTTP/1.1 200 OK\n"}, hold: true},
		"endless body after an accepted call": {canned: []string{"HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 1<<20)}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &replies{t: t, canned: tc.canned, hold: tc.hold}
				c := cwmp.ConnectionRequest{URL: "http://192.0.2.7:7547/path?x=1", Username: "u", Password: "p", Source: netip.MustParseAddr("192.0.2.7"), AllowBasic: tc.basic}
				if tc.anon {
					c.Username, c.Password = "", ""
				}
				started := time.Now()
				err := (&cwmp.Requester{Dialer: d}).Request(t.Context(), c)
				if took := time.Since(started); took > 5*time.Second {
					t.Errorf("took %v, want 5 s at most", took)
				}
				d.wait()
				wantRequestError(t, err, tc.want, tc.status)
				if len(d.canned) > 0 {
					t.Errorf("%d replies were not asked for", len(d.canned))
				}
				if d.address != "192.0.2.7:7547" || d.source != c.Source {
					t.Errorf("dialled %s for %v, want 192.0.2.7:7547 for %v", d.address, d.source, c.Source)
				}
				last := d.requests[len(d.requests)-1]
				if !strings.HasPrefix(last, "GET /path?x=1 HTTP/1.1\r\nHost: 192.0.2.7:7547\r\n") {
					t.Errorf("request starts %q", last)
				}
				for _, h := range tc.header {
					if !strings.Contains(last, h) {
						t.Errorf("request %q, want %q in it", last, h)
					}
				}
				for _, h := range tc.absent {
					if strings.Contains(last, h) {
						t.Errorf("request %q, want no %q in it", last, h)
					}
				}
			})
		})
	}
}

func wantRequestError(t *testing.T, err error, reason cwmp.RequestReason, status int) {
	t.Helper()
	if reason == "" {
		if err != nil {
			t.Errorf("got error %v, want none", err)
		}
		return
	}
	var re *cwmp.RequestError
	if !errors.As(err, &re) {
		t.Fatalf("got error %v, want a *RequestError", err)
	}
	if re.Reason != reason || re.Status != status {
		t.Errorf("got %s with status %d, want %s with %d", re.Reason, re.Status, reason, status)
	}
	for _, secret := range []string{"192.0.2", "/path", "x=1", "device.example"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("error %q tells the URL", err)
		}
	}
}

type dialFunc func(ctx context.Context, address string) (net.Conn, error)

func (f dialFunc) DialDevice(ctx context.Context, address string, _ netip.Addr) (net.Conn, error) {
	return f(ctx, address)
}

func TestRequesterDialErrors(t *testing.T) {
	op := func(e error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 7547}, Err: e}
	}
	call := func(e syscall.Errno) error { return op(os.NewSyscallError("connect", e)) }
	for name, tc := range map[string]struct {
		err  error
		want cwmp.RequestReason
	}{
		"forbidden":       {fmt.Errorf("192.0.2.7: %w", cwmp.ErrForbiddenAddress), cwmp.RequestForbidden},
		"forbidden in op": {op(fmt.Errorf("x: %w", cwmp.ErrForbiddenAddress)), cwmp.RequestForbidden},
		"name":            {op(&net.DNSError{Err: "no such host", Name: "device.example", IsNotFound: true}), cwmp.RequestDNS},
		"refused":         {call(syscall.ECONNREFUSED), cwmp.RequestRefused},
		"no route":        {call(syscall.EHOSTUNREACH), cwmp.RequestUnreachable},
		"no network":      {call(syscall.ENETUNREACH), cwmp.RequestUnreachable},
		"reset":           {call(syscall.ECONNRESET), cwmp.RequestReset},
		"timed out":       {call(syscall.ETIMEDOUT), cwmp.RequestTimeout},
		"deadline":        {op(os.ErrDeadlineExceeded), cwmp.RequestTimeout},
		"other":           {op(errors.New("192.0.2.7 is odd")), cwmp.RequestUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			r := &cwmp.Requester{Dialer: dialFunc(func(context.Context, string) (net.Conn, error) { return nil, tc.err })}
			err := r.Request(t.Context(), cwmp.ConnectionRequest{URL: "http://192.0.2.7:7547/path?x=1"})
			wantRequestError(t, err, tc.want, 0)
			if tc.want == cwmp.RequestForbidden && !errors.Is(err, cwmp.ErrForbiddenAddress) {
				t.Errorf("error %v does not wrap ErrForbiddenAddress", err)
			}
		})
	}
}

func TestRequesterGivesUp(t *testing.T) {
	hang := dialFunc(func(ctx context.Context, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() })
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		err := (&cwmp.Requester{Dialer: hang, Timeout: 3 * time.Second}).Request(t.Context(), cwmp.ConnectionRequest{URL: "http://192.0.2.7/"})
		wantRequestError(t, err, cwmp.RequestTimeout, 0)
		if took := time.Since(started); took != 3*time.Second {
			t.Errorf("took %v, want 3s", took)
		}
	})
	t.Run("cause", func(t *testing.T) {
		stopped := errors.New("stopped")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stopped)
		err := (&cwmp.Requester{Dialer: hang}).Request(ctx, cwmp.ConnectionRequest{URL: "http://192.0.2.7/"})
		if !errors.Is(err, stopped) {
			t.Errorf("got %v, want the cause %v in it", err, stopped)
		}
	})
	t.Run("cancelled while it reads", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := &replies{t: t, canned: []string{""}, hold: true}
			stopped := errors.New("stopped")
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(stopped) })
			started := time.Now()
			err := (&cwmp.Requester{Dialer: d}).Request(ctx, cwmp.ConnectionRequest{URL: "http://192.0.2.7/"})
			if !errors.Is(err, stopped) || time.Since(started) != time.Second {
				t.Errorf("got %v after %v, want the cause after 1s", err, time.Since(started))
			}
			d.wait()
		})
	})
}

func TestRequesterURLs(t *testing.T) {
	for raw, want := range map[string]struct{ address, host, target string }{
		"http://192.0.2.7:7547/abc":                     {"192.0.2.7:7547", "192.0.2.7:7547", "/abc"},
		"http://192.0.2.7:7547":                         {"192.0.2.7:7547", "192.0.2.7:7547", "/"},
		"HTTP://192.0.2.7/a%2Fb?q=%20#frag":             {"192.0.2.7:80", "192.0.2.7", "/a%2Fb?q=%20"},
		"http://device.example?x":                       {"device.example:80", "device.example", "/?x"},
		"80.0.0.1":                                      {"80.0.0.1:80", "80.0.0.1", "/"},
		"80.0.0.1:7547":                                 {"80.0.0.1:7547", "80.0.0.1:7547", "/"},
		" 80.0.0.1:7547/x\n":                            {"80.0.0.1:7547", "80.0.0.1:7547", "/x"},
		"80.0.0.1/?u=http://other.example/x":            {"80.0.0.1:80", "80.0.0.1", "/?u=http://other.example/x"},
		"http://[2001:db8::7]:7547/":                    {"[2001:db8::7]:7547", "[2001:db8::7]:7547", "/"},
		"http://[2001:db8::7]":                          {"[2001:db8::7]:80", "[2001:db8::7]", "/"},
		"http://192.0.2.7/a b\"\r\nX: y":                {"192.0.2.7:80", "192.0.2.7", "/a%20b\"%0D%0AX:%20y"},
		"":                                              {},
		"http://":                                       {},
		"https://192.0.2.7/":                            {},
		"ftp://192.0.2.7/":                              {},
		"file:///etc/passwd":                            {},
		"http://u:p@192.0.2.7/":                         {},
		"u@192.0.2.7":                                   {},
		"http://192.0.2.7:0/":                           {},
		"http://192.0.2.7:99999/":                       {},
		"http://192.0.2.7:http/":                        {},
		"http://a b/":                                   {},
		"http://a\r\nHost: b/":                          {},
		"http://[fe80::1%25eth0]/":                      {},
		"http://exa%6dple/":                             {},
		"http://192.0.2.7/" + strings.Repeat("x", 3000): {},
	} {
		t.Run(raw[:min(len(raw), 40)], func(t *testing.T) {
			d := &replies{t: t, canned: []string{ok200}}
			err := (&cwmp.Requester{Dialer: d}).Request(t.Context(), cwmp.ConnectionRequest{URL: raw})
			if want.address == "" {
				wantRequestError(t, err, cwmp.RequestBadURL, 0)
				return
			}
			d.wait()
			if err != nil {
				t.Fatalf("got error %v, want none", err)
			}
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(d.requests[0])))
			if err != nil {
				t.Fatalf("request %q cannot be read: %v", d.requests[0], err)
			}
			if d.address != want.address || r.Host != want.host || r.RequestURI != want.target || len(r.Header) != 2 {
				t.Errorf("dialled %s, host %s, target %s, %d fields, want %v and 2 fields", d.address, r.Host, r.RequestURI, len(r.Header), want)
			}
		})
	}
}

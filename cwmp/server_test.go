package cwmp_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"recado/cwmp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerConfig(t *testing.T) {
	ok := cwmp.ServerConfig{Handler: &script{}, Auth: cwmp.AuthNone}
	if _, err := cwmp.NewServer(ok); err != nil {
		t.Errorf("got %v, want none", err)
	}
	for want, change := range map[string]func(c *cwmp.ServerConfig){
		"Handler":                  func(c *cwmp.ServerConfig) { c.Handler = nil },
		"Auth is \"\"":             func(c *cwmp.ServerConfig) { c.Auth = "" },
		"Auth is \"x\"":            func(c *cwmp.ServerConfig) { c.Auth = "x" },
		"needs Credentials":        func(c *cwmp.ServerConfig) { c.Auth = cwmp.AuthDigest },
		"Realm":                    func(c *cwmp.ServerConfig) { c.Realm = "a\"b" },
		"SessionTimeout":           func(c *cwmp.ServerConfig) { c.SessionTimeout = -1 },
		"MaxSessionTimeout":        func(c *cwmp.ServerConfig) { c.MaxSessionTimeout = time.Second },
		"MessageTimeout":           func(c *cwmp.ServerConfig) { c.MessageTimeout = -1 },
		"MaxSessions":              func(c *cwmp.ServerConfig) { c.MaxSessions = -1 },
		"MaxConnectionsPerAddress": func(c *cwmp.ServerConfig) { c.MaxConnectionsPerAddress = -1 },
		"MaxBodyBytes":             func(c *cwmp.ServerConfig) { c.MaxBodyBytes = -1 },
	} {
		c := ok
		change(&c)
		if _, err := cwmp.NewServer(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		}
	}
}

func TestServerWithoutSession(t *testing.T) {
	h := &script{}
	a := startACS(t, cwmp.ServerConfig{Handler: h})
	c := a.cpe("192.0.2.7")
	c.wantStatus(204, "")                          // before any Inform, on the connection that the Inform will use
	c.wantStatus(204, " \r\n\t", "Content-Type: ") // empty is by length alone
	c.wantStatus(204, "0\r\n\r\n", "Transfer-Encoding: chunked", "SOAPAction: ")
	c.wantStatus(204, "", "Content-Encoding: gzip")
	c.wantStatus(204, "", "Cookie: session=0123456789abcdef0123456789abcdef")
	c.wantStatus(400, say(t, "1", &cwmp.RebootResponse{}))
	c.wantStatus(400, say(t, "1", &cwmp.Fault{FaultCode: 9000}))
	c.wantStatus(400, say(t, "1", &cwmp.GetRPCMethods{}))
	c.wantStatus(400, say(t, "1", &cwmp.Reboot{}))
	c.wantStatus(400, say(t, "1", &cwmp.TransferComplete{CommandKey: "Inform"}))
	c.wantStatus(400, "hello")
	c.wantStatus(400, informOf(t, "A")[:300])
	c.wantStatus(400, `<!DOCTYPE x [<!ENTITY a "Inform">]>`+informOf(t, "A"))
	if method, err := c.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil || method.status != 405 || method.header.Get("Allow") != "POST" {
		t.Errorf("GET: got %d, Allow %q, error %v, want 405 and POST", method.status, method.header.Get("Allow"), err)
	}
	h.wantCalls(t)
	c.inform("A") // whatever path, and whatever cookie
	c.wantStatus(204, "")
}

func TestServerBindings(t *testing.T) {
	queue := func() *script {
		return &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}, "B": {&cwmp.Reboot{}}}}
	}
	whole := func(t *testing.T, c *cpe, header ...string) {
		t.Helper()
		c.inform("A", header...)
		id := c.post("").envelope(t).ID
		c.wantStatus(204, say(t, id, &cwmp.RebootResponse{}))
	}
	t.Run("one connection per POST", func(t *testing.T) {
		c := startACS(t, cwmp.ServerConfig{Handler: queue()}).cpe("192.0.2.7")
		c.onePerPost = true
		whole(t, c)
		c.wantStatus(204, "")
		c.wantStatus(400, say(t, "x", &cwmp.RebootResponse{}))
	})
	t.Run("no cookie", func(t *testing.T) {
		c := startACS(t, cwmp.ServerConfig{Handler: queue()}).cpe("192.0.2.7")
		c.noCookie = true
		whole(t, c)
		c.wantStatus(204, "")
		c.wantStatus(400, say(t, "x", &cwmp.RebootResponse{}))
		whole2 := func() { c.inform("A"); c.wantStatus(204, "") }
		whole2() // a second session on the same connection
		whole2()
	})
	t.Run("no cookie and a new connection", func(t *testing.T) {
		h := queue()
		c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
		c.noCookie, c.onePerPost = true, true
		c.inform("A")
		c.wantStatus(204, "") // as before any Inform: nothing is bound by address
		c.wantStatus(400, say(t, "x", &cwmp.RebootResponse{}))
		h.wantCalls(t, "A Inform")
	})
	t.Run("cookie of the last session", func(t *testing.T) {
		c := startACS(t, cwmp.ServerConfig{Handler: queue()}).cpe("192.0.2.7")
		c.inform("A")
		old := c.cookie
		c.inform("B", "Cookie: "+old)
		if c.cookie == old {
			t.Error("an Inform with a cookie continued its session, want a new one")
		}
		c.post("").envelope(t)
	})
	t.Run("same address, no cookie", func(t *testing.T) {
		a := startACS(t, cwmp.ServerConfig{Handler: queue()})
		a.cpe("192.0.2.7").inform("A")
		neighbour := a.cpe("192.0.2.7")
		neighbour.wantStatus(400, say(t, "x", &cwmp.RebootResponse{}))
	})
	for name, form := range map[string]string{
		"RFC 2109":         `$Version="1"; session="%s"; $Path="/"`,
		"RFC 2965, commas": `$Version=1, session=%s, $Path=/`,
		"blanks":           `  a=b ;  SESSION = %s ; c`,
		"old value first":  `session=ffffffffffffffffffffffffffffffff; session=%s`,
		"old value last":   `session=%s; session=ffffffffffffffffffffffffffffffff`,
		"junk":             `;;,,=; =x; session; session=; session=%s;`,
	} {
		t.Run("cookie: "+name, func(t *testing.T) {
			c := startACS(t, cwmp.ServerConfig{Handler: queue()}).cpe("192.0.2.7")
			c.inform("A")
			c.hangUp()
			c.post("", "Cookie: "+fmt.Sprintf(form, strings.TrimPrefix(c.cookie, "session="))).envelope(t)
		})
	}
}

func TestServerStolenCookie(t *testing.T) {
	h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
	a := startACS(t, cwmp.ServerConfig{Handler: h})
	c, thief := a.cpe("192.0.2.7"), a.cpe("192.0.2.66")
	c.inform("A")
	thief.cookie = c.cookie
	thief.wantStatus(400, "")
	thief.wantStatus(400, say(t, "1", &cwmp.GetRPCMethods{}))
	thief.wantStatus(400, "garbage")
	h.wantCalls(t, "A Inform")
	id := c.post("").envelope(t).ID
	thief.wantStatus(400, say(t, id, &cwmp.RebootResponse{}))
	if n := a.seen.count("refused foreign"); n != 4 {
		t.Errorf("%d POSTs were refused as foreign, want 4", n)
	}
	// An Inform is let in with any cookie: the device may have got a new address.
	thief.inform("B")
	c.wantStatus(204, say(t, id, &cwmp.RebootResponse{}))

	t.Run("of another user", func(t *testing.T) {
		h := &script{}
		a := startACS(t, cwmp.ServerConfig{Handler: h, Auth: cwmp.AuthBasic, Credentials: passwords{"a": "1", "b": "2"}})
		c, thief := a.cpe("192.0.2.7"), a.cpe("192.0.2.7")
		c.inform("A", basic("a", "1"))
		thief.cookie = c.cookie
		thief.wantStatus(400, "", basic("b", "2"))
		c.wantStatus(400, say(t, "1", &cwmp.GetRPCMethods{}), basic("b", "2"))
		h.wantCalls(t, "A Inform")
		c.hangUp()
		c.wantStatus(204, "", basic("a", "1"))
	})
	t.Run("device of another user", func(t *testing.T) {
		h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
		refuse := true
		h.onInform = func(_ context.Context, s *cwmp.Session, _ *cwmp.Inform) error {
			if s.Username == "b" && refuse {
				return &cwmp.Fault{FaultCode: cwmp.FaultACSRequestDenied}
			}
			return nil
		}
		a := startACS(t, cwmp.ServerConfig{Handler: h, Auth: cwmp.AuthBasic, Credentials: passwords{"a": "1", "b": "2"}})
		c, thief := a.cpe("192.0.2.7"), a.cpe("192.0.2.66")
		c.inform("A", basic("a", "1"))
		wantFault(t, thief.post(informOf(t, "A"), basic("b", "2")).envelope(t), 8001)
		id := c.post("").envelope(t).ID // the true session lives on
		refuse = false
		thief.inform("A", basic("b", "2")) // taken by the handler: the newer wins
		c.wantStatus(400, say(t, id, &cwmp.RebootResponse{}))
		h.wantCalls(t, "A Inform", "A Inform", "A End error", "A Next", "A Sending Reboot", "A Inform", "A End replaced, Reboot unanswered")
	})
}

func compressed(t testing.TB, encoding, body string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zlib":
		w = zlib.NewWriter(&b)
	default:
		w, _ = flate.NewWriter(&b, flate.BestCompression)
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestServerBodies(t *testing.T) {
	inform := informOf(t, "A")
	chunks := fmt.Sprintf("%x\r\n%s\r\n%x;ext=1\r\n%s\r\n0\r\n\r\n", 100, inform[:100], len(inform)-100, inform[100:])
	huge := strings.Repeat(" ", 3<<20)
	for name, tc := range map[string]struct {
		body   string
		header []string
		want   int
	}{
		"plain":                  {inform, nil, 200},
		"odd types":              {inform, []string{"Content-Type: text/html", "Soapaction: cwmp:Inform"}, 200},
		"identity":               {inform, []string{"Content-Encoding: identity"}, 200},
		"chunked":                {chunks, []string{"Transfer-Encoding: chunked"}, 200},
		"gzip":                   {compressed(t, "gzip", inform), []string{"Content-Encoding: gzip"}, 200},
		"x-gzip":                 {compressed(t, "gzip", inform), []string{"Content-Encoding: X-GZIP"}, 200},
		"deflate":                {compressed(t, "zlib", inform), []string{"Content-Encoding: deflate"}, 200},
		"deflate without header": {compressed(t, "flate", inform), []string{"Content-Encoding: deflate"}, 200},
		"as large as allowed":    {inform + strings.Repeat(" ", 1<<20-len(inform)), nil, 200},
		"not gzip":               {inform, []string{"Content-Encoding: gzip"}, 400},
		"gzip cut short":         {compressed(t, "gzip", inform)[:100], []string{"Content-Encoding: gzip"}, 400},
		"gzip damaged":           {compressed(t, "gzip", inform)[:60] + "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", []string{"Content-Encoding: gzip"}, 400},
		"unknown encoding":       {inform, []string{"Content-Encoding: br"}, 415},
		"stacked encodings":      {compressed(t, "gzip", compressed(t, "gzip", inform)), []string{"Content-Encoding: gzip, gzip"}, 415},
		"doubled header":         {compressed(t, "gzip", inform), []string{"Content-Encoding: gzip", "Content-Encoding: gzip"}, 415},
		"one byte too large":     {inform + strings.Repeat(" ", 1<<20+1-len(inform)), nil, 413},
		"large":                  {inform + huge, nil, 413},
		"large, chunked":         {fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(huge), huge), []string{"Transfer-Encoding: chunked"}, 413},
		"gzip bomb":              {compressed(t, "gzip", inform+huge), []string{"Content-Encoding: gzip"}, 413},
		"deflate bomb":           {compressed(t, "zlib", inform+huge), []string{"Content-Encoding: deflate"}, 413},
		"bad chunks":             {"zz\r\n", []string{"Transfer-Encoding: chunked"}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			h := &script{}
			c := startACS(t, cwmp.ServerConfig{Handler: h, Limits: cwmp.Limits{Bytes: 1 << 20}}).cpe("192.0.2.7")
			c.wantStatus(tc.want, tc.body, tc.header...)
			if got := len(h.record()); (got > 0) != (tc.want == 200) {
				t.Errorf("%d calls of the handler with status %d", got, tc.want)
			}
		})
	}
}

func TestServerLimitsHoldBeforeAuthentication(t *testing.T) {
	a, _ := digestACS(t)
	c := a.cpe("192.0.2.7")
	if got, err := c.raw(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 20<<20)); err != nil || got.status != 413 {
		t.Errorf("got %d, %v, want 413", got.status, err)
	}
	c.wantStatus(413, compressed(t, "gzip", strings.Repeat("Inform ", 5<<18)), "Content-Encoding: gzip")
}

// Messages that are announced, or begun and not ended, cannot fill the memory.
func TestServerBodyBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := startACS(t, cwmp.ServerConfig{Handler: &script{}, Limits: cwmp.Limits{Bytes: 1 << 20}, MaxBodyBytes: 1})
		var held []net.Conn
		var wg sync.WaitGroup
		part := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 600_000)
		for range 4 {
			conn := a.cpe("192.0.2.7").dial()
			held = append(held, conn)
			wg.Go(func() { _, _ = io.WriteString(conn, part) })
		}
		synctest.Wait()
		c := a.cpe("192.0.2.8")
		c.wantStatus(503, informOf(t, "A")+strings.Repeat(" ", 900_000))
		c.inform("A") // a small one fits
		for _, conn := range held {
			_ = conn.Close()
		}
		wg.Wait()
		synctest.Wait()
		c.inform("A")
		c.wantStatus(413, strings.Repeat("<Inform>", 100)+informOf(t, "A"))
		c.inform("B")
		c.wantStatus(200, informOf(t, "B")+strings.Repeat(" ", 900_000))
		time.Sleep(time.Second) // net/http waits half a second before it closes what it refused
	})
}

// A gzip bomb costs no more memory than a message of the size that is allowed.
func TestServerGzipBombIsBounded(t *testing.T) {
	var bomb bytes.Buffer
	w, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c := startACS(t, cwmp.ServerConfig{Handler: &script{}}).cpe("192.0.2.7")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.wantStatus(413, bomb.String(), "Content-Encoding: gzip")
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("%d MiB were allocated for it, want less than 32", grown>>20)
	}
}

func TestServerExpectContinue(t *testing.T) {
	a := startACS(t, cwmp.ServerConfig{Handler: &script{}})
	c := a.cpe("192.0.2.7")
	conn := c.dial()
	defer conn.Close()
	body := informOf(t, "A")
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	buf := make([]byte, 1000)
	n, err := conn.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 100 Continue") {
		t.Fatalf("got %q, %v, want 100 Continue", buf[:n], err)
	}
	go func() { _, _ = io.WriteString(conn, body) }()
	if n, err = conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200 OK") {
		t.Fatalf("got %q, %v, want 200", buf[:n], err)
	}
}

func TestServerHTTP10(t *testing.T) {
	c := startACS(t, cwmp.ServerConfig{Handler: &script{}}).cpe("192.0.2.7")
	body := informOf(t, "A")
	got, err := c.raw(fmt.Sprintf("POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	if err != nil || got.status != 200 || !got.closes {
		t.Fatalf("got %d, closes %v, %v, want 200 and a close", got.status, got.closes, err)
	}
	if got, err = c.raw("POST / HTTP/1.0\r\nConnection: keep-alive\r\nCookie: " + c.cookie + "\r\nContent-Length: 0\r\n\r\n"); err != nil || got.status != 204 {
		t.Errorf("got %d, %v, want 204", got.status, err)
	}
}

// Without HTTPServer the cookie alone binds, and nothing breaks.
func TestServerAsPlainHandler(t *testing.T) {
	s, err := cwmp.NewServer(cwmp.ServerConfig{Handler: &script{}, Auth: cwmp.AuthNone})
	if err != nil {
		t.Fatal(err)
	}
	post := func(body, cookie string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w
	}
	first := post(informOf(t, "A"), "")
	cookie, _, _ := strings.Cut(first.Header().Get("Set-Cookie"), ";")
	if first.Code != 200 || cookie == "" {
		t.Fatalf("got %d, cookie %q, want 200 and one", first.Code, cookie)
	}
	if w := post(say(t, "1", &cwmp.GetRPCMethods{}), cookie); w.Code != 200 {
		t.Errorf("got %d, want 200", w.Code)
	}
	if w := post("", cookie); w.Code != 204 || s.Sessions() != 0 {
		t.Errorf("got %d with %d sessions, want 204 and none", w.Code, s.Sessions())
	}
}

func TestServerIsFull(t *testing.T) {
	a := startACS(t, cwmp.ServerConfig{Handler: &script{}, MaxSessions: 2})
	one, two, three := a.cpe("192.0.2.1"), a.cpe("192.0.2.2"), a.cpe("192.0.2.3")
	one.inform("A")
	two.inform("B")
	if got := three.wantStatus(503, informOf(t, "C")); got.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	one.wantStatus(204, "")
	three.inform("C")
	for i := range 20 { // what is remembered of ended ones is bounded too
		one.wantStatus([]int{503, 200}[i%2], informOf(t, "A"))
		if i%2 == 0 {
			three.wantStatus(204, "")
			three.cookie = ""
		} else {
			one.wantStatus(204, "")
			three.inform("C")
		}
	}
}

func TestServerConnectionLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := startACS(t, cwmp.ServerConfig{Handler: &script{}, MaxConnections: 5, MaxConnectionsPerAddress: 2})
		one, two, three := a.cpe("192.0.2.7"), a.cpe("192.0.2.7"), a.cpe("192.0.2.7")
		one.inform("A")
		two.inform("B")
		if _, err := three.try(informOf(t, "C")); err == nil {
			t.Error("a third connection of one address was served, want it closed")
		}
		one.hangUp()
		synctest.Wait()
		three.inform("C")
		for i := range 3 { // loopback has no limit of its own
			a.cpe("127.0.0.1").inform(fmt.Sprint("L", i))
		}
		if _, err := a.cpe("192.0.2.8").try(informOf(t, "D")); err == nil {
			t.Error("a sixth connection was served, want it closed")
		}
		if n := a.seen.count("refused connections"); n != 2 {
			t.Errorf("%d connections were refused, want 2", n)
		}
	})
}

func TestServerSlowPeers(t *testing.T) {
	drop := func(t *testing.T, begin string, drip string, within time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			a := startACS(t, cwmp.ServerConfig{Handler: &script{}})
			conn := a.cpe("192.0.2.7").dial()
			started := time.Now()
			dripped := make(chan struct{})
			go func() {
				defer close(dripped)
				_, _ = io.WriteString(conn, begin)
				for {
					time.Sleep(3 * time.Second)
					if _, err := io.WriteString(conn, drip); err != nil {
						return
					}
				}
			}()
			_, _ = io.Copy(io.Discard, conn)
			if took := time.Since(started); took > within {
				t.Errorf("dropped after %v, want %v at most", took, within)
			}
			_ = conn.Close()
			<-dripped
		})
	}
	t.Run("header", func(t *testing.T) { drop(t, "POST / HTTP/1.1\r\nHost: x\r\n", "X: y\r\n", 11*time.Second) })
	t.Run("body", func(t *testing.T) {
		drop(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "x", 62*time.Second)
	})
	t.Run("answer is not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
			var ended time.Time
			h.end = func(*cwmp.Session, cwmp.EndReason) { ended = time.Now() }
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c := a.cpe("192.0.2.7")
			c.inform("A")
			started := time.Now()
			_, _ = io.WriteString(c.conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A End write, Reboot unanswered")
			if took := ended.Sub(started); took != time.Minute {
				t.Errorf("the write was given up after %v, want 1m", took)
			}
		})
	})
	t.Run("answer is not read, and the device comes again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c, again := a.cpe("192.0.2.7"), a.cpe("192.0.2.7")
			c.inform("A")
			_, _ = io.WriteString(c.conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			synctest.Wait()
			started := time.Now()
			again.inform("A")
			if took := time.Since(started); took > time.Second {
				t.Errorf("the new session waited %v for the old one's write, want no wait", took)
			}
			h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A End write, Reboot unanswered", "A Inform")
		})
	})
	t.Run("the slow body is read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &script{}
			h.onInform = func(context.Context, *cwmp.Session, *cwmp.Inform) error { time.Sleep(20 * time.Second); return nil }
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c := a.cpe("192.0.2.7")
			conn := c.dial()
			defer conn.Close()
			body := informOf(t, "A")
			_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10])
			time.Sleep(50 * time.Second)
			_, _ = io.WriteString(conn, body[10:])
			buf := make([]byte, 100)
			if n, err := conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200 OK") {
				t.Errorf("got %q, %v, want 200", buf[:n], err)
			}
		})
	})
}

func TestServerIdleConnectionOutlivesTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &script{}
		c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
		c.noCookie = true
		c.post(message(t, &cwmp.Envelope{SessionTimeout: 300 * time.Second, Message: &cwmp.Inform{DeviceID: cwmp.DeviceID{SerialNumber: "A"}}})).envelope(t)
		time.Sleep(299 * time.Second)
		c.wantStatus(204, "")
		h.wantCalls(t, "A Inform", "A Next", "A End done")
	})
}

// A hundred devices at once: no session sees another's messages, and calls of one session never overlap.
func TestServerInterleavedSessions(t *testing.T) {
	h := &script{queue: map[string][]cwmp.Message{}}
	const devices = 100
	for i := range devices {
		h.queue[fmt.Sprint(i)] = []cwmp.Message{&cwmp.Reboot{CommandKey: fmt.Sprint("k", i)}, &cwmp.GetParameterNames{ParameterPath: fmt.Sprintf("Device.%d.", i)}}
	}
	a := startACS(t, cwmp.ServerConfig{Handler: h})
	var wg sync.WaitGroup
	for i := range devices {
		c := a.cpe("192.0.2.7")
		c.noCookie, c.onePerPost = i%3 == 0, i%3 == 1
		wg.Go(func() {
			serial := fmt.Sprint(i)
			try := func(body string) answer {
				got, err := c.try(body)
				if err != nil {
					t.Errorf("device %d: %v", i, err)
				}
				return got
			}
			try(informOf(t, serial))
			e, err := cwmp.Decode([]byte(try("").body), cwmp.DefaultLimits)
			if err != nil {
				t.Errorf("device %d: %v", i, err)
				return
			}
			if r, ok := e.Message.(*cwmp.Reboot); !ok || r.CommandKey != "k"+serial {
				t.Errorf("device %d got %+v, want its own Reboot", i, e.Message)
			}
			try(say(t, "x", &cwmp.TransferComplete{}))
			e, err = cwmp.Decode([]byte(try(say(t, e.ID, &cwmp.RebootResponse{})).body), cwmp.DefaultLimits)
			if err != nil {
				t.Errorf("device %d: %v", i, err)
				return
			}
			if r, ok := e.Message.(*cwmp.GetParameterNames); !ok || r.ParameterPath != "Device."+serial+"." {
				t.Errorf("device %d got %+v, want its own GetParameterNames", i, e.Message)
			}
			if got := try(say(t, e.ID, &cwmp.GetParameterNamesResponse{})); got.status != 204 {
				t.Errorf("device %d: status %d, want 204", i, got.status)
			}
		})
	}
	wg.Wait()
	if done := a.seen.count("ended done"); done != devices {
		t.Errorf("%d sessions ended well, want %d", done, devices)
	}
	if n := a.server.Sessions(); n != 0 {
		t.Errorf("%d sessions are open, want 0", n)
	}
}

// Many Informs of one device at once: all but the last are replaced, and each session ends once.
func TestServerInformStorm(t *testing.T) {
	h := &script{}
	a := startACS(t, cwmp.ServerConfig{Handler: h})
	var wg sync.WaitGroup
	for range 50 {
		c := a.cpe("192.0.2.7")
		wg.Go(func() {
			if _, err := c.try(informOf(t, "A")); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if n := a.server.Sessions(); n > 1 {
		t.Errorf("%d sessions of one device are open, want 1 at most", n)
	}
	live := 0
	for _, call := range h.record() {
		switch {
		case call == "A Inform":
			live++
		case strings.HasPrefix(call, "A End"):
			live--
		}
		if live > 1 || live < 0 {
			t.Fatalf("calls %q: %d sessions of one device live at a time", h.record(), live)
		}
	}
}

func TestServerOverLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "[::]:0") // IPv4 comes mapped into IPv6
	if err != nil {
		t.Skipf("no dual-stack loopback here: %v", err)
	}
	h := &script{}
	var from string
	h.onInform = func(_ context.Context, s *cwmp.Session, _ *cwmp.Inform) error {
		from = s.RemoteAddr.String()
		return nil
	}
	s, err := cwmp.NewServer(cwmp.ServerConfig{Handler: h, Auth: cwmp.AuthNone})
	if err != nil {
		t.Fatal(err)
	}
	hs := s.HTTPServer()
	served := make(chan error, 1)
	go func() { served <- hs.Serve(l) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	url := fmt.Sprintf("http://127.0.0.1:%d/any/path", l.Addr().(*net.TCPAddr).Port)
	for body, want := range map[string]int{informOf(t, "A"): 200} {
		resp, err := client.Post(url, "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want || resp.ProtoMajor != 1 {
			t.Errorf("got %d over HTTP/%d, want %d over 1", resp.StatusCode, resp.ProtoMajor, want)
		}
	}
	if from != "127.0.0.1" {
		t.Errorf("RemoteAddr %q, want 127.0.0.1", from)
	}
	_ = hs.Close()
	<-served
}

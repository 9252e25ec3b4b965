package cwmp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
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

package app_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/cwmp"
)

// trap is a listener that must never be called, or answers whoever calls it.
type trap struct {
	address string
	calls   atomic.Int64
}

// newTrap listens at an address until the test's end; answer, where given, deals with each connection.
func newTrap(t *testing.T, host string, answer func(net.Conn)) *trap {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	tr := &trap{address: l.Addr().String()}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			tr.calls.Add(1)
			all.Go(func() {
				defer conn.Close()
				_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
				if answer != nil {
					answer(conn)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return tr
}

func (tr *trap) port() string { _, p, _ := net.SplitHostPort(tr.address); return p }

// ringAttacks are ConnectionRequestURLs that point elsewhere, and replies to connection requests.
func (a *siege) ringAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){"urls": a.ringURLs, "replies": a.ringReplies}
}

// ring has devices that report URLs be rung, all at once, and returns what came of each.
func ring(t *testing.T, s *server, token string, urls map[string]string, inform func(serial, params string)) map[string]wire.Ring {
	t.Helper()
	asked := map[string]string{}
	for serial, url := range urls {
		inform(serial, parameter("InternetGatewayDevice.ManagementServer.ConnectionRequestURL", strings.ReplaceAll(url, "&", "&amp;")))
		var receipt wire.Receipt
		if code := s.call(http.MethodPost, "/api/v1/devices/reboot", token, wire.RebootRequest{RouterID: serial}, &receipt); code != http.StatusAccepted {
			t.Fatalf("reboot of %s: got %d, want 202", serial, code)
		}
		asked[serial] = receipt.Protocolo
	}
	rings := map[string]wire.Ring{}
	for serial, p := range asked {
		eventually(t, 20*time.Second, "a connection request to "+serial+" at "+urls[serial], func() bool {
			var got wire.Protocol
			if code := s.call(http.MethodGet, "/api/v1/protocols/"+p, token, nil, &got); code != http.StatusOK {
				t.Fatalf("protocol: got %d, want 200", code)
			}
			if got.Ring == nil {
				return false
			}
			rings[serial] = *got.Ring
			if got.Final() || got.SentAt != nil {
				t.Errorf("reboot of %s: got %s, want it open and unsent", serial, got.Status)
			}
			return true
		})
	}
	return rings
}

// informer has devices of the siege call in from one address.
func (a *siege) informer(t *testing.T, source string) func(serial, params string) {
	return func(serial, params string) {
		r := a.newRogue(t, source, "fleet", secretCPE)
		id := cwmp.DeviceID{OUI: "00259E", ProductClass: "Ring", SerialNumber: serial}
		if got := r.login(informOf(id, "2 PERIODIC", "", params)); got.method() != "InformResponse" {
			t.Fatalf("Inform of %s: got %d %.200s", serial, got.status, got.body)
		}
		r.post("")
	}
}

func (a *siege) ringURLs(t *testing.T) {
	elsewhere := newTrap(t, "127.0.6.99", nil)
	urls := map[string]string{
		"other-host": "http://" + elsewhere.address + "/", "by-name": "http://localhost:" + elsewhere.port() + "/", "own-api": a.s.APIURL + "/", "own-cwmp": a.s.CWMPURL + "/",
		"metadata": "http://169.254.169.254/latest/meta-data/", "azure": "http://168.63.129.16/", "private": "http://10.0.0.1:7547/", "mapped": "http://[::ffff:127.0.6.99]:" + elsewhere.port() + "/",
		"six": "http://[::1]:" + elsewhere.port() + "/", "metadata6": "http://[fd00:ec2::254]/", "nat64": "http://[64:ff9b::a9fe:a9fe]/", "all": "http://0.0.0.0:" + elsewhere.port() + "/",
		"https": "https://" + elsewhere.address + "/", "file": "file:///etc/passwd", "gopher": "gopher://" + elsewhere.address + "/", "user": "http://127.0.6.1@" + elsewhere.address + "/",
		"split": "http://127.0.6.1\r\nX: y:80/", "zone": "http://[fe80::1%25lo]:80/",
	}
	for serial, got := range ring(t, a.s, a.rogue.Token, urls, a.informer(t, "127.0.6.1")) {
		want := "forbidden"
		switch serial {
		case "https", "file", "gopher", "user", "split", "zone":
			want = "bad_url"
		}
		if got.Result != want {
			t.Errorf("ring %s: got %s, want %s", urls[serial], got.Result, want)
		}
	}
	if n := elsewhere.calls.Load(); n != 0 {
		t.Errorf("a host that is not the device's was called %d times, want never", n)
	}
}

// ringReplies answers connection requests as no device should. Each is bounded by 5 s.
func (a *siege) ringReplies(t *testing.T) {
	elsewhere := newTrap(t, "127.0.6.98", nil)
	write := func(text string, n int, pause time.Duration) func(net.Conn) {
		return func(c net.Conn) {
			buf := make([]byte, 4096)
			_, _ = c.Read(buf) // the request
			for range n {
				if _, err := c.Write([]byte(text)); err != nil {
					return
				}
				if pause > 0 {
					<-time.After(pause)
				}
			}
		}
	}
	challenge := "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n"
	urls, want, traps := map[string]string{}, map[string]string{}, map[string]*trap{}
	for serial, x := range map[string]struct {
		answer func(net.Conn)
		want   string
	}{
		"redirect":     {write("HTTP/1.1 302 Found\r\nLocation: http://"+elsewhere.address+"/\r\nContent-Length: 0\r\n\r\n", 1, 0), "bad_answer"},
		"to-metadata":  {write("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://169.254.169.254/\r\n\r\n", 1, 0), "bad_answer"},
		"flood-head":   {write("HTTP/1.1 200 OK\r\n"+repeat("X-Flood: "+repeat("f", 1000)+"\r\n", 1000), 20, 0), "bad_answer"},
		"flood-line":   {write(repeat("f", 100_000), 200, 0), "bad_answer"},
		"garbage":      {write("\x00\x01\xff{{{\r\n\r\n", 1, 0), "bad_answer"},
		"interim":      {write("HTTP/1.1 100 Continue\r\n\r\n", 1000, 0), "bad_answer"},
		"hang":         {func(c net.Conn) { _, _ = c.Read(make([]byte, 4096)); _, _ = c.Read(make([]byte, 1)) }, "timeout"},
		"drip":         {write("H", 1000, 100*time.Millisecond), "timeout"},
		"reset":        {func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) }, "reset"},
		"no-password":  {write(challenge, 1, 0), "no_password"},
		"bad-scheme":   {write("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Evil x=y\r\n\r\n", 1, 0), "bad_challenge"},
		"basic":        {write("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n", 1, 0), "basic_only"},
		"endless-body": {write("HTTP/1.1 500 No\r\n\r\n"+repeat("b", 100_000), 100, 0), "bad_answer"},
	} {
		traps[serial] = newTrap(t, "127.0.6.2", x.answer)
		urls[serial], want[serial] = "http://"+traps[serial].address+"/", x.want
	}
	began := time.Now()
	for serial, got := range ring(t, a.s, a.rogue.Token, urls, a.informer(t, "127.0.6.2")) {
		if got.Result != want[serial] {
			t.Errorf("reply %s: got %s (%d), want %s", serial, got.Result, got.HTTPStatus, want[serial])
		}
		if n := traps[serial].calls.Load(); n < 1 || n > 3 {
			t.Errorf("reply %s: the device was called %d times, want 1 to 3", serial, n)
		}
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("all replies took %v, want each bounded by 5 s", took)
	}
	if n := elsewhere.calls.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times, want never", n)
	}
}

// TestHostileRingsWithoutDev rings loopback addresses of a server that is not under --dev: never.
func TestHostileRingsWithoutDev(t *testing.T) {
	cfg := devConfig()
	cfg.Dev, cfg.CWMPAuth = false, "none"
	cfg.ProvisionConnectionRequest = false
	s := start(t, cfg)
	own := newTrap(t, "127.0.7.1", nil)
	a := &siege{t: t, s: s}
	urls := map[string]string{
		"source": "http://" + own.address + "/", "localhost": "http://localhost:" + own.port() + "/", "short": "http://127.1:" + own.port() + "/",
		"decimal": "http://2130708225:" + own.port() + "/", "private": "http://192.168.0.1/", "metadata": "http://169.254.169.254/", "api": s.APIURL, "mapped": "http://[::ffff:7f00:701]:" + own.port() + "/",
	}
	inform := func(serial, params string) {
		r := a.newRogue(t, "127.0.7.1", "", "")
		if got := r.post(informOf(cwmp.DeviceID{OUI: "00259E", ProductClass: "Ring", SerialNumber: serial}, "2 PERIODIC", "", params)); got.method() != "InformResponse" {
			t.Fatalf("Inform of %s: got %d %.200s", serial, got.status, got.body)
		}
		r.post("")
	}
	for serial, got := range ring(t, s, adminToken, urls, inform) {
		// Forms that only some resolvers read as addresses are names here, and resolve to nothing or to what is refused.
		if got.Result != "forbidden" && !(got.Result == "dns" && (serial == "short" || serial == "decimal")) {
			t.Errorf("ring %s: got %s, want forbidden", urls[serial], got.Result)
		}
	}
	if n := own.calls.Load(); n != 0 {
		t.Errorf("loopback was called %d times, want never", n)
	}
	if t.Failed() {
		t.Log(fmt.Sprint(s.logs))
	}
}

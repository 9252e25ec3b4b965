package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs/wire"
	"recado/cmd/internal/app"
	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

const apiAddr = nodeHost + ":8080"

// inside is an App in a synctest bubble, on a network in memory.
type inside struct {
	t    *testing.T
	net  *cwmptest.Network
	http *http.Client
}

// withinApp runs a story with an App that is set otherwise than by default.
func withinApp(t *testing.T, set func(*app.Config), story func(in *inside)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		in := &inside{t: t, net: cwmptest.NewNetwork()}
		cfg := devConfig()
		set(&cfg)
		opts := app.Options{}
		for to, at := range map[*net.Listener]string{&opts.APIListener: apiAddr, &opts.CWMPListener: cwmpAddr} {
			var err error
			if *to, err = in.net.Listen(at); err != nil {
				t.Fatal(err)
			}
		}
		a, err := app.New(cfg, opts)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{DialContext: in.net.From(netip.MustParseAddr("10.1.0.1")).DialContext}
		in.http = &http.Client{Transport: transport, Jar: jar}
		story(in)
		transport.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v, want nil", err)
		}
	})
}

// send makes a request with the admin's token and gives the status and the body.
func (in *inside) send(method, url, body string) (int, string) {
	in.t.Helper()
	r, err := http.NewRequest(method, "http://"+url, strings.NewReader(body))
	if err != nil {
		in.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", "application/json")
	if strings.HasPrefix(url, cwmpAddr) {
		r.Header.Del("Authorization")
		r.Header.Set("Content-Type", "text/xml")
	}
	res, err := in.http.Do(r)
	if err != nil {
		in.t.Fatalf("%s %s: %v", method, url, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		in.t.Fatalf("%s %s: %v", method, url, err)
	}
	return res.StatusCode, string(text)
}

// stall sends half a request and tells how long the server bears with it.
func (in *inside) stall(addr, head string) time.Duration {
	in.t.Helper()
	conn, err := in.net.From(netip.MustParseAddr("10.1.0.2")).DialContext(context.Background(), "tcp", addr)
	if err != nil {
		in.t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	if _, err := io.WriteString(conn, head+"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		in.t.Fatal(err)
	}
	_, _ = conn.Read(make([]byte, 1)) // an answer or the end
	return time.Since(start)
}

func TestMessageTimeoutIsSet(t *testing.T) {
	withinApp(t, func(c *app.Config) { c.CWMPMessageTimeout = 7 * time.Second }, func(in *inside) {
		if got := in.stall(cwmpAddr, "POST / HTTP/1.1\r\nHost: x\r\n"); got != 7*time.Second {
			t.Errorf("half a message: borne for %v, want 7s", got)
		}
	})
}

func TestAPIReadTimeoutIsSet(t *testing.T) {
	withinApp(t, func(c *app.Config) { c.APIReadTimeout = 7 * time.Second }, func(in *inside) {
		head := "POST /api/v1/devices/reboot HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + adminToken + "\r\n"
		if got := in.stall(apiAddr, head); got != 7*time.Second {
			t.Errorf("half a request: borne for %v, want 7s", got)
		}
	})
}

func TestAPIMaxWaitIsSet(t *testing.T) {
	withinApp(t, func(c *app.Config) { c.APIMaxWait = 7 * time.Second }, func(in *inside) {
		if code, body := in.send(http.MethodPut, apiAddr+"/api/v1/devices/00259E-R-1", `{}`); code != http.StatusCreated {
			t.Fatalf("put device: got %d %s, want 201", code, body)
		}
		code, body := in.send(http.MethodPost, apiAddr+"/api/v1/devices/reboot", `{"router_id": "00259E-R-1"}`)
		var receipt wire.Receipt
		if err := json.Unmarshal([]byte(body), &receipt); err != nil || code != http.StatusAccepted {
			t.Fatalf("reboot: got %d %s, want 202", code, body)
		}
		start := time.Now()
		code, _ = in.send(http.MethodGet, apiAddr+receipt.StatusURL+"?wait=60s", "")
		if took := time.Since(start); code != http.StatusOK || took != 7*time.Second {
			t.Errorf("wait=60s: got %d after %v, want 200 after 7s", code, took)
		}
	})
}

// TestSessionTimeoutsAreSet has devices that call in and say no more: one takes the server's time, one wishes for much more.
func TestSessionTimeoutsAreSet(t *testing.T) {
	inform := informOf(cwmp.DeviceID{Manufacturer: "Made", OUI: "00259E", ProductClass: "R", SerialNumber: "1"}, "2 PERIODIC", "", "")
	wish := strings.Replace(inform, "</soap:Header>", "<cwmp:SessionTimeout>3000</cwmp:SessionTimeout></soap:Header>", 1)
	wish = strings.Replace(wish, "cwmp-1-0", "cwmp-1-3", 1)
	for _, tc := range []struct {
		name, inform string
		want         time.Duration
	}{{"the server's", inform, 20 * time.Second}, {"the device's wish", wish, 50 * time.Second}} {
		t.Run(tc.name, func(t *testing.T) {
			set := func(c *app.Config) { c.CWMPSessionTimeout, c.CWMPMaxSessionTimeout = 20*time.Second, 50*time.Second }
			withinApp(t, set, func(in *inside) {
				if code, body := in.send(http.MethodPost, cwmpAddr+"/", tc.inform); code != http.StatusOK {
					t.Fatalf("Inform: got %d %s, want 200", code, body)
				}
				time.Sleep(tc.want - time.Second)
				if got := in.openSessions(); got != "1" {
					t.Errorf("open sessions a second before %v: got %s, want 1", tc.want, got)
				}
				time.Sleep(3 * time.Second)
				if got := in.openSessions(); got != "0" {
					t.Errorf("open sessions two seconds after %v: got %s, want 0", tc.want, got)
				}
			})
		})
	}
}

func (in *inside) openSessions() string {
	in.t.Helper()
	_, text := in.send(http.MethodGet, apiAddr+"/metrics", "")
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(line, "recado_cwmp_sessions_open "); ok {
			return strings.TrimSpace(n)
		}
	}
	return "none told"
}

// TestMessageLimitsAreSet sends messages that the default limits let pass.
func TestMessageLimitsAreSet(t *testing.T) {
	id := cwmp.DeviceID{Manufacturer: "Made", OUI: "00259E", ProductClass: "R", SerialNumber: "1"}
	inform := func(params string) string { return informOf(id, "2 PERIODIC", "", params) }
	deep := strings.Replace(inform(""), "<cwmp:ID", strings.Repeat("<x>", 30)+strings.Repeat("</x>", 30)+"<cwmp:ID", 1)
	for _, tc := range []struct {
		name, message string
		set           func(*app.Config)
		want          int
	}{
		{"body", inform(parameter("Device.X", strings.Repeat("x", 65<<10))), func(c *app.Config) { c.CWMPMaxBody = 64 * app.KiB }, 413},
		{"depth", deep, func(c *app.Config) { c.CWMPMaxDepth = 16 }, 413},
		{"elements", inform(strings.Repeat(parameter("Device.X", ""), 400)), func(c *app.Config) { c.CWMPMaxElements = 1000 }, 413},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for what, with := range map[string]struct {
				set  func(*app.Config)
				want int
			}{"default": {func(*app.Config) {}, http.StatusOK}, "set": {tc.set, tc.want}} {
				withinApp(t, with.set, func(in *inside) {
					if code, body := in.send(http.MethodPost, cwmpAddr+"/", tc.message); code != with.want {
						t.Errorf("%s limit: got %d %.300s, want %d", what, code, body, with.want)
					}
				})
			}
		})
	}
}

// known has a device call in with the URL for its connection requests, and end its session.
func (s *server) known(serial, url string) string {
	s.t.Helper()
	id := cwmp.DeviceID{Manufacturer: "Made", OUI: "00259E", ProductClass: "R", SerialNumber: serial}
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &http.Client{Jar: jar}
	inform := informOf(id, "2 PERIODIC", "", parameter("InternetGatewayDevice.ManagementServer.ConnectionRequestURL", url))
	for i, body := range []string{inform, ""} {
		res, err := c.Post(s.CWMPURL, "text/xml", strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body) // so that the connection can be used again
		_ = res.Body.Close()
		if want := []int{http.StatusOK, http.StatusNoContent}[i]; res.StatusCode != want {
			s.t.Fatalf("message %d of device %s: got %d, want %d", i+1, serial, res.StatusCode, want)
		}
	}
	return id.Key()
}

// ring asks for a reboot of each device and gives their last connection requests, once there are some.
func (s *server) ring(devices ...string) []wire.Ring {
	s.t.Helper()
	for _, id := range devices {
		if code := s.call(http.MethodPost, "/api/v1/devices/reboot", adminToken, map[string]string{"router_id": id}, nil); code != http.StatusAccepted {
			s.t.Fatalf("reboot of %s: got %d, want 202", id, code)
		}
	}
	rings := make([]wire.Ring, len(devices))
	for i, id := range devices {
		eventually(s.t, 10*time.Second, "a connection request to "+id, func() bool {
			var d wire.Device
			s.call(http.MethodGet, "/api/v1/devices/"+id, adminToken, nil, &d)
			if d.ConnectionRequest.Last == nil {
				return false
			}
			rings[i] = *d.ConnectionRequest.Last
			return true
		})
	}
	return rings
}

func TestConnectionRequestIntervalIsSet(t *testing.T) {
	cfg := devConfig()
	cfg.ProvisionConnectionRequest, cfg.ConnectionRequestInterval = false, 70*time.Second
	s := start(t, cfg)
	closed := listener(t)
	closed.Close()
	got := s.ring(s.known("1", "http://"+closed.Addr().String()+"/"))[0]
	if got.Result != string(cwmp.RequestRefused) || got.NextAt == nil {
		t.Fatalf("connection request: got %+v, want it refused, and another one later", got)
	}
	if wait := time.Time(*got.NextAt).Sub(time.Time(got.At)); wait < 70*time.Second || wait > 77*time.Second {
		t.Errorf("the next one: after %v, want 70 s and up to a tenth more", wait)
	}
}

// deafDoor takes connections and never answers.
type deafDoor struct {
	net.Listener
	lasted chan time.Duration
}

func newDeafDoor(t *testing.T) *deafDoor {
	d := &deafDoor{Listener: listener(t), lasted: make(chan time.Duration, 16)}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := d.Accept()
			if err != nil {
				return
			}
			start := time.Now()
			wg.Go(func() {
				_, _ = io.Copy(io.Discard, c) // until the server gives up
				d.lasted <- time.Since(start)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = d.Close(); wg.Wait() })
	return d
}

func TestConnectionRequestTimeoutIsSet(t *testing.T) {
	cfg := devConfig()
	cfg.ProvisionConnectionRequest, cfg.ConnectionRequestTimeout = false, 500*time.Millisecond
	door := newDeafDoor(t)
	s := start(t, cfg)
	got := s.ring(s.known("1", "http://"+door.Addr().String()+"/"))[0]
	if lasted := <-door.lasted; got.Result != string(cwmp.RequestTimeout) || lasted < 400*time.Millisecond || lasted > 4*time.Second {
		t.Errorf("connection request: got %s after %v, want timeout after 500 ms", got.Result, lasted)
	}
}

// doorman answers no request before all have come, or a while has passed in which they could. It counts those that wait.
type doorman struct {
	mu            sync.Mutex
	waiting, most int
	all           int
	come          chan struct{} // closed when all wait
	patience      time.Duration
}

func (d *doorman) ServeHTTP(http.ResponseWriter, *http.Request) {
	d.mu.Lock()
	if d.waiting++; d.waiting == d.all {
		close(d.come)
	}
	d.most = max(d.most, d.waiting)
	d.mu.Unlock()
	select {
	case <-d.come:
	case <-time.After(d.patience):
	}
	// Before the answer leaves, so that whoever comes after it is not counted with this one.
	d.mu.Lock()
	d.waiting--
	d.mu.Unlock()
}

func TestConnectionRequestParallelIsSet(t *testing.T) {
	for parallel, patience := range map[int]time.Duration{1: 300 * time.Millisecond, 3: 20 * time.Second} {
		cfg := devConfig()
		cfg.ProvisionConnectionRequest, cfg.ConnectionRequestTimeout, cfg.ConnectionRequestParallel = false, 30*time.Second, parallel
		door := &doorman{all: 3, come: make(chan struct{}), patience: patience}
		srv := httptest.NewServer(door)
		t.Cleanup(srv.Close)
		s := start(t, cfg)
		var devices []string
		for _, serial := range []string{"1", "2", "3"} {
			devices = append(devices, s.known(serial, srv.URL+"/"+serial))
		}
		s.ring(devices...)
		door.mu.Lock()
		if door.most != parallel {
			t.Errorf("connection requests at a time: got %d, want %d", door.most, parallel)
		}
		door.mu.Unlock()
	}
}

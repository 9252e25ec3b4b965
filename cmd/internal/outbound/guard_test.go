package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"recado/cmd/internal/outbound"
)

// names is a resolver that answers from a script: the n-th lookup of a host gives the n-th answer, then the last one again.
type names struct {
	mu      sync.Mutex
	answers map[string][][]string
	asked   map[string]int
}

func (n *names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	script, ok := n.answers[host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if n.asked == nil {
		n.asked = map[string]int{}
	}
	i := min(n.asked[host], len(script)-1)
	n.asked[host]++
	var addrs []netip.Addr
	for _, a := range script[i] {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	return addrs, nil
}

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, t := range texts {
		list = append(list, netip.MustParsePrefix(t))
	}
	return list
}

func newGuard(t testing.TB, cfg outbound.GuardConfig) *outbound.Guard {
	t.Helper()
	if cfg.Resolver == nil {
		cfg.Resolver = &names{answers: map[string][][]string{
			"public.example":   {{"93.184.215.14"}},
			"public6.example":  {{"2606:2800:21f:cb07:6820:80da:af6b:8b2c"}},
			"loop.example":     {{"127.0.0.1"}},
			"localhost":        {{"127.0.0.1", "::1"}},
			"mixed.example":    {{"93.184.215.14", "10.0.0.1"}},
			"mixed6.example":   {{"93.184.215.14", "fd00::1"}},
			"meta.example":     {{"169.254.169.254"}},
			"inside.example":   {{"10.1.2.3"}},
			"xn--bcher-kva.de": {{"93.184.215.14"}},
		}}
	}
	g, err := outbound.NewGuard(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var errOther = errors.New("a sentinel of the caller's")

func TestCheckURLRefuses(t *testing.T) {
	g := newGuard(t, outbound.GuardConfig{Refused: errOther})
	for _, tc := range []struct{ url, want string }{
		{"http://public.example/", "want https://"},
		{"ftp://public.example/", "want https://"},
		{"javascript:alert(1)", "want https://"},
		{"//public.example/", "want https://"},
		{"public.example", "want https://"},
		{"", "want https://"},
		{"https:", "no host"},
		{"https://", "no host"},
		{"https:public.example", "no host"},
		{"https:///path", "no host"},
		{"https://user@public.example/", "user name"},
		{"https://user:pw@public.example/", "user name"},
		{"https://public.example@127.0.0.1/", "user name"},
		{"https://public.example/#x", "fragment"},
		{"https://public.example/#", "fragment"},
		{"https://bücher.de/", "ASCII"},
		{"https://ⓔxample.com/", "ASCII"},
		{"https://127。0。0。1/", "ASCII"},
		{"https://public.example/ä", "ASCII"},
		{"https://public.example\\@127.0.0.1/", "backslash"},
		{"https://public.example/a b", "blank"},
		{"https://public.example/\r\nX: y", "control"},
		{"https://public.example/\x00", "control"},
		{"https://public.example/%zz", "cannot be read"},
		{"https://%31%32%37.0.0.1/", "cannot be read"},
		{"https://public.example:port/", "cannot be read"},
		{"https://public.example:0/", "port"},
		{"https://public.example:65536/", "port"},
		{"https://public.example:/", "port is empty"},
		{"https://public.example:22/", "port 22 is not allowed; want one of 443, 8443"},
		{"https://public.example:80/", "port 80"},
		{"https://public.example./", "dot"},
		{"https://.public.example/", "dot"},
		{"https://public..example/", "dot"},
		{"https://127.0.0.1./", "dot"},
		{"https://" + strings.Repeat("a", 64) + ".example/", "63"},
		{"https://" + strings.Repeat("a.", 130) + "example/", "253"},
		{"https://public.example/" + strings.Repeat("a", 2048), "2048"},
		{"https://a*b.example/", "letters"},
		// Numbers in every form that some resolver takes for an address.
		{"https://2130706433/", "number"},
		{"https://0x7f000001/", "number"},
		{"https://0X7F000001/", "number"},
		{"https://017700000001/", "number"},
		{"https://0177.0.0.1/", "number"},
		{"https://0x7f.0.0.1/", "number"},
		{"https://127.1/", "number"},
		{"https://127.0.1/", "number"},
		{"https://127.0.0.01/", "number"},
		{"https://127.0.0.0x1/", "number"},
		{"https://256.256.256.256/", "number"},
		{"https://1.2.3.4.5/", "number"},
		{"https://public.example.0x/", "number"},
		{"https://0/", "number"},
		// Literals.
		{"https://127.0.0.1/", "no public address"},
		{"https://127.0.0.66:8443/", "no public address"},
		{"https://0.0.0.0/", "unspecified"},
		{"https://10.0.0.1/", "no public address"},
		{"https://172.16.0.1/", "no public address"},
		{"https://192.168.0.1/", "no public address"},
		{"https://100.64.0.1/", "no public address"},
		{"https://192.0.2.1/", "no public address"},
		{"https://198.18.0.1/", "no public address"},
		{"https://198.51.100.1/", "no public address"},
		{"https://203.0.113.1/", "no public address"},
		{"https://240.0.0.1/", "no public address"},
		{"https://255.255.255.255/", "broadcast"},
		{"https://224.0.0.1/", "multicast"},
		{"https://169.254.169.254/latest/meta-data/", "link-local"},
		{"https://168.63.129.16/", "metadata"},
		{"https://100.100.100.200/", "metadata"},
		{"https://192.0.0.192/", "metadata"},
		{"https://[::]/", "unspecified"},
		{"https://[::1]/", "no public address"},
		{"https://[::127.0.0.1]/", "loopback"},
		{"https://[::ffff:127.0.0.1]/", "IPv4"},
		{"https://[::ffff:7f00:1]/", "IPv4"},
		{"https://[::ffff:93.184.215.14]/", "IPv4"},
		{"https://[64:ff9b::7f00:1]/", "loopback"},
		{"https://[64:ff9b::a9fe:a9fe]/", "link-local"},
		{"https://[64:ff9b::a00:1]/", "no public address"},
		{"https://[64:ff9b:1::a9fe:a9fe]/", "link-local"},
		{"https://[2002:7f00:1::]/", "loopback"},
		{"https://[2002:a9fe:a9fe::1]/", "link-local"},
		{"https://[2002:a00:1::1]/", "no public address"},
		{"https://[2001::1]/", "no public address"},
		{"https://[2001:db8::1]/", "no public address"},
		{"https://[fe80::1]/", "link-local"},
		{"https://[fe80::1%25eth0]/", "zone"},
		{"https://[fc00::1]/", "no public address"},
		{"https://[fd00:ec2::254]/", "metadata"},
		{"https://[ff02::1]/", "multicast"},
		{"https://[1.2.3.4]/", "cannot be read"},
		{"https://[public.example]/", "cannot be read"},
		{"https://::1/", "cannot be read"},
		// Names.
		{"https://localhost/", "no public address"},
		{"https://LOOP.example/", "no such host"},
		{"https://loop.example/", "no public address"},
		{"https://mixed.example/", "10.0.0.1"},
		{"https://mixed6.example/", "fd00::1"},
		{"https://meta.example/", "link-local"},
		{"https://unknown.example/", "no such host"},
	} {
		t.Run(tc.url[:min(len(tc.url), 60)], func(t *testing.T) {
			err := g.CheckURL(t.Context(), tc.url)
			if !errors.Is(err, outbound.ErrRefused) || !errors.Is(err, errOther) {
				t.Fatalf("CheckURL: got %v, want a refusal that is both sentinels", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("CheckURL: got %q, want it to say %q", err, tc.want)
			}
		})
	}
}

func TestCheckURLAccepts(t *testing.T) {
	g := newGuard(t, outbound.GuardConfig{})
	for _, u := range []string{
		"https://public.example/hook?key=1", "https://public.example", "https://public.example:443/", "https://public.example:8443/",
		"https://public6.example/", "https://93.184.215.14/", "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]:8443/x",
		"HTTPS://public.example/", "https://xn--bcher-kva.de/%C3%A4",
	} {
		if err := g.CheckURL(t.Context(), u); err != nil {
			t.Errorf("CheckURL(%s): got %v, want nil", u, err)
		}
	}
}

func TestCheckURLNeverShowsTheQuery(t *testing.T) {
	g := newGuard(t, outbound.GuardConfig{})
	for _, u := range []string{
		"http://public.example/?k=MARKER", "https://10.0.0.1/?k=MARKER", "https://public.example/%zz?k=MARKER", "https://u:MARKER@public.example/",
		"https://public.example/ ?k=MARKER", "https://public.example:99/?k=MARKER", "https://unknown.example/?k=MARKER",
	} {
		err := g.CheckURL(t.Context(), u)
		if err == nil || strings.Contains(err.Error(), "MARKER") {
			t.Errorf("CheckURL(%s): got %v, want a refusal without the query", u, err)
		}
	}
}

func TestAllowedNetworks(t *testing.T) {
	strict := outbound.GuardConfig{AllowCIDR: prefixes("10.0.0.0/8", "fd00::/8", "169.254.0.0/16", "100.64.0.0/10", "64:ff9b::/96", "127.0.0.0/8")}
	plain := strict
	plain.AllowHTTP = true
	dev := outbound.GuardConfig{Dev: true}
	for _, tc := range []struct {
		name string
		cfg  outbound.GuardConfig
		url  string
		ok   bool
	}{
		{"any port", strict, "https://10.1.2.3:9999/", true},
		{"by name", strict, "https://inside.example:9999/", true},
		{"IPv6", strict, "https://[fd00::1]/", true},
		{"loopback by name of the network", strict, "https://127.0.0.1:8443/", true},
		{"outside", strict, "https://192.168.1.1/", false},
		{"plain HTTP not asked for", strict, "http://10.1.2.3/", false},
		{"link-local stays refused", strict, "https://169.254.169.254/", false},
		{"metadata stays refused", strict, "https://100.100.100.200/", false},
		{"metadata IPv6 stays refused", strict, "https://[fd00:ec2::254]/", false},
		{"metadata by NAT64 stays refused", strict, "https://[64:ff9b::a9fe:a9fe]/", false},
		{"loopback by NAT64 stays refused", strict, "https://[64:ff9b::7f00:1]/", false},
		{"plain HTTP", plain, "http://10.1.2.3:8080/", true},
		{"plain HTTP by name", plain, "http://inside.example/", true},
		{"plain HTTP to a public address", plain, "http://public.example/", false},
		{"plain HTTP to a public address on 443", plain, "http://public.example:443/", false},
		{"dev loopback", dev, "http://127.0.0.1:1234/", true},
		{"dev localhost", dev, "http://localhost:1234/", true},
		{"dev IPv6 loopback", dev, "http://[::1]:1234/", true},
		{"dev public", dev, "https://public.example/", true},
		{"dev plain HTTP to a public address", dev, "http://public.example/", false},
		{"dev private", dev, "https://10.0.0.1/", false},
		{"dev metadata", dev, "http://169.254.169.254/", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := newGuard(t, tc.cfg).CheckURL(t.Context(), tc.url)
			if (err == nil) != tc.ok {
				t.Errorf("CheckURL(%s): got %v, want accepted=%t", tc.url, err, tc.ok)
			}
		})
	}
}

func TestNewGuardRefusesNonsense(t *testing.T) {
	for _, cfg := range []outbound.GuardConfig{{AllowHTTP: true}, {Ports: []uint16{443, 0}}} {
		if _, err := outbound.NewGuard(cfg); err == nil {
			t.Errorf("NewGuard(%+v): got no error, want one", cfg)
		}
	}
}

// canary is a receiver that must (or must not) be reached.
func canary(t *testing.T, h http.HandlerFunc) (url string, port uint16, hits *atomic.Int32) {
	t.Helper()
	hits = new(atomic.Int32)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &httptest.Server{Listener: countingListener{l, hits}, Config: &http.Server{Handler: h}}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL, l.Addr().(*net.TCPAddr).AddrPort().Port(), hits
}

type countingListener struct {
	net.Listener
	hits *atomic.Int32
}

func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.hits.Add(1)
	}
	return c, err
}

func post(ctx context.Context, c *http.Client, url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("{}"))
	if err != nil {
		return nil, err
	}
	res, err := c.Do(r)
	if err == nil {
		res.Body.Close()
	}
	return res, err
}

func TestDialRefusesRebinding(t *testing.T) {
	_, port, hits := canary(t, func(http.ResponseWriter, *http.Request) {})
	for name, script := range map[string][][]string{
		"public first, loopback second": {{"93.184.215.14"}, {"127.0.0.1"}},
		"mixed answers":                 {{"93.184.215.14"}, {"93.184.215.14", "127.0.0.1"}},
		"loopback first":                {{"93.184.215.14"}, {"127.0.0.1", "93.184.215.14"}},
		"metadata":                      {{"93.184.215.14"}, {"169.254.169.254"}},
		"mapped":                        {{"93.184.215.14"}, {"::ffff:127.0.0.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGuard(t, outbound.GuardConfig{Ports: []uint16{port}, Resolver: &names{answers: map[string][][]string{"turn.example": script}}})
			url := fmt.Sprintf("https://turn.example:%d/", port)
			if err := g.CheckURL(t.Context(), url); err != nil {
				t.Fatalf("CheckURL: got %v, want nil", err)
			}
			client := g.HTTPClient(nil)
			for range 200 {
				if _, err := post(t.Context(), client, url); !errors.Is(err, outbound.ErrRefused) {
					t.Fatalf("Post: got %v, want a refusal", err)
				}
			}
		})
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("canary was reached %d times, want 0", n)
	}
}

func TestClientChecksTheURLAgain(t *testing.T) {
	url, _, hits := canary(t, func(http.ResponseWriter, *http.Request) {})
	client := newGuard(t, outbound.GuardConfig{}).HTTPClient(nil)
	if _, err := post(t.Context(), client, url); !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("Post over plain HTTP: got %v, want a refusal", err)
	}
	if _, err := post(t.Context(), client, "https"+strings.TrimPrefix(url, "http")); !errors.Is(err, outbound.ErrRefused) {
		t.Errorf("Post to loopback: got %v, want a refusal", err)
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("canary was reached %d times, want 0", n)
	}
}

func TestClientIgnoresProxies(t *testing.T) {
	proxy, _, proxied := canary(t, func(http.ResponseWriter, *http.Request) {})
	t.Setenv("HTTP_PROXY", proxy)
	t.Setenv("HTTPS_PROXY", proxy)
	url, _, hits := canary(t, func(http.ResponseWriter, *http.Request) {})
	client := newGuard(t, outbound.GuardConfig{Dev: true}).HTTPClient(nil)
	t.Cleanup(client.CloseIdleConnections)
	if _, err := post(t.Context(), client, url); err != nil {
		t.Fatal(err)
	}
	if hits.Load() != 1 || proxied.Load() != 0 {
		t.Errorf("got %d direct and %d proxied connections, want 1 and 0", hits.Load(), proxied.Load())
	}
}

func TestClientFollowsNoRedirect(t *testing.T) {
	target, _, hits := canary(t, func(http.ResponseWriter, *http.Request) {})
	for _, code := range []int{301, 302, 303, 307, 308} {
		url, _, _ := canary(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, code) })
		client := newGuard(t, outbound.GuardConfig{Dev: true}).HTTPClient(nil)
		t.Cleanup(client.CloseIdleConnections)
		res, err := post(t.Context(), client, url)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != code {
			t.Errorf("got status %d, want the redirect %d itself", res.StatusCode, code)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("redirect's target was reached %d times, want 0", n)
	}
}

func TestClientBoundsHeaders(t *testing.T) {
	url, _, _ := canary(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Flood", strings.Repeat("a", 80<<10))
	})
	client := newGuard(t, outbound.GuardConfig{Dev: true}).HTTPClient(nil)
	if res, err := post(t.Context(), client, url); err == nil {
		t.Errorf("got status %d with 80 KiB of headers, want an error", res.StatusCode)
	}
}

func TestClientLeavesCompressionAlone(t *testing.T) {
	got := make(chan string, 1)
	url, _, _ := canary(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("Accept-Encoding") })
	client := newGuard(t, outbound.GuardConfig{Dev: true}).HTTPClient(nil)
	t.Cleanup(client.CloseIdleConnections)
	if _, err := post(t.Context(), client, url); err != nil {
		t.Fatal(err)
	}
	if e := <-got; e != "" {
		t.Errorf("Accept-Encoding: got %q, want none", e)
	}
}

func TestClientRefusesOwnListeners(t *testing.T) {
	url, port, hits := canary(t, func(http.ResponseWriter, *http.Request) {})
	for _, own := range []string{"127.0.0.1", "0.0.0.0", "::"} {
		g := newGuard(t, outbound.GuardConfig{Dev: true})
		g.SetOwn(netip.AddrPortFrom(netip.MustParseAddr(own), port))
		if _, err := post(t.Context(), g.HTTPClient(nil), url); !errors.Is(err, outbound.ErrRefused) {
			t.Errorf("listener on %s: got %v, want a refusal", own, err)
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("own listener was reached %d times, want 0", n)
	}
}

func TestClientVerifiesTLS(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	g := newGuard(t, outbound.GuardConfig{Dev: true})
	if _, err := post(t.Context(), g.HTTPClient(nil), srv.URL); err == nil || errors.Is(err, outbound.ErrRefused) {
		t.Errorf("self-signed certificate: got %v, want a TLS error", err)
	}
	trusting := g.HTTPClient(srv.Client().Transport.(*http.Transport).TLSClientConfig)
	t.Cleanup(trusting.CloseIdleConnections)
	res, err := post(t.Context(), trusting, srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	if res.ProtoMajor != 2 {
		t.Errorf("got %s, want HTTP/2", res.Proto)
	}
}

func TestDialTriesTheNextAddress(t *testing.T) {
	_, port, hits := canary(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") })
	// Nothing listens on ::1 at that port.
	g := newGuard(t, outbound.GuardConfig{Dev: true, Resolver: &names{answers: map[string][][]string{"two.example": {{"::1", "127.0.0.1"}}}}})
	client := g.HTTPClient(nil)
	t.Cleanup(client.CloseIdleConnections)
	if _, err := post(t.Context(), client, fmt.Sprintf("http://two.example:%d/", port)); err != nil {
		t.Fatalf("got %v, want the second address to answer", err)
	}
	if n := hits.Load(); n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
}

package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"recado/cmd/internal/outbound"
)

// traps listen with one port on whatever of this machine a bad answer of the resolver could lead to, and count what comes.
type traps struct {
	port               uint16
	connections, bytes atomic.Int64
	private            []netip.Addr // this machine's own that are in no public network
	listeners          []net.Listener
}

// setTraps listens with a port of 127.0.0.1, or with that of beside, which has taken that address. Other addresses are left out where the
// machine has them not: to be refused they need nobody who listens.
func setTraps(t *testing.T, beside net.Listener) *traps {
	t.Helper()
	tr := &traps{}
	if beside == nil {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		tr.catch(first)
		beside = first
	}
	tr.port = beside.Addr().(*net.TCPAddr).AddrPort().Port()
	others := []netip.Addr{netip.MustParseAddr("127.0.0.2"), netip.IPv6Loopback()}
	interfaces, _ := net.InterfaceAddrs()
	for _, i := range interfaces {
		if p, err := netip.ParsePrefix(i.String()); err == nil && p.Addr().IsPrivate() {
			tr.private = append(tr.private, p.Addr())
		}
	}
	for _, a := range append(others, tr.private...) {
		if l, err := net.Listen("tcp", netip.AddrPortFrom(a, tr.port).String()); err == nil {
			tr.catch(l)
		}
	}
	t.Cleanup(func() {
		for _, l := range tr.listeners {
			l.Close()
		}
	})
	return tr
}

func (tr *traps) catch(l net.Listener) {
	tr.listeners = append(tr.listeners, l)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tr.connections.Add(1)
			go func() {
				defer c.Close()
				n, _ := io.CopyN(io.Discard, c, 1<<10)
				tr.bytes.Add(n)
			}()
		}
	}()
}

// wantQuiet checks that nobody has come. A connection of the test's own to each trap comes after all that were made before it, and has
// been accepted once its other end is closed.
func (tr *traps) wantQuiet(t *testing.T) {
	t.Helper()
	for _, l := range tr.listeners {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatalf("the trap at %s is gone: %v", l.Addr(), err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = c.Read(make([]byte, 1))
		c.Close()
	}
	if n, own := tr.connections.Load(), int64(len(tr.listeners)); n != own || tr.bytes.Load() != 0 {
		t.Errorf("traps were reached %d times, with %d bytes, want 0 and 0", n-own, tr.bytes.Load())
	}
	tr.connections.Store(0)
}

const publicAddress = "93.184.215.14"

// badAnswers are what a name must not turn into. Some lead to a trap where the check fails to know them for what they are.
func (tr *traps) badAnswers() map[string]string {
	bad := map[string]string{
		"loopback": "127.0.0.1", "another loopback": "127.0.0.2", "loopback far off": "127.255.255.254", "IPv6 loopback": "::1",
		"mapped loopback": "::ffff:127.0.0.1", "compatible loopback": "::127.0.0.1", "NAT64 loopback": "64:ff9b::7f00:1",
		"local NAT64 loopback": "64:ff9b:1::7f00:1", "6to4 loopback": "2002:7f00:1::", "unspecified": "0.0.0.0", "unspecified IPv6": "::",
		"mapped unspecified": "::ffff:0.0.0.0", "this network": "0.1.2.3",
		"private 10": "10.0.0.1", "private 172": "172.16.0.1", "private 192": "192.168.0.1", "mapped private": "::ffff:10.0.0.1",
		"NAT64 private": "64:ff9b::a00:1", "6to4 private": "2002:c0a8:1::1", "unique local": "fd00::1", "shared": "100.64.0.1",
		"metadata": "169.254.169.254", "mapped metadata": "::ffff:169.254.169.254", "NAT64 metadata": "64:ff9b::a9fe:a9fe",
		"6to4 metadata": "2002:a9fe:a9fe::1", "metadata in public space": "168.63.129.16", "shared metadata": "100.100.100.200",
		"IPv6 metadata": "fd00:ec2::254", "link-local": "fe80::1", "link-local zone": "fe80::1%lo", "multicast": "224.0.0.1",
		"IPv6 multicast": "ff02::1", "broadcast": "255.255.255.255",
	}
	for _, a := range tr.private {
		bad["this machine's "+a.String()] = a.String()
		if a.Is4() {
			bad["this machine's, mapped "+a.String()] = "::ffff:" + a.String()
		}
	}
	return bad
}

// A name that is public when the webhook is registered, and at each delivery afterwards leads elsewhere: alone, or beside a public
// address on either side of it. Every attempt is refused before a connection is made.
func TestWebhookNameTurnsAfterRegistration(t *testing.T) {
	tr := setTraps(t, nil)
	for name, bad := range tr.badAnswers() {
		for form, answer := range map[string][]string{
			"alone": {bad}, "after a public one": {publicAddress, bad}, "before a public one": {bad, publicAddress},
			"among many": {publicAddress, "8.8.8.8", "1.1.1.1", "9.9.9.9", "8.8.4.4", "1.0.0.1", "2606:4700::1111", "2606:4700::1001", "208.67.222.222", bad},
		} {
			t.Run(name+" "+form, func(t *testing.T) {
				script := &names{answers: map[string][][]string{"turn.example": {{publicAddress}, answer}}}
				g := newGuard(t, outbound.GuardConfig{Ports: []uint16{tr.port}, Refused: errOther, Resolver: script})
				hook := fmt.Sprintf("https://turn.example:%d/hook?k=MARKER", tr.port)
				if err := g.CheckURL(t.Context(), hook); err != nil {
					t.Fatalf("CheckURL: got %v, want nil: the name is public as yet", err)
				}
				client := g.HTTPClient(nil)
				for attempt := range 3 {
					wantRefused(t, fmt.Sprintf("attempt %d", attempt+1), postInTime(t, client, hook))
				}
				if got := script.asked["turn.example"]; got != 4 {
					t.Errorf("got %d lookups, want one for the registration and one for each attempt", got)
				}
				if err := g.CheckURL(t.Context(), hook); !errors.Is(err, outbound.ErrRefused) {
					t.Errorf("CheckURL afterwards: got %v, want a refusal", err)
				}
			})
		}
	}
	tr.wantQuiet(t)
}

// wantRefused checks that an error is a refusal by both sentinels, from which the class of an attempt is told, and not what a socket says.
// What it says beyond the URL, which the client puts in front, holds no query.
func wantRefused(t *testing.T, what string, err error) {
	t.Helper()
	var op *net.OpError
	if !errors.Is(err, outbound.ErrRefused) || !errors.Is(err, errOther) || errors.As(err, &op) {
		t.Errorf("%s: got %v, want a refusal that is both sentinels, before a socket is opened", what, err)
	}
	var client *url.Error
	if errors.As(err, &client) && strings.Contains(client.Err.Error(), "MARKER") {
		t.Errorf("%s: the refusal %v shows the query", what, client.Err)
	}
}

func postInTime(t *testing.T, client *http.Client, hook string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := post(ctx, client, hook)
	return err
}

// A name that goes to and fro: each attempt goes by what the name is then, not by what it was. That the good answers arrive shows that
// the others would have.
func TestWebhookNameGoesToAndFro(t *testing.T) {
	var arrived atomic.Int64
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) })}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := setTraps(t, l)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })

	good, bad := []string{"127.0.0.1"}, [][]string{{"127.0.0.2"}, {"::1"}, {"0.0.0.0"}, {"127.0.0.1", "169.254.169.254"}, {"10.0.0.1", "127.0.0.1"}}
	answers := [][]string{good} // at registration
	for _, b := range bad {
		answers = append(answers, good, b)
	}
	answers = append(answers, good)
	script := &names{answers: map[string][][]string{"turn.example": answers}}
	g := newGuard(t, outbound.GuardConfig{AllowCIDR: prefixes("127.0.0.1/32"), AllowHTTP: true, Refused: errOther, Resolver: script})
	hook := fmt.Sprintf("http://turn.example:%d/", tr.port)
	if err := g.CheckURL(t.Context(), hook); err != nil {
		t.Fatalf("CheckURL: got %v, want nil", err)
	}
	client := g.HTTPClient(nil)
	for i, a := range answers[1:] {
		err := postInTime(t, client, hook)
		client.CloseIdleConnections() // or the next attempt would need no lookup
		if slices.Equal(a, good) {
			if err != nil {
				t.Errorf("attempt %d at %v: got %v, want it to arrive", i+1, a, err)
			}
			continue
		}
		wantRefused(t, fmt.Sprintf("attempt %d at %v", i+1, a), err)
	}
	if got, want := arrived.Load(), int64(len(bad)+1); got != want {
		t.Errorf("got %d arrivals, want %d", got, want)
	}
	tr.wantQuiet(t)
}

// A kept connection goes where it was made to, and was allowed to: a name that turns meanwhile moves nothing.
func TestWebhookKeptConnectionStays(t *testing.T) {
	hook, port, hits := canary(t, func(http.ResponseWriter, *http.Request) {})
	script := &names{answers: map[string][][]string{"turn.example": {{"127.0.0.1"}, {"169.254.169.254"}}}}
	g := newGuard(t, outbound.GuardConfig{Dev: true, Refused: errOther, Resolver: script})
	client := g.HTTPClient(nil)
	t.Cleanup(client.CloseIdleConnections)
	hook = strings.Replace(hook, "127.0.0.1", "turn.example", 1)
	for range 3 {
		if err := postInTime(t, client, hook); err != nil {
			t.Fatalf("Post to port %d: got %v, want it to arrive", port, err)
		}
	}
	if hits.Load() != 1 || script.asked["turn.example"] != 1 {
		t.Errorf("got %d connections and %d lookups, want 1 and 1", hits.Load(), script.asked["turn.example"])
	}
	client.CloseIdleConnections()
	wantRefused(t, "the next connection", postInTime(t, client, hook))
}

// The name in a device's connection-request URL leads to its own address when it tells of it, and elsewhere when it is rung.
func TestDeviceNameTurnsBetweenRings(t *testing.T) {
	tr := setTraps(t, nil)
	const source = "198.51.100.7"
	for name, bad := range tr.badAnswers() {
		for form, answer := range map[string][]string{"alone": {bad}, "twice": {bad, bad}, "after a stranger": {"198.51.100.8", bad}} {
			t.Run(name+" "+form, func(t *testing.T) {
				script := &names{answers: map[string][][]string{"cpe.example": {answer, {"127.0.0.1"}}}}
				d := outbound.NewDeviceDialer(outbound.DeviceConfig{Resolver: script, Forbidden: errOther})
				for ring := range 3 {
					conn, err := d.DialDevice(t.Context(), fmt.Sprintf("cpe.example:%d", tr.port), netip.MustParseAddr(source))
					if err == nil {
						conn.Close()
					}
					wantRefused(t, fmt.Sprintf("ring %d", ring+1), err)
				}
				if got := script.asked["cpe.example"]; got != 3 {
					t.Errorf("got %d lookups, want one for each ring", got)
				}
			})
		}
	}
	tr.wantQuiet(t)
}

// Of several addresses a device is rung at its own alone, whatever order they come in, and however they change from ring to ring.
func TestDeviceNameWithOneGoodAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tr := setTraps(t, l)
	own := netip.MustParseAddr("127.0.0.1")
	answers := [][]string{
		{"127.0.0.2", "127.0.0.1"},
		{"127.0.0.2"},
		{"::1", "169.254.169.254", "::ffff:127.0.0.1"},
		{"::1", "0.0.0.0", "::"},
		{"127.0.0.1", "10.0.0.1"},
		{"::127.0.0.1", "64:ff9b::7f00:1"},
	}
	d := outbound.NewDeviceDialer(outbound.DeviceConfig{
		Dev: true, Forbidden: errOther, Resolver: &names{answers: map[string][][]string{"cpe.example": answers}},
	})
	for ring, a := range answers {
		conn, err := d.DialDevice(t.Context(), fmt.Sprintf("cpe.example:%d", tr.port), own)
		if !slices.Contains(a, "127.0.0.1") && !slices.Contains(a, "::ffff:127.0.0.1") {
			if err == nil {
				conn.Close()
			}
			wantRefused(t, fmt.Sprintf("ring %d at %v", ring+1, a), err)
			continue
		}
		if err != nil {
			t.Errorf("ring %d at %v: got %v, want a connection", ring+1, a, err)
			continue
		}
		if got := conn.RemoteAddr().(*net.TCPAddr).AddrPort(); got != netip.AddrPortFrom(own, tr.port) {
			t.Errorf("ring %d at %v: connected to %s, want %s", ring+1, a, got, netip.AddrPortFrom(own, tr.port))
		}
		conn.Close()
	}
	tr.wantQuiet(t)
}

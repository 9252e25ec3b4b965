package outbound_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"recado/cmd/internal/outbound"
)

func TestDialDeviceRefuses(t *testing.T) {
	all := prefixes("0.0.0.0/0", "::/0")
	for _, tc := range []struct {
		name, address, source string
		cfg                   outbound.DeviceConfig
	}{
		{"another address", "198.51.100.9:7547", "198.51.100.1", outbound.DeviceConfig{}},
		{"private address", "10.0.0.1:7547", "198.51.100.1", outbound.DeviceConfig{}},
		{"outside the allowed", "10.2.0.1:7547", "198.51.100.1", outbound.DeviceConfig{AllowCIDR: prefixes("10.1.0.0/16")}},
		{"loopback as source", "127.0.0.1:7547", "127.0.0.1", outbound.DeviceConfig{}},
		{"loopback allowed by network", "127.0.0.1:7547", "127.0.0.1", outbound.DeviceConfig{AllowCIDR: all}},
		{"IPv6 loopback", "[::1]:7547", "::1", outbound.DeviceConfig{AllowCIDR: all}},
		{"mapped loopback", "[::ffff:127.0.0.1]:7547", "198.51.100.1", outbound.DeviceConfig{AllowCIDR: all}},
		{"metadata", "169.254.169.254:80", "169.254.169.254", outbound.DeviceConfig{AllowCIDR: all, Dev: true}},
		{"mapped metadata", "[::ffff:169.254.169.254]:80", "198.51.100.1", outbound.DeviceConfig{AllowCIDR: all, Dev: true}},
		{"NAT64 metadata", "[64:ff9b::a9fe:a9fe]:80", "198.51.100.1", outbound.DeviceConfig{AllowCIDR: all, Dev: true}},
		{"metadata in public space", "168.63.129.16:80", "198.51.100.1", outbound.DeviceConfig{AllowCIDR: all}},
		{"link-local", "[fe80::1]:7547", "fe80::1", outbound.DeviceConfig{AllowCIDR: all}},
		{"zone", "[fe80::1%lo]:7547", "fe80::1", outbound.DeviceConfig{AllowCIDR: all}},
		{"multicast", "224.0.0.1:7547", "224.0.0.1", outbound.DeviceConfig{AllowCIDR: all}},
		{"unspecified", "0.0.0.0:7547", "0.0.0.0", outbound.DeviceConfig{AllowCIDR: all, Dev: true}},
		{"unspecified IPv6", "[::]:7547", "::", outbound.DeviceConfig{AllowCIDR: all, Dev: true}},
		{"no source", "198.51.100.9:7547", "", outbound.DeviceConfig{}},
		{"name that points elsewhere", "elsewhere.example:7547", "198.51.100.1", outbound.DeviceConfig{}},
		{"no port", "198.51.100.1", "198.51.100.1", outbound.DeviceConfig{}},
		{"port 0", "198.51.100.1:0", "198.51.100.1", outbound.DeviceConfig{}},
		{"no host", ":7547", "198.51.100.1", outbound.DeviceConfig{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.cfg.Forbidden = errOther
			tc.cfg.Resolver = &names{answers: map[string][][]string{"elsewhere.example": {{"192.0.2.1", "127.0.0.1"}}}}
			var source netip.Addr
			if tc.source != "" {
				source = netip.MustParseAddr(tc.source)
			}
			conn, err := outbound.NewDeviceDialer(tc.cfg).DialDevice(t.Context(), tc.address, source)
			if err == nil {
				conn.Close()
			}
			if !errors.Is(err, errOther) || !errors.Is(err, outbound.ErrRefused) {
				t.Errorf("DialDevice(%s): got %v, want a refusal that is both sentinels", tc.address, err)
			}
		})
	}
}

func TestDialDeviceReaches(t *testing.T) {
	_, port, hits := canary(t, func(http.ResponseWriter, *http.Request) {})
	script := &names{answers: map[string][][]string{
		"cpe.example":    {{"127.0.0.1"}},
		"second.example": {{"192.0.2.1", "127.0.0.1"}},
	}}
	dials := 0
	for _, tc := range []struct {
		name, host, source string
		allow              []netip.Prefix
	}{
		{"its own address", "127.0.0.1", "127.0.0.1", nil},
		{"its own address, mapped", "127.0.0.1", "::ffff:127.0.0.1", nil},
		{"mapped literal", "::ffff:127.0.0.1", "127.0.0.1", nil},
		{"by name", "cpe.example", "127.0.0.1", nil},
		{"the one of two that is its own", "second.example", "127.0.0.1", nil},
		{"allowed network", "127.0.0.1", "198.51.100.1", prefixes("127.0.0.0/8")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := outbound.NewDeviceDialer(outbound.DeviceConfig{Dev: true, AllowCIDR: tc.allow, Resolver: script, Forbidden: errOther})
			conn, err := d.DialDevice(t.Context(), net.JoinHostPort(tc.host, fmt.Sprint(port)), netip.MustParseAddr(tc.source))
			if err != nil {
				t.Fatalf("DialDevice: got %v, want a connection", err)
			}
			if got, want := conn.RemoteAddr().String(), fmt.Sprintf("127.0.0.1:%d", port); got != want {
				t.Errorf("connected to %s, want %s", got, want)
			}
			// The canary counts a connection when it accepts it, which is certain once it has closed its side.
			conn.Write([]byte("x\r\n\r\n"))
			conn.Read(make([]byte, 1))
			conn.Close()
			dials++
		})
	}
	if got := int(hits.Load()); got != dials {
		t.Errorf("canary was reached %d times, want %d", got, dials)
	}
}

func TestDialDeviceResolvesOnce(t *testing.T) {
	_, port, hits := canary(t, func(http.ResponseWriter, *http.Request) {})
	script := &names{answers: map[string][][]string{"turn.example": {{"192.0.2.1"}, {"127.0.0.1"}}}}
	d := outbound.NewDeviceDialer(outbound.DeviceConfig{Resolver: script, Forbidden: errOther})
	_, err := d.DialDevice(t.Context(), fmt.Sprintf("turn.example:%d", port), netip.MustParseAddr("198.51.100.1"))
	if !errors.Is(err, errOther) {
		t.Errorf("DialDevice: got %v, want a refusal", err)
	}
	if script.asked["turn.example"] != 1 {
		t.Errorf("got %d lookups, want 1", script.asked["turn.example"])
	}
	if hits.Load() != 0 {
		t.Errorf("canary was reached, want it not to be")
	}
}

func TestDialDeviceRefusesOwnListeners(t *testing.T) {
	_, port, _ := canary(t, func(http.ResponseWriter, *http.Request) {})
	d := outbound.NewDeviceDialer(outbound.DeviceConfig{Dev: true, Forbidden: errOther})
	d.SetOwn(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
	_, err := d.DialDevice(t.Context(), fmt.Sprintf("127.0.0.1:%d", port), netip.MustParseAddr("127.0.0.1"))
	if !errors.Is(err, errOther) {
		t.Errorf("DialDevice: got %v, want a refusal", err)
	}
}

func TestDialDeviceKeepsLookupErrors(t *testing.T) {
	d := outbound.NewDeviceDialer(outbound.DeviceConfig{Forbidden: errOther, Resolver: &names{}})
	_, err := d.DialDevice(t.Context(), "unknown.example:7547", netip.MustParseAddr("198.51.100.1"))
	var dns *net.DNSError
	if !errors.As(err, &dns) || errors.Is(err, errOther) {
		t.Errorf("DialDevice: got %v, want the lookup's own error", err)
	}
}

// lost is a resolver that never answers.
type lost struct{}

func (lost) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func TestDeviceDialerConnectTimeout(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{0: outbound.ConnectTimeout, 20 * time.Second: 20 * time.Second, time.Second: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			d := outbound.NewDeviceDialer(outbound.DeviceConfig{Resolver: lost{}, ConnectTimeout: set})
			start := time.Now()
			_, err := d.DialDevice(t.Context(), "cpe.example:7547", netip.Addr{})
			var timeout net.Error
			if took := time.Since(start); took != want || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("ConnectTimeout %v: got %v after %v, want a timeout after %v", set, err, took, want)
			}
		})
	}
}

package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// ErrRefused is an address, or a URL, that may not be connected to.
var ErrRefused = errors.New("refused")

// DefaultPorts are where webhooks may go at public addresses.
var DefaultPorts = []uint16{443, 8443}

// Limits of making a connection.
const (
	ConnectTimeout = 5 * time.Second
	maxAddresses   = 8
)

// GuardConfig is how a Guard decides.
type GuardConfig struct {
	// AllowCIDR are networks of the operator's that webhooks may go to besides public addresses, on any port. Metadata and
	// link-local addresses stay refused there.
	AllowCIDR []netip.Prefix
	// AllowHTTP allows plain HTTP into AllowCIDR.
	AllowHTTP bool
	// Dev allows loopback on any port, also over plain HTTP.
	Dev bool
	// Ports are the ports allowed at public addresses; DefaultPorts where empty.
	Ports []uint16
	// SourceIPs are the addresses to connect from, one of each family at the most; of a family without one the system chooses.
	SourceIPs []netip.Addr
	// Resolver is net.DefaultResolver where nil.
	Resolver Resolver
	// Refused, if not nil, is a sentinel that refusals satisfy besides ErrRefused.
	Refused error
}

// Guard decides where webhooks may go. It is safe for concurrent use.
type Guard struct {
	cfg    GuardConfig
	public *ssrf.Guardian
	own    own
}

// NewGuard makes a Guard.
func NewGuard(cfg GuardConfig) (*Guard, error) {
	if len(cfg.Ports) == 0 {
		cfg.Ports = DefaultPorts
	}
	if slices.Contains(cfg.Ports, 0) {
		return nil, errors.New("webhook ports: 0 is no port, want 1 to 65535")
	}
	if cfg.AllowHTTP && len(cfg.AllowCIDR) == 0 && !cfg.Dev {
		return nil, errors.New("plain HTTP for webhooks goes into allowed networks only, and none is given")
	}
	if err := checkSources(cfg.SourceIPs); err != nil {
		return nil, err
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	return &Guard{cfg: cfg, public: ssrf.New(ssrf.WithAnyPort())}, nil
}

// SetOwn tells the addresses of Recado's own listeners, which webhooks may not go to.
func (g *Guard) SetOwn(listeners ...netip.AddrPort) { g.own.set(listeners) }

// check decides about one real address. plain is whether plain HTTP would be spoken there.
func (g *Guard) check(ap netip.AddrPort, plain bool) error {
	a := ap.Addr()
	if what := never(a); what != "" {
		return g.refuse("%s is %s, which webhooks never go to", a, what)
	}
	if g.own.has(ap) {
		return g.refuse("%s is Recado's own listener", ap)
	}
	if g.cfg.Dev && a.IsLoopback() {
		return nil
	}
	if contains(g.cfg.AllowCIDR, a) {
		if plain && !g.cfg.AllowHTTP {
			return g.refuse("plain http is not allowed to %s; want https", a)
		}
		return nil
	}
	if err := g.public.SafeAddr(a); err != nil {
		return g.refuse("%s is no public address and in no network that the operator allows", a)
	}
	if plain {
		return g.refuse("plain http is not allowed to public addresses; want https")
	}
	if !slices.Contains(g.cfg.Ports, ap.Port()) {
		return g.refuse("port %d is not allowed; want one of %s", ap.Port(), portList(g.cfg.Ports))
	}
	return nil
}

func (g *Guard) refuse(format string, args ...any) error {
	return refuse(g.cfg.Refused, format, args...)
}

func portList(ports []uint16) string {
	texts := make([]string, len(ports))
	for i, p := range ports {
		texts[i] = fmt.Sprint(p)
	}
	return strings.Join(texts, ", ")
}

type plainKey struct{}

// dialsKey is for the count of the connections made for a request.
type dialsKey struct{}

var errTooManyConnections = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("the receiver ends each connection as soon as it is made")}

// dial resolves, refuses if any of the addresses is not allowed, and connects to the first that answers. The check in
// ControlContext is the one that counts: it sees the address that the socket is about to connect to.
func (g *Guard) dial(ctx context.Context, _, address string) (net.Conn, error) {
	if dials, ok := ctx.Value(dialsKey{}).(*atomic.Int32); ok && dials.Add(1) > MaxConnectionsPerRequest {
		return nil, errTooManyConnections
	}
	plain, _ := ctx.Value(plainKey{}).(bool)
	host, port, err := splitHostPort(address)
	if err != nil {
		return nil, g.refuse("%s", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, ConnectTimeout, errConnectTimeout)
	defer cancel()
	addrs, err := resolve(ctx, g.cfg.Resolver, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if err := g.check(netip.AddrPortFrom(a, port), plain); err != nil {
			return nil, err
		}
	}
	d := net.Dialer{ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
		return g.control(network, address, plain)
	}}
	return dialFirst(ctx, &d, g.cfg.SourceIPs, addrs, port)
}

func checkSources(from []netip.Addr) error {
	for i, a := range from {
		if !a.IsValid() || a.IsUnspecified() || a.Zone() != "" || a.Is4In6() {
			return fmt.Errorf("source address %s: want an address of this machine, such as 203.0.113.7", a)
		}
		for _, b := range from[:i] {
			if a.Is4() == b.Is4() {
				return fmt.Errorf("source addresses %s and %s: want one IPv4 and one IPv6 address at the most", b, a)
			}
		}
	}
	return nil
}

// local is the address to connect to a from; nil leaves it to the system.
func local(from []netip.Addr, a netip.Addr) net.Addr {
	for _, f := range from {
		if f.Is4() == a.Unmap().Is4() {
			return net.TCPAddrFromAddrPort(netip.AddrPortFrom(f, 0))
		}
	}
	return nil
}

func (g *Guard) control(network, address string, plain bool) error {
	if network != "tcp4" && network != "tcp6" {
		return g.refuse("network %s; want tcp", network)
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return g.refuse("dial address cannot be read")
	}
	return g.check(ap, plain)
}

// connectTimeout is a time limit that net/http and errors.As users see as one.
type connectTimeout time.Duration

func (t connectTimeout) Error() string { return "no connection within " + time.Duration(t).String() }
func (connectTimeout) Timeout() bool   { return true }
func (connectTimeout) Temporary() bool { return true }

var errConnectTimeout error = connectTimeout(ConnectTimeout)

// dialFirst tries the addresses in turn, each with its share of the time that is left.
func dialFirst(ctx context.Context, d *net.Dialer, from, addrs []netip.Addr, port uint16) (net.Conn, error) {
	if len(addrs) > maxAddresses {
		addrs = addrs[:maxAddresses]
	}
	var first error
	for i, a := range addrs {
		d.LocalAddr = local(from, a)
		conn, err := dialShare(ctx, d, netip.AddrPortFrom(a, port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, first
}

func dialShare(ctx context.Context, d *net.Dialer, ap netip.AddrPort, shares int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && shares > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(time.Until(deadline)/time.Duration(shares), 500*time.Millisecond))
		defer cancel()
	}
	return d.DialContext(ctx, "tcp", ap.String())
}

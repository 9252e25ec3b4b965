package outbound

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// DeviceConfig is how a DeviceDialer decides.
type DeviceConfig struct {
	// AllowCIDR are networks that connection requests may go to besides the address that the device called from.
	AllowCIDR []netip.Prefix
	// Dev allows loopback.
	Dev bool
	// Resolver is net.DefaultResolver where nil.
	Resolver Resolver
	// ConnectTimeout bounds finding and connecting; the package's ConnectTimeout where 0.
	ConnectTimeout time.Duration
	// Forbidden, if not nil, is a sentinel that refusals satisfy besides ErrRefused.
	Forbidden error
}

// DeviceDialer makes the connections of connection requests; it fits cwmp.Dialer. A device names its own URL, so the name may
// point anywhere: only the device's own address is dialled, or a network that the operator allows, and never loopback (but for
// Dev), link-local, multicast, or metadata addresses, or Recado's own listeners. It is safe for concurrent use.
type DeviceDialer struct {
	cfg DeviceConfig
	own own
}

// NewDeviceDialer makes a DeviceDialer.
func NewDeviceDialer(cfg DeviceConfig) *DeviceDialer {
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.ConnectTimeout <= 0 {
		cfg.ConnectTimeout = ConnectTimeout
	}
	return &DeviceDialer{cfg: cfg}
}

// SetOwn tells the addresses of Recado's own listeners, which connection requests may not go to.
func (d *DeviceDialer) SetOwn(listeners ...netip.AddrPort) { d.own.set(listeners) }

// DialDevice connects to address ("host:port"). It resolves the host once and dials the first addresses that are allowed; a
// refusal wraps ErrRefused and the configured sentinel. source is where the device's last Inform came from; the zero Addr allows
// the operator's networks only.
func (d *DeviceDialer) DialDevice(ctx context.Context, address string, source netip.Addr) (net.Conn, error) {
	host, port, err := splitHostPort(address)
	if err != nil {
		return nil, refuse(d.cfg.Forbidden, "%s", err)
	}
	source = source.Unmap()
	ctx, cancel := context.WithTimeoutCause(ctx, d.cfg.ConnectTimeout, connectTimeout(d.cfg.ConnectTimeout))
	defer cancel()
	addrs, err := resolve(ctx, d.cfg.Resolver, host)
	if err != nil {
		return nil, err
	}
	var allowed []netip.Addr
	var refused error
	for _, a := range addrs {
		a = a.Unmap() // a literal may be mapped; the socket connects to the IPv4 address anyway
		if err := d.check(netip.AddrPortFrom(a, port), source); err != nil {
			refused = err
			continue
		}
		allowed = append(allowed, a)
	}
	if len(allowed) == 0 {
		return nil, refused
	}
	dialer := net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return refuse(d.cfg.Forbidden, "dial address cannot be read")
		}
		return d.check(ap, source)
	}}
	return dialFirst(ctx, &dialer, nil, allowed, port)
}

func (d *DeviceDialer) check(ap netip.AddrPort, source netip.Addr) error {
	a := ap.Addr()
	if what := never(a); what != "" {
		return refuse(d.cfg.Forbidden, "%s is %s, which connection requests never go to", a, what)
	}
	if d.own.has(ap) {
		return refuse(d.cfg.Forbidden, "%s is Recado's own listener", ap)
	}
	if a.IsLoopback() && !d.cfg.Dev {
		return refuse(d.cfg.Forbidden, "%s is a loopback address, which connection requests go to only under --dev", a)
	}
	if a != source && !contains(d.cfg.AllowCIDR, a) {
		return refuse(d.cfg.Forbidden, "%s is neither where the device called from nor in an allowed network", a)
	}
	return nil
}

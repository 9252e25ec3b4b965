package cwmptest

import (
	"context"
	"net"
	"net/netip"
)

// Net is what a Device needs of a network. Network and TCP are the two there are.
type Net interface {
	// Listen opens a TCP listener on "host:port"; port 0 picks a free one.
	Listen(addr string) (net.Listener, error)
	// DialContext connects to "host:port".
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
	// From gives the same network as seen from a host with the given address.
	From(addr netip.Addr) Net
}

// TCP is the machine's own network.
type TCP struct {
	// Source is the local address to dial from; the system chooses where it is not valid.
	Source netip.Addr
}

var _ Net = TCP{}

// Listen implements Net.
func (TCP) Listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }

// DialContext implements Net.
func (t TCP) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	if t.Source.IsValid() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(t.Source, 0))
	}
	return d.DialContext(ctx, network, address)
}

// From implements Net.
func (t TCP) From(addr netip.Addr) Net { return TCP{Source: addr} }

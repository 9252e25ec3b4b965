package cwmptest

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
)

// Network is a network in memory. Its connections and listeners work inside a testing/synctest bubble, where real sockets
// do not, and carry proper addresses: an http.Server sees the dialler's address as RemoteAddr.
//
// Connections are buffered as sockets are (64 KiB each way) and take deadlines. Hosts can be cut off. All methods may be
// called concurrently.
type Network struct {
	mu        sync.Mutex
	names     map[string]netip.Addr
	listeners map[netip.AddrPort]*listener
	conns     map[*pipeConn]struct{} // the dialling ends
	cut       map[netip.Addr]*outage
	lastPort  uint16
	lastHost  netip.Addr
}

// outage is what keeps a host from being reached; over is closed when the host is restored.
type outage struct {
	fail bool
	over chan struct{}
}

var _ Net = (*Network)(nil)

// DefaultSource is the address that dials come from where no other is named by From.
var DefaultSource = netip.AddrFrom4([4]byte{10, 255, 255, 254})

// NewNetwork makes an empty network. Inside a synctest bubble it has to be made in the bubble.
func NewNetwork() *Network {
	return &Network{
		names:     map[string]netip.Addr{"localhost": netip.AddrFrom4([4]byte{127, 0, 0, 1})},
		listeners: make(map[netip.AddrPort]*listener),
		conns:     make(map[*pipeConn]struct{}),
		cut:       make(map[netip.Addr]*outage),
		lastPort:  39999,
		lastHost:  netip.AddrFrom4([4]byte{10, 254, 0, 0}),
	}
}

// Name makes host resolve to addr from now on; an invalid addr makes it unknown.
func (n *Network) Name(host string, addr netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !addr.IsValid() {
		delete(n.names, host)
		return
	}
	n.names[host] = addr
}

// Listen implements Net. A host name that is not known gets a free address (10.254.0.1 and up); an empty host is
// 127.0.0.1; port 0 picks a free port. A taken address is EADDRINUSE.
func (n *Network) Listen(addr string) (net.Listener, error) { return n.listen(addr) }

func (n *Network) listen(addr string) (net.Listener, error) {
	fail := func(err error) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: err}
	}
	host, port, err := splitAddr(addr)
	if err != nil {
		return fail(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if host == "" {
		host = "localhost"
	}
	ip, err := n.resolve(host)
	if err != nil {
		n.lastHost = n.lastHost.Next()
		ip, n.names[host] = n.lastHost, n.lastHost
	}
	at := netip.AddrPortFrom(ip, port)
	for port == 0 && (at.Port() == 0 || n.listeners[at] != nil) {
		at = netip.AddrPortFrom(ip, n.nextPort())
	}
	if n.listeners[at] != nil {
		return fail(syscall.EADDRINUSE)
	}
	l := &listener{network: n, at: at, queue: make(chan *pipeConn, 128), done: make(chan struct{})}
	n.listeners[at] = l
	return l, nil
}

// DialContext implements Net; the connection comes from DefaultSource. Nothing listening is ECONNREFUSED, an
// unknown name a *net.DNSError. A dial to a host that is cut waits for its return or for the end of ctx.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return n.dial(ctx, DefaultSource, address)
}

// From implements Net: a dialler whose connections come from addr, as the RemoteAddr of the other side shows.
func (n *Network) From(addr netip.Addr) Net { return &vantage{n, addr} }

// vantage is the network seen from one host.
type vantage struct {
	*Network
	source netip.Addr
}

func (v *vantage) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return v.dial(ctx, v.source, address)
}

func (n *Network) dial(ctx context.Context, source netip.Addr, address string) (net.Conn, error) {
	fail := func(err error) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	host, port, err := splitAddr(address)
	if err != nil {
		return fail(err)
	}
	for {
		if err := ctx.Err(); err != nil {
			return fail(err)
		}
		n.mu.Lock()
		ip, err := n.resolve(host)
		if err != nil {
			n.mu.Unlock()
			return fail(err)
		}
		if o := n.outage(source, ip); o != nil {
			n.mu.Unlock()
			if o.fail {
				return fail(syscall.EHOSTUNREACH)
			}
			select {
			case <-o.over:
				continue
			case <-ctx.Done():
				return fail(ctx.Err())
			}
		}
		l := n.listeners[netip.AddrPortFrom(ip, port)]
		if l == nil {
			n.mu.Unlock()
			return fail(syscall.ECONNREFUSED)
		}
		client, server := n.connect(netip.AddrPortFrom(source, n.nextPort()), l.at)
		n.mu.Unlock()
		if err := l.offer(ctx, server); err != nil {
			client.Close()
			return fail(err)
		}
		return client, nil
	}
}

// connect makes the two ends of a connection; n.mu is held.
func (n *Network) connect(from, to netip.AddrPort) (client, server *pipeConn) {
	up, down := newHalf(), newHalf()
	fromAddr, toAddr := net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to)
	client = &pipeConn{in: down, out: up, local: fromAddr, remote: toAddr}
	client.closed = func() {
		n.mu.Lock()
		delete(n.conns, client)
		n.mu.Unlock()
	}
	server = &pipeConn{in: up, out: down, local: toAddr, remote: fromAddr, closed: func() {}}
	n.conns[client] = struct{}{}
	return client, server
}

// Cut takes a host, by name or address, off the network without a word: its connections break, and a dial to
// or from it waits until Restore or the end of its context.
func (n *Network) Cut(host string) { n.takeOff(host, false) }

// Unreachable takes a host off the network so that dials to or from it fail at once with EHOSTUNREACH.
func (n *Network) Unreachable(host string) { n.takeOff(host, true) }

func (n *Network) takeOff(host string, fail bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	ip, err := n.resolve(host)
	if err != nil {
		return
	}
	n.restore(ip)
	n.cut[ip] = &outage{fail: fail, over: make(chan struct{})}
	for c := range n.conns {
		if c.local.AddrPort().Addr() == ip || c.remote.AddrPort().Addr() == ip {
			c.sever()
		}
	}
}

// Restore brings a host back; connections that broke stay broken.
func (n *Network) Restore(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if ip, err := n.resolve(host); err == nil {
		n.restore(ip)
	}
}

func (n *Network) restore(ip netip.Addr) {
	if o := n.cut[ip]; o != nil {
		close(o.over)
		delete(n.cut, ip)
	}
}

func (n *Network) outage(a, b netip.Addr) *outage {
	if o := n.cut[a]; o != nil {
		return o
	}
	return n.cut[b]
}

// resolve finds the address of a host; n.mu is held.
func (n *Network) resolve(host string) (netip.Addr, error) {
	if ip, ok := n.names[host]; ok {
		return ip, nil
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ip, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return ip.Unmap(), nil
}

// nextPort hands out ports from 40000 up, again from 40000 after the last; n.mu is held.
func (n *Network) nextPort() uint16 {
	if n.lastPort == 65535 {
		n.lastPort = 39999
	}
	n.lastPort++
	return n.lastPort
}

func splitAddr(addr string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	p, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, &net.AddrError{Err: "invalid port", Addr: addr}
	}
	return host, uint16(p), nil
}

// listener is one listening address of a Network.
type listener struct {
	network *Network
	at      netip.AddrPort
	queue   chan *pipeConn
	done    chan struct{}
	once    sync.Once
}

func (l *listener) offer(ctx context.Context, c *pipeConn) error {
	select {
	case l.queue <- c:
		// Close may have emptied the queue just before: then nobody will ever accept this one.
		select {
		case <-l.done:
			l.refuseQueued()
		default:
		}
		return nil
	case <-l.done:
		return syscall.ECONNREFUSED
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	default:
	}
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close implements net.Listener. Connections that were not accepted yet are reset.
func (l *listener) Close() error {
	l.once.Do(func() {
		l.network.mu.Lock()
		delete(l.network.listeners, l.at)
		l.network.mu.Unlock()
		close(l.done)
		l.refuseQueued()
	})
	return nil
}

func (l *listener) refuseQueued() {
	for {
		select {
		case c := <-l.queue:
			c.sever()
		default:
			return
		}
	}
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }

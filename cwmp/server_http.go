package cwmp

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// connState is what is known of one TCP connection. Without HTTPServer each request has one of its own.
type connState struct {
	addr    netip.Addr
	session atomic.Pointer[session] // the last one that was served on it

	mu   sync.Mutex
	user *string // authenticated by an empty POST, for the next Inform
}

type connKey struct{}

func connOf(r *http.Request) *connState {
	if c, ok := r.Context().Value(connKey{}).(*connState); ok {
		return c
	}
	return &connState{}
}

func (c *connState) address(r *http.Request) netip.Addr {
	if c.addr.IsValid() {
		return c.addr
	}
	return parseAddress(r.RemoteAddr)
}

// parseAddress reads the address of "host:port"; an IPv4 address mapped into IPv6 is the IPv4 address. It is the zero Addr
// where there is none, as on pipes.
func parseAddress(s string) netip.Addr {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func (c *connState) authenticated(user string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.user = &user
}

// takeAuthenticated gives the user that the connection's last POST, an empty one, authenticated. It is good once.
func (c *connState) takeAuthenticated() (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.user == nil {
		return "", false
	}
	user := *c.user
	c.user = nil
	return user, true
}

// authorizationUser is the user name in the Authorization header, which proves nothing.
func authorizationUser(r *http.Request) (string, bool) {
	h := r.Header.Get("Authorization")
	if h == "" {
		return "", false
	}
	if user, _, ok := r.BasicAuth(); ok {
		return user, true
	}
	schemes := parseAuth(h)
	if len(schemes) == 0 || schemes[0].name != "digest" {
		return "", false
	}
	return schemes[0].get("username")
}

// connCounter bounds the connections, in all and of each address.
type connCounter struct {
	max, maxPerAddress int

	mu        sync.Mutex
	all       int
	byAddress map[netip.Addr]int
	counted   sync.Map // net.Conn to its address
}

// add counts a connection; false where it is one too many. Loopback has no bound of its own.
func (c *connCounter) add(conn net.Conn) bool {
	addr := parseAddress(conn.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all >= c.max || addr.IsValid() && !addr.IsLoopback() && c.byAddress[addr] >= c.maxPerAddress {
		return false
	}
	c.all++
	c.byAddress[addr]++
	c.counted.Store(conn, addr)
	return true
}

func (c *connCounter) remove(conn net.Conn) {
	addr, ok := c.counted.LoadAndDelete(conn)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if a := addr.(netip.Addr); c.byAddress[a] > 1 {
		c.byAddress[a]--
	} else {
		delete(c.byAddress, a)
	}
}

// HTTPServer returns an http.Server for s, with the time limits of its configuration, without HTTP/2, and with the hooks by
// which sessions are bound to TCP connections and connections are bounded. The caller sets Addr and TLSConfig as needed,
// serves and shuts down.
func (s *Server) HTTPServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           s,
		Protocols:         &protocols,
		MaxHeaderBytes:    64 << 10,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       s.cfg.MessageTimeout,
		// From the end of the header on: the body is read, the handler works, the answer is written. The writing alone
		// gets MessageTimeout, set when it begins.
		WriteTimeout: 2*s.cfg.MessageTimeout + s.cfg.HandlerTimeout,
		// Else connections were closed under sessions that have no cookie.
		IdleTimeout: s.cfg.MaxSessionTimeout + 10*time.Second,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &connState{addr: parseAddress(c.RemoteAddr().String())})
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				if !s.conns.add(c) {
					s.cfg.Observer.Refused(RefusedConnections)
					_ = c.Close() // nothing can be done about it
				}
			case http.StateClosed, http.StateHijacked:
				s.conns.remove(c)
			}
		},
		ErrorLog: slog.NewLogLogger(debugHandler{s.log.Handler()}, slog.LevelDebug),
	}
}

// debugHandler keeps net/http's own messages short and on one line: they can hold bytes of the peer.
type debugHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h debugHandler) Handle(ctx context.Context, r slog.Record) error {
	line, _, _ := strings.Cut(r.Message, "\n")
	return h.Handler.Handle(ctx, slog.NewRecord(r.Time, r.Level, clip(line), r.PC))
}

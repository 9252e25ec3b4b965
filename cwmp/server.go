package cwmp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
)

// Server owns CWMP sessions: cookies, authentication, turn-taking, limits. It calls a Handler for what to do in them. It
// is an http.Handler; HTTPServer gives an http.Server around it, which it needs for CPEs that return no cookie. Run must
// run beside it. All methods are safe for concurrent use.
type Server struct {
	cfg   ServerConfig
	log   *slog.Logger
	auth  *authenticator // nil for AuthNone
	table *sessionTable
	conns connCounter
	// habits are those of devices by which their answers are told apart.
	habits *echoHabits
	// held counts the bytes of message bodies in memory; decoding lets few large messages become trees at a time.
	held     byteBudget
	decoding chan struct{}
}

var _ http.Handler = (*Server)(nil)

// NewServer checks cfg and makes a Server. It starts nothing.
func NewServer(cfg ServerConfig) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, table: newSessionTable(cfg.MaxSessions), habits: newEchoHabits(1 << 16),
		conns:    connCounter{max: cfg.MaxConnections, maxPerAddress: cfg.MaxConnectionsPerAddress, byAddress: map[netip.Addr]int{}},
		held:     byteBudget{max: cfg.MaxBodyBytes},
		decoding: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	if cfg.Auth != AuthNone {
		s.auth = newAuthenticator(cfg.Auth, cfg.Realm, cfg.Credentials)
	}
	return s, nil
}

// Sessions is the number of open sessions.
func (s *Server) Sessions() int { return s.table.len() }

// exchange is one POST and its answer.
type exchange struct {
	*Server
	w    http.ResponseWriter
	r    *http.Request
	conn *connState
	addr netip.Addr
	body []byte // inflated
}

// place is where a POST belongs, by its cookie or its connection.
type place struct {
	session  *session
	finished bool // the session ended a short while ago
	foreign  bool // it has the cookie of another address's or user's session: only an Inform can still be let in
}

// ServeHTTP answers one POST of a CPE (TR-069 3.4, 3.7). Everything but an Inform belongs to an open session, or is
// refused; the body is read before all else, since a CPE that sent Expect: 100-continue waits for that.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Server: s, w: w, r: r, conn: connOf(r)}
	x.addr = x.conn.address(r)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		x.refuse(http.StatusMethodNotAllowed, RefusedMethod)
		return
	}
	body, release, err := x.readBody()
	defer release()
	if err != nil {
		x.refuseBody(err)
		return
	}
	// The result of a call must not be lost because the CPE hung up meanwhile (it may be rebooting).
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(r.Context()), s.cfg.HandlerTimeout, errHandlerTimeout)
	defer cancel()

	if p := x.locate(); IsEmpty(body) {
		x.empty(ctx, p)
	} else {
		s.cfg.Observer.MessageRead(len(body))
		x.body = body
		x.message(ctx, p, body)
	}
}

var errHandlerTimeout = errors.New("no answer of the handler in time")

// locate finds the session of a POST: by cookie, else by TCP connection, never by address (many CPEs may share one).
func (x *exchange) locate() place {
	var p place
	for _, id := range sessionCookies(x.r.Header["Cookie"]) {
		s, finished, ok := x.table.find(id)
		switch {
		case !ok:
		case s == nil:
			p.finished = p.finished || finished.addr == x.addr
		case s.pub.RemoteAddr == x.addr && !x.otherUser(s):
			return place{session: s}
		default:
			p.foreign = true
		}
	}
	if p.foreign {
		return p
	}
	if s := x.conn.session.Load(); s != nil && !x.otherUser(s) {
		if live, _, ok := x.table.find(s.pub.ID); live != nil {
			return place{session: live}
		} else if ok {
			p.finished = true
		}
	}
	return p
}

// otherUser reports whether the POST names another user than the session's. Otherwise Authorization within a session is
// ignored: the session was authenticated when it opened.
func (x *exchange) otherUser(s *session) bool {
	if x.auth == nil {
		return false
	}
	name, ok := authorizationUser(x.r)
	return ok && name != s.pub.Username
}

// empty answers an empty POST. On an open session the turn is ours. After its end 204 comes again, as some CPEs want one
// more empty exchange; and before an Inform tr069agent and netcwmp send one to draw the challenge.
func (x *exchange) empty(ctx context.Context, p place) {
	switch {
	case p.session != nil:
		x.turn(ctx, p.session, nil)
	case p.foreign:
		x.refuse(http.StatusBadRequest, RefusedForeign)
	case p.finished || x.auth == nil:
		_ = x.noContent(nil) // nothing depends on it
	default:
		if user, ok := x.authenticate(ctx); ok {
			x.conn.authenticated(user)
			_ = x.noContent(nil) // nothing depends on it
		}
	}
}

// message answers a POST that is not empty. Without a session only an Inform is let in, and nothing of it is read before
// its credentials are right.
func (x *exchange) message(ctx context.Context, p place, body []byte) {
	user, known := "", false
	if p.session == nil && !p.finished {
		// Not worth a challenge or a place: what cannot be an Inform is refused by either outcome of a real look.
		if !bytes.Contains(body, []byte("Inform")) {
			x.refuse(http.StatusBadRequest, p.misfit(body))
			return
		}
		if why := x.table.refuses(); why != "" {
			x.unavailable(why)
			return
		}
		if user, known = x.authenticate(ctx); !known {
			return
		}
	}
	env, err := x.decode(ctx, body)
	if err != nil {
		x.unreadable(ctx, p.session, err)
		return
	}
	inform, ok := env.Message.(*Inform)
	if !ok {
		if p.session != nil {
			x.turn(ctx, p.session, env)
		} else {
			x.refuse(http.StatusBadRequest, p.misfit(body))
		}
		return
	}
	// An Inform always opens a new session, whatever its cookie or connection says (TR-069 3.7.1).
	if !known {
		if user, known = x.authenticate(ctx); !known {
			return
		}
	}
	x.open(ctx, env, inform, user)
}

// misfit says why a POST without a session of its own is refused.
func (p place) misfit(body []byte) Refusal {
	if p.foreign {
		return RefusedForeign
	}
	if bytes.Contains(body, []byte("Envelope")) {
		return RefusedNoSession
	}
	return RefusedMalformed
}

// decode reads the message; large ones wait for their turn, since their trees are many times their size.
func (x *exchange) decode(ctx context.Context, body []byte) (*Envelope, error) {
	if len(body) > largeBody {
		select {
		case x.decoding <- struct{}{}:
			defer func() { <-x.decoding }()
		case <-ctx.Done():
			return nil, errBusy
		}
	}
	return Decode(body, x.cfg.Limits)
}

// unreadable refuses a message that could not be decoded; its session, if there is one, is over.
func (x *exchange) unreadable(ctx context.Context, s *session, err error) {
	if s != nil && !errors.Is(err, errBusy) {
		if lockErr := s.lock(ctx); lockErr == nil {
			x.finish(s, EndProtocol)
			s.unlock()
		}
	}
	x.log.Debug("message refused", "from", x.addr, "error", err)
	x.refuseBody(err)
}

// authenticate returns the CPE's user name, or answers with 401 or 503 and returns false. Without authentication everybody
// is the user "".
func (x *exchange) authenticate(ctx context.Context) (string, bool) {
	if x.auth == nil {
		return "", true
	}
	// A CPE that drew the challenge with an empty POST and answered it need not do so again for its Inform, the next POST
	// on the connection (netcwmp would repeat the nonce, in a form that allows for no counter).
	if user, ok := x.conn.takeAuthenticated(); ok {
		if name, sent := authorizationUser(x.r); !sent || name == user {
			return user, true
		}
	}
	user, verdict, err := x.auth.verify(ctx, x.r, x.addr)
	switch verdict {
	case authOK:
		return user, true
	case authBroken:
		x.cfg.Observer.AuthFailed(AuthFailureError, x.addr)
		x.log.Error("credentials of a device cannot be looked up", "from", x.addr, "error", err)
		x.unavailable(RefusedUnavailable)
		return "", false
	case authWrong:
		x.cfg.Observer.AuthFailed(AuthFailureWrong, x.addr)
		x.log.Debug("wrong credentials", "from", x.addr, "user", clip(user))
	case authThrottled:
		x.cfg.Observer.AuthFailed(AuthFailureThrottled, x.addr)
		x.log.Debug("credentials not checked after too many failures", "from", x.addr, "user", clip(user))
	case authStale:
		x.cfg.Observer.AuthFailed(AuthFailureStale, x.addr)
	}
	// Spelled as in the RFC, not as Go would: some CPEs compare bytes.
	x.w.Header()["WWW-Authenticate"] = []string{x.auth.challenge(verdict == authStale)}
	_ = x.reply(http.StatusUnauthorized, nil, nil) // the CPE comes again
	return "", false
}

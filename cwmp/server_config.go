package cwmp

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// ServerConfig configures a Server. Zero values mean the defaults named here.
type ServerConfig struct {
	// Handler decides what happens in sessions. Required.
	Handler Handler
	// Auth says how CPEs authenticate. Required: AuthNone has to be asked for by name.
	Auth AuthMode
	// Credentials knows the passwords of CPEs. Required unless Auth is AuthNone.
	Credentials Credentials
	// Realm is the authentication realm; "cwmp" by default.
	Realm string
	// Limits bound each message; those of DefaultLimits by default. Limits.Bytes holds before and after inflating.
	Limits Limits

	// SessionTimeout ends a session that long without a POST; 60 s by default (TR-069 3.7.2.4).
	SessionTimeout time.Duration
	// MaxSessionTimeout bounds what a CPE may ask for by its SessionTimeout header; 300 s by default.
	MaxSessionTimeout time.Duration
	// MessageTimeout bounds the reading and the writing of one message; 60 s by default.
	MessageTimeout time.Duration
	// HandlerTimeout is the deadline of the handler's calls for one message; 25 s by default. CPEs wait 30 s for an
	// answer (TR-069 3.4.2).
	HandlerTimeout time.Duration

	// MaxSessions is how many sessions may be open; 20,000 by default. Beyond it Informs get 503.
	MaxSessions int
	// MaxConnections is how many connections the server of HTTPServer keeps; 30,000 by default. Beyond it new ones are
	// closed at once.
	MaxConnections int
	// MaxConnectionsPerAddress bounds those of one address other than loopback; 1,000 by default.
	MaxConnectionsPerAddress int
	// MaxBodyBytes bounds the message bodies in memory at one time; 128 MiB by default, and at least four messages. Beyond
	// it POSTs get 503.
	MaxBodyBytes int64

	// Logger takes one line per session, and debug lines; it discards by default.
	Logger *slog.Logger
	// Observer is told what happens.
	Observer Observer
}

// Observer holds hooks for metrics, each of which may be nil. They are called on the path of the answer, so they must be
// quick, and from many goroutines.
type Observer struct {
	// SessionOpened is called when the handler has taken an Inform.
	SessionOpened func()
	// SessionEnded is called once for each session that was opened.
	SessionEnded func(reason EndReason, lasted time.Duration)
	// MessageRead and MessageWritten give the bytes of each body that was not empty, after inflating.
	MessageRead, MessageWritten func(bytes int)
	// AuthFailed is called for credentials that were not taken: AuthFailureWrong, …Throttled, …Stale or …Error; from is where they came
	// from.
	AuthFailed func(why AuthFailure, from netip.Addr)
	// Refused is called for a POST that got an error status other than 401.
	Refused func(why Refusal)
}

// AuthFailure says why credentials were not taken.
type AuthFailure string

// Authentication failures.
const (
	AuthFailureWrong     AuthFailure = "wrong"     // wrong password or unknown user
	AuthFailureThrottled AuthFailure = "throttled" // not checked after too many wrong ones
	AuthFailureStale     AuthFailure = "stale"     // right, with a nonce that is used or too old
	AuthFailureError     AuthFailure = "error"     // the password could not be looked up
)

// Refusal says why a request was refused.
type Refusal string

// Refusals.
const (
	RefusedMethod      Refusal = "method"       // 405: no POST
	RefusedMalformed   Refusal = "malformed"    // 400: no CWMP message, or one that holds what is not allowed
	RefusedTooLarge    Refusal = "too_large"    // 413
	RefusedEncoding    Refusal = "encoding"     // 415: a Content-Encoding that is not read
	RefusedRead        Refusal = "read"         // 400: the body ended early or came too slowly
	RefusedNoSession   Refusal = "no_session"   // 400: belongs to no open session
	RefusedForeign     Refusal = "foreign"      // 400: a session's cookie from another address or user
	RefusedProtocol    Refusal = "protocol"     // 400: does not belong there
	RefusedBusy        Refusal = "busy"         // 503: too many sessions or bytes
	RefusedDraining    Refusal = "draining"     // 503: no new sessions any more
	RefusedUnavailable Refusal = "unavailable"  // 503: credentials could not be looked up, or the older session not ended
	RefusedError       Refusal = "error"        // 500: the handler panicked
	RefusedConnections Refusal = "connections"  // closed: too many connections
	RefusedIdentity    Refusal = "identity"     // fault 8003: an Inform without a serial number
	RefusedVersion     Refusal = "cwmp_version" // fault 8006: no common CWMP version
)

// withDefaults checks the configuration and fills it up.
func (c ServerConfig) withDefaults() (ServerConfig, error) {
	if c.Handler == nil {
		return c, errors.New("cwmp server: Handler is missing")
	}
	switch c.Auth {
	case AuthNone:
	case AuthBasic, AuthDigest:
		if c.Credentials == nil {
			return c, fmt.Errorf("cwmp server: Auth %q needs Credentials", c.Auth)
		}
	default:
		return c, fmt.Errorf("cwmp server: Auth is %q; it must be none, basic or digest", c.Auth)
	}
	if c.Realm == "" {
		c.Realm = "cwmp"
	}
	if strings.ContainsFunc(c.Realm, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return c, fmt.Errorf("cwmp server: Realm %q may hold printable ASCII only, and no quotes or backslashes", c.Realm)
	}
	c.Limits = c.Limits.withDefaults()
	for _, d := range []struct {
		name string
		to   *time.Duration
		def  time.Duration
	}{
		{"SessionTimeout", &c.SessionTimeout, 60 * time.Second},
		{"MaxSessionTimeout", &c.MaxSessionTimeout, 300 * time.Second},
		{"MessageTimeout", &c.MessageTimeout, 60 * time.Second},
		{"HandlerTimeout", &c.HandlerTimeout, 25 * time.Second},
	} {
		if *d.to < 0 {
			return c, fmt.Errorf("cwmp server: %s is %v; it must not be negative", d.name, *d.to)
		}
		if *d.to == 0 {
			*d.to = d.def
		}
	}
	if c.MaxSessionTimeout < c.SessionTimeout {
		return c, fmt.Errorf("cwmp server: MaxSessionTimeout %v is less than SessionTimeout %v", c.MaxSessionTimeout, c.SessionTimeout)
	}
	for _, n := range []struct {
		name string
		to   *int
		def  int
	}{
		{"MaxSessions", &c.MaxSessions, 20_000},
		{"MaxConnections", &c.MaxConnections, 30_000},
		{"MaxConnectionsPerAddress", &c.MaxConnectionsPerAddress, 1_000},
	} {
		if *n.to < 0 {
			return c, fmt.Errorf("cwmp server: %s is %d; it must not be negative", n.name, *n.to)
		}
		if *n.to == 0 {
			*n.to = n.def
		}
	}
	if c.MaxBodyBytes < 0 {
		return c, fmt.Errorf("cwmp server: MaxBodyBytes is %d; it must not be negative", c.MaxBodyBytes)
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 128 << 20
	}
	c.MaxBodyBytes = max(c.MaxBodyBytes, 4*c.Limits.Bytes)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Observer = c.Observer.complete()
	return c, nil
}

// complete gives each missing hook one that does nothing.
func (o Observer) complete() Observer {
	if o.SessionOpened == nil {
		o.SessionOpened = func() {}
	}
	if o.SessionEnded == nil {
		o.SessionEnded = func(EndReason, time.Duration) {}
	}
	if o.MessageRead == nil {
		o.MessageRead = func(int) {}
	}
	if o.MessageWritten == nil {
		o.MessageWritten = func(int) {}
	}
	if o.AuthFailed == nil {
		o.AuthFailed = func(AuthFailure, netip.Addr) {}
	}
	if o.Refused == nil {
		o.Refused = func(Refusal) {}
	}
	return o
}

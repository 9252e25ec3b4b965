package cwmp

import (
	"context"
	"net/netip"
	"time"
)

// A Session is one CWMP session (TR-069 3.7): it opens with an Inform and ends with an empty response.
// The Server owns it; a Handler sees one session in one call at a time.
type Session struct {
	// ID is the session's cookie value: 128 random bits in hex.
	ID string
	// Device is the identity in the Inform that opened the session. It is not proven by being there.
	Device DeviceID
	// Username is the CPE credential that was verified; empty where authentication is off.
	Username string
	// RemoteAddr is where the Inform came from.
	RemoteAddr netip.Addr
	// Namespace is the cwmp namespace of the Inform; everything in the session uses it.
	Namespace string
	// Started is when the Inform was accepted.
	Started time.Time
	// XMLDeclaration makes every answer of this session start with an XML declaration; the handler may set it in
	// Inform (some firmware needs it, other firmware breaks on it).
	XMLDeclaration bool
	// State belongs to the handler, until End has returned.
	State any
}

// EndReason says how a session ended.
type EndReason string

// Reasons.
const (
	// EndDone: the last response was empty and nothing was outstanding.
	EndDone EndReason = "done"
	// EndReplaced: a new Inform of the same device came while this one was live.
	EndReplaced EndReason = "replaced"
	// EndTimeout: no POST came for the session's timeout.
	EndTimeout EndReason = "timeout"
	// EndProtocol: the CPE sent what does not belong there, or what cannot be read.
	EndProtocol EndReason = "protocol"
	// EndWrite: our answer could not be written.
	EndWrite EndReason = "write"
	// EndShutdown: the server stopped.
	EndShutdown EndReason = "shutdown"
	// EndError: the handler returned an error.
	EndError EndReason = "error"
)

// A Handler decides what happens in sessions, as http.Handler does for requests. Calls for one session never
// overlap; calls for several sessions do.
//
// An error that wraps *Fault is sent to the CPE as that fault; any other error as 8002 without its text.
type Handler interface {
	// Inform opens a session. Whatever must not be lost of it has to be stored when Inform returns: the
	// InformResponse makes the CPE forget its events.
	Inform(ctx context.Context, s *Session, inform *Inform) error
	// Request answers a request of the CPE other than Inform and GetRPCMethods, which the Server answers itself.
	// A *Fault with code 8000 is the answer to what the handler does not know.
	Request(ctx context.Context, s *Session, m Message) (Message, error)
	// Next gives the next request for the CPE, nil when there is none (the session ends then).
	Next(ctx context.Context, s *Session) (Message, error)
	// Sending is called once the bytes of the request are ready and before the first of them is written:
	// "sent" must be on disk when it returns. An error keeps the request from being sent and ends the session, but one that
	// wraps ErrWithdrawn: then Next is asked again, and a session whose every request is withdrawn ends as one without any.
	Sending(ctx context.Context, s *Session, request Message) error
	// Response gives the answer of the CPE to request: its response, or *Fault.
	Response(ctx context.Context, s *Session, request, response Message) error
	// End tells the end of a session, once for each. unanswered is the request that got no answer, or nil.
	End(s *Session, reason EndReason, unanswered Message)
}

// Credentials finds the password that belongs to a CPE's user name.
type Credentials interface {
	// CPEPassword returns the clear password for username, false where no such name is known.
	CPEPassword(ctx context.Context, username string) (password string, ok bool, err error)
}

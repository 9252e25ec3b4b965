package cwmp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// RequestReason classifies how a connection request went wrong; "" is none.
type RequestReason string

// Reasons of a failed connection request.
const (
	RequestBadURL       RequestReason = "bad_url"       // not http, no host, or user info in it
	RequestForbidden    RequestReason = "forbidden"     // the address is not where the device called from, nor allowed
	RequestDNS          RequestReason = "dns"           // the host name did not resolve
	RequestRefused      RequestReason = "refused"       // connection refused
	RequestUnreachable  RequestReason = "unreachable"   // no route
	RequestReset        RequestReason = "reset"         // closed before an answer came
	RequestTimeout      RequestReason = "timeout"       // no answer in the time limit
	RequestNoPassword   RequestReason = "no_password"   // challenged, and no credentials are known
	RequestUnauthorized RequestReason = "unauthorized"  // 401 in answer to our credentials
	RequestBadChallenge RequestReason = "bad_challenge" // a challenge that cannot be answered
	RequestBasicOnly    RequestReason = "basic_only"    // only Basic is offered, and not allowed
	RequestNotFound     RequestReason = "not_found"     // 404 or 403: the URL is old
	RequestBusy         RequestReason = "busy"          // 503: in a session, or throttled
	RequestBadAnswer    RequestReason = "bad_answer"    // no HTTP, or a status that means nothing here
	RequestLimited      RequestReason = "limited"       // not sent: too soon after the last one
)

// ConnectionRequest is one wake-up call to a device (TR-069 3.2.2).
type ConnectionRequest struct {
	// URL is the latest ManagementServer.ConnectionRequestURL.
	URL string
	// Username and Password are the device's connection-request credentials.
	Username, Password string
	// Source is where the device's last Inform came from: the only address that may be dialled besides allowed ones.
	Source netip.Addr
	// AllowBasic lets Basic be answered where the device offers nothing else.
	AllowBasic bool
}

// RequestError tells why a connection request failed.
type RequestError struct {
	Reason RequestReason
	// Status is the HTTP status that decided, 0 where none came.
	Status int
	// Err is the cause, nil where the reason says all.
	Err error
}

// Error implements error. It holds neither URL nor credentials.
func (e *RequestError) Error() string {
	switch {
	case e.Status != 0:
		return fmt.Sprintf("connection request: %s (HTTP %d)", e.Reason, e.Status)
	case e.Err != nil:
		return fmt.Sprintf("connection request: %s: %v", e.Reason, e.Err)
	}
	return "connection request: " + string(e.Reason)
}

// Unwrap gives the cause.
func (e *RequestError) Unwrap() error { return e.Err }

// Dialer makes the connection of a connection request. It resolves address ("host:port"), and refuses (with an error that
// wraps ErrForbiddenAddress) any resolved address that is neither source nor allowed by the operator.
type Dialer interface {
	DialDevice(ctx context.Context, address string, source netip.Addr) (net.Conn, error)
}

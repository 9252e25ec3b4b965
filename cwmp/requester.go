package cwmp

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Requester sends connection requests (TR-069 3.2.2): it is the HTTP client here, with a reader of its own for what devices
// answer. It follows no redirect, keeps no connection and no cookie. It is safe for concurrent use.
type Requester struct {
	// Dialer makes the connections, and guards where they go. Required.
	Dialer Dialer
	// Timeout bounds all round trips of one request together; 0 is 5 s.
	Timeout time.Duration
}

const (
	defaultRequestTimeout = 5 * time.Second
	// headerSilence after a line ends the header of a reply that has no blank line, bodySilence the body of one that does
	// not say how long it is.
	headerSilence = 1500 * time.Millisecond
	bodySilence   = 200 * time.Millisecond
)

var errRequestTimeout = errors.New("no answer in the time limit")

// Request asks a device to open a session. nil means that it accepted, by 200 or 204, which is no promise that the session
// comes; otherwise the error is a *RequestError. Where ctx ended, its cause is in there.
//
// At most three round trips are made: without credentials, with them, and once more with the nonce of a challenge that
// says stale=true. A device that refuses our credentials is not asked again, since many lock out those who try.
func (r *Requester) Request(ctx context.Context, c ConnectionRequest) error {
	u, err := parseRequestURL(c.URL)
	if err != nil {
		return &RequestError{Reason: RequestBadURL, Err: err}
	}
	timeout := r.Timeout
	if timeout <= 0 {
		timeout = defaultRequestTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errRequestTimeout)
	defer cancel()
	authorization := ""
	for tries := 0; ; tries++ { // with credentials
		reply, err := r.get(ctx, u, c, authorization)
		if err != nil {
			return requestError(ctx, err)
		}
		if reply.status != http.StatusUnauthorized {
			if reason := reasonOf(reply.status); reason != "" {
				return &RequestError{Reason: reason, Status: reply.status}
			}
			return nil
		}
		challenge, reason := chooseChallenge(reply.challenges, c)
		if tries > 1 || tries == 1 && (reason != "" || !challenge.stale) {
			reason = RequestUnauthorized
		}
		if reason != "" {
			return &RequestError{Reason: reason, Status: reply.status}
		}
		authorization = challenge.answer(c, u.target)
	}
}

// reasonOf classifies a final status other than 401; "" is success.
func reasonOf(status int) RequestReason {
	switch status {
	case http.StatusOK, http.StatusNoContent:
		return ""
	case http.StatusForbidden, http.StatusNotFound:
		return RequestNotFound
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return RequestBusy
	}
	return RequestBadAnswer
}

// get makes one round trip on a connection of its own: many devices close it after their 401.
func (r *Requester) get(ctx context.Context, u requestURL, c ConnectionRequest, authorization string) (deviceReply, error) {
	conn, err := r.Dialer.DialDevice(ctx, u.address, c.Source)
	if err != nil {
		return deviceReply{}, dialError{err}
	}
	defer func() { _ = conn.Close() }() // all that matters has been read
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return deviceReply{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request := "GET " + u.target + " HTTP/1.1\r\nHost: " + u.host + "\r\nUser-Agent: recado\r\n"
	if authorization != "" {
		request += "Authorization: " + authorization + "\r\n"
	}
	if _, err := io.WriteString(conn, request+"Connection: close\r\n\r\n"); err != nil {
		return deviceReply{}, err
	}
	in := newReplyReader(conn, func() { readUntil(ctx, conn, deadline, headerSilence) })
	reply, err := in.read()
	if err != nil {
		return deviceReply{}, err
	}
	if reply.status != http.StatusUnauthorized && reply.status != http.StatusNoContent {
		// A device may fail when its answer cannot be written to the end.
		readUntil(ctx, conn, deadline, bodySilence)
		_, _ = io.CopyN(io.Discard, in.in, bodyLength(reply.contentLength)) // the status says all
	}
	return reply, nil
}

// readUntil sets the deadline for reading to that long from now, or to the end of the whole request.
func readUntil(ctx context.Context, conn net.Conn, deadline time.Time, silence time.Duration) {
	if t := time.Now().Add(silence); t.Before(deadline) {
		_ = conn.SetReadDeadline(t) // the deadline of before holds then
	}
	if ctx.Err() != nil {
		_ = conn.SetDeadline(time.Unix(1, 0)) // as when ctx ended
	}
}

func bodyLength(contentLength string) int64 {
	if n, err := strconv.ParseInt(contentLength, 10, 64); err == nil && n >= 0 && n < maxReplyBody {
		return n
	}
	return maxReplyBody
}

// dialError marks an error of the Dialer.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }

// requestError classifies an error of the connection. What goes into it holds no address: the errors of package net do.
func requestError(ctx context.Context, err error) *RequestError {
	var dns *net.DNSError
	var errno syscall.Errno
	var timeout net.Error
	var dial dialError
	switch {
	case errors.Is(err, ErrForbiddenAddress):
		return &RequestError{Reason: RequestForbidden, Err: ErrForbiddenAddress}
	case ctx.Err() != nil:
		return &RequestError{Reason: RequestTimeout, Err: context.Cause(ctx)}
	case errors.Is(err, errNoHTTP):
		return &RequestError{Reason: RequestBadAnswer, Err: errNoHTTP}
	case errors.As(err, &dns):
		return &RequestError{Reason: RequestDNS}
	case errors.As(err, &errno):
		return &RequestError{Reason: reasonOfErrno(errno), Err: errno}
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return &RequestError{Reason: RequestTimeout, Err: errRequestTimeout}
	case errors.As(err, &dial):
		return &RequestError{Reason: RequestUnreachable}
	}
	return &RequestError{Reason: RequestReset}
}

func reasonOfErrno(e syscall.Errno) RequestReason {
	switch e {
	case syscall.ECONNREFUSED:
		return RequestRefused
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return RequestReset
	case syscall.ETIMEDOUT:
		return RequestTimeout
	}
	return RequestUnreachable
}

// basicAuthorization is the answer to a Basic challenge, where that is allowed.
func basicAuthorization(c ConnectionRequest) string {
	clean := strings.NewReplacer("\r", "", "\n", "")
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(clean.Replace(c.Username)+":"+clean.Replace(c.Password)))
}

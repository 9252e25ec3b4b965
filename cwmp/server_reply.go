package cwmp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
	"unicode/utf8"
)

const contentTypeXML = "text/xml; charset=utf-8"

// reply writes the whole answer: Content-Length always, since some CPEs cannot read chunks; the bytes at once; and flushed,
// so that an error is seen. A write that hangs ends after MessageTimeout, or when a newer session of the device comes in
// place of s.
func (x *exchange) reply(status int, body []byte, s *session) error {
	c := http.NewResponseController(x.w)
	// Not every ResponseWriter has deadlines; the server of HTTPServer has.
	_ = c.SetWriteDeadline(time.Now().Add(x.cfg.MessageTimeout))
	if s != nil {
		stop := context.AfterFunc(s.over, func() { _ = c.SetWriteDeadline(time.Unix(1, 0)) })
		defer stop()
	}
	h := x.w.Header()
	if status != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.w.WriteHeader(status)
	if len(body) > 0 {
		if _, err := x.w.Write(body); err != nil {
			return err
		}
		x.cfg.Observer.MessageWritten(len(body))
	}
	if err := c.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// noContent is the empty answer (TR-069 3.4.6).
func (x *exchange) noContent(s *session) error { return x.reply(http.StatusNoContent, nil, s) }

// envelope writes a message. It answers 200 for faults too (TR-069 3.4.1).
func (x *exchange) envelope(e *Envelope, declaration bool, s *session) error {
	b, err := Encode(e, declaration)
	if err != nil {
		return err
	}
	return x.xml(b, s)
}

func (x *exchange) xml(b []byte, s *session) error {
	x.w.Header()["Content-Type"] = []string{contentTypeXML}
	return x.reply(http.StatusOK, b, s)
}

// refuse answers with an error status and no SOAP (TR-069 3.7.2.4), and closes the connection.
func (x *exchange) refuse(status int, why Refusal) {
	x.cfg.Observer.Refused(why)
	h := x.w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Connection"] = []string{"close"}
	x.log.Debug("request refused", "from", x.addr, "status", status, "why", why)
	_ = x.reply(status, []byte(strconv.Itoa(status)+" "+http.StatusText(status)+"\n"), nil)
}

// Those who are sent away come again after 10 to 60 seconds, not all at once.
const (
	retryAfterLeast = 10 * time.Second
	retryAfterRange = 50 * time.Second
)

// unavailable is 503 with a Retry-After that spreads the crowd.
func (x *exchange) unavailable(why Refusal) {
	after := retryAfterLeast + rand.N(retryAfterRange)
	x.w.Header()["Retry-After"] = []string{strconv.Itoa(int(after / time.Second))}
	x.refuse(http.StatusServiceUnavailable, why)
}

// refuseBody answers a body that could not be read or decoded.
func (x *exchange) refuseBody(err error) {
	switch {
	case errors.Is(err, ErrTooLarge):
		x.refuse(http.StatusRequestEntityTooLarge, RefusedTooLarge)
	case errors.Is(err, errEncoding):
		x.refuse(http.StatusUnsupportedMediaType, RefusedEncoding)
	case errors.Is(err, errBusy):
		x.unavailable(RefusedBusy)
	case errors.Is(err, errRead):
		x.refuse(http.StatusBadRequest, RefusedRead)
	default:
		x.refuse(http.StatusBadRequest, RefusedMalformed)
	}
}

// clip bounds text of a device for a log line.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	for n := most; n > 0; n-- {
		if utf8.RuneStart(s[n]) {
			return s[:n] + "…"
		}
	}
	return ""
}

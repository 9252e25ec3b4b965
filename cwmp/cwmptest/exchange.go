package cwmptest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// maxAnswer bounds what is read of one answer.
const maxAnswer = 16 << 20

// link is a connection to the ACS. A nil link is none.
type link struct {
	net.Conn
	r    *bufio.Reader
	stop func() bool // the watch of its session's context
}

func (l *link) close() {
	if l != nil {
		l.unwatch()
		l.Conn.Close()
	}
}

// watch breaks the connection when ctx ends.
func (l *link) watch(ctx context.Context) {
	if l != nil {
		l.unwatch()
		l.stop = context.AfterFunc(ctx, func() { l.Conn.Close() })
	}
}

func (l *link) unwatch() {
	if l != nil && l.stop != nil {
		l.stop()
		l.stop = nil
	}
}

func (s *session) hangUp() {
	s.link.close()
	s.link = nil
}

func (s *session) dial(ctx context.Context) error {
	host, tlsPort := s.url.Host, s.url.Scheme == "https"
	if s.url.Port() == "" {
		port := "80"
		if tlsPort {
			port = "443"
		}
		host = net.JoinHostPort(s.url.Hostname(), port)
	}
	ctx2, cancel := context.WithTimeout(ctx, s.d.cfg.ResponseTimeout)
	defer cancel()
	c, err := s.d.cfg.Net.DialContext(ctx2, "tcp", host)
	if err != nil {
		return err
	}
	if tlsPort {
		cfg := s.d.cfg.TLS.Clone()
		if cfg == nil {
			cfg = &tls.Config{}
		}
		if cfg.ServerName == "" {
			cfg.ServerName = s.url.Hostname()
		}
		secure := tls.Client(c, cfg)
		if err := secure.HandshakeContext(ctx2); err != nil {
			c.Close()
			return err
		}
		c = secure
	}
	s.link = &link{Conn: c, r: bufio.NewReader(c)}
	s.link.watch(ctx)
	return nil
}

// answer is one HTTP response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends one HTTP request and reads the response. It takes up cookies and challenges.
func (s *session) exchange(ctx context.Context, method string, body []byte) (*answer, error) {
	s.posts++
	if err := s.cutHere(BeforePost, method); err != nil {
		return nil, err
	}
	if s.q.ConnPerPost {
		s.hangUp()
	}
	if s.link == nil {
		if err := s.dial(ctx); err != nil {
			return nil, err
		}
	}
	_ = s.link.SetDeadline(time.Now().Add(s.d.cfg.ResponseTimeout))
	head, payload := s.httpRequest(method, body)
	if s.cutsHere(HalfPosted, method) {
		_, _ = s.link.Write(append(bytes.Clone(head), payload...)[:(len(head)+len(payload))/2])
		s.hangUp()
		return nil, errCut
	}
	res, err := s.write(head, payload)
	if err != nil {
		return nil, err
	}
	s.d.note(NotePosted, method, "", append(bytes.Clone(head), payload...))
	s.posted(method)
	if res == nil {
		if err := s.cutHere(Posted, method); err != nil {
			return nil, err
		}
		if res, err = s.readResponse(); err != nil {
			return nil, err
		}
	}
	return s.take(res)
}

// take reads the body of a response and remembers what goes on from it.
func (s *session) take(res *http.Response) (*answer, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	for _, c := range res.Cookies() {
		s.cookies = keepCookie(s.cookies, c.Name, c.Value)
	}
	if res.StatusCode == http.StatusUnauthorized {
		s.challenge = s.choose(res.Header.Values("Www-Authenticate"))
	}
	if res.Close {
		s.hangUp()
	}
	return &answer{status: res.StatusCode, header: res.Header, body: body}, nil
}

// write sends a request. With Expect it may get the response already, which it returns then.
func (s *session) write(head, payload []byte) (*http.Response, error) {
	if !s.q.Expect || len(payload) == 0 {
		whole := append(bytes.Clone(head), payload...)
		_, err := s.link.Write(whole)
		return nil, err
	}
	if _, err := s.link.Write(head); err != nil {
		return nil, err
	}
	end := time.Now().Add(s.d.cfg.ResponseTimeout)
	_ = s.link.SetReadDeadline(time.Now().Add(time.Second))
	start, err := s.link.r.Peek(len("HTTP/1.1 100"))
	_ = s.link.SetReadDeadline(end)
	switch {
	case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
		return nil, err
	case err == nil && string(start[9:]) != "100":
		// A final answer already: the body is not sent, so the connection can serve no further request.
		res, err := s.readResponse()
		if res != nil {
			res.Close = true
		}
		return res, err
	}
	_, err = s.link.Write(payload)
	return nil, err
}

// readResponse reads the next final response.
func (s *session) readResponse() (*http.Response, error) {
	for {
		res, err := http.ReadResponse(s.link.r, &http.Request{Method: http.MethodPost})
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		if res.StatusCode >= 200 {
			return res, nil
		}
	}
}

// httpRequest makes the head and the encoded body of a request.
func (s *session) httpRequest(method string, body []byte) (head, payload []byte) {
	var b strings.Builder
	header := func(name, value string) {
		if s.q.LowerCaseHeaders {
			name = strings.ToLower(name)
		}
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	target := s.url.RequestURI()
	if s.q.PostRoot {
		target = "/"
	}
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\n", target)
	header("Host", s.url.Host)
	header("User-Agent", "recado-cwmptest")
	if len(body) > 0 || s.q.HeadersOnEmpty {
		s.envelopeHeaders(header, method)
	}
	if c := s.cookieHeader(); c != "" {
		header("Cookie", c)
	}
	if a := s.authorization(method, target); a != "" {
		header("Authorization", a)
	}
	payload = body
	if s.q.Gzip && len(body) > 0 {
		payload = compress(body)
		header("Content-Encoding", "gzip")
	}
	if s.q.Expect && len(body) > 0 {
		header("Expect", "100-continue")
	}
	if s.q.Chunked {
		payload = chunks(payload)
		header("Transfer-Encoding", "chunked")
	} else {
		header("Content-Length", fmt.Sprint(len(payload)))
	}
	if s.q.ConnPerPost {
		header("Connection", "close")
	}
	b.WriteString("\r\n")
	return []byte(b.String()), payload
}

func (s *session) envelopeHeaders(header func(name, value string), method string) {
	switch s.q.SOAPAction {
	case SOAPActionEmpty:
		header("SOAPAction", "")
	case SOAPActionQuotes:
		header("SOAPAction", `""`)
	case SOAPActionMethod:
		header("SOAPAction", "cwmp:"+method)
	}
	switch t := s.q.ContentType; {
	case t == "absent":
	case t == "-":
		header("Content-Type", "")
	case t != "":
		header("Content-Type", t)
	case s.q.Latin1:
		header("Content-Type", "text/xml; charset=ISO-8859-1")
	default:
		header("Content-Type", `text/xml; charset="utf-8"`)
	}
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// chunks cuts a body into chunks of up to 1000 bytes.
func chunks(body []byte) []byte {
	var out []byte
	for len(body) > 0 {
		n := min(1000, len(body))
		out = fmt.Appendf(out, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return append(out, "0\r\n\r\n"...)
}

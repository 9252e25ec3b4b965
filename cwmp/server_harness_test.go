package cwmp_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"recado/cwmp"
)

// pipeListener hands net.Pipes with addresses of the test's choice to a server, so that all of it fits into a bubble.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

type pipeConn struct {
	net.Conn
	remote net.Addr
}

func (c pipeConn) RemoteAddr() net.Addr { return c.remote }

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 7547} }

// acs is a server under test.
type acs struct {
	t      *testing.T
	server *cwmp.Server
	l      *pipeListener
	log    *lockedBuffer
	seen   *observed
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// observed counts what the Observer is told.
type observed struct {
	mu     sync.Mutex
	counts map[string]int
}

func (o *observed) add(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.counts[what]++
}

func (o *observed) count(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.counts[what]
}

// startACS serves until the test ends; everything it started has ended then.
func startACS(t *testing.T, cfg cwmp.ServerConfig) *acs {
	t.Helper()
	a := &acs{
		t: t, log: &lockedBuffer{}, seen: &observed{counts: map[string]int{}},
		l: &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})},
	}
	if cfg.Auth == "" {
		cfg.Auth = cwmp.AuthNone
	}
	cfg.Logger = slog.New(slog.NewJSONHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Observer = cwmp.Observer{
		SessionOpened: func() { a.seen.add("opened") },
		SessionEnded:  func(r cwmp.EndReason, _ time.Duration) { a.seen.add("ended " + string(r)) },
		AuthFailed:    func(f cwmp.AuthFailure, _ netip.Addr) { a.seen.add("auth " + string(f)) },
		Refused:       func(r cwmp.Refusal) { a.seen.add("refused " + string(r)) },
	}
	server, err := cwmp.NewServer(cfg)
	if err != nil {
		t.Fatalf("NewServer: %v", err)
	}
	a.server = server
	ctx, cancel := context.WithCancel(context.Background())
	h := server.HTTPServer()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := h.Serve(a.l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	wg.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = h.Close()
		wg.Wait()
	})
	return a
}

// cpe is a client with one connection at a time and a cookie jar of one.
type cpe struct {
	t      *testing.T
	acs    *acs
	addr   string
	conn   net.Conn
	in     *bufio.Reader
	cookie string
	// noCookie makes it forget cookies, onePerPost open a connection for each POST.
	noCookie, onePerPost bool
}

func (a *acs) cpe(addr string) *cpe {
	c := &cpe{t: a.t, acs: a, addr: addr}
	a.t.Cleanup(c.hangUp)
	return c
}

func (c *cpe) dial() net.Conn {
	ours, theirs := net.Pipe()
	select {
	case c.acs.l.conns <- pipeConn{theirs, &net.TCPAddr{IP: net.ParseIP(c.addr), Port: 40000}}:
	case <-c.acs.l.done:
		c.t.Fatal("the server is closed")
	}
	return ours
}

func (c *cpe) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

type answer struct {
	status int
	header http.Header
	body   string
	closes bool // the server closes the connection
}

// envelope decodes the answer's message.
func (a answer) envelope(t *testing.T) *cwmp.Envelope {
	t.Helper()
	if a.status != 200 || a.header.Get("Content-Type") != "text/xml; charset=utf-8" {
		t.Fatalf("got status %d, Content-Type %q, body %q, want a message", a.status, a.header.Get("Content-Type"), a.body)
	}
	e, err := cwmp.Decode([]byte(a.body), cwmp.DefaultLimits)
	if err != nil {
		t.Fatalf("answer %q: %v", a.body, err)
	}
	return e
}

// post sends a POST with raw header lines and reads the answer.
func (c *cpe) post(body string, header ...string) answer {
	c.t.Helper()
	a, err := c.try(body, header...)
	if err != nil {
		c.t.Fatalf("post: %v", err)
	}
	return a
}

func (c *cpe) try(body string, header ...string) (answer, error) {
	var b strings.Builder
	b.WriteString("POST /acs HTTP/1.1\r\nHost: acs\r\n")
	for _, h := range header {
		b.WriteString(h + "\r\n")
	}
	if c.cookie != "" && !slices.ContainsFunc(header, func(h string) bool { return strings.HasPrefix(h, "Cookie:") }) {
		b.WriteString("Cookie: " + c.cookie + "\r\n")
	}
	if !strings.Contains(b.String(), "Transfer-Encoding") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	return c.raw(b.String() + "\r\n" + body)
}

// raw writes bytes and reads one answer.
func (c *cpe) raw(request string) (answer, error) {
	if c.onePerPost {
		c.hangUp()
	}
	if c.conn == nil {
		c.conn = c.dial()
		c.in = bufio.NewReader(c.conn)
	}
	conn := c.conn
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(conn, request) // the server may answer before it has read all
	}()
	resp, err := http.ReadResponse(c.in, &http.Request{Method: http.MethodPost})
	if err != nil {
		c.hangUp()
		<-written
		return answer{}, err
	}
	body, err := io.ReadAll(resp.Body)
	if len(resp.TransferEncoding) > 0 || resp.StatusCode != 204 && resp.ContentLength != int64(len(body)) {
		c.t.Errorf("answer %d has Transfer-Encoding %v and Content-Length %d for %d bytes, want a right Content-Length", resp.StatusCode, resp.TransferEncoding, resp.ContentLength, len(body))
	}
	if resp.Close {
		c.hangUp()
	}
	<-written
	if set := resp.Header.Get("Set-Cookie"); set != "" && !c.noCookie {
		c.cookie, _, _ = strings.Cut(set, ";")
	}
	return answer{resp.StatusCode, resp.Header, string(body), resp.Close}, err
}

// message encodes a message of the CPE.
func message(t testing.TB, e *cwmp.Envelope) string {
	t.Helper()
	if e.Namespace == "" {
		e.Namespace = cwmp.Namespace10
	}
	b, err := cwmp.Encode(e, false)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return string(b)
}

func informOf(t testing.TB, serial string) string {
	return message(t, &cwmp.Envelope{ID: "i-" + serial, HasID: true, Message: &cwmp.Inform{
		DeviceID: cwmp.DeviceID{Manufacturer: "M", OUI: "00AA11", ProductClass: "P", SerialNumber: serial},
		Events:   []cwmp.Event{{EventCode: cwmp.EventPeriodic}},
	}})
}

func say(t testing.TB, id string, m cwmp.Message) string {
	return message(t, &cwmp.Envelope{ID: id, HasID: true, Message: m})
}

// inform opens a session and fails the test where it does not.
func (c *cpe) inform(serial string, header ...string) {
	c.t.Helper()
	if _, ok := c.post(informOf(c.t, serial), header...).envelope(c.t).Message.(*cwmp.InformResponse); !ok {
		c.t.Fatal("got no InformResponse")
	}
}

func (c *cpe) wantStatus(want int, body string, header ...string) answer {
	c.t.Helper()
	a := c.post(body, header...)
	if a.status != want {
		c.t.Errorf("got status %d, body %q, want %d", a.status, a.body, want)
	}
	if a.closes != (a.status >= 400 && a.status != 401) {
		c.t.Errorf("status %d closes the connection: %v, want that for refusals other than 401 only", a.status, a.closes)
	}
	if a.status >= 400 && strings.Contains(a.body, "<") {
		c.t.Errorf("status %d comes with %q, want no SOAP", a.status, a.body)
	}
	return a
}

// script is a Handler that keeps a record of its calls; hooks decide.
type script struct {
	mu    sync.Mutex
	calls []string
	busy  map[*cwmp.Session]bool

	queue    map[string][]cwmp.Message // by serial number
	onInform func(ctx context.Context, s *cwmp.Session, i *cwmp.Inform) error
	request  func(m cwmp.Message) (cwmp.Message, error)
	next     func(ctx context.Context, s *cwmp.Session) (cwmp.Message, error)
	sending  func(s *cwmp.Session, m cwmp.Message) error
	response func(s *cwmp.Session, request, response cwmp.Message) error
	end      func(s *cwmp.Session, reason cwmp.EndReason)
}

func (h *script) enter(s *cwmp.Session, call string) func() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy == nil {
		h.busy = map[*cwmp.Session]bool{}
	}
	if h.busy[s] {
		panic("two calls for one session at a time")
	}
	h.busy[s] = true
	h.calls = append(h.calls, s.Device.SerialNumber+" "+call)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.busy[s] = false
	}
}

func (h *script) record() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

func (h *script) Inform(ctx context.Context, s *cwmp.Session, i *cwmp.Inform) error {
	defer h.enter(s, "Inform")()
	if h.onInform != nil {
		return h.onInform(ctx, s, i)
	}
	return nil
}

func (h *script) Request(_ context.Context, s *cwmp.Session, m cwmp.Message) (cwmp.Message, error) {
	defer h.enter(s, "Request "+m.Method())()
	if h.request != nil {
		return h.request(m)
	}
	if m.Method() == "TransferComplete" {
		return &cwmp.TransferCompleteResponse{}, nil
	}
	return nil, &cwmp.Fault{FaultCode: cwmp.FaultACSMethodNotSupported}
}

func (h *script) Next(ctx context.Context, s *cwmp.Session) (cwmp.Message, error) {
	defer h.enter(s, "Next")()
	if h.next != nil {
		return h.next(ctx, s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	serial := s.Device.SerialNumber
	if len(h.queue[serial]) == 0 {
		return nil, nil
	}
	m := h.queue[serial][0]
	h.queue[serial] = h.queue[serial][1:]
	return m, nil
}

func (h *script) Sending(_ context.Context, s *cwmp.Session, m cwmp.Message) error {
	defer h.enter(s, "Sending "+m.Method())()
	if h.sending != nil {
		return h.sending(s, m)
	}
	return nil
}

func (h *script) Response(_ context.Context, s *cwmp.Session, request, response cwmp.Message) error {
	defer h.enter(s, "Response "+response.Method()+" to "+request.Method())()
	if h.response != nil {
		return h.response(s, request, response)
	}
	return nil
}

func (h *script) End(s *cwmp.Session, reason cwmp.EndReason, unanswered cwmp.Message) {
	call := "End " + string(reason)
	if unanswered != nil {
		call += ", " + unanswered.Method() + " unanswered"
	}
	defer h.enter(s, call)()
	if h.end != nil {
		h.end(s, reason)
	}
}

func (h *script) wantCalls(t *testing.T, want ...string) {
	t.Helper()
	if got := h.record(); !slices.Equal(got, want) {
		t.Errorf("handler calls:\n got %q\nwant %q", got, want)
	}
}

// passwords are Credentials of a map.
type passwords map[string]string

func (p passwords) CPEPassword(_ context.Context, username string) (string, bool, error) {
	if username == "broken" {
		return "", false, errors.New("store is closed")
	}
	password, ok := p[username]
	return password, ok, nil
}

func md5hex(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }

// nonceOf takes the nonce out of a challenge.
func nonceOf(t *testing.T, a answer) string {
	t.Helper()
	_, rest, ok := strings.Cut(a.header.Get("WWW-Authenticate"), `nonce="`)
	nonce, _, ok2 := strings.Cut(rest, `"`)
	if a.status != 401 || !ok || !ok2 {
		t.Fatalf("got status %d, challenge %q, want a digest challenge", a.status, a.header.Get("WWW-Authenticate"))
	}
	return nonce
}

// digestHeader answers a challenge with qop auth.
func digestHeader(user, password, nonce, nc, uri string) string {
	response := md5hex(md5hex(user+":cwmp:"+password) + ":" + nonce + ":" + nc + ":0a4f:auth:" + md5hex("POST:"+uri))
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="cwmp", nonce="%s", uri="%s", qop=auth, nc=%s, cnonce="0a4f", response="%s"`, user, nonce, uri, nc, response)
}

// oldDigestHeader answers in the form of RFC 2069.
func oldDigestHeader(user, password, nonce, uri string) string {
	response := md5hex(md5hex(user+":cwmp:"+password) + ":" + nonce + ":" + md5hex("POST:"+uri))
	return fmt.Sprintf(`Authorization: Digest username="%s", realm="cwmp", nonce="%s", uri="%s", response="%s"`, user, nonce, uri, response)
}

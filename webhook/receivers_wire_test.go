package webhook_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recado/webhook"
	"recado/webhook/webhooktest"
)

// wire is what a receiver does with a connection, byte for byte. It ends when the sender hangs up.
type wire func(c net.Conn)

// readRequest reads a request and its body, and gives false where the sender hung up.
func readRequest(c net.Conn) bool {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// says reads the request, writes the texts and closes: a moment later, when all has been read.
func says(texts ...string) wire {
	return func(c net.Conn) {
		if !readRequest(c) {
			return
		}
		for _, s := range texts {
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// saysAndHangs is says, and then the connection stays open and silent.
func saysAndHangs(texts ...string) wire {
	return func(c net.Conn) {
		says(texts...)(c)
		_, _ = io.Copy(io.Discard, c)
	}
}

// early answers after the first byte of the request, and reads the rest.
func early(text string) wire {
	return func(c net.Conn) {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			return
		}
		go func() { _, _ = io.WriteString(c, text) }()
		_, _ = io.Copy(io.Discard, c)
	}
}

// floods writes the beginning, and then the same again and again until n bytes are out or the sender hangs up.
func floods(beginning, again string, n int) wire {
	return func(c net.Conn) {
		says(beginning)(c)
		for range n/len(again) + 1 {
			if _, err := io.WriteString(c, again); err != nil {
				return
			}
		}
	}
}

// onWire puts a receiver that is nothing but bytes behind an endpoint, with a transport set as the real one is.
func (b *bench) onWire(id string, config *tls.Config, do wire) {
	pipe := webhooktest.NewPipe()
	ctx, hangUp := context.WithCancel(b.ctx)
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := pipe.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = c.Close() }) // should the sender keep it
			conns.Go(func() {
				defer c.Close()
				do(c)
			})
		}
	})
	tr := &http.Transport{
		DialContext: pipe.DialContext, TLSClientConfig: config, TLSHandshakeTimeout: 5 * time.Second, DisableCompression: true,
		MaxResponseHeaderBytes: 64 << 10, ForceAttemptHTTP2: true, IdleConnTimeout: 30 * time.Second,
	}
	b.t.Cleanup(func() {
		_ = pipe.Close()
		tr.CloseIdleConnections()
		hangUp()
		conns.Wait()
	})
	b.endpoint(id, &http.Client{Transport: tr}, func(e *webhook.Endpoint) {
		if config != nil {
			e.URL = "https://" + id + ".example/hook"
		}
	})
}

const (
	ok204 = "HTTP/1.1 204 No Content\r\n\r\n"
	ok200 = "HTTP/1.1 200 OK\r\n"
)

func zip(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		panic(err) // into memory it always goes
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}

func TestReceiversOnTheWire(t *testing.T) {
	retryAfter := func(status int, lines ...string) wire {
		head := fmt.Sprintf("HTTP/1.1 %d No\r\nContent-Length: 0\r\n", status)
		for _, l := range lines {
			head += "Retry-After: " + l + "\r\n"
		}
		return says(head + "\r\n")
	}
	pending, delivered := webhook.DeliveryPending, webhook.DeliveryDelivered
	type want struct {
		class    webhook.ErrorClass
		status   int
		state    webhook.DeliveryState
		duration time.Duration
		wait     time.Duration // exact, or 0 for the schedule's 4 to 6 s
	}
	for _, c := range []struct {
		name string
		do   wire
		want want
	}{
		// Where it hangs.
		{"hangs before it reads", func(c net.Conn) { time.Sleep(time.Hour) }, want{class: "timeout", state: pending, duration: 30 * time.Second}},
		{"hangs before the head", saysAndHangs(), want{class: "timeout", state: pending, duration: 30 * time.Second}},
		{"hangs in the status line", saysAndHangs("HTTP/1.1 20"), want{class: "timeout", state: pending, duration: 30 * time.Second}},
		{"hangs in the headers", saysAndHangs(ok200 + "X-A: b\r\nX-"), want{class: "timeout", state: pending, duration: 30 * time.Second}},
		{"hangs in the body", saysAndHangs(ok200 + "Content-Length: 10\r\n\r\nabc"), want{status: 200, state: delivered, duration: 30 * time.Second}},
		{"hangs in a chunk", saysAndHangs(ok200 + "Transfer-Encoding: chunked\r\n\r\n5\r\nab"), want{
			status: 200, state: delivered, duration: 30 * time.Second,
		}},
		{"hangs after 100 Continue", saysAndHangs("HTTP/1.1 100 Continue\r\n\r\n"), want{class: "timeout", state: pending, duration: 30 * time.Second}},
		// Where it breaks off.
		{"closes before it reads", func(net.Conn) {}, want{class: "connect", state: pending}},
		{"closes after the request", says(), want{class: "connect", state: pending}},
		{"closes in the status line", says("HTTP/1.1 20"), want{class: "bad_answer", state: pending}},
		{"closes in the headers", says(ok200 + "X-A: b\r\nX-"), want{class: "bad_answer", state: pending}},
		{"closes before the body", says(ok200 + "Content-Length: 10\r\n\r\n"), want{status: 200, state: delivered}},
		{"closes in a chunk of a 500", says("HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), want{class: "status", status: 500, state: pending}},
		{"closes after 100 Continue", says("HTTP/1.1 100 Continue\r\n\r\n"), want{class: "connect", state: pending}},
		// What is no HTTP.
		{"an empty line first", says("\r\n" + ok204), want{class: "bad_answer", state: pending}},
		{"a binary protocol", says("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), want{class: "bad_answer", state: pending}},
		{"a status of four digits", says("HTTP/1.1 2000 OK\r\n\r\n"), want{class: "bad_answer", state: pending}},
		{"a status of letters", says("HTTP/1.1 OK 200\r\n\r\n"), want{class: "bad_answer", state: pending}},
		{"HTTP/3.7", says("HTTP/3.7 200 OK\r\nContent-Length: 0\r\n\r\n"), want{status: 200, state: delivered}},
		{"HTTP/1.0", says("HTTP/1.0 200 OK\r\n\r\nfine"), want{status: 200, state: delivered}},
		{"a header without a colon", says(ok200 + "nonsense\r\n\r\n"), want{class: "bad_answer", state: pending}},
		{"two lengths that differ", says(ok200 + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"), want{class: "bad_answer", state: pending}},
		{"a negative length", says(ok200 + "Content-Length: -1\r\n\r\nab"), want{class: "bad_answer", state: pending}},
		{"an unknown coding", says(ok200 + "Transfer-Encoding: squeeze\r\n\r\nab"), want{class: "bad_answer", state: pending}},
		{"a chunk that is none", says(ok200 + "Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n"), want{status: 200, state: delivered}},
		{"more body than its length", says(ok200 + "Content-Length: 2\r\n\r\nabcdef"), want{status: 200, state: delivered}},
		{"less body than its length", says("HTTP/1.1 400 No\r\nContent-Length: 200\r\n\r\nabcdef"), want{class: "status", status: 400, state: pending}},
		// Floods.
		{"endless headers", floods(ok200, "X-Flood: "+strings.Repeat("f", 1000)+"\r\n", 64<<20), want{class: "bad_answer", state: pending}},
		{"one endless header", floods(ok200+"X-Flood: ", strings.Repeat("f", 1000), 64<<20), want{class: "bad_answer", state: pending}},
		{"an endless status line", floods("HTTP/1.1 200 ", strings.Repeat("f", 1000), 64<<20), want{class: "bad_answer", state: pending}},
		{"endless 103s", floods("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 64<<20), want{class: "bad_answer", state: pending}},
		{"an endless body", floods(ok200+"\r\n", strings.Repeat("b", 1000), 64<<20), want{status: 200, state: delivered}},
		{"endless small chunks", floods(ok200+"Transfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", 1<<20), want{status: 200, state: delivered}},
		{"a gzip bomb", says(ok200 + "Content-Encoding: gzip\r\n\r\n" + zip(strings.Repeat("\x00", 64<<20))), want{status: 200, state: delivered}},
		// Informational answers first.
		{"100 and then 204", says("HTTP/1.1 100 Continue\r\n\r\n", ok204), want{status: 204, state: delivered}},
		{"103 and then 500", says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), want{
			class: "status", status: 500, state: pending,
		}},
		{"switches protocols", saysAndHangs("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), want{
			class: "status", status: 101, state: pending,
		}},
		// An answer before the request was read.
		{"answers after the first byte", early(ok204), want{status: 204, state: delivered}},
		{"413 after the first byte", early("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), want{
			class: "status", status: 413, state: pending,
		}},
		// Redirects of all kinds.
		{"300", says("HTTP/1.1 300 No\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n"), want{class: "redirect", status: 300, state: pending}},
		{"303 to itself", says("HTTP/1.1 303 No\r\nLocation: /hook\r\nContent-Length: 0\r\n\r\n"), want{class: "redirect", status: 303, state: pending}},
		{"304 without a body", says("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n"), want{class: "redirect", status: 304, state: pending}},
		{"302 without a Location", says("HTTP/1.1 302 No\r\nContent-Length: 0\r\n\r\n"), want{class: "redirect", status: 302, state: pending}},
		{"307 to metadata", says("HTTP/1.1 307 No\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"), want{class: "redirect", status: 307, state: pending}},
		{"308 with a Retry-After", says("HTTP/1.1 308 No\r\nLocation: /a\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"), want{
			class: "redirect", status: 308, state: pending, wait: time.Minute,
		}},
		// Retry-After in all forms. The clock stands at midnight of 2000-01-01.
		{"Retry-After: seconds", retryAfter(429, "90"), want{class: "status", status: 429, state: pending, wait: 90 * time.Second}},
		{"Retry-After: with spaces", retryAfter(429, "  90  "), want{class: "status", status: 429, state: pending, wait: 90 * time.Second}},
		{"Retry-After: leading zeros", retryAfter(503, "0000000090"), want{class: "status", status: 503, state: pending, wait: 90 * time.Second}},
		{"Retry-After: a date", retryAfter(503, "Sat, 01 Jan 2000 00:02:00 GMT"), want{class: "status", status: 503, state: pending, wait: 2 * time.Minute}},
		{"Retry-After: a date of RFC 850", retryAfter(503, "Saturday, 01-Jan-00 00:02:00 GMT"), want{class: "status", status: 503, state: pending, wait: 2 * time.Minute}},
		{"Retry-After: a date of asctime", retryAfter(503, "Sat Jan  1 00:02:00 2000"), want{class: "status", status: 503, state: pending, wait: 2 * time.Minute}},
		{"Retry-After: two, the first counts", retryAfter(429, "60", "600"), want{class: "status", status: 429, state: pending, wait: time.Minute}},
		{"Retry-After: beyond all numbers", retryAfter(500, strings.Repeat("9", 400)), want{class: "status", status: 500, state: pending, wait: 24 * time.Hour}},
		{"Retry-After: a date far off", retryAfter(500, "Fri, 31 Dec 9999 23:59:59 GMT"), want{class: "status", status: 500, state: pending, wait: 24 * time.Hour}},
		{"Retry-After: 0", retryAfter(429, "0"), want{class: "status", status: 429, state: pending}},
		{"Retry-After: past", retryAfter(503, "Fri, 31 Dec 1999 23:59:59 GMT"), want{class: "status", status: 503, state: pending}},
		{"Retry-After: negative", retryAfter(429, "-90"), want{class: "status", status: 429, state: pending}},
		{"Retry-After: a fraction", retryAfter(429, "90.5"), want{class: "status", status: 429, state: pending}},
		{"Retry-After: words", retryAfter(429, "in a minute"), want{class: "status", status: 429, state: pending}},
		{"Retry-After: empty", retryAfter(429, ""), want{class: "status", status: 429, state: pending}},
		{"Retry-After on success", retryAfter(200, "90"), want{status: 200, state: delivered}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.onWire("wh_1", nil, c.do)
				_, ids := b.event("", "")
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				b.start()
				time.Sleep(c.want.duration + time.Second)
				runtime.ReadMemStats(&after)
				as, d, w := b.attempts(ids["wh_1"]), b.delivery(ids["wh_1"]), c.want
				if len(as) == 0 {
					t.Fatal("got no attempt")
				}
				a := as[0]
				if a.Class != w.class || a.Status != w.status || d.State != w.state || a.Duration.Round(time.Second) != w.duration {
					t.Errorf("got class %q, status %d, %s after %v (%s); want %q, %d, %s after %v",
						a.Class, a.Status, d.State, a.Duration, a.Error, w.class, w.status, w.state, w.duration)
				}
				if w.state == pending {
					wait := d.NextAt.Sub(a.At.Add(a.Duration))
					if w.wait > 0 && wait != w.wait || w.wait == 0 && (wait < 4*time.Second || wait > 6*time.Second) {
						t.Errorf("got the next attempt in %v, want %v (0 for 4 to 6 s)", wait, w.wait)
					}
				}
				if got, most := after.TotalAlloc-before.TotalAlloc, uint64(8<<20); got > most {
					t.Errorf("got %d bytes allocated, want at most %d whatever comes", got, most)
				}
				if len(a.Response) > webhook.MaxResponseKept || len(a.Error) > 500 {
					t.Errorf("got %d bytes kept and %d of error, want them bounded", len(a.Response), len(a.Error))
				}
			})
		})
	}
}

// Every status, as it comes over a connection. One that only announces another answer is not the answer.
func TestEveryStatusOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.config.HostPerSecond, b.config.Total = -1, 600
		for status := 100; status <= 599; status++ {
			answer := fmt.Sprintf("HTTP/1.1 %d X\r\n\r\n", status)
			switch {
			case status < 200 && status != 101:
				answer += ok204
			case status != 101 && status != 204 && status != 304:
				answer = fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n", status)
			}
			b.onWire(fmt.Sprintf("wh_%d", status), nil, says(answer))
		}
		_, ids := b.event("", "")
		b.start()
		time.Sleep(time.Second)
		for status := 100; status <= 599; status++ {
			id := ids[fmt.Sprintf("wh_%d", status)]
			d, as := b.delivery(id), b.attempts(id)
			if len(as) != 1 {
				t.Errorf("%d: got %d attempts in the first second, want 1", status, len(as))
				continue
			}
			wantStatus, wantState, wantClass := status, webhook.DeliveryPending, webhook.ErrorStatus
			switch {
			case status < 200 && status != 101:
				wantStatus, wantState, wantClass = 204, webhook.DeliveryDelivered, ""
			case status/100 == 2:
				wantState, wantClass = webhook.DeliveryDelivered, ""
			case status/100 == 3:
				wantClass = webhook.ErrorRedirect
			case status == 410:
				wantState = webhook.DeliveryDead
			}
			if as[0].Status != wantStatus || as[0].Class != wantClass || d.State != wantState {
				t.Errorf("%d: got %d of class %q, %s (%s); want %d, %q, %s", status, as[0].Status, as[0].Class, d.State, as[0].Error, wantStatus, wantClass, wantState)
			}
		}
	})
}

// selfSigned makes a certificate that only its own pool trusts.
func selfSigned(t *testing.T, name string, until time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(c)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// frame is an HTTP/2 frame.
func frame(kind, flags byte, stream uint32, payload string) string {
	n := len(payload)
	return string([]byte{
		byte(n >> 16), byte(n >> 8), byte(n), kind, flags, byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream),
	}) + payload
}

// drained reads a connection ahead, as an operating system does: on a net.Pipe two who write wait for each other.
func drained(c net.Conn) net.Conn {
	d := &ahead{Conn: c, got: make(chan []byte, 1000)}
	go func() {
		defer close(d.got)
		for {
			b := make([]byte, 4<<10)
			n, err := c.Read(b)
			if err != nil {
				return
			}
			d.got <- b[:n]
		}
	}()
	return d
}

type ahead struct {
	net.Conn
	got  chan []byte
	left []byte
}

func (a *ahead) Read(b []byte) (int, error) {
	for len(a.left) == 0 {
		var ok bool
		if a.left, ok = <-a.got; !ok {
			return 0, io.EOF
		}
	}
	n := copy(b, a.left)
	a.left = a.left[n:]
	return n, nil
}

// secured speaks TLS and then does.
func secured(config *tls.Config, do wire) wire {
	return func(c net.Conn) {
		s := tls.Server(drained(c), config)
		if s.HandshakeContext(context.Background()) != nil {
			return
		}
		do(s)
	}
}

// firstOf does the first for the first connection, and then for the others.
func firstOf(first, then wire) wire {
	var n atomic.Int32
	return func(c net.Conn) {
		if n.Add(1) == 1 {
			first(c)
			return
		}
		then(c)
	}
}

func TestReceiversOfTLS(t *testing.T) {
	const h2 = "h2"
	settings := frame(4, 0, 0, "")
	preface := func(frames ...string) wire {
		return func(c net.Conn) {
			go func() {
				_, _ = io.WriteString(c, settings)
				time.Sleep(time.Second) // the request is there by then
				_, _ = io.WriteString(c, strings.Join(frames, ""))
			}()
			_, _ = io.Copy(io.Discard, c)
		}
	}
	for _, tc := range []struct {
		name     string
		host     string // that the certificate is for
		expired  bool
		strange  bool // nobody trusts it
		proto    string
		raw      wire // instead of TLS
		do       wire
		class    []webhook.ErrorClass // any of them
		status   int
		duration time.Duration
	}{
		{name: "trusted", do: says(ok204), class: []webhook.ErrorClass{""}, status: 204},
		{name: "of another name", host: "other.example", do: says(ok204), class: []webhook.ErrorClass{"tls"}},
		{name: "expired", expired: true, do: says(ok204), class: []webhook.ErrorClass{"tls"}},
		{name: "of nobody", strange: true, do: says(ok204), class: []webhook.ErrorClass{"tls"}},
		{name: "plain HTTP", raw: func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\nThis is plain HTTP.")
		}, class: []webhook.ErrorClass{"tls"}},
		{name: "an alert", raw: func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			_, _ = io.WriteString(c, "\x15\x03\x03\x00\x02\x02\x28")
		}, class: []webhook.ErrorClass{"tls"}},
		{name: "closes in the handshake", raw: func(c net.Conn) { _, _ = io.CopyN(io.Discard, c, 10) }, class: []webhook.ErrorClass{"connect"}},
		{name: "a handshake that never begins", raw: func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, class: []webhook.ErrorClass{"timeout"}, duration: 5 * time.Second},
		{name: "a handshake that never ends", raw: func(c net.Conn) {
			go func() { _, _ = io.Copy(io.Discard, c) }()
			_, _ = io.WriteString(c, "\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
			for {
				time.Sleep(time.Second)
				if _, err := c.Write([]byte{0}); err != nil {
					return
				}
			}
		}, class: []webhook.ErrorClass{"timeout"}, duration: 5 * time.Second},
		{name: "a slow handshake", raw: nil, do: says(ok204), class: []webhook.ErrorClass{""}, status: 204, duration: 4 * time.Second},
		{name: "closes after the handshake", do: func(net.Conn) {}, class: []webhook.ErrorClass{"connect"}},
		{name: "cut after the head", do: says(ok200 + "Content-Length: 100\r\n\r\nab"), class: []webhook.ErrorClass{""}, status: 200},
		{name: "HTTP/2 that goes away", proto: h2, do: firstOf(
			preface(frame(7, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\x00")), func(net.Conn) {},
		), class: []webhook.ErrorClass{"connect", "bad_answer"}},
		{name: "HTTP/2 that is enhancing its calm", proto: h2, do: preface(frame(7, 0, 0, "\x7f\xff\xff\xff\x00\x00\x00\x0bcalm")), class: []webhook.ErrorClass{"timeout"}, duration: 30 * time.Second},
		{name: "HTTP/2 that resets the stream", proto: h2, do: preface(frame(3, 0, 1, "\x00\x00\x00\x02")), class: []webhook.ErrorClass{"bad_answer", "connect"}},
		{name: "HTTP/2 of nonsense", proto: h2, do: func(c net.Conn) {
			go func() { _, _ = io.WriteString(c, strings.Repeat("nonsense", 10)) }()
			_, _ = io.Copy(io.Discard, c)
		}, class: []webhook.ErrorClass{"bad_answer", "connect"}},
		{name: "HTTP/2 that hangs", proto: h2, do: preface(), class: []webhook.ErrorClass{"timeout"}, duration: 30 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				host, until := "wh_1.example", time.Now().Add(time.Hour)
				if tc.host != "" {
					host = tc.host
				}
				if tc.expired {
					until = time.Now().Add(-time.Minute)
				}
				cert, pool := selfSigned(t, host, until)
				if tc.strange {
					pool = x509.NewCertPool()
				}
				config := &tls.Config{Certificates: []tls.Certificate{cert}}
				if tc.proto != "" {
					config.NextProtos = []string{tc.proto}
				}
				do := secured(config, tc.do)
				if tc.raw != nil {
					do = tc.raw
				} else if tc.duration > 0 && tc.duration < 5*time.Second {
					do = func(c net.Conn) {
						time.Sleep(tc.duration)
						secured(config, tc.do)(c)
					}
				}
				b.onWire("wh_1", &tls.Config{RootCAs: pool}, do)
				_, ids := b.event("", "")
				b.start()
				time.Sleep(tc.duration + 3*time.Second)
				as := b.attempts(ids["wh_1"])
				if len(as) == 0 {
					time.Sleep(30 * time.Second)
					if as = b.attempts(ids["wh_1"]); len(as) == 0 {
						t.Fatal("got no attempt")
					}
				}
				a := as[0]
				if !slices.Contains(tc.class, a.Class) || a.Status != tc.status || tc.duration > 0 && a.Duration.Round(time.Second) != tc.duration {
					t.Errorf("got class %q, status %d after %v (%s), want one of %q, %d after %v", a.Class, a.Status, a.Duration, a.Error, tc.class, tc.status, tc.duration)
				}
				if (a.Class == "") != (b.delivery(ids["wh_1"]).State == webhook.DeliveryDelivered) {
					t.Errorf("got class %q and the delivery %s", a.Class, b.delivery(ids["wh_1"]).State)
				}
			})
		})
	}
}

package webhooktest

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Behaviour answers one request. Those of this package end when the request's context does, that is when the sender hangs up
// or the receiver is stopped.
type Behaviour func(w http.ResponseWriter, r *http.Request)

// Status answers with a status, and with a short text where the status allows a body.
func Status(code int) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		if code == http.StatusNoContent || code == http.StatusNotModified {
			w.WriteHeader(code)
			return
		}
		Answer(code, http.StatusText(code))(w, nil)
	}
}

// Answer answers with a status and a body.
func Answer(code int, body string) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body)) // the sender may have hung up
	}
}

// Gone answers 410.
func Gone() Behaviour { return Status(http.StatusGone) }

// RetryAfter answers with a status and a Retry-After header: seconds or an HTTP date.
func RetryAfter(code int, value string) Behaviour {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", value)
		Status(code)(w, r)
	}
}

// Redirect answers with a status and a Location.
func Redirect(code int, location string) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(code)
	}
}

// Delay waits before it goes on with then.
func Delay(d time.Duration, then Behaviour) Behaviour {
	return func(w http.ResponseWriter, r *http.Request) {
		if !pause(r, d) {
			panic(http.ErrAbortHandler) // returning would answer 200
		}
		then(w, r)
	}
}

// pause tells whether the time passed before the request ended.
func pause(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// Hang never answers: it waits until the sender gives up.
func Hang() Behaviour {
	return func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// Drip answers the head at once and then a byte of the body per interval, without end.
func Drip(code int, interval time.Duration) Behaviour {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		flush(w)
		for pause(r, interval) {
			if _, err := w.Write([]byte(".")); err != nil {
				break
			}
			flush(w)
		}
		panic(http.ErrAbortHandler)
	}
}

// DripHead sends the head itself a byte per interval, so slowly that it never ends.
func DripHead(interval time.Duration) Behaviour {
	return func(w http.ResponseWriter, r *http.Request) {
		conn := hijack(w)
		defer conn.Close()
		// A hijacked request's context does not end with the connection, but writing to it fails then.
		head := "HTTP/1.1 200 OK\r\n"
		for i := 0; ; i++ {
			c := byte('x')
			if i < len(head) {
				c = head[i]
			}
			if _, err := conn.Write([]byte{c}); err != nil || !pause(r, interval) {
				return
			}
		}
	}
}

// FloodBody answers with a body of n bytes.
func FloodBody(code int, n int64) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		chunk := []byte(strings.Repeat("flood ", 1<<12))
		for n > 0 {
			part := chunk[:min(n, int64(len(chunk)))]
			if _, err := w.Write(part); err != nil {
				return
			}
			n -= int64(len(part))
		}
	}
}

// FloodHeaders answers with n bytes of headers.
func FloodHeaders(n int) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		const size = 1 << 10
		for i := range n/size + 1 {
			w.Header().Set(fmt.Sprintf("X-Flood-%d", i), strings.Repeat("f", size))
		}
		w.WriteHeader(http.StatusOK)
	}
}

// Reset breaks the connection off without an answer; with a TCP reset where there is TCP.
func Reset() Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn := hijack(w)
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // else it is a plain close, which will do
		}
		conn.Close()
	}
}

// Garbage answers with bytes that are no HTTP.
func Garbage() Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn := hijack(w)
		defer conn.Close()
		_, _ = conn.Write([]byte("220 mail.example ESMTP\x1b[2J ready\r\n\r\n"))
	}
}

// CutBody promises n bytes of body and breaks off after half of them.
func CutBody(code, n int) Behaviour {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(n))
		w.WriteHeader(code)
		_, _ = w.Write([]byte(strings.Repeat("c", n/2)))
		flush(w)
		panic(http.ErrAbortHandler)
	}
}

func flush(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush() // an error shows at the next Write
}

// hijack takes the connection over; where that cannot be (HTTP/2) the request is broken off.
func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn
}

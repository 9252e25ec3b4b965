package app_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// slowAttacks hold connections, or send heads that are too large.
func (a *siege) slowAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"half-open connections and drips": a.halfOpen,
		"large heads":                     a.largeHeads,
	}
}

// headLimit is how long a head may take at either listener, and then some.
const headLimit = 20 * time.Second

// halfOpen opens many connections to both listeners that say nothing, or half a head, or a body that never ends. They stay for the
// rest of the siege; those without a whole head have to be closed by its end.
func (a *siege) halfOpen(t *testing.T) {
	const each = 100
	var silent, dripping []net.Conn
	open := func(url, first string) net.Conn {
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		a.t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, first); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	for range each {
		for _, url := range []string{a.s.CWMPURL, a.s.APIURL} {
			silent = append(silent, open(url, ""), open(url, "POST / HTTP/1.1\r\nHost: x\r\nX-Half: "))
			dripping = append(dripping, open(url, "POST /api/v1/devices/reboot HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+a.rogue.Token+
				"\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n<"))
		}
	}
	began := time.Now()
	ended := make(chan struct{})
	stop := make(chan struct{})
	go func() { // a byte each now and then
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
			}
			for _, c := range dripping {
				_, _ = c.Write([]byte(" ")) // the server may have given up
			}
		}
	}()
	a.t.Cleanup(func() { <-ended })
	a.epilogues = append(a.epilogues, func(t *testing.T) {
		close(stop)
		deadline := began.Add(headLimit)
		if now := time.Now().Add(time.Second); now.After(deadline) {
			deadline = now
		}
		for _, c := range silent {
			_ = c.SetReadDeadline(deadline)
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("a connection without a whole head is still open after %v", time.Since(began))
			}
		}
	})
}

func (a *siege) largeHeads(t *testing.T) {
	for name, url := range map[string]string{"CWMP": a.s.CWMPURL, "API": a.s.APIURL} {
		for what, head := range map[string]string{
			"one header of 256 KiB": "X-Large: " + repeat("h", 256<<10) + "\r\n",
			"many headers":          repeat("X-Many: hhhhhhhhhhhhhhhh\r\n", 10_000),
		} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			// The server may close before all is written.
			_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+head+"\r\n")
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Errorf("%s, %s: %v, want 431", name, what, err)
			} else {
				if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
					t.Errorf("%s, %s: got %d, want 431", name, what, res.StatusCode)
				}
				res.Body.Close()
			}
			conn.Close()
		}
	}
}

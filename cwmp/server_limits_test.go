package cwmp_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
)

func TestServerIsFull(t *testing.T) {
	a := startACS(t, cwmp.ServerConfig{Handler: &script{}, MaxSessions: 2})
	one, two, three := a.cpe("192.0.2.1"), a.cpe("192.0.2.2"), a.cpe("192.0.2.3")
	one.inform("A")
	two.inform("B")
	if got := three.wantStatus(503, informOf(t, "C")); got.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	one.wantStatus(204, "")
	three.inform("C")
	for i := range 20 { // what is remembered of ended ones is bounded too
		one.wantStatus([]int{503, 200}[i%2], informOf(t, "A"))
		if i%2 == 0 {
			three.wantStatus(204, "")
			three.cookie = ""
		} else {
			one.wantStatus(204, "")
			three.inform("C")
		}
	}
}

func TestServerConnectionLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := startACS(t, cwmp.ServerConfig{Handler: &script{}, MaxConnections: 5, MaxConnectionsPerAddress: 2})
		one, two, three := a.cpe("192.0.2.7"), a.cpe("192.0.2.7"), a.cpe("192.0.2.7")
		one.inform("A")
		two.inform("B")
		if _, err := three.try(informOf(t, "C")); err == nil {
			t.Error("a third connection of one address was served, want it closed")
		}
		one.hangUp()
		synctest.Wait()
		three.inform("C")
		for i := range 3 { // loopback has no limit of its own
			a.cpe("127.0.0.1").inform(fmt.Sprint("L", i))
		}
		if _, err := a.cpe("192.0.2.8").try(informOf(t, "D")); err == nil {
			t.Error("a sixth connection was served, want it closed")
		}
		if n := a.seen.count("refused connections"); n != 2 {
			t.Errorf("%d connections were refused, want 2", n)
		}
	})
}

func TestServerSlowPeers(t *testing.T) {
	drop := func(t *testing.T, begin string, drip string, within time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			a := startACS(t, cwmp.ServerConfig{Handler: &script{}})
			conn := a.cpe("192.0.2.7").dial()
			started := time.Now()
			dripped := make(chan struct{})
			go func() {
				defer close(dripped)
				_, _ = io.WriteString(conn, begin)
				for {
					time.Sleep(3 * time.Second)
					if _, err := io.WriteString(conn, drip); err != nil {
						return
					}
				}
			}()
			_, _ = io.Copy(io.Discard, conn)
			if took := time.Since(started); took > within {
				t.Errorf("dropped after %v, want %v at most", took, within)
			}
			_ = conn.Close()
			<-dripped
		})
	}
	t.Run("header", func(t *testing.T) { drop(t, "POST / HTTP/1.1\r\nHost: x\r\n", "X: y\r\n", 11*time.Second) })
	t.Run("body", func(t *testing.T) {
		drop(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "x", 62*time.Second)
	})
	t.Run("answer is not read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
			var ended time.Time
			h.end = func(*cwmp.Session, cwmp.EndReason) { ended = time.Now() }
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c := a.cpe("192.0.2.7")
			c.inform("A")
			started := time.Now()
			_, _ = io.WriteString(c.conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A End write, Reboot unanswered")
			if took := ended.Sub(started); took != time.Minute {
				t.Errorf("the write was given up after %v, want 1m", took)
			}
		})
	})
	t.Run("answer is not read, and the device comes again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c, again := a.cpe("192.0.2.7"), a.cpe("192.0.2.7")
			c.inform("A")
			_, _ = io.WriteString(c.conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
			synctest.Wait()
			started := time.Now()
			again.inform("A")
			if took := time.Since(started); took > time.Second {
				t.Errorf("the new session waited %v for the old one's write, want no wait", took)
			}
			h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A End write, Reboot unanswered", "A Inform")
		})
	})
	t.Run("the slow body is read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &script{}
			h.onInform = func(context.Context, *cwmp.Session, *cwmp.Inform) error { time.Sleep(20 * time.Second); return nil }
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c := a.cpe("192.0.2.7")
			conn := c.dial()
			defer conn.Close()
			body := informOf(t, "A")
			_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:10])
			time.Sleep(50 * time.Second)
			_, _ = io.WriteString(conn, body[10:])
			buf := make([]byte, 100)
			if n, err := conn.Read(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "HTTP/1.1 200 OK") {
				t.Errorf("got %q, %v, want 200", buf[:n], err)
			}
		})
	})
}

func TestServerIdleConnectionOutlivesTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &script{}
		c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
		c.noCookie = true
		c.post(message(t, &cwmp.Envelope{SessionTimeout: 300 * time.Second, Message: &cwmp.Inform{DeviceID: cwmp.DeviceID{SerialNumber: "A"}}})).envelope(t)
		time.Sleep(299 * time.Second)
		c.wantStatus(204, "")
		h.wantCalls(t, "A Inform", "A Next", "A End done")
	})
}

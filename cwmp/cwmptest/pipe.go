package cwmptest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// pipeBuffer is how much one direction of a connection holds before the writer waits, as a socket's buffers would.
const pipeBuffer = 64 << 10

// half is one direction of a connection: bytes that one end has written and the other has not read yet.
type half struct {
	mu     sync.Mutex
	cond   sync.Cond
	buf    []byte
	wrote  bool  // the writing end has closed: EOF after the buffer
	gone   bool  // the reading end has closed: writing fails
	broken error // the network broke: both ends fail at once
	read   deadline
	write  deadline
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newHalf() *half {
	h := &half{}
	h.cond.L = &h.mu
	return h
}

func (h *half) Read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.gone:
			return 0, net.ErrClosed
		case h.broken != nil:
			return 0, h.broken
		case h.read.passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(h.buf) > 0:
			n := copy(p, h.buf)
			h.buf = h.buf[n:]
			if len(h.buf) == 0 {
				h.buf = nil
			}
			h.cond.Broadcast()
			return n, nil
		case h.wrote:
			return 0, io.EOF
		}
		h.cond.Wait()
	}
}

func (h *half) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	done := 0
	for {
		switch {
		case h.wrote:
			return done, net.ErrClosed
		case h.broken != nil:
			return done, h.broken
		case h.gone:
			return done, syscall.EPIPE
		case h.write.passed():
			return done, os.ErrDeadlineExceeded
		case done == len(p):
			return done, nil
		}
		if room := pipeBuffer - len(h.buf); room > 0 {
			n := min(room, len(p)-done)
			h.buf = append(h.buf, p[done:done+n]...)
			done += n
			h.cond.Broadcast()
			continue
		}
		h.cond.Wait()
	}
}

// change alters the state under the lock and lets both ends look again.
func (h *half) change(f func()) {
	h.mu.Lock()
	f()
	h.cond.Broadcast()
	h.mu.Unlock()
}

func (h *half) setDeadline(d *deadline, t time.Time) {
	h.change(func() {
		if d.timer != nil {
			d.timer.Stop()
			d.timer = nil
		}
		d.at = t
		if wait := time.Until(t); !t.IsZero() && wait > 0 {
			d.timer = time.AfterFunc(wait, func() { h.change(func() {}) })
		}
	})
}

// pipeConn is one end of a connection in a Network.
type pipeConn struct {
	in, out       *half
	local, remote *net.TCPAddr
	once          sync.Once
	closed        func()
}

var _ net.Conn = (*pipeConn)(nil)

func (c *pipeConn) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	return n, c.wrap("read", err)
}

func (c *pipeConn) Write(p []byte) (int, error) {
	n, err := c.out.Write(p)
	return n, c.wrap("write", err)
}

func (c *pipeConn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close ends both directions; what was written before stays readable at the other end.
func (c *pipeConn) Close() error {
	c.once.Do(func() {
		c.SetDeadline(time.Time{}) //nolint:errcheck // cannot fail; stops the timers
		c.out.change(func() { c.out.wrote = true })
		c.in.change(func() { c.in.gone, c.in.buf = true, nil })
		c.closed()
	})
	return nil
}

// sever breaks the connection for both ends, as a cut cable would once noticed.
func (c *pipeConn) sever() {
	for _, h := range []*half{c.in, c.out} {
		h.change(func() { h.broken, h.buf = syscall.ECONNRESET, nil })
	}
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

func (c *pipeConn) SetDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.read, t)
	c.out.setDeadline(&c.out.write, t)
	return nil
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.setDeadline(&c.in.read, t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.setDeadline(&c.out.write, t)
	return nil
}

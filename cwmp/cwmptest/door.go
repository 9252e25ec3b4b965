package cwmptest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Door takes connection requests (TR-069 3.2.2) for any number of Devices on one listener, told apart by path: thousands
// of Devices on one machine need not have thousands of ports.
type Door struct {
	l    net.Listener
	host string

	mu      sync.Mutex
	devices map[string]*Device
	conns   map[net.Conn]struct{}
	closed  bool
	wg      sync.WaitGroup
}

// doorTimeout is how long a connection may take to bring a request.
const doorTimeout = 30 * time.Second

// NewDoor makes a Door on a listener; host is what the URLs name, the listener's own address where it is empty.
func NewDoor(l net.Listener, host string) *Door {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if host == "" {
		host, _, _ = net.SplitHostPort(l.Addr().String())
	}
	return &Door{
		l: l, host: net.JoinHostPort(host, port),
		devices: make(map[string]*Device), conns: make(map[net.Conn]struct{}),
	}
}

// Run takes connection requests until ctx ends, which is no error, or the listener fails. It closes the listener.
func (d *Door) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, d.close)
	defer stop()
	defer d.wg.Wait()
	defer d.close()
	for {
		c, err := d.l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accept connection request: %w", err)
		}
		d.mu.Lock()
		if d.closed {
			d.mu.Unlock()
			c.Close()
			continue
		}
		d.conns[c] = struct{}{}
		d.wg.Add(1)
		d.mu.Unlock()
		go d.serve(c)
	}
}

func (d *Door) close() {
	d.l.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	for c := range d.conns {
		c.Close()
	}
}

func (d *Door) url(path string) string { return "http://" + d.host + "/" + path }

// register makes path lead to dev; release ends that.
func (d *Door) register(path string, dev *Device) {
	d.mu.Lock()
	d.devices[path] = dev
	d.mu.Unlock()
}

func (d *Door) release(path string) {
	d.mu.Lock()
	delete(d.devices, path)
	d.mu.Unlock()
}

func (d *Door) lookup(path string) *Device {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dev := d.devices[strings.TrimPrefix(path, "/")]; dev != nil {
		return dev
	}
	return d.devices[""] // one whose URL has no path takes any
}

func (d *Door) serve(c net.Conn) {
	defer d.wg.Done()
	defer func() {
		c.Close()
		d.mu.Lock()
		delete(d.conns, c)
		d.mu.Unlock()
	}()
	r := bufio.NewReader(c)
	for {
		_ = c.SetDeadline(time.Now().Add(doorTimeout))
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		dev := d.lookup(req.URL.Path)
		if dev == nil {
			if _, err := c.Write([]byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")); err != nil {
				return
			}
			continue
		}
		if !dev.connectionRequest(c, r, req) {
			return
		}
	}
}

// ownDoor is a Device's own listener while it is open.
type ownDoor struct {
	*Door
	path   string
	shared bool
	stop   context.CancelFunc
	done   chan struct{}
}

// openDoor makes the Device reachable under its present path and port.
func (d *Device) openDoor() error {
	d.mu.Lock()
	path, port := d.path, d.port
	d.mu.Unlock()
	switch {
	case d.cfg.NoListener:
		return nil
	case d.cfg.Door != nil:
		d.cfg.Door.register(path, d)
		d.setDoor(&ownDoor{Door: d.cfg.Door, path: path, shared: true}, port)
		return nil
	}
	l, err := d.cfg.Net.Listen(net.JoinHostPort(d.host(), fmt.Sprint(port)))
	if err != nil {
		return fmt.Errorf("listen for connection requests: %w", err)
	}
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		port = a.Port
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := &ownDoor{Door: NewDoor(l, d.host()), path: path, stop: cancel, done: make(chan struct{})}
	if d.anyPath() {
		path = ""
	}
	o.register(path, d)
	d.setDoor(o, port)
	go func() {
		defer close(o.done)
		_ = o.Run(ctx) // ends with the listener, which the Device closes
	}()
	return nil
}

// anyPath tells whether the URL that the Device reports has no path.
func (d *Device) anyPath() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.quirks.URL == URLNoPath || d.quirks.URL == URLBare
}

func (d *Device) setDoor(o *ownDoor, port int) {
	d.mu.Lock()
	d.door, d.port = o, port
	d.mu.Unlock()
}

// closeDoor makes the Device unreachable and waits until its listener is closed.
func (d *Device) closeDoor() {
	d.mu.Lock()
	o := d.door
	d.door = nil
	d.mu.Unlock()
	switch {
	case o == nil:
	case o.shared:
		o.release(o.path)
	default:
		o.stop()
		<-o.done
	}
}

// moveDoor opens or closes the listener as the Device's state wants it.
func (d *Device) moveDoor() {
	d.doorMu.Lock()
	defer d.doorMu.Unlock()
	d.mu.Lock()
	want := d.running && d.up && !d.offline
	o := d.door
	moved := o != nil && (o.path != d.path || !o.shared && !d.cfg.NoListener && d.portMoved(o))
	d.mu.Unlock()
	if o != nil && (!want || moved) {
		d.closeDoor()
		o = nil
	}
	if want && o == nil {
		// A port that is taken meanwhile leaves a device that cannot be woken, as it would a real one.
		_ = d.openDoor()
	}
}

func (d *Device) portMoved(o *ownDoor) bool {
	a, ok := o.l.Addr().(*net.TCPAddr)
	return ok && d.port != 0 && a.Port != d.port
}

package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Doer sends a request. *http.Client is one; the wiring hands in clients that check every address they dial.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Clients gives the client for an endpoint, with the guard and the TLS settings that it is to have. It should give the same
// client again for an unchanged endpoint, so that connections are kept. It is called from many goroutines.
type Clients interface {
	Client(e Endpoint) Doer
}

// ClientsFunc is a function as Clients.
type ClientsFunc func(e Endpoint) Doer

// Client calls f.
func (f ClientsFunc) Client(e Endpoint) Doer { return f(e) }

// Observer is told of every attempt that was recorded. It is called from many goroutines and must not block.
type Observer interface {
	// DeliveryAttempted gets the lease as it was before the attempt; l.Event.Time is when the event came about.
	DeliveryAttempted(l Lease, a Attempt, s Settlement)
	// EndpointChanged gets the endpoint as it was before the attempt that brought it to another state: failing, active again,
	// disabled or gone.
	EndpointChanged(e Endpoint, to EndpointState)
}

// DispatcherConfig is what a Dispatcher needs. Store and Clients are required.
type DispatcherConfig struct {
	Store   QueueStore
	Clients Clients
	// UserAgent is sent with every request; "Recado" if empty.
	UserAgent string
	// Catalogue is what endpoints' filters are matched with when they are told of another one's end; nil will do.
	Catalogue Catalogue
	// Logger gets one line per attempt, and one where an endpoint comes to another state; nil discards them.
	Logger *slog.Logger
	// Observer may be nil.
	Observer Observer
	// Drain is how long Run waits at its end for attempts under way before it breaks them off; 0 is DefaultDrain.
	Drain time.Duration
	// Total bounds the attempts under way at once; 0 is TotalConcurrency.
	Total int
	// HostPerSecond bounds the attempts begun in a second at one host name, whosever endpoints they are: 0 is DefaultHostPerSecond,
	// below 0 is no bound.
	HostPerSecond int
}

// DefaultHostPerSecond is enough for a large receiver, and too little to flood somebody with.
const DefaultHostPerSecond = 200

// DefaultDrain is how long Run waits for attempts under way.
const DefaultDrain = 10 * time.Second

const (
	// leaseTime covers the longest attempt and a store that is slow to record it.
	leaseTime = 2 * time.Minute
	// idleWait is how long the loop sleeps where the store names no time, or one that has passed though it gave nothing;
	// a wake-up or an ended attempt comes first as a rule.
	idleWait      = time.Minute
	blockedWait   = time.Second
	minBackoff    = 100 * time.Millisecond
	maxBackoff    = 10 * time.Second
	recordTimeout = 5 * time.Second
)

// errStopping is why attempts end that outlast the drain.
var errStopping = errors.New("the dispatcher is stopping")

// Dispatcher delivers what is due: it claims, signs, posts and records. Make one with NewDispatcher and call Run once.
type Dispatcher struct {
	store     QueueStore
	clients   Clients
	agent     string
	catalogue Catalogue
	log       *slog.Logger
	observer  Observer
	drain     time.Duration
	total     int
	pace      *pace

	ended    chan struct{}
	inFlight atomic.Int64
	turned   atomic.Int64 // Unix nanoseconds
	wg       sync.WaitGroup
}

// NewDispatcher returns a dispatcher that does nothing until Run.
func NewDispatcher(c DispatcherConfig) *Dispatcher {
	d := &Dispatcher{
		store: c.Store, clients: c.Clients, agent: c.UserAgent, log: c.Logger, observer: c.Observer,
		catalogue: c.Catalogue, drain: c.Drain, total: c.Total, ended: make(chan struct{}, 1),
	}
	if d.agent == "" {
		d.agent = "Recado"
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.drain <= 0 {
		d.drain = DefaultDrain
	}
	if d.total <= 0 {
		d.total = TotalConcurrency
	}
	perHost := c.HostPerSecond
	if perHost == 0 {
		perHost = DefaultHostPerSecond
	}
	d.pace = newPace(perHost)
	return d
}

// InFlight is how many attempts are under way.
func (d *Dispatcher) InFlight() int { return int(d.inFlight.Load()) }

// Turned is when Run last looked for what is due, which it does once a minute at least; zero before its start.
func (d *Dispatcher) Turned() time.Time {
	n := d.turned.Load()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// Run delivers until ctx ends. Then it claims no more, waits up to Drain for the attempts under way and records them; those
// that last longer are broken off and stay due, at no cost to their schedule. It returns nil unless the configuration is
// incomplete or attempts could not be ended.
func (d *Dispatcher) Run(ctx context.Context) error {
	if d.store == nil || d.clients == nil {
		return errors.New("webhook dispatcher: Store and Clients are required")
	}
	base, abort := context.WithCancelCause(context.WithoutCancel(ctx))
	defer abort(nil)
	changed := d.store.DeliveriesChanged()
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	backoff := time.Duration(0)
	for ctx.Err() == nil {
		d.turned.Store(time.Now().UnixNano())
		wait, err := d.claim(ctx, base)
		switch {
		case err == nil:
			backoff = 0
		case ctx.Err() != nil:
			continue
		default:
			backoff = min(max(2*backoff, minBackoff), maxBackoff)
			wait = backoff
			d.log.LogAttrs(ctx, slog.LevelError, "claiming deliveries", slog.Any("error", err), slog.Duration("again_in", backoff))
		}
		alarm.Reset(wait)
		d.sleep(ctx, alarm, changed, err != nil)
	}
	return d.stop(abort)
}

// sleep returns when there may be something to claim. After an error only the alarm ends it: signals must not turn the
// back-off into a busy loop.
func (d *Dispatcher) sleep(ctx context.Context, alarm *time.Timer, changed <-chan struct{}, failed bool) {
	ended := d.ended
	if failed {
		changed, ended = nil, nil
	}
	select {
	case <-ctx.Done():
	case <-alarm.C:
	case <-changed:
	case <-ended:
	}
}

// claim starts what can be started, and says how long there will be nothing more unless a signal comes.
func (d *Dispatcher) claim(ctx, base context.Context) (time.Duration, error) {
	free := d.total - d.InFlight()
	if free <= 0 {
		return idleWait, nil
	}
	began := time.Now()
	leases, wake, err := d.store.ClaimDeliveries(ctx, ClaimLimits{
		Total: free, Reserved: d.total / 8, PerEndpoint: DefaultConcurrency, Lease: leaseTime, Allow: d.pace.allow,
	})
	if err != nil {
		return 0, err
	}
	for _, l := range leases {
		d.inFlight.Add(1)
		d.wg.Go(func() {
			defer d.finished()
			d.deliver(base, l, began.Add(leaseTime))
		})
	}
	switch {
	case wake.IsZero():
		return idleWait, nil
	case wake.After(began):
		return min(max(time.Until(wake), 0), idleWait), nil
	}
	// Due and not given: behind a limit or an older one. The end of an attempt opens the way, which is a signal.
	return blockedWait, nil
}

func (d *Dispatcher) finished() {
	d.inFlight.Add(-1)
	select {
	case d.ended <- struct{}{}:
	default:
	}
}

// stop waits for the attempts under way, at first patiently.
func (d *Dispatcher) stop(abort context.CancelCauseFunc) error {
	idle := make(chan struct{})
	go func() {
		d.wg.Wait()
		close(idle)
	}()
	patience := time.NewTimer(d.drain)
	defer patience.Stop()
	select {
	case <-idle:
		return nil
	case <-patience.C:
	}
	abort(errStopping)
	patience.Reset(2 * recordTimeout)
	select {
	case <-idle:
		return nil
	case <-patience.C:
		return fmt.Errorf("webhook dispatcher: %d attempts did not end", d.InFlight())
	}
}

package acs

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"recado/cwmp"
)

// ConnectorConfig bounds the Connector; zero values are the defaults.
type ConnectorConfig struct {
	Workers   int // connection requests at a time: 64
	PerSecond int // connection requests a second over all devices: 200
}

// Connector rings the devices that have work waiting. A failed ring is no verdict: the device may call in by itself before the
// deadline.
//
// Dead devices cannot fill it: those whose last ring failed get at most half of the workers, and of the others the one that called
// in last goes first.
type Connector struct {
	s       *Service
	waker   Waker
	log     *slog.Logger
	workers int
	limit   *rate.Limiter

	mu      sync.Mutex
	fresh   []turn // sorted, the best last
	stale   []string
	busy    int // workers
	busyOld int // workers that ring devices whose last ring failed
}

type turn struct {
	device     string
	lastInform time.Time
}

// NewConnector makes a Connector that rings by waker.
func NewConnector(s *Service, waker Waker, cfg ConnectorConfig) *Connector {
	workers := cmp.Or(cfg.Workers, 64)
	perSecond := cmp.Or(cfg.PerSecond, 200)
	return &Connector{
		s: s, waker: waker, log: s.log.With("component", "connector"), workers: workers,
		limit: rate.NewLimiter(rate.Limit(perSecond), perSecond),
	}
}

// Run rings until ctx ends, and waits for the rings under way.
func (c *Connector) Run(ctx context.Context) error {
	if err := c.resume(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	tidy := time.NewTicker(10 * time.Minute)
	defer tidy.Stop()
	for {
		devices, next := c.s.rings.due(time.Now())
		c.enqueue(ctx, devices)
		for {
			device, old, ok := c.take()
			if !ok {
				break
			}
			wg.Go(func() {
				defer c.release(old)
				c.turn(ctx, device)
			})
		}
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.s.rings.wake:
		case <-timer.C:
		case <-tidy.C:
			c.s.rings.forget(time.Now())
		}
	}
}

// resume finds the work that an earlier run of the process left.
func (c *Connector) resume(ctx context.Context) error {
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		devices, err := c.s.store.WaitingDevices(ctx)
		if err == nil {
			for _, d := range devices {
				c.s.rings.want(d)
			}
			return nil
		}
		c.log.Error("look for waiting devices", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (c *Connector) enqueue(ctx context.Context, devices []string) {
	if len(devices) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range devices {
		if c.s.rings.failed(id) {
			c.stale = append(c.stale, id)
			continue
		}
		t := turn{device: id}
		if d, err := c.s.store.Device(ctx, id); err == nil {
			t.lastInform = d.Reported.LastInform
		}
		c.fresh = append(c.fresh, t)
	}
	slices.SortFunc(c.fresh, func(a, b turn) int { return a.lastInform.Compare(b.lastInform) })
}

// take gives the next device if a worker is free for it.
func (c *Connector) take() (device string, old, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.busy >= c.workers:
		return "", false, false
	case len(c.fresh) > 0:
		last := len(c.fresh) - 1
		device = c.fresh[last].device
		c.fresh = c.fresh[:last]
	case len(c.stale) > 0 && c.busyOld < max(1, c.workers/2):
		device, old = c.stale[0], true
		c.stale = c.stale[1:]
		c.busyOld++
	default:
		return "", false, false
	}
	c.busy++
	return device, old, true
}

func (c *Connector) release(old bool) {
	c.mu.Lock()
	c.busy--
	if old {
		c.busyOld--
	}
	c.mu.Unlock()
	poke(c.s.rings.wake)
}

// turn looks what a device's actions need, and rings it if that is a session.
func (c *Connector) turn(ctx context.Context, device string) {
	book := c.s.rings
	if !book.begin(device) {
		return
	}
	live, d, err := c.look(ctx, device)
	if err != nil {
		if ctx.Err() == nil {
			c.log.Error("look what a device needs", "device", device, "error", err)
		}
		book.idle(device, time.Now().Add(book.every))
		return
	}
	at, unsent := ringNeed(live, d.Reported.LastInform, time.Now())
	switch {
	case at.IsZero():
		// Nothing needs a session, or the device told no URL: its next Inform brings the work to it.
		book.idle(device, time.Time{})
		return
	case at.After(time.Now()):
		book.idle(device, at)
		return
	}
	if err := c.limit.Wait(ctx); err != nil {
		book.idle(device, time.Now().Add(book.every))
		return
	}
	for _, a := range unsent {
		c.move(ctx, a, func(a *Action, now time.Time) error {
			if a.Stage != StageQueued || !a.unsent() {
				return errUnchanged
			}
			a.waking(now)
			return nil
		})
	}
	r := c.ring(ctx, &d)
	if ctx.Err() != nil {
		return
	}
	for _, a := range unsent {
		c.move(ctx, a, func(a *Action, now time.Time) error {
			if !a.unsent() {
				return errUnchanged
			}
			a.rang(now, r)
			return nil
		})
	}
}

// look reads a device and its live actions; no actions where it told no URL, since then it cannot be rung for any.
func (c *Connector) look(ctx context.Context, device string) ([]Action, Device, error) {
	d, err := c.s.store.Device(ctx, device)
	switch {
	case errors.Is(err, ErrNotFound): // what it reported was lost by a crash
		return nil, Device{ID: device}, nil
	case err != nil || d.Reported.ConnectionRequestURL == "":
		return nil, d, err
	}
	live, err := c.s.store.LiveActions(ctx, device)
	return live, d, err
}

// move changes the newest state of an action; what cannot be stored is logged, since a ring's trace is no promise.
func (c *Connector) move(ctx context.Context, a Action, move func(*Action, time.Time) error) {
	a, err := c.s.store.Action(ctx, a.ID)
	if err == nil {
		_, err = c.s.change(ctx, a, move)
	}
	if err != nil && ctx.Err() == nil {
		c.log.Warn("note a connection request", "action", a.ID, "error", err)
	}
}

func (c *Connector) ring(ctx context.Context, d *Device) Ring {
	at := time.Now()
	err := c.waker.Request(ctx, cwmp.ConnectionRequest{
		URL: d.Reported.ConnectionRequestURL, Username: d.Facts.ConnectionRequest.Username,
		Password: d.Facts.ConnectionRequest.Password, Source: d.Reported.LastAddr,
	})
	var reason cwmp.RequestReason
	status := 0
	if err != nil {
		reason = cwmp.RequestBadAnswer
		var re *cwmp.RequestError
		if errors.As(err, &re) {
			reason, status = re.Reason, re.Status
		}
	}
	c.s.metrics.rang(string(reason), time.Since(at))
	r := c.s.rings.rang(d.ID, at, reason, status)
	c.log.Debug("connection request", "device", d.ID, "reason", reason, "status", status, "tries", r.Tries, "next", r.NextAt,
		"duration", time.Since(at))
	return r
}

// ringNeed says when the device should be called in for its live actions: zero is never. unsent are the pending actions that wait to
// be sent. lastInform is when the device last called in: what that session could not settle needs some time before another one can.
func ringNeed(live []Action, lastInform, now time.Time) (at time.Time, unsent []Action) {
	for i := range live {
		a := &live[i]
		var t time.Time
		switch {
		case a.Status.Final():
			continue
		case a.unsent():
			unsent = append(unsent, *a)
			t = now
		case a.Kind == KindReboot:
			// The device comes back by itself; if it does not, a session tells whether it ever went.
			t = maxTime(now, maxTime(a.SentAt, lastInform).Add(ProofAfter+10*time.Second))
		case a.Stage == StageSent && a.Sends >= MaxSends:
			continue // nothing more can be done about it
		default:
			t = now
		}
		if a.InFlight() && a.Kind == KindReboot {
			// Nothing else goes out before this one is settled.
			return t, nil
		}
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	return at, unsent
}

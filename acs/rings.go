package acs

import (
	"container/heap"
	"math/rand/v2"
	"sync"
	"time"

	"recado/cwmp"
)

// Pace of connection requests to one device (product: limits).
const (
	ringEvery       = 30 * time.Second // where nothing else is set: at most one in this time, unless the last one brought a session
	ringMaxBackoff  = 10 * time.Minute
	ringLockout     = 15 * time.Minute // after this many refusals of our credentials in a row:
	ringLockoutRuns = 3
	ringForget      = time.Hour
)

// ringState is what is known of ringing one device. It is in memory only: after a restart each device is rung anew.
type ringState struct {
	device   string
	wanted   bool // work may be waiting
	ringing  bool
	again    bool // more work came while it was ringing: whoever looked may not have seen it
	sessions int  // open now
	// brought is set by the end of a session in the middle of a ring, left where work was left.
	brought, left bool
	next          time.Time
	last          *Ring
	tries         int // failed or fruitless in a row
	refused       int // 401 in a row
	queued        bool
	touched       time.Time
}

// ringBook holds the states and says whose turn it is.
type ringBook struct {
	every  time.Duration // the pace
	mu     sync.Mutex
	states map[string]*ringState
	timed  ringHeap
	wake   chan struct{}
}

func newRingBook(every time.Duration) *ringBook {
	if every <= 0 {
		every = ringEvery
	}
	return &ringBook{every: every, states: make(map[string]*ringState), wake: make(chan struct{}, 1)}
}

type ringEntry struct {
	at    time.Time
	state *ringState
}

type ringHeap []ringEntry

func (h ringHeap) Len() int           { return len(h) }
func (h ringHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h ringHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ringHeap) Push(x any)        { *h = append(*h, x.(ringEntry)) }
func (h *ringHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = ringEntry{}
	*h = old[:len(old)-1]
	return e
}

// state gives a device's state; b.mu is held.
func (b *ringBook) state(device string) *ringState {
	s := b.states[device]
	if s == nil {
		s = &ringState{device: device}
		b.states[device] = s
	}
	s.touched = time.Now()
	return s
}

// schedule puts the state where next finds it at its time; b.mu is held.
func (b *ringBook) schedule(s *ringState, at time.Time) {
	s.next = at
	heap.Push(&b.timed, ringEntry{at: at, state: s})
	poke(b.wake)
}

// want notes that a device has work waiting.
func (b *ringBook) want(device string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state(device)
	first := !s.wanted
	s.wanted = true
	s.again = s.again || s.ringing
	if first && !s.ringing && s.sessions == 0 {
		b.schedule(s, maxTime(time.Now(), s.next))
	}
}

// asked notes that a client asked for something just now: worth a new try earlier than a backoff has it, in the pace allowed.
func (b *ringBook) asked(device string) {
	b.want(device)
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state(device)
	if s.ringing || s.queued || s.sessions > 0 || s.last == nil || s.refused >= ringLockoutRuns {
		return
	}
	if at := maxTime(time.Now(), s.last.At.Add(b.every)); at.Before(s.next) {
		b.schedule(s, at)
	}
}

// renew forgets failures that new facts may have mended.
func (b *ringBook) renew(device string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[device]
	if s == nil {
		return
	}
	s.refused, s.tries = 0, 0
	if s.wanted && !s.ringing && s.sessions == 0 && s.last != nil {
		b.schedule(s, maxTime(time.Now(), s.last.At.Add(b.every)))
	}
}

// sessionStarted notes that the device called in.
func (b *ringBook) sessionStarted(device string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state(device)
	s.sessions++
	s.refused = 0
	s.next = time.Time{}
}

// sessionEnded notes the end; more tells that work is left which a new session could do.
func (b *ringBook) sessionEnded(device string, more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state(device)
	s.sessions = max(0, s.sessions-1)
	if !more {
		s.tries = 0
	}
	if s.ringing {
		s.brought, s.left = true, more
		return
	}
	if s.sessions > 0 || !more && !s.wanted {
		return
	}
	s.wanted = true
	b.afterSession(s, more)
}

// afterSession looks at once what a device needs next, or after a pause where a session left something; b.mu is held.
func (b *ringBook) afterSession(s *ringState, more bool) {
	wait := time.Duration(0)
	if more {
		// Sessions that bring nothing on must not be called up in a tight loop.
		s.tries++
		wait = backoff(5*time.Second, s.tries)
	}
	b.schedule(s, time.Now().Add(wait))
}

// due takes the devices whose time has come and returns when the next one's comes.
func (b *ringBook) due(now time.Time) (devices []string, next time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.timed) > 0 {
		e := b.timed[0]
		s := e.state
		stale := !e.at.Equal(s.next) || !s.wanted || s.ringing || s.queued || s.sessions > 0
		if !stale && e.at.After(now) {
			return devices, e.at
		}
		heap.Pop(&b.timed)
		if !stale {
			s.queued = true
			devices = append(devices, s.device)
		}
	}
	return devices, time.Time{}
}

// begin marks a queued device as being rung; false where its turn is over.
func (b *ringBook) begin(device string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state(device)
	s.queued = false
	if s.ringing || s.sessions > 0 || !s.wanted {
		return false
	}
	s.ringing, s.again, s.brought = true, false, false
	return true
}

// idle ends a turn in which nothing was rung: nothing to do (at is zero), or not before at.
func (b *ringBook) idle(device string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state(device)
	s.ringing = false
	if at.IsZero() && s.again {
		at = time.Now()
	}
	if at.IsZero() {
		s.wanted = false
		return
	}
	b.schedule(s, at)
}

// rang ends a turn with its result and returns the ring as people see it.
func (b *ringBook) rang(device string, at time.Time, reason cwmp.RequestReason, status int) Ring {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.state(device)
	s.ringing = false
	s.tries++
	wait := backoff(b.every, s.tries)
	switch reason {
	case cwmp.RequestUnauthorized:
		if s.refused++; s.refused >= ringLockoutRuns {
			wait = ringLockout
		}
	case cwmp.RequestBusy:
		wait = backoff(b.every, 1)
	default:
		s.refused = 0
	}
	r := Ring{At: at, Reason: reason, Status: status, Tries: s.tries, NextAt: at.Add(wait)}
	s.last = &r
	switch {
	case s.sessions > 0: // its end goes on from here
	case s.brought:
		// Devices call in, and may be done, before the last byte of their answer is read.
		if !s.left {
			s.tries = 0
		}
		b.afterSession(s, s.left)
	default:
		b.schedule(s, r.NextAt)
	}
	return r
}

// last gives the last ring of a device, nil for none.
func (b *ringBook) last(device string) *Ring {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.states[device]; s != nil && s.last != nil {
		r := *s.last
		return &r
	}
	return nil
}

// failed reports whether the device's last ring failed.
func (b *ringBook) failed(device string) bool {
	r := b.last(device)
	return r != nil && r.Reason != ""
}

// forget drops states that nobody needs any more.
func (b *ringBook) forget(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, s := range b.states {
		if !s.wanted && !s.ringing && !s.queued && s.sessions == 0 && now.Sub(s.touched) > ringForget {
			delete(b.states, id)
		}
	}
}

// backoff doubles first for every try after the first, up to ringMaxBackoff, and adds up to a tenth so that devices spread.
func backoff(first time.Duration, tries int) time.Duration {
	d := first
	for range min(tries-1, 16) {
		d *= 2
	}
	d = min(d, ringMaxBackoff)
	return d + time.Duration(rand.Int64N(int64(d)/10+1))
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

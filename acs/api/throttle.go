package api

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"recado/acs"
)

// Bounds of tries to get a token, a minute; each is also the burst. Whoever is right gives back what the try took, so that they bound wrong
// ones; grants are bounded by themselves.
const (
	triesPerPair   = 60  // one id from one address
	triesPerSource = 300 // one address, whatever the ids
	triesPerID     = 300 // one id, whatever the addresses, but for those where it got in before
	grantsPerID    = 600
)

// maxThrottled is how many buckets are remembered, about.
const maxThrottled = 20_000

// throttleError is a try above a bound.
type throttleError struct {
	what string
	wait time.Duration
}

// Error implements error.
func (e *throttleError) Error() string {
	return fmt.Sprintf("too many %s; try again in %d s", e.what, wholeSeconds(e.wait))
}

// throttle bounds how often secrets may be tried. Memory is bounded: of two generations of buckets the older goes when the newer is
// full, and with it what was idle since.
type throttle struct {
	mu         sync.Mutex
	max        int
	young, old map[string]*bucket
}

// bucket holds up to perMinute tries, and fills up in a minute. One that was never used is full.
type bucket struct {
	left float64
	at   time.Time
	good bool // of a pair: it got in before
}

func newThrottle(limit int) *throttle {
	return &throttle{max: limit, young: map[string]*bucket{}, old: map[string]*bucket{}}
}

// try is one that is under way.
type try struct {
	pair, source, id string
	known            bool
}

// begin takes a try of the address and the id, or returns a *throttleError.
func (t *throttle) begin(source, id string, now time.Time) (try, error) {
	y := try{pair: "p " + source + " " + id, source: "s " + source, id: "i " + id}
	t.mu.Lock()
	defer t.mu.Unlock()
	y.known = t.bucket(y.pair, triesPerPair, now).good
	if b := t.bucket("g "+id, grantsPerID, now); b.left < 1 {
		return try{}, &throttleError{"tokens for this client", b.wait(grantsPerID)}
	}
	for _, need := range []struct {
		key  string
		of   float64
		skip bool
	}{{y.pair, triesPerPair, false}, {y.source, triesPerSource, false}, {y.id, triesPerID, y.known}} {
		if b := t.bucket(need.key, need.of, now); !need.skip && b.left < 1 {
			return try{}, &throttleError{"wrong tries", b.wait(need.of)}
		}
	}
	if !y.known {
		t.add(y, -1, now)
	}
	return y, nil
}

// end settles a try. One whose client got in before took nothing at its begin, so that it may make many at once.
func (t *throttle) end(y try, err error) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	wrong := errors.Is(err, acs.ErrUnauthenticated)
	switch {
	case wrong && y.known:
		t.add(y, -1, now)
	case !wrong && !y.known:
		t.add(y, 1, now)
	}
	if err == nil {
		t.bucket(y.pair, triesPerPair, now).good = true
		t.bucket("g"+y.id[1:], grantsPerID, now).left--
	}
}

func (t *throttle) add(y try, n float64, now time.Time) {
	for key, of := range map[string]float64{y.pair: triesPerPair, y.source: triesPerSource, y.id: triesPerID} {
		b := t.bucket(key, of, now)
		b.left = min(of, b.left+n)
	}
}

func (t *throttle) bucket(key string, of float64, now time.Time) *bucket {
	b := t.young[key]
	if b == nil {
		if b = t.old[key]; b == nil {
			b = &bucket{left: of, at: now}
		}
		if len(t.young) >= t.max/2 {
			t.young, t.old = map[string]*bucket{}, t.young
		}
		t.young[key] = b
	}
	if since := now.Sub(b.at); since > 0 {
		b.left = min(of, b.left+of*since.Minutes())
		b.at = now
	}
	return b
}

// wait is until there is a whole try.
func (b *bucket) wait(of float64) time.Duration {
	return time.Duration(math.Ceil((1 - b.left) / of * float64(time.Minute)))
}

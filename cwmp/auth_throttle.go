package cwmp

import (
	"hash/maphash"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// throttle bounds how many wrong passwords are checked. A check puts a drop into each of its buckets and takes it out again
// when the password was right, so only failures count. Buckets empty within a minute:
//
//   - each pair of address and user name holds 10;
//   - each address holds 100 (many devices may share one);
//   - each user name holds 50, and 50 more for addresses that have not failed with that name, so that somebody who
//     guesses a device's password from one place does not lock the device out of another.
//
// A pair that succeeded before passes by the buckets of its address and its name: neither a noisy neighbour behind the same
// NAT nor a guesser elsewhere shuts a known device out. That leaves the neighbour who guesses the password of this very device:
// whatever is let in beyond a full bucket is let in for the guesser too, so a right password cannot go free. But a device
// writes its requests as it did before, and he does not know how. A client that succeeded before, which is a pair and the form
// of its requests, has a bucket of 100 of its own and is in no other: it gets in while his guesses, of another form, fill that
// of the pair. If he does know the form (he has such a device himself), he may guess 100 times a minute rather than 10, and
// must keep that up: 0.6 s after he stops the device gets in.
//
// Memory is bounded: what has rested longest is forgotten first.
type throttle struct {
	seed maphash.Seed
	max  int // entries in one generation of each map

	mu         sync.Mutex
	young, old map[uint64]bucket // failures
	rotated    time.Time
	good       recent[knownForms] // pairs that succeeded
}

// knownForms are the forms of the last clients of a pair that succeeded, as hashes: few devices of one credential share an address,
// and one that writes another form each time pushes out none but its own.
type knownForms [8]uint64

// bucket is how full it was at a time: 0 is empty, 1 is full.
type bucket struct {
	level float64
	at    time.Time
}

const (
	pairFailures    = 10
	clientFailures  = 100
	addressFailures = 100
	nameFailures    = 50
	// throttleMemory is how long a full bucket needs to empty.
	throttleMemory = time.Minute
)

func newThrottle(most int) *throttle {
	return &throttle{
		seed: maphash.MakeSeed(), max: most, rotated: time.Now(),
		young: map[uint64]bucket{}, good: newRecent[knownForms](most),
	}
}

// attempt is one check that was let in. It counts as a failure unless ok or undo follows.
type attempt struct {
	t            *throttle
	pair, client uint64
	drops        []drop
}

type drop struct {
	key  uint64
	size float64
}

type throttleKey struct {
	kind byte
	addr netip.Addr
	name string
	form requestForm
}

// requestForm is what one client writes in the same way each time, and another in another.
type requestForm struct {
	target, agent, contentType, soapAction string
}

func formOf(r *http.Request) requestForm {
	h := func(name string) string { return strings.Join(r.Header[name], "\n") }
	return requestForm{r.RequestURI, h("User-Agent"), h("Content-Type"), h("Soapaction")}
}

// begin lets a check in, or tells by false that it must not be made now.
func (t *throttle) begin(addr netip.Addr, username string, form requestForm) (attempt, bool) {
	if addr.Is6() {
		// A /64 is one subscriber's.
		addr = netip.PrefixFrom(addr.WithZone(""), 64).Masked().Addr()
	}
	key := func(k throttleKey) uint64 { return maphash.Comparable(t.seed, k) }
	now := time.Now()
	a := attempt{t: t, pair: key(throttleKey{kind: 'p', addr: addr, name: username}), client: key(throttleKey{'c', addr, username, form})}

	t.mu.Lock()
	defer t.mu.Unlock()
	t.rotate(now)
	var ok bool
	known, good := t.good.get(a.pair)
	if slices.Contains(known[:], a.client) {
		ok = a.add(a.client, clientFailures, now)
	} else {
		fresh := t.level(a.pair, now) == 0
		ok = a.add(a.pair, pairFailures, now)
		if ok && !good {
			ok = a.add(key(throttleKey{kind: 'a', addr: addr}), addressFailures, now) &&
				(a.add(key(throttleKey{kind: 'n', name: username}), nameFailures, now) ||
					fresh && a.add(key(throttleKey{kind: 'f', name: username}), nameFailures, now))
		}
	}
	if !ok {
		return attempt{}, false
	}
	for _, d := range a.drops {
		t.set(d.key, t.level(d.key, now)+d.size, now)
	}
	return a, true
}

// add plans a drop into the bucket of that key, if it has room.
func (a *attempt) add(key uint64, limit int, now time.Time) bool {
	size := 1 / float64(limit)
	if a.t.level(key, now)+size > 1+size/2 {
		return false
	}
	a.drops = append(a.drops, drop{key, size})
	return true
}

// ok tells that the password was right, from one who knows it.
func (a attempt) ok() {
	a.undo()
	t := a.t
	t.mu.Lock()
	defer t.mu.Unlock()
	known, _ := t.good.get(a.pair)
	if !slices.Contains(known[:], a.client) {
		copy(known[1:], known[:])
		known[0] = a.client
	}
	t.good.put(a.pair, known)
}

// undo tells that no password was tried after all.
func (a attempt) undo() {
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	now := time.Now()
	for _, d := range a.drops {
		a.t.set(d.key, a.t.level(d.key, now)-d.size, now)
	}
}

// level is how full a bucket is now.
func (t *throttle) level(key uint64, now time.Time) float64 {
	b, ok := t.young[key]
	if !ok {
		if b, ok = t.old[key]; !ok {
			return 0
		}
	}
	return max(0, b.level-float64(now.Sub(b.at))/float64(throttleMemory))
}

func (t *throttle) set(key uint64, level float64, now time.Time) {
	delete(t.old, key)
	// What is left of a sum of drops that were all taken out again is an error of rounding.
	if level < 1e-9 {
		delete(t.young, key)
		return
	}
	t.young[key] = bucket{level, now}
}

// rotate drops what has been empty for long, or the older half when there is too much.
func (t *throttle) rotate(now time.Time) {
	if len(t.young) < t.max && now.Sub(t.rotated) < throttleMemory {
		return
	}
	t.old, t.young, t.rotated = t.young, map[uint64]bucket{}, now
}

package network

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Arrival is what kind of Inform came.
type Arrival uint8

// The kinds.
const (
	Periodic Arrival = iota + 1 // event 2 PERIODIC, without a boot
	Boot                        // event 0 BOOTSTRAP or 1 BOOT, whatever else
	Other                       // a changed value, a connection request, the end of a transfer, …
)

// Rhythm learns how often a device calls in by itself. The zero value knows nothing yet. It has 24 bytes.
type Rhythm struct {
	last, base           uint32 // seconds since 1970: heard last; last periodic Inform that intervals may be counted from, or 0
	every, spread, rival float32
	learned, votes       uint8
}

// What a Rhythm goes by.
const (
	// MinTolerance is the least time beyond its interval that a device is waited for.
	MinTolerance = 30 * time.Second

	enough      = 3 // intervals until it is known
	votesNeeded = 3 // of an interval unlike the known one
	votesMissed = 6 // of one that may be the known one with Informs missing
	smoothing   = 8
	// shortest is the least interval learned from, in seconds; less is a session tried again.
	shortest = 5
)

// Arrive tells that the device called in. Only from one periodic Inform to the next is an interval learned: other Informs come when
// they like, and after a boot many devices begin to count anew. An interval unlike the known one must come three times on end
// before it is believed (six times where it is a multiple of it); one that is negative, since a clock was set back, is nothing.
func (r *Rhythm) Arrive(at time.Time, a Arrival) {
	now := stamp(at)
	if now == 0 {
		return
	}
	if now < r.last {
		r.base = 0
	}
	r.last = now
	switch {
	case a == Boot:
		r.base = 0
	case a == Periodic && (r.base == 0 || now < r.base):
		r.base = now
	case a == Periodic && now-r.base >= shortest:
		r.learn(float32(now - r.base))
		r.base = now
	}
}

// Seen tells that the device is there without having called in, such as by an answer to a connection request.
func (r *Rhythm) Seen(at time.Time) { r.Arrive(at, Other) }

func stamp(t time.Time) uint32 {
	s := t.Unix()
	if s <= 0 || s >= never {
		return 0
	}
	return uint32(s)
}

func (r *Rhythm) learn(gap float32) {
	if r.every == 0 {
		r.every, r.spread, r.learned = gap, min(gap/20, 15), 1
		return
	}
	ratio := gap / r.every
	if ratio > 0.8 && ratio < 1.25 {
		weight := 1 / float32(min(smoothing, int(r.learned)+1))
		off := gap - r.every
		r.every += weight * off
		r.spread += weight * (max(off, -off) - r.spread)
		r.learned, r.votes = min(r.learned, 254)+1, 0
		return
	}
	if ratio < 2 {
		// A device that is now early, now late is to be waited for longer.
		off := min(max(gap-r.every, r.every-gap), r.every/2)
		r.spread += (off - r.spread) / smoothing
	}
	if r.rival > 0 && r.votes > 0 && gap > 0.8*r.rival && gap < 1.25*r.rival {
		r.votes++
		r.rival += (gap - r.rival) / float32(r.votes)
	} else {
		r.rival, r.votes = gap, 1
	}
	need := uint8(votesNeeded)
	if k := float32(math.Round(float64(ratio))); k >= 2 && k <= 4 && max(ratio-k, k-ratio) < 0.1*k {
		need = votesMissed
	}
	if r.learned < enough {
		need = 2
	}
	if r.votes >= need {
		r.every, r.spread, r.learned, r.votes = r.rival, min(r.rival/20, 15), enough, 0
	}
}

// Every is the learned interval; 0 until it has been seen three times.
func (r *Rhythm) Every() time.Duration {
	if r.learned < enough {
		return 0
	}
	return time.Duration(float64(r.every) * float64(time.Second))
}

// Tolerance is how long beyond its interval the device is waited for: four times its mean deviation, at least MinTolerance and at
// most half the interval.
func (r *Rhythm) Tolerance() time.Duration {
	return max(MinTolerance, time.Duration(float64(min(4*r.spread, r.every/2))*float64(time.Second)))
}

// Last is when the device was heard last; zero for never.
func (r *Rhythm) Last() time.Time {
	if r.last == 0 {
		return time.Time{}
	}
	return time.Unix(int64(r.last), 0).UTC()
}

// Silent tells whether a device should have called in by now: it has been silent for its interval and the tolerance since it was
// heard last, which since is. A device whose rhythm is not known is never silent.
func (r *Rhythm) Silent(now time.Time) (since time.Time, silent bool) {
	due := r.due(0)
	return r.Last(), due != never && now.After(time.Unix(int64(due), 0))
}

const never = math.MaxUint32

// due is when the device becomes silent, where nothing is expected before from.
func (r *Rhythm) due(from uint32) uint32 {
	if r.learned < enough || r.last == 0 {
		return never
	}
	due := float64(max(r.last, from)) + float64(r.every) + r.Tolerance().Seconds()
	return uint32(min(due, never-1))
}

// ErrRhythm is stored bytes that are no Rhythm.
var ErrRhythm = errors.New("not a rhythm")

const rhythmBytes = 23

// AppendBinary appends the stored form, of 23 bytes.
func (r *Rhythm) AppendBinary(b []byte) ([]byte, error) {
	b = append(b, 1) // version
	for _, v := range []uint32{r.last, r.base, math.Float32bits(r.every), math.Float32bits(r.spread), math.Float32bits(r.rival)} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return append(b, r.learned, r.votes), nil
}

// UnmarshalBinary replaces the rhythm by a stored one. On an error, which is ErrRhythm, it is left as it was.
func (r *Rhythm) UnmarshalBinary(b []byte) error {
	if len(b) != rhythmBytes || b[0] != 1 {
		return ErrRhythm
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(b[1+4*i:]) }
	n := Rhythm{
		last: word(0), base: word(1), every: math.Float32frombits(word(2)), spread: math.Float32frombits(word(3)),
		rival: math.Float32frombits(word(4)), learned: b[21], votes: b[22],
	}
	for _, v := range []float32{n.every, n.spread, n.rival} {
		if !(v >= 0 && v <= math.MaxUint32) {
			return ErrRhythm
		}
	}
	if n.learned > 0 && n.every < shortest || n.base > n.last {
		return ErrRhythm
	}
	*r = n
	return nil
}

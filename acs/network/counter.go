package network

import "time"

// Sample is a counter as it stood at a moment.
type Sample struct {
	At    time.Time
	Count uint64
	// Bits is where it wraps: 32 or 64.
	Bits int
	// Source tells one counter of a device from another, such as its parameter name.
	Source string
	// UpTime is the device's own at that moment, 0 where it is not known.
	UpTime time.Duration
}

// Increase is what a counter counted: Count over the time Over, which ends at the newer sample. Where Gap is not NoGap the others
// are 0.
type Increase struct {
	Count uint64
	Over  time.Duration
	Gap   Gap
}

// PerSecond is the mean rate; 0 with a gap.
func (i Increase) PerSecond() float64 {
	if i.Over <= 0 {
		return 0
	}
	return float64(i.Count) / i.Over.Seconds()
}

// UpTimeSlack is how far a device's up-time may lag behind Recado's clock, beyond one part in a hundred of the interval, and not
// count as a restart: it is read some seconds before or after the counter.
const UpTimeSlack = 30 * time.Second

// Difference compares two samples of a counter that cannot grow faster than perSecond (for bytes the link's bit rate / 8).
//
// The device restarted if its up-time went back, or grew by clearly less than the time between: then it counted the newer value
// since it started, and the increase is that, over its up-time. Otherwise a smaller value of a 32-bit counter is a wrap, but only
// where the up-time proves that there was no restart and the link is too slow to wrap twice in between; any other smaller value
// is a gap. A larger one is believed on the same condition for a 32-bit counter. What the link cannot have carried is a gap.
func Difference(older, newer Sample, perSecond float64) Increase {
	over := newer.At.Sub(older.At)
	switch {
	case over <= 0 || perSecond <= 0:
		return Increase{Gap: BadInterval}
	case older.Source != newer.Source || older.Bits != newer.Bits:
		return Increase{Gap: Ambiguous}
	}
	known := older.UpTime > 0 && newer.UpTime > 0
	if known && restarted(older.UpTime, newer.UpTime, over) {
		return believable(Increase{Count: newer.Count, Over: min(newer.UpTime, over)}, newer.Bits, perSecond)
	}
	if newer.Count >= older.Count {
		return believable(Increase{Count: newer.Count - older.Count, Over: over}, newer.Bits, perSecond)
	}
	if !known || newer.Bits != 32 {
		return Increase{Gap: Restarted}
	}
	return believable(Increase{Count: newer.Count + 1<<32 - older.Count, Over: over}, 32, perSecond)
}

func restarted(older, newer, over time.Duration) bool {
	return newer < older || newer-older < over-over/100-UpTimeSlack
}

// believable refuses what may have wrapped unseen and what the link cannot have carried. Five parts in a hundred are for the two
// moments of reading.
func believable(i Increase, bits int, perSecond float64) Increase {
	most := perSecond * i.Over.Seconds()
	switch {
	case bits == 32 && most >= 1<<32:
		return Increase{Gap: Ambiguous}
	case float64(i.Count) > most*1.05:
		return Increase{Gap: OutOfRange}
	}
	return i
}

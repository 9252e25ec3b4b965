package network

import "time"

// Technology is a kind of passive optical network.
type Technology string

// The technologies with a known capacity.
const (
	GPON   Technology = "gpon"
	XGSPON Technology = "xgs-pon"
)

// Capacity gives the line rate of a port of the technology in bit/s (ITU-T G.984.2, G.9807.1). What is left for subscribers is
// some parts in a hundred less, after framing and forward error correction. ok is false for a technology that is not known.
func (t Technology) Capacity() (downstream, upstream float64, ok bool) {
	switch t {
	case GPON:
		return 2.488e9, 1.244e9, true
	case XGSPON:
		return 9.953e9, 9.953e9, true
	}
	return 0, 0, false
}

const (
	bin        = 5 * time.Minute
	binsADay   = int(24 * time.Hour / bin)
	binsAnHour = int(time.Hour / bin)
)

// MinCoverage is the least share of a port's subscribers whose traffic must be known for a load to be told.
const MinCoverage = 0.5

// PortDay adds up the traffic of a PON port's subscribers in one direction over one day. Start is when the day begins, in the zone
// of those who use it; a day has 24 hours here.
type PortDay struct {
	Start time.Time
	bins  [binsADay]struct{ bits, seconds float64 }
}

// Add counts what one subscriber used between two moments, as the mean rate in bit/s. What lies outside the day is left out.
func (d *PortDay) Add(from, to time.Time, bitsPerSecond float64) {
	if !to.After(from) || !(bitsPerSecond >= 0) || !finite(bitsPerSecond) {
		return
	}
	begin, end := max(0, from.Sub(d.Start)), min(24*time.Hour, to.Sub(d.Start))
	for begin < end {
		i := int(begin / bin)
		next := min(end, time.Duration(i+1)*bin)
		seconds := (next - begin).Seconds()
		d.bins[i].bits += bitsPerSecond * seconds
		d.bins[i].seconds += seconds
		begin = next
	}
}

// BusyHour is the busiest hour of a day.
type BusyHour struct {
	// Start is when it begins.
	Start time.Time
	// P95 is the 95th percentile of the load of its five-minute spans, in bit/s; Mean their mean.
	P95, Mean float64
	// Coverage is the share of the subscribers' time in it whose traffic is known.
	Coverage float64
}

// BusyHour finds the hour with the highest mean load. Where the traffic of some of the subscribers is not known for a span, they
// are taken to use what the others use on average; a span with less than MinCoverage is left out, and an hour needs half of its
// spans. ok is false where no hour has them.
//
// Rates that were measured over longer than five minutes are even within that time: the percentile is too low then, and the mean
// is not.
func (d *PortDay) BusyHour(subscribers int) (b BusyHour, ok bool) {
	var load [binsADay]float64
	var known [binsADay]bool
	whole := float64(subscribers) * bin.Seconds()
	for i, s := range d.bins {
		if known[i] = whole > 0 && s.seconds >= MinCoverage*whole; known[i] {
			load[i] = s.bits / s.seconds * float64(subscribers)
		}
	}
	for first := 0; first+binsAnHour <= binsADay; first++ {
		var values []float64
		sum, seconds := 0.0, 0.0
		for i := first; i < first+binsAnHour; i++ {
			if known[i] {
				values = append(values, load[i])
				sum += load[i]
				seconds += d.bins[i].seconds
			}
		}
		if mean := sum / float64(len(values)); len(values) >= binsAnHour/2 && (!ok || mean > b.Mean) {
			ok = true
			b = BusyHour{
				Start: d.Start.Add(time.Duration(first) * bin), Mean: mean, P95: Quantile(values, 0.95),
				Coverage: min(1, seconds/(whole*float64(binsAnHour))),
			}
		}
	}
	return b, ok
}

package webhook

import (
	"math"
	"time"
)

// Histogram counts durations in buckets that grow by a fourth root of 2 each, from a millisecond on: a quantile is within 10 % of what
// it would be from the durations themselves.
type Histogram struct {
	Sum time.Duration `json:"sum,omitempty"`
	// Buckets end with the last one that counts something.
	Buckets []uint64 `json:"buckets,omitempty"`
}

const (
	bucketsPerDoubling = 4
	maxHistogram       = 160 // the last bucket begins at about 12 days
)

// Observe counts a duration; one below 0 is 0.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	i := 0
	if d > time.Millisecond {
		i = min(int(math.Ceil(bucketsPerDoubling*math.Log2(float64(d)/float64(time.Millisecond)))), maxHistogram)
	}
	for len(h.Buckets) <= i {
		h.Buckets = append(h.Buckets, 0)
	}
	h.Buckets[i]++
	h.Sum += d
}

// Count is how many durations were counted.
func (h *Histogram) Count() (n uint64) {
	for _, b := range h.Buckets {
		n += b
	}
	return n
}

// Mean is the average; 0 where nothing was counted.
func (h *Histogram) Mean() time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	return h.Sum / time.Duration(n)
}

// Quantile is the duration that a share q (from 0 to 1) of those counted do not exceed; 0 where nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	rank := max(uint64(math.Ceil(q*float64(n))), 1)
	for i, b := range h.Buckets {
		if rank <= b {
			// The middle of the bucket, by the logarithm.
			return time.Duration(math.Exp2((float64(i)-0.5)/bucketsPerDoubling) * float64(time.Millisecond))
		}
		rank -= b
	}
	return 0
}

// Add adds what another one has counted.
func (h *Histogram) Add(o *Histogram) {
	for len(h.Buckets) < len(o.Buckets) {
		h.Buckets = append(h.Buckets, 0)
	}
	for i, b := range o.Buckets {
		h.Buckets[i] += b
	}
	h.Sum += o.Sum
}

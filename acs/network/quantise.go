package network

import "math"

// scale turns a kept metric's values into the few bits that a ring has for each; code 0 is a gap.
type scale struct {
	bits     int
	lo, hi   float64 // what is taken
	step     float64 // of a linear scale; 0 for a logarithmic one, whose code 1 is zero and code 2 is base
	base     float64
	ratio    float64
	clampTop bool // more than hi is kept as hi
}

func logarithmic(bits int, base, hi float64, clamp bool) scale {
	return scale{bits: bits, hi: hi, base: base, ratio: math.Log(hi/base) / float64(int(1)<<bits-3), clampTop: clamp}
}

// scales has 80 bits in all: what is left of 6 KiB for 192 hours and 396 days.
var scales = [kept + 1]scale{
	RxPower:          {bits: 9, lo: -40, hi: 10, step: 0.1},
	TxPower:          {bits: 8, lo: -40, hi: 10, step: 0.2},
	Temperature:      {bits: 8, lo: -40, hi: 125, step: 0.65},
	Voltage:          {bits: 7, lo: 1, hi: 6, step: 0.04},
	BiasCurrent:      logarithmic(8, 0.1, 150, false),
	Downstream:       logarithmic(10, 1e3, 1e10, false),
	Upstream:         logarithmic(10, 1e3, 1e10, false),
	DownstreamErrors: logarithmic(8, 0.01, 1e7, true),
	UpstreamErrors:   logarithmic(8, 0.01, 1e7, true),
	Drops:            {bits: 4, hi: 14, step: 1, clampTop: true},
}

func (s scale) takes(v float64) bool {
	return v >= s.lo && (v <= s.hi || s.clampTop && !math.IsInf(v, 1))
}

func (s scale) code(v float64) uint16 {
	v = min(v, s.hi)
	switch {
	case s.step > 0:
		return 1 + uint16(math.Round((v-s.lo)/s.step))
	case v < s.base/2:
		return 1
	}
	return 2 + uint16(math.Round(max(0, math.Log(v/s.base)/s.ratio)))
}

func (s scale) value(code uint16) float64 {
	switch {
	case s.step > 0:
		return min(s.lo+s.step*float64(code-1), s.hi)
	case code == 1:
		return 0
	}
	return s.base * math.Exp(s.ratio*float64(code-2))
}

// top is the highest code.
func (s scale) top() uint16 { return s.code(s.hi) }

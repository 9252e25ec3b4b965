package network

import (
	"math"
	"slices"
)

// Quantile gives the value below which the share q (0…1) of the values lies, between two of them in proportion (type 7 of Hyndman
// and Fan). NaN for no values. The values are left as they are.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 || math.IsNaN(q) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := min(max(q, 0), 1) * float64(len(sorted)-1)
	below := int(at)
	if below == len(sorted)-1 {
		return sorted[below]
	}
	return sorted[below] + (at-float64(below))*(sorted[below+1]-sorted[below])
}

// Median is the Quantile of a half.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Deviation is the median absolute deviation from the median, times 1.4826: for values of a normal distribution that is their
// standard deviation, and up to half of them may be wild without moving it far. NaN for no values.
func Deviation(values []float64) float64 {
	middle := Median(values)
	away := make([]float64, len(values))
	for i, v := range values {
		away[i] = math.Abs(v - middle)
	}
	return 1.4826 * Median(away)
}

// MinHistory is how many earlier values Unusual needs.
const MinHistory = 4

// Unusual says how far a value is from a device's own earlier ones, in their Deviation; resolution is the least that the deviation
// is taken to be (the step of the measurement: 1 dB for a device that reports whole dBm). About ±2 is seen one time in twenty, ±4
// is not seen by chance. ok is false with fewer than MinHistory earlier values.
func Unusual(value float64, earlier []float64, resolution float64) (z float64, ok bool) {
	if len(earlier) < MinHistory || !(resolution > 0) || math.IsNaN(value) {
		return 0, false
	}
	return (value - Median(earlier)) / max(Deviation(earlier), resolution), true
}

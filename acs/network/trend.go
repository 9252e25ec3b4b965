package network

import (
	"math"
	"slices"
	"time"
)

// Trend is a straight line through values, by Theil and Sen: the slope is the median of the slopes of all pairs, so that more than
// a quarter of the values may be wild. Low and High are the ends of the slope's 95 % interval (Sen 1968).
type Trend struct {
	Slope, Low, High float64
	// MidX is the median of x, MidY the line's value there, and Error half of its 95 % interval.
	MidX, MidY, Error float64
	// N is the number of values.
	N int
}

// z95 is the 97.5th percentile of the normal distribution: two sides of 2.5 % each.
const z95 = 1.959964

// FitTrend fits a line to at least 3 values at two or more different x. The slices have one length. ok is false without enough, or
// where a number is not finite.
func FitTrend(x, y []float64) (t Trend, ok bool) {
	if len(x) != len(y) || len(x) < 3 {
		return t, false
	}
	var slopes []float64
	for i := range x {
		if !finite(x[i]) || !finite(y[i]) {
			return t, false
		}
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	if len(slopes) == 0 {
		return t, false
	}
	slices.Sort(slopes)
	t = Trend{N: len(x), Slope: Median(slopes), MidX: Median(x)}
	// The number of concordant less discordant pairs has, without a trend, the variance n(n−1)(2n+5)/18.
	n, pairs := float64(t.N), len(slopes)
	c := z95 * math.Sqrt(n*(n-1)*(2*n+5)/18)
	t.Low = slopes[max(0, int(math.Floor((float64(pairs)-c)/2)))]
	t.High = slopes[min(pairs-1, int(math.Ceil((float64(pairs)+c)/2)))]
	level := make([]float64, len(x))
	for i := range x {
		level[i] = y[i] - t.Slope*(x[i]-t.MidX)
	}
	t.MidY = Median(level)
	// A median's standard error is √(π/2) of a mean's.
	t.Error = z95 * math.Sqrt(math.Pi/2) * Deviation(level) / math.Sqrt(n)
	return t, true
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// At is the line's value at x.
func (t Trend) At(x float64) float64 { return t.MidY + t.Slope*(x-t.MidX) }

// Crossing gives the x where the line rises to a level, and the earliest and latest that the intervals of slope and value allow.
// +Inf is never.
func (t Trend) Crossing(level float64) (at, earliest, latest float64) {
	reach := func(y, slope float64) float64 {
		switch {
		case slope > 0:
			return t.MidX + (level-y)/slope
		case y >= level:
			return t.MidX
		}
		return math.Inf(1)
	}
	at = reach(t.MidY, t.Slope)
	one, other := reach(t.MidY+t.Error, t.High), reach(t.MidY-t.Error, t.Low)
	return at, min(at, one, other), max(at, one, other)
}

// Forecast says when a load will reach a level.
type Forecast struct {
	// Load is the trend's value at the end of the last day.
	Load float64
	// Reached tells that it is there already; the times are zero then.
	Reached bool
	// At is when the trend reaches the level, Earliest and Latest what its 95 % intervals allow. Zero is not within MaxForecast.
	At, Earliest, Latest time.Time
	// Growth is by how much it grows a week, between GrowthLow and GrowthHigh.
	Growth, GrowthLow, GrowthHigh float64
	// Days is how many known days it rests on.
	Days int
}

// Limits of a forecast.
const (
	// MinForecastDays are needed: four weeks.
	MinForecastDays = 28
	// MaxForecastDays are used, the newest: half a year.
	MaxForecastDays = 26 * 7
	// MaxForecast is how far ahead it looks.
	MaxForecast = 3 * 365 * 24 * time.Hour
)

// ForecastOf takes a load by the day, oldest first and without holes (gaps are points that are not known), such as the busy hours
// of a port. Sundays differ from Mondays: each weekday's usual ratio to the trend is found first and taken out, so that the
// forecast is of the median weekday. ok is false with fewer than MinForecastDays known.
func ForecastOf(days []Point, level float64) (f Forecast, ok bool) {
	days = days[max(0, len(days)-MaxForecastDays):]
	var x, y []float64
	for i, d := range days {
		if d.Known {
			x, y = append(x, float64(i)+0.5), append(y, d.Value)
		}
	}
	if len(x) < MinForecastDays {
		return f, false
	}
	trend, ok := FitTrend(x, y)
	if !ok {
		return f, false
	}
	if trend, ok = FitTrend(x, withoutWeekdays(trend, x, y)); !ok {
		return f, false
	}
	begin, now := days[0].At, float64(len(days))
	f = Forecast{Load: trend.At(now), Days: trend.N, Growth: 7 * trend.Slope, GrowthLow: 7 * trend.Low, GrowthHigh: 7 * trend.High}
	if f.Load >= level {
		f.Reached = true
		return f, true
	}
	at, earliest, latest := trend.Crossing(level)
	when := func(x float64) time.Time {
		if x = max(x, now); x-now > MaxForecast.Hours()/24 {
			return time.Time{}
		}
		return begin.Add(time.Duration(x * 24 * float64(time.Hour)))
	}
	f.At, f.Earliest, f.Latest = when(at), when(earliest), when(latest)
	return f, true
}

// withoutWeekdays divides each value by its weekday's median ratio to the trend, of which the median weekday's is 1.
func withoutWeekdays(trend Trend, x, y []float64) []float64 {
	var ratios [7][]float64
	for i := range x {
		if line := trend.At(x[i]); line > 0 {
			ratios[int(x[i])%7] = append(ratios[int(x[i])%7], y[i]/line)
		}
	}
	var all []float64
	for _, r := range ratios {
		if m := Median(r); m > 0 {
			all = append(all, m)
		}
	}
	plain, middle := slices.Clone(y), Median(all)
	for i := range y {
		if m := Median(ratios[int(x[i])%7]); m > 0 {
			plain[i] = y[i] / m * middle
		}
	}
	return plain
}

// Hysteresis says when a value has crossed a level upwards, once until it has fallen below another, lower level. For "within 90
// days", step it with the days to go as a negative number.
type Hysteresis struct {
	Raise, Clear float64
	Raised       bool
}

// Step takes a new value and tells whether Raised changed by it. A value that is NaN changes nothing.
func (h *Hysteresis) Step(value float64) (changed bool) {
	before := h.Raised
	switch {
	case value >= h.Raise:
		h.Raised = true
	case value < h.Clear:
		h.Raised = false
	}
	return h.Raised != before
}

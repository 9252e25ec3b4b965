package network

import (
	"errors"
	"math"
	"time"
)

// What a Series keeps.
const (
	KeptHours = 8 * 24   // by the hour
	KeptDays  = 365 + 31 // by the day: 13 months
	openHours = 2        // that a late value can still join
	fillDays  = KeptHours/24 - 1
)

// MaxSeriesBytes is what a Series never exceeds in its stored form, whatever was appended.
const MaxSeriesBytes = 6 << 10

// What Append returns.
var (
	// ErrTooOld is a value of an hour that is closed: more than an hour before the newest, and known already or a week back.
	ErrTooOld = errors.New("value is of an hour that is closed")
	// ErrValue is a value that the metric cannot have.
	ErrValue = errors.New("value is outside what the metric can be")
	// ErrNotKept is a metric that is not kept, such as a counter.
	ErrNotKept = errors.New("metric is not kept")
)

// Series is the history of one device: each kept metric by the hour for 8 days and by the day for 13 months, in UTC. The zero value
// is empty and ready. Values are rounded (docs/network.md has the steps); an hour or day without one is a gap.
//
// Time is Recado's, never the device's. It should not go back by more than an hour: hours that are closed take a first value
// only.
type Series struct {
	newest  int64 // hours since 1970; 0: nothing kept yet
	columns [kept + 1]*column
}

// column is one metric's rings. Slot i of hours is of the hour h with h % KeptHours == i; days alike.
type column struct {
	hours [KeptHours]uint16
	days  [KeptDays]uint16
	open  [openHours]open
}

// open is what makes the value of an hour that may still get more.
type open struct {
	mean   float32
	weight uint16
}

// Point is one hour's or day's value. At is its beginning. Known is false for a gap.
type Point struct {
	At    time.Time
	Value float64
	Known bool
}

// Resolution is how long a Point is.
type Resolution uint8

// The resolutions.
const (
	Hourly Resolution = iota + 1
	Daily
)

// Append keeps a value measured at a moment. The hour's value is the mean of its measurements; Drops are added up.
func (s *Series) Append(m Metric, at time.Time, value float64) error {
	return s.append(m, hourOf(at), value, 1)
}

// AppendOver keeps a mean value, such as a rate, over a span of time: each hour gets it by the share of the hour that the span
// covers. Hours that are closed and known stay as they are; ErrTooOld only where all are closed.
func (s *Series) AppendOver(m Metric, from, to time.Time, value float64) error {
	if !to.After(from) {
		return ErrValue
	}
	// What is longer than the ring would fill it with one value.
	if oldest := to.Add(-fillDays * 24 * time.Hour); from.Before(oldest) {
		from = oldest
	}
	err := ErrTooOld
	for hour := hourOf(from); hour <= hourOf(to); hour++ {
		begin, end := timeOf(hour), timeOf(hour+1)
		if from.After(begin) {
			begin = from
		}
		if to.Before(end) {
			end = to
		}
		seconds := uint16(end.Sub(begin) / time.Second)
		if seconds == 0 && to.Sub(from) >= time.Second {
			continue
		}
		if e := s.append(m, hour, value, max(1, seconds)); !errors.Is(e, ErrTooOld) {
			if err = e; err != nil {
				return err
			}
		}
	}
	return err
}

func (s *Series) append(m Metric, hour int64, value float64, weight uint16) error {
	switch {
	case !m.Kept():
		return ErrNotKept
	case hour <= 0 || hour > maxHour || math.IsNaN(value) || !scales[m].takes(value):
		return ErrValue
	}
	value = min(value, scales[m].hi)
	if s.newest != 0 && hour < s.newest-openHours+1 && !s.fillable(m, hour) {
		return ErrTooOld
	}
	s.advance(hour)
	c := s.columns[m]
	if c == nil {
		c = new(column)
		s.columns[m] = c
	}
	slot := &c.hours[hour%KeptHours]
	if hour < s.newest-openHours+1 {
		*slot = scales[m].code(value)
		s.closeDay(m, hour/24)
		return nil
	}
	o := &c.open[hour%openHours]
	o.add(m, value, weight)
	*slot = scales[m].code(float64(o.mean))
	s.closeDay(m, hour/24)
	return nil
}

// fillable tells whether a closed hour may still get a first value: its day must be whole in the ring of hours.
func (s *Series) fillable(m Metric, hour int64) bool {
	return hour/24 >= s.newest/24-fillDays+1 && (s.columns[m] == nil || s.columns[m].hours[hour%KeptHours] == 0)
}

func (o *open) add(m Metric, value float64, weight uint16) {
	if m == Drops {
		o.mean, o.weight = float32(min(float64(o.mean)+value, scales[m].hi)), 1
		return
	}
	total := int(o.weight) + int(weight)
	if total > math.MaxUint16 {
		return // no hour has more seconds, and after so many measurements one more changes nothing
	}
	o.mean += float32(float64(weight) / float64(total) * (value - float64(o.mean)))
	o.weight = uint16(total)
}

// advance makes hour the newest if it is, and empties the slots that it and those between take over.
func (s *Series) advance(hour int64) {
	if hour <= s.newest {
		return
	}
	for _, c := range s.columns {
		if c == nil {
			continue
		}
		for h := max(s.newest+1, hour-KeptHours+1); h <= hour; h++ {
			c.hours[h%KeptHours] = 0
		}
		for d := max(s.newest/24+1, hour/24-KeptDays+1); d <= hour/24; d++ {
			c.days[d%KeptDays] = 0
		}
		for h := max(s.newest+1, hour-openHours+1); h <= hour; h++ {
			c.open[h%openHours] = open{}
		}
	}
	s.newest = hour
}

// closeDay makes a day's value out of its hours: the median of what is measured, the mean of rates, the sum of drops.
func (s *Series) closeDay(m Metric, day int64) {
	var known [24]float64
	n, sum, c := 0, 0.0, s.columns[m]
	for h := day * 24; h < day*24+24 && h <= s.newest; h++ {
		if code := c.hours[h%KeptHours]; code != 0 {
			known[n] = scales[m].value(code)
			sum += known[n]
			n++
		}
	}
	value := sum
	switch {
	case m <= BiasCurrent:
		value = Median(known[:n])
	case m != Drops:
		value = sum / float64(n)
	}
	c.days[day%KeptDays] = scales[m].code(value)
}

// Points gives every hour or day that begins in [from, to) and is kept, oldest first, gaps included. It is nil where there is
// none.
func (s *Series) Points(m Metric, r Resolution, from, to time.Time) (points []Point) {
	if !m.Kept() || s.newest == 0 || !to.After(from) {
		return nil
	}
	unit, newest, slots := int64(1), s.newest, int64(KeptHours)
	if r == Daily {
		unit, newest, slots = 24, s.newest/24, KeptDays
	}
	first := max(ceilDiv(from.Unix(), 3600*unit), newest-slots+1, 0)
	last := min(ceilDiv(to.Unix(), 3600*unit)-1, newest)
	for i := first; i <= last; i++ {
		p := Point{At: timeOf(i * unit)}
		if code := s.code(m, r, i); code != 0 {
			p.Value, p.Known = scales[m].value(code), true
		}
		points = append(points, p)
	}
	return points
}

func (s *Series) code(m Metric, r Resolution, i int64) uint16 {
	switch c := s.columns[m]; {
	case c == nil:
		return 0
	case r == Daily:
		return c.days[i%KeptDays]
	default:
		return c.hours[i%KeptHours]
	}
}

// Quantile gives the value below which the share q (0…1) of the known points in [from, to) lies, and how many points are known.
// Without any it is NaN.
func (s *Series) Quantile(m Metric, r Resolution, from, to time.Time, q float64) (value float64, known int) {
	var values []float64
	for _, p := range s.Points(m, r, from, to) {
		if p.Known {
			values = append(values, p.Value)
		}
	}
	return Quantile(values, q), len(values)
}

// Newest is the beginning of the newest hour with a value; zero for an empty series.
func (s *Series) Newest() time.Time {
	if s.newest == 0 {
		return time.Time{}
	}
	return timeOf(s.newest)
}

// maxHour is the last of the year 9999.
const maxHour = 70_389_527

func hourOf(t time.Time) int64 { return floorDiv(t.Unix(), 3600) }

func timeOf(hour int64) time.Time { return time.Unix(hour*3600, 0).UTC() }

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return -ceilDiv(-a, b)
	}
	return a / b
}

func ceilDiv(a, b int64) int64 {
	if a < 0 {
		return -(-a / b)
	}
	return (a + b - 1) / b
}

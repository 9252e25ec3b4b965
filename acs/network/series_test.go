package network_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"recado/acs/network"
)

// midnight is a Saturday's.
var midnight = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

var keptMetrics = []network.Metric{
	network.RxPower, network.TxPower, network.Temperature, network.Voltage, network.BiasCurrent, network.Downstream, network.Upstream,
	network.DownstreamErrors, network.UpstreamErrors, network.Drops,
}

func add(t *testing.T, s *network.Series, m network.Metric, at time.Time, v float64) {
	t.Helper()
	if err := s.Append(m, at, v); err != nil {
		t.Fatalf("append %s %v at %s: %v", m, v, at, err)
	}
}

func at(t *testing.T, s *network.Series, m network.Metric, r network.Resolution, when time.Time) network.Point {
	t.Helper()
	points := s.Points(m, r, when, when.Add(time.Second))
	if len(points) != 1 || !points[0].At.Equal(when) {
		t.Fatalf("points at %s: got %v, want one there", when, points)
	}
	return points[0]
}

// TestRounding holds each metric to the error that the documents promise.
func TestRounding(t *testing.T) {
	for m, c := range map[network.Metric]struct{ lo, hi, absolute, relative float64 }{
		network.RxPower: {-40, 10, 0.0501, 0}, network.TxPower: {-40, 10, 0.1001, 0}, network.Temperature: {-40, 125, 0.3251, 0},
		network.Voltage: {1, 6, 0.0201, 0}, network.BiasCurrent: {0.1, 150, 0, 0.0147}, network.Downstream: {1e3, 1e10, 0, 0.0080},
		network.Upstream: {1e3, 1e10, 0, 0.0080}, network.DownstreamErrors: {0.01, 1e7, 0, 0.0420}, network.UpstreamErrors: {0.01, 1e7, 0, 0.0420},
	} {
		for i := range 1000 {
			v := c.lo + (c.hi-c.lo)*float64(i)/999
			if c.relative > 0 {
				v = c.lo * math.Pow(c.hi/c.lo, float64(i)/999)
			}
			var s network.Series
			add(t, &s, m, midnight, v)
			for _, r := range []network.Resolution{network.Hourly, network.Daily} {
				got := at(t, &s, m, r, midnight).Value
				if off := math.Abs(got - v); off > c.absolute+2*c.relative*v || r == network.Hourly && off > c.absolute+c.relative*v {
					t.Errorf("%s %v is kept as %v, want it within %v and %v of it", m, v, got, c.absolute, c.relative)
				}
			}
		}
	}
	for _, m := range []network.Metric{network.BiasCurrent, network.Downstream, network.UpstreamErrors, network.Drops} {
		var s network.Series
		add(t, &s, m, midnight, 0)
		if p := at(t, &s, m, network.Hourly, midnight); p.Value != 0 || !p.Known {
			t.Errorf("%s 0 is kept as %+v, want 0", m, p)
		}
	}
}

func TestHourJoinsItsValues(t *testing.T) {
	var s network.Series
	ten := midnight.Add(10 * time.Hour)
	// Out of order within the hour, and one of the hour before that comes late.
	add(t, &s, network.RxPower, ten.Add(40*time.Minute), -20)
	add(t, &s, network.RxPower, ten.Add(5*time.Minute), -22)
	add(t, &s, network.RxPower, ten.Add(-time.Minute), -25)
	add(t, &s, network.RxPower, ten.Add(20*time.Minute), -24)
	add(t, &s, network.Drops, ten, 1)
	add(t, &s, network.Drops, ten.Add(time.Minute), 2)
	for when, want := range map[time.Time]float64{ten: -22, ten.Add(-time.Hour): -25} {
		if p := at(t, &s, network.RxPower, network.Hourly, when); !p.Known || math.Abs(p.Value-want) > 0.051 {
			t.Errorf("%s: got %+v, want %v, the mean", when, p, want)
		}
	}
	if p := at(t, &s, network.RxPower, network.Daily, midnight); math.Abs(p.Value+23.5) > 0.051 {
		t.Errorf("the day: got %+v, want -23.5, the median of -22 and -25", p)
	}
	if p := at(t, &s, network.Drops, network.Daily, midnight); p.Value != 3 {
		t.Errorf("drops: got %+v, want 3 in all", p)
	}
	if p := at(t, &s, network.TxPower, network.Hourly, ten); p.Known {
		t.Errorf("a metric never read: got %+v, want a gap", p)
	}
}

func TestClosedHours(t *testing.T) {
	var s network.Series
	now := midnight.Add(10 * time.Hour)
	add(t, &s, network.RxPower, now, -20)
	add(t, &s, network.RxPower, now.Add(-3*time.Hour), -21) // was a gap
	for back, want := range map[time.Duration]error{3 * time.Hour: network.ErrTooOld, 8 * 24 * time.Hour: network.ErrTooOld, 5 * 24 * time.Hour: nil} {
		if err := s.Append(network.RxPower, now.Add(-back), -29); !errors.Is(err, want) {
			t.Errorf("a value %s back: got %v, want %v", back, err, want)
		}
	}
	if p := at(t, &s, network.RxPower, network.Hourly, now.Add(-3*time.Hour)); math.Abs(p.Value+21) > 0.051 {
		t.Errorf("a closed hour: got %+v, want it to stay -21", p)
	}
}

func TestSpans(t *testing.T) {
	var s network.Series
	ten := midnight.Add(10 * time.Hour)
	over := func(from, to time.Duration, v float64) {
		t.Helper()
		if err := s.AppendOver(network.Downstream, ten.Add(from), ten.Add(to), v); err != nil {
			t.Fatal(err)
		}
	}
	over(0, 15*time.Minute, 40e6)
	over(15*time.Minute, 90*time.Minute, 20e6)
	over(2*time.Hour, 2*time.Hour+5*time.Minute, 0)
	for hour, want := range map[int]float64{0: 25e6, 1: 20e6, 2: 0} {
		p := at(t, &s, network.Downstream, network.Hourly, ten.Add(time.Duration(hour)*time.Hour))
		if !p.Known || math.Abs(p.Value-want) > want*0.008 {
			t.Errorf("hour %d: got %+v, want %v", hour, p, want)
		}
	}
	if p := at(t, &s, network.Downstream, network.Daily, midnight); math.Abs(p.Value-15e6) > 15e6*0.016 {
		t.Errorf("day: got %+v, want 15e6, the mean of its hours", p)
	}
	if err := s.AppendOver(network.Downstream, ten, ten.Add(time.Minute), 1e9); !errors.Is(err, network.ErrTooOld) {
		t.Errorf("a span of closed hours: got %v, want ErrTooOld", err)
	}
	for _, to := range []time.Time{ten, ten.Add(-time.Hour)} {
		if err := s.AppendOver(network.Downstream, ten, to, 1); !errors.Is(err, network.ErrValue) {
			t.Errorf("a span without length: got %v, want ErrValue", err)
		}
	}
	// Years of silence fill a week, not the years.
	over(-9000*time.Hour, 400*time.Hour, 7e6)
	if got := s.Points(network.Downstream, network.Hourly, ten.Add(230*time.Hour), ten.Add(401*time.Hour)); len(got) == 0 || got[0].Known || !got[len(got)-1].Known {
		t.Errorf("after a long span: got %d points, %+v; want a gap first and a value last", len(got), got)
	}
}

func TestRefusedValues(t *testing.T) {
	var s network.Series
	for _, c := range []struct {
		m    network.Metric
		at   time.Time
		v    float64
		want error
	}{
		{network.RxPower, midnight, math.NaN(), network.ErrValue},
		{network.RxPower, midnight, math.Inf(-1), network.ErrValue},
		{network.RxPower, midnight, -40.1, network.ErrValue},
		{network.RxPower, midnight, 10.1, network.ErrValue},
		{network.Downstream, midnight, -1, network.ErrValue},
		{network.Downstream, midnight, 1.1e10, network.ErrValue},
		{network.UpstreamErrors, midnight, math.Inf(1), network.ErrValue},
		{network.RxPower, time.Time{}, -20, network.ErrValue},
		{network.RxPower, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), -20, network.ErrValue},
		{network.BytesSent, midnight, 1, network.ErrNotKept},
		{network.UpTime, midnight, 1, network.ErrNotKept},
		{network.Metric(0), midnight, 1, network.ErrNotKept},
		{network.Metric(200), midnight, 1, network.ErrNotKept},
	} {
		if err := s.Append(c.m, c.at, c.v); !errors.Is(err, c.want) {
			t.Errorf("%s %v at %s: got %v, want %v", c.m, c.v, c.at, err, c.want)
		}
	}
	if !s.Newest().IsZero() || s.Points(network.RxPower, network.Hourly, midnight, midnight.Add(time.Hour)) != nil {
		t.Errorf("refused values left something: newest %s", s.Newest())
	}
	add(t, &s, network.UpstreamErrors, midnight, 1e30)
	if got := at(t, &s, network.UpstreamErrors, network.Hourly, midnight).Value; math.Abs(got-1e7) > 1 {
		t.Errorf("more errors than the scale has: got %v, want its top", got)
	}
}

func TestRingsForget(t *testing.T) {
	var s network.Series
	for d := range 500 {
		add(t, &s, network.RxPower, midnight.Add(time.Duration(d)*24*time.Hour), -10-float64(d)/100)
	}
	all := s.Points(network.RxPower, network.Daily, time.Unix(0, 0), midnight.AddDate(9, 0, 0))
	if len(all) != network.KeptDays || !all[0].At.Equal(midnight.AddDate(0, 0, 500-network.KeptDays)) || !all[0].Known {
		t.Fatalf("got %d days from %+v, want the last %d", len(all), all[0], network.KeptDays)
	}
	for i, p := range all {
		if want := -10 - float64(500-network.KeptDays+i)/100; !p.Known || math.Abs(p.Value-want) > 0.051 {
			t.Fatalf("day %d: got %+v, want %v", i, p, want)
		}
	}
	hours := s.Points(network.RxPower, network.Hourly, time.Unix(0, 0), midnight.AddDate(9, 0, 0))
	known := 0
	for _, p := range hours {
		if p.Known {
			known++
		}
	}
	if len(hours) != network.KeptHours || known != 8 {
		t.Errorf("got %d hours with %d known, want %d with 8", len(hours), known, network.KeptHours)
	}
	median, n := s.Quantile(network.RxPower, network.Daily, midnight.AddDate(0, 0, 493), midnight.AddDate(0, 0, 500), 0.5)
	if n != 7 || math.Abs(median+14.96) > 0.051 {
		t.Errorf("the last week's median: got %v of %d days, want -14.96 of 7", median, n)
	}
	if v, n := s.Quantile(network.TxPower, network.Daily, midnight, midnight.AddDate(2, 0, 0), 0.5); n != 0 || !math.IsNaN(v) {
		t.Errorf("the median of nothing: got %v of %d, want NaN of 0", v, n)
	}
	add(t, &s, network.TxPower, midnight.AddDate(5, 0, 0), 2)
	if b, err := s.AppendBinary(nil); err != nil || len(b) > 40 {
		t.Errorf("five years later: %d bytes, %v; want no more than the one value needs", len(b), err)
	}
}

// full is a device that reports everything every hour for 14 months, as noisy as can be.
func full(tb testing.TB) *network.Series {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	s := new(network.Series)
	for h := range 24 * 425 {
		for _, m := range keptMetrics {
			v := map[network.Metric]float64{
				network.RxPower: -40 + 50*r.Float64(), network.TxPower: -40 + 50*r.Float64(), network.Temperature: -40 + 165*r.Float64(),
				network.Voltage: 1 + 5*r.Float64(), network.BiasCurrent: 150 * r.Float64(), network.Drops: float64(r.IntN(15)),
			}
			if err := s.Append(m, midnight.Add(time.Duration(h)*time.Hour+time.Minute), v[m]+r.Float64()*1e-3*float64(min(1, max(0, int(m)-5)))); err != nil {
				tb.Fatal(err)
			}
		}
		for i, m := range []network.Metric{network.Downstream, network.Upstream, network.DownstreamErrors, network.UpstreamErrors} {
			if err := s.Append(m, midnight.Add(time.Duration(h)*time.Hour+2*time.Minute), 1e5*r.Float64()*float64(1+i)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return s
}

func TestSizes(t *testing.T) {
	s := full(t)
	b, err := s.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range keptMetrics {
		for _, r := range []network.Resolution{network.Hourly, network.Daily} {
			points := s.Points(m, r, time.Unix(0, 0), midnight.AddDate(9, 0, 0))
			for _, p := range points {
				if !p.Known {
					t.Fatalf("%s at %s is a gap: the test is to fill everything", m, p.At)
				}
			}
		}
	}
	t.Logf("everything kept of 13 months: %d bytes", len(b))
	if len(b) > network.MaxSeriesBytes {
		t.Errorf("a full series has %d bytes, want at most %d", len(b), network.MaxSeriesBytes)
	}
	var plain network.Series
	for h := range 24 * 400 {
		for m, v := range map[network.Metric]float64{network.RxPower: -20, network.Downstream: 5e6, network.Upstream: 1e6} {
			add(t, &plain, m, midnight.Add(time.Duration(h)*time.Hour), v)
		}
	}
	if b, err = plain.AppendBinary(nil); err != nil || len(b) > 2300 {
		t.Errorf("three metrics have %d bytes, %v; want at most 2300", len(b), err)
	}
	var empty network.Series
	if b, err = empty.AppendBinary([]byte("x")); err != nil || len(b) != 5 {
		t.Errorf("an empty series behind one byte: %d bytes, %v; want 5", len(b), err)
	}
}

func TestStoredSeriesGoesOn(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var kept, stored network.Series
	for h := range 2000 {
		when := midnight.Add(time.Duration(h/2)*time.Hour + time.Duration(r.IntN(60))*time.Minute)
		if r.IntN(50) == 0 {
			when = when.Add(-time.Duration(r.IntN(300)) * time.Hour)
		}
		m := keptMetrics[r.IntN(len(keptMetrics))]
		v := 1 + 4*r.Float64()
		first, second := kept.Append(m, when, v), stored.Append(m, when, v)
		if !errors.Is(first, second) {
			t.Fatalf("append: %v, after storing: %v", first, second)
		}
		b, err := stored.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := stored.UnmarshalBinary(b); err != nil {
			t.Fatalf("step %d: %v", h, err)
		}
	}
	a, _ := kept.AppendBinary(nil)
	b, _ := stored.AppendBinary(nil)
	if string(a) != string(b) {
		t.Errorf("a series stored at each step differs from one that never was: %d and %d bytes", len(b), len(a))
	}
	if !kept.Newest().Equal(stored.Newest()) || kept.Newest().IsZero() {
		t.Errorf("newest: got %s, want %s", stored.Newest(), kept.Newest())
	}
}

func TestNotASeries(t *testing.T) {
	good, err := full(t).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing": nil, "another version": append([]byte{2}, good[1:]...), "cut": good[:len(good)-1], "more": append(good[:len(good):len(good)], 0),
		"an hour of the far future": {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0}, "a metric of no name": {1, 9, 1, 0},
		"metrics of no hour": {1, 0, 2, 0, 0, 0}, "empty rings": {1, 9, 2, 0, 0, 0}, "a gap at the edge": {1, 9, 2, 0, 1, 0, 0, 0, 0},
	} {
		var s network.Series
		if err := s.UnmarshalBinary(b); !errors.Is(err, network.ErrSeries) || !s.Newest().IsZero() {
			t.Errorf("%s: got %v, newest %s; want ErrSeries and nothing", name, err, s.Newest())
		}
	}
}

func FuzzSeries(f *testing.F) {
	big, err := full(f).AppendBinary(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(big)
	f.Add([]byte{1, 0, 0, 0})
	var small network.Series
	if err := small.Append(network.RxPower, midnight, -20); err != nil {
		f.Fatal(err)
	}
	one, _ := small.AppendBinary(nil)
	f.Add(one)
	f.Fuzz(func(t *testing.T, b []byte) {
		var s, again network.Series
		if err := s.UnmarshalBinary(b); err != nil {
			return
		}
		stored, err := s.AppendBinary(nil)
		if err != nil || len(stored) > network.MaxSeriesBytes {
			t.Fatalf("%d bytes, %v", len(stored), err)
		}
		if err := again.UnmarshalBinary(stored); err != nil {
			t.Fatalf("what was stored is not taken: %v", err)
		}
		for _, m := range keptMetrics {
			for _, p := range s.Points(m, network.Daily, time.Unix(0, 0), midnight.AddDate(9000, 0, 0)) {
				if math.IsNaN(p.Value) || p.Known && (p.Value < -41 || p.Value > 1.01e10) {
					t.Errorf("%s: %+v", m, p)
				}
			}
			if err := s.Append(m, s.Newest().Add(time.Hour), 2); err != nil && !s.Newest().IsZero() && s.Newest().Year() < 9999 {
				t.Errorf("append %s to it: %v", m, err)
			}
		}
		if b, err := s.AppendBinary(nil); err != nil || len(b) > network.MaxSeriesBytes {
			t.Errorf("with more: %d bytes, %v", len(b), err)
		}
	})
}

// BenchmarkSeries is what a session costs: a stored series is read, gets one value of each metric and is stored.
func BenchmarkSeries(b *testing.B) {
	stored, err := full(b).AppendBinary(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var s network.Series
		if err := s.UnmarshalBinary(stored); err != nil {
			b.Fatal(err)
		}
		for _, m := range keptMetrics {
			if err := s.Append(m, s.Newest(), 2); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := s.AppendBinary(make([]byte, 0, network.MaxSeriesBytes)); err != nil {
			b.Fatal(err)
		}
	}
}

package network_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"recado/acs/network"
)

func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) || math.IsNaN(a) && math.IsNaN(b)
}

func TestQuantiles(t *testing.T) {
	values := []float64{7, 1, 3, 10, 5}
	for _, c := range []struct {
		values  []float64
		q, want float64
	}{
		{values, 0, 1},
		{values, 0.5, 5},
		{values, 1, 10},
		{values, 0.25, 3},
		{values, 0.95, 9.4}, // 0.8 of the way from 7 to 10
		{values, -1, 1},
		{values, 2, 10},
		{[]float64{1, 2, 3, 4}, 0.5, 2.5},
		{[]float64{4}, 0.3, 4},
		{nil, 0.5, math.NaN()},
		{values, math.NaN(), math.NaN()},
	} {
		if got := network.Quantile(c.values, c.q); !near(got, c.want) {
			t.Errorf("quantile %v of %v: got %v, want %v", c.q, c.values, got, c.want)
		}
	}
	if !slices.Equal(values, []float64{7, 1, 3, 10, 5}) {
		t.Errorf("the values were sorted in place: %v", values)
	}
	// From the median 5: 2 4 2 5 0, in order 0 2 2 4 5.
	if got := network.Deviation(values); !near(got, 2*1.4826) {
		t.Errorf("deviation: got %v, want %v", got, 2*1.4826)
	}
	if got := network.Deviation(nil); !math.IsNaN(got) {
		t.Errorf("deviation of nothing: got %v, want NaN", got)
	}
}

func TestUnusual(t *testing.T) {
	steady := []float64{0.1, -0.1, 0.2, 0, -0.2, 0.1} // median 0.05, away from it 0.05 0.15 0.15 0.05 0.25 0.05: 0.1
	for _, c := range []struct {
		name              string
		value             float64
		earlier           []float64
		resolution, wantZ float64
		ok                bool
	}{
		{"a steady device", -2, steady, 0.05, -2.05 / 0.14826, true},
		{"one in whole dB", -2, steady, 1, -2.05, true},
		{"one that never moved", -2, []float64{0, 0, 0, 0}, 1, -2, true},
		{"one that moves much", -2, []float64{-3, 3, -2, 2, 0}, 0.1, -2 / (2 * 1.4826), true},
		{"too little history", -2, []float64{0, 0, 0}, 1, 0, false},
		{"no resolution", -2, steady, 0, 0, false},
		{"nothing", math.NaN(), steady, 1, 0, false},
	} {
		z, ok := network.Unusual(c.value, c.earlier, c.resolution)
		if ok != c.ok || !near(z, c.wantZ) {
			t.Errorf("%s: got %v, %t; want %v, %t", c.name, z, ok, c.wantZ, c.ok)
		}
	}
}

// TestTrendByHand has the slopes of all pairs written out.
func TestTrendByHand(t *testing.T) {
	// (0,1) (1,3) (2,5) (3,20): slopes 2, 2, 19/3, 2, 8.5, 15; in order 2 2 2 19/3 8.5 15, median (2+19/3)/2 = 25/6.
	got, ok := network.FitTrend([]float64{0, 1, 2, 3}, []float64{1, 3, 5, 20})
	if !ok || !near(got.Slope, 25.0/6) || !near(got.MidX, 1.5) || got.N != 4 {
		t.Errorf("got %+v, %t; want slope 25/6 about x 1.5", got, ok)
	}
	// c = 1.96·√(4·3·13/18) = 5.77 of 6 pairs: the interval is from the smallest to the largest.
	if !near(got.Low, 2) || !near(got.High, 15) {
		t.Errorf("interval: got %v to %v, want 2 to 15", got.Low, got.High)
	}
	// At x 1.5: 1+6.25, 3+2.0833, 5−2.0833, 20−6.25 = 7.25 5.0833 2.9167 13.75, median 6.1667.
	if !near(got.MidY, 37.0/6) || !near(got.At(3.5), 37.0/6+25.0/3) {
		t.Errorf("level: got %v, at 3.5 %v; want 6.1667 and 14.5", got.MidY, got.At(3.5))
	}

	// Sen's own kind of example, ten values on a line of slope 3 with one wild: C = 1.96·√(10·9·25/18) = 21.91 of 45 pairs; the
	// ends are at positions ⌊(45−21.91)/2⌋ = 11 and ⌈(45+21.91)/2⌉ = 34 from 0. The wild value (9, 0) spoils the nine pairs with it:
	// (0−3j−1)/(9−j) is below 3 for all j, so positions 0 … 8 are wild, and 9 … 44 are 3.
	var x, y []float64
	for i := range 10 {
		x, y = append(x, float64(i)), append(y, 3*float64(i)+1)
	}
	y[9] = 0
	got, ok = network.FitTrend(x, y)
	if !ok || got.Slope != 3 || got.Low != 3 || got.High != 3 || got.Error != 0 || !near(got.At(20), 61) {
		t.Errorf("one wild value in ten: got %+v, at 20 %v; want slope 3 throughout and 61", got, got.At(20))
	}

	for name, c := range map[string][2][]float64{
		"two values": {{0, 1}, {0, 1}}, "one x": {{1, 1, 1}, {1, 2, 3}}, "other lengths": {{1, 2, 3}, {1, 2}},
		"not a number": {{1, 2, 3}, {1, math.NaN(), 3}}, "infinite": {{1, math.Inf(1), 3}, {1, 2, 3}},
	} {
		if got, ok := network.FitTrend(c[0], c[1]); ok {
			t.Errorf("%s: got %+v, want none", name, got)
		}
	}
}

// TestTrendInterval checks that the 95 % interval holds the true slope about that often.
func TestTrendInterval(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	held := 0
	for range 400 {
		var x, y []float64
		for i := range 20 {
			x, y = append(x, float64(i)), append(y, 0.5*float64(i)+r.NormFloat64())
		}
		if got, ok := network.FitTrend(x, y); ok && got.Low <= 0.5 && 0.5 <= got.High {
			held++
		}
	}
	if held < 368 || held > 400 {
		t.Errorf("the interval held the slope %d times of 400, want about 380", held)
	}
}

func TestCrossing(t *testing.T) {
	rising := network.Trend{Slope: 2, Low: 1, High: 4, MidX: 10, MidY: 20, Error: 4}
	// 40 is 20 above: 10 + 20/2; at best (40−24)/4 = 4; at worst (40−16)/1 = 24.
	if at, early, late := rising.Crossing(40); at != 20 || early != 14 || late != 34 {
		t.Errorf("rising: got %v, %v to %v; want 20, 14 to 34", at, early, late)
	}
	maybe := network.Trend{Slope: 1, Low: -1, High: 2, MidX: 10, MidY: 20}
	if at, early, late := maybe.Crossing(40); at != 30 || early != 20 || !math.IsInf(late, 1) {
		t.Errorf("perhaps rising: got %v, %v to %v; want 30, 20 to never", at, early, late)
	}
	flat := network.Trend{Slope: 0, Low: -1, High: 0, MidX: 10, MidY: 20}
	if at, early, late := flat.Crossing(40); !math.IsInf(at, 1) || !math.IsInf(early, 1) || !math.IsInf(late, 1) {
		t.Errorf("flat: got %v, %v to %v; want never", at, early, late)
	}
}

func daysOf(n int, load func(day int) (float64, bool)) (days []network.Point) {
	for d := range n {
		v, known := load(d)
		days = append(days, network.Point{At: midnight.AddDate(0, 0, d), Value: v, Known: known})
	}
	return days
}

// TestForecastFindsKnownCrossings grows loads that are known to reach 80 % of a GPON port on a certain day.
func TestForecastFindsKnownCrossings(t *testing.T) {
	const level = 0.8 * 2.488e9
	held, runs := 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(*flagSeed, seed))
		const history = 182
		ahead := 20 + r.IntN(71) // 20 … 90 days
		begin := (0.25 + 0.25*r.Float64()) * 2.488e9
		perDay := (level - begin) / float64(history+ahead)
		days := daysOf(history, func(day int) (float64, bool) {
			v := begin + perDay*(float64(day)+0.5)
			v *= 1 + 0.015*r.NormFloat64()
			if weekday := day % 7; weekday < 2 {
				v *= 1.1 // weekends
			}
			if r.IntN(50) == 0 {
				v *= 0.2 // an outage
			}
			return v, r.IntN(20) != 0
		})
		f, ok := network.ForecastOf(days, level)
		if !ok || f.Reached {
			t.Fatalf("seed %d: no forecast: %+v, %t", seed, f, ok)
		}
		want := midnight.AddDate(0, 0, history+ahead)
		if off := f.At.Sub(want).Hours() / 24; math.Abs(off) > 7 {
			t.Errorf("seed %d: crossing told for %s, want %s: %.1f days off", seed, f.At, want, off)
		}
		if runs++; !f.Earliest.After(want) && (f.Latest.IsZero() || !f.Latest.Before(want)) {
			held++
		}
		if f.Days < history*9/10 || f.GrowthLow > f.Growth || f.Growth > f.GrowthHigh || math.Abs(f.Growth/7-perDay) > 0.2*perDay {
			t.Errorf("seed %d: growth %v a week (%v to %v) over %d days, want %v", seed, f.Growth, f.GrowthLow, f.GrowthHigh, f.Days, 7*perDay)
		}
	}
	if held < runs*85/100 {
		t.Errorf("the interval held the crossing %d times of %d, want nearly all", held, runs)
	}
}

func TestForecastEdges(t *testing.T) {
	flat := daysOf(70, func(int) (float64, bool) { return 1e9, true })
	if f, ok := network.ForecastOf(flat, 2e9); !ok || f.Reached || !f.At.IsZero() || !f.Earliest.IsZero() || f.Load != 1e9 {
		t.Errorf("no growth: got %+v, %t; want a load of 1e9 that reaches nothing", f, ok)
	}
	if f, ok := network.ForecastOf(flat, 1e9); !ok || !f.Reached || !f.At.IsZero() {
		t.Errorf("there already: got %+v, %t", f, ok)
	}
	if f, ok := network.ForecastOf(flat[:27], 2e9); ok {
		t.Errorf("27 days: got %+v, want none", f)
	}
	sparse := daysOf(63, func(d int) (float64, bool) { return 1e9, d%7 < 3 })
	if f, ok := network.ForecastOf(sparse, 2e9); ok {
		t.Errorf("three days a week for nine weeks: got %+v, want none", f)
	}
	if f, ok := network.ForecastOf(nil, 2e9); ok {
		t.Errorf("nothing: got %+v", f)
	}
	// By hand: 1000 a day from 0; at the end of day 35 the load is 35,000; 40,000 is 5 days later.
	steady := daysOf(35, func(d int) (float64, bool) { return 1000 * (float64(d) + 0.5), true })
	f, ok := network.ForecastOf(steady, 40_000)
	if want := midnight.AddDate(0, 0, 40); !ok || !near(f.Load, 35_000) || !f.At.Equal(want) || !f.Earliest.Equal(want) || !f.Latest.Equal(want) || !near(f.Growth, 7000) {
		t.Errorf("a straight line: got %+v, want 40,000 on %s", f, want)
	}
}

func TestHysteresis(t *testing.T) {
	h := network.Hysteresis{Raise: 0.8, Clear: 0.75}
	var changes []int
	for i, v := range []float64{0.7, 0.79, 0.8, 0.78, 0.81, 0.76, math.NaN(), 0.8, 0.74, 0.79, 0.9} {
		if h.Step(v) {
			changes = append(changes, i)
		}
	}
	if want := []int{2, 8, 10}; !slices.Equal(changes, want) || !h.Raised {
		t.Errorf("changed at %v, raised %t; want %v and raised", changes, h.Raised, want)
	}
}

func TestCapacity(t *testing.T) {
	for tech, want := range map[network.Technology][2]float64{network.GPON: {2.488e9, 1.244e9}, network.XGSPON: {9.953e9, 9.953e9}, "dsl": {}} {
		if down, up, ok := tech.Capacity(); down != want[0] || up != want[1] || ok != (want[0] > 0) {
			t.Errorf("%s: got %v, %v, %t; want %v", tech, down, up, ok, want)
		}
	}
}

func TestBusyHour(t *testing.T) {
	day := network.PortDay{Start: midnight}
	// Two subscribers: one with 10 Mbit/s all day, one with 12 spans of 5, 10, … 60 Mbit/s from 20:00 on.
	day.Add(midnight.Add(-time.Hour), midnight.Add(25*time.Hour), 10e6)
	evening := midnight.Add(20 * time.Hour)
	for i := range 12 {
		from := evening.Add(time.Duration(i) * 5 * time.Minute)
		day.Add(from, from.Add(5*time.Minute), float64(i+1)*5e6)
	}
	b, ok := day.BusyHour(2)
	// Before and after, the second is taken to use 10 Mbit/s too: 20 in all. The hour of the twelve spans has 10 + 5 … 60, mean 42.5;
	// the one from 20:05 on loses the first, 15, and gains a 20: 515/12 = 42.92; from 20:10 on it loses a 20 and gains one.
	if !ok || !b.Start.Equal(evening.Add(5*time.Minute)) || !near(b.Mean, 515e6/12) {
		t.Errorf("got %+v, %t; want a mean of 42.9 Mbit/s from 20:05 on", b, ok)
	}
	// In order 20 20 25 … 65 70: position 0.95·11 = 10.45, 0.45 of the way from 65 to 70.
	if !near(b.P95, 67.25e6) {
		t.Errorf("95th percentile: got %v, want 67.25e6", b.P95)
	}
	// 11 spans of both, one of one.
	if !near(b.Coverage, 23.0/24) {
		t.Errorf("coverage: got %v, want 23/24", b.Coverage)
	}
	if b, ok := day.BusyHour(5); ok {
		t.Errorf("five subscribers of whom two are known: got %+v, want none", b)
	}
	for _, n := range []int{0, -1} {
		if b, ok := day.BusyHour(n); ok {
			t.Errorf("%d subscribers: got %+v", n, b)
		}
	}
	odd := network.PortDay{Start: midnight}
	odd.Add(midnight, midnight, 1)
	odd.Add(midnight, midnight.Add(-time.Hour), 1)
	odd.Add(midnight, midnight.Add(time.Hour), -1)
	odd.Add(midnight, midnight.Add(time.Hour), math.NaN())
	odd.Add(midnight, midnight.Add(time.Hour), math.Inf(1))
	odd.Add(midnight.Add(48*time.Hour), midnight.Add(49*time.Hour), 1)
	if b, ok := odd.BusyHour(1); ok {
		t.Errorf("nothing but odd values: got %+v, want none", b)
	}
}

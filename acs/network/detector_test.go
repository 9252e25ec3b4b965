package network_test

import (
	"flag"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"recado/acs/network"
)

var (
	flagDays  = flag.Int("days", 30, "of ordinary churn")
	flagPorts = flag.Int("ports", 40, "with ordinary churn")
)

// deadline is the promise: one Inform interval and two minutes.
const grace = 2 * time.Minute

func statuses(told []network.Notice) (s []string) {
	for _, n := range told {
		s = append(s, fmt.Sprintf("%s %d %s of %d", n.Status, n.Outage, n.Ports, len(n.Affected)))
	}
	return s
}

// wantOutage checks that all that was told is one outage of these devices.
func wantOutage(t *testing.T, told []network.Notice, status network.Status, affected []string) network.Notice {
	t.Helper()
	if len(told) == 0 {
		t.Fatalf("nothing told, want %s", status)
	}
	for _, n := range told {
		if n.Status != status || n.Outage != told[0].Outage {
			t.Fatalf("told %v, want %s of one outage alone", statuses(told), status)
		}
	}
	last := told[len(told)-1]
	if slices.Sort(affected); !slices.Equal(last.Affected, affected) {
		t.Errorf("%s: got %d devices %v\nwant %d %v", status, len(last.Affected), last.Affected, len(affected), affected)
	}
	return last
}

func TestOnePortOf200(t *testing.T) {
	p := newPlant(t, *flagSeed, 200, 64, time.Hour)
	p.run(5 * time.Hour)
	if told := p.take(); len(told) > 0 {
		t.Fatalf("told before anything happened: %v", statuses(told))
	}
	cut, at := p.cpes[p.r.IntN(len(p.cpes))].port, p.now
	p.down[cut] = true
	p.run(p.every + grace)
	told := p.take()
	n := wantOutage(t, told, network.Detected, p.of(cut))
	t.Logf("told %d times, first after %s", len(told), told[0].At.Sub(at))
	if n.Cause != network.FiberCut || n.Since.Sub(at).Abs() > 5*time.Minute || n.OLT+" "+n.Ports[0] != cut || len(told) > 5 {
		t.Errorf("got %s of %s %v since %s, told %d times; want a cut fibre of %s since %s", n.Cause, n.OLT, n.Ports, n.Since, len(told), cut, at)
	}
	p.run(7 * time.Hour)
	if told := p.take(); len(told) > 0 {
		t.Errorf("told while nothing changed: %v", statuses(told))
	}
	delete(p.down, cut)
	p.run(p.every + grace)
	n = wantOutage(t, p.take(), network.Cleared, p.of(cut))
	if n.Cause != network.FiberCut || len(n.Remaining) > 0 || !slices.Contains(n.Hints, network.CameAwake) {
		t.Errorf("cleared: got %s %v, %d remaining", n.Cause, n.Hints, len(n.Remaining))
	}
	p.run(3 * time.Hour)
	if told := p.take(); len(told) > 0 {
		t.Errorf("told after it was over: %v", statuses(told))
	}
}

func TestTwoPortsAtOnce(t *testing.T) {
	p := newPlant(t, *flagSeed, 40, 32, 10*time.Minute)
	p.run(time.Hour)
	first, second := p.cpes[0].port, p.cpes[20*32].port
	p.down[first], p.down[second] = true, true
	p.run(p.every + grace)
	byPort := map[string][]network.Notice{}
	for _, n := range p.take() {
		byPort[n.OLT+" "+n.Ports[0]] = append(byPort[n.OLT+" "+n.Ports[0]], n)
	}
	if len(byPort) != 2 {
		t.Fatalf("outages of %d ports, want 2", len(byPort))
	}
	for _, port := range []string{first, second} {
		wantOutage(t, byPort[port], network.Detected, p.of(port))
	}
	clear(p.down)
	p.run(p.every + grace)
	told := p.take()
	if len(told) != 2 || told[0].Status != network.Cleared || told[1].Status != network.Cleared {
		t.Errorf("got %v, want both cleared", statuses(told))
	}
}

// TestOrdinaryChurn lives 30 days without an outage.
func TestOrdinaryChurn(t *testing.T) {
	ports, days := *flagPorts, *flagDays
	if testing.Short() {
		ports, days = 16, 5
	}
	p := newPlant(t, *flagSeed, ports, 64, time.Hour)
	for i := range p.cpes {
		// Off for 4 h on average, on for 196: 2 % off at any time.
		p.churn(i)
	}
	for day := range days {
		p.at(time.Duration(day)*24*time.Hour+3*time.Hour, func() {
			for i := range p.cpes {
				if p.r.IntN(10) == 0 {
					p.at(time.Duration(p.r.IntN(7200))*time.Second, func() { p.switchOff(i, 3*time.Minute) })
				}
			}
		})
	}
	p.run(time.Duration(days) * 12 * time.Hour)
	for i := range p.cpes { // a new firmware for all, within two hours
		p.at(time.Duration(p.r.IntN(7200))*time.Second, func() { p.switchOff(i, 6*time.Minute) })
	}
	p.run(6 * time.Hour)
	p.restart(20 * time.Minute)
	p.run(time.Duration(days)*12*time.Hour - 6*time.Hour)
	t.Logf("%d devices, %d days, %d Informs", len(p.cpes), days, p.arrivals)
	if told := p.take(); len(told) > 0 {
		t.Errorf("told %v, want nothing", statuses(told))
	}
	if p.arrivals < len(p.cpes)*days*20 {
		t.Errorf("%d Informs: the devices did not live", p.arrivals)
	}
}

func (p *plant) churn(i int) {
	on := time.Duration(p.r.ExpFloat64() * float64(196*time.Hour))
	p.at(on, func() {
		off := time.Duration(p.r.ExpFloat64()*float64(4*time.Hour)) + time.Minute
		p.switchOff(i, off)
		p.at(off, func() { p.churn(i) })
	})
}

func TestFlappingPortIsOnePair(t *testing.T) {
	p := newPlant(t, *flagSeed, 40, 16, time.Minute)
	p.run(20 * time.Minute)
	port := p.cpes[0].port
	for range 50 {
		p.down[port] = true
		p.run(6 * time.Minute)
		delete(p.down, port)
		p.run(6 * time.Minute)
	}
	p.run(time.Hour)
	told := p.take()
	var kinds []network.Status
	for _, n := range told {
		if len(kinds) == 0 || kinds[len(kinds)-1] != n.Status {
			kinds = append(kinds, n.Status)
		}
	}
	if !slices.Equal(kinds, []network.Status{network.Detected, network.Cleared}) {
		t.Fatalf("50 times down and up: told %v, want one pair", statuses(told))
	}
	// What stays down is told all the same, as flapping.
	p.down[port] = true
	p.run(3 * time.Minute)
	delete(p.down, port)
	p.run(30 * time.Minute)
	p.take()
	p.down[port] = true
	p.run(30 * time.Minute)
	n := wantOutage(t, p.take(), network.Detected, p.of(port))
	if hold := n.At.Sub(n.Since); hold < 15*time.Minute || hold > 20*time.Minute || !slices.Contains(n.Hints, network.Flapping) {
		t.Errorf("down again: told after %s, %v; want 15 minutes and that it flaps", hold, n.Hints)
	}
}

func TestRecadoDeaf(t *testing.T) {
	p := newPlant(t, *flagSeed, 30, 32, 10*time.Minute)
	p.run(time.Hour)
	p.deaf = true
	p.run(2 * time.Hour)
	told := p.take()
	if len(told) == 0 || len(told) > 3 || told[0].Status != network.Undefined || !slices.Contains(told[0].Hints, network.OwnTrouble) {
		t.Fatalf("everything silent: told %v, want undefined, no more than hourly", statuses(told))
	}
	for _, n := range told {
		if n.Status != network.Undefined {
			t.Errorf("told %v, want undefined alone", statuses(told))
		}
	}
	p.deaf = false
	p.run(2 * time.Hour)
	if told := p.take(); len(told) > 0 {
		t.Errorf("after it: told %v, want nothing", statuses(told))
	}
	port := p.cpes[100].port
	p.down[port] = true
	p.run(p.every + grace)
	wantOutage(t, p.take(), network.Detected, p.of(port))
}

// TestShortDeafness is over before half of any port was missed.
func TestShortDeafness(t *testing.T) {
	for _, length := range []time.Duration{time.Minute, 5 * time.Minute, 11 * time.Minute, 30 * time.Minute} {
		p := newPlant(t, *flagSeed, 30, 8, 10*time.Minute)
		p.run(time.Hour)
		p.deaf = true
		p.run(length)
		p.deaf = false
		p.run(time.Hour)
		for _, n := range p.take() {
			if n.Status != network.Undefined {
				t.Errorf("deaf for %s: told %v, want no outage", length, n)
			}
		}
	}
}

func TestOneOLT(t *testing.T) {
	p := newPlant(t, *flagSeed, 48, 32, 10*time.Minute)
	p.run(time.Hour)
	var hit []string
	for _, c := range p.cpes {
		if c.place.OLT == "olt1" {
			p.down[c.port] = true
			hit = append(hit, c.id)
		}
	}
	p.run(p.every + grace)
	n := wantOutage(t, p.take(), network.Detected, hit)
	if len(n.Ports) != 16 || n.OLT != "olt1" || !slices.Contains(n.Hints, network.WholeOLT) {
		t.Errorf("got %d ports of %s, %v; want one outage of 16 ports of olt1", len(n.Ports), n.OLT, n.Hints)
	}
	clear(p.down)
	p.run(p.every + grace)
	wantOutage(t, p.take(), network.Cleared, hit)
}

func TestPowerIsToldFromFibre(t *testing.T) {
	p := newPlant(t, *flagSeed, 40, 32, 10*time.Minute)
	p.run(time.Hour)
	// A street without power: four fifths of two ports of one area.
	var hit []string
	for i, c := range p.cpes {
		if i < 64 && i%5 > 0 {
			p.switchOff(i, 3*time.Hour)
			hit = append(hit, c.id)
		}
	}
	p.run(p.every + grace)
	causes := map[network.Cause]int{}
	var listed []string
	latest := map[uint64]network.Notice{}
	for _, n := range p.take() {
		latest[n.Outage] = n
	}
	for _, n := range latest {
		causes[n.Cause]++
		listed = append(listed, n.Affected...)
	}
	slices.Sort(listed)
	if slices.Sort(hit); !slices.Equal(listed, hit) || causes[network.FiberCut] > 0 || len(latest) != 2 {
		t.Errorf("got %v of %v, want power for two ports, or nothing said", listed, causes)
	}
	p.run(4 * time.Hour)
	cleared := 0
	for _, n := range p.take() {
		if n.Status == network.Cleared && n.Cause == network.PowerFailure && slices.Contains(n.Hints, network.CameBooting) {
			cleared++
		}
	}
	if cleared != 2 {
		t.Errorf("cleared as power %d times, want 2", cleared)
	}
}

func TestDevicesThatAnswerAreNoOutage(t *testing.T) {
	p := newPlant(t, *flagSeed, 20, 32, 10*time.Minute)
	p.run(time.Hour)
	// Their Informs go astray, though each of them answers.
	for i := range p.cpes {
		if p.cpes[i].port == p.cpes[0].port {
			p.cpes[i].turn++
		}
	}
	p.run(2 * time.Hour)
	if told := p.take(); len(told) > 0 {
		t.Errorf("told %v, want nothing: the devices answer", statuses(told))
	}
}

func TestThresholds(t *testing.T) {
	for _, c := range []struct {
		name           string
		onts, off      int
		min            int
		share          float64
		wantDetections bool
	}{
		{"two of three", 3, 2, 0, 0, false},
		{"three of four", 4, 3, 0, 0, true},
		{"three of eight", 8, 3, 0, 0, false},
		{"four of eight", 8, 4, 0, 0, true},
		{"two of three, where two are enough", 3, 2, 2, 0, true},
		{"three of eight, where a third is enough", 8, 3, 0, 0.33, true},
		{"seven of eight, where all must be", 8, 7, 0, 1, false},
	} {
		p := newPlant(t, *flagSeed, 10, c.onts, 10*time.Minute)
		p.cfg = network.Config{MinSubscribers: c.min, Share: c.share}
		p.run(time.Hour)
		p.restart(tick)
		p.run(time.Hour)
		for i := range c.off {
			p.switchOff(i, 100*time.Hour)
		}
		p.run(time.Hour)
		if told := p.take(); len(told) > 0 != c.wantDetections {
			t.Errorf("%s: told %v, want some: %t", c.name, statuses(told), c.wantDetections)
		}
	}
}

func TestOutageOutlivesARestart(t *testing.T) {
	p := newPlant(t, *flagSeed, 20, 32, 10*time.Minute)
	p.run(time.Hour)
	port := p.cpes[0].port
	p.switchOff(31, 1000*time.Hour) // and stays away
	p.down[port] = true
	p.run(p.every + grace)
	before := p.take()
	p.restart(30 * time.Minute)
	p.run(time.Hour)
	if told := p.take(); len(told) > 0 {
		t.Errorf("told again after the restart: %v", statuses(told))
	}
	p.restart(time.Minute)
	delete(p.down, port)
	p.run(2*p.every + grace)
	n := wantOutage(t, p.take(), network.Cleared, p.of(port))
	if n.Outage != before[0].Outage || !slices.Equal(n.Remaining, []string{p.cpes[31].id}) {
		t.Errorf("cleared %d with %v remaining, want %d with the one that is switched off", n.Outage, n.Remaining, before[0].Outage)
	}
	p.restart(time.Minute)
	p.d.Reopen(network.Notice{Outage: 99, OLT: "nowhere", Ports: []string{"1/1"}})
	if open := p.d.Open(); len(open) > 0 {
		t.Errorf("an outage of no port: got %v open", open)
	}
}

func TestSinglePortCannotBeTold(t *testing.T) {
	p := newPlant(t, *flagSeed, 1, 16, 10*time.Minute)
	p.run(time.Hour)
	p.down[p.cpes[0].port] = true
	p.run(p.every + grace)
	told := p.take()
	if len(told) != 1 || told[0].Status != network.Undefined {
		t.Errorf("the only port fell silent: told %v, want undefined: it may be Recado", statuses(told))
	}
}

func TestMovedAndRemovedDevices(t *testing.T) {
	p := newPlant(t, *flagSeed, 10, 8, 10*time.Minute)
	p.run(time.Hour)
	port := p.cpes[0].port
	p.down[port] = true
	p.run(p.every + grace)
	p.take()
	p.d.Remove(p.cpes[0].id)
	p.d.Remove("nobody")
	p.d.Place(p.cpes[1].id, network.Place{OLT: "olt9", Port: "1/1"})
	p.d.Place(p.cpes[2].id, network.Place{})
	if got := p.d.Len(); got != 79 {
		t.Errorf("%d devices, want 79", got)
	}
	if _, ok := p.d.Rhythm(p.cpes[0].id); ok {
		t.Error("a removed device has a rhythm")
	}
	p.d.Place("a new one", network.Place{OLT: "olt0", Port: "1/3"})
	delete(p.down, port)
	p.run(p.every + grace)
	want := slices.DeleteFunc(p.of(port), func(id string) bool { return slices.Contains([]string{p.cpes[0].id, p.cpes[1].id, p.cpes[2].id}, id) })
	wantOutage(t, p.take(), network.Cleared, want)
}

func TestDetectorsClockJumps(t *testing.T) {
	p := newPlant(t, *flagSeed, 20, 16, 10*time.Minute)
	p.run(time.Hour)
	for _, jump := range []time.Duration{-3 * time.Hour, 5 * time.Hour, -time.Minute} {
		shifted := p.now.Add(jump)
		p.now = shifted
		for i := range p.calls {
			p.calls[i].at = p.calls[i].at.Add(jump)
		}
		p.run(30 * time.Minute)
		for _, n := range p.take() {
			if n.Status != network.Undefined {
				t.Errorf("a clock that jumps by %s: told %v, want no outage", jump, n)
			}
		}
	}
	p.d.Arrive(p.cpes[0].id, time.Unix(-1, 0), network.Periodic)
	p.d.Probe(p.cpes[0].id, time.Time{}, network.Unreachable)
	if told, probes := p.d.Tick(time.Time{}); told != nil || probes != nil {
		t.Errorf("a moment before 1970: told %v, probes %v", told, probes)
	}
}

// fleet is a detector of 100,000 devices on 1,600 ports whose rhythms are known.
func fleet(tb testing.TB) (d *network.Detector, ids []string, now time.Time) {
	tb.Helper()
	d = network.NewDetector(network.Config{}, midnight, time.Time{})
	for i := range 100_000 {
		ids = append(ids, fmt.Sprintf("00259E-HG8245H-4857544300%06X", i))
		d.Place(ids[i], network.Place{OLT: fmt.Sprintf("olt%d", i/1024), Port: fmt.Sprintf("1/%d", i/64%16), Area: "town"})
	}
	for round := range 5 {
		for i, id := range ids {
			now = midnight.Add(time.Duration(round)*time.Hour + time.Duration(i)*36*time.Millisecond)
			d.Arrive(id, now, network.Periodic)
		}
	}
	return d, ids, now
}

func TestMemoryOfADevice(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d, ids, _ := fleet(t)
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / float64(d.Len())
	runtime.KeepAlive(ids)
	t.Logf("%.0f bytes a device, with its id of %d", each, len(ids[0]))
	if each > 200 {
		t.Errorf("%.0f bytes a device, want at most 200", each)
	}
}

func BenchmarkDetectorArrive(b *testing.B) {
	d, ids, now := fleet(b)
	i := 0
	for b.Loop() {
		now = now.Add(36 * time.Millisecond)
		d.Arrive(ids[i%len(ids)], now, network.Periodic)
		i++
	}
}

// BenchmarkDetectorTick has ten seconds of Informs (278) before each tick, while one port in a hundred is silent.
func BenchmarkDetectorTick(b *testing.B) {
	d, ids, now := fleet(b)
	i := 0
	for b.Loop() {
		b.StopTimer()
		for range 278 {
			if i/64%100 != 7 {
				d.Arrive(ids[i%len(ids)], now.Add(time.Duration(i%278)*36*time.Millisecond), network.Periodic)
			}
			i++
		}
		now = now.Add(10 * time.Second)
		b.StartTimer()
		d.Tick(now)
	}
}

// BenchmarkDetectorTickAllSilent is the worst tick: a hundred thousand devices are missed at once.
func BenchmarkDetectorTickAllSilent(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		d, _, now := fleet(b)
		b.StartTimer()
		d.Tick(now.Add(3 * time.Hour))
	}
}

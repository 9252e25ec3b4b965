package network_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"recado/acs/network"
)

// plant is a simulated access network whose devices call in to a Detector.
type plant struct {
	t        *testing.T
	r        *rand.Rand
	d        *network.Detector
	cfg      network.Config
	now      time.Time
	every    time.Duration
	cpes     []cpe
	down     map[string]bool // ports without light
	deaf     bool            // Recado's network
	calls    calls
	later    []event
	probes   []string
	index    map[string]int
	notices  []network.Notice
	arrivals int
}

type cpe struct {
	id, port string
	place    network.Place
	off      bool
	boot     bool // its next call is a boot
	nat      bool // cannot be probed
	turn     int  // of its timer: calls of older turns are void
}

type call struct {
	at        time.Time
	cpe, turn int
}

type calls []call

func (c calls) Len() int           { return len(c) }
func (c calls) Less(i, j int) bool { return c[i].at.Before(c[j].at) }
func (c calls) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *calls) Push(x any)        { *c = append(*c, x.(call)) }
func (c *calls) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

type event struct {
	at time.Time
	do func()
}

const tick = 10 * time.Second

// newPlant has ports of OLTs with up to 16 ports each.
func newPlant(t *testing.T, seed uint64, ports, onts int, every time.Duration) *plant {
	t.Helper()
	p := &plant{
		t: t, r: rand.New(rand.NewPCG(seed, 77)), now: midnight, every: every, down: map[string]bool{}, index: map[string]int{},
		d: network.NewDetector(network.Config{}, midnight, time.Time{}),
	}
	for n := range ports {
		for o := range onts {
			c := cpe{id: fmt.Sprintf("p%03d-o%02d", n, o), nat: p.r.IntN(10) == 0}
			c.place = network.Place{OLT: fmt.Sprintf("olt%d", n/16), Port: fmt.Sprintf("1/%d", n%16), Area: fmt.Sprintf("area%d", n/4)}
			c.port = c.place.OLT + " " + c.place.Port
			p.index[c.id] = len(p.cpes)
			p.cpes = append(p.cpes, c)
			p.d.Place(c.id, c.place)
			p.timer(len(p.cpes)-1, time.Duration(p.r.Int64N(int64(every))))
		}
	}
	return p
}

// timer starts a device's periodic timer anew.
func (p *plant) timer(i int, first time.Duration) {
	p.cpes[i].turn++
	heap.Push(&p.calls, call{p.now.Add(first), i, p.cpes[i].turn})
}

func (p *plant) at(after time.Duration, do func()) {
	p.later = append(p.later, event{p.now.Add(after), do})
}

func (p *plant) alive(i int) bool { return !p.cpes[i].off && !p.down[p.cpes[i].port] && !p.deaf }

// switchOff is a router without power for a while; it boots when it comes back.
func (p *plant) switchOff(i int, back time.Duration) {
	if p.cpes[i].off {
		return
	}
	p.cpes[i].off = true
	p.cpes[i].turn++
	p.at(back, func() { p.switchOn(i) })
}

func (p *plant) switchOn(i int) {
	p.cpes[i].off, p.cpes[i].boot = false, true
	p.timer(i, time.Duration(20+p.r.IntN(60))*time.Second)
}

func (p *plant) run(length time.Duration) {
	p.t.Helper()
	for end := p.now.Add(length); p.now.Before(end); {
		p.now = p.now.Add(tick)
		for len(p.calls) > 0 && !p.calls[0].at.After(p.now) {
			c := heap.Pop(&p.calls).(call)
			if c.turn != p.cpes[c.cpe].turn {
				continue
			}
			heap.Push(&p.calls, call{c.at.Add(p.every + time.Duration(p.r.IntN(7)-3)*time.Second), c.cpe, c.turn})
			p.call(c)
		}
		for i := 0; i < len(p.later); i++ {
			if e := p.later[i]; !e.at.After(p.now) {
				p.later[i] = p.later[len(p.later)-1]
				p.later = p.later[:len(p.later)-1]
				i--
				e.do()
			}
		}
		p.answer()
		if p.d != nil {
			told, probes := p.d.Tick(p.now)
			p.notices, p.probes = append(p.notices, told...), append(p.probes, probes...)
		}
	}
}

func (p *plant) call(c call) {
	v := &p.cpes[c.cpe]
	if !p.alive(c.cpe) || p.d == nil {
		return
	}
	kind := network.Periodic
	if v.boot {
		kind, v.boot = network.Boot, false
	}
	p.arrivals++
	p.d.Arrive(v.id, c.at, kind)
}

// answer gives the results of the probes that were asked for a tick before.
func (p *plant) answer() {
	asked := p.probes
	p.probes = nil
	for _, id := range asked {
		result := network.Unreachable
		switch i := p.index[id]; {
		case p.cpes[i].nat:
			result = network.Untried
		case p.alive(i):
			result = network.Reached
		}
		if p.d != nil {
			p.d.Probe(id, p.now, result)
		}
	}
}

func (p *plant) of(port string) (ids []string) {
	for _, c := range p.cpes {
		if c.port == port {
			ids = append(ids, c.id)
		}
	}
	return ids
}

// take gives the notices since the last take.
func (p *plant) take() []network.Notice {
	told := p.notices
	p.notices = nil
	return told
}

// restart stops Recado for a while.
func (p *plant) restart(down time.Duration) {
	p.t.Helper()
	stored := map[string][]byte{}
	for _, c := range p.cpes {
		r, ok := p.d.Rhythm(c.id)
		if !ok {
			p.t.Fatalf("no rhythm of %s", c.id)
		}
		stored[c.id], _ = r.AppendBinary(nil)
	}
	open, at := p.d.Open(), p.now
	p.d = nil
	p.run(down)
	p.d = network.NewDetector(p.cfg, p.now, at)
	for _, c := range p.cpes {
		var r network.Rhythm
		if err := r.UnmarshalBinary(stored[c.id]); err != nil {
			p.t.Fatal(err)
		}
		p.d.Place(c.id, c.place)
		p.d.Restore(c.id, r)
	}
	for _, n := range open {
		p.d.Reopen(n)
	}
}

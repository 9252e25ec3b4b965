package network

import (
	"cmp"
	"slices"
	"time"
)

// Tick looks at what has changed until now. It gives what is to be told, and the devices to which connection requests are to be
// sent now, whose results Probe wants. It is to be called every ten seconds or so.
func (d *Detector) Tick(at time.Time) (notices []Notice, probes []string) {
	now := d.advance(at)
	if now == 0 {
		return nil, nil
	}
	d.missAll(now)
	if d.deaf {
		d.tellDeaf(now)
	} else {
		for _, p := range d.order {
			if p.outage == nil && (p.dirty || p.suspect != 0 || p.calmUntil != 0) {
				d.look(p, now)
			}
		}
	}
	for _, o := range slices.Clone(d.open) {
		d.follow(o, now)
	}
	for _, p := range d.order {
		p.dirty = false
	}
	notices, probes = d.notices, d.probes
	d.notices, d.probes = nil, nil
	return notices, probes
}

// group is the devices of a port that may have fallen silent at one moment.
type group struct {
	silent []int32
	live   int    // with a known rhythm, and not silent before
	cut    uint32 // the moment
	first  uint32 // when the first of them was missed
}

func (g group) share() float64 { return float64(len(g.silent)) / float64(max(1, g.live)) }

// together finds the moment that the most silences can have in common: each device fell silent between its last sign of life and
// the moment it was missed.
func (d *Detector) together(p *port) (g group) {
	type edge struct {
		at    uint32
		begin bool
	}
	edges := make([]edge, 0, 2*p.silent)
	window := seconds32(d.cfg.Window)
	for _, i := range p.members {
		if v := &d.devices[i]; v.silent {
			edges = append(edges, edge{v.rhythm.last, true}, edge{v.due + window, false})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if a.at == b.at && a.begin != b.begin {
			if a.begin {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.at, b.at)
	})
	depth, best := 0, 0
	for _, e := range edges {
		if !e.begin {
			depth--
		} else if depth++; depth >= best {
			best, g.cut = depth, e.at
		}
	}
	g.first = never
	for _, i := range p.members {
		v := &d.devices[i]
		switch {
		case v.due == never:
		case !v.silent:
			g.live++
		case v.rhythm.last <= g.cut && v.due+window >= g.cut:
			g.live++
			g.silent = append(g.silent, i)
			g.first = min(g.first, v.due)
		}
	}
	return g
}

func (d *Detector) enough(g group) bool {
	return len(g.silent) >= d.cfg.MinSubscribers && g.share() >= d.cfg.Share
}

// look decides about a port that is in no outage.
func (d *Detector) look(p *port, now uint32) {
	if p.silent < d.cfg.MinSubscribers {
		p.suspect = 0
		return
	}
	g := d.together(p)
	if !d.enough(g) {
		p.suspect, p.calmUntil = 0, 0
		return
	}
	if now < p.calmUntil {
		return
	}
	if p.suspect == 0 {
		p.suspect, p.answered, p.failed, p.calmUntil = now, 0, 0, 0
		d.ask(p, g, now)
		if now < p.flapUntil {
			p.flapUntil = now + seconds32(d.cfg.FlapWindow)
		}
		return
	}
	switch {
	case d.waiting(g) && now < p.suspect+seconds32(d.cfg.ProbeWait):
	case p.answered > 0 && p.answered >= p.failed:
		p.suspect, p.calmUntil = 0, now+seconds32(d.cfg.FlapHold)
	case now < p.flapUntil && now < p.suspect+seconds32(d.cfg.FlapHold):
		// Told only if it stays.
	default:
		d.declare(p, g, now)
	}
}

// ask asks for probes of some of the silent, evenly spread, and of those that are not missed yet.
func (d *Detector) ask(p *port, g group, now uint32) {
	n := min(d.cfg.Sample, len(g.silent))
	for k := range n {
		d.probe(g.silent[k*len(g.silent)/n], now, true)
	}
	for _, i := range p.members {
		if n >= d.cfg.MaxProbes {
			return
		}
		// Who was heard after the first was missed was there after the cut.
		if v := &d.devices[i]; !v.silent && v.rhythm.last <= g.first {
			d.probe(i, now, false)
			n++
		}
	}
}

func (d *Detector) probe(i int32, now uint32, sample bool) {
	v := &d.devices[i]
	v.asked, v.dead, v.sample = now, false, sample
	d.probes = append(d.probes, v.id)
}

// waiting tells whether a result of the sample is to come.
func (d *Detector) waiting(g group) bool {
	return slices.ContainsFunc(g.silent, func(i int32) bool { return d.devices[i].sample })
}

// heardElsewhere tells whether a device of a port that is not suspect was heard after a moment.
func (d *Detector) heardElsewhere(after uint32) (yes, others bool) {
	if d.loose != 0 {
		others, yes = true, d.loose > after
	}
	for _, p := range d.order {
		if p.suspect == 0 && p.outage == nil && len(p.members) > 0 {
			others = true
			yes = yes || p.heard > after
		}
	}
	return yes, others
}

// declare opens an outage, if somebody else was heard meanwhile: else it may be Recado that hears nobody.
func (d *Detector) declare(p *port, g group, now uint32) {
	yes, others := d.heardElsewhere(g.first)
	if !yes && others {
		return // one of the others will call, or be missed
	}
	if !yes {
		d.deaf = true
		d.tellDeaf(now)
		return
	}
	d.number++
	o := &outage{
		id: d.number, olt: p.olt, cut: g.cut, members: map[int32]bool{}, returned: map[int32]bool{}, changed: now, first: g.first, begun: now,
		flapping: now < p.flapUntil,
	}
	groups := map[*port]group{p: g}
	if all := d.wholeOLT(p); all != nil {
		groups = all
		o.wholeOLT = true
	}
	for _, q := range d.order {
		if h, ok := groups[q]; ok {
			if q != p {
				d.ask(q, h, now)
			}
			q.suspect, q.outage = 0, o
			o.ports = append(o.ports, q)
			for _, i := range h.silent {
				o.members[i] = true
			}
		}
	}
	d.open = append(d.open, o)
	d.tell(o, Detected, now)
}

// wholeOLT gives the groups of all ports of the port's OLT where most of them are falling silent; nil where not.
func (d *Detector) wholeOLT(p *port) map[*port]group {
	groups, live, hit := map[*port]group{}, 0, 0
	for _, q := range d.olts[p.olt] {
		if q.outage != nil || len(q.members) == 0 {
			continue
		}
		g := d.together(q)
		if g.live == 0 {
			continue
		}
		live++
		if len(g.silent) > 0 && g.share() >= d.cfg.Share/2 {
			hit++
		}
		groups[q] = g
	}
	if hit < 2 || float64(hit) < mostPorts*float64(live) {
		return nil
	}
	return groups
}

// tellDeaf tells once that everything fell silent.
func (d *Detector) tellDeaf(now uint32) {
	if d.deafTold != 0 && now < d.deafTold+seconds32(d.cfg.FlapWindow) {
		return
	}
	d.deafTold = now
	d.number++
	n := Notice{Status: Undefined, Outage: d.number, At: moment(now), Since: moment(d.heard), Cause: UnknownCause, Hints: []Hint{OwnTrouble}}
	for _, p := range d.order {
		hit := false
		for _, i := range p.members {
			if v := &d.devices[i]; v.silent && v.due > d.heard {
				n.Affected, hit = append(n.Affected, v.id), true
			}
		}
		if hit {
			n.Ports = append(n.Ports, p.name)
		}
	}
	slices.Sort(n.Affected)
	slices.Sort(n.Ports)
	d.notices = append(d.notices, n)
}

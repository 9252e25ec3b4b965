package network

import "slices"

// follow sees to an outage that was told.
func (d *Detector) follow(o *outage, now uint32) {
	if o.grown && now >= o.told+seconds32(d.cfg.GrowEvery) && d.worthTelling(o, now) {
		d.tell(o, Detected, now)
	}
	if o.restored != 0 && !o.probed {
		o.probed = true
		n := 0
		for _, i := range o.sorted() {
			if n++; n <= d.cfg.MaxProbes {
				d.probe(i, now, false)
			}
		}
	}
	steady := d.cfg.Steady
	if o.flapping {
		steady = d.cfg.FlapHold
	}
	if now < o.changed+seconds32(steady) || !d.over(o, now) {
		return
	}
	d.clear(o, now)
}

// worthTelling tells whether an outage that grew is to be told again: when it has grown by a quarter, and when each device of its
// ports has been either missed or heard.
func (d *Detector) worthTelling(o *outage, now uint32) bool {
	if 4*len(o.members) >= 5*o.listed {
		return true
	}
	for _, p := range o.ports {
		for _, i := range p.members {
			if v := &d.devices[i]; !v.silent && v.due != never && v.rhythm.last <= o.first {
				return false
			}
		}
	}
	return true
}

// over tells whether an outage is: all are back, or few are not, each of which has had its whole interval since most came back.
func (d *Detector) over(o *outage, now uint32) bool {
	left := len(o.members)
	if left == 0 {
		return true
	}
	all := left + len(o.returned)
	few := float64(left) <= fewLeft*float64(all) || left < d.cfg.MinSubscribers && 2*left < all
	if o.restored == 0 || !few {
		return false
	}
	for i := range o.members {
		r := &d.devices[i].rhythm
		if now <= o.restored+seconds32(r.Every()+r.Tolerance()) {
			return false
		}
	}
	return true
}

func (d *Detector) clear(o *outage, now uint32) {
	o.hindsight()
	for _, p := range o.ports {
		p.outage, p.dirty = nil, true
		p.flapUntil = now + seconds32(d.cfg.FlapWindow)
	}
	d.open = slices.DeleteFunc(d.open, func(other *outage) bool { return other == o })
	d.tell(o, Cleared, now)
}

// hit tells whether a device is or was silent in the outage.
func (o *outage) hit(i int32) bool {
	_, was := o.returned[i]
	return was || o.members[i]
}

func (o *outage) sorted() []int32 {
	all := make([]int32, 0, len(o.members))
	for i := range o.members {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

func (d *Detector) tell(o *outage, s Status, now uint32) {
	if s == Detected {
		d.guess(o)
	}
	o.told, o.grown, o.listed = now, false, len(o.members)
	n := Notice{
		Status: s, Outage: o.id, OLT: o.olt, At: moment(now), Since: moment(o.cut), Cause: o.cause, Hints: slices.Clone(o.hints),
	}
	for _, p := range o.ports {
		if !o.wholeOLT || slices.ContainsFunc(p.members, o.hit) {
			n.Ports = append(n.Ports, p.name)
		}
	}
	for i := range o.members {
		n.Affected = append(n.Affected, d.devices[i].id)
	}
	slices.Sort(n.Ports)
	slices.Sort(n.Affected)
	if s == Cleared {
		n.Remaining = n.Affected
		n.Affected = slices.Clone(n.Remaining)
		for i := range o.returned {
			n.Affected = append(n.Affected, d.devices[i].id)
		}
		slices.Sort(n.Affected)
	}
	d.notices = append(d.notices, n)
}

// Open gives the outages that are open, as they would be told now, to be kept over a restart.
func (d *Detector) Open() (open []Notice) {
	held := d.notices
	for _, o := range d.open {
		told, grown, listed := o.told, o.grown, o.listed
		d.notices = nil
		d.tell(o, Detected, d.now)
		o.told, o.grown, o.listed = told, grown, listed
		open = append(open, d.notices...)
	}
	d.notices = held
	return open
}

// Reopen goes on with an outage that was open before a restart, once its devices are placed and restored. Nothing is told of it
// now: it is cleared when they come back.
func (d *Detector) Reopen(n Notice) {
	o := &outage{
		id: n.Outage, olt: n.OLT, cut: stamp(n.Since), members: map[int32]bool{}, returned: map[int32]bool{}, told: d.now, changed: d.now,
		first: stamp(n.Since), begun: d.now, listed: len(n.Affected), wholeOLT: slices.Contains(n.Hints, WholeOLT),
		cause: n.Cause, hints: slices.Clone(n.Hints), flapping: slices.Contains(n.Hints, Flapping),
	}
	d.number = max(d.number, n.Outage)
	for _, name := range n.Ports {
		if p := d.ports[[2]string{n.OLT, name}]; p != nil && p.outage == nil {
			p.outage, p.suspect = o, 0
			o.ports = append(o.ports, p)
		}
	}
	for _, id := range n.Affected {
		i, ok := d.index[id]
		if !ok || d.devices[i].port == nil || d.devices[i].port.outage != o {
			continue
		}
		o.members[i] = true
		if v := &d.devices[i]; !v.silent {
			v.silent, v.due = true, min(v.due, o.cut)
			v.port.silent++
		}
	}
	if len(o.ports) > 0 {
		d.open = append(d.open, o)
	}
}

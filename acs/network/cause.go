package network

// guess reads the cause from who is silent, who is not, and where. It may change as an outage grows.
func (d *Detector) guess(o *outage) {
	alive, dead := 0, false
	neighbours := false
	for _, p := range o.ports {
		for _, i := range p.members {
			switch v := &d.devices[i]; {
			case o.members[i]:
				dead = dead || v.dead
			case !v.silent && v.rhythm.last > o.first:
				alive++ // heard after the first was missed
			}
		}
		neighbours = neighbours || d.neighbour(o, p)
	}
	whole := float64(len(o.members)) >= nearlyAll*float64(len(o.members)+alive)
	o.cause, o.hints = UnknownCause, nil
	hint := func(is bool, h Hint) {
		if is {
			o.hints = append(o.hints, h)
		}
	}
	hint(o.wholeOLT, WholeOLT)
	hint(whole && !o.wholeOLT, WholePort)
	hint(!whole && !o.wholeOLT, PartOfPort)
	hint(neighbours, SeveralPorts)
	hint(dead, ProbesFailed)
	hint(o.flapping, Flapping)
	switch {
	case o.wholeOLT:
		// Its power, its uplink or its trunk fibre: all look alike from here.
	case neighbours && !whole:
		o.cause = PowerFailure
	case !neighbours && whole:
		o.cause = FiberCut
	}
}

// neighbour tells whether another port of the area is silent too.
func (d *Detector) neighbour(o *outage, p *port) bool {
	if p.area == "" {
		return false
	}
	for _, q := range d.order {
		if q.area == p.area && q.outage != o && (q.suspect != 0 || q.outage != nil) {
			return true
		}
	}
	return false
}

// hindsight corrects the cause by how the devices came back.
func (o *outage) hindsight() {
	if len(o.returned) == 0 {
		return
	}
	boots := 0
	for _, boot := range o.returned {
		if boot {
			boots++
		}
	}
	switch share := float64(boots) / float64(len(o.returned)); {
	case share >= booted:
		o.cause, o.hints = PowerFailure, append(o.hints, CameBooting)
	case share <= awake:
		if o.hints = append(o.hints, CameAwake); !o.wholeOLT {
			o.cause = FiberCut
		}
	}
}

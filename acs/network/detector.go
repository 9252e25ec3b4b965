package network

import (
	"math"
	"time"
)

// Detector finds outages of PON ports in the silence of their devices. It is a state machine without a clock: it is told of places,
// Informs, results of probes and the time, and says what to tell and whom to probe. The order of Arrive, Probe and Tick must be
// that of their times. Use NewDetector.
//
// Memory: about 150 bytes a device besides its id.
type Detector struct {
	cfg     Config
	devices []device
	index   map[string]int32
	ports   map[[2]string]*port
	order   []*port // in the order of their making, so that the same life gives the same notices
	olts    map[string][]*port
	open    []*outage
	number  uint64

	free []int32 // devices removed, whose places are free
	down uint32  // Recado was not there from then until it began

	now       uint32 // of the last call
	floor     uint32 // nothing is expected of what came before: Recado was not there, or deaf
	heard     uint32 // when any device was heard last
	loose     uint32 // when one without a port was
	gap       int    // ports that missed a device since then
	missed    int    // and how many devices they missed
	gapNumber uint32
	deaf      bool
	deafTold  uint32

	notices []Notice
	probes  []string
}

type device struct {
	id     string
	port   *port
	rhythm Rhythm
	due    uint32 // when it is silent
	asked  uint32 // when a probe was asked for; 0: none since it was heard
	silent bool
	dead   bool // a probe said so
	sample bool // asked as one of the silent
}

type port struct {
	olt, name, area string
	members         []int32
	due             uint32 // no device that is not silent is due before
	silent          int
	heard           uint32
	dirty           bool   // something changed since it was looked at
	suspect         uint32 // since when; 0: not
	answered        int    // of the silent that were probed since then
	failed          int    // and that did not answer
	calmUntil       uint32 // its devices answer, though they do not call in: it is not looked at before
	gapNumber       uint32 // of Detector, when a device of it was missed
	flapUntil       uint32
	outage          *outage
}

// NewDetector begins to listen at now. A device is given its whole interval from now on, but for those that were silent already at
// down, when Recado last listened (zero: never): what happened while it was down cannot be told from what did not.
func NewDetector(c Config, now, down time.Time) *Detector {
	return &Detector{
		down: stamp(down),
		cfg:  c.withDefaults(), index: map[string]int32{}, ports: map[[2]string]*port{}, olts: map[string][]*port{},
		floor: stamp(now), now: stamp(now), heard: stamp(now), gapNumber: 1,
	}
}

// Len is how many devices it knows.
func (d *Detector) Len() int { return len(d.index) }

// Restore gives a device the rhythm that was learned of it before.
func (d *Detector) Restore(id string, r Rhythm) {
	i := d.device(id)
	d.devices[i].rhythm = r
	d.settle(i)
}

// settle reckons a device anew that was placed or restored.
func (d *Detector) settle(i int32) {
	v := &d.devices[i]
	if own := v.rhythm.due(0); !v.silent && own < d.down {
		v.due, v.silent = own, true
		if v.port != nil {
			v.port.silent++
		}
		return
	}
	d.schedule(i)
}

// Rhythm gives what is learned of a device, to be stored.
func (d *Detector) Rhythm(id string) (Rhythm, bool) {
	i, ok := d.index[id]
	if !ok {
		return Rhythm{}, false
	}
	return d.devices[i].rhythm, true
}

// Place says where a device hangs; it may move.
func (d *Detector) Place(id string, p Place) {
	i := d.device(id)
	var to *port
	if p.Port != "" {
		to = d.portOf(p)
		to.area = p.Area
	}
	v := &d.devices[i]
	if v.port == to {
		return
	}
	d.leave(i)
	v.port, v.silent, v.dead = to, false, false
	if to != nil {
		to.members = append(to.members, i)
		to.dirty = true
	}
	d.settle(i)
}

// Remove forgets a device.
func (d *Detector) Remove(id string) {
	i, ok := d.index[id]
	if !ok {
		return
	}
	d.leave(i)
	delete(d.index, id)
	d.devices[i] = device{due: never}
	d.free = append(d.free, i)
}

func (d *Detector) device(id string) int32 {
	i, ok := d.index[id]
	if !ok {
		if n := len(d.free); n > 0 {
			i, d.free = d.free[n-1], d.free[:n-1]
		} else {
			i = int32(len(d.devices))
			d.devices = append(d.devices, device{})
		}
		d.devices[i] = device{id: id, due: never}
		d.index[id] = i
	}
	return i
}

func (d *Detector) portOf(p Place) *port {
	key := [2]string{p.OLT, p.Port}
	found := d.ports[key]
	if found == nil {
		found = &port{olt: p.OLT, name: p.Port, due: never}
		d.ports[key] = found
		d.order = append(d.order, found)
		d.olts[p.OLT] = append(d.olts[p.OLT], found)
	}
	return found
}

// leave takes a device out of its port and of the port's outage.
func (d *Detector) leave(i int32) {
	v := &d.devices[i]
	p := v.port
	if p == nil {
		return
	}
	for at, m := range p.members {
		if m == i {
			p.members = append(p.members[:at], p.members[at+1:]...)
			break
		}
	}
	if v.silent {
		p.silent--
	}
	p.dirty = true
	if p.outage != nil {
		delete(p.outage.members, i)
		delete(p.outage.returned, i)
		p.outage.changed = d.now
	}
}

// schedule reckons when a device is due.
func (d *Detector) schedule(i int32) {
	v := &d.devices[i]
	v.due = v.rhythm.due(d.floor)
	if v.port != nil && !v.silent {
		v.port.due = min(v.port.due, v.due)
	}
}

// Arrive tells of an Inform.
func (d *Detector) Arrive(id string, at time.Time, a Arrival) {
	now := d.advance(at)
	if now == 0 {
		return
	}
	i := d.device(id)
	d.devices[i].rhythm.Arrive(at, a)
	d.back(i, now, a == Boot)
}

// Probe tells what came of a probe that Tick asked for, or of any other connection request.
func (d *Detector) Probe(id string, at time.Time, r ProbeResult) {
	now := d.advance(at)
	i, ok := d.index[id]
	if !ok || now == 0 {
		return
	}
	v := &d.devices[i]
	if v.sample && v.port != nil && r == Reached {
		v.port.answered++
	} else if v.sample && v.port != nil && r == Unreachable {
		v.port.failed++
	}
	switch r {
	case Reached:
		v.rhythm.Seen(at)
		d.back(i, now, false)
	case Unreachable:
		v.dead, v.sample = true, false
		if p := v.port; p != nil {
			p.dirty = true
			if !v.silent && (p.suspect != 0 || p.outage != nil) {
				v.due = min(v.due, now)
				d.miss(i, now)
			}
		}
	case Untried:
		v.asked, v.sample = 0, false
	}
}

// advance moves the time on. A long quiet is looked at before its end is taken in: it may have been Recado that was deaf.
func (d *Detector) advance(at time.Time) uint32 {
	now := stamp(at)
	if now == 0 {
		return 0
	}
	if now < d.now {
		// The clock was set back: all that is due would be late by as much.
		d.heard = min(d.heard, now)
		d.resume(now, now)
		for _, o := range d.open {
			o.told, o.changed, o.restored = min(o.told, now), min(o.changed, now), min(o.restored, now)
		}
	}
	if now > d.heard+uint32(MinTolerance/time.Second) && now > d.now {
		d.missAll(now)
	}
	d.now = now
	return now
}

// back takes in a sign of life.
func (d *Detector) back(i int32, now uint32, boot bool) {
	if d.deaf {
		d.deaf = false
		d.resume(now, d.heard)
	}
	d.heard, d.gap, d.missed = now, 0, 0
	d.gapNumber++
	v := &d.devices[i]
	v.asked, v.dead, v.sample = 0, false, false
	p := v.port
	if p == nil {
		d.loose = now
		return
	}
	p.heard = now
	if v.silent {
		v.silent = false
		p.silent--
		p.dirty = true
		if o := p.outage; o != nil && o.members[i] {
			o.comeBack(i, now, boot)
		}
	}
	v.due = v.rhythm.due(d.floor)
	p.due = min(p.due, v.due)
}

func (o *outage) comeBack(i int32, now uint32, boot bool) {
	delete(o.members, i)
	o.returned[i] = boot
	o.changed = now
	if o.restored == 0 && len(o.returned) >= len(o.members) {
		o.restored = now
	}
}

// resume gives every device a whole interval from now on, and forgets the silences since a moment: they were Recado's own.
func (d *Detector) resume(now, since uint32) {
	d.floor, d.gap, d.missed = now, 0, 0
	for _, p := range d.order {
		p.due, p.suspect = never, 0
		for _, i := range p.members {
			v := &d.devices[i]
			if v.silent && v.due >= since && (p.outage == nil || !p.outage.members[i]) {
				v.silent, v.dead = false, false
				p.silent--
			}
			if !v.silent {
				d.schedule(i)
			}
		}
		p.dirty = true
	}
}

// missAll marks every device that is due and of which nothing was heard.
func (d *Detector) missAll(now uint32) {
	for _, p := range d.order {
		if p.due >= now {
			continue
		}
		p.due = never
		for _, i := range p.members {
			if v := &d.devices[i]; v.silent {
				continue
			} else if v.due < now {
				d.miss(i, now)
			} else {
				p.due = min(p.due, v.due)
			}
		}
	}
	if !d.deaf && d.gap >= 2 && d.missed >= deafMisses && d.gap*2 > d.livePorts() {
		d.deaf = true
	}
}

// deafMisses is how many devices must be missed while none is heard before Recado doubts its own ears.
const deafMisses = 5

// miss marks one device as silent.
func (d *Detector) miss(i int32, now uint32) {
	v := &d.devices[i]
	p := v.port
	v.silent = true
	p.silent++
	p.dirty = true
	if v.due > d.heard {
		d.missed++
		if p.gapNumber != d.gapNumber {
			p.gapNumber = d.gapNumber
			d.gap++
		}
	}
	if o := p.outage; o != nil && !o.members[i] {
		o.members[i] = true
		delete(o.returned, i)
		o.grown, o.changed, o.restored = true, now, 0
		if v.rhythm.last < o.begun {
			o.cut = max(o.cut, v.rhythm.last)
		}
	}
}

// livePorts counts the ports with a device whose rhythm is known and that was not silent before the quiet.
func (d *Detector) livePorts() (n int) {
	for _, p := range d.order {
		if p.outage != nil {
			continue
		}
		for _, i := range p.members {
			if v := &d.devices[i]; v.due != never && (!v.silent || v.due > d.heard) {
				n++
				break
			}
		}
	}
	return n
}

func seconds32(d time.Duration) uint32 {
	return uint32(min(max(0, d/time.Second), math.MaxInt32))
}

func moment(s uint32) time.Time { return time.Unix(int64(s), 0).UTC() }

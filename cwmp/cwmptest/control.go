package cwmptest

import (
	"context"
	"slices"
	"time"

	"recado/cwmp"
)

// Inform asks for a session with the given events (2 PERIODIC where there are none), waits for its end, and returns
// what went wrong with it, or the cause of ctx.
func (d *Device) Inform(ctx context.Context, events ...string) error {
	if len(events) == 0 {
		events = []string{cwmp.EventPeriodic}
	}
	done := make(chan error, 1)
	d.mu.Lock()
	d.waiters = append(d.waiters, done)
	d.trigger(events)
	d.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Trigger asks for a session with the given events and does not wait for it.
func (d *Device) Trigger(events ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.trigger(events)
}

func (d *Device) trigger(events []string) {
	for _, e := range events {
		d.addEvent(e, "", "")
	}
	d.want(1, time.Now())
}

// Request queues a request of the Device's own, such as *cwmp.GetRPCMethods, for its next session, and asks for one.
// A *cwmp.TransferComplete brings its events along and is repeated until it is answered; others are sent once.
func (d *Device) Request(m cwmp.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.requests = append(d.requests, m)
	if t, ok := m.(*cwmp.TransferComplete); ok {
		d.addEvent(cwmp.EventTransferComplete, "", "TransferCompleteResponse")
		d.addEvent("M Download", t.CommandKey, "TransferCompleteResponse")
	}
	d.want(1, time.Now())
}

// PowerCycle takes the power away and gives it back: a session breaks, and the Device boots with 1 BOOT. Reboots that
// were accepted and not yet done are done by it. It is also the way out of Mishaps.NeverBack.
func (d *Device) PowerCycle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bootCause = "power"
	d.hangUp(errPower)
	d.stir()
}

// Offline takes the Device's link away or gives it back. Offline, it calls nobody and nobody reaches it, but it keeps
// running. When the link is back it calls in at once, with what happened meanwhile or 2 PERIODIC.
func (d *Device) Offline(offline bool) {
	d.mu.Lock()
	if d.offline == offline {
		d.mu.Unlock()
		return
	}
	d.offline = offline
	if offline {
		d.hangUp(errOffline)
	} else if d.up {
		if len(d.events) == 0 {
			d.addEvent(cwmp.EventPeriodic, "", "")
		}
		d.want(1, time.Now())
	}
	d.mu.Unlock()
	d.moveDoor()
	d.stir()
}

// hangUp breaks the session there is; d.mu is held.
func (d *Device) hangUp(cause error) {
	if d.live != nil {
		d.live(cause)
	}
}

// SetQuirks changes the Device's habits: for sessions from the next one on, for connection requests at once.
func (d *Device) SetQuirks(q Quirks) {
	d.mu.Lock()
	d.quirks = q
	d.mu.Unlock()
}

// SetMishaps changes what goes wrong with reboots from now on.
func (d *Device) SetMishaps(m Mishaps) {
	d.mu.Lock()
	d.mishaps = m
	d.mu.Unlock()
}

// SetCut replaces Config.Cut; nil cuts nothing.
func (d *Device) SetCut(cut func(CutPoint) bool) {
	d.mu.Lock()
	d.cut = cut
	d.mu.Unlock()
}

// Value reads a parameter, hidden ones too; empty where there is none of that name.
func (d *Device) Value(name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current(name)
}

// SetValue changes a parameter as its owner would at the device, writable or not; an unknown name becomes a new read-only string.
func (d *Device) SetValue(name, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.tree.find(name); !ok {
		d.tree.add(Parameter{Name: name})
	}
	d.tree.set(name, value)
}

// Reboots lists the Reboot requests that were obeyed, oldest first.
func (d *Device) Reboots() []Reboot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.reboots)
}

// RebootsOf counts the Reboot requests with a CommandKey that were obeyed.
func (d *Device) RebootsOf(commandKey string) int {
	n := 0
	for _, r := range d.Reboots() {
		if r.CommandKey == commandKey {
			n++
		}
	}
	return n
}

// Boots lists all starts, the first included, oldest first.
func (d *Device) Boots() []Boot {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.boots)
}

// Sessions returns the counters.
func (d *Device) Sessions() Sessions {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sessions
}

// Up tells whether the Device is up, and since when.
func (d *Device) Up() (since time.Time, up bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bootedAt, d.up
}

// ConnectionRequestURL is the URL under which the Device can be woken now, in its full form.
func (d *Device) ConnectionRequestURL() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requestURL(URLFull)
}

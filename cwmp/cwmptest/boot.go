package cwmptest

import (
	"context"
	"time"

	"recado/cwmp"
)

// boot goes down and comes up again. It returns early where the power goes meanwhile, or ctx ends.
func (d *Device) boot(ctx context.Context) {
	d.mu.Lock()
	cause, delay := d.bootCause, d.cfg.BootDelay
	if d.mishaps.BootDelay != 0 {
		delay = d.mishaps.BootDelay
	}
	if cause == "start" {
		delay = 0
	}
	d.bootCause, d.up, d.interval, d.nextPeriodic = "", false, 0, time.Time{}
	d.carried.close()
	d.carried = nil
	stuck := d.mishaps.NeverBack && cause != "start" && cause != "power"
	d.boots = append(d.boots, Boot{Down: time.Now(), Cause: cause})
	if d.quirks.ForgetsRequests {
		d.wanted = 0
	}
	d.mu.Unlock()
	if cause != "start" {
		d.moveDoor()
	}
	d.note(NoteBooting, "", cause, nil)

	end := time.Now().Add(delay)
	if stuck {
		end = time.Time{}
	}
	for stuck || time.Now().Before(end) {
		d.wait(ctx, end)
		if ctx.Err() != nil || d.bootDue() {
			return
		}
	}
	d.comeUp(cause)
}

func (d *Device) bootDue() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.bootCause != ""
}

func (d *Device) comeUp(cause string) {
	d.mu.Lock()
	now := time.Now()
	d.up, d.bootedAt = true, now
	d.boots[len(d.boots)-1].Up = now
	keys := make([]string, 0, len(d.accepted))
	for _, i := range d.accepted {
		d.reboots[i].Booted = now
		keys = append(keys, d.reboots[i].CommandKey)
	}
	d.accepted = nil
	if d.quirks.URL == URLRandomPath && cause != "start" {
		d.path = d.token()
	}
	if d.quirks.URL == URLRandomPort && cause != "start" {
		d.port = 20000 + d.rng.IntN(20000)
	}
	d.bootEvents(cause, keys)
	d.row, d.retryAt, d.challenge = 0, time.Time{}, nil
	d.want(1, now)
	d.mu.Unlock()
	d.moveDoor()
	d.note(NoteUp, "", cause, nil)
}

// bootEvents notes what the first Inform after a boot tells, and drops what a boot makes the CPE forget (TR-069
// Table 8); d.mu is held.
func (d *Device) bootEvents(cause string, keys []string) {
	kept := d.events[:0]
	for _, e := range d.events {
		if e.EventCode != cwmp.EventValueChange && e.EventCode != cwmp.EventConnectionRequest {
			kept = append(kept, e)
		}
	}
	d.events = kept
	switch {
	case d.quirks.BootstrapOnBoot || cause == "start" && !d.cfg.KnownToACS:
		d.events = nil
		d.addEvent(cwmp.EventBootstrap, "", "")
		if d.quirks.BootstrapOnBoot {
			return
		}
	case d.quirks.NoBootEvents:
		d.addEvent(cwmp.EventPeriodic, "", "")
		return
	}
	d.addEvent(cwmp.EventBoot, "", "")
	for _, key := range keys {
		switch d.quirks.MReboot {
		case MRebootKey:
			d.addEvent(cwmp.EventMReboot, key, "")
		case MRebootEmptyKey:
			d.addEvent(cwmp.EventMReboot, "", "")
		}
	}
}

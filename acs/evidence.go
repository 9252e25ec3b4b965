package acs

import (
	"slices"
	"time"

	"recado/cwmp"
)

// informFacts is what an Inform proves about reboots.
type informFacts struct {
	at           time.Time
	session      string
	booted       bool     // 1 BOOT, or M Reboot without a key
	bootstrapped bool     // 0 BOOTSTRAP
	keys         []string // CommandKeys of M Reboot events, empty ones left out
	retries      int
	codes        []string // for the evidence, maxEvents at most
	mReboots     int
}

// maxEvents is how many events an Inform holds (TR-069 A.3.3.1, Table 37); the codes of more are not kept.
const maxEvents = 64

// factsOf keeps what an Inform says of boots. The Inform itself, which can be megabytes, must not live as long as its session.
func factsOf(inform *cwmp.Inform, session string, at time.Time) informFacts {
	f := informFacts{at: at, session: session, retries: inform.Retries()}
	for _, e := range inform.Events {
		if len(f.codes) < maxEvents {
			f.codes = append(f.codes, clip(e.EventCode, 64))
		}
		switch {
		case e.Is(cwmp.EventBootstrap):
			f.bootstrapped = true
		case e.Is(cwmp.EventBoot):
			f.booted = true
		case e.Is(cwmp.EventMReboot):
			f.mReboots++
			if e.CommandKey == "" {
				f.booted = true
			} else {
				f.keys = append(f.keys, e.CommandKey)
			}
		}
	}
	return f
}

// ruling is what an Inform says about one reboot that was sent.
type ruling int

const (
	rulingNone      ruling = iota // nothing: not a reboot that waits, or still the session it was sent in
	rulingProven                  // it happened
	rulingAskUptime               // neither event came: the up-time will tell
	rulingForeign                 // the device booted for somebody else's Reboot
)

// judgeInform rules on a reboot by the events of an Inform in a later session than the one it was sent in
// (product: an action's life; TR-069 3.7.1.5, A.3.2.9).
func judgeInform(a *Action, f informFacts) (ruling, *Evidence) {
	// An action that waits to be sent again counts too: a device that had not rebooted when it was asked may do so later.
	if a.Kind != KindReboot || a.SentAt.IsZero() || a.SentSession == f.session || a.Status.Final() && !a.watched() {
		return rulingNone, nil
	}
	if slices.Contains(f.keys, a.BootKey.CommandKey()) {
		return rulingProven, a.evidence(EvidenceMReboot, f)
	}
	if !f.booted && len(f.keys) == 0 {
		return rulingAskUptime, nil
	}
	if len(f.keys) > 0 {
		return rulingForeign, nil
	}
	if f.retries > 0 && a.SentInBoot {
		// Some devices announce a boot again in a retried session: this may be the boot before the sending.
		return rulingAskUptime, nil
	}
	return rulingProven, a.evidence(EvidenceBoot, f)
}

// judgeUptime rules by an up-time that the device told at now, in a session without boot events. It returns proven with evidence,
// or, second, that the device proved that it did not reboot.
func judgeUptime(a *Action, f informFacts, now time.Time, uptime time.Duration) (ev *Evidence, notDone bool) {
	// The device counts whole seconds; a second of doubt on either side proves nothing.
	const doubt = 2 * time.Second
	since := now.Sub(a.SentAt)
	switch {
	case uptime+doubt < since:
		ev = a.evidence(EvidenceUptime, f)
		ev.Uptime = uptime
		return ev, false
	case uptime > since+doubt && since >= ProofAfter && !f.booted:
		return nil, true
	}
	return nil, false
}

func (a *Action) evidence(kind string, f informFacts) *Evidence {
	down := a.AcceptedAt
	if down.IsZero() {
		down = a.SentAt
	}
	return &Evidence{Kind: kind, EventCodes: f.codes, Downtime: max(0, f.at.Sub(down))}
}

// clip shortens text of a device to n bytes and takes control characters out of it.
func clip(s string, n int) string {
	out := make([]rune, 0, min(len(s), n))
	size := 0
	for _, r := range s {
		if r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 {
			r = ' '
		}
		if size += len(string(r)); size > n {
			break
		}
		out = append(out, r)
	}
	return string(out)
}

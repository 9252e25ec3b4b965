package acs

import (
	"fmt"
	"slices"
	"time"
)

// The moves of an action. Each is a pure function on the record: the store's compare-and-set makes it count.

// Limits of an action's life.
const (
	// ProofAfter is how long after its sending a Reboot may be proven not to have happened (and be sent again).
	ProofAfter = 5 * time.Minute
	// WatchFor is how long a timed-out action that was sent is watched for a late result.
	WatchFor = 24 * time.Hour
	// MaxSends bounds how often one request is sent.
	MaxSends = 3
	// maxBoots unexpected boots end an action in flight.
	maxBoots = 2
)

// verdict is how an action ends.
type verdict struct {
	status       Status
	reason       Reason
	detail       string
	fault        *Fault
	evidence     *Evidence
	applied      string
	verified     bool
	unverifiable []string
	mismatched   []string
}

// clone copies what moves change.
func (a *Action) clone() Action {
	b := *a
	b.Timeline = slices.Clone(a.Timeline)
	b.Parameters = slices.Clone(a.Parameters)
	if a.Ring != nil {
		r := *a.Ring
		b.Ring = &r
	}
	return b
}

// note adds an entry to the timeline. Of a full one the middle goes: how it began and how it went last are what people ask.
func (a *Action) note(now time.Time, what, detail string) {
	if len(a.Timeline) >= MaxTimeline {
		keep := MaxTimeline / 4
		a.Timeline = slices.Delete(a.Timeline, keep, keep+1)
	}
	a.Timeline = append(a.Timeline, TimelineEntry{At: now, What: what, Detail: detail})
}

// unsent reports whether the action waits to be sent.
func (a *Action) unsent() bool { return !a.Status.Final() && !a.InFlight() }

// watched reports whether the action timed out after it was sent, and no late result came yet.
func (a *Action) watched() bool {
	return a.Status == StatusTimeout && !a.WatchUntil.IsZero() && a.Late == nil
}

// waking: a connection request is going out.
func (a *Action) waking(now time.Time) {
	if a.Stage == StageQueued {
		a.Stage = StageWaking
		a.note(now, "waking", "a connection request is sent to the device")
	}
}

// rang: the connection request ended.
func (a *Action) rang(now time.Time, r Ring) {
	same := a.Ring != nil && a.Ring.Reason == r.Reason && a.Ring.Status == r.Status
	a.Ring = &r
	switch {
	case r.Reason == "":
		a.note(now, "connection_request_taken", "the device took the connection request; it has 30 s to call in")
		return
	case a.Stage == StageWaking:
		a.Stage = StageQueued
	}
	if !same {
		a.note(now, "connection_request_failed", string(r.Reason)+": "+explainRing(r.Reason))
	}
}

// inSession: the device called in and this action is next.
func (a *Action) inSession(now time.Time, events string) {
	a.Stage = StageInSession
	a.note(now, "in_session", "the device called in ("+events+")")
}

// sessionLost: the session ended before the request went out.
func (a *Action) sessionLost(now time.Time, why string) {
	a.Stage = StageQueued
	a.note(now, "session_ended", "the session ended before the request was sent: "+why)
}

// send: the request is about to be written to the device.
func (a *Action) send(now time.Time, session string, key Protocolo, inBoot bool) {
	a.Stage = StageSent
	a.SentAt = now
	a.AcceptedAt = time.Time{}
	a.Sends++
	a.SentSession = session
	a.SentInBoot = inBoot
	a.BootKey = Protocolo{}
	detail := "the request is handed to the device"
	if a.Kind == KindReboot {
		a.BootKey = key
		if key != a.ID {
			detail = "the device is asked for one reboot that serves several requests"
		}
	}
	if a.Sends > 1 {
		detail += fmt.Sprintf(" (sending %d)", a.Sends)
	}
	a.note(now, "sent", detail)
}

// unsend: no byte of the request left after all; what was before it was marked as sent holds again.
func (a *Action) unsend(now time.Time, before *Action) {
	a.Sends, a.SentAt, a.SentSession, a.SentInBoot, a.BootKey = before.Sends, before.SentAt, before.SentSession, before.SentInBoot, before.BootKey
	const detail = "the request did not leave"
	if !a.Status.Final() {
		a.requeue(now, detail)
		return
	}
	a.note(now, "not_done", detail)
	if a.SentAt.IsZero() {
		a.WatchUntil = time.Time{} // there is nothing to watch for
	}
}

// accept: the device answered, and proof is awaited.
func (a *Action) accept(now time.Time, detail string) {
	a.Stage = StageAccepted
	a.AcceptedAt = now
	a.note(now, "accepted", detail)
}

// requeue: the device proved that the request it was sent took no effect.
func (a *Action) requeue(now time.Time, detail string) {
	a.Stage = StageQueued
	a.AcceptedAt = time.Time{}
	a.note(now, "not_done", detail)
}

// booted: the device booted without completing the action; it reports whether that is once too often.
func (a *Action) booted(now time.Time) bool {
	a.Boots++
	a.note(now, "unexpected_boot", "the device booted without completing this request")
	return a.Boots >= maxBoots
}

// finish ends the action.
func (a *Action) finish(now time.Time, v verdict) {
	a.Status = v.status
	a.Reason, a.ReasonDetail = v.reason, v.detail
	a.FinishedAt = now
	a.Fault, a.Evidence = v.fault, v.evidence
	a.Applied, a.Verified, a.Unverifiable, a.Mismatched = v.applied, v.verified, v.unverifiable, v.mismatched
	if v.status == StatusTimeout && !a.SentAt.IsZero() {
		a.WatchUntil = now.Add(WatchFor)
	}
	for i := range a.Parameters {
		a.Parameters[i].Value = ""
	}
	detail := v.detail
	if detail == "" {
		detail = string(v.reason)
	}
	a.note(now, string(v.status), detail)
}

// late: the device acted after the timeout. The status stays.
func (a *Action) late(now time.Time, v verdict, event string) {
	a.Late = &Late{At: now, Status: v.status, Event: event}
	a.WatchUntil = time.Time{}
	a.Fault, a.Evidence = v.fault, v.evidence
	a.Applied, a.Verified, a.Unverifiable, a.Mismatched = v.applied, v.verified, v.unverifiable, v.mismatched
	a.note(now, "late_"+string(v.status), "the device acted after the deadline; the result stays timeout")
}

// surroundings is what an action's own record does not tell of why it was not sent.
type surroundings struct {
	// behind is what it waited for in its device's queue, if anything.
	behind *Wait
	// lastInform is when the device last called in.
	lastInform time.Time
}

// timeoutReason says why the deadline found the action pending.
func (a *Action) timeoutReason(at surroundings) (Reason, string) {
	switch {
	case a.Stage == StageAccepted && a.Kind == KindReboot:
		return ReasonNoBoot, "the device accepted the reboot and was not seen to boot"
	case a.Stage == StageAccepted:
		return ReasonNotVerified, "the device took the values; they could not be read back in time"
	case a.Stage == StageSent:
		return ReasonNoAnswer, "the request was sent and the device never answered"
	case a.Sends > 0:
		return ReasonNoBoot, "the device was sent the request and proved that it took no effect; it could not be sent again in time"
	case at.behind != nil && (at.behind.Reason == WaitReboot || at.behind.Reason == WaitAnswer):
		return ReasonBehindAnother, "another request for this device was sent before it and was not settled in time"
	case (a.Ring == nil || a.Ring.Reason == "") && at.lastInform.After(a.CreatedAt):
		return ReasonSessionIncomplete, "the device called in, but its sessions ended before the request could be sent"
	case a.Ring == nil:
		return ReasonDeviceOffline, "the device did not call in, and no connection request could be sent to it"
	}
	switch a.Ring.Reason {
	case "":
		return ReasonNoSession, "the device took the connection request and did not call in"
	case "unauthorized", "no_password", "basic_only":
		return ReasonUnauthorized, "connection request: " + explainRing(a.Ring.Reason)
	case "busy":
		return ReasonBusy, "connection request: " + explainRing(a.Ring.Reason)
	case "dns", "refused", "unreachable", "timeout", "reset":
		return ReasonUnreachable, "connection request: " + explainRing(a.Ring.Reason)
	}
	return ReasonRejected, "connection request: " + explainRing(a.Ring.Reason)
}

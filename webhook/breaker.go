package webhook

import (
	"fmt"
	"time"
)

// The breaker of an endpoint, and its end. BreakerFaults attempts in a row that got no HTTP answer open it: the endpoint is
// failing. Then one delivery at a time asks whether the receiver is back, first after FirstProbeWait and then after twice the last
// wait, at most MaxProbeWait. What asks burns no try of its schedule.
//
// Any HTTP answer closes the breaker, for it shows that the receiver is reachable; what it thinks of one event is for that event's
// schedule, and an event that it never takes must not block all others. A success also makes everything due that was put off: it is
// the hour after an outage. Another answer does not: a receiver that fails with 500 as soon as it is back would burn a try of each.
//
// An endpoint without a success in DisableAfter, and with at least DisableFailures failures in that time, is disabled.
const (
	BreakerFaults   = 5
	FirstProbeWait  = 30 * time.Second
	MaxProbeWait    = 15 * time.Minute
	DisableAfter    = 5 * 24 * time.Hour
	DisableFailures = 20
)

// transport reports whether an attempt of the class got no HTTP answer, through no fault of ours.
func (c ErrorClass) transport() bool {
	switch c {
	case ErrorTimeout, ErrorDNS, ErrorConnect, ErrorTLS, ErrorAnswer, ErrorRefused:
		return true
	}
	return false
}

// note counts an attempt that ended then.
func (h *Health) note(a Attempt, end time.Time) {
	switch {
	case a.Class == "":
		h.ConsecutiveFailures, h.FailingSince, h.TransportFaults, h.LastSuccessAt = 0, time.Time{}, 0, end
		return
	case a.Class.transport():
		h.TransportFaults++
	case a.Class != ErrorInternal: // which says nothing of the receiver
		h.TransportFaults = 0
	}
	if h.ConsecutiveFailures++; h.FailingSince.IsZero() {
		h.FailingSince = end
	}
	h.LastFailureAt, h.LastError = end, string(a.Class)
}

// spent reports whether the endpoint is to be disabled.
func (h *Health) spent(now time.Time) bool {
	return h.ConsecutiveFailures >= DisableFailures && !h.FailingSince.IsZero() && now.Sub(h.FailingSince) >= DisableAfter
}

// release makes due what was put off until now. It is later than any such moment, and than any release before.
func (h *Health) release(now time.Time) {
	if now.Before(h.ReleasedAt) {
		now = h.ReleasedAt
	}
	h.ReleasedAt = now.Add(1)
}

// Settle notes an attempt in the endpoint's health and gives the state that it brings the endpoint to, "" where that stays as it is.
// now is the store's clock. A change of state counts as a change of the version, so that nobody who read the old state can write it
// back. Store s.Outbox if and only if what it gives is s.EndpointState.
//
// An attempt under way while the breaker opened, or while the client paused the endpoint, counts and changes no state. One that went to
// another URL than the endpoint has by now says nothing of it.
func (e *Endpoint) Settle(l Lease, a Attempt, s Settlement, now time.Time) (became EndpointState) {
	if s.KeepHealth || l.Endpoint.URL != e.URL {
		return ""
	}
	e.note(a, a.At.Add(a.Duration))
	if s.HoldEndpoint.After(e.HoldUntil) {
		e.HoldUntil = s.HoldEndpoint
	}
	working := e.State == EndpointActive || e.State == EndpointFailing
	switch probed := a.Probe && e.State == EndpointFailing; {
	case s.EndpointState == EndpointGone && e.State != EndpointGone:
		return e.become(EndpointGone, s.StateReason)
	case s.EndpointState == EndpointDisabled && working && e.spent(now):
		return e.become(EndpointDisabled, s.StateReason)
	case probed && a.Class == "":
		e.release(now)
		return e.become(EndpointActive, "")
	case probed && a.Status > 0:
		return e.become(EndpointActive, "")
	case probed:
		e.ProbeWait = min(max(2*e.ProbeWait, FirstProbeWait), MaxProbeWait)
		e.ProbeAt = now.Add(e.ProbeWait)
	case e.State == EndpointActive && e.TransportFaults >= BreakerFaults:
		e.become(EndpointFailing, fmt.Sprintf("%d attempts in a row got no HTTP answer, the last one: %s", e.TransportFaults, a.Class))
		e.ProbeAt, e.ProbeWait = now.Add(FirstProbeWait), FirstProbeWait
		return EndpointFailing
	}
	return ""
}

func (e *Endpoint) become(s EndpointState, reason string) EndpointState {
	e.State, e.StateReason = s, reason
	e.ProbeAt, e.ProbeWait = time.Time{}, 0
	e.Version++
	return s
}

// KeepHealth gives a changed endpoint the health that the store has, which attempts may have changed meanwhile. One that the change
// makes active begins anew, and what was put off is due. Another URL is another receiver: the failures of the old one do not count, and
// where the breaker is open it is asked at once.
func (e *Endpoint) KeepHealth(stored *Endpoint, now time.Time) {
	e.Health = stored.Health
	if e.URL != stored.URL {
		e.ConsecutiveFailures, e.FailingSince, e.TransportFaults = 0, time.Time{}, 0
		if e.State == EndpointFailing {
			e.ProbeAt, e.ProbeWait = now, 0
		}
	}
	if e.State == EndpointActive && stored.State != EndpointActive {
		e.Health = Health{
			ReleasedAt: stored.ReleasedAt, LastSuccessAt: stored.LastSuccessAt, LastFailureAt: stored.LastFailureAt, LastError: stored.LastError,
		}
		e.release(now)
	}
}

// OpensAt is from when the endpoint's deliveries may be claimed, as far as the endpoint goes; ok is false where none may. Where probe is
// true it is for one at a time, whatever that one's DueAt.
func (e *Endpoint) OpensAt() (at time.Time, probe, ok bool) {
	switch e.State {
	case EndpointActive:
		return e.HoldUntil, false, true
	case EndpointFailing:
		if e.ProbeAt.After(e.HoldUntil) {
			return e.ProbeAt, true, true
		}
		return e.HoldUntil, true, true
	}
	return time.Time{}, false, false
}

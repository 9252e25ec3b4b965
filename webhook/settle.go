package webhook

import "time"

// Settle notes an attempt in the endpoint's health, and does what its settlement asks of the endpoint. A change of state counts as a
// change of the version, so that nobody who read the old state can write it back.
func (e *Endpoint) Settle(a Attempt, s Settlement) {
	end := a.At.Add(a.Duration)
	if a.Class == "" {
		e.ConsecutiveFailures, e.LastSuccessAt = 0, end
	} else {
		e.ConsecutiveFailures++
		e.LastFailureAt, e.LastError = end, string(a.Class)
	}
	if s.HoldEndpoint.After(e.HoldUntil) {
		e.HoldUntil = s.HoldEndpoint
	}
	if s.EndpointState != "" && s.EndpointState != e.State {
		e.State, e.StateReason = s.EndpointState, s.StateReason
		e.Version++
	}
}

// KeepHealth gives a changed endpoint the health that the store has, which attempts may have changed meanwhile. One that the change
// makes active begins anew, and what was put off is due.
func (e *Endpoint) KeepHealth(stored *Endpoint, now time.Time) {
	e.Health = stored.Health
	if e.State == EndpointActive && stored.State != EndpointActive {
		e.Health = Health{
			ReleasedAt: now, LastSuccessAt: stored.LastSuccessAt, LastFailureAt: stored.LastFailureAt, LastError: stored.LastError,
		}
	}
}

// Settle notes an attempt in its delivery, with the state that it leads to.
func (d *Delivery) Settle(a Attempt, s Settlement) {
	d.Attempts++
	if !s.KeepTries {
		d.Tries++
	}
	d.LastStatus, d.LastError = a.Status, a.Error
	d.State, d.NextAt, d.DoneAt = s.State, time.Time{}, time.Time{}
	if d.State == DeliveryPending {
		d.NextAt = s.NextAt
	} else {
		d.DoneAt = a.At.Add(a.Duration)
	}
}

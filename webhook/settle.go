package webhook

import (
	"net/http"
	"time"
)

// Settle notes an attempt in its delivery, with the state that it leads to. e is the delivery's endpoint, now the store's clock.
func (d *Delivery) Settle(a Attempt, s Settlement, e *Endpoint, now time.Time) {
	d.Attempts++
	if !s.KeepTries {
		d.Tries++
	}
	d.LastStatus, d.LastError = a.Status, a.Error
	d.State, d.NextAt, d.PutOffAt, d.DoneAt = s.State, time.Time{}, time.Time{}, time.Time{}
	if d.State == DeliveryPending {
		d.PutOff(s.NextAt, e, now)
	} else {
		d.DoneAt = a.At.Add(a.Duration)
	}
}

// Still is the settlement as far as it still holds where the endpoint was changed while the attempt was under way: the end of an old
// URL (410) is no end of the delivery, which is due at the new one.
func (s Settlement) Still(l Lease, a Attempt, e *Endpoint, now time.Time) Settlement {
	if a.Status == http.StatusGone && l.Endpoint.URL != e.URL {
		return Settlement{State: DeliveryPending, NextAt: now, KeepTries: true}
	}
	return s
}

// Redeliver makes a delivery due now, whatever its state, with a fresh schedule. replay is the replay that does it, "" for none.
func (d *Delivery) Redeliver(e *Endpoint, replay string, now time.Time) {
	d.State, d.DoneAt, d.Tries, d.Replay = DeliveryPending, time.Time{}, 0, replay
	d.ReplayedAt = now
	d.PutOff(now, e, now)
}

// PutOff sets when a delivery is due. Releases of its endpoint before that do not count any more.
func (d *Delivery) PutOff(next time.Time, e *Endpoint, now time.Time) {
	d.NextAt, d.PutOffAt = next, now
	if now.Before(e.ReleasedAt) {
		d.PutOffAt = e.ReleasedAt
	}
}

// DueAt is when a pending delivery of e is due: NextAt, or ever since it was made where e was released after NextAt was set.
func (d *Delivery) DueAt(e *Endpoint) time.Time {
	set := d.PutOffAt
	if set.IsZero() {
		set = d.CreatedAt
	}
	if set.Before(e.ReleasedAt) && d.CreatedAt.Before(d.NextAt) {
		return d.CreatedAt
	}
	return d.NextAt
}

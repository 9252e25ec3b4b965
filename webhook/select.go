package webhook

import (
	"slices"
	"time"
)

// Selects reports whether a delivery is one that the filter asks for, but for Limit and Cursor.
func (f *DeliveryFilter) Selects(d *Delivery) bool {
	return (f.Client == "" || d.Client == f.Client) &&
		(f.Endpoint == "" || d.Endpoint == f.Endpoint) &&
		(f.Event == "" || d.Event == f.Event) &&
		(f.Protocolo == "" || d.Protocolo == f.Protocolo) &&
		f.selectsState(d) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, d.EventType)) &&
		!d.CreatedAt.Before(f.Since) && (f.Until.IsZero() || d.CreatedAt.Before(f.Until))
}

func (f *DeliveryFilter) selectsState(d *Delivery) bool {
	return len(f.States) == 0 && len(f.PendingAt) == 0 || slices.Contains(f.States, d.State) ||
		d.State == DeliveryPending && slices.Contains(f.PendingAt, d.Endpoint)
}

// byEndpoint turns pending, and held, which is a part of it, into the client's endpoints whose pending deliveries that are, and reports
// whether anything is left to ask for.
func (f *DeliveryFilter) byEndpoint(endpoints []Endpoint) (any bool) {
	all, held := slices.Contains(f.States, DeliveryPending), slices.Contains(f.States, DeliveryHeld)
	if !all && !held {
		return true
	}
	f.States = slices.DeleteFunc(slices.Clone(f.States), func(s DeliveryState) bool { return s == DeliveryHeld || s == DeliveryPending })
	for i := range endpoints {
		if e := &endpoints[i]; (all || e.State != EndpointActive) && (f.Endpoint == "" || e.ID == f.Endpoint) {
			f.PendingAt = append(f.PendingAt, e.ID)
		}
	}
	return len(f.States)+len(f.PendingAt) > 0
}

// ShownState is what a delivery's state is called where its endpoint is in that state.
func (d *Delivery) ShownState(endpoint EndpointState) DeliveryState {
	if d.State == DeliveryPending && endpoint != EndpointActive {
		return DeliveryHeld
	}
	return d.State
}

// checkTimes says what is wrong with a range of times.
func checkTimes(since, until time.Time) error {
	if !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return invalid("until", "must be later than since")
	}
	return nil
}

package boltstore

import (
	"slices"

	"recado/acs"
	"recado/webhook"
)

// What callers give and what they get back must not share memory with each other or with the store.

func pointee[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func copyAction(a acs.Action) acs.Action {
	a.Parameters = slices.Clone(a.Parameters)
	a.Unverifiable = slices.Clone(a.Unverifiable)
	a.Mismatched = slices.Clone(a.Mismatched)
	a.Fault, a.Evidence, a.Ring, a.Late = pointee(a.Fault), pointee(a.Evidence), pointee(a.Ring), pointee(a.Late)
	if a.Fault != nil {
		a.Fault.Parameters = slices.Clone(a.Fault.Parameters)
	}
	if a.Evidence != nil {
		a.Evidence.EventCodes = slices.Clone(a.Evidence.EventCodes)
	}
	a.Timeline = slices.Clone(a.Timeline)
	if a.Status.Final() {
		for i := range a.Parameters {
			a.Parameters[i].Value = ""
		}
	}
	return a
}

func copyEndpoint(e webhook.Endpoint) webhook.Endpoint {
	e.Events, e.Schedule = slices.Clone(e.Events), slices.Clone(e.Schedule)
	e.Filter.IgnoreFaults, e.Filter.MinPriority = slices.Clone(e.Filter.IgnoreFaults), pointee(e.Filter.MinPriority)
	e.Headers, e.TLS.Pins = slices.Clone(e.Headers), slices.Clone(e.TLS.Pins)
	return e
}

func copyReported(r acs.Reported) acs.Reported {
	r.LastEvents = slices.Clone(r.LastEvents)
	return r
}

func copyFacts(f acs.Facts) acs.Facts {
	f.Tags = slices.Clone(f.Tags)
	return f
}

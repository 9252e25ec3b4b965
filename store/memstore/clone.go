package memstore

import (
	"slices"

	"recado/acs"
	"recado/webhook"
)

// What goes in and out is copied down to the last slice, so that nobody shares memory with the store.

func cloned[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

func cloneAction(a *acs.Action) acs.Action {
	c := *a
	c.Parameters = slices.Clone(a.Parameters)
	c.Unverifiable = slices.Clone(a.Unverifiable)
	c.Mismatched = slices.Clone(a.Mismatched)
	if c.Fault = cloned(a.Fault); c.Fault != nil {
		c.Fault.Parameters = slices.Clone(a.Fault.Parameters)
	}
	if c.Evidence = cloned(a.Evidence); c.Evidence != nil {
		c.Evidence.EventCodes = slices.Clone(a.Evidence.EventCodes)
	}
	c.Ring = cloned(a.Ring)
	c.Late = cloned(a.Late)
	c.Timeline = slices.Clone(a.Timeline)
	return c
}

func cloneActions(as []*acs.Action) []acs.Action {
	out := make([]acs.Action, len(as))
	for i, a := range as {
		out[i] = cloneAction(a)
	}
	return out
}

func cloneFacts(f *acs.Facts) acs.Facts {
	c := *f
	c.Tags = slices.Clone(f.Tags)
	return c
}

func cloneReported(r *acs.Reported) acs.Reported {
	c := *r
	c.LastEvents = slices.Clone(r.LastEvents)
	return c
}

func cloneClient(c *acs.Client) acs.Client {
	d := *c
	d.Scopes = slices.Clone(c.Scopes)
	d.Tags = slices.Clone(c.Tags)
	return d
}

func cloneEndpoint(e *webhook.Endpoint) webhook.Endpoint {
	c := *e
	c.Events = slices.Clone(e.Events)
	c.Schedule = slices.Clone(e.Schedule)
	c.Filter.IgnoreFaults = slices.Clone(e.Filter.IgnoreFaults)
	c.Filter.MinPriority = cloned(e.Filter.MinPriority)
	c.Headers = slices.Clone(e.Headers)
	c.TLS.Pins = slices.Clone(e.TLS.Pins)
	return c
}

func cloneEvent(e *webhook.Event) webhook.Event {
	c := *e
	c.Body = slices.Clone(e.Body)
	return c
}

package api

import (
	"time"

	"recado/acs"
	"recado/acs/wire"
)

func statusPath(id acs.Protocolo) string { return base + "/protocols/" + id.String() }

func (a *API) statusURL(id acs.Protocolo) string { return a.cfg.PublicURL + statusPath(id) }

// receipt is of the moment of acceptance, also where the action has moved on since: a repeated request gets the first receipt.
func (a *API) receipt(r *acs.Receipt) wire.Receipt {
	act := &r.Action
	return wire.Receipt{
		Protocolo: act.ID.String(), RouterID: act.RouterID, DeviceID: act.Device, Action: string(act.Kind), ClientRef: act.ClientRef,
		Status: string(acs.StatusPending), Stage: string(acs.StageQueued),
		CreatedAt: wire.Time(act.CreatedAt), DeadlineAt: wire.Time(act.DeadlineAt), StatusURL: a.statusURL(act.ID), Webhooks: r.Webhooks,
	}
}

// protocol is the status of an action without timeline and deliveries; w is what it waits behind.
func (a *API) protocol(act *acs.Action, w *acs.Wait) wire.Protocol {
	p := wire.Protocol{
		Protocolo: act.ID.String(), RouterID: act.RouterID, DeviceID: act.Device, Action: string(act.Kind), ClientRef: act.ClientRef,
		Status: string(act.Status), Stage: string(act.Stage), ReasonDetail: act.ReasonDetail, NextStep: acs.NextStep(*act, w), WaitingFor: a.waitingFor(w),
		CreatedAt: wire.Time(act.CreatedAt), DeadlineAt: wire.Time(act.DeadlineAt), SentAt: wire.TimePtr(act.SentAt),
		AcceptedAt: wire.TimePtr(act.AcceptedAt), FinishedAt: wire.TimePtr(act.FinishedAt),
		Verify: act.Verify, Applied: act.Applied, Unverifiable: act.Unverifiable, Mismatched: act.Mismatched,
		Fault: fault(act.Fault), Evidence: evidence(act.Evidence), Ring: ring(act.Ring, !act.Waits()), StatusURL: a.statusURL(act.ID),
	}
	if act.Reason != "" {
		reason := string(act.Reason)
		p.Reason = &reason
	}
	if !act.FinishedAt.IsZero() {
		ms := act.FinishedAt.Sub(act.CreatedAt).Milliseconds()
		p.DurationMS = &ms
	}
	for _, q := range act.Parameters {
		p.Parameters = append(p.Parameters, wire.ParameterName{Name: q.Name, Type: q.Type})
	}
	if act.Verify && act.Status.Final() {
		p.Verified = &act.Verified
	}
	if l := act.Late; l != nil {
		p.Late = &wire.Late{At: wire.Time(l.At), Status: string(l.Status), EventID: l.Event}
	}
	return p
}

func (a *API) waitingFor(w *acs.Wait) *wire.WaitingFor {
	if w == nil {
		return nil
	}
	out := &wire.WaitingFor{Reason: string(w.Reason)}
	if b := w.Behind; b != nil {
		id, kind, stage, url := b.ID.String(), string(b.Kind), string(b.Stage), a.statusURL(b.ID)
		out.Protocolo, out.Action, out.Stage, out.DeadlineAt, out.StatusURL = &id, &kind, &stage, wire.TimePtr(b.DeadlineAt), &url
	}
	return out
}

func fault(f *acs.Fault) *wire.Fault {
	if f == nil {
		return nil
	}
	w := &wire.Fault{Source: f.Source, Code: f.Code, String: f.String}
	for _, p := range f.Parameters {
		w.Parameters = append(w.Parameters, wire.ParameterFault{Name: p.Name, Code: p.Code, String: p.String})
	}
	return w
}

func evidence(e *acs.Evidence) *wire.Evidence {
	if e == nil {
		return nil
	}
	return &wire.Evidence{
		Kind: e.Kind, EventCodes: e.EventCodes, DowntimeMS: e.Downtime.Milliseconds(), UptimeMS: e.Uptime.Milliseconds(),
	}
}

// ring shows a connection request; settled tells that the device has called in since, or need not any more.
func ring(r *acs.Ring, settled bool) *wire.Ring {
	if r == nil {
		return nil
	}
	w := &wire.Ring{
		At: wire.Time(r.At), Result: wire.RingOK, HTTPStatus: r.Status, Tries: r.Tries, NextAt: wire.TimePtr(r.NextAt),
	}
	switch {
	case r.Reason != "":
		w.Result = string(r.Reason)
	case settled || !r.NextAt.After(time.Now()):
		w.NextAt = nil // it did its work, and none is to follow
	}
	return w
}

func timeline(entries []acs.TimelineEntry) []wire.TimelineEntry {
	w := make([]wire.TimelineEntry, len(entries))
	for i, e := range entries {
		w[i] = wire.TimelineEntry{At: wire.Time(e.At), What: e.What, Detail: e.Detail}
	}
	return w
}

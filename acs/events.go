package acs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

// EventOf is the type of event that tells a status.
func EventOf(s Status) string {
	switch s {
	case StatusSuccess:
		return wire.ActionSucceeded
	case StatusFailure:
		return wire.ActionFailed
	case StatusTimeout:
		return wire.ActionTimedOut
	case StatusCancelled:
		return wire.ActionCancelled
	}
	return wire.ActionAccepted
}

// sequenceHole stands in a body for the sequence number, which only the store can give. No other number of a body comes near it.
const sequenceHole = 18446744073709551557

var sequenceHoleText = []byte(fmt.Sprintf(`"sequence":%d`, uint64(sequenceHole)))

// outbox makes the event about an action and its deliveries.
func (s *Service) outbox(ctx context.Context, a *Action, eventType, eventID string, now time.Time) (Outbox, error) {
	endpoints, err := s.store.Endpoints(ctx, a.Client)
	if err != nil {
		return Outbox{}, fmt.Errorf("endpoints of client %s: %w", a.Client, err)
	}
	d, err := s.store.Device(ctx, a.Device)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Outbox{}, fmt.Errorf("device %s: %w", a.Device, err)
	}
	body, err := json.Marshal(actionEvent(a, &d, eventType, eventID, now))
	if err != nil {
		return Outbox{}, fmt.Errorf("body of %s: %w", eventType, err)
	}
	at := bytes.Index(body, sequenceHoleText)
	if at < 0 {
		return Outbox{}, fmt.Errorf("body of %s has no sequence", eventType)
	}
	end := at + len(sequenceHoleText)
	at += len(`"sequence":`)
	e := webhook.Event{
		ID: eventID, Type: eventType, Client: a.Client, Protocolo: a.ID.String(), Device: a.Device, Time: now,
		Priority: priorityOf(eventType),
		Body:     append(body[:at:at], body[end:]...), SequenceAt: at,
	}
	out := Outbox{Events: []webhook.Event{e}, Deliveries: webhook.FanOut(EventTypes, e, endpoints, now)}
	if len(out.Deliveries) == 0 {
		return out, nil
	}
	legacy, zone, err := s.Legacy(ctx, a.Client)
	if err != nil {
		return Outbox{}, err
	}
	if legacy {
		webhook.SetLegacy(out.Deliveries, zone)
	}
	return out, nil
}

// Legacy tells whether a client gets the webhooks of its results in the body that receivers of IXC ACS know, and in which time zone. A
// client that is not stored (any more) does not.
func (s *Service) Legacy(ctx context.Context, client string) (legacy bool, zone string, err error) {
	c, err := s.store.Client(ctx, client)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return false, "", fmt.Errorf("client %s: %w", client, err)
	}
	return c.Legacy, c.TimeZone, nil
}

func actionEvent(a *Action, d *Device, eventType, eventID string, now time.Time) wire.ActionEvent {
	late := eventType == wire.ActionLateResult
	status := a.Status
	if late {
		status = a.Late.Status
	}
	e := wire.ActionEvent{
		Type: eventType, ID: eventID, Timestamp: wire.Time(now),
		Protocolo: a.ID.String(), RouterID: a.RouterID, Status: string(status),
		Data: wire.ActionData{
			Action: string(a.Kind), ClientRef: a.ClientRef, Sequence: sequenceHole,
			Final:       late || a.Status.Final() && a.Status != StatusTimeout,
			RequestedAt: wire.Time(a.CreatedAt), SentAt: wireTime(a.SentAt), DeadlineAt: wire.Time(a.DeadlineAt),
			Device:   eventDevice(a.Device, d),
			Evidence: wireEvidence(a.Evidence), Fault: wireFault(a.Fault),
			Applied: a.Applied, Unverifiable: a.Unverifiable,
			Late: late,
		},
	}
	if eventType == wire.ActionStage {
		e.Data.Stage = string(a.Stage)
		if reason := string(stageReason(a)); reason != "" {
			e.Data.Reason = &reason
		}
	}
	if a.Verify && (a.Verified || len(a.Mismatched) > 0) {
		verified := a.Verified
		e.Data.Verified = &verified
	}
	if late {
		e.Data.FinishedAt = wireTime(a.Late.At)
		e.Data.Supersedes = &a.FinalEvent
	} else {
		e.Data.FinishedAt = wireTime(a.FinishedAt)
		if a.Reason != "" {
			reason := string(a.Reason)
			e.Data.Reason = &reason
		}
	}
	if e.Data.FinishedAt != nil {
		ms := time.Time(*e.Data.FinishedAt).Sub(a.CreatedAt).Milliseconds()
		e.Data.DurationMS = &ms
	}
	return e
}

func eventDevice(id string, d *Device) wire.EventDevice {
	return wire.EventDevice{
		ID: id, OUI: d.Identity.OUI, ProductClass: d.Identity.ProductClass, SerialNumber: d.Identity.SerialNumber,
		SoftwareVersion: d.Reported.SoftwareVersion,
	}
}

func wireTime(t time.Time) *wire.Time {
	if t.IsZero() {
		return nil
	}
	w := wire.Time(t)
	return &w
}

func wireEvidence(e *Evidence) *wire.Evidence {
	if e == nil {
		return nil
	}
	return &wire.Evidence{
		Kind: e.Kind, EventCodes: e.EventCodes, DowntimeMS: e.Downtime.Milliseconds(), UptimeMS: e.Uptime.Milliseconds(),
	}
}

func wireFault(f *Fault) *wire.Fault {
	if f == nil {
		return nil
	}
	w := &wire.Fault{Source: f.Source, Code: f.Code, String: f.String}
	for _, p := range f.Parameters {
		w.Parameters = append(w.Parameters, wire.ParameterFault{Name: p.Name, Code: p.Code, String: p.String})
	}
	return w
}

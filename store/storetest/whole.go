package storetest

import (
	"recado/acs"
	"recado/webhook"
)

// whole is all that can be read of a store.
type whole struct {
	Actions    []acs.Action
	Live       map[string][]acs.Action
	Waiting    []string
	Devices    []acs.Device
	Clients    []acs.Client
	Endpoints  []webhook.Endpoint
	Deliveries []webhook.Delivery
	Replays    []webhook.Replay
	Events     map[string]webhook.Event
	Attempts   map[string][]webhook.Attempt
	Audit      []auditSeen // the newest
}

func (e *env) everything() whole {
	e.Helper()
	w := whole{
		Live: make(map[string][]acs.Action), Events: make(map[string]webhook.Event), Attempts: make(map[string][]webhook.Attempt),
	}
	w.Actions = e.allActions(acs.ActionFilter{Limit: 500}, nil)
	for _, a := range w.Actions {
		if _, ok := w.Live[a.Device]; !ok {
			w.Live[a.Device] = try(e.LiveActions(e.ctx, a.Device)).get(e, "live actions")
		}
	}
	w.Waiting = sorted(try(e.WaitingDevices(e.ctx)).get(e, "waiting devices"))
	w.Devices = e.allDevices(acs.DeviceFilter{Limit: 500}, nil)
	w.Clients = try(e.Clients(e.ctx)).get(e, "clients")
	w.Endpoints = try(e.Endpoints(e.ctx, "")).get(e, "endpoints")
	w.Replays = e.allReplays()
	w.Deliveries = e.allDeliveries(webhook.DeliveryFilter{Limit: 500}, nil)
	for _, d := range w.Deliveries {
		w.Events[d.Event] = try(e.Event(e.ctx, d.Event)).get(e, "event")
		if attempts := try(e.Attempts(e.ctx, d.ID)).get(e, "attempts"); len(attempts) > 0 {
			w.Attempts[d.ID] = attempts
		}
	}
	w.Audit = e.audited()
	return w
}

package storetest

import (
	"fmt"
	"slices"
	"time"

	"recado/acs"
	"recado/webhook"
)

// outbox makes up what a change of an action may tell.
func (w *walker) outbox(a acs.Action) acs.Outbox {
	var o acs.Outbox
	for range pick(w, 0, 0, 1, 1, 2) {
		event := w.event(a.Client, a.Device)
		event.Protocolo = a.ID.String()
		if w.chance(4) {
			event.SequenceAt = 0
		}
		o.Events = append(o.Events, event)
		o.Deliveries = append(o.Deliveries, w.someDeliveries(event)...)
	}
	return o
}

// someDeliveries makes deliveries to endpoints that are there, or were.
func (w *walker) someDeliveries(event webhook.Event) []webhook.Delivery {
	var list []webhook.Delivery
	for range w.IntN(4) {
		to, ok := recent(w, w.hooks)
		if !ok {
			break
		}
		d := w.deliveries(event, webhook.Endpoint{ID: to, Client: event.Client})[0]
		d.OrderKey = pick(w, "", "x", "y", event.Device)
		d.Priority = pick(w, webhook.PriorityNormal, webhook.PriorityNormal, webhook.PriorityLow, webhook.PriorityHigh)
		if w.chance(3) {
			d.NextAt = w.at()
		}
		list = append(list, d)
	}
	return list
}

// posted remembers an outbox that both took.
func (w *walker) posted(o acs.Outbox) {
	for _, event := range o.Events {
		w.told = append(w.told, event.ID)
		both(w, "event of the outbox", func(s Store) (webhook.Event, error) { return s.Event(w.ctx, event.ID) })
	}
	w.sent = append(w.sent, deliveryIDs(o.Deliveries)...)
}

func (w *walker) createAction() {
	a := w.action(w.aClient(), w.device())
	a.DeadlineAt = w.at()
	if w.chance(2) {
		a.Kind = acs.KindParametersUpdate
		a.Parameters = []acs.Parameter{{Name: "Device.A", Value: "value", Type: "xsd:string"}}
	}
	var key acs.Idempotency
	if w.chance(3) {
		key = acs.Idempotency{Key: pick(w, "k1", "k2"), BodyMAC: pick(w, "m1", "m1", "m1", "m2")}
	}
	o := w.outbox(a)
	type created struct {
		Action  acs.Action
		Existed bool
	}
	c, ok := both(w, "create action", func(s Store) (created, error) {
		stored, existed, err := s.CreateAction(w.ctx, a, key, o)
		return created{stored, existed}, err
	})
	if ok && !c.Existed {
		w.asked = append(w.asked, a.ID)
		w.posted(o)
	}
}

// anAction picks one, as it is, now and then with a version that is not the stored one.
func (w *walker) anAction() (acs.Action, bool) {
	id, ok := recent(w, w.asked)
	if !ok {
		return acs.Action{}, false
	}
	if w.chance(40) {
		id = w.id() // of no action
	}
	a, found := both(w, "read action", func(s Store) (acs.Action, error) { return s.Action(w.ctx, id) })
	if !found {
		a = w.action(w.aClient(), w.device())
	}
	if w.chance(8) {
		a.Version += pick(w, ^uint64(0), 1)
	}
	return a, true
}

func (w *walker) updateAction() {
	a, ok := w.anAction()
	if !ok {
		return
	}
	a.Stage = pick(w, acs.StageQueued, acs.StageWaking, acs.StageInSession, acs.StageSent, acs.StageAccepted)
	a.Timeline = append(a.Timeline, acs.TimelineEntry{At: w.now(), What: string(a.Stage)})
	a.Timeline = a.Timeline[max(0, len(a.Timeline)-5):]
	if w.chance(3) {
		a.Sends++
	}
	if w.chance(20) {
		a.Status = pick(w, acs.StatusPending, acs.StatusSuccess, acs.StatusTimeout)
	}
	if a.Status.Final() {
		a.WatchUntil = pick(w, time.Time{}, a.WatchUntil, w.at())
	}
	o := w.outbox(a)
	if _, ok := both(w, "update action", func(s Store) (acs.Action, error) { return s.UpdateAction(w.ctx, a, o) }); ok {
		w.posted(o)
	}
}

func (w *walker) finishAction() {
	a, ok := w.anAction()
	if !ok {
		return
	}
	past := !w.now().Before(a.DeadlineAt)
	a.Status = pick(w, acs.StatusSuccess, acs.StatusFailure, acs.StatusCancelled)
	if past != w.chance(8) {
		a.Status = acs.StatusTimeout
		a.WatchUntil = pick(w, time.Time{}, w.at())
	}
	if w.chance(50) {
		a.Status = acs.StatusPending
	}
	a.FinishedAt = w.now()
	a.Fault = &acs.Fault{Source: "cpe", Code: w.IntN(9000), Parameters: []acs.ParameterFault{{Name: "Device.A", Code: 9007}}}
	o := w.outbox(a)
	if _, ok := both(w, "finish action", func(s Store) (acs.Action, error) { return s.FinishAction(w.ctx, a, o) }); ok {
		w.posted(o)
	}
}

func (w *walker) readActions() {
	f := acs.ActionFilter{Limit: pick(w, 1, 7, 50, 1000)}
	if w.chance(2) {
		f.Client = w.aClient()
	}
	if w.chance(2) {
		f.Device = w.device()
	}
	if w.chance(3) {
		f.Kind = pick(w, acs.KindReboot, acs.KindParametersUpdate)
	}
	if w.chance(3) {
		f.Statuses = []acs.Status{acs.StatusPending, pick(w, acs.StatusTimeout, acs.StatusSuccess)}
	}
	if w.chance(3) {
		f.Since = w.now().Add(-time.Duration(w.IntN(120)) * time.Minute)
	}
	w.same(fmt.Sprintf("actions by %+v", f), w.allActions(f, nil), w.model.allActions(f, nil))
	device := w.device()
	both(w, "live actions of "+device, func(s Store) ([]acs.Action, error) { return s.LiveActions(w.ctx, device) })
	both(w, "waiting devices", func(s Store) ([]string, error) {
		list, err := s.WaitingDevices(w.ctx)
		slices.Sort(list)
		return list, err
	})
	limit := pick(w, 1, 10, 1000)
	type due struct {
		List []acs.Action
		Next time.Time
	}
	both(w, fmt.Sprintf("due actions, at most %d", limit), func(s Store) (due, error) {
		list, next, err := s.DueActions(w.ctx, limit)
		return due{list, next}, err
	})
}

package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"recado/acs"
	"recado/webhook"
)

func (w *walker) createEndpoint() {
	if len(w.hooks) > 10 && !w.chance(8) {
		return
	}
	ep := webhook.Endpoint{
		ID: w.text("wh_"), Client: w.aClient(), URL: "https://receiver.example/", Events: []string{"*"}, State: webhook.EndpointActive,
		Secret: w.text("whsec_"), Concurrency: w.IntN(3), Schedule: []time.Duration{time.Second}, CreatedAt: w.now(),
	}
	if done(w, "create endpoint", func(s Store) error { return s.CreateEndpoint(w.ctx, ep) }) {
		w.hooks = append(w.hooks, ep.ID)
	}
}

func (w *walker) updateEndpoint() {
	id, ok := recent(w, w.hooks)
	if !ok {
		return
	}
	ep, ok := both(w, "read endpoint", func(s Store) (webhook.Endpoint, error) { return s.Endpoint(w.ctx, id) })
	if !ok {
		ep.ID = id // it was deleted
	}
	ep.State = pick(w, webhook.EndpointActive, webhook.EndpointActive, ep.State, webhook.EndpointPaused, webhook.EndpointFailing,
		webhook.EndpointDisabled)
	ep.HoldUntil = pick(w, time.Time{}, time.Time{}, w.at())
	ep.Concurrency = w.IntN(4)
	if w.chance(6) {
		ep.Version++
	}
	both(w, "update endpoint", func(s Store) (webhook.Endpoint, error) { return s.UpdateEndpoint(w.ctx, ep) })
	client := pick(w, "", w.aClient())
	both(w, "queue depth of "+client, func(s Store) (int, error) { return s.QueueDepth(w.ctx, client) })
	both(w, "endpoints of "+client, func(s Store) ([]webhook.Endpoint, error) { return s.Endpoints(w.ctx, client) })
}

func (w *walker) removeEndpoint() {
	if id, ok := recent(w, w.hooks); ok {
		done(w, "delete endpoint", func(s Store) error { return s.DeleteEndpoint(w.ctx, id) })
	}
}

func (w *walker) addEvent() {
	event := w.event(w.aClient(), pick(w, "", w.device()))
	if event.Device == "" || w.chance(2) {
		event.SequenceAt = 0
	}
	o := acs.Outbox{Events: []webhook.Event{event}, Deliveries: w.someDeliveries(event)}
	_, ok := both(w, "add event", func(s Store) (webhook.Event, error) { return s.AddEvent(w.ctx, event, o.Deliveries) })
	if ok {
		w.posted(o)
	}
}

// claimSome claims all there is, so that it does not matter whose turn it is. The tokens are each store's own.
func (w *walker) claimSome() {
	l := webhook.ClaimLimits{Total: 10_000, PerEndpoint: 1 + w.IntN(4), Reserved: w.IntN(3), Lease: time.Hour}
	if w.chance(4) { // some endpoints are at the end of their pace
		again, unlucky := w.at(), w.IntN(4)
		l.Allow = func(ep webhook.Endpoint) time.Time {
			if int(ep.ID[len(ep.ID)-1])%4 == unlucky {
				return again
			}
			return time.Time{}
		}
	}
	if w.exact() {
		l.Lease = pick(w, time.Second, time.Minute, time.Hour)
	}
	got, wake := w.claim(l)
	want, wantWake := w.model.claim(l)
	byID := func(a, b webhook.Lease) int { return cmp.Compare(a.Delivery.ID, b.Delivery.ID) }
	slices.SortFunc(got, byID)
	slices.SortFunc(want, byID)
	w.same("claimed deliveries", leasedIDs(got), leasedIDs(want))
	for i := range got {
		g, m := got[i], want[i]
		w.held = append(w.held, heldLease{g, m})
		g.Token, m.Token = 0, 0
		w.same("lease", g, m)
	}
	switch {
	case !w.exact():
	case !wake.IsZero() && !wake.After(time.Now()):
		w.Fatalf("wake: got %v, want a moment to come; now is %v", wake, time.Now())
	case !wantWake.IsZero() && (wake.IsZero() || wake.After(wantWake)):
		w.Fatalf("wake: got %v, want %v or earlier", wake, wantWake)
	}
}

func (w *walker) recordAttempt() {
	if len(w.held) > 0 {
		w.recordHeld(w.IntN(len(w.held)))
	}
}

// recordHeld settles a lease, which may have run out or lost its delivery. Now and then it is used a second time.
func (w *walker) recordHeld(i int) {
	l := w.held[i]
	if !w.chance(20) {
		w.held = slices.Delete(w.held, i, i+1)
	}
	a, s := w.outcome(l.store)
	became, errStore := w.RecordAttempt(w.ctx, l.store, a, s)
	wantBecame, errModel := w.model.RecordAttempt(w.ctx, l.model, a, s)
	if g, m := classOf(errStore), classOf(errModel); g != m {
		w.Fatalf("record attempt: got error %v, want %v", errStore, errModel)
	}
	w.same("state that the attempt brought the endpoint to", became, wantBecame)
	if s.Outbox != nil {
		w.posted(acs.Outbox{Events: s.Outbox.Events, Deliveries: s.Outbox.Deliveries})
	}
	id := l.store.Delivery.ID
	both(w, "delivery after an attempt", func(s Store) (webhook.Delivery, error) { return s.Delivery(w.ctx, id) })
	both(w, "attempts after one", func(s Store) ([]webhook.Attempt, error) { return s.Attempts(w.ctx, id) })
}

// down reports whether an endpoint's receiver is not there: for hundreds of steps on end, so that breakers open and close.
func (w *walker) down(endpoint string) bool {
	return (int(endpoint[len(endpoint)-1])+w.step/500)%2 == 0
}

func (w *walker) outcome(l webhook.Lease) (webhook.Attempt, webhook.Settlement) {
	a := webhook.Attempt{
		At: w.now(), Duration: time.Duration(w.IntN(1000)) * time.Millisecond, Probe: l.Probe, Status: 200, Response: "ok",
	}
	s := webhook.Settlement{State: webhook.DeliveryDelivered}
	switch {
	case w.down(l.Endpoint.ID) && !w.chance(30):
		a.Status, a.Response = 0, ""
		a.Class = pick(w, webhook.ErrorConnect, webhook.ErrorTimeout, webhook.ErrorDNS, webhook.ErrorInternal)
	case w.chance(2):
		a.Status, a.Class, a.Error = 503, webhook.ErrorStatus, "HTTP 503"
	default:
		return a, s
	}
	s.State = pick(w, webhook.DeliveryDead, webhook.DeliveryPending, webhook.DeliveryPending)
	s.NextAt, s.KeepTries, s.KeepHealth = w.at(), l.Probe || w.chance(4), w.chance(20)
	if w.chance(4) {
		s.HoldEndpoint = w.at()
	}
	if w.chance(4) {
		s.EndpointState, s.StateReason = webhook.EndpointDisabled, "failed"
		if w.chance(6) {
			s.EndpointState = webhook.EndpointGone
		}
		event := w.event(l.Endpoint.Client, "")
		event.SequenceAt = 0
		s.Outbox = &webhook.Outbox{Events: []webhook.Event{event}, Deliveries: w.someDeliveries(event)}
	}
	return a, s
}

func (w *walker) redeliverOne() {
	if id, ok := recent(w, w.sent); ok {
		both(w, "redeliver", func(s Store) (webhook.Delivery, error) { return s.Redeliver(w.ctx, id) })
	}
}

func (w *walker) readDeliveries() {
	f := webhook.DeliveryFilter{Limit: pick(w, 3, 50, 1000)}
	if w.chance(3) {
		f.Client = w.aClient()
	}
	if id, ok := recent(w, w.hooks); ok && w.chance(2) {
		f.Endpoint = id
	}
	if id, ok := recent(w, w.told); ok && w.chance(4) {
		f.Event = id
	}
	if id, ok := recent(w, w.asked); ok && w.chance(4) {
		f.Protocolo = id.String()
	}
	if w.chance(2) {
		f.States = []webhook.DeliveryState{pick(w, webhook.DeliveryPending, webhook.DeliveryDead), webhook.DeliveryDelivered}
	} else if w.chance(2) {
		f.States = []webhook.DeliveryState{webhook.DeliveryDead, webhook.DeliveryPending}[:1+w.IntN(2)]
	}
	if id, ok := recent(w, w.hooks); ok && w.chance(3) {
		f.PendingAt = []string{id, pick(w, w.hooks...)}
	}
	if w.chance(4) {
		f.Until = w.now().Add(-time.Duration(w.IntN(120)) * time.Minute)
	}
	if w.chance(3) {
		f.Since = w.now().Add(-time.Duration(w.IntN(120)) * time.Minute)
	}
	w.same(fmt.Sprintf("deliveries by %+v", f), w.allDeliveries(f, nil), w.model.allDeliveries(f, nil))
}

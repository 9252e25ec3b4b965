package storetest

import (
	"time"

	"recado/webhook"
)

var statsCases = []testCase{
	{"tally/counts what comes of deliveries", (*env).tallyCounts},
	{"tally/by hour and endpoint", (*env).tallyHours},
	{"tally/nothing is counted twice or lost when it is written down", (*env).tallyWritten},
	{"tally/a refused attempt counts for nothing", (*env).tallyRefused},
	{"queues/what waits, and what is dead", (*env).queueStates},
	{"queues/since when something is due and does not go out", (*env).queueDue},
	{"reopen/counters", (*env).reopenTally},
}

func (e *env) wantTally(what string, to webhook.Endpoint, since time.Time, want webhook.Tally) {
	e.Helper()
	e.same(what, try(e.Tally(e.ctx, to.ID, since)).get(e, what), want)
}

// attempted is an attempt that took that long.
func attempted(e *env, took time.Duration, class webhook.ErrorClass) webhook.Attempt {
	a := webhook.Attempt{At: e.now(), Duration: took, Status: 200, Class: class}
	if class != "" {
		a.Status = 500
	}
	return a
}

func (e *env) tallyCounts() {
	to := e.endpoint("cli_1")
	event := e.event("cli_1", "")
	event.SequenceAt, event.Time = 0, e.now()
	ds := e.deliveries(event, to)
	_, err := e.AddEvent(e.ctx, event, ds)
	e.ok("add event", err)
	want := webhook.Tally{Events: 1}
	e.wantTally("an event", to, e.now(), want)
	e.pass(time.Second)
	l := e.wantClaim("claim", limits, ds...)[0]
	e.settle(l, attempted(e, 30*time.Millisecond, webhook.ErrorStatus), webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now()})
	want.Attempts, want.Errors = 1, map[webhook.ErrorClass]uint64{webhook.ErrorStatus: 1}
	want.Took.Observe(30 * time.Millisecond)
	e.wantTally("a failed attempt", to, e.now(), want)
	l = e.wantClaim("claim", limits, ds...)[0]
	a := attempted(e, 40*time.Millisecond, "")
	e.settle(l, a, webhook.Settlement{State: webhook.DeliveryDelivered})
	want.Attempts, want.Delivered, want.Tries = 2, 1, 2
	want.Took.Observe(40 * time.Millisecond)
	want.Lag.Observe(a.At.Add(a.Duration).Sub(event.Time))
	e.wantTally("delivered", to, e.now(), want)

	// A replay counts from then on, and its attempts by themselves.
	e.pass(10 * time.Minute)
	again, err := e.Redeliver(e.ctx, ds[0].ID)
	e.ok("redeliver", err)
	e.pass(time.Minute)
	l = e.wantClaim("claim", limits, ds...)[0]
	a = attempted(e, 0, "")
	e.settle(l, a, webhook.Settlement{State: webhook.DeliveryDelivered})
	want.Attempts, want.Delivered, want.Tries = 3, 2, 3
	want.Took.Observe(0)
	want.Lag.Observe(a.At.Sub(again.ReplayedAt))
	e.wantTally("replayed", to, e.now(), want)
	e.died(to, 1)
	got := try(e.Tally(e.ctx, to.ID, e.now())).get(e, "tally")
	if got.Dead != 1 || got.Attempts != 4 || got.Events != 2 || got.Tries != 4 || got.Errors[webhook.ErrorStatus] != 2 || got.Lag.Count() != 2 {
		e.Errorf("dead: got %+v, want one dead of two events after four attempts, two failed", got)
	}
}

func (e *env) tallyHours() {
	to, other := e.endpoint("cli_1"), e.endpoint("cli_1")
	e.wantTally("nothing", to, e.now(), webhook.Tally{})
	begun := e.now()
	for range 3 {
		e.queue(to, 2)
		e.queue(other, 1)
		e.pass(time.Hour)
	}
	for back, want := range map[time.Duration]uint64{4 * time.Hour: 6, 3 * time.Hour: 6, 2 * time.Hour: 4, time.Hour: 2, 0: 0} {
		e.wantTally("back "+back.String(), to, e.now().Add(-back), webhook.Tally{Events: want})
	}
	e.wantTally("the other one", other, begun, webhook.Tally{Events: 3})
	e.wantTally("one that is not there", webhook.Endpoint{ID: "wh_none"}, begun, webhook.Tally{})
}

func (e *env) tallyWritten() {
	to := e.endpoint("cli_1")
	begun := e.now()
	for n := range uint64(25) {
		e.queue(to, 1)
		e.wantTally("after one more", to, begun, webhook.Tally{Events: n + 1})
		e.pass(time.Second)
		e.wantTally("later", to, begun, webhook.Tally{Events: n + 1})
	}
}

func (e *env) tallyRefused() {
	to := e.endpoint("cli_1")
	ds := e.queue(to, 1)
	l := e.wantClaim("claim", limits, ds...)[0]
	e.pass(limits.Lease)
	e.wantErr("attempt", e.record(l, attempted(e, 0, ""), webhook.Settlement{State: webhook.DeliveryDelivered}), webhook.ErrLeaseLost)
	_, err := e.AddEvent(e.ctx, e.event("cli_1", ""), ds)
	e.wantAnyErr("a delivery's id that is taken", err)
	e.wantTally("neither counts", to, e.now().Add(-time.Hour), webhook.Tally{Events: 1})
}

func (e *env) wantQueues(what, client string, want ...webhook.QueueState) {
	e.Helper()
	got := try(e.QueueStates(e.ctx, client)).get(e, what)
	for i := range got {
		got[i].DueSince = time.Time{}
	}
	e.same(what, got, want)
}

func (e *env) queueStates() {
	a, b, c := e.endpoint("cli_1"), e.endpoint("cli_1"), e.endpoint("cli_2")
	state := func(ep webhook.Endpoint, pending, dead int, oldest time.Time) webhook.QueueState {
		return webhook.QueueState{Endpoint: ep.ID, Client: ep.Client, State: ep.State, Pending: pending, Dead: dead, Oldest: oldest}
	}
	e.wantQueues("empty", "", state(a, 0, 0, time.Time{}), state(b, 0, 0, time.Time{}), state(c, 0, 0, time.Time{}))
	gone := e.died(b, 2)
	var all []webhook.Delivery
	for range 3 {
		all = append(all, e.queue(a, 1)...)
		e.queue(c, 2)
		e.pass(time.Second)
	}
	e.wantQueues("some", "cli_1", state(a, 3, 0, all[0].CreatedAt), state(b, 0, 2, time.Time{}))
	leases, _ := e.claim(limits)
	for _, l := range leases {
		if l.Delivery.ID == all[0].ID || l.Endpoint.ID == c.ID {
			e.delivered(l)
		}
	}
	e.wantQueues("the oldest has gone", "", state(a, 2, 0, all[1].CreatedAt), state(b, 0, 2, time.Time{}), state(c, 0, 0, time.Time{}))
	_, err := e.Redeliver(e.ctx, all[0].ID)
	e.ok("redeliver", err)
	_, err = e.Redeliver(e.ctx, gone[1].ID)
	e.ok("redeliver a dead one", err)
	b = e.readEndpoint(b.ID)
	b.State = webhook.EndpointPaused
	b, err = e.UpdateEndpoint(e.ctx, b)
	e.ok("pause", err)
	e.wantQueues("an older one comes back", "cli_1", state(a, 3, 0, all[0].CreatedAt), state(b, 1, 1, gone[1].CreatedAt))
	e.ok("delete", e.DeleteEndpoint(e.ctx, a.ID))
	e.wantQueues("deleted", "cli_1", state(b, 1, 1, gone[1].CreatedAt))
}

func (e *env) queueDue() {
	to := e.endpoint("cli_1")
	due := func(what string, want time.Time) {
		e.Helper()
		got := try(e.QueueStates(e.ctx, "cli_1")).get(e, what)[0].DueSince
		if !e.exact() && got.IsZero() == want.IsZero() {
			return
		}
		if !got.Equal(want) {
			e.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	due("nothing is pending", time.Time{})
	e.pass(time.Minute)
	ds := e.queue(to, 2, func(i int, d *webhook.Delivery) { d.NextAt = e.now().Add(time.Duration(i) * time.Hour) })
	at := ds[0].NextAt
	e.pass(time.Minute)
	due("one is due", at)
	leases := e.wantClaim("claim", limits, ds[0])
	due("it is under way", time.Time{})
	e.delivered(leases[0])
	due("the other one is not due", time.Time{})
	e.pass(2 * time.Hour)
	due("by now it is", ds[1].NextAt)
	to = e.readEndpoint(to.ID)
	to.HoldUntil = e.now().Add(time.Hour)
	to, err := e.UpdateEndpoint(e.ctx, to)
	e.ok("hold", err)
	due("the receiver asked for a pause", time.Time{})
	to.State, to.HoldUntil = webhook.EndpointPaused, time.Time{}
	_, err = e.UpdateEndpoint(e.ctx, to)
	e.ok("pause", err)
	due("it is paused", time.Time{})
}

func (e *env) reopenTally() {
	if !e.reopens() {
		return
	}
	to := e.endpoint("cli_1")
	begun := e.now()
	for n := range uint64(3) {
		e.queue(to, 2)
		e.reopen()
		e.wantTally("reopened", to, begun, webhook.Tally{Events: 3*n + 2})
		e.queue(to, 1)
		e.pass(time.Minute)
		e.crash()
		e.wantTally("a crash a minute later", to, begun, webhook.Tally{Events: 3*n + 3})
	}
}

// readStats compares the counters and queues.
func (w *walker) readStats() {
	if id, ok := recent(w, w.hooks); ok {
		since := w.now().Add(-time.Duration(w.IntN(50)) * time.Hour)
		both(w, "tally", func(s Store) (webhook.Tally, error) { return s.Tally(w.ctx, id, since) })
	}
	client := pick(w, "", w.aClient())
	both(w, "queues", func(s Store) ([]webhook.QueueState, error) {
		list, err := s.QueueStates(w.ctx, client)
		for i := range list {
			list[i].DueSince = time.Time{} // it goes by claims, and each store serves in its own order
		}
		return list, err
	})
}

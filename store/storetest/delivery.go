package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"recado/webhook"
)

var deliveryCases = []testCase{
	{"event/every field is stored", (*env).eventFields},
	{"delivery/every field is stored", (*env).deliveryFields},
	{"delivery/not there", (*env).deliveryMissing},
	{"deliveries/newest first, page by page", (*env).pageDeliveries},
	{"deliveries/each filter", (*env).filterDeliveries},
	{"redeliver/whatever the state", (*env).redeliver},
	{"redeliver/not while it is leased", (*env).redeliverLeased},
	{"changed/tells when something may be due", (*env).changed},
	{"changed/never blocks the store", (*env).changedNeverBlocks},
}

func (e *env) eventFields() {
	var event webhook.Event
	fill(&event, 1)
	event.SequenceAt, event.Sequence = 0, 0
	got, err := e.AddEvent(e.ctx, event, nil)
	e.ok("add", err)
	e.same("added", got, event)
	e.same("read", try(e.Event(e.ctx, event.ID)).get(e, "event"), event)
}

func (e *env) deliveryFields() {
	to := e.endpoint("cli_1")
	event := e.event("cli_1", "")
	var d webhook.Delivery
	fill(&d, 1)
	d.Event, d.Endpoint, d.State = event.ID, to.ID, webhook.DeliveryPending
	_, err := e.AddEvent(e.ctx, event, []webhook.Delivery{d})
	e.ok("add", err)
	e.same("read", e.readDelivery(d.ID), d)
}

func (e *env) deliveryMissing() {
	_, err := e.Delivery(e.ctx, "dlv_1")
	e.wantErr("delivery", err, webhook.ErrNotFound)
	_, err = e.Redeliver(e.ctx, "dlv_1")
	e.wantErr("redeliver", err, webhook.ErrNotFound)
	_, err = e.Event(e.ctx, "evt_1")
	e.wantErr("event", err, webhook.ErrNotFound)
	attempts, _ := e.Attempts(e.ctx, "dlv_1")
	e.same("attempts", attempts, []webhook.Attempt(nil))
	err = e.record(webhook.Lease{Delivery: webhook.Delivery{ID: "dlv_1"}, Token: 1},
		webhook.Attempt{}, webhook.Settlement{State: webhook.DeliveryDelivered})
	e.wantErr("attempt", err, webhook.ErrLeaseLost)
}

func (e *env) allDeliveries(f webhook.DeliveryFilter, between func()) []webhook.Delivery {
	e.Helper()
	return walkPages(e, fmt.Sprintf("deliveries by %+v", f), f.Limit, func(cursor string) ([]webhook.Delivery, string, error) {
		f.Cursor = cursor
		return e.Deliveries(e.ctx, f)
	}, between)
}

func (e *env) pageDeliveries() {
	to := e.endpoint("cli_1")
	var made []webhook.Delivery
	for range 4 {
		made = append(made, e.queue(to, 3)...)
		e.pass(time.Second)
	}
	want := reversed(made)
	for _, limit := range []int{1, 5, 6, 11, 12, 13} {
		e.same(fmt.Sprintf("pages of %d", limit), e.allDeliveries(webhook.DeliveryFilter{Limit: limit}, nil), want)
	}
	e.same("without a limit", tryAll(e.Deliveries(e.ctx, webhook.DeliveryFilter{})).get(e, "deliveries"), want)
	got := e.allDeliveries(webhook.DeliveryFilter{Limit: 5, Endpoint: to.ID}, func() { e.queue(to, 1) })
	e.same("pages while deliveries came", got, want)
}

func (e *env) filterDeliveries() {
	to := []webhook.Endpoint{e.endpoint("cli_1"), e.endpoint("cli_1"), e.endpoint("cli_2")}
	var made []webhook.Delivery
	for i := range 18 {
		made = append(made, e.queue(to[i%3], 1, func(_ int, d *webhook.Delivery) {
			d.Protocolo, d.EventType = fmt.Sprintf("p-%d", i%4), fmt.Sprintf("type-%d", i%5)
			if i%6 == 5 {
				d.ID = fmt.Sprintf("odd-%d", i) // an id that tells no time
			}
		})...)
		if i%5 == 0 {
			for _, l := range e.wantClaim("claim", limits, made[i]) {
				e.delivered(l)
			}
		} else {
			l := e.wantClaim("claim", limits, made[i])[0]
			s := webhook.Settlement{State: []webhook.DeliveryState{webhook.DeliveryPending, webhook.DeliveryDead}[i%2], NextAt: e.now().Add(time.Hour)}
			e.settle(l, webhook.Attempt{At: e.now(), Class: webhook.ErrorDNS}, s)
		}
		made[i] = e.readDelivery(made[i].ID)
		e.pass(time.Second)
	}
	for _, f := range []webhook.DeliveryFilter{
		{Client: "cli_1"},
		{Client: "cli_"},
		{Endpoint: to[1].ID},
		{Event: made[4].Event},
		{Protocolo: "p-1"},
		{States: []webhook.DeliveryState{webhook.DeliveryPending}},
		{States: []webhook.DeliveryState{webhook.DeliveryDead, webhook.DeliveryDelivered}},
		{States: []webhook.DeliveryState{webhook.DeliveryCancelled}},
		{Since: made[7].CreatedAt},
		{Since: made[7].CreatedAt.Add(time.Millisecond)},
		{Client: "cli_1", Endpoint: to[0].ID, Protocolo: "p-0", Since: made[2].CreatedAt, States: []webhook.DeliveryState{webhook.DeliveryPending}},
		{Client: "cli_2", Endpoint: to[0].ID},
		{Until: made[7].CreatedAt},
		{Until: made[7].CreatedAt.Add(time.Millisecond)},
		{Since: made[3].CreatedAt, Until: made[12].CreatedAt, States: []webhook.DeliveryState{webhook.DeliveryDead}},
		{Types: []string{"type-1"}},
		{Types: []string{"type-1", "type-4"}, States: []webhook.DeliveryState{webhook.DeliveryDead, webhook.DeliveryPending}},
		{Types: []string{"type-"}},
		{States: []webhook.DeliveryState{webhook.DeliveryDead}},
		{States: []webhook.DeliveryState{webhook.DeliveryDead}, Endpoint: to[1].ID},
		{States: []webhook.DeliveryState{webhook.DeliveryDead}, Client: "cli_2"},
		{States: []webhook.DeliveryState{webhook.DeliveryDead}, Client: "cli_1", Endpoint: to[2].ID},
		{PendingAt: []string{to[0].ID}},
		{PendingAt: []string{to[0].ID, to[2].ID}, Client: "cli_1"},
		{PendingAt: []string{to[1].ID}, Endpoint: to[1].ID},
		{PendingAt: []string{to[1].ID}, Endpoint: to[0].ID},
		{PendingAt: []string{"wh_none"}},
		{PendingAt: []string{to[0].ID}, States: []webhook.DeliveryState{webhook.DeliveryDead}},
		{PendingAt: []string{to[0].ID}, States: []webhook.DeliveryState{webhook.DeliveryDelivered}},
		{PendingAt: []string{to[0].ID}, States: []webhook.DeliveryState{webhook.DeliveryPending}},
	} {
		var want []webhook.Delivery
		for _, d := range newestFirst(made) {
			if (f.Client == "" || f.Client == d.Client) && (f.Endpoint == "" || f.Endpoint == d.Endpoint) &&
				(f.Event == "" || f.Event == d.Event) && (f.Protocolo == "" || f.Protocolo == d.Protocolo) &&
				(f.States == nil && f.PendingAt == nil || slices.Contains(f.States, d.State) ||
					d.State == webhook.DeliveryPending && slices.Contains(f.PendingAt, d.Endpoint)) &&
				(f.Types == nil || slices.Contains(f.Types, d.EventType)) &&
				!d.CreatedAt.Before(f.Since) && (f.Until.IsZero() || d.CreatedAt.Before(f.Until)) {
				want = append(want, d)
			}
		}
		for _, f.Limit = range []int{2, 100} {
			e.same(fmt.Sprintf("%+v", f), e.allDeliveries(f, nil), want)
		}
	}
}

// newestFirst orders deliveries as lists do: by id, from the last one down.
func newestFirst(ds []webhook.Delivery) []webhook.Delivery {
	return slices.SortedFunc(slices.Values(ds), func(a, b webhook.Delivery) int { return cmp.Compare(b.ID, a.ID) })
}

func (e *env) redeliver() {
	to := e.endpoint("cli_1")
	for _, state := range []webhook.DeliveryState{webhook.DeliveryDelivered, webhook.DeliveryDead, webhook.DeliveryPending} {
		d := e.queue(to, 1)[0]
		for range 2 {
			l := e.wantClaim("claim", limits, d)[0]
			e.settle(l, webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus, Error: "HTTP 500"},
				webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now().Add(time.Second)})
			e.pass(time.Second)
		}
		l := e.wantClaim("claim", limits, d)[0]
		e.settle(l, webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus, Error: "HTTP 500"},
			webhook.Settlement{State: state, NextAt: e.now().Add(time.Hour)})
		e.wantClaim("nothing is due", limits)
		want := e.readDelivery(d.ID)
		e.pass(time.Minute)

		got, err := e.Redeliver(e.ctx, d.ID)
		e.ok("redeliver", err)
		if late := e.now().Sub(got.NextAt); late < 0 && e.exact() || late > time.Minute {
			e.Errorf("redelivered from %s: got NextAt %v, want now, %v", state, got.NextAt, e.now())
		}
		want.State, want.NextAt, want.PutOffAt, want.ReplayedAt = webhook.DeliveryPending, got.NextAt, got.NextAt, got.NextAt
		want.DoneAt, want.Tries = time.Time{}, 0
		e.same("redelivered: attempts stay, the schedule is fresh", got, want)
		e.same("read", e.readDelivery(d.ID), want)
		l = e.wantClaim("claim again", limits, d)[0]
		e.same("the same event", l.Event.ID, d.Event)
		e.delivered(l)
	}
}

func (e *env) redeliverLeased() {
	d := e.queue(e.endpoint("cli_1"), 1)[0]
	l := e.wantClaim("claim", limits, d)[0]
	_, err := e.Redeliver(e.ctx, d.ID)
	e.wantErr("redeliver what is under way", err, webhook.ErrConflict)
	e.settle(l, webhook.Attempt{At: e.now(), Class: webhook.ErrorDNS}, webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now().Add(time.Hour)})
	_, err = e.Redeliver(e.ctx, d.ID)
	e.ok("redeliver after the attempt", err)
	l = e.wantClaim("claim", limits, d)[0]
	e.pass(limits.Lease)
	_, err = e.Redeliver(e.ctx, d.ID)
	e.ok("redeliver after the lease ran out", err)
	e.wantErr("the old lease", e.record(l, webhook.Attempt{}, webhook.Settlement{State: webhook.DeliveryDead}), webhook.ErrLeaseLost)
	e.wantClaim("claim", limits, d)
}

// wantChanged fails unless the channel has a value, and takes it.
func (e *env) wantChanged(what string) {
	e.Helper()
	deadline := time.After(10 * time.Second)
	select {
	case <-e.DeliveriesChanged():
	case <-deadline:
		e.Errorf("%s: got nothing from DeliveriesChanged, want a value", what)
	}
}

func (e *env) drainChanged() {
	for {
		select {
		case <-e.DeliveriesChanged():
		default:
			return
		}
	}
}

func (e *env) changed() {
	to := e.endpoint("cli_1")
	a := e.create(e.action("cli_1", "cpe-1"))
	e.drainChanged()
	_, o := e.finish(a, "success", to)
	e.wantChanged("verdict")
	e.queue(to, 1)
	e.wantChanged("event")
	l := e.wantClaimOf(o.Deliveries[0].ID)
	e.delivered(l)
	e.drainChanged()
	_, err := e.Redeliver(e.ctx, o.Deliveries[0].ID)
	e.ok("redeliver", err)
	e.wantChanged("redeliver")
	to = e.readEndpoint(to.ID)
	to.State = webhook.EndpointPaused
	to, err = e.UpdateEndpoint(e.ctx, to)
	e.ok("pause", err)
	e.drainChanged()
	to.State = webhook.EndpointActive
	_, err = e.UpdateEndpoint(e.ctx, to)
	e.ok("resume", err)
	e.wantChanged("resumed endpoint")
}

// wantClaimOf claims and gives the lease of one delivery.
func (e *env) wantClaimOf(id string) webhook.Lease {
	e.Helper()
	leases, _ := e.claim(limits)
	i := slices.Index(leasedIDs(leases), id)
	if i < 0 {
		e.Fatalf("claim: got %v, want %s among them", leasedIDs(leases), id)
	}
	return leases[i]
}

func (e *env) changedNeverBlocks() {
	to := e.endpoint("cli_1")
	e.queue(to, 20) // nobody reads the channel
	e.wantChanged("after many changes")
	e.queue(to, 1)
	e.wantChanged("after one more")
}

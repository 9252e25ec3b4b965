package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"recado/acs"
	"recado/webhook"
)

var outboxCases = []testCase{
	{"outbox/a refused change tells nothing", (*env).refusedTellsNothing},
	{"outbox/one change may tell several events", (*env).severalEvents},
	{"outbox/a change may tell nothing", (*env).noEvents},
	{"outbox/the context's goes with the write", (*env).contextTells},
	{"outbox/the context's goes with nothing", (*env).contextTellsNothing},
	{"sequence/each device counts its own", (*env).sequencePerDevice},
	{"sequence/only where it is asked for", (*env).sequenceWhereAsked},
	{"sequence/racing verdicts leave no gap", (*env).sequenceGapless},
}

// wantPosted fails unless all of the outbox is stored, its events numbered from first on.
func (e *env) wantPosted(o acs.Outbox, first uint64) {
	e.Helper()
	for _, want := range o.Events {
		got, err := e.Event(e.ctx, want.ID)
		e.ok("event of the outbox", err)
		if want.SequenceAt > 0 {
			want.Sequence = first
			first++
		}
		e.same("event of the outbox", got, want)
	}
	for _, want := range o.Deliveries {
		e.same("delivery of the outbox", e.readDelivery(want.ID), want)
	}
}

// wantNotPosted fails if anything of the outbox is stored.
func (e *env) wantNotPosted(o acs.Outbox) {
	e.Helper()
	for _, not := range o.Events {
		_, err := e.Event(e.ctx, not.ID)
		e.wantErr("event of a change that was not made", err, webhook.ErrNotFound)
	}
	for _, not := range o.Deliveries {
		_, err := e.Delivery(e.ctx, not.ID)
		e.wantErr("delivery of a change that was not made", err, webhook.ErrNotFound)
	}
}

func (e *env) refusedTellsNothing() {
	to := e.endpoint("cli_1")
	a := e.create(e.action("cli_1", "cpe-1"))
	early, o1 := e.verdict(a, acs.StatusTimeout, to)
	_, err := e.FinishAction(e.ctx, early, o1)
	e.wantErr("timeout before the deadline", err, acs.ErrNotDue)
	stale, o2 := e.verdict(a, acs.StatusSuccess, to)
	stale.Version = 7
	_, err = e.FinishAction(e.ctx, stale, o2)
	e.wantErr("verdict on another version", err, acs.ErrConflict)
	stale.Status = acs.StatusPending
	_, err = e.UpdateAction(e.ctx, stale, o2)
	e.wantErr("update of another version", err, acs.ErrConflict)
	e.wantNotPosted(o1)
	e.wantNotPosted(o2)
	e.wantClaim("claim after refused changes", limits)

	_, o := e.finish(a, acs.StatusSuccess, to)
	e.wantPosted(o, 1)
	all, _, err := e.Deliveries(e.ctx, webhook.DeliveryFilter{})
	e.ok("list deliveries", err)
	e.same("all deliveries", deliveryIDs(all), deliveryIDs(o.Deliveries))
}

func (e *env) severalEvents() {
	to := []webhook.Endpoint{e.endpoint("cli_1"), e.endpoint("cli_1")}
	a := e.create(e.action("cli_1", "cpe-1"))
	final, o := e.verdict(a, acs.StatusSuccess, to...)
	for range 2 {
		event := e.event("cli_1", "cpe-1")
		o.Events = append(o.Events, event)
		o.Deliveries = append(o.Deliveries, e.deliveries(event, to...)...)
	}
	got, err := e.FinishAction(e.ctx, final, o)
	e.ok("finish", err)
	if got.Sequence != 3 {
		e.Errorf("sequence of the action: got %d, want 3, the last one allotted", got.Sequence)
	}
	e.wantPosted(o, 1)
	e.wantClaim("all are due", limits, o.Deliveries...)
}

func (e *env) noEvents() {
	a := e.create(e.action("cli_1", "cpe-1"))
	final, _ := e.verdict(a, acs.StatusSuccess)
	final.Sequence = 0
	got, err := e.FinishAction(e.ctx, final, acs.Outbox{})
	e.ok("finish", err)
	if got.Sequence != 0 {
		e.Errorf("sequence without an event: got %d, want 0", got.Sequence)
	}
}

func (e *env) sequencePerDevice() {
	for i := range uint64(3) {
		for _, device := range []string{"cpe-1", "cpe-10", "cpe-2"} {
			if got, _ := e.finish(e.create(e.action("cli_1", device)), acs.StatusSuccess); got.Sequence != i+1 {
				e.Errorf("verdict %d of %s: got sequence %d, want %d", i+1, device, got.Sequence, i+1)
			}
		}
	}
	event := e.event("cli_1", "cpe-2")
	stored, err := e.AddEvent(e.ctx, event, nil)
	e.ok("add event", err)
	event.Sequence = 4
	e.same("an event by itself counts too", stored, event)
	e.same("read", try(e.Event(e.ctx, event.ID)).get(e, "event"), event)
}

func (e *env) sequenceWhereAsked() {
	a := e.create(e.action("cli_1", "cpe-1"))
	silent := e.event("cli_1", "cpe-1")
	silent.SequenceAt = 0
	a, err := e.UpdateAction(e.ctx, a, acs.Outbox{Events: []webhook.Event{silent}})
	e.ok("update", err)
	if a.Sequence != 0 {
		e.Errorf("sequence of an event that asked for none: got %d, want 0", a.Sequence)
	}
	e.wantPosted(acs.Outbox{Events: []webhook.Event{silent}}, 0)
	if a, _ = e.finish(a, acs.StatusSuccess); a.Sequence != 1 {
		e.Errorf("sequence of the verdict: got %d, want 1", a.Sequence)
	}
}

func (e *env) sequenceGapless() {
	const n = 32
	to := e.endpoint("cli_1")
	finals, outs := make([]acs.Action, n), make([]acs.Outbox, n)
	for i := range n {
		finals[i], outs[i] = e.verdict(e.create(e.action("cli_1", "cpe-1")), acs.StatusSuccess, to)
		if i%4 == 0 {
			finals[i].Version = 9 // to be refused
		}
	}
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		got []uint64
	)
	for i := range n {
		wg.Go(func() {
			a, err := e.FinishAction(e.ctx, finals[i], outs[i])
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, a.Sequence)
		})
	}
	wg.Wait()
	slices.Sort(got)
	var want []uint64
	for i := range uint64(n - n/4) {
		want = append(want, i+1)
	}
	e.same(fmt.Sprintf("sequence numbers of %d racing verdicts", n), got, want)
	e.pass(time.Second)
}

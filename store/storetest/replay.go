package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"recado/acs"
	"recado/webhook"
)

var replayCases = []testCase{
	{"replay/every field is stored", (*env).replayFields},
	{"replay/the oldest first, in batches", (*env).replayBatches},
	{"replay/only what it asks for", (*env).replaySelects},
	{"replay/no more wait than may", (*env).replayWindow},
	{"replay/one at an endpoint", (*env).replayOne},
	{"replay/what is under way is skipped", (*env).replayLeased},
	{"replay/cancelled", (*env).replayCancelled},
	{"replay/its endpoint is deleted", (*env).replayGone},
	{"replay/a limit", (*env).replayLimit},
	{"replay/the older of an OrderKey goes first again", (*env).replayOrder},
	{"replay/old ones make room", (*env).replaySurplus},
	{"replays/newest first, page by page", (*env).pageReplays},
	{"crash/a replay goes on where it was", (*env).crashInReplay},
}

// dead is what replays are about mostly.
var dead = []webhook.DeliveryState{webhook.DeliveryDead}

// died queues n deliveries of the endpoint and lets them end as dead.
func (e *env) died(to webhook.Endpoint, n int, change ...func(i int, d *webhook.Delivery)) []webhook.Delivery {
	e.Helper()
	ds := e.queue(to, n, change...)
	for range n { // an OrderKey lets one go at a time
		leases, _ := e.claim(limits)
		for _, l := range leases {
			e.settle(l, refused(e), webhook.Settlement{State: webhook.DeliveryDead})
		}
	}
	for i := range ds {
		ds[i] = e.readDelivery(ds[i].ID)
	}
	return ds
}

// refused is an attempt that opens no breaker.
func refused(e *env) webhook.Attempt {
	return webhook.Attempt{At: e.now(), Status: 500, Class: webhook.ErrorStatus, Error: "the receiver answered 500"}
}

// replay stores a replay of dead deliveries at the endpoints.
func (e *env) replay(change func(*webhook.Replay), to ...webhook.Endpoint) webhook.Replay {
	e.Helper()
	r := webhook.Replay{
		ID: e.text("rpl_"), Client: to[0].Client, States: dead, State: webhook.ReplayRunning, CreatedAt: e.now(), Until: e.now().Add(time.Minute),
	}
	for _, p := range to {
		r.Parts = append(r.Parts, webhook.ReplayPart{Endpoint: p.ID})
	}
	if change != nil {
		change(&r)
	}
	e.ok("create replay", e.CreateReplay(e.ctx, r))
	return r
}

var wide = webhook.ReplayLimits{Batch: 1000, Window: 1000}

// wantStep does a step and fails where it does not come to this.
func (e *env) wantStep(what string, r webhook.Replay, to webhook.Endpoint, l webhook.ReplayLimits, want webhook.ReplayStep, replayed int) webhook.Replay {
	e.Helper()
	got, step, err := e.ReplayNext(e.ctx, r.ID, to.ID, l)
	e.ok(what, err)
	if step != want || got.Replayed != replayed {
		e.Fatalf("%s: got step %s with %d replayed in all, want %s with %d", what, step, got.Replayed, want, replayed)
	}
	e.same(what+": read", try(e.Store.Replay(e.ctx, r.ID)).get(e, "replay"), got)
	return got
}

// wantPending fails where the deliveries pending are not these.
func (e *env) wantPending(what string, want ...webhook.Delivery) {
	e.Helper()
	got := e.allDeliveries(webhook.DeliveryFilter{States: []webhook.DeliveryState{webhook.DeliveryPending}, Limit: 1000}, nil)
	e.same(what, sorted(deliveryIDs(got)), sorted(deliveryIDs(want)))
}

func (e *env) replayFields() {
	var r webhook.Replay
	fill(&r, 1)
	r.State = webhook.ReplayRunning
	e.ok("create", e.CreateReplay(e.ctx, r))
	e.same("read", try(e.Store.Replay(e.ctx, r.ID)).get(e, "replay"), r)
	e.same("running", try(e.RunningReplays(e.ctx)).get(e, "running"), []webhook.Replay{r})
	e.wantErr("the same id", e.CreateReplay(e.ctx, r), acs.ErrExists)
	_, err := e.Store.Replay(e.ctx, "rpl_none")
	e.wantErr("one that is not there", err, webhook.ErrNotFound)
	_, err = e.CancelReplay(e.ctx, "rpl_none")
	e.wantErr("cancel one that is not there", err, webhook.ErrNotFound)
	_, _, err = e.ReplayNext(e.ctx, "rpl_none", "wh", wide)
	e.wantErr("a step of one that is not there", err, webhook.ErrNotFound)
}

func (e *env) replayBatches() {
	to := e.endpoint("cli_1")
	ds := e.died(to, 7)
	r := e.replay(nil, to)
	e.pass(time.Minute)
	few := webhook.ReplayLimits{Batch: 3, Window: 1000}
	e.wantStep("first", r, to, few, webhook.ReplayAdvanced, 3)
	e.wantPending("the oldest three", ds[:3]...)
	want := ds[0]
	got := e.readDelivery(ds[0].ID)
	want.State, want.Tries, want.DoneAt, want.Replay = webhook.DeliveryPending, 0, time.Time{}, r.ID
	want.NextAt, want.PutOffAt, want.ReplayedAt = got.NextAt, got.NextAt, got.NextAt
	e.same("replayed: attempts stay, the schedule is fresh", got, want)
	if late := e.now().Sub(got.NextAt); late < 0 && e.exact() || late > time.Minute {
		e.Errorf("got NextAt %v, want now, %v", got.NextAt, e.now())
	}
	for _, l := range e.wantClaim("they are due", limits, ds[:3]...) {
		e.settle(l, refused(e), webhook.Settlement{State: webhook.DeliveryDead})
	}
	e.wantStep("second", r, to, few, webhook.ReplayAdvanced, 6)
	e.wantPending("none of those that are dead again", ds[3:6]...)
	r = e.wantStep("third", r, to, few, webhook.ReplayEnded, 7)
	if r.State != webhook.ReplayDone || r.FinishedAt.IsZero() || r.Skipped != 0 {
		e.Errorf("after the last one: got %s, finished %v, %d skipped; want done now, none", r.State, r.FinishedAt, r.Skipped)
	}
	e.wantStep("after its end", r, to, few, webhook.ReplayEnded, 7)
	e.same("running", try(e.RunningReplays(e.ctx)).get(e, "running"), []webhook.Replay{})
	e.wantPending("and no more", ds[3:]...)
}

func (e *env) replaySelects() {
	to, other := e.endpoint("cli_1"), e.endpoint("cli_1")
	typed := func(i int, d *webhook.Delivery) { d.EventType = fmt.Sprintf("type-%d", i%2) }
	ds := e.died(to, 6, func(i int, d *webhook.Delivery) {
		typed(i, d)
		d.CreatedAt = e.now().Add(time.Duration(i) * time.Second)
	})
	e.died(other, 2)
	e.delivered(e.wantClaim("claim", limits, e.queue(to, 1)...)[0])
	waiting := e.queue(to, 1)
	more := waiting[0]
	e.pass(10 * time.Second)
	run := func(what string, change func(*webhook.Replay), want ...webhook.Delivery) {
		e.Helper()
		r := e.replay(change, to)
		e.wantStep(what, r, to, wide, webhook.ReplayEnded, len(want))
		for _, d := range want {
			if got := e.readDelivery(d.ID); got.Replay != r.ID || got.State != webhook.DeliveryPending {
				e.Errorf("%s: got %s, replay %q; want it pending by %s", what, got.State, got.Replay, r.ID)
			}
		}
		for _, l := range e.wantClaim(what, limits, append(want, waiting...)...) {
			e.settle(l, refused(e), webhook.Settlement{State: webhook.DeliveryDead})
		}
		waiting = nil
	}
	run("by type", func(r *webhook.Replay) { r.Types = []string{"type-1"} }, ds[1], ds[3], ds[5])
	run("since", func(r *webhook.Replay) { r.Since, r.Types = ds[4].CreatedAt, []string{"type-0"} }, ds[4])
	run("until", func(r *webhook.Replay) { r.Until = ds[2].CreatedAt }, ds[0], ds[1], more)
	e.wantPending("no others")
	held := e.queue(other, 2)
	other = e.readEndpoint(other.ID)
	other.State = webhook.EndpointPaused
	_, err := e.UpdateEndpoint(e.ctx, other)
	e.ok("pause", err)
	r := e.replay(func(r *webhook.Replay) { r.States = []webhook.DeliveryState{webhook.DeliveryHeld} }, to, other)
	e.wantStep("nothing is held where the endpoint is active", r, to, wide, webhook.ReplayEnded, 0)
	e.wantStep("held", r, other, wide, webhook.ReplayEnded, 2)
	e.wantPending("still", held...)
	r = e.replay(func(r *webhook.Replay) {
		r.States = []webhook.DeliveryState{webhook.DeliveryDelivered, webhook.DeliveryDead}
	}, to)
	e.wantStep("delivered and dead", r, to, wide, webhook.ReplayEnded, 8)
}

func (e *env) replayWindow() {
	to, other := e.endpoint("cli_1"), e.endpoint("cli_1")
	ds, others := e.died(to, 6), e.died(other, 2)
	r := e.replay(nil, to, other)
	l := webhook.ReplayLimits{Batch: 2, Window: 3}
	e.wantStep("first", r, to, l, webhook.ReplayAdvanced, 2)
	e.wantStep("one more has room", r, to, l, webhook.ReplayAdvanced, 3)
	e.wantStep("full", r, to, l, webhook.ReplayFull, 3)
	e.wantStep("others have room", r, other, l, webhook.ReplayEnded, 5)
	leases := e.wantClaim("claim", limits, append(ds[:3:3], others...)...)
	e.wantStep("under way counts", r, to, l, webhook.ReplayFull, 5)
	for _, lease := range leases {
		if lease.Delivery.ID == ds[0].ID {
			e.settle(lease, refused(e), webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now()})
			continue
		}
		e.delivered(lease)
	}
	e.wantStep("two have gone", r, to, l, webhook.ReplayAdvanced, 7)
	e.wantStep("full again", r, to, l, webhook.ReplayFull, 7)
	_, err := e.Redeliver(e.ctx, ds[0].ID)
	e.ok("redeliver one by hand", err)
	if got := e.readDelivery(ds[0].ID).Replay; got != "" {
		e.Errorf("redelivered by hand: got replay %q, want none", got)
	}
	e.wantStep("it is not the replay's any more", r, to, l, webhook.ReplayEnded, 8)
}

func (e *env) replayOne() {
	to, other := e.endpoint("cli_1"), e.endpoint("cli_1")
	e.died(to, 1)
	r := e.replay(nil, to)
	again := r
	again.ID, again.Parts = e.text("rpl_"), []webhook.ReplayPart{{Endpoint: other.ID}, {Endpoint: to.ID}}
	e.wantErr("a second one", e.CreateReplay(e.ctx, again), webhook.ErrReplaying)
	_, err := e.Store.Replay(e.ctx, again.ID)
	e.wantErr("nothing is stored", err, webhook.ErrNotFound)
	e.replay(nil, other)
	e.wantStep("end", r, to, wide, webhook.ReplayEnded, 1)
	e.replay(nil, to)
}

func (e *env) replayLeased() {
	to := e.endpoint("cli_1")
	ds := e.queue(to, 3)
	one := limits
	one.Total = 1
	l, _ := e.claim(one)
	r := e.replay(func(r *webhook.Replay) { r.States = []webhook.DeliveryState{webhook.DeliveryPending} }, to)
	r = e.wantStep("all but one", r, to, wide, webhook.ReplayEnded, 2)
	if r.Skipped != 1 {
		e.Errorf("skipped: got %d, want 1", r.Skipped)
	}
	e.delivered(l[0])
	e.wantPending("the others", ds[1:]...)
}

func (e *env) replayCancelled() {
	to := e.endpoint("cli_1")
	ds := e.died(to, 3)
	r := e.replay(nil, to)
	e.wantStep("first", r, to, webhook.ReplayLimits{Batch: 2, Window: 9}, webhook.ReplayAdvanced, 2)
	got := try(e.CancelReplay(e.ctx, r.ID)).get(e, "cancel")
	if got.State != webhook.ReplayCancelled || got.FinishedAt.IsZero() || got.Replayed != 2 {
		e.Errorf("cancelled: got %s, finished %v, %d replayed; want cancelled now, 2", got.State, got.FinishedAt, got.Replayed)
	}
	e.wantStep("nothing more", r, to, wide, webhook.ReplayEnded, 2)
	e.wantPending("what is due stays due", ds[:2]...)
	_, err := e.CancelReplay(e.ctx, r.ID)
	e.wantErr("cancel again", err, webhook.ErrReplayEnded)
}

func (e *env) replayGone() {
	to, other := e.endpoint("cli_1"), e.endpoint("cli_1")
	e.died(to, 3)
	e.died(other, 1)
	r := e.replay(nil, to)
	e.wantStep("first", r, to, webhook.ReplayLimits{Batch: 1, Window: 9}, webhook.ReplayAdvanced, 1)
	e.ok("delete endpoint", e.DeleteEndpoint(e.ctx, to.ID))
	r = e.wantStep("its end", r, to, wide, webhook.ReplayEnded, 1)
	if r.State != webhook.ReplayFailed || r.Reason == "" || r.FinishedAt.IsZero() {
		e.Errorf("got %s, reason %q; want failed with a reason", r.State, r.Reason)
	}
	e.wantPending("nothing")
	both := e.replay(nil, to, other)
	e.wantStep("one of two", both, to, wide, webhook.ReplayEnded, 0)
	if both = e.wantStep("the other one", both, other, wide, webhook.ReplayEnded, 1); both.State != webhook.ReplayDone {
		e.Errorf("got %s, want done", both.State)
	}
}

func (e *env) replayLimit() {
	to, other := e.endpoint("cli_1"), e.endpoint("cli_1")
	ds := e.died(to, 3)
	e.died(other, 3)
	r := e.replay(func(r *webhook.Replay) { r.Limit = 2 }, to, other)
	r = e.wantStep("no more than asked for", r, to, wide, webhook.ReplayEnded, 2)
	if r.State != webhook.ReplayDone {
		e.Errorf("got %s, want done", r.State)
	}
	e.wantStep("nor at the other one", r, other, wide, webhook.ReplayEnded, 2)
	e.wantPending("the oldest", ds[:2]...)
}

func (e *env) replayOrder() {
	to := e.endpoint("cli_1")
	ds := e.died(to, 2, keyed("x", "y"))
	younger := e.queue(to, 2, keyed("x", "z"))
	r := e.replay(nil, to)
	e.wantStep("replay", r, to, wide, webhook.ReplayEnded, 2)
	leases := e.wantClaim("the older of x first", limits, ds[0], ds[1], younger[1])
	for _, l := range leases {
		e.delivered(l)
	}
	e.wantClaim("then the younger", limits, younger[0])
}

func (e *env) replaySurplus() {
	to, other := e.endpoint("cli_1"), e.endpoint("cli_2")
	theirs, running := e.replay(nil, other), e.replay(nil, e.endpoint("cli_1"))
	var made []webhook.Replay
	for range webhook.MaxReplays + 1 {
		made = append(made, e.replay(nil, to))
		e.wantStep("end", made[len(made)-1], to, wide, webhook.ReplayEnded, 0)
	}
	_, err := e.Store.Replay(e.ctx, made[0].ID)
	e.wantErr("the oldest that has ended", err, webhook.ErrNotFound)
	e.same("the one after it", try(e.Store.Replay(e.ctx, made[1].ID)).get(e, "replay").State, webhook.ReplayDone)
	all := try(e.RunningReplays(e.ctx)).get(e, "running")
	e.same("those that run, and another client's", all, []webhook.Replay{theirs, running})
}

func (e *env) pageReplays() {
	var want []webhook.Replay
	for i := range 7 {
		want = append([]webhook.Replay{e.replay(nil, e.endpoint("cli_1"))}, want...)
		if i%2 == 0 {
			e.replay(nil, e.endpoint("cli_2"))
		}
	}
	for _, limit := range []int{1, 3, 7, 8} {
		got := walkPages(e, "replays", limit, func(cursor string) ([]webhook.Replay, string, error) {
			return e.Replays(e.ctx, "cli_1", limit, cursor)
		}, nil)
		e.same(fmt.Sprintf("pages of %d", limit), got, want)
	}
	_, _, err := e.Replays(e.ctx, "cli_1", 3, "?")
	var invalid *acs.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != "cursor" {
		e.Errorf("a wrong cursor: got error %v, want an *acs.InvalidError of the cursor", err)
	}
}

// crashInReplay replays what was delivered: whatever is replayed a second time would show.
func (e *env) crashInReplay() {
	if !e.reopens() {
		return
	}
	to := e.endpoint("cli_1")
	ds := e.queue(to, 9)
	for _, l := range e.wantClaim("claim", limits, ds...) {
		e.delivered(l)
	}
	r := e.replay(func(r *webhook.Replay) { r.States = []webhook.DeliveryState{webhook.DeliveryDelivered} }, to)
	l := webhook.ReplayLimits{Batch: 2, Window: 3}
	e.wantStep("first", r, to, l, webhook.ReplayAdvanced, 2)
	for _, lease := range e.wantClaim("claim again", limits, ds[:2]...) {
		e.delivered(lease)
	}
	e.wantStep("second", r, to, l, webhook.ReplayAdvanced, 4)
	e.crash()
	e.pass(limits.Lease)
	running := try(e.RunningReplays(e.ctx)).get(e, "running")
	if len(running) != 1 || running[0].ID != r.ID {
		e.Fatalf("after the crash: got %d replays that run, want the one", len(running))
	}
	e.wantStep("one more has room", r, to, l, webhook.ReplayAdvanced, 5)
	e.wantStep("full", r, to, l, webhook.ReplayFull, 5)
	e.wantPending("none twice", ds[2:5]...)
	for _, lease := range e.wantClaim("claim after the crash", limits, ds[2:5]...) {
		e.delivered(lease)
	}
	e.wantStep("to the end", r, to, wide, webhook.ReplayEnded, 9)
	e.crash()
	e.wantPending("and the rest once", ds[5:]...)
	for _, d := range ds[:5] {
		if got := e.readDelivery(d.ID); got.Attempts != 2 {
			e.Errorf("delivery %s: got %d attempts, want 2", d.ID, got.Attempts)
		}
	}
}

func (w *walker) startReplay() {
	id, ok := recent(w, w.hooks)
	if !ok {
		return
	}
	ep, ok := both(w, "read endpoint", func(s Store) (webhook.Endpoint, error) { return s.Endpoint(w.ctx, id) })
	if !ok {
		return
	}
	r := webhook.Replay{
		ID: w.text("rpl_"), Client: ep.Client, State: webhook.ReplayRunning, CreatedAt: w.now(), Until: w.now(), Limit: pick(w, 0, 0, 4),
		Parts:  []webhook.ReplayPart{{Endpoint: ep.ID}},
		States: []webhook.DeliveryState{pick(w, webhook.DeliveryDead, webhook.DeliveryDead, webhook.DeliveryDelivered, webhook.DeliveryHeld)},
	}
	if w.chance(3) {
		r.States = append(r.States, webhook.DeliveryPending)
	}
	if w.chance(3) {
		r.Since = w.now().Add(-time.Duration(w.IntN(120)) * time.Minute)
	}
	done(w, "create replay", func(s Store) error { return s.CreateReplay(w.ctx, r) })
}

// goOnReplaying does a step of each replay, and cancels one now and then.
func (w *walker) goOnReplaying() {
	l := webhook.ReplayLimits{Batch: 1 + w.IntN(4), Window: 1 + w.IntN(6)}
	for _, r := range try(w.model.RunningReplays(w.ctx)).get(w.env, "running replays") {
		if w.chance(20) {
			both(w, "cancel replay", func(s Store) (webhook.Replay, error) { return comparable(s.CancelReplay(w.ctx, r.ID)) })
		}
		both(w, "step of a replay", func(s Store) (webhook.ReplayStep, error) {
			_, step, err := s.ReplayNext(w.ctx, r.ID, r.Parts[0].Endpoint, l)
			return step, err
		})
		both(w, "replay after a step", func(s Store) (webhook.Replay, error) { return comparable(s.Replay(w.ctx, r.ID)) })
	}
}

// comparable leaves out up to where a replay looked, which is each store's own.
func comparable(r webhook.Replay, err error) (webhook.Replay, error) {
	r.Parts = slices.Clone(r.Parts)
	for i := range r.Parts {
		r.Parts[i].After = ""
	}
	return r, err
}

// allReplays lists the replays of the clients that are known, by id.
func (e *env) allReplays() (all []webhook.Replay) {
	e.Helper()
	clients := map[string]bool{}
	for _, ep := range try(e.Endpoints(e.ctx, "")).get(e, "endpoints") {
		clients[ep.Client] = true
	}
	for client := range clients {
		for _, r := range tryAll(e.Replays(e.ctx, client, 0, "")).get(e, "replays") {
			r, _ = comparable(r, nil)
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b webhook.Replay) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

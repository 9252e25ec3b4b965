package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"recado/acs"
	"recado/webhook"
)

var createCases = []testCase{
	{"create/stores every field", (*env).createStoresAll},
	{"create/makes version 1", (*env).createMakesVersion1},
	{"create/with an outbox", (*env).createWithOutbox},
	{"create/an id that is taken", (*env).createTaken},
	{"idempotency/same request gives the first action", (*env).sameKeySameBody},
	{"idempotency/a repetition is found without a new one", (*env).repeatedKey},
	{"idempotency/other request is refused", (*env).sameKeyOtherBody},
	{"idempotency/keys belong to clients", (*env).keysBelongToClients},
	{"idempotency/a key lives 24 hours", (*env).keysLiveADay},
	{"idempotency/64 racing requests make one action", (*env).racingKeys},
	{"create/a device's queue has an end", (*env).queueEnds},
	{"create/racing for the last places", (*env).racingForPlaces},
}

func (e *env) repeatedKey() {
	key := acs.Idempotency{Key: "k", BodyMAC: "m"}
	_, err := e.Repeated(e.ctx, "cli_1", key)
	e.wantErr("nothing yet", err, acs.ErrNotFound)
	a, _, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("create", err)
	e.same("repeated", try(e.Repeated(e.ctx, "cli_1", key)).get(e, "repeated"), a)
	_, err = e.Repeated(e.ctx, "cli_1", acs.Idempotency{Key: "k", BodyMAC: "n"})
	e.wantErr("another body", err, acs.ErrIdempotencyReused)
	_, err = e.Repeated(e.ctx, "cli_2", key)
	e.wantErr("another client's", err, acs.ErrNotFound)
	e.pass(acs.IdempotencyWindow)
	_, err = e.Repeated(e.ctx, "cli_1", key)
	e.wantErr("after a day", err, acs.ErrNotFound)
}

func (e *env) createStoresAll() {
	var a acs.Action
	fill(&a, 1)
	a.Status, a.Version = acs.StatusPending, 1
	e.same("created", e.create(a), a)
	e.same("read", e.read(a.ID), a)
}

func (e *env) createMakesVersion1() {
	a := e.action("cli_1", "cpe-1")
	a.Version = 41
	if v := e.create(a).Version; v != 1 {
		e.Errorf("version of what CreateAction returned: got %d, want 1", v)
	}
	if v := e.read(a.ID).Version; v != 1 {
		e.Errorf("version of what was stored: got %d, want 1", v)
	}
}

func (e *env) createWithOutbox() {
	to := e.endpoint("cli_1")
	a := e.action("cli_1", "cpe-1")
	event := e.event("cli_1", "cpe-1")
	o := acs.Outbox{Events: []webhook.Event{event}, Deliveries: e.deliveries(event, to)}
	stored, existed, err := e.CreateAction(e.ctx, a, acs.Idempotency{}, o)
	e.ok("create", err)
	if existed || stored.Sequence != 1 {
		e.Errorf("create: got existed %v and sequence %d, want false and 1", existed, stored.Sequence)
	}
	e.wantPosted(o, 1)
}

func (e *env) createTaken() {
	to := e.endpoint("cli_1")
	e.wantErr("endpoint", e.CreateEndpoint(e.ctx, webhook.Endpoint{ID: to.ID, Client: "cli_2"}), acs.ErrExists)
	e.same("the endpoint that was there", e.readEndpoint(to.ID), to)
	a := e.create(e.action("cli_1", "cpe-1"))
	again := e.action("cli_2", "cpe-2")
	again.ID = a.ID
	_, o := e.verdict(again, acs.StatusSuccess, to)
	_, _, err := e.CreateAction(e.ctx, again, acs.Idempotency{Key: "k", BodyMAC: "m"}, o)
	e.wantErr("action", err, acs.ErrExists)
	e.same("the action that was there", e.read(a.ID), a)
	e.wantNotPosted(o)
}

func (e *env) sameKeySameBody() {
	to := e.endpoint("cli_1")
	key := acs.Idempotency{Key: "k", BodyMAC: "m"}
	first, existed, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("first", err)
	if existed {
		e.Errorf("first: got existed, want a new action")
	}
	first.Stage = acs.StageWaking
	first, err = e.UpdateAction(e.ctx, first, acs.Outbox{})
	e.ok("update", err)

	second := e.action("cli_1", "cpe-2")
	event := e.event("cli_1", "cpe-2")
	o := acs.Outbox{Events: []webhook.Event{event}, Deliveries: e.deliveries(event, to)}
	got, existed, err := e.CreateAction(e.ctx, second, key, o)
	e.ok("second", err)
	if !existed {
		e.Errorf("second: got a new action, want existed")
	}
	e.same("second gives the first as it is now", got, first)
	_, err = e.Action(e.ctx, second.ID)
	e.wantErr("second action", err, acs.ErrNotFound)
	e.wantNotPosted(o)
	e.same("live actions of the second's device", try(e.LiveActions(e.ctx, "cpe-2")).get(e, "live"), []acs.Action(nil))
}

func (e *env) sameKeyOtherBody() {
	_, _, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), acs.Idempotency{Key: "k", BodyMAC: "m"}, acs.Outbox{})
	e.ok("first", err)
	other := e.action("cli_1", "cpe-1")
	_, _, err = e.CreateAction(e.ctx, other, acs.Idempotency{Key: "k", BodyMAC: "n"}, acs.Outbox{})
	e.wantErr("same key, other MAC", err, acs.ErrIdempotencyReused)
	_, err = e.Action(e.ctx, other.ID)
	e.wantErr("action that was refused", err, acs.ErrNotFound)
}

func (e *env) keysBelongToClients() {
	for _, client := range []string{"cli_1", "cli_2", "cli_"} {
		for _, key := range []string{"k", "1k", "\x00k", ""} {
			_, existed, err := e.CreateAction(e.ctx, e.action(client, "cpe-1"), acs.Idempotency{Key: key, BodyMAC: client + key}, acs.Outbox{})
			e.ok("create", err)
			if existed {
				e.Errorf("client %s, key %q: got existed, want a new action", client, key)
			}
		}
	}
	_, existed, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), acs.Idempotency{BodyMAC: "cli_1"}, acs.Outbox{})
	e.ok("without a key, again", err)
	if existed {
		e.Errorf("without a key, again: got existed, want a new action")
	}
}

func (e *env) keysLiveADay() {
	key := acs.Idempotency{Key: "k", BodyMAC: "m"}
	first := e.action("cli_1", "cpe-1")
	_, _, err := e.CreateAction(e.ctx, first, key, acs.Outbox{})
	e.ok("first", err)
	e.pass(acs.IdempotencyWindow - time.Minute)
	got, existed, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("a minute before a day is over", err)
	if !existed || got.ID != first.ID {
		e.Fatalf("a minute before a day is over: got action %s, existed %v; want the first, %s", got.ID, existed, first.ID)
	}
	e.pass(time.Minute + time.Second)
	second := e.action("cli_1", "cpe-1")
	_, existed, err = e.CreateAction(e.ctx, second, acs.Idempotency{Key: "k", BodyMAC: "n"}, acs.Outbox{})
	e.ok("after a day, with another body", err)
	if existed {
		e.Errorf("after a day: got existed, want a new action")
	}
	got, existed, err = e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), acs.Idempotency{Key: "k", BodyMAC: "n"}, acs.Outbox{})
	e.ok("the same again", err)
	if !existed || got.ID != second.ID {
		e.Errorf("the same again: got action %s, existed %v; want the second, %s", got.ID, existed, second.ID)
	}
}

func (e *env) racingKeys() {
	const racers = 64
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		ids   = make(map[acs.Protocolo]bool)
		fresh int
	)
	for range racers {
		a := e.action("cli_1", "cpe-1")
		wg.Go(func() {
			got, existed, err := e.CreateAction(e.ctx, a, acs.Idempotency{Key: "k", BodyMAC: "m"}, acs.Outbox{})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				e.Errorf("racing create: got error %v, want none", err)
			}
			ids[got.ID] = true
			if !existed {
				fresh++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || fresh != 1 {
		e.Errorf("%d racing creates: got %d ids and %d new actions, want 1 and 1", racers, len(ids), fresh)
	}
	if live := try(e.LiveActions(e.ctx, "cpe-1")).get(e, "live"); len(live) != 1 {
		e.Errorf("live actions after the race: got %d, want 1", len(live))
	}
}

// wantFull tries to create an action that does not fit.
func (e *env) wantFull(device string) {
	e.Helper()
	a := e.action("cli_1", device)
	_, _, err := e.CreateAction(e.ctx, a, acs.Idempotency{}, acs.Outbox{})
	e.wantErr("one more than fit", err, acs.ErrQueueFull)
	_, err = e.Action(e.ctx, a.ID)
	e.wantErr("the one that did not fit", err, acs.ErrNotFound)
}

func (e *env) queueEnds() {
	to := e.endpoint("cli_1")
	key := acs.Idempotency{Key: "k", BodyMAC: "m"}
	first, _, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("create", err)
	last := first
	for range acs.MaxPendingPerDevice - 1 {
		last = e.create(e.action("cli_1", "cpe-1"))
	}
	e.wantFull("cpe-1")
	e.create(e.action("cli_1", "cpe-2"))

	got, existed, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), key, acs.Outbox{})
	e.ok("a request of before, repeated", err)
	if !existed || got.ID != first.ID {
		e.Errorf("a request of before, repeated: got action %s, existed %v; want %s, true", got.ID, existed, first.ID)
	}
	_, _, err = e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), acs.Idempotency{Key: "k", BodyMAC: "n"}, acs.Outbox{})
	e.wantErr("its key with another body", err, acs.ErrIdempotencyReused)
	refused := e.action("cli_1", "cpe-1")
	event := e.event("cli_1", "cpe-1")
	o := acs.Outbox{Events: []webhook.Event{event}, Deliveries: e.deliveries(event, to)}
	again := acs.Idempotency{Key: "k2", BodyMAC: "m"}
	_, _, err = e.CreateAction(e.ctx, refused, again, o)
	e.wantErr("a new key, with an outbox", err, acs.ErrQueueFull)
	e.wantNotPosted(o)

	last.Stage = acs.StageWaking
	last, err = e.UpdateAction(e.ctx, last, acs.Outbox{})
	e.ok("update", err)
	e.wantFull("cpe-1")
	final, verdict := e.verdict(last, acs.StatusFailure)
	final.WatchUntil = e.now().Add(time.Hour)
	last, err = e.FinishAction(e.ctx, final, verdict)
	e.ok("finish, with a watch", err)
	if _, existed, err := e.CreateAction(e.ctx, refused, again, o); err != nil || existed {
		e.Errorf("in the place of one that ended: got existed %v, %v; want a new action", existed, err)
	}
	e.wantFull("cpe-1")
	if live := try(e.LiveActions(e.ctx, "cpe-1")).get(e, "live"); len(live) != acs.MaxPendingPerDevice+1 {
		e.Errorf("live actions: got %d, want %d pending and the watched one", len(live), acs.MaxPendingPerDevice)
	}
}

func (e *env) racingForPlaces() {
	const free, racers = 3, 32
	e.many(acs.MaxPendingPerDevice-free, func(int) { e.create(e.action("cli_1", "cpe-1")) })
	var taken atomic.Int32
	e.many(racers, func(int) {
		switch _, _, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), acs.Idempotency{}, acs.Outbox{}); {
		case err == nil:
			taken.Add(1)
		case !errors.Is(err, acs.ErrQueueFull):
			e.Errorf("racing create: got error %v, want none or ErrQueueFull", err)
		}
	})
	if n := taken.Load(); n != free {
		e.Errorf("%d racing for the last %d places: got %d winners", racers, free, n)
	}
	if live := try(e.LiveActions(e.ctx, "cpe-1")).get(e, "live"); len(live) != acs.MaxPendingPerDevice {
		e.Errorf("live actions after the race: got %d, want %d", len(live), acs.MaxPendingPerDevice)
	}
}

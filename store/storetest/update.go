package storetest

import (
	"sync"
	"sync/atomic"
	"time"

	"recado/acs"
	"recado/webhook"
)

var updateCases = []testCase{
	{"update/replaces the action and counts the version", (*env).updateReplaces},
	{"update/of an old version is a conflict", (*env).updateConflicts},
	{"update/of what is not there", (*env).updateMissing},
	{"update/cannot change the status", (*env).updateKeepsStatus},
	{"update/of a final action", (*env).updateFinal},
	{"update/sends nothing at or after the deadline", (*env).updateSendsInTime},
	{"update/one of many racing updates wins", (*env).racingUpdates},
}

func (e *env) updateReplaces() {
	a := e.create(e.action("cli_1", "cpe-1"))
	b := a
	fill(&b, 100)
	b.ID, b.Client, b.Device, b.CreatedAt, b.Status, b.Version = a.ID, a.Client, a.Device, a.CreatedAt, a.Status, a.Version
	b.DeadlineAt = a.DeadlineAt
	got, err := e.UpdateAction(e.ctx, b, acs.Outbox{})
	e.ok("update", err)
	b.Version = 2
	e.same("updated", got, b)
	e.same("read", e.read(a.ID), b)

	a.Version = 2
	got, err = e.UpdateAction(e.ctx, a, acs.Outbox{})
	e.ok("update back to little", err)
	a.Version = 3
	e.same("updated back", got, a)
	e.same("read", e.read(a.ID), a)
}

func (e *env) updateConflicts() {
	a := e.create(e.action("cli_1", "cpe-1"))
	b := a
	b.ReasonDetail = "first"
	b, err := e.UpdateAction(e.ctx, b, acs.Outbox{})
	e.ok("first update", err)
	for _, version := range []uint64{0, a.Version, b.Version + 1} {
		c := a
		c.Version, c.ReasonDetail = version, "second"
		_, o := e.verdict(c, acs.StatusSuccess, e.endpoint("cli_1"))
		_, err = e.UpdateAction(e.ctx, c, o)
		e.wantErr("update of another version", err, acs.ErrConflict)
		e.wantNotPosted(o)
	}
	e.same("after the conflicts", e.read(a.ID), b)
}

func (e *env) updateMissing() {
	a := e.action("cli_1", "cpe-1")
	a.Version = 1
	_, o := e.verdict(a, acs.StatusSuccess, e.endpoint("cli_1"))
	_, err := e.UpdateAction(e.ctx, a, o)
	e.wantErr("update", err, acs.ErrNotFound)
	final, _ := e.verdict(a, acs.StatusSuccess)
	_, err = e.FinishAction(e.ctx, final, o)
	e.wantErr("finish", err, acs.ErrNotFound)
	_, err = e.Action(e.ctx, a.ID)
	e.wantErr("read", err, acs.ErrNotFound)
	e.wantNotPosted(o)
}

func (e *env) updateKeepsStatus() {
	a := e.create(e.action("cli_1", "cpe-1"))
	final, o := e.verdict(a, acs.StatusSuccess, e.endpoint("cli_1"))
	_, err := e.UpdateAction(e.ctx, final, o)
	e.wantAnyErr("verdict by UpdateAction", err)
	e.same("after it", e.read(a.ID), a)
	e.wantNotPosted(o)

	b, _ := e.finish(a, acs.StatusFailure)
	for _, version := range []uint64{a.Version, b.Version} {
		back := b
		back.Status, back.Version = acs.StatusPending, version
		_, err = e.UpdateAction(e.ctx, back, acs.Outbox{})
		e.wantErr("pending again", err, acs.ErrFinished)
	}
	other := b
	other.Status = acs.StatusSuccess
	_, err = e.UpdateAction(e.ctx, other, acs.Outbox{})
	e.wantAnyErr("another verdict by UpdateAction", err)
	e.same("after all", e.read(a.ID), b)
}

func (e *env) updateFinal() {
	to := e.endpoint("cli_1")
	a := e.create(e.action("cli_1", "cpe-1"))
	e.pass(time.Hour)
	a.WatchUntil = e.now().Add(24 * time.Hour)
	a, _ = e.finish(a, acs.StatusTimeout, to)
	a.WatchUntil = time.Time{}
	a.Late = &acs.Late{At: e.now(), Status: acs.StatusSuccess, Event: "evt_late"}
	event := e.event(a.Client, a.Device)
	o := acs.Outbox{Events: []webhook.Event{event}, Deliveries: e.deliveries(event, to)}
	got, err := e.UpdateAction(e.ctx, a, o)
	e.ok("late result", err)
	a.Version++
	a.Sequence = 2
	e.same("updated", got, a)
	e.same("read", e.read(a.ID), a)
	e.wantPosted(o, 2)
}

func (e *env) updateSendsInTime() {
	a := e.create(e.action("cli_1", "cpe-1"))
	again := e.action("cli_1", "cpe-2")
	again.Stage, again.Sends = acs.StageSent, 1
	again = e.create(again)
	e.pass(time.Hour - time.Second)
	again.Sends = 2
	again, err := e.UpdateAction(e.ctx, again, acs.Outbox{})
	e.ok("sending again a second before the deadline", err)
	e.pass(time.Second)

	sent := a
	sent.Stage = acs.StageSent
	_, err = e.UpdateAction(e.ctx, sent, acs.Outbox{})
	e.wantErr("sending at the deadline", err, acs.ErrPastDeadline)
	counted := a
	counted.Sends++
	_, err = e.UpdateAction(e.ctx, counted, acs.Outbox{})
	e.wantErr("one more sending at the deadline", err, acs.ErrPastDeadline)
	third := again
	third.Sends++
	_, err = e.UpdateAction(e.ctx, third, acs.Outbox{})
	e.wantErr("sending again at the deadline", err, acs.ErrPastDeadline)
	e.same("after the refusals", e.read(a.ID), a)
	e.same("after the refusals", e.read(again.ID), again)

	e.pass(time.Second)
	again.ReasonDetail = "was sent in time"
	again, err = e.UpdateAction(e.ctx, again, acs.Outbox{})
	e.ok("an update after the deadline that sends nothing", err)
	again.Stage = acs.StageAccepted
	_, err = e.UpdateAction(e.ctx, again, acs.Outbox{})
	e.ok("an answer after the deadline", err)
}

func (e *env) racingUpdates() {
	a := e.create(e.action("cli_1", "cpe-1"))
	for range 20 {
		var (
			wg   sync.WaitGroup
			wins atomic.Int32
		)
		for range 8 {
			wg.Go(func() {
				if _, err := e.UpdateAction(e.ctx, a, acs.Outbox{}); err == nil {
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 {
			e.Fatalf("8 racing updates of one version: got %d winners, want 1", wins.Load())
		}
		a = e.read(a.ID)
	}
	if a.Version != 21 {
		e.Errorf("version after 20 updates: got %d, want 21", a.Version)
	}
}

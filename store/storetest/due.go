package storetest

import (
	"fmt"
	"time"

	"recado/acs"
)

var dueCases = []testCase{
	{"live/pending and watched actions, oldest first", (*env).liveActions},
	{"due/the longest overdue first", (*env).dueOrder},
	{"due/exactly at the deadline", (*env).dueExactly},
	{"due/the end of a watch", (*env).dueWatch},
	{"due/writes nothing", (*env).dueReads},
	{"due/thousands in one instant", (*env).dueMany},
	{"waiting/devices with a pending action", (*env).waitingDevices},
}

func (e *env) wantLive(what, device string, want ...acs.Action) {
	e.Helper()
	e.same(what, try(e.LiveActions(e.ctx, device)).get(e, "live actions"), want)
}

func (e *env) liveActions() {
	e.wantLive("nothing yet", "cpe-1")
	first := e.create(e.action("cli_1", "cpe-1"))
	second := e.create(e.action("cli_2", "cpe-1"))
	e.create(e.action("cli_1", "cpe-10"))
	e.pass(time.Second)
	third := e.create(e.action("cli_1", "cpe-1"))
	e.wantLive("three pending", "cpe-1", first, second, third)

	e.finish(second, acs.StatusSuccess)
	e.wantLive("one finished", "cpe-1", first, third)
	e.pass(time.Hour)
	first.WatchUntil = e.now().Add(24 * time.Hour)
	first, _ = e.finish(first, acs.StatusTimeout)
	e.wantLive("one under watch", "cpe-1", first, third)
	first.WatchUntil = time.Time{}
	_, err := e.UpdateAction(e.ctx, first, acs.Outbox{})
	e.ok("end the watch", err)
	e.wantLive("watch ended", "cpe-1", third)
	e.finish(third, acs.StatusTimeout)
	e.wantLive("all finished", "cpe-1")
}

// wantDue fails where DueActions(limit) does not list these, in this order, and next.
func (e *env) wantDue(what string, limit int, next time.Time, want ...acs.Action) {
	e.Helper()
	got, gotNext, err := e.DueActions(e.ctx, limit)
	e.ok("due actions", err)
	e.same(what, got, want)
	e.same(what+": next", gotNext, next)
}

func (e *env) dueOrder() {
	e.wantDue("nothing yet", 10, time.Time{})
	var as []acs.Action
	for _, minutes := range []int{30, 10, 20, 40} {
		a := e.action("cli_1", fmt.Sprintf("cpe-%d", minutes%3))
		a.DeadlineAt = e.now().Add(time.Duration(minutes) * time.Minute)
		as = append(as, e.create(a))
	}
	e.wantDue("none is due", 10, as[1].DeadlineAt)
	e.pass(35 * time.Minute)
	e.wantDue("three are due", 10, as[3].DeadlineAt, as[1], as[2], as[0])
	e.wantDue("limited", 2, as[3].DeadlineAt, as[1], as[2])
	e.finish(as[2], acs.StatusTimeout)
	e.wantDue("one finished", 10, as[3].DeadlineAt, as[1], as[0])
	e.finish(as[3], acs.StatusSuccess)
	e.wantDue("the last is finished", 10, time.Time{}, as[1], as[0])
}

func (e *env) dueExactly() {
	if !e.exact() {
		return // the clock does not stand still
	}
	a := e.create(e.action("cli_1", "cpe-1"))
	e.pass(time.Hour - time.Millisecond)
	e.wantDue("a millisecond early", 10, a.DeadlineAt)
	e.pass(time.Millisecond)
	e.wantDue("at the deadline", 10, time.Time{}, a)
}

func (e *env) dueWatch() {
	a := e.create(e.action("cli_1", "cpe-1"))
	e.pass(time.Hour)
	a.WatchUntil = e.now().Add(24 * time.Hour)
	a, _ = e.finish(a, acs.StatusTimeout)
	e.wantDue("watched", 10, a.WatchUntil)
	e.pass(24 * time.Hour)
	e.wantDue("at the end of the watch", 10, time.Time{}, a)
	a.WatchUntil = time.Time{}
	_, err := e.UpdateAction(e.ctx, a, acs.Outbox{})
	e.ok("end the watch", err)
	e.wantDue("watch ended", 10, time.Time{})
}

func (e *env) dueReads() {
	a := e.create(e.action("cli_1", "cpe-1"))
	e.pass(2 * time.Hour)
	for range 3 {
		e.wantDue("again and again", 10, time.Time{}, a)
	}
	e.same("read", e.read(a.ID), a)
}

func (e *env) dueMany() {
	const n = 2000
	at := e.now().Add(time.Hour)
	e.many(n, func(i int) {
		a := e.action("cli_1", fmt.Sprintf("cpe-%d", i%100))
		a.DeadlineAt = at
		e.create(a)
	})
	e.pass(at.Sub(e.now()) + time.Minute)
	seen := make(map[acs.Protocolo]bool)
	for len(seen) < n {
		due, next, err := e.DueActions(e.ctx, 500)
		e.ok("due actions", err)
		if len(due) != 500 || !next.IsZero() {
			e.Fatalf("after %d of %d: got %d due and next %v, want 500 and none", len(seen), n, len(due), next)
		}
		e.many(len(due), func(i int) { e.finish(due[i], acs.StatusTimeout) })
		for _, a := range due {
			if seen[a.ID] {
				e.Fatalf("action %s was due a second time after its verdict", a.ID)
			}
			seen[a.ID] = true
		}
	}
	e.wantDue("all finished", 10, time.Time{})
}

func (e *env) waitingDevices() {
	want := func(what string, devices ...string) {
		e.Helper()
		e.same(what, sorted(try(e.WaitingDevices(e.ctx)).get(e, "waiting devices")), devices)
	}
	want("nothing yet")
	a := e.create(e.action("cli_1", "cpe-1"))
	b := e.create(e.action("cli_1", "cpe-1"))
	c := e.create(e.action("cli_1", "cpe-2"))
	want("three actions, two devices", "cpe-1", "cpe-2")
	e.finish(a, acs.StatusSuccess)
	want("one finished", "cpe-1", "cpe-2")
	e.pass(time.Hour)
	c.WatchUntil = e.now().Add(time.Hour)
	e.finish(c, acs.StatusTimeout)
	want("a watched action does not wait", "cpe-1")
	e.finish(b, acs.StatusTimeout)
	want("all finished")
}

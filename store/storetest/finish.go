package storetest

import (
	"fmt"
	"time"

	"recado/acs"
	"recado/webhook"
)

var finishCases = []testCase{
	{"finish/stores the verdict and its outbox", (*env).finishStores},
	{"finish/only once", (*env).finishOnce},
	{"finish/of an old version is a conflict", (*env).finishConflicts},
	{"finish/wants a verdict", (*env).finishWantsVerdict},
	{"finish/no timeout before the deadline", (*env).finishNotDue},
	{"finish/nothing but a timeout from the deadline on", (*env).finishPastDeadline},
	{"finish/the values of parameters are gone", (*env).finishForgetsValues},
}

func (e *env) finishStores() {
	to := []webhook.Endpoint{e.endpoint("cli_1"), e.endpoint("cli_1")}
	for i, s := range []acs.Status{acs.StatusSuccess, acs.StatusFailure, acs.StatusCancelled} {
		a := e.create(e.action("cli_1", "cpe-1"))
		final, o := e.verdict(a, s, to...)
		final.Reason, final.Fault = acs.ReasonDeviceFault, &acs.Fault{Source: "cpe", Code: 9002, String: "Internal error"}
		got, err := e.FinishAction(e.ctx, final, o)
		e.ok("finish", err)
		final.Version, final.Sequence = 2, uint64(i)+1
		e.same("finished", got, final)
		e.same("read", e.read(a.ID), final)
		e.wantPosted(o, final.Sequence)
	}
}

func (e *env) finishOnce() {
	a := e.create(e.action("cli_1", "cpe-1"))
	won, _ := e.finish(a, acs.StatusSuccess)
	e.pass(2 * time.Hour) // whatever the time is
	for _, version := range []uint64{a.Version, won.Version} {
		for _, s := range []acs.Status{acs.StatusSuccess, acs.StatusFailure, acs.StatusTimeout, acs.StatusCancelled} {
			a.Version = version
			final, o := e.verdict(a, s, e.endpoint("cli_1"))
			_, err := e.FinishAction(e.ctx, final, o)
			e.wantErr(fmt.Sprintf("second verdict %s, version %d", s, version), err, acs.ErrFinished)
			e.wantNotPosted(o)
		}
	}
	e.same("the first verdict stands", e.read(a.ID), won)
}

func (e *env) finishConflicts() {
	a := e.create(e.action("cli_1", "cpe-1"))
	b, err := e.UpdateAction(e.ctx, a, acs.Outbox{})
	e.ok("update", err)
	final, o := e.verdict(a, acs.StatusSuccess, e.endpoint("cli_1"))
	_, err = e.FinishAction(e.ctx, final, o)
	e.wantErr("finish the old version", err, acs.ErrConflict)
	e.same("after it", e.read(a.ID), b)
	e.wantNotPosted(o)
	b, _ = e.finish(b, acs.StatusSuccess)
	if b.Sequence != 1 {
		e.Errorf("sequence after a refused verdict: got %d, want 1", b.Sequence)
	}
}

func (e *env) finishWantsVerdict() {
	a := e.create(e.action("cli_1", "cpe-1"))
	final, o := e.verdict(a, acs.StatusPending, e.endpoint("cli_1"))
	_, err := e.FinishAction(e.ctx, final, o)
	e.wantAnyErr("finish as pending", err)
	e.same("after it", e.read(a.ID), a)
	e.wantNotPosted(o)
}

func (e *env) finishNotDue() {
	a := e.create(e.action("cli_1", "cpe-1"))
	e.pass(time.Hour - time.Second)
	early, o := e.verdict(a, acs.StatusTimeout, e.endpoint("cli_1"))
	early.FinishedAt = a.DeadlineAt.Add(time.Hour) // what the caller's clock says counts for nothing
	_, err := e.FinishAction(e.ctx, early, o)
	e.wantErr("timeout a second before the deadline", err, acs.ErrNotDue)
	e.same("after it", e.read(a.ID), a)
	e.wantNotPosted(o)
	e.pass(time.Second)
	_, err = e.FinishAction(e.ctx, early, o)
	e.ok("timeout at the deadline", err)
	e.wantPosted(o, 1)
}

func (e *env) finishPastDeadline() {
	to := e.endpoint("cli_1")
	a, inTime := e.create(e.action("cli_1", "cpe-1")), e.create(e.action("cli_1", "cpe-1"))
	e.pass(time.Hour - time.Second)
	e.finish(inTime, acs.StatusSuccess)
	for range 2 {
		e.pass(time.Second)
		for _, s := range []acs.Status{acs.StatusSuccess, acs.StatusFailure, acs.StatusCancelled} {
			final, o := e.verdict(a, s, to)
			final.FinishedAt = a.CreatedAt
			_, err := e.FinishAction(e.ctx, final, o)
			e.wantErr(string(s)+" at or after the deadline", err, acs.ErrPastDeadline)
			e.wantNotPosted(o)
		}
	}
	e.same("after the refusals", e.read(a.ID), a)
	e.finish(a, acs.StatusTimeout, to)
}

func (e *env) finishForgetsValues() {
	a := e.action("cli_1", "cpe-1")
	a.Kind = acs.KindParametersUpdate
	a.Parameters = []acs.Parameter{
		{Name: "Device.WiFi.SSID.1.SSID", Value: "home", Type: "xsd:string"},
		{Name: "Device.WiFi.AccessPoint.1.Security.KeyPassphrase", Value: "hidden", Type: "xsd:string"},
	}
	a = e.create(a)
	e.same("pending", e.read(a.ID).Parameters, a.Parameters)
	final, _ := e.finish(a, acs.StatusSuccess)
	want := []acs.Parameter{{Name: a.Parameters[0].Name, Type: "xsd:string"}, {Name: a.Parameters[1].Name, Type: "xsd:string"}}
	e.same("finished", final.Parameters, want)
	e.same("read", e.read(a.ID).Parameters, want)

	final.Parameters = a.Parameters
	again, err := e.UpdateAction(e.ctx, final, acs.Outbox{})
	e.ok("update with values", err)
	e.same("updated", again.Parameters, want)
	e.same("read", e.read(a.ID).Parameters, want)
}

package storetest

import (
	"flag"
	"fmt"
	"sync"

	"recado/acs"
	"recado/webhook"
)

var raceCases = []testCase{
	{"race/two verdicts, one wins", (*env).raceVerdicts},
	{"race/a verdict and an update, one wins", (*env).raceUpdate},
	{"race/a verdict and the deletion of its endpoint", (*env).raceDelete},
}

var rounds = flag.Int("storetest.rounds", 1000, "rounds of the races between two verdicts")

func (e *env) raceVerdicts() {
	to := e.endpoint("cli_1")
	for round := range *rounds {
		a := e.create(e.action("cli_1", "cpe-1"))
		var (
			finals [2]acs.Action
			outs   [2]acs.Outbox
			got    [2]acs.Action
			errs   [2]error
			wg     sync.WaitGroup
		)
		for i, s := range []acs.Status{acs.StatusSuccess, acs.StatusFailure} {
			finals[i], outs[i] = e.verdict(a, s, to)
		}
		for i := range finals {
			wg.Go(func() { got[i], errs[i] = e.FinishAction(e.ctx, finals[i], outs[i]) })
		}
		wg.Wait()
		winner := 0
		if errs[0] != nil {
			winner = 1
		}
		e.ok("the winner", errs[winner])
		e.wantErr("the loser", errs[1-winner], acs.ErrFinished)
		e.same("what is stored", e.read(a.ID), got[winner])
		e.same("who won", got[winner].Status, finals[winner].Status)
		e.same("the winner's sequence", got[winner].Sequence, uint64(round+1))
		e.wantPosted(outs[winner], uint64(round+1))
		e.wantNotPosted(outs[1-winner])
	}
}

func (e *env) raceUpdate() {
	for round := range min(*rounds, 100) {
		// An update that wins leaves its action pending: a device of its own each, so that no queue fills.
		a := e.create(e.action("cli_1", fmt.Sprint("cpe-", round)))
		final, o := e.verdict(a, acs.StatusSuccess)
		var (
			wg              sync.WaitGroup
			finish, updated error
		)
		wg.Go(func() { _, finish = e.FinishAction(e.ctx, final, o) })
		wg.Go(func() { _, updated = e.UpdateAction(e.ctx, a, acs.Outbox{}) })
		wg.Wait()
		if finish == nil {
			e.wantErr("the update that lost", updated, acs.ErrFinished)
		} else {
			e.ok("the update that won", updated)
			e.wantErr("the verdict that lost", finish, acs.ErrConflict)
			e.wantNotPosted(o)
		}
	}
}

func (e *env) raceDelete() {
	for range min(*rounds, 50) {
		to := e.endpoint("cli_1")
		a := e.create(e.action("cli_1", "cpe-1"))
		final, o := e.verdict(a, acs.StatusSuccess, to)
		var (
			wg             sync.WaitGroup
			finish, delete error
		)
		wg.Go(func() { _, finish = e.FinishAction(e.ctx, final, o) })
		wg.Go(func() { delete = e.DeleteEndpoint(e.ctx, to.ID) })
		wg.Wait()
		e.ok("finish", finish)
		e.ok("delete", delete)
		e.wantCancelled(o.Deliveries[0].ID)
	}
	all := tryAll(e.Deliveries(e.ctx, webhook.DeliveryFilter{States: []webhook.DeliveryState{webhook.DeliveryPending}})).get(e, "pending deliveries")
	e.same("pending deliveries to nowhere", deliveryIDs(all), []string(nil))
}

package storetest

import (
	"fmt"
	"time"

	"recado/webhook"
)

var paceCases = []testCase{
	{"priority/the higher goes first, of one priority the older", (*env).priorities},
	{"priority/never past its OrderKey", (*env).prioritiesInOrder},
	{"pace/what is not allowed waits, and wakes for it", (*env).paceAllows},
	{"pace/asked once for each lease", (*env).paceAsked},
	{"turns/the last places are for those without a lease", (*env).turnsReserved},
	{"turns/a lease tells how much is pending", (*env).leasePending},
	{"depth/pending deliveries by client", (*env).queueDepth},
}

func (e *env) priorities() {
	to := e.endpoint("cli_1")
	p := []webhook.Priority{0, -1, 1, 0, 1, -1}
	ds := e.queue(to, len(p), func(i int, d *webhook.Delivery) { d.Priority = p[i] })
	one := limits
	one.Total = 1
	for i, want := range []int{2, 4, 0, 3, 1, 5} {
		e.wantClaim(fmt.Sprintf("claim %d", i+1), one, ds[want])
	}
	e.pass(limits.Lease)
	leases, _ := e.claim(limits)
	e.same("in one claim", leasedIDs(leases), []string{ds[2].ID, ds[4].ID, ds[0].ID, ds[3].ID, ds[1].ID, ds[5].ID})
}

func (e *env) prioritiesInOrder() {
	to := e.endpoint("cli_1")
	ds := e.queue(to, 4, func(i int, d *webhook.Delivery) {
		d.OrderKey = []string{"x", "x", "y", "x"}[i]
		d.Priority = webhook.Priority(i - 1)
	})
	one := limits
	one.PerEndpoint = 1
	for i, want := range []int{2, 0, 1, 3} {
		e.delivered(e.wantClaim(fmt.Sprintf("claim %d", i+1), one, ds[want])[0])
	}
}

// slots allows n leases to each endpoint, and the next ones at again.
func slots(n int, again time.Time) (func(webhook.Endpoint) time.Time, map[string]int) {
	asked := make(map[string]int)
	return func(ep webhook.Endpoint) time.Time {
		if asked[ep.ID]++; asked[ep.ID] > n {
			return again
		}
		return time.Time{}
	}, asked
}

func (e *env) paceAllows() {
	a, b := e.endpoint("cli_1"), e.endpoint("cli_1")
	da, db := e.queue(a, 4), e.queue(b, 1)
	soon := e.now().Add(10 * time.Second)
	l := limits
	l.Allow, _ = slots(2, soon)
	leases, wake := e.claim(l)
	e.same("two of each", sorted(leasedIDs(leases)), sorted([]string{da[0].ID, da[1].ID, db[0].ID}))
	e.same("wake", wake, soon)
	l.Allow, _ = slots(0, soon)
	e.wantWake("none is allowed", l, soon)
	l.Allow, _ = slots(0, e.now().Add(time.Hour))
	if _, wake = e.claim(l); e.exact() {
		e.same("wake: the leases end before", wake, leases[0].Delivery.NextAt.Add(limits.Lease))
	}
	l.Allow, _ = slots(2, soon)
	e.wantClaim("allowed again", l, da[2], da[3])
}

func (e *env) paceAsked() {
	to := e.endpoint("cli_1", func(ep *webhook.Endpoint) { ep.Concurrency = 2 })
	held := e.endpoint("cli_1", func(ep *webhook.Endpoint) { ep.HoldUntil = e.now().Add(time.Hour) })
	paused := e.endpoint("cli_1", func(ep *webhook.Endpoint) { ep.State = webhook.EndpointPaused })
	for _, ep := range []webhook.Endpoint{to, held, paused} {
		e.queue(ep, 3)
	}
	l := limits
	allow, asked := slots(100, time.Time{})
	l.Allow = func(ep webhook.Endpoint) time.Time {
		if ep.ID == to.ID {
			e.same("the endpoint that is asked for", ep, to)
		}
		return allow(ep)
	}
	leases, _ := e.claim(l)
	if len(leases) != 2 || asked[to.ID] != 2 || len(asked) != 1 {
		e.Errorf("got %d leases and asked %v, want 2, and two questions about %s", len(leases), asked, to.ID)
	}
	e.claim(l)
	e.same("asked while the endpoint is full", asked[to.ID], 2)
}

func (e *env) turnsReserved() {
	slow, quick := e.endpoint("cli_1"), e.endpoint("cli_1")
	s := e.queue(slow, 20)
	l := limits
	l.Total, l.Reserved = 8, 3
	first := e.wantClaim("all but the reserved ones, and one of these is its first", l, s[:5]...)
	q := e.queue(quick, 4)
	l.Total = 8 - len(first)
	e.wantClaim("what is reserved", l, q[0])
	third := e.queue(e.endpoint("cli_1"), 2)
	l.Total--
	e.wantClaim("for the next one", l, third[0])
	l.Total--
	e.wantClaim("nobody else is there", l)
}

func (e *env) leasePending() {
	to := e.endpoint("cli_1")
	e.queue(to, 5)
	leases, _ := e.claim(limits)
	for _, l := range leases {
		e.same("pending", l.Pending, 5)
	}
	e.delivered(leases[0])
	e.putOff(leases[1], e.fault(webhook.ErrorDNS))
	e.pass(limits.Lease)
	leases, _ = e.claim(limits)
	e.same("pending, one delivered", leases[0].Pending, 4)
}

func (e *env) wantDepth(what, client string, want int) {
	e.Helper()
	e.same(what, try(e.QueueDepth(e.ctx, client)).get(e, "queue depth"), want)
}

func (e *env) queueDepth() {
	e.wantDepth("nothing", "cli_1", 0)
	a, b, other := e.endpoint("cli_1"), e.endpoint("cli_1"), e.endpoint("cli_2")
	da := e.queue(a, 5, keyed("x", "x", "", "", ""))
	e.queue(b, 2, func(_ int, d *webhook.Delivery) { d.NextAt = e.now().Add(time.Hour) })
	e.queue(other, 1)
	e.wantDepth("of two endpoints", "cli_1", 7)
	e.wantDepth("of another client", "cli_2", 1)
	l := e.wantClaimOf(da[0].ID)
	e.wantDepth("under way", "cli_1", 7)
	e.delivered(l)
	e.wantDepth("delivered", "cli_1", 6)
	_, err := e.Redeliver(e.ctx, da[0].ID)
	e.ok("redeliver", err)
	e.wantDepth("again", "cli_1", 7)
	e.ok("delete", e.DeleteEndpoint(e.ctx, a.ID))
	e.wantDepth("an endpoint deleted", "cli_1", 2)
	e.ok("delete", e.DeleteEndpoint(e.ctx, b.ID))
	e.wantDepth("both deleted", "cli_1", 0)
	e.wantDepth("the other client", "cli_2", 1)
}

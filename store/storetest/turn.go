package storetest

import (
	"fmt"
	"time"

	"recado/webhook"
)

var turnCases = []testCase{
	{"turns/an endpoint with much waiting delays no other", (*env).turnsInOneClaim},
	{"turns/go on where the last claim stopped", (*env).turnsOverClaims},
	{"order/one key, one after the other", (*env).orderKeys},
	{"order/a retry holds its key", (*env).orderRetry},
	{"order/keys are the endpoint's own", (*env).orderPerEndpoint},
	{"order/an old delivery that comes back goes first", (*env).orderRedelivered},
}

func (e *env) turnsInOneClaim() {
	busy := e.endpoint("cli_1")
	e.queue(busy, 50)
	var quiet []webhook.Endpoint
	for range 4 {
		quiet = append(quiet, e.endpoint("cli_1"))
		e.queue(quiet[len(quiet)-1], 1)
	}
	l := limits
	l.Total = 5
	leases, _ := e.claim(l)
	e.same("endpoints in a claim of 5", sorted(leasedEndpoints(leases)), sorted(endpointIDs(append(quiet, busy))))
}

func leasedEndpoints(leases []webhook.Lease) []string {
	return mapped(leases, func(l *webhook.Lease) string { return l.Delivery.Endpoint })
}

func (e *env) turnsOverClaims() {
	const endpoints = 5
	var all []webhook.Endpoint
	for i := range endpoints {
		all = append(all, e.endpoint("cli_1"))
		e.queue(all[i], 20)
	}
	for _, total := range []int{1, 2, 3} {
		l := limits
		l.Total = total
		count := make(map[string]int)
		for range endpoints * 2 {
			leases, _ := e.claim(l)
			for _, lease := range leases {
				count[lease.Delivery.Endpoint]++
			}
		}
		for _, ep := range all {
			if count[ep.ID] != 2*total {
				e.Errorf("%d claims of %d over %d endpoints: got %d leases for one, want %d for each", endpoints*2, total, endpoints, count[ep.ID], 2*total)
			}
		}
	}
}

// keyed gives the deliveries that queue makes these order keys, one each.
func keyed(keys ...string) func(int, *webhook.Delivery) {
	return func(i int, d *webhook.Delivery) { d.OrderKey = keys[i] }
}

func (e *env) orderKeys() {
	to := e.endpoint("cli_1")
	ds := e.queue(to, 6, keyed("x", "x", "", "y", "x", ""))
	first := e.wantClaim("the oldest of each key, all without one", limits, ds[0], ds[2], ds[3], ds[5])
	e.wantClaim("while they are leased", limits)
	e.delivered(first[0])
	l := e.wantClaim("the next of the key", limits, ds[1])[0]
	e.settle(l, webhook.Attempt{At: e.now(), Class: webhook.ErrorDNS}, webhook.Settlement{State: webhook.DeliveryDead})
	e.wantClaim("after a dead one, too", limits, ds[4])
}

func (e *env) orderRetry() {
	to := e.endpoint("cli_1")
	ds := e.queue(to, 2, keyed("x", "x"))
	l := e.wantClaim("the older", limits, ds[0])[0]
	e.settle(l, webhook.Attempt{At: e.now(), Class: webhook.ErrorDNS},
		webhook.Settlement{State: webhook.DeliveryPending, NextAt: e.now().Add(time.Hour)})
	e.wantWake("the older waits, and the younger with it", limits, e.readDelivery(ds[0].ID).NextAt)
	e.pass(time.Hour)
	l = e.wantClaim("the older again", limits, ds[0])[0]
	e.pass(limits.Lease)
	l = e.wantClaim("its lease ran out: the older again", limits, l.Delivery)[0]
	e.delivered(l)
	e.wantClaim("the younger", limits, ds[1])
}

func (e *env) orderPerEndpoint() {
	a, b := e.endpoint("cli_1"), e.endpoint("cli_1")
	later := func(_ int, d *webhook.Delivery) { d.OrderKey, d.NextAt = "x", e.now().Add(time.Hour) }
	e.queue(a, 1, later)
	younger := e.queue(b, 1, keyed("x"))
	e.queue(a, 1, keyed("x"))
	e.wantClaim("only the other endpoint's", limits, younger...)
}

func (e *env) orderRedelivered() {
	to := e.endpoint("cli_1")
	old := e.queue(to, 1, keyed("x"))[0]
	e.delivered(e.wantClaim("the old one", limits, old)[0])
	young := e.queue(to, 2, keyed("x", "x"))
	_, err := e.Redeliver(e.ctx, old.ID)
	e.ok("redeliver", err)
	for i, want := range []webhook.Delivery{old, young[0], young[1]} {
		e.delivered(e.wantClaim(fmt.Sprintf("claim %d", i), limits, want)[0])
	}
}

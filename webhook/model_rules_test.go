package webhook_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"recado/webhook"
)

// The rules that the queue is held to.

func (d *modelDelivery) leased(now time.Time) bool {
	return d.lease != nil && now.Before(d.lease.until)
}

func (d *modelDelivery) pending() bool { return d.stored && d.state == webhook.DeliveryPending }

// isDue: its time has come, or its endpoint was released since that was set.
func (d *modelDelivery) isDue(now time.Time) bool { return !d.due.After(now) || d.set < d.e.released }

// behind gives the older delivery that goes before this one, nil where there is none.
func (d *modelDelivery) behind() *modelDelivery {
	for _, o := range d.e.deliveries {
		switch {
		case o == d:
			return nil
		case d.key != "" && o.key == d.key && o.pending():
			return o
		}
	}
	return nil
}

// opens is from when an endpoint may be asked; ok is false for never.
func (m *modelEndpoint) opens() (at time.Time, probe, ok bool) {
	if m.deleted {
		return time.Time{}, false, false
	}
	switch m.state {
	case webhook.EndpointActive:
		return m.hold, false, true
	case webhook.EndpointFailing:
		if m.probeAt.After(m.hold) {
			return m.probeAt, true, true
		}
		return m.hold, true, true
	}
	return time.Time{}, false, false
}

func (m *modelEndpoint) atOnce(probe bool) int {
	switch {
	case probe:
		return 1
	case m.concurrency == 0:
		return 4
	}
	return m.concurrency
}

func (m *modelEndpoint) held(now time.Time) (n int) {
	for _, d := range m.deliveries {
		if d.leased(now) {
			n++
		}
	}
	return n
}

// claimable reports whether a delivery may be claimed, as far as it alone goes.
func (d *modelDelivery) claimable(now time.Time) bool {
	return d.pending() && !d.leased(now) && (d.e.state == webhook.EndpointFailing || d.isDue(now)) && d.behind() == nil
}

// ClaimDeliveries holds each lease to the rules.
func (j *judge) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storeFails() {
		return nil, time.Time{}, errStore
	}
	now := time.Now()
	leases, wake, err := j.inner.ClaimDeliveries(ctx, l)
	if err != nil {
		j.fail("claim: %v", err)
		return leases, wake, err
	}
	if len(leases) > l.Total {
		j.fail("claimed %d, want %d at the most", len(leases), l.Total)
	}
	for i := range leases {
		j.claimed(&leases[i], now.Add(l.Lease), now)
	}
	return leases, wake, nil
}

func (j *judge) claimed(l *webhook.Lease, until, now time.Time) {
	d := j.deliveries[l.Delivery.ID]
	if d == nil {
		j.fail("claimed %s, which nobody stored", l.Delivery.ID)
		return
	}
	m := d.e
	opens, probe, ok := m.opens()
	switch {
	case !d.pending():
		j.fail("claimed %s, which is %s", d.id, d.state)
	case d.leased(now):
		j.fail("claimed %s, which is under way", d.id)
	case !ok:
		j.fail("claimed %s of an endpoint that is %s (deleted %v)", d.id, m.state, m.deleted)
	case now.Before(opens):
		j.fail("claimed %s %v before its endpoint, %s, may be asked", d.id, opens.Sub(now), m.state)
	case !probe && !d.isDue(now):
		j.fail("claimed %s %v before it is due", d.id, d.due.Sub(now))
	case l.Probe != probe:
		j.fail("claimed %s of an endpoint that is %s: got probe %v", d.id, m.state, l.Probe)
	}
	if o := d.behind(); o != nil {
		j.fail("claimed %s (%s) before %s, which is older", d.id, d.key, o.id)
	}
	if held, most := m.held(now), m.atOnce(probe); held >= most {
		j.fail("claimed %s while %d are under way at its endpoint, want %d at the most", d.id, held, most)
	}
	if l.Delivery.Attempts != d.attempts || l.Delivery.Tries != d.tries {
		j.fail("claimed %s with %d attempts and %d tries, want %d and %d", d.id, l.Delivery.Attempts, l.Delivery.Tries, d.attempts, d.tries)
	}
	for _, o := range m.deliveries {
		older := slices.Index(m.deliveries, o) < slices.Index(m.deliveries, d)
		if o != d && o.claimable(now) && (o.priority > d.priority || o.priority == d.priority && older) {
			j.fail("claimed %s, priority %d, before %s, priority %d, which could have gone first", d.id, d.priority, o.id, o.priority)
			break
		}
	}
	j.pace(m, now)
	if probe {
		j.tally.Probes++
	}
	d.lease = &modelLease{token: l.Token, until: until, probe: probe, url: m.url, failures: m.failures, since: m.since, schedule: m.schedule}
}

// pace: no more attempts begin in any minute than the endpoint asked for.
func (j *judge) pace(m *modelEndpoint, now time.Time) {
	m.begun = append(m.begun, now)
	if n := m.begunIn(time.Minute, now); m.perMinute > 0 && n > m.perMinute {
		j.fail("%d attempts at %s within a minute, want %d at the most", n, m.id, m.perMinute)
	}
	if n := m.begunIn(time.Second, now); n > webhook.DefaultHostPerSecond {
		j.fail("%d attempts at the host of %s within a second, want %d at the most", n, m.id, webhook.DefaultHostPerSecond)
	}
}

// begunIn counts the attempts that began in a time that ends now.
func (m *modelEndpoint) begunIn(length time.Duration, now time.Time) (n int) {
	for i := len(m.begun) - 1; i >= 0 && now.Sub(m.begun[i]) < length; i-- {
		n++
	}
	return n
}

// lookForLate looks, when all is quiet, for what should have gone out by now.
func (j *judge) lookForLate() {
	j.mu.Lock()
	defer j.mu.Unlock()
	const slack = 1100 * time.Millisecond
	now := time.Now()
	before := now.Add(-slack)
	if g := j.gen; g == nil || g.dead || g.stopping || g.began.After(before) || now.Before(j.storeFailsUntil.Add(15*time.Second)) || j.running >= 17 {
		return
	}
	for _, id := range j.endpointOrder {
		m := j.endpoints[id]
		opens, probe, ok := m.opens()
		if !ok || opens.After(before) || m.held(now) >= m.atOnce(probe) ||
			m.perMinute > 0 && m.begunIn(61*time.Second, now) > 0 || m.begunIn(time.Second, now) > 10 { // it may be the pace that holds it
			continue
		}
		for _, d := range m.deliveries {
			if d.claimable(now) && (d.isDue(before) || probe) {
				j.fail("%s is due since %v, its endpoint is %s, and it was not sent", d.id, d.due, m.state)
				return
			}
		}
	}
}

// RecordAttempt holds what an attempt did to the rules.
func (j *judge) RecordAttempt(ctx context.Context, l webhook.Lease, a webhook.Attempt, s webhook.Settlement) (webhook.EndpointState, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storeFails() {
		return "", errStore
	}
	now := time.Now()
	became, err := j.inner.RecordAttempt(ctx, l, a, s)
	d := j.deliveries[l.Delivery.ID]
	if d == nil {
		j.fail("an attempt was recorded of %s, which nobody stored", l.Delivery.ID)
		return became, err
	}
	if !d.leased(now) || d.lease.token != l.Token || d.e.deleted {
		j.tally.LostLeases++
		if !d.running {
			d.answer = nil
		}
		if !errors.Is(err, webhook.ErrLeaseLost) && !errors.Is(err, webhook.ErrNotFound) {
			j.fail("an attempt of %s was recorded without its lease: got %v", d.id, err)
		}
		return became, err
	}
	switch {
	case err != nil:
		j.fail("record an attempt of %s: %v", d.id, err)
		return became, err
	case d.answer == nil:
		j.fail("an attempt of %s was recorded before it was answered", d.id)
		return became, err
	}
	j.settle(d, s, became, now)
	return became, err
}

// settle applies the answer to the model, and compares the store with it.
func (j *judge) settle(d *modelDelivery, s webhook.Settlement, became webhook.EndpointState, now time.Time) {
	m, l, a := d.e, d.lease, *d.answer
	d.lease, d.answer = nil, nil
	d.attempts++
	j.number++
	stored, err := j.inner.Delivery(context.Background(), d.id)
	if err != nil {
		j.fail("delivery %s after an attempt: %v", d.id, err)
		return
	}
	d.due, d.set = stored.NextAt, j.number
	broken := errors.Is(a.err, context.Canceled) && j.gen.stopping
	switch wait, retryAfter := j.waits(d, l, a); {
	case broken:
		if wait := stored.NextAt.Sub(d.ended); wait != 0 {
			j.fail("%s, broken off by a stop: due after %v, want at once", d.id, wait)
		}
	case d.took:
		d.tries++
		if l.probe {
			j.say("  the breaker of %s closes", m.id)
		}
		d.state = webhook.DeliveryDelivered
		j.tally.Delivered++
	case a.status == http.StatusGone, !l.probe && d.tries >= len(l.schedule):
		d.tries++
		d.state = webhook.DeliveryDead
		j.tally.Dead++
	default:
		got, least, most := stored.NextAt.Sub(d.ended), max(wait*8/10, retryAfter), max(wait*12/10, retryAfter)+time.Microsecond
		if got < least-time.Microsecond || got > most {
			j.fail("%s, try %d of %v with Retry-After %v: due after %v, want %v to %v", d.id, d.tries+1, l.schedule, retryAfter, got, least, most)
		}
		if !l.probe {
			d.tries++
		}
	}
	if stored.State != d.state || stored.Attempts != d.attempts || stored.Tries != d.tries {
		j.fail("%s after %+v: stored as %s after %d attempts and %d tries, want %s, %d and %d",
			d.id, a, stored.State, stored.Attempts, stored.Tries, d.state, d.attempts, d.tries)
	}
	if broken || l.url != m.url {
		if became != "" {
			j.fail("%s became %s by an attempt that says nothing of it", m.id, became)
		}
		j.sameEndpoint("an attempt that says nothing of it", m)
		return
	}
	j.health(d, l, a, became, now)
	j.sameEndpoint("an attempt", m)
	if became == webhook.EndpointGone || became == webhook.EndpointDisabled {
		j.told(m, s)
	}
}

// waits gives the schedule's wait and what the receiver asked for.
func (j *judge) waits(d *modelDelivery, l *modelLease, a reply) (wait, retryAfter time.Duration) {
	wait = l.schedule[min(d.tries, len(l.schedule)-1)]
	if seconds, err := strconv.Atoi(a.retryAfter); err == nil {
		retryAfter = min(time.Duration(seconds)*time.Second, 24*time.Hour)
	} else if at, err := http.ParseTime(a.retryAfter); err == nil {
		retryAfter = max(0, at.Sub(d.ended))
	}
	if a.err != nil {
		retryAfter = 0
	}
	return wait, retryAfter
}

// health is what an attempt says of its endpoint.
func (j *judge) health(d *modelDelivery, l *modelLease, a reply, became webhook.EndpointState, now time.Time) {
	m, was := d.e, d.e.state
	_, retryAfter := j.waits(d, l, a)
	switch {
	case d.took:
		m.failures, m.since, m.faults = 0, time.Time{}, 0
	default:
		if m.failures++; m.since.IsZero() {
			m.since = d.ended
		}
		switch {
		case a.err == nil:
			m.faults = 0
		case !errors.Is(a.err, errPanics) && !errors.Is(a.err, net.ErrClosed):
			m.faults++
		}
	}
	if a.err == nil && (a.status == 429 || a.status == 503) {
		least, most := d.ended.Add(800*time.Millisecond), d.ended.Add(5*time.Second)
		if retryAfter > 0 {
			least, most = d.ended.Add(retryAfter), d.ended.Add(retryAfter)
		}
		j.held(m, least, most)
	}
	asked := d.ended // when the dispatcher judged; the store's clock may be later
	spent := m.failures >= 20 && now.Sub(m.since) >= 5*24*time.Hour
	first := l.since
	if first.IsZero() {
		first = d.ended
	}
	wanted := l.failures+1 >= 20 && asked.Sub(first) >= 5*24*time.Hour && !d.took
	working := was == webhook.EndpointActive || was == webhook.EndpointFailing
	switch {
	case a.err == nil && a.status == http.StatusGone && was != webhook.EndpointGone:
		m.state = webhook.EndpointGone
		j.tally.Gone++
	case a.err == nil && a.status == http.StatusGone:
	case spent && wanted && working:
		m.state = webhook.EndpointDisabled
		j.tally.Disabled++
	case l.probe && was == webhook.EndpointFailing && a.err == nil:
		m.state = webhook.EndpointActive
		j.tally.Closed++
		if d.took {
			m.released = j.number
		}
	case l.probe && was == webhook.EndpointFailing:
		m.probeWait = min(max(30*time.Second, 2*m.probeWait), 15*time.Minute)
		m.probeAt = now.Add(m.probeWait)
	case was == webhook.EndpointActive && m.faults >= 5:
		m.state, m.probeWait, m.probeAt = webhook.EndpointFailing, 30*time.Second, now.Add(30*time.Second)
		j.tally.Opened++
	}
	want := m.state
	if m.state == was {
		want = ""
	}
	if became != want {
		j.fail("an attempt (%+v) at %s, %s: the store says that it became %q, want %q", a, m.id, was, became, want)
	}
	if want != "" {
		j.say("  %s is %s", m.id, want)
	}
}

// held notes until when the receiver asked for quiet.
func (j *judge) held(m *modelEndpoint, least, most time.Time) {
	e, err := j.inner.Endpoint(context.Background(), m.id)
	if err != nil {
		j.fail("endpoint %s: %v", m.id, err)
		return
	}
	if least.Before(m.hold) {
		least = m.hold
	}
	if most.Before(m.hold) {
		most = m.hold
	}
	if e.HoldUntil.Before(least.Add(-time.Microsecond)) || e.HoldUntil.After(most.Add(time.Microsecond)) {
		j.fail("%s is held until %v, want %v to %v", m.id, e.HoldUntil, least, most)
	}
	m.hold = e.HoldUntil
	j.tally.Held++
}

// told: the client's other endpoints hear of the end of one, once.
func (j *judge) told(m *modelEndpoint, s webhook.Settlement) {
	if s.Outbox == nil || len(s.Outbox.Events) != 1 || s.Outbox.Events[0].Type != webhook.TypeEndpointDisabled {
		j.fail("%s is %s, and that is told by %+v, want one event", m.id, m.state, s.Outbox)
		return
	}
	var want, got []string
	for _, id := range j.endpointOrder {
		if o := j.endpoints[id]; o != m && o.client == m.client && !o.deleted {
			want = append(want, id)
		}
	}
	for _, d := range s.Outbox.Deliveries {
		got = append(got, d.Endpoint)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		j.fail("that %s is %s is told to %v, want %v", m.id, m.state, got, want)
	}
	j.tally.Told += len(got)
	j.expectLocked(s.Outbox.Events[0], s.Outbox.Deliveries)
	for _, d := range s.Outbox.Deliveries {
		j.deliveries[d.ID].stored = true
	}
}

// sameEndpoint compares the store's endpoint with the model's.
func (j *judge) sameEndpoint(after string, m *modelEndpoint) {
	e, err := j.inner.Endpoint(context.Background(), m.id)
	if err != nil {
		j.fail("endpoint %s after %s: %v", m.id, after, err)
		return
	}
	if e.State != m.state || e.TransportFaults != m.faults || e.ConsecutiveFailures != m.failures || !e.HoldUntil.Equal(m.hold) {
		j.fail("%s after %s: got %s with %d faults, %d failures, held until %v; want %s, %d, %d, %v", m.id, after,
			e.State, e.TransportFaults, e.ConsecutiveFailures, e.HoldUntil, m.state, m.faults, m.failures, m.hold)
	}
	if m.state == webhook.EndpointFailing && (!e.ProbeAt.Equal(m.probeAt) || e.ProbeWait != m.probeWait) {
		j.fail("%s after %s: the next probe is at %v after %v, want %v after %v", m.id, after, e.ProbeAt, e.ProbeWait, m.probeAt, m.probeWait)
	}
}

// finish looks through everything when all has ended.
func (j *judge) finish() {
	j.mu.Lock()
	defer j.mu.Unlock()
	ctx := context.Background()
	for _, id := range j.deliveryOrder {
		d := j.deliveries[id]
		if d.state == webhook.DeliveryPending {
			j.fail("%s is still pending in the end: %d tries, due %v, its endpoint is %s", id, d.tries, d.due, d.e.state)
		}
		stored, err := j.inner.Delivery(ctx, id)
		if err != nil {
			j.fail("%s is lost: %v", id, err)
			continue
		}
		if stored.State != d.state || stored.Attempts != d.attempts {
			j.fail("%s ends as %s after %d attempts, want %s and %d", id, stored.State, stored.Attempts, d.state, d.attempts)
		}
		attempts, err := j.inner.Attempts(ctx, id)
		if err != nil || len(attempts) != d.attempts {
			j.fail("%s has %d attempts on record, want %d (%v)", id, len(attempts), d.attempts, err)
		}
		for i, a := range attempts {
			if a.Number != i+1 {
				j.fail("%s: attempt %d on record has the number %d", id, i+1, a.Number)
			}
		}
	}
	for _, client := range []string{"c1", "c2"} {
		if n, err := j.inner.QueueDepth(ctx, client); n != 0 || err != nil {
			j.fail("in the end the queue of %s is %d deep, want 0 (%v)", client, n, err)
		}
	}
}

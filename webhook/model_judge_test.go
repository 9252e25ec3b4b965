package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"recado/webhook"
)

// judge is a store over the real one that watches what goes through it, and the model that this has to agree with. Everything passes
// through it one after the other, so that there is one history.
type judge struct {
	webhook.ReplayStore // nil: the model does not replay many at once, nor read statistics
	webhook.StatsStore
	life *life

	mu              sync.Mutex
	inner           webhook.Store
	gen             *generation
	storeFailsUntil time.Time
	running         int // attempts
	endpoints       map[string]*modelEndpoint
	endpointOrder   []string
	deliveries      map[string]*modelDelivery
	deliveryOrder   []string
	sequences       map[string]uint64
	number          int // of what happened last

	notes sync.Mutex
	tally tally
	wrong []string
	story []string
}

var _ webhook.Store = (*judge)(nil)

var errStore = errors.New("the disk is full for a while")

// modelEndpoint is an endpoint as far as what happened tells.
type modelEndpoint struct {
	id, client, url string
	secrets         [2]string // the old one until then
	oldUntil        time.Time
	order           webhook.Order
	bodyHeader      string
	concurrency     int
	perMinute       int
	schedule        []time.Duration
	number          int

	state            webhook.EndpointState
	faults, failures int
	since            time.Time
	probeAt          time.Time
	probeWait        time.Duration
	hold             time.Time
	released         int // number of the last release
	deleted          bool
	asked            int // requests
	begun            []time.Time
	deliveries       []*modelDelivery // oldest first
}

// modelDelivery is a delivery likewise.
type modelDelivery struct {
	id, event, key  string
	body            string
	e               *modelEndpoint
	priority        webhook.Priority
	state           webhook.DeliveryState
	attempts, tries int
	due             time.Time
	set             int // number of when due was set
	lease           *modelLease
	stored          bool // else it is about to be
	running         bool
	took            bool // the receiver took it, and nobody wanted it again
	killed          bool // since it took it, and before that was stored
	answer          *reply
	ended           time.Time
}

type modelLease struct {
	token    uint64
	until    time.Time
	probe    bool
	url      string
	failures int
	since    time.Time
	schedule []time.Duration
}

// generation is one run of a dispatcher.
type generation struct {
	judge    *judge
	began    time.Time
	dead     bool
	stopping bool
	killed   chan struct{}
}

func newJudge(l *life, inner webhook.Store) *judge {
	return &judge{
		life: l, inner: inner, endpoints: map[string]*modelEndpoint{}, deliveries: map[string]*modelDelivery{}, sequences: map[string]uint64{},
	}
}

func (j *judge) fail(format string, args ...any) {
	j.notes.Lock()
	defer j.notes.Unlock()
	text := time.Since(j.life.began).String() + ": " + fmt.Sprintf(format, args...)
	j.wrong = append(j.wrong, text)
	j.story = append(j.story, "WRONG "+text)
}

func (j *judge) say(format string, args ...any) {
	j.notes.Lock()
	defer j.notes.Unlock()
	j.story = append(j.story, time.Since(j.life.began).String()+" "+fmt.Sprintf(format, args...))
}

func (j *judge) newGeneration() *generation {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gen = &generation{judge: j, began: time.Now(), killed: make(chan struct{})}
	for _, e := range j.endpoints {
		e.begun = nil
	}
	return j.gen
}

func (j *judge) stopping(gen *generation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	gen.stopping = true
}

// die makes the generation's calls reach nobody any more.
func (j *judge) die() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gen.dead = true
	close(j.gen.killed)
	j.running = 0
	for _, d := range j.deliveries {
		d.killed = d.killed || d.took && d.state == webhook.DeliveryPending || d.running
		d.running, d.answer = false, nil
	}
}

// stopped is after a patient stop. Only while the store failed may an attempt have gone without a record.
func (j *judge) stopped(began time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, d := range j.deliveries {
		if d.answer == nil {
			continue
		}
		if !j.storeFailsUntil.After(began) {
			j.fail("%s was answered and not recorded by a patient stop", d.id)
		}
		d.killed, d.answer = true, nil
	}
}

// reopened is after a kill over files: leases died with the process.
func (j *judge) reopened(inner webhook.Store) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.inner = inner
	for _, d := range j.deliveries {
		d.lease = nil
	}
}

// over is the store as a generation sees it.
func (g *generation) over(s webhook.Store) webhook.QueueStore { return mortal{s, g} }

type mortal struct {
	webhook.Store
	gen *generation
}

func (m mortal) isDead() bool {
	m.gen.judge.mu.Lock()
	defer m.gen.judge.mu.Unlock()
	return m.gen.dead
}

func (m mortal) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	if m.isDead() {
		return nil, time.Time{}, errors.New("killed")
	}
	return m.Store.ClaimDeliveries(ctx, l)
}

func (m mortal) RecordAttempt(ctx context.Context, l webhook.Lease, a webhook.Attempt, s webhook.Settlement) (webhook.EndpointState, error) {
	if m.isDead() {
		return "", webhook.ErrLeaseLost
	}
	return m.Store.RecordAttempt(ctx, l, a, s)
}

func (j *judge) storeFails() bool { return time.Now().Before(j.storeFailsUntil) }

// What clients do.

func (j *judge) endpointIDs() (ids []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range j.endpointOrder {
		if !j.endpoints[id].deleted {
			ids = append(ids, id)
		}
	}
	return ids
}

func (j *judge) clientOf(id string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.endpoints[id].client
}

func (j *judge) seedOrder(id string) int { return j.endpoints[id].number }

func (j *judge) aDelivery() (id, client string, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.deliveryOrder) == 0 {
		return "", "", false
	}
	id = choose(j.life.rng, j.deliveryOrder...)
	return id, j.deliveries[id].e.client, true
}

func (j *judge) CreateEndpoint(ctx context.Context, e webhook.Endpoint) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storeFails() {
		return errStore
	}
	if err := j.inner.CreateEndpoint(ctx, e); err != nil {
		return err
	}
	m := &modelEndpoint{id: e.ID, client: e.Client, order: e.Order, bodyHeader: e.BodySignatureHeader, state: e.State, number: len(j.endpointOrder)}
	m.settings(&e)
	j.endpoints[e.ID] = m
	j.endpointOrder = append(j.endpointOrder, e.ID)
	return nil
}

func (m *modelEndpoint) settings(e *webhook.Endpoint) {
	if e.PerMinute != m.perMinute {
		m.begun = nil
	}
	m.url, m.concurrency, m.perMinute = e.URL, e.Concurrency, e.PerMinute
	m.secrets, m.oldUntil = [2]string{e.Secret, e.OldSecret}, e.OldSecretUntil
	if m.schedule = e.Schedule; len(m.schedule) == 0 {
		m.schedule = []time.Duration{
			5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
			2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
		}
	}
}

func (j *judge) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storeFails() {
		return webhook.Endpoint{}, errStore
	}
	after, err := j.inner.UpdateEndpoint(ctx, e)
	if err != nil {
		return after, err
	}
	j.number++
	m, now := j.endpoints[e.ID], time.Now()
	if m.url != e.URL { // another receiver
		m.faults, m.failures, m.since = 0, 0, time.Time{}
		if e.State == webhook.EndpointFailing {
			m.probeAt, m.probeWait = now, 0
		}
	}
	m.settings(&e)
	if e.State == webhook.EndpointActive && m.state != webhook.EndpointActive {
		m.faults, m.failures, m.since, m.released = 0, 0, time.Time{}, j.number
	}
	m.state, m.hold = e.State, e.HoldUntil
	j.sameEndpoint("a client's change", m)
	return after, nil
}

func (j *judge) DeleteEndpoint(ctx context.Context, id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storeFails() {
		return errStore
	}
	if err := j.inner.DeleteEndpoint(ctx, id); err != nil {
		return err
	}
	m := j.endpoints[id]
	m.deleted = true
	for _, d := range m.deliveries {
		if d.state == webhook.DeliveryPending {
			d.state, d.lease = webhook.DeliveryCancelled, nil
			j.tally.Cancelled++
		}
	}
	return nil
}

// expect tells the model what is going to be stored; forget that it was not.
func (j *judge) expect(e webhook.Event, ds []webhook.Delivery) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.expectLocked(e, ds)
}

func (j *judge) expectLocked(e webhook.Event, ds []webhook.Delivery) {
	j.number++
	body := string(e.Body)
	if e.SequenceAt > 0 {
		j.sequences[e.Device]++
		body = body[:e.SequenceAt] + strconv.FormatUint(j.sequences[e.Device], 10) + body[e.SequenceAt:]
	}
	for _, d := range ds {
		m := &modelDelivery{id: d.ID, event: e.ID, e: j.endpoints[d.Endpoint], priority: e.Priority, state: webhook.DeliveryPending, due: time.Now(), set: j.number, body: body}
		switch {
		case m.e.order == webhook.OrderFIFO:
			m.key = "all"
		case m.e.order == webhook.OrderDevice && e.Device != "":
			m.key = "device " + e.Device
		case e.Protocolo != "":
			m.key = "protocolo " + e.Protocolo
		}
		if m.e.bodyHeader != "" {
			m.body = strings.TrimSuffix(body, "}") + fmt.Sprintf(`,"event_type":%q,"event_id":%q}`, e.Type, e.ID)
		}
		if m.e.deleted {
			m.state = webhook.DeliveryCancelled
		}
		j.deliveries[d.ID] = m
		j.deliveryOrder = append(j.deliveryOrder, d.ID)
		m.e.deliveries = append(m.e.deliveries, m)
	}
}

func (j *judge) forget(e webhook.Event, ds []webhook.Delivery) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.SequenceAt > 0 {
		j.sequences[e.Device]--
	}
	for _, d := range ds {
		m := j.deliveries[d.ID]
		m.e.deliveries = slices.DeleteFunc(m.e.deliveries, func(o *modelDelivery) bool { return o == m })
		j.deliveryOrder = slices.DeleteFunc(j.deliveryOrder, func(id string) bool { return id == d.ID })
		delete(j.deliveries, d.ID)
	}
}

func (j *judge) AddEvent(ctx context.Context, e webhook.Event, ds []webhook.Delivery) (webhook.Event, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storeFails() {
		return webhook.Event{}, errStore
	}
	stored, err := j.inner.AddEvent(ctx, e, ds)
	for _, m := range j.deliveries {
		m.stored = m.stored || err == nil && m.event == e.ID
	}
	return stored, err
}

func (j *judge) Redeliver(ctx context.Context, id string) (webhook.Delivery, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storeFails() {
		return webhook.Delivery{}, errStore
	}
	now := time.Now()
	d, err := j.inner.Redeliver(ctx, id)
	m := j.deliveries[id]
	switch underWay := m.leased(now); {
	case m.e.deleted:
		if !errors.Is(err, webhook.ErrNotFound) {
			j.fail("replay of %s, whose endpoint was deleted: got %v, want not found", id, err)
		}
	case underWay:
		if !errors.Is(err, webhook.ErrConflict) {
			j.fail("replay of %s, which is under way: got %v, want a conflict", id, err)
		}
	case err != nil:
		j.fail("replay of %s: %v", id, err)
	default:
		j.number++
		m.state, m.tries, m.due, m.set, m.took = webhook.DeliveryPending, 0, now, j.number, false
		j.tally.Replays++
	}
	return d, err
}

// What only reads.

func (j *judge) Endpoint(ctx context.Context, id string) (webhook.Endpoint, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.inner.Endpoint(ctx, id)
}

func (j *judge) Endpoints(ctx context.Context, client string) ([]webhook.Endpoint, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.storeFails() {
		return nil, errStore
	}
	return j.inner.Endpoints(ctx, client)
}

func (j *judge) Event(ctx context.Context, id string) (webhook.Event, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.inner.Event(ctx, id)
}

func (j *judge) Events(ctx context.Context, f webhook.EventFilter) ([]webhook.Event, string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.inner.Events(ctx, f)
}

func (j *judge) Delivery(ctx context.Context, id string) (webhook.Delivery, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.inner.Delivery(ctx, id)
}

func (j *judge) Deliveries(ctx context.Context, f webhook.DeliveryFilter) ([]webhook.Delivery, string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.inner.Deliveries(ctx, f)
}

func (j *judge) Attempts(ctx context.Context, id string) ([]webhook.Attempt, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.inner.Attempts(ctx, id)
}

func (j *judge) QueueDepth(ctx context.Context, client string) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.inner.QueueDepth(ctx, client)
}

func (j *judge) DeliveriesChanged() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.inner.DeliveriesChanged()
}

// arrive is a request at a receiver: it has to be what the model expects. It gives how the receiver answers.
func (j *judge) arrive(gen *generation, e webhook.Endpoint, r *http.Request, body []byte) (*modelDelivery, reply) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if gen.dead {
		return nil, reply{}
	}
	now, m := time.Now(), j.endpoints[e.ID]
	id := r.Header.Get(webhook.HeaderID)
	i := slices.IndexFunc(m.deliveries, func(d *modelDelivery) bool { return d.event == id })
	if i < 0 {
		j.fail("%s got the event %s, which is not for it", e.ID, id)
		return nil, reply{}
	}
	d := m.deliveries[i]
	m.asked++
	j.tally.Attempts++
	switch {
	case d.running:
		j.fail("%s is sent while an attempt is under way", d.id)
	case !d.leased(now):
		j.fail("%s is sent without a lease", d.id)
		return nil, reply{}
	case d.took && !d.killed:
		j.fail("%s is sent again after the receiver took it", d.id)
	}
	if d.took {
		j.tally.Repeats++
	}
	if got, want := r.Header.Get(webhook.HeaderAttempt), strconv.Itoa(d.attempts+1); got != want {
		j.fail("%s: got attempt number %s, want %s", d.id, got, want)
	}
	if string(body) != d.body {
		j.fail("%s: got body %s, want %s", d.id, body, d.body)
	}
	if got := r.URL.String(); got != d.lease.url {
		j.fail("%s goes to %s, want %s", d.id, got, d.lease.url)
	}
	for i, secret := range m.secrets {
		if i == 1 && (secret == "" || !now.Before(m.oldUntil)) {
			continue
		}
		if err := webhook.Verify(secret, r.Header, body, now); err != nil {
			j.fail("%s does not verify with secret %d: %v", d.id, i, err)
		}
	}
	d.running, d.took = true, false
	if j.running++; j.running > 20 {
		j.fail("%d attempts are under way, want 20 at the most", j.running)
	}
	return d, j.life.answerOf(m.id, m.asked)
}

// answered is the end of a request, as the sender heard of it.
func (j *judge) answered(gen *generation, d *modelDelivery, a reply) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if gen.dead {
		return
	}
	j.running--
	d.running, d.answer, d.ended = false, &a, time.Now()
	if d.took = a.err == nil && a.status/100 == 2; d.took {
		d.killed = false
	}
	j.say("  %s attempt %d: %d %v, retry after %q", short(d), d.attempts+1, a.status, a.err, a.retryAfter)
}

func short(d *modelDelivery) string {
	return fmt.Sprintf("%s@%d", d.id[len(d.id)-6:], d.e.number)
}

func (j *judge) anyPending() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, d := range j.deliveries {
		if d.state == webhook.DeliveryPending {
			return true
		}
	}
	return false
}

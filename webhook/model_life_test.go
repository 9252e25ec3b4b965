package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"recado/store/boltstore"
	"recado/store/memstore"
	"recado/webhook"
)

// life is one queue's life. Everything in it is drawn from the seed; what a receiver answers depends on the hour and on how often it was
// asked, so that a life is the same again as far as the machine's scheduling lets it.
type life struct {
	t     testing.TB
	ctx   context.Context
	seed  uint64
	rng   *rand.Rand
	began time.Time
	plant func(webhook.Store) webhook.Store

	*judge
	bolt    *boltstore.DB // nil: in memory
	path    string
	store   webhook.Store // the judge's, behind a planted fault
	service *webhook.Service
	stop    func() // ends the dispatcher patiently

	long     time.Duration
	weather  map[string][]spell
	healedAt time.Time
	events   int
}

// spell is a time in which a receiver behaves in a way.
type spell struct {
	from, to time.Time
	kind     string
}

var modelCatalogue = webhook.Catalogue{
	{Name: "action.succeeded"},
	{Name: "action.failed", Priority: webhook.PriorityHigh},
	{Name: "network.growth", Priority: webhook.PriorityLow},
	{Name: "action.accepted", ByNameOnly: true},
	{Name: webhook.TypeTest},
	{Name: webhook.TypeEndpointDisabled},
}

func newLife(t testing.TB, seed uint64, plant func(webhook.Store) webhook.Store) *life {
	l := &life{
		t: t, ctx: t.Context(), seed: seed, rng: rand.New(rand.NewPCG(seed, 0x90e)), began: time.Now(), plant: plant, weather: map[string][]spell{},
	}
	var inner webhook.Store
	if seed%10 == 0 { // the files are slower, and every tenth life is theirs
		l.path = filepath.Join(t.TempDir(), "recado.db")
		l.bolt = l.openBolt()
		inner = l.bolt
	} else {
		inner = memstore.New()
	}
	l.judge = newJudge(l, inner)
	l.serve()
	l.long = 6*time.Hour + l.upTo(18*time.Hour)
	if seed%5 == 0 {
		l.long = 6*24*time.Hour + l.upTo(24*time.Hour) // long enough for endpoints to be disabled
	}
	return l
}

// serve puts the judge, the planted fault and the service together.
func (l *life) serve() {
	l.store = l.judge
	if l.plant != nil {
		l.store = l.plant(l.judge)
	}
	l.service = webhook.NewService(webhook.ServiceConfig{Store: l.store, Catalogue: modelCatalogue})
}

func (l *life) openBolt() *boltstore.DB {
	db, err := boltstore.Open(l.path, boltstore.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	return db
}

func (l *life) upTo(d time.Duration) time.Duration { return time.Duration(l.rng.Int64N(int64(d))) }

func (l *life) chance(n int) bool { return l.rng.IntN(n) == 0 }

func choose[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// live lives it: clients and endpoints, then things that happen one after the other, then the healing and the quiet after it.
func (l *life) live() {
	for i := range 1 + l.rng.IntN(2) {
		for range 1 + l.rng.IntN(3) {
			l.register(fmt.Sprintf("c%d", i+1))
		}
	}
	l.start()
	happenings := 60 + l.rng.IntN(60)
	for range happenings {
		l.pass(l.gap(happenings))
		l.happen()
	}
	l.heal()
	l.stop()
	l.finish()
	if l.bolt != nil {
		l.check("close", l.bolt.Close())
	}
}

// gap is the time to the next happening: often none or little, so that much is under way at once.
func (l *life) gap(n int) time.Duration {
	switch l.rng.IntN(4) {
	case 0:
		return 0
	case 1:
		return l.upTo(5 * time.Second)
	case 2:
		return l.upTo(2 * time.Minute)
	}
	return l.upTo(8 * l.long / time.Duration(n))
}

// pass lets time pass, until nothing more happens at its end.
func (l *life) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
	l.lookForLate()
}

func (l *life) happen() {
	switch n := l.rng.IntN(100); {
	case n < 45:
		for range 1 + l.rng.IntN(8) {
			l.tell()
		}
	case n < 50:
		l.change("pause", func(c *webhook.Change) { *c = webhook.Change{Active: new(bool)} })
	case n < 62:
		l.change("resume", func(c *webhook.Change) { c.Active = ptr(true) })
	case n < 67:
		l.change("move", func(c *webhook.Change) { c.URL = ptr(fmt.Sprintf("https://r%d.example/", l.rng.IntN(1e6))) })
	case n < 71:
		l.change("other settings", func(c *webhook.Change) {
			c.Concurrency, c.PerMinute, c.Schedule = ptr(l.concurrency()), ptr(l.perMinute()), ptr(l.schedule())
		})
	case n < 73:
		l.remove()
	case n < 75:
		l.register(fmt.Sprintf("c%d", 1+l.rng.IntN(2)))
	case n < 79:
		l.rotate()
	case n < 89:
		l.replay()
	case n < 94:
		l.kill()
	case n < 97:
		l.stopAndStart()
	default:
		l.failStore(l.upTo(20 * time.Second))
	}
}

func (l *life) concurrency() int { return choose(l.rng, 0, 0, 1, 2, 7, 64) }

func (l *life) perMinute() int { return choose(l.rng, 0, 0, 0, 6, 30, 600) }

func (l *life) schedule() []time.Duration {
	switch l.rng.IntN(3) {
	case 0:
		return nil
	case 1:
		return []time.Duration{time.Second, 10 * time.Second, time.Minute}
	}
	s := make([]time.Duration, 1+l.rng.IntN(12))
	for i := range s {
		s[i] = time.Second + l.upTo(time.Hour)
	}
	return s
}

func (l *life) register(client string) {
	r := webhook.Registration{
		URL: fmt.Sprintf("https://r%d.example/", l.rng.IntN(1e6)), Order: choose(l.rng, webhook.OrderNone, webhook.OrderDevice, webhook.OrderFIFO),
		Concurrency: l.concurrency(), PerMinute: l.perMinute(), Schedule: l.schedule(), Timeout: choose(l.rng, 0, 0, time.Second, 10*time.Second),
		Paused: l.chance(10),
	}
	if l.chance(3) {
		r.BodySignatureHeader = "X-Signature"
	}
	if l.chance(4) {
		r.Events = []string{"action.*", webhook.TypeEndpointDisabled}
	}
	e, err := l.service.Register(l.ctx, client, r)
	if errors.Is(err, errStore) {
		return
	}
	l.check("register", err)
	l.say("%s registers %s: order %s, concurrency %d, %d a minute, %d waits, %s", client, e.ID, e.Order, e.Concurrency, e.PerMinute, len(e.Schedule), e.State)
	l.forecast(e.ID)
}

// forecast draws how the receiver behaves until the healing. In between it is well.
func (l *life) forecast(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kinds := []string{"500", "down", "down", "hang", "busy", "mixed", "mixed", "slow", "redirect", "own fault"}
	at := time.Now()
	if l.long > 5*24*time.Hour && l.chance(2) {
		l.weather[id] = append(l.weather[id], spell{at, at.Add(l.long), choose(l.rng, "500", "500", "500", "down", "mixed bad")})
		return
	}
	for range 12 {
		from := at.Add(l.upTo(l.long / 6))
		to := from.Add(l.upTo(choose(l.rng, time.Minute, time.Hour, 5*time.Hour)))
		l.weather[id] = append(l.weather[id], spell{from, to, choose(l.rng, kinds...)})
		at = to
	}
	if l.chance(6) {
		from := l.began.Add(l.upTo(l.long))
		l.weather[id] = slices.Insert(l.weather[id], 0, spell{from, from.Add(10 * time.Minute), "gone"})
	}
}

// tell stores an event for all who want it.
func (l *life) tell() {
	l.events++
	now := time.Now()
	e := webhook.Event{
		ID: webhook.NewID(webhook.PrefixEvent), Type: choose(l.rng, "action.succeeded", "action.succeeded", "action.failed", "network.growth", "action.accepted"),
		Client: fmt.Sprintf("c%d", 1+l.rng.IntN(2)), Time: now,
	}
	if t, _ := modelCatalogue.Type(e.Type); t.Name != "" {
		e.Priority = t.Priority
	}
	head := fmt.Sprintf(`{"type":%q,"number":%d`, e.Type, l.events)
	e.Body = []byte(head + "}")
	if e.Type != "network.growth" {
		n := l.rng.IntN(10)
		e.Protocolo, e.Device = fmt.Sprintf("p%d", n), fmt.Sprintf("d%d", n%4)
		head += `,"sequence":`
		e.Body, e.SequenceAt = []byte(head+"}"), len(head)
	}
	endpoints, err := l.store.Endpoints(l.ctx, e.Client)
	if errors.Is(err, errStore) {
		return
	}
	l.check("endpoints", err)
	ds := webhook.FanOut(modelCatalogue, e, endpoints, now)
	l.expect(e, ds)
	stored, err := l.store.AddEvent(l.ctx, e, ds)
	if errors.Is(err, errStore) {
		l.forget(e, ds)
		return
	}
	l.check("add event", err)
	l.say("event %d, %s of %s: %d deliveries", l.events, stored.Type, e.Protocolo, len(ds))
}

func (l *life) anEndpoint() (client, id string, ok bool) {
	ids := l.endpointIDs()
	if len(ids) == 0 {
		return "", "", false
	}
	id = choose(l.rng, ids...)
	return l.clientOf(id), id, true
}

func (l *life) change(what string, edit func(*webhook.Change)) {
	client, id, ok := l.anEndpoint()
	if !ok {
		return
	}
	var c webhook.Change
	edit(&c)
	l.say("%s %s", what, id)
	if _, err := l.service.Change(l.ctx, client, id, c); !errors.Is(err, errStore) {
		l.check(what, err)
	}
}

func (l *life) remove() {
	client, id, ok := l.anEndpoint()
	if !ok {
		return
	}
	l.say("delete %s", id)
	if err := l.service.Delete(l.ctx, client, id); !errors.Is(err, errStore) {
		l.check("delete", err)
	}
}

func (l *life) rotate() {
	client, id, ok := l.anEndpoint()
	if !ok {
		return
	}
	overlap := choose(l.rng, 0, time.Hour, 24*time.Hour)
	l.say("rotate the secret of %s", id)
	if _, err := l.service.Rotate(l.ctx, client, id, webhook.Rotation{Overlap: &overlap}); !errors.Is(err, errStore) && !errors.Is(err, webhook.ErrRotating) {
		l.check("rotate", err)
	}
}

func (l *life) replay() {
	id, client, ok := l.aDelivery()
	if !ok {
		return
	}
	l.say("replay %s", id)
	if _, err := l.service.Replay(l.ctx, client, id); err != nil &&
		!errors.Is(err, errStore) && !errors.Is(err, webhook.ErrConflict) && !errors.Is(err, webhook.ErrNotFound) {
		l.check("replay", err)
	}
}

// start starts a dispatcher.
func (l *life) start() {
	gen := l.newGeneration()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	config := webhook.DispatcherConfig{
		Store: gen.over(l.store), Total: 20, Catalogue: modelCatalogue, Drain: 7770 * time.Millisecond,
		Clients: webhook.ClientsFunc(func(e webhook.Endpoint) webhook.Doer {
			return doerFunc(func(r *http.Request) (*http.Response, error) { return l.receive(gen, e, r) })
		}),
	}
	go func() { done <- webhook.NewDispatcher(config).Run(ctx) }()
	l.stop = sync.OnceFunc(func() {
		began := time.Now()
		l.stopping(gen)
		cancel()
		l.check("run", <-done)
		l.stopped(began)
	})
}

func (l *life) stopAndStart() {
	l.say("stop and start")
	l.stop()
	l.tally.Stops++
	l.pass(l.upTo(2 * time.Minute))
	l.start()
}

// kill ends the dispatcher as a crash does: nothing of what it did not store is stored, and its leases die with it where they live in
// the process. A store in memory outlives the kill, with them.
func (l *life) kill() {
	if l.chance(2) { // what receivers take now cannot be recorded before the kill
		l.tell()
		l.failStore(20 * time.Second)
		l.pass(l.upTo(4 * time.Second))
	}
	l.say("kill")
	l.tally.Kills++
	l.die()
	l.stop() // what it does from now on reaches nobody
	if l.bolt != nil {
		to := filepath.Join(l.t.TempDir(), "recado.db")
		for _, name := range []string{"recado.db", "recado.devices.db", "recado.db.key"} {
			l.check("copy", copyOf(filepath.Join(filepath.Dir(l.path), name), filepath.Join(filepath.Dir(to), name)))
		}
		l.check("close", l.bolt.Close())
		l.path = to
		l.bolt = l.openBolt()
		l.reopened(l.bolt)
	}
	l.pass(l.upTo(2 * time.Minute))
	l.start()
}

func copyOf(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

// heal makes all well: receivers take everything, and clients resume what is held. Then all has to end.
func (l *life) heal() {
	l.say("all is well from now on")
	l.mu.Lock()
	l.healedAt = time.Now()
	l.storeFailsUntil = time.Time{}
	l.mu.Unlock()
	for _, id := range l.endpointIDs() {
		_, err := l.service.Change(l.ctx, l.clientOf(id), id, webhook.Change{Active: ptr(true)})
		l.check("resume", err)
	}
	for range 60 {
		l.pass(time.Hour)
		if !l.anyPending() {
			return
		}
	}
}

func (l *life) check(what string, err error) {
	if err != nil {
		l.fail("%s: %v", what, err)
	}
}

func (l *life) failStore(d time.Duration) {
	l.say("the store fails for %s", d)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.storeFailsUntil = time.Now().Add(d)
}

// reply is what a receiver does with one request.
type reply struct {
	status     int
	retryAfter string
	err        error // instead of a status
	hang       bool
	takes      time.Duration
}

// answerOf draws how a receiver answers its nth request.
func (l *life) answerOf(endpoint string, n int) reply {
	r := rand.New(rand.NewPCG(l.seed, uint64(n)*0x9e3779b97f4a7c15+hash(endpoint, l.seedOrder(endpoint))))
	takes := time.Duration(r.Int64N(int64(choose(r, time.Millisecond, 100*time.Millisecond, 3*time.Second))))
	kind, now := "well", time.Now()
	for _, s := range l.weather[endpoint] {
		if !now.Before(s.from) && now.Before(s.to) {
			kind = s.kind
			break
		}
	}
	if !l.healedAt.IsZero() {
		kind = "well"
	}
	down := reply{takes: takes / 10, err: choose[error](r,
		&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET},
		&net.DNSError{Err: "no such host", Name: "r.example"}, errors.New("tls: handshake failure"), errors.New("malformed HTTP response"),
		fmt.Errorf("10.0.0.1: %w", webhook.ErrRefusedAddress))}
	busy := reply{takes: takes, status: choose(r, 429, 503, 500), retryAfter: choose(r, "", "7", "300", "99999999", "soon",
		now.Add(time.Hour).UTC().Format(http.TimeFormat), now.Add(-time.Hour).UTC().Format(http.TimeFormat))}
	if busy.retryAfter == "99999999" && r.IntN(4) > 0 {
		busy.retryAfter = "3"
	}
	bad := reply{takes: takes, status: choose(r, 500, 400, 404, 302, 599, 100+r.IntN(100), 500)}
	switch kind {
	case "500":
		return bad
	case "down":
		return down
	case "hang":
		return reply{hang: true}
	case "busy":
		return busy
	case "mixed":
		return choose(r, reply{takes: takes, status: 200 + r.IntN(100)}, bad, busy, down, down)
	case "mixed bad":
		return choose(r, bad, down, down, down, reply{hang: true})
	case "slow":
		return reply{takes: 5*time.Second + 4*takes, status: 202}
	case "redirect":
		return reply{takes: takes, status: 300 + r.IntN(100)}
	case "own fault":
		return choose(r, reply{takes: takes, err: errPanics}, down)
	case "gone":
		return choose(r, reply{takes: takes, status: 410}, down, bad)
	}
	return reply{takes: takes, status: choose(r, 200, 200, 201, 204, 299)}
}

var errPanics = errors.New("the doer panics")

func hash(s string, n int) (h uint64) {
	return uint64(n)*0x2545f4914f6cdd1d + uint64(len(s))
}

// receive is every receiver.
func (l *life) receive(gen *generation, e webhook.Endpoint, r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	d, a := l.arrive(gen, e, r, body)
	if d == nil {
		return nil, net.ErrClosed
	}
	if a.hang {
		a.takes = time.Hour
	}
	timer := time.NewTimer(a.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gen.killed:
		return nil, net.ErrClosed
	case <-r.Context().Done():
		a = reply{err: r.Context().Err()}
	}
	l.answered(gen, d, a)
	switch {
	case errors.Is(a.err, errPanics):
		panic("a fault of the doer's own")
	case a.err != nil:
		return nil, a.err
	}
	resp := &http.Response{StatusCode: a.status, Header: http.Header{}, Body: http.NoBody, Request: r}
	if a.retryAfter != "" {
		resp.Header.Set("Retry-After", a.retryAfter)
	}
	return resp, nil
}

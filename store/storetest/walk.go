package storetest

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"time"

	"recado/acs"
	"recado/store/memstore"
	"recado/webhook"
)

var walkCases = []testCase{{"walk/random operations, compared with memstore", (*env).walk}}

var (
	walkSteps = flag.Int("storetest.steps", 3000, "steps of the random walk")
	walkSeed  = flag.Uint64("storetest.seed", 0, "seed of the random walk; 0 draws one")
)

// walker applies random operations to a store and to the model, and compares what both say.
type walker struct {
	*env
	*rand.Rand
	model *env
	seed  uint64
	step  int
	doing string
	// slack is how far times that the store made may be from the model's.
	slack time.Duration

	asked []acs.Protocolo // actions
	hooks []string        // endpoints
	told  []string        // events
	sent  []string        // deliveries
	held  []heldLease
}

// heldLease is one lease, as the store and as the model gave it.
type heldLease struct{ store, model webhook.Lease }

// operation is something that the walk may do; the weight says how often.
type operation struct {
	name   string
	weight int
	do     func(w *walker)
}

var operations = []operation{
	{"create action", 12, (*walker).createAction},
	{"update action", 12, (*walker).updateAction},
	{"finish action", 12, (*walker).finishAction},
	{"read actions", 6, (*walker).readActions},
	{"put facts", 6, (*walker).putFacts},
	{"report", 5, (*walker).reportDevice},
	{"learn types", 2, (*walker).learnTypes},
	{"read devices", 6, (*walker).readDevices},
	{"reserve requests", 2, (*walker).reserveSome},
	{"change clients", 5, (*walker).changeClients},
	{"change tokens", 4, (*walker).changeTokens},
	{"create endpoint", 3, (*walker).createEndpoint},
	{"update endpoint", 4, (*walker).updateEndpoint},
	{"delete endpoint", 1, (*walker).removeEndpoint},
	{"add event", 6, (*walker).addEvent},
	{"claim", 12, (*walker).claimSome},
	{"record attempt", 18, (*walker).recordAttempt},
	{"redeliver", 4, (*walker).redeliverOne},
	{"start replay", 2, (*walker).startReplay},
	{"go on replaying", 6, (*walker).goOnReplaying},
	{"read deliveries", 6, (*walker).readDeliveries},
	{"read statistics", 4, (*walker).readStats},
	{"let time pass", 8, (*walker).letPass},
	{"compare everything", 1, (*walker).compareAll},
	{"reopen", 1, (*walker).reopenBoth},
}

func (e *env) walk() {
	seed := *walkSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	e.ctx = acs.WithActor(e.ctx, actor)
	model := memstore.New()
	w := &walker{
		env: e, Rand: rand.New(rand.NewPCG(seed, 0)), seed: seed,
		model: &env{TB: e.TB, h: Harness{}, Store: model, ctx: e.ctx},
	}
	if !e.exact() {
		w.slack, w.env.unhashed, w.model.unhashed = time.Minute, true, true
	}
	defer func() {
		if e.Failed() {
			e.Logf("the walk failed in step %d (%s); repeat it with -storetest.seed=%d", w.step, w.doing, w.seed)
		}
	}()
	total := 0
	for _, o := range operations {
		total += o.weight
	}
	for w.step = range *walkSteps {
		n := w.IntN(total)
		for _, o := range operations {
			if n -= o.weight; n < 0 {
				w.doing = o.name
				o.do(w)
				break
			}
		}
	}
	w.doing = "compare everything at the end"
	w.compareAll()
}

// errorClasses are the errors that callers tell apart.
var errorClasses = []error{
	acs.ErrNotFound, acs.ErrExists, acs.ErrConflict, acs.ErrFinished, acs.ErrNotDue, acs.ErrPastDeadline, acs.ErrIdempotencyReused,
	acs.ErrUnavailable, webhook.ErrNotFound, webhook.ErrConflict, webhook.ErrLeaseLost,
	webhook.ErrReplaying, webhook.ErrReplayEnded,
}

func classOf(err error) string {
	if err == nil {
		return "none"
	}
	for _, class := range errorClasses {
		if errors.Is(err, class) {
			return class.Error()
		}
	}
	return "another one"
}

// both does the same to the store and to the model, and fails where they do not say the same. It reports whether both did it.
func both[T any](w *walker, what string, do func(s Store) (T, error)) (T, bool) {
	w.Helper()
	got, gotErr := do(w.env.Store)
	want, wantErr := do(w.model.Store)
	if g, m := classOf(gotErr), classOf(wantErr); g != m {
		w.Fatalf("%s: got error %v, want %v", what, gotErr, wantErr)
	}
	if d := difference(got, want, w.slack); d != "" && wantErr == nil {
		w.Fatalf("%s: %s", what, d)
	}
	return want, wantErr == nil
}

// done is for calls that return only an error.
func done(w *walker, what string, do func(s Store) error) bool {
	w.Helper()
	_, ok := both(w, what, func(s Store) (struct{}, error) { return struct{}{}, do(s) })
	return ok
}

// chance is true once in n times.
func (w *walker) chance(n int) bool { return w.IntN(n) == 0 }

func pick[T any](w *walker, from ...T) T { return from[w.IntN(len(from))] }

// recent picks one of the last made, mostly.
func recent[T any](w *walker, from []T) (one T, ok bool) {
	if len(from) == 0 {
		return one, false
	}
	if n := 20; len(from) > n && !w.chance(5) {
		from = from[len(from)-n:]
	}
	return pick(w, from...), true
}

func (w *walker) device() string { return fmt.Sprintf("cpe-%d", w.IntN(8)) }

func (w *walker) aClient() string { return fmt.Sprintf("cli_%d", w.IntN(4)) }

// at is a moment around now that is not reached or passed while an operation runs.
func (w *walker) at() time.Time {
	if w.exact() {
		return w.now().Add(time.Duration(w.IntN(90)-10) * time.Minute)
	}
	return w.now().Add(pick(w, -time.Hour, time.Hour))
}

func (w *walker) letPass() {
	if w.exact() {
		w.pass(pick(w, time.Millisecond, time.Second, time.Minute, time.Minute, 20*time.Minute, 3*time.Hour))
		if w.chance(20) {
			w.pass(webhook.DisableAfter)
		}
	}
}

func (w *walker) compareAll() {
	w.Helper()
	w.same("everything", w.everything(), w.model.everything())
}

// same compares with the walk's slack.
func (w *walker) same(what string, got, want any) {
	w.Helper()
	if d := difference(got, want, w.slack); d != "" {
		w.Fatalf("%s: %s", what, d)
	}
}

// reopenBoth reopens the store; the model stays as it is. Leases are settled first, for they may be forgotten.
func (w *walker) reopenBoth() {
	if w.h.Reopen == nil {
		return
	}
	for len(w.held) > 0 {
		w.recordHeld(0)
	}
	if w.exact() {
		w.pass(time.Minute)
	}
	w.reopen()
	w.compareAll()
}

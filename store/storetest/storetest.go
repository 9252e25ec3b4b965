// Package storetest is the contract of acs.Store and webhook.Store as a suite. Every backend runs it from its own tests:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, storetest.Harness{Open: open, Reopen: reopen})
//	}
//
// Each case runs in a synctest bubble, where an hour costs nothing, unless the harness brings a Clock. The last cases apply
// random operations to the store under test and to memstore side by side; -storetest.seed repeats such a walk and
// -storetest.steps makes it longer.
//
// Where the interfaces leave something open, the suite holds every backend to this:
//   - what is created has Version 1, whatever was given, and an id that is taken is acs.ErrExists;
//   - a page is followed by the cursor "" exactly where nothing follows it, and a cursor that no page gave is an
//     *acs.InvalidError; a limit that is 0 or above 1,000 is 1,000;
//   - a delivery to an endpoint that is not there any more is stored as cancelled, and cannot be redelivered
//     (webhook.ErrNotFound);
//   - of several sequence numbers allotted at once the last goes into Action.Sequence;
//   - a lease ends when its time is over, also where nobody claims the delivery anew;
//   - DoneAt, LastSuccessAt and LastFailureAt are the attempt's end; Delivery.LastError is its Error;
//   - counts of requests are kept for the day that is asked for and the one before, at least;
//   - a store that is closed says acs.ErrUnavailable.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/webhook"
)

// Store is what a backend has to be. It is the same as store.Store, which this package need not import.
type Store interface {
	acs.Store
	webhook.EventStore
	webhook.DeliveryStore
	webhook.QueueStore
	webhook.ReplayStore
	webhook.StatsStore
	CreateEndpoint(ctx context.Context, e webhook.Endpoint) error
	Endpoint(ctx context.Context, id string) (webhook.Endpoint, error)
	UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error)
	DeleteEndpoint(ctx context.Context, id string) error
	Close() error
}

// Harness opens the stores of one backend.
type Harness struct {
	// Open makes an empty store. The suite closes it when the case ends; whatever else has to stop then is Close's or
	// t.Cleanup's to stop, since a bubble ends only when all its goroutines have.
	Open func(t testing.TB) Store
	// Reopen ends s (by Close, or as a crash would) and opens what it left. What is written behind (see acs.DeviceStore.Report) may
	// be lost where it is younger than a minute and s was not closed. It is nil where nothing outlives a store.
	Reopen func(t testing.TB, s Store) Store
	// Crash ends s as a crash would, so that nothing more is written, and opens what it left; nil: Reopen does.
	Crash func(t testing.TB, s Store) Store
	// Clock is nil for a store whose clock is time.Now and that works in a synctest bubble. Otherwise cases run outside one.
	Clock *Clock
}

// Clock is the clock of a store that cannot live in a bubble.
type Clock struct {
	// Now reads the store's clock.
	Now func(t testing.TB) time.Time
	// Advance moves the store's clock on by d.
	Advance func(t testing.TB, d time.Duration)
}

// testCase is one part of the contract.
type testCase struct {
	name string
	run  func(e *env)
}

func allCases() []testCase {
	var all []testCase
	for _, some := range [][]testCase{
		createCases, updateCases, finishCases, outboxCases, dueCases, listCases, deviceCases, findCases, clientCases,
		endpointCases, eventCases, deliveryCases, claimCases, turnCases, attemptCases, breakerCases, paceCases,
		generalCases, auditCases, quotaCases, replayCases, statsCases, copyCases, reopenCases, crashCases, raceCases, walkCases,
	} {
		all = append(all, some...)
	}
	return all
}

// Run holds the harness's stores to the contract, a subtest for each part of it.
func Run(t *testing.T, h Harness) {
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) {
			if h.Clock != nil {
				runCase(t, c, h)
				return
			}
			synctest.Test(t, func(t *testing.T) { runCase(t, c, h) })
		})
	}
}

func runCase(t testing.TB, c testCase, h Harness) {
	e := &env{TB: t, h: h, Store: h.Open(t), ctx: context.Background()}
	defer func() { e.ok("close", e.Close()) }()
	c.run(e)
}

// env is what a case works with: the test, the store, and makers of things to store.
type env struct {
	testing.TB
	Store
	h    Harness
	ctx  context.Context
	made atomic.Uint64
	// unhashed leaves the audit record's hashes out of everything: they hold times, and clocks differ.
	unhashed bool
}

// now is the store's clock, to the millisecond below.
func (e *env) now() time.Time {
	if e.h.Clock != nil {
		return e.h.Clock.Now(e).UTC().Truncate(time.Millisecond)
	}
	return time.Now().UTC().Truncate(time.Millisecond)
}

// pass lets the store's clock run on by d.
func (e *env) pass(d time.Duration) {
	if e.h.Clock != nil {
		e.h.Clock.Advance(e, d)
		return
	}
	time.Sleep(d)
}

// exact reports whether time stands still unless pass is called.
func (e *env) exact() bool { return e.h.Clock == nil }

// reopen ends the store and opens what it left.
func (e *env) reopen() {
	e.Helper()
	e.Store = e.h.Reopen(e, e.Store)
}

// crash ends the store as a crash would and opens what it left.
func (e *env) crash() {
	e.Helper()
	if e.h.Crash == nil {
		e.reopen()
		return
	}
	e.Store = e.h.Crash(e, e.Store)
}

func (e *env) ok(what string, err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: got error %v, want none", what, err)
	}
}

func (e *env) wantErr(what string, got, want error) {
	e.Helper()
	if !errors.Is(got, want) {
		e.Fatalf("%s: got error %v, want %v", what, got, want)
	}
}

func (e *env) wantAnyErr(what string, got error) {
	e.Helper()
	if got == nil {
		e.Fatalf("%s: got no error, want one", what)
	}
}

// same fails where got is not want: times are compared as instants, and no elements are as good as nil.
func (e *env) same(what string, got, want any) {
	e.Helper()
	if d := difference(got, want, 0); d != "" {
		e.Fatalf("%s: %s", what, d)
	}
}

// many calls do for 0 … n-1, several at a time, since a store that writes groups is slow with one at a time.
func (e *env) many(n int, do func(i int)) {
	e.Helper()
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	for range 64 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n) && !e.Failed(); i = next.Add(1) {
				do(int(i - 1))
			}
		})
	}
	wg.Wait()
	if e.Failed() {
		e.FailNow()
	}
}

// result is what a call returned; the call's name is still to come.
type result[T any] struct {
	v   T
	err error
}

func try[T any](v T, err error) result[T] { return result[T]{v, err} }

// tryAll is try for a list that has to fit one page.
func tryAll[T any](v []T, next string, err error) result[[]T] {
	if err == nil && next != "" {
		err = fmt.Errorf("got the cursor %q after the only page, want none", next)
	}
	return result[[]T]{v, err}
}

// get gives what the call returned, and fails where that was an error.
func (r result[T]) get(e *env, what string) T {
	e.Helper()
	e.ok(what, r.err)
	return r.v
}

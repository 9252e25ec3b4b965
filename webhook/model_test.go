package webhook_test

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"

	"recado/webhook"
)

var (
	modelSeeds = flag.Int("model.seeds", 100, "how many lives of a queue to try")
	modelFirst = flag.Uint64("model.first", 1, "the first life's seed")
	modelSeed  = flag.Uint64("model.seed", 0, "try the life of this seed alone, and tell its story")
)

// TestModel lives lives of a queue, drawn from seeds: endpoints of all orders, rates, concurrencies and schedules; receivers that take,
// refuse, hang, break off and go away; clients that pause, resume, move, rotate, replay and delete; a dispatcher that is stopped and
// killed, and a store that fails now and then. The real Dispatcher, Service and stores are held to a model that knows only what the
// receivers answered, what the clients did and what time it was.
func TestModel(t *testing.T) {
	if *modelSeed != 0 {
		liveLife(t, *modelSeed, nil).report(t, *modelSeed, true)
		return
	}
	const sides = 3 // lives at a time
	var all [sides]tally
	t.Run("lives", func(t *testing.T) {
		for side := range sides {
			t.Run(fmt.Sprint(side), func(t *testing.T) {
				t.Parallel()
				for i := side; i < *modelSeeds; i += sides {
					seed := *modelFirst + uint64(i)
					l := liveLife(t, seed, nil)
					l.report(t, seed, false)
					all[side].add(l.tally)
				}
			})
		}
	})
	for _, some := range all[1:] {
		all[0].add(some)
	}
	t.Logf("%+v", all[0])
	if *modelSeeds >= 100 {
		all[0].wantAll(t)
	}
}

// TestModelFindsPlantedFaults holds the model to its word: each fault of a queue must be found out.
func TestModelFindsPlantedFaults(t *testing.T) {
	for name, plant := range plantedFaults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 40; seed++ {
				if l := liveLife(t, seed, plant); len(l.wrong) > 0 {
					t.Logf("found with seed %d: %s", seed, l.wrong[0])
					return
				}
			}
			t.Error("40 lives were lived with the fault, and the model did not find it")
		})
	}
}

func liveLife(t *testing.T, seed uint64, plant func(webhook.Store) webhook.Store) (l *life) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l = newLife(t, seed, plant)
		l.live()
	})
	return l
}

func (l *life) report(t *testing.T, seed uint64, story bool) {
	t.Helper()
	if story {
		for _, line := range l.story {
			t.Log(line)
		}
		t.Logf("%+v", l.tally)
	}
	for i, w := range l.wrong {
		if i == 10 {
			t.Errorf("seed %d: and %d more", seed, len(l.wrong)-i)
			break
		}
		t.Errorf("seed %d: %s", seed, w)
	}
	if len(l.wrong) > 0 {
		t.Logf("replay: go test ./webhook -run 'TestModel$' -model.seed=%d -v", seed)
	}
}

// tally counts what happened, so that a model that is never tried is seen.
type tally struct {
	Attempts, Delivered, Dead, Cancelled, Probes, Opened, Closed, Disabled, Gone, Held, Kills, Stops, Replays, Repeats, LostLeases, Told int
}

func (a *tally) add(b tally) {
	a.Attempts += b.Attempts
	a.Delivered += b.Delivered
	a.Dead += b.Dead
	a.Cancelled += b.Cancelled
	a.Probes += b.Probes
	a.Opened += b.Opened
	a.Closed += b.Closed
	a.Disabled += b.Disabled
	a.Gone += b.Gone
	a.Held += b.Held
	a.Kills += b.Kills
	a.Stops += b.Stops
	a.Replays += b.Replays
	a.Repeats += b.Repeats
	a.LostLeases += b.LostLeases
	a.Told += b.Told
}

func (a *tally) wantAll(t *testing.T) {
	t.Helper()
	for what, n := range map[string]int{
		"attempts": a.Attempts, "delivered": a.Delivered, "dead": a.Dead, "cancelled": a.Cancelled, "probes": a.Probes,
		"breakers opened": a.Opened, "breakers closed": a.Closed, "endpoints disabled": a.Disabled, "endpoints gone": a.Gone,
		"endpoints held by Retry-After": a.Held, "kills": a.Kills, "stops": a.Stops, "replays": a.Replays,
		"events repeated after a kill": a.Repeats, "leases lost": a.LostLeases, "endpoints' ends told": a.Told,
	} {
		if n == 0 {
			t.Errorf("in all these lives there were no %s: they prove little", what)
		}
	}
}

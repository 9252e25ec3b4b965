package acs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	sweepBatch = 1024
	// sweepAtMost is how long it sleeps at most: a timer knows nothing of a clock that is set, forward or back, and a look costs little.
	sweepAtMost  = 30 * time.Second
	sweepWorkers = 128 // verdicts at a time, so that a store can commit them in groups
)

// Sweeper ends actions at their deadlines and watches at their ends. It sleeps until the next one, 30 s at most; the store says which
// are due.
type Sweeper struct {
	s   *Service
	log *slog.Logger
}

// NewSweeper makes a Sweeper.
func NewSweeper(s *Service) *Sweeper {
	return &Sweeper{s: s, log: s.log.With("component", "sweeper")}
}

// Run sweeps until ctx ends.
func (w *Sweeper) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-w.s.deadlines:
		}
		next, err := w.sweep(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.log.Error("sweep deadlines", "error", err)
			timer.Reset(time.Second)
		case next.IsZero():
			timer.Reset(sweepAtMost)
		default:
			timer.Reset(min(sweepAtMost, max(0, time.Until(next))))
		}
	}
}

// sweep ends all that is due and returns when something is next.
func (w *Sweeper) sweep(ctx context.Context) (time.Time, error) {
	for {
		due, next, err := w.s.store.DueActions(ctx, sweepBatch)
		if err != nil || len(due) == 0 {
			return next, err
		}
		if err := w.expireAll(ctx, due); err != nil {
			return time.Time{}, err
		}
	}
}

func (w *Sweeper) expireAll(ctx context.Context, due []Action) error {
	work := make(chan Action)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range min(sweepWorkers, len(due)) {
		wg.Go(func() {
			for a := range work {
				_, err := w.s.expire(ctx, a)
				if err != nil && !errors.Is(err, ErrNotDue) {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
				w.s.rings.want(a.Device) // what waited behind it may go now
			}
		})
	}
	for _, a := range due {
		work <- a
	}
	close(work)
	wg.Wait()
	return failed
}

package acs

import (
	"context"
	"log/slog"
	"time"
)

// How long records are kept (product: delivery).
const (
	KeepRecords = 30 * 24 * time.Hour // final actions, events, deliveries that arrived, attempts, replays, counters of deliveries
	KeepDead    = 90 * 24 * time.Hour // dead deliveries; one held that long for an endpoint that is not active becomes dead
)

// Retention says what may go. A zero time keeps everything of its kind.
type Retention struct {
	// Before bounds final actions and replays by FinishedAt, deliveries that are delivered or cancelled by DoneAt, events by Time, and
	// counters of deliveries by their hour.
	Before time.Time
	// DeadBefore bounds dead deliveries by DoneAt. Those held for an endpoint that is not active, since before then, become dead: they
	// are not deleted before that time is over once more.
	DeadBefore time.Time
	// TokensBefore bounds tokens by ExpiresAt.
	TokensBefore time.Time
	// Batch is how many records are deleted in one transaction; 0 is 200.
	Batch int
}

// Purged counts what a Purge has deleted. Expired counts deliveries that it has not: they were held too long, and are dead now.
type Purged struct{ Actions, Events, Deliveries, Attempts, Tokens, Replays, Expired int }

// Purger is a store that can delete what is old. It never deletes an action that is pending, under watch, inside its idempotency window
// or has a delivery left, nor an event that has one, nor a delivery that is pending, nor a replay that runs.
type Purger interface {
	Purge(ctx context.Context, r Retention) (Purged, error)
}

// Purging deletes old records once an hour.
type Purging struct {
	store Purger
	log   *slog.Logger
}

// NewPurging makes a Purging; a nil logger logs nothing.
func NewPurging(store Purger, log *slog.Logger) *Purging {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Purging{store: store, log: log.With("component", "purging")}
}

// Run purges until ctx ends, first ten minutes after its start, so that a process that starts over and over does other things.
func (p *Purging) Run(ctx context.Context) error {
	const first, every = 10 * time.Minute, time.Hour
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		begun := time.Now()
		done, err := p.store.Purge(ctx, Retention{Before: begun.Add(-KeepRecords), DeadBefore: begun.Add(-KeepDead), TokensBefore: begun})
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			p.log.Error("purge old records", "error", err)
		case done != Purged{}:
			p.log.Info("old records purged", "actions", done.Actions, "events", done.Events, "deliveries", done.Deliveries,
				"attempts", done.Attempts, "tokens", done.Tokens, "replays", done.Replays, "expired", done.Expired, "duration", time.Since(begun))
		}
		timer.Reset(every)
	}
}

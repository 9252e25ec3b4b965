package webhook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// ReplayRequest says what to replay. Everything may be left out.
type ReplayRequest struct {
	Endpoint     string // "" is all of the client's
	Since, Until time.Time
	States       []DeliveryState // empty is dead
	Types        []string
	Limit        int
}

var replayStates = []DeliveryState{DeliveryDead, DeliveryDelivered, DeliveryPending, DeliveryHeld}

// StartReplay stores a replay, which RunReplays goes on with. Errors: *InvalidError, ErrNotFound for an endpoint that is not client's,
// ErrReplaying, and the store's.
func (s *Service) StartReplay(ctx context.Context, client string, req ReplayRequest) (Replay, error) {
	if err := s.checkReplay(&req); err != nil {
		return Replay{}, err
	}
	now := time.Now().UTC().Round(0)
	r := Replay{
		ID: NewID(PrefixReplay), Client: client, Since: req.Since, Until: req.Until, States: req.States, Types: req.Types, Limit: req.Limit,
		State: ReplayRunning, CreatedAt: now,
	}
	if r.Until.IsZero() || r.Until.After(now) {
		r.Until = now
	}
	if req.Endpoint != "" {
		e, err := s.Endpoint(ctx, client, req.Endpoint)
		if err != nil {
			return Replay{}, err
		}
		r.Parts = []ReplayPart{{Endpoint: e.ID}}
	} else {
		all, err := s.Endpoints(ctx, client)
		if err != nil {
			return Replay{}, err
		}
		if len(all) == 0 {
			return Replay{}, invalid("webhook", "there is none: register one first")
		}
		for i := range all {
			r.Parts = append(r.Parts, ReplayPart{Endpoint: all[i].ID})
		}
	}
	if err := s.store.CreateReplay(ctx, r); err != nil {
		return Replay{}, fmt.Errorf("start replay: %w", err)
	}
	select {
	case s.replays <- struct{}{}:
	default:
	}
	return r, nil
}

func (s *Service) checkReplay(req *ReplayRequest) error {
	if len(req.States) == 0 {
		req.States = []DeliveryState{DeliveryDead}
	}
	for _, state := range req.States {
		if !slices.Contains(replayStates, state) {
			return invalid("states", "%.100q cannot be replayed; want some of %s", state, join(replayStates))
		}
	}
	if req.Limit < 0 {
		return invalid("limit", "must be above 0")
	}
	if err := s.knowTypes("types", req.Types); err != nil {
		return err
	}
	return checkTimes(req.Since, req.Until)
}

// ReplayJob returns a replay of client.
func (s *Service) ReplayJob(ctx context.Context, client, id string) (Replay, error) {
	r, err := s.store.Replay(ctx, id)
	if err != nil {
		return Replay{}, fmt.Errorf("replay %q: %w", id, err)
	}
	if r.Client != client {
		return Replay{}, fmt.Errorf("replay %q: %w", id, ErrNotFound)
	}
	return r, nil
}

// ReplayJobs returns a page of client's replays, newest first, and the cursor of the next page. limit 0 is DefaultPage.
func (s *Service) ReplayJobs(ctx context.Context, client string, limit int, cursor string) ([]Replay, string, error) {
	if limit < 0 || limit > MaxPage {
		return nil, "", invalid("limit", "must be 1 to %d", MaxPage)
	}
	if limit == 0 {
		limit = DefaultPage
	}
	return s.store.Replays(ctx, client, limit, cursor)
}

// CancelReplayJob ends a replay of client. What it made due stays due. ErrReplayEnded where it does not run.
func (s *Service) CancelReplayJob(ctx context.Context, client, id string) (Replay, error) {
	if _, err := s.ReplayJob(ctx, client, id); err != nil {
		return Replay{}, err
	}
	r, err := s.store.CancelReplay(ctx, id)
	if err != nil {
		return Replay{}, fmt.Errorf("cancel replay %q: %w", id, err)
	}
	return r, nil
}

const (
	// replayPause is between two batches, so that what is new gets its turn in the store.
	replayPause = 50 * time.Millisecond
	// replayPoll is how long a replay waits for a place in its window before it looks again.
	replayPoll = 500 * time.Millisecond
	// replayIdle is how often RunReplays looks without being told: other processes may share the store.
	replayIdle = time.Minute
)

// RunReplays goes on with all replays until ctx ends. A replay that was under way when the process ended goes on where it was.
func (s *Service) RunReplays(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for backoff := minBackoff; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-s.replays:
		case <-timer.C:
		}
		wait, err := s.replaySome(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.log.LogAttrs(ctx, slog.LevelError, "replaying deliveries", slog.Any("error", err), slog.Duration("again_in", backoff))
			wait, backoff = backoff, min(2*backoff, maxBackoff)
		default:
			backoff = minBackoff
		}
		timer.Reset(wait)
	}
}

// replaySome does a step of each running replay at each of its endpoints, and says when to do the next. What fails does not keep the
// others from going on.
func (s *Service) replaySome(ctx context.Context) (wait time.Duration, err error) {
	running, err := s.store.RunningReplays(ctx)
	if err != nil {
		return 0, fmt.Errorf("list replays: %w", err)
	}
	wait = replayIdle
	var errs []error
	for _, r := range running {
		for _, p := range r.Parts {
			if p.Done {
				continue
			}
			now, step, err := s.store.ReplayNext(ctx, r.ID, p.Endpoint, ReplayLimits{Batch: ReplayBatch, Window: ReplayWindow})
			switch {
			case err != nil:
				errs = append(errs, fmt.Errorf("replay %s at %s: %w", r.ID, p.Endpoint, err))
			case step == ReplayFull:
				wait = min(wait, replayPoll)
			default:
				wait = min(wait, replayPause)
			}
			if err == nil && now.State != ReplayRunning {
				s.log.LogAttrs(ctx, slog.LevelInfo, "replay ended", slog.String("replay", r.ID), slog.String("client", r.Client),
					slog.String("state", string(now.State)), slog.Int("replayed", now.Replayed), slog.Int("skipped", now.Skipped))
				break
			}
		}
	}
	return wait, errors.Join(errs...)
}

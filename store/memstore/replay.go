package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"recado/acs"
	"recado/webhook"
)

func compareReplays(a, b *webhook.Replay) int { return cmp.Compare(a.ID, b.ID) }

func cloneReplay(r *webhook.Replay) webhook.Replay {
	c := *r
	c.States, c.Types, c.Parts = slices.Clone(r.States), slices.Clone(r.Types), slices.Clone(r.Parts)
	return c
}

// CreateReplay implements webhook.ReplayStore. An id that is taken is acs.ErrExists.
func (s *Store) CreateReplay(ctx context.Context, r webhook.Replay) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, ok := s.replays.get(&r); ok {
		return fmt.Errorf("replay %s: %w", r.ID, acs.ErrExists)
	}
	kept := 1
	var surplus []*webhook.Replay
	for _, other := range slices.Backward(s.replays.items) {
		if other.Client != r.Client {
			continue
		}
		for _, p := range r.Parts {
			if other.Part(p.Endpoint) != nil {
				return fmt.Errorf("endpoint %s: %w", p.Endpoint, webhook.ErrReplaying)
			}
		}
		if kept++; kept > webhook.MaxReplays && other.State != webhook.ReplayRunning {
			surplus = append(surplus, other)
		}
	}
	for _, other := range surplus {
		s.replays.remove(other)
	}
	r = cloneReplay(&r)
	s.replays.put(&r)
	s.did(acs.AuditReplayJob(ctx, &r))
	return nil
}

func (s *Store) replay(id string) (*webhook.Replay, error) {
	r, ok := s.replays.get(&webhook.Replay{ID: id})
	if !ok {
		return nil, fmt.Errorf("replay %s: %w", id, webhook.ErrNotFound)
	}
	return r, nil
}

// Replay implements webhook.ReplayStore.
func (s *Store) Replay(ctx context.Context, id string) (webhook.Replay, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Replay{}, err
	}
	defer s.mu.Unlock()
	r, err := s.replay(id)
	if err != nil {
		return webhook.Replay{}, err
	}
	return cloneReplay(r), nil
}

// Replays implements webhook.ReplayStore. A cursor that no page gave is an *acs.InvalidError.
func (s *Store) Replays(ctx context.Context, client string, limit int, cursor string) ([]webhook.Replay, string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	var before **webhook.Replay
	if cursor != "" {
		id, ok := strings.CutPrefix(cursor, "before:")
		if !ok {
			return nil, "", badCursor()
		}
		last := &webhook.Replay{ID: id}
		before = &last
	}
	page, more := s.replays.page(before, limit, func(r *webhook.Replay) bool { return r.Client == client })
	out := make([]webhook.Replay, len(page))
	for i, r := range page {
		out[i] = cloneReplay(r)
	}
	next := ""
	if more {
		next = "before:" + page[len(page)-1].ID
	}
	return out, next, nil
}

// RunningReplays implements webhook.ReplayStore.
func (s *Store) RunningReplays(ctx context.Context) (list []webhook.Replay, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, r := range s.replays.items {
		if r.State == webhook.ReplayRunning {
			list = append(list, cloneReplay(r))
		}
	}
	return list, nil
}

// CancelReplay implements webhook.ReplayStore.
func (s *Store) CancelReplay(ctx context.Context, id string) (webhook.Replay, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Replay{}, err
	}
	defer s.mu.Unlock()
	r, err := s.replay(id)
	if err != nil {
		return webhook.Replay{}, err
	}
	if r.State != webhook.ReplayRunning {
		return webhook.Replay{}, fmt.Errorf("replay %s: %w", id, webhook.ErrReplayEnded)
	}
	r.State, r.FinishedAt = webhook.ReplayCancelled, s.now()
	s.did(acs.AuditReplayJob(ctx, r))
	return cloneReplay(r), nil
}

// ReplayNext implements webhook.ReplayStore.
func (s *Store) ReplayNext(
	ctx context.Context, id, endpoint string, l webhook.ReplayLimits,
) (webhook.Replay, webhook.ReplayStep, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Replay{}, "", err
	}
	defer s.mu.Unlock()
	r, err := s.replay(id)
	if err != nil {
		return webhook.Replay{}, "", err
	}
	part := r.Part(endpoint)
	if part == nil {
		return cloneReplay(r), webhook.ReplayEnded, nil
	}
	now := s.now()
	e := s.endpoints[endpoint]
	if e == nil {
		r.Lose(endpoint, now)
		return cloneReplay(r), webhook.ReplayEnded, nil
	}
	room := r.Room(l, s.replayWaiting(id, endpoint))
	if room == 0 {
		return cloneReplay(r), webhook.ReplayFull, nil
	}
	replayed, skipped, last := s.replayBatch(r, part, e, room, now)
	r.Advance(endpoint, part.After, replayed, skipped, last, now)
	if r.Part(endpoint) == nil {
		return cloneReplay(r), webhook.ReplayEnded, nil
	}
	return cloneReplay(r), webhook.ReplayAdvanced, nil
}

// replayBatch makes the next deliveries due, at most room of them, and moves the part on; last tells that there are no more.
func (s *Store) replayBatch(r *webhook.Replay, part *webhook.ReplayPart, e *webhook.Endpoint, room int, now time.Time) (replayed, skipped int, last bool) {
	from, found := s.deliveries.find(&webhook.Delivery{ID: part.After})
	if found {
		from++
	}
	for _, d := range s.deliveries.items[from:] {
		if !r.Takes(d, e) {
			continue
		}
		if replayed+skipped == room {
			return replayed, skipped, false
		}
		part.After = d.ID
		if s.leased(d.ID, now) {
			skipped++
			continue
		}
		replayed++
		s.redeliver(d, e, r.ID, now)
	}
	return replayed, skipped, true
}

// replayWaiting counts what a replay has waiting at an endpoint.
func (s *Store) replayWaiting(id, endpoint string) (n int) {
	q := s.queues[endpoint]
	for _, d := range q.items {
		if d.Replay == id {
			n++
		}
	}
	return n
}

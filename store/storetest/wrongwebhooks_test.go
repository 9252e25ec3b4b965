package storetest_test

import (
	"context"
	"errors"
	"time"

	"recado/store/storetest"
	"recado/webhook"
)

type noWindow struct{ storetest.Store }

func (s noWindow) ReplayNext(ctx context.Context, id, endpoint string, l webhook.ReplayLimits) (webhook.Replay, webhook.ReplayStep, error) {
	l.Window = 1 << 30
	return s.Store.ReplayNext(ctx, id, endpoint, l)
}

// forgetfulReplay does each step in a replay of its own, which begins at the oldest delivery.
type forgetfulReplay struct {
	storetest.Store
	n int
}

func (s *forgetfulReplay) ReplayNext(ctx context.Context, id, endpoint string, l webhook.ReplayLimits) (webhook.Replay, webhook.ReplayStep, error) {
	before, err := s.Store.Replay(ctx, id)
	if err != nil || s.n == 0 {
		s.n++
		return s.Store.ReplayNext(ctx, id, endpoint, l)
	}
	again := before
	again.ID, again.Parts = id+"x", []webhook.ReplayPart{{Endpoint: endpoint}}
	if _, err := s.CancelReplay(ctx, id); err != nil {
		return before, "", err
	}
	if err := s.CreateReplay(ctx, again); err != nil {
		return before, "", err
	}
	return s.Store.ReplayNext(ctx, again.ID, endpoint, l)
}

type manyReplays struct{ storetest.Store }

func (s manyReplays) CreateReplay(ctx context.Context, r webhook.Replay) error {
	if err := s.Store.CreateReplay(ctx, r); !errors.Is(err, webhook.ErrReplaying) {
		return err
	}
	return nil
}

type anyPending struct{ storetest.Store }

func (s anyPending) Deliveries(ctx context.Context, f webhook.DeliveryFilter) ([]webhook.Delivery, string, error) {
	if len(f.PendingAt) > 0 {
		f.States, f.PendingAt = append(f.States, webhook.DeliveryPending), nil
	}
	return s.Store.Deliveries(ctx, f)
}

type halfTally struct{ storetest.Store }

func (s halfTally) Tally(ctx context.Context, endpoint string, since time.Time) (webhook.Tally, error) {
	t, err := s.Store.Tally(ctx, endpoint, since)
	t.Events /= 2
	return t, err
}

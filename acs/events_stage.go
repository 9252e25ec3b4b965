package acs

import (
	"context"
	"slices"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

// maxStageTold is how often one kind of step to another stage is told of one action: a device may call in, and be rung, many times.
const maxStageTold = 8

// stageOutbox tells of a pending action's step to another stage, where an endpoint of its client asked for that.
func (s *Service) stageOutbox(ctx context.Context, old, next *Action, now time.Time) (Outbox, error) {
	if !stageNews(old, next) {
		return Outbox{}, nil
	}
	all, err := s.listeners(ctx, wire.ActionStage)
	if err != nil || !slices.ContainsFunc(all, func(l listener) bool { return l.client.ID == next.Client }) {
		return Outbox{}, err
	}
	out, err := s.outbox(ctx, next, wire.ActionStage, webhook.NewID(webhook.PrefixEvent), now)
	if len(out.Deliveries) == 0 {
		return Outbox{}, err // filters want none of it
	}
	return out, err
}

// stageNews reports whether a move is to be told: a step to another stage, but of the rings of an action only the first, and those that
// fail for another reason than the one before.
func stageNews(old, next *Action) bool {
	if next.Status.Final() || old.Stage == next.Stage || len(next.Timeline) == 0 {
		return false
	}
	switch {
	case next.Stage == StageWaking && old.Ring != nil:
		return false
	case old.Stage == StageWaking && next.Stage == StageQueued && next.Ring != nil && old.Ring != nil && old.Ring.Reason == next.Ring.Reason:
		return false
	}
	step, times := next.Timeline[len(next.Timeline)-1].What, 0
	for i := range next.Timeline {
		if next.Timeline[i].What == step {
			times++
		}
	}
	return times <= maxStageTold
}

// stageReason says why an action is queued again; empty where it went on, or never left.
func stageReason(a *Action) Reason {
	if a.Stage != StageQueued || len(a.Timeline) == 0 {
		return ""
	}
	switch a.Timeline[len(a.Timeline)-1].What {
	case "connection_request_failed":
		reason, _ := (&Action{Stage: a.Stage, Ring: a.Ring}).timeoutReason(surroundings{}) // for the ring's sake alone
		return reason
	case "not_done":
		if a.Kind == KindReboot && !a.SentAt.IsZero() {
			return ReasonNoBoot
		}
	}
	return ReasonSessionIncomplete
}

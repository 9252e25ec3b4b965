package acs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

// errUnchanged is what a move returns when there is nothing to do.
var errUnchanged = errors.New("unchanged")

// change moves an action and stores it: a verdict goes with its event and deliveries in one transaction. Where somebody else was
// faster, the move is tried on what they left. The action is returned as it is stored in the end, with errors too.
func (s *Service) change(ctx context.Context, a Action, move func(*Action, time.Time) error) (Action, error) {
	for range 16 {
		now := time.Now()
		next := a.clone()
		if err := move(&next, now); err != nil {
			if errors.Is(err, errUnchanged) {
				return a, nil
			}
			return a, err
		}
		stored, err := s.save(ctx, &a, &next, now)
		if err == nil {
			s.announce(&a, &stored)
			return stored, nil
		}
		if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrFinished) {
			return a, err
		}
		if a, err = s.store.Action(ctx, a.ID); err != nil {
			return a, err
		}
	}
	return a, fmt.Errorf("action %s: %w", a.ID, ErrConflict)
}

func (s *Service) save(ctx context.Context, old, next *Action, now time.Time) (Action, error) {
	var out Outbox
	var err error
	switch {
	case !old.Status.Final() && next.Status.Final():
		next.FinalEvent = webhook.NewID("evt_")
		if out, err = s.outbox(ctx, next, EventOf(next.Status), next.FinalEvent, now); err != nil {
			return Action{}, err
		}
		return s.store.FinishAction(ctx, *next, out)
	case old.Late == nil && next.Late != nil:
		if out, err = s.outbox(ctx, next, wire.ActionLateResult, next.Late.Event, now); err != nil {
			return Action{}, err
		}
	default:
		if out, err = s.stageOutbox(ctx, old, next, now); err != nil {
			return Action{}, err
		}
	}
	return s.store.UpdateAction(ctx, *next, out)
}

// announce wakes those who wait for the action, and logs and counts verdicts.
func (s *Service) announce(old, a *Action) {
	s.hub.changed(a.ID)
	switch {
	case !old.Status.Final() && a.Status.Final():
		s.metrics.actionFinished(a)
		args := []any{
			"action", a.ID, "kind", a.Kind, "device", a.Device, "client", a.Client, "status", a.Status, "reason", a.Reason,
			"stage", a.Stage, "sends", a.Sends, "sequence", a.Sequence, "event", a.FinalEvent, "duration", a.FinishedAt.Sub(a.CreatedAt),
		}
		if a.Evidence != nil {
			args = append(args, "evidence", a.Evidence.Kind, "downtime", a.Evidence.Downtime)
		}
		if a.Fault != nil {
			args = append(args, "fault", a.Fault.Code)
		}
		s.log.Info("action finished", args...)
	case old.Late == nil && a.Late != nil:
		s.metrics.actionLate(a)
		s.log.Info("action late result", "action", a.ID, "device", a.Device, "status", a.Late.Status, "event", a.Late.Event)
	case old.Stage != a.Stage:
		s.log.Debug("action stage", "action", a.ID, "device", a.Device, "stage", a.Stage)
	}
}

// conclude gives an action the verdict that its device brought. After the deadline it is a timeout first (whoever notices), and the
// verdict becomes its late result.
func (s *Service) conclude(ctx context.Context, a Action, v verdict) error {
	move := func(a *Action, now time.Time) error {
		switch {
		case a.watched():
			a.late(now, v, webhook.NewID("evt_"))
		case a.Status.Final():
			return errUnchanged
		default:
			a.finish(now, v)
		}
		return nil
	}
	a, err := s.change(ctx, a, move)
	if !errors.Is(err, ErrPastDeadline) {
		return err
	}
	if a, err = s.expire(ctx, a); err != nil {
		return err
	}
	_, err = s.change(ctx, a, move)
	return err
}

// expire ends an action at its deadline, or its watch at that one's end: which of them is due is told by a. Where somebody else ended
// a pending one first, its watch has just begun, and goes on.
func (s *Service) expire(ctx context.Context, a Action) (Action, error) {
	pending := !a.Status.Final()
	var at surroundings
	if pending && a.unsent() {
		live, err := s.store.LiveActions(ctx, a.Device)
		if err != nil {
			return a, fmt.Errorf("actions of device %s: %w", a.Device, err)
		}
		d, err := s.store.Device(ctx, a.Device)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return a, fmt.Errorf("device %s: %w", a.Device, err)
		}
		at = surroundings{behind: waitIn(live, a.ID), lastInform: d.Reported.LastInform}
	}
	return s.change(ctx, a, func(a *Action, now time.Time) error {
		switch {
		case !a.Status.Final():
			reason, detail := a.timeoutReason(at)
			a.finish(now, verdict{status: StatusTimeout, reason: reason, detail: detail})
		case !pending && !a.WatchUntil.IsZero():
			a.WatchUntil = time.Time{}
			a.note(now, "watch_ended", "the device did nothing more about it in 24 h")
		default:
			return errUnchanged
		}
		return nil
	})
}

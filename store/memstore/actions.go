package memstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"recado/acs"
)

type idempotencyKey struct{ client, key string }

// idempotent is what was done under an idempotency key.
type idempotent struct {
	bodyMAC string
	action  acs.Protocolo
	at      time.Time
}

// due is an entry of the alarm clock.
type due struct {
	at time.Time
	id acs.Protocolo
}

func compareIDs(a, b acs.Protocolo) int   { return bytes.Compare(a[:], b[:]) }
func compareActions(a, b *acs.Action) int { return compareIDs(a.ID, b.ID) }
func compareDue(a, b due) int             { return cmp.Or(a.at.Compare(b.at), compareIDs(a.id, b.id)) }

func (s *Store) stored(id acs.Protocolo) (*acs.Action, error) {
	a, ok := s.actions.get(&acs.Action{ID: id})
	if !ok {
		return nil, fmt.Errorf("action %s: %w", id, acs.ErrNotFound)
	}
	return a, nil
}

// pending counts a device's pending actions.
func (s *Store) pending(device string) (n int) {
	for _, a := range s.live[device].items {
		if !a.Status.Final() {
			n++
		}
	}
	return n
}

// CreateAction implements acs.ActionStore. An id that is taken is acs.ErrExists.
func (s *Store) CreateAction(ctx context.Context, a acs.Action, i acs.Idempotency, o acs.Outbox) (acs.Action, bool, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Action{}, false, err
	}
	defer s.mu.Unlock()
	now := s.now()
	if stored, err := s.repeated(a.Client, i, now); err == nil || !errors.Is(err, acs.ErrNotFound) {
		return stored, err == nil, err
	}
	if !a.Status.Final() && s.pending(a.Device) >= acs.MaxPendingPerDevice {
		return acs.Action{}, false, fmt.Errorf("device %s: %w", a.Device, acs.ErrQueueFull)
	}
	if _, err := s.stored(a.ID); err == nil {
		return acs.Action{}, false, fmt.Errorf("action %s: %w", a.ID, acs.ErrExists)
	}
	if err := s.checkOutbox(o); err != nil {
		return acs.Action{}, false, err
	}
	a.Version = 1
	stored := s.put(nil, a, o, now)
	s.did(acs.AuditAction(ctx, &stored))
	if i.Key != "" {
		s.idempotency[idempotencyKey{a.Client, i.Key}] = idempotent{bodyMAC: i.BodyMAC, action: a.ID, at: now}
	}
	return stored, false, nil
}

// repeated gives the action that an idempotency key made, acs.ErrNotFound where there is none.
func (s *Store) repeated(client string, i acs.Idempotency, now time.Time) (acs.Action, error) {
	before, ok := s.idempotency[idempotencyKey{client, i.Key}]
	switch {
	case !ok || now.Sub(before.at) >= acs.IdempotencyWindow:
		return acs.Action{}, acs.ErrNotFound
	case before.bodyMAC != i.BodyMAC:
		return acs.Action{}, acs.ErrIdempotencyReused
	}
	stored, err := s.stored(before.action)
	if err != nil {
		return acs.Action{}, err
	}
	return cloneAction(stored), nil
}

// Repeated implements acs.ActionStore.
func (s *Store) Repeated(ctx context.Context, client string, i acs.Idempotency) (acs.Action, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Action{}, err
	}
	defer s.mu.Unlock()
	return s.repeated(client, i, s.now())
}

// UpdateAction implements acs.ActionStore.
func (s *Store) UpdateAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Action{}, err
	}
	defer s.mu.Unlock()
	now := s.now()
	old, err := s.stored(a.ID)
	if err != nil {
		return acs.Action{}, err
	}
	sending := a.Stage == acs.StageSent && old.Stage != acs.StageSent || a.Sends > old.Sends
	switch {
	case old.Status.Final() && a.Status != old.Status:
		err = acs.ErrFinished
	case a.Version != old.Version:
		err = acs.ErrConflict
	case a.Status != old.Status:
		err = fmt.Errorf("status %s by an update: only FinishAction stores a verdict", a.Status)
	case sending && !now.Before(old.DeadlineAt):
		err = acs.ErrPastDeadline
	default:
		err = s.checkOutbox(o)
	}
	if err != nil {
		return acs.Action{}, fmt.Errorf("action %s: %w", a.ID, err)
	}
	return s.put(old, a, o, now), nil
}

// FinishAction implements acs.ActionStore.
func (s *Store) FinishAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Action{}, err
	}
	defer s.mu.Unlock()
	now := s.now()
	old, err := s.stored(a.ID)
	if err != nil {
		return acs.Action{}, err
	}
	past := !now.Before(old.DeadlineAt)
	switch {
	case old.Status.Final():
		err = acs.ErrFinished
	case a.Version != old.Version:
		err = acs.ErrConflict
	case !a.Status.Final():
		err = fmt.Errorf("status %s is no verdict", a.Status)
	case a.Status == acs.StatusTimeout && !past:
		err = acs.ErrNotDue
	case a.Status != acs.StatusTimeout && past:
		err = acs.ErrPastDeadline
	default:
		err = s.checkOutbox(o)
	}
	if err != nil {
		return acs.Action{}, fmt.Errorf("action %s: %w", a.ID, err)
	}
	stored := s.put(old, a, o, now)
	s.did(acs.AuditVerdict(ctx, &stored))
	return stored, nil
}

// put stores a in place of old (nil: there was none) with its outbox, and gives a copy of it. Nothing can go wrong any more.
func (s *Store) put(old *acs.Action, a acs.Action, o acs.Outbox, now time.Time) acs.Action {
	a = cloneAction(&a)
	if n := s.post(o, now); n > 0 {
		a.Sequence = n
	}
	if a.Status.Final() {
		for i := range a.Parameters {
			a.Parameters[i].Value = ""
		}
	}
	if old != nil {
		a.Version = old.Version + 1
		s.forget(old)
	}
	s.actions.put(&a)
	if a.Live() {
		live, ok := s.live[a.Device]
		if !ok {
			live = newOrdered(compareActions)
		}
		live.put(&a)
		s.live[a.Device] = live
		s.due.put(due{a.Due(), a.ID})
	}
	return cloneAction(&a)
}

// forget takes an action out of what is derived from it.
func (s *Store) forget(a *acs.Action) {
	if !a.Live() {
		return
	}
	live := s.live[a.Device]
	live.remove(a)
	s.live[a.Device] = live
	if len(live.items) == 0 {
		delete(s.live, a.Device)
	}
	s.due.remove(due{a.Due(), a.ID})
}

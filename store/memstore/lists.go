package memstore

import (
	"context"
	"slices"
	"time"

	"recado/acs"
)

// Action implements acs.ActionStore.
func (s *Store) Action(ctx context.Context, id acs.Protocolo) (acs.Action, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Action{}, err
	}
	defer s.mu.Unlock()
	a, err := s.stored(id)
	if err != nil {
		return acs.Action{}, err
	}
	return cloneAction(a), nil
}

// Actions implements acs.ActionStore. A cursor that no page gave is an *acs.InvalidError.
func (s *Store) Actions(ctx context.Context, f acs.ActionFilter) ([]acs.Action, string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	var before **acs.Action
	if f.Cursor != "" {
		id, err := acs.ParseProtocolo(f.Cursor)
		if err != nil {
			return nil, "", badCursor()
		}
		last := &acs.Action{ID: id}
		before = &last
	}
	page, more := s.actions.page(before, f.Limit, func(a *acs.Action) bool {
		return (f.Client == "" || a.Client == f.Client) &&
			(f.Device == "" || a.Device == f.Device) &&
			(f.Kind == "" || a.Kind == f.Kind) &&
			(len(f.Statuses) == 0 || slices.Contains(f.Statuses, a.Status)) &&
			!a.CreatedAt.Before(f.Since)
	})
	next := ""
	if more {
		next = page[len(page)-1].ID.String()
	}
	return cloneActions(page), next, nil
}

// LiveActions implements acs.ActionStore.
func (s *Store) LiveActions(ctx context.Context, device string) ([]acs.Action, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return cloneActions(s.live[device].items), nil
}

// DueActions implements acs.ActionStore. A limit of 0 lists none.
func (s *Store) DueActions(ctx context.Context, limit int) ([]acs.Action, time.Time, error) {
	if err := s.lock(ctx); err != nil {
		return nil, time.Time{}, err
	}
	defer s.mu.Unlock()
	now := s.now()
	reached, _ := slices.BinarySearchFunc(s.due.items, now, func(d due, now time.Time) int {
		if d.at.After(now) {
			return 1
		}
		return -1
	})
	var next time.Time
	if reached < len(s.due.items) {
		next = s.due.items[reached].at
	}
	var list []acs.Action
	for _, d := range s.due.items[:min(max(limit, 0), reached)] {
		a, err := s.stored(d.id)
		if err != nil {
			return nil, time.Time{}, err
		}
		list = append(list, cloneAction(a))
	}
	return list, next, nil
}

// WaitingDevices implements acs.ActionStore.
func (s *Store) WaitingDevices(ctx context.Context) ([]string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var devices []string
	for device, live := range s.live {
		if slices.ContainsFunc(live.items, func(a *acs.Action) bool { return !a.Status.Final() }) {
			devices = append(devices, device)
		}
	}
	return devices, nil
}

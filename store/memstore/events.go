package memstore

import (
	"context"
	"maps"
	"slices"
	"strings"

	"recado/webhook"
)

// Events implements webhook.EventStore. A cursor that no page gave is an *acs.InvalidError.
func (s *Store) Events(ctx context.Context, f webhook.EventFilter) ([]webhook.Event, string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	before, ok := strings.CutPrefix(f.Cursor, "before:")
	if f.Cursor != "" && !ok {
		return nil, "", badCursor()
	}
	limit := f.Limit
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	page := []webhook.Event{}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(s.events))) {
		e := s.events[id]
		if before != "" && id >= before || f.Client != "" && e.Client != f.Client || f.Protocolo != "" && e.Protocolo != f.Protocolo ||
			len(f.Types) > 0 && !slices.Contains(f.Types, e.Type) || e.Time.Before(f.Since) {
			continue
		}
		if len(page) == limit {
			return page, "before:" + page[limit-1].ID, nil
		}
		page = append(page, cloneEvent(e))
	}
	return page, "", nil
}

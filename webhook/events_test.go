package webhook_test

import (
	"context"
	"maps"
	"slices"

	"recado/webhook"
)

// Events lists those of a client, newest first, without pages.
func (s *tinyStore) Events(_ context.Context, f webhook.EventFilter) (page []webhook.Event, _ string, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(s.events))) {
		if e := s.events[id]; e.Client == f.Client && !e.Time.Before(f.Since) && (len(f.Types) == 0 || slices.Contains(f.Types, e.Type)) {
			page = append(page, e)
		}
	}
	return page[:min(len(page), max(f.Limit, 1))], "", nil
}

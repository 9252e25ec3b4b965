package memstore

import (
	"context"
	"maps"

	"recado/acs"
)

// quota is what requests are counted by.
type quota struct {
	client string
	day    acs.Day
}

// ReserveRequests implements acs.QuotaStore.
func (s *Store) ReserveRequests(ctx context.Context, client string, day acs.Day, n, limit int) (acs.Reserved, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Reserved{}, err
	}
	defer s.mu.Unlock()
	q := quota{client, day}
	used := s.quotas[q]
	r := acs.Reserved{Granted: max(min(n, limit-used), 0), Used: used}
	if r.Granted == 0 {
		return r, nil
	}
	r.Used += r.Granted
	if used == 0 {
		maps.DeleteFunc(s.quotas, func(q quota, _ int) bool { return q.day < day-1 })
	}
	s.quotas[q] = r.Used
	return r, nil
}

// ReturnRequests implements acs.QuotaStore. A count that is gone, with its client or its day, stays gone.
func (s *Store) ReturnRequests(ctx context.Context, client string, day acs.Day, n int) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if used := s.quotas[quota{client, day}]; used > 0 && n > 0 {
		s.quotas[quota{client, day}] = max(used-n, 0)
	}
	return nil
}

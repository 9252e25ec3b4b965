package memstore

import (
	"context"
	"maps"
	"strconv"
	"time"

	"recado/acs"
)

// did writes down acts. The store is locked, and what they tell of is done under the same lock.
func (s *Store) did(acts []acs.AuditAct) {
	at := s.now().Truncate(time.Millisecond)
	head := s.auditHead()
	for i := range acts {
		e := acs.AuditEntry{Seq: head.Seq + 1, Time: at, AuditAct: acts[i], Prev: head.Hash}
		e.Details = maps.Clone(e.Details)
		e.Hash = acs.AuditHash(e.Prev, e.Seq, e.Time, acs.AppendAuditBody(nil, &e.AuditAct))
		s.audit = append(s.audit, e)
		head = acs.AuditMark{Seq: e.Seq, Hash: e.Hash}
	}
}

func (s *Store) auditHead() acs.AuditMark {
	if len(s.audit) == 0 {
		return acs.AuditMark{}
	}
	last := &s.audit[len(s.audit)-1]
	return acs.AuditMark{Seq: last.Seq, Hash: last.Hash}
}

// AppendAudit implements acs.AuditStore.
func (s *Store) AppendAudit(ctx context.Context, acts ...acs.AuditAct) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.did(acts)
	return nil
}

// AuditEnds implements acs.AuditStore.
func (s *Store) AuditEnds(ctx context.Context) (acs.AuditEnds, error) {
	if err := s.lock(ctx); err != nil {
		return acs.AuditEnds{}, err
	}
	defer s.mu.Unlock()
	return acs.AuditEnds{Head: s.auditHead()}, nil
}

// Audit implements acs.AuditStore. The cursor is the number to go on at.
func (s *Store) Audit(ctx context.Context, f acs.AuditFilter) (page []acs.AuditEntry, next string, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	from, step := len(s.audit), -1
	if f.OldestFirst {
		from, step = 1, 1
	}
	if f.Cursor != "" {
		if from, err = strconv.Atoi(f.Cursor); err != nil || from < 1 || strconv.Itoa(from) != f.Cursor {
			return nil, "", badCursor()
		}
	}
	if !f.OldestFirst {
		from = min(from, len(s.audit))
	}
	for seq := from; seq >= 1 && seq <= len(s.audit); seq += step {
		e := s.audit[seq-1]
		if !f.Matches(&e) {
			continue
		}
		if len(page) == pageSize(f.Limit) {
			return page, strconv.Itoa(seq), nil
		}
		e.Details = maps.Clone(e.Details)
		page = append(page, e)
	}
	return page, "", nil
}

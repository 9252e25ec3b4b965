package boltstore

import (
	"context"
	"slices"
	"strings"

	"recado/webhook"
)

// Events implements webhook.EventStore. A cursor that no page gave is an *acs.InvalidError.
func (db *DB) Events(ctx context.Context, f webhook.EventFilter) (page []webhook.Event, next string, err error) {
	var before []byte
	if f.Cursor != "" {
		id, ok := strings.CutPrefix(f.Cursor, "before:")
		if !ok {
			return nil, "", badCursor()
		}
		before = idKey(prefixEvent, id)
	}
	limit := pageSize(f.Limit)
	page = []webhook.Event{}
	err = db.newest(ctx, bucketEvt, before, func(k, v []byte) bool {
		if olderThan(k, f.Since) {
			return false
		}
		if !hasField(v, "client", f.Client) || !hasField(v, "protocolo", f.Protocolo) {
			return true
		}
		e, err := decodeEvent(v)
		if err != nil {
			db.damaged.add(bucketEvt, k, err)
			return true
		}
		if f.Client != "" && e.Client != f.Client || f.Protocolo != "" && e.Protocolo != f.Protocolo ||
			len(f.Types) > 0 && !slices.Contains(f.Types, e.Type) || e.Time.Before(f.Since) {
			return true
		}
		if len(page) == limit {
			next = "before:" + page[limit-1].ID
			return false
		}
		page = append(page, e)
		return true
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

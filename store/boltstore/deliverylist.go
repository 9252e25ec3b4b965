package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/webhook"
)

// Deliveries implements webhook.DeliveryStore. A cursor that no page gave is an *acs.InvalidError. Where only pending and dead ones are
// asked for, it looks at no others.
func (db *DB) Deliveries(ctx context.Context, f webhook.DeliveryFilter) (page []webhook.Delivery, next string, err error) {
	var before []byte
	if f.Cursor != "" {
		id, ok := strings.CutPrefix(f.Cursor, "before:")
		if !ok {
			return nil, "", badCursor()
		}
		before = idKey(prefixDelivery, id)
	}
	limit := pageSize(f.Limit)
	page = []webhook.Delivery{}
	see := func(k, v []byte) bool {
		if olderThan(k, f.Since) {
			return false
		}
		if !mayBe(v, &f) {
			return true
		}
		d, err := decodeDelivery(v)
		if err != nil {
			db.damaged.add(bucketDlv, k, err)
			return true
		}
		if !f.Selects(&d) {
			return true
		}
		if len(page) == limit {
			next = "before:" + page[limit-1].ID
			return false
		}
		page = append(page, d)
		return true
	}
	// Until bounds no walk: after a clock was set back, ids are ahead of it for a while.
	if indexes := indexesOf(&f); indexes != nil {
		err = db.newestOf(ctx, indexes, before, db.mayBeIn(&f), see)
	} else {
		err = db.newest(ctx, bucketDlv, before, see)
	}
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// madeAt is where the keys begin of what was made at t, nil where that cannot be told.
func madeAt(t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 || ms >= 1<<47 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, uint64(ms)<<16)
}

// mayBe is a cheap look before decoding.
func mayBe(v []byte, f *webhook.DeliveryFilter) bool {
	if !hasField(v, "client", f.Client) || !hasField(v, "endpoint", f.Endpoint) || !hasField(v, "event", f.Event) ||
		!hasField(v, "protocolo", f.Protocolo) {
		return false
	}
	if len(f.Types) > 0 && !slices.ContainsFunc(f.Types, func(t string) bool { return hasField(v, "event_type", t) }) {
		return false
	}
	return len(f.States) == 0 || len(f.PendingAt) > 0 ||
		slices.ContainsFunc(f.States, func(s webhook.DeliveryState) bool { return hasField(v, "state", string(s)) })
}

// indexesOf names the buckets that together hold the ids of all that a filter can select; nil is for all deliveries.
func indexesOf(f *webhook.DeliveryFilter) (buckets []string) {
	if len(f.States)+len(f.PendingAt) == 0 {
		return nil
	}
	pending := len(f.PendingAt) > 0
	for _, s := range f.States {
		switch s {
		case webhook.DeliveryPending:
			pending = true
		case webhook.DeliveryDead:
			buckets = append(buckets, bucketDead)
		default:
			return nil
		}
	}
	if pending {
		buckets = append(buckets, bucketPend)
	}
	return buckets
}

// mayBeIn gives a function that looks at an entry of an index: whether its delivery has to be read.
func (db *DB) mayBeIn(f *webhook.DeliveryFilter) func(bucket string, k, v []byte) bool {
	var only map[string]bool // the endpoints whose pending ones count
	if len(f.PendingAt) > 0 && !slices.Contains(f.States, webhook.DeliveryPending) {
		only = make(map[string]bool, len(f.PendingAt))
		for _, id := range f.PendingAt {
			only[id] = true
		}
	}
	return func(bucket string, k, v []byte) bool {
		if bucket == bucketDead {
			return f.Endpoint == "" || string(v) == f.Endpoint
		}
		if only == nil && f.Endpoint == "" {
			return true
		}
		db.mu.RLock()
		defer db.mu.RUnlock()
		p := db.out.pending[string(k)]
		// One that is not in memory has an endpoint that is gone or cannot be read.
		return p == nil || (only == nil || only[p.q.endpoint]) && (f.Endpoint == "" || p.q.endpoint == f.Endpoint)
	}
}

// indexCursor is a place in an index.
type indexCursor struct {
	bucket string
	c      *bolt.Cursor
	k, v   []byte
}

func (i *indexCursor) start(before []byte) {
	if before != nil {
		if k, _ := i.c.Seek(before); k != nil {
			i.k, i.v = i.c.Prev()
			return
		}
	}
	i.k, i.v = i.c.Last()
}

// newestOf walks several indexes of deliveries as one, from below before (nil: the end) downwards, and calls see with each delivery that
// wanted lets through, until it returns false.
func (db *DB) newestOf(ctx context.Context, indexes []string, before []byte, wanted func(bucket string, k, v []byte) bool,
	see func(k, v []byte) bool,
) error {
	for {
		done := false
		err := db.view(ctx, func(tx *bolt.Tx) error {
			deliveries := tx.Bucket([]byte(bucketDlv))
			cursors := make([]indexCursor, len(indexes))
			for i, name := range indexes {
				cursors[i] = indexCursor{bucket: name, c: tx.Bucket([]byte(name)).Cursor()}
				cursors[i].start(before)
			}
			var last []byte
			for range walkStep {
				at := slices.MaxFunc(cursors, func(a, b indexCursor) int { return bytes.Compare(a.k, b.k) })
				if at.k == nil {
					done = true
					return nil
				}
				last = at.k
				if wanted(at.bucket, at.k, at.v) {
					if v := deliveries.Get(at.k); v != nil && !see(at.k, v) {
						done = true
						return nil
					}
				}
				for i := range cursors {
					if bytes.Equal(cursors[i].k, last) {
						cursors[i].k, cursors[i].v = cursors[i].c.Prev()
					}
				}
			}
			before = bytes.Clone(last)
			return nil
		})
		if err != nil || done {
			return err
		}
	}
}

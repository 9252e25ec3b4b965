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
		err = db.newestOf(ctx, indexes, &f, before, see)
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

// indexCursor is a place in an index: a bucket, or keys in order that were collected.
type indexCursor struct {
	bucket string
	c      *bolt.Cursor // nil: keys
	keys   []string     // those not passed yet
	k, v   []byte
}

// start goes to the last entry below before (nil: the last one).
func (i *indexCursor) start(before []byte) {
	if i.c == nil {
		if before != nil {
			n, _ := slices.BinarySearch(i.keys, string(before))
			i.keys = i.keys[:n]
		}
		i.prev()
		return
	}
	if before != nil {
		if k, _ := i.c.Seek(before); k != nil {
			i.k, i.v = i.c.Prev()
			return
		}
	}
	i.k, i.v = i.c.Last()
}

func (i *indexCursor) prev() {
	if i.c != nil {
		i.k, i.v = i.c.Prev()
		return
	}
	if i.k, i.v = nil, nil; len(i.keys) > 0 {
		last := len(i.keys) - 1
		i.k, i.keys = []byte(i.keys[last]), i.keys[:last]
	}
}

// fewPending is how many pending deliveries are collected, rather than to walk over all that is pending.
const fewPending = 20_000

// pendingAt collects the keys of what is pending for the filter's endpoints, in order; ok is false where that is much, or not all that is
// asked for.
func (db *DB) pendingAt(f *webhook.DeliveryFilter) (keys []string, ok bool) {
	if len(f.PendingAt) == 0 || slices.Contains(f.States, webhook.DeliveryPending) {
		return nil, false
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	wanted := make(map[*endpointQueue]bool, len(f.PendingAt))
	n := 0
	for _, id := range f.PendingAt {
		if q := db.out.queues[id]; q != nil && !wanted[q] && (f.Endpoint == "" || f.Endpoint == id) {
			wanted[q] = true
			n += q.size
		}
	}
	if n > fewPending {
		return nil, false
	}
	keys = make([]string, 0, n)
	for p := range db.out.away {
		if wanted[p.q] {
			keys = append(keys, p.key)
		}
	}
	for q := range wanted {
		for _, p := range q.waiting.heapOf {
			keys = append(keys, p.key)
		}
		for _, p := range q.ready.heapOf {
			keys = append(keys, p.key)
		}
		for _, line := range q.lines {
			for _, p := range *line {
				if p.at == behind {
					keys = append(keys, p.key)
				}
			}
		}
	}
	slices.Sort(keys)
	return keys, true
}

// newestOf walks several indexes of deliveries as one, from below before (nil: the end) downwards, and calls see with each delivery that
// may be one that f selects, until it returns false.
func (db *DB) newestOf(ctx context.Context, indexes []string, f *webhook.DeliveryFilter, before []byte, see func(k, v []byte) bool) error {
	wanted := db.mayBeIn(f)
	pending, few := db.pendingAt(f)
	for {
		done := false
		err := db.view(ctx, func(tx *bolt.Tx) error {
			deliveries := tx.Bucket([]byte(bucketDlv))
			cursors := make([]indexCursor, len(indexes))
			for i, name := range indexes {
				cursors[i] = indexCursor{bucket: name, keys: pending}
				if name != bucketPend || !few {
					cursors[i].c = tx.Bucket([]byte(name)).Cursor()
				}
				cursors[i].start(before)
			}
			var last []byte
			for range walkStep {
				at := &cursors[0]
				for i := range cursors {
					if bytes.Compare(cursors[i].k, at.k) > 0 {
						at = &cursors[i]
					}
				}
				if done = at.k == nil; done {
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
						cursors[i].prev()
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

package boltstore

import (
	"bytes"
	"context"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
)

const (
	// maxPage is the largest page of a list, and its size where none is given.
	maxPage = 1000
	// walkStep is how many records a walk looks at in one transaction: a long one keeps old pages from being used again.
	walkStep = 2000
)

func pageSize(limit int) int {
	if limit <= 0 || limit > maxPage {
		return maxPage
	}
	return limit
}

func badCursor() error {
	return &acs.InvalidError{Field: "cursor", Problem: "is not one that this list gave"}
}

// newest walks a bucket from below before (nil: the end) downwards, until visit returns false.
func (db *DB) newest(ctx context.Context, bucket string, before []byte, visit func(k, v []byte) bool) error {
	for {
		done := false
		err := db.view(ctx, func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte(bucket)).Cursor()
			k, v := c.Last()
			if before != nil {
				if k, _ = c.Seek(before); k == nil {
					k, v = c.Last()
				} else {
					k, v = c.Prev()
				}
			}
			var last []byte
			for range walkStep {
				if k == nil || !visit(k, v) {
					done = true
					return nil
				}
				last = k
				k, v = c.Prev()
			}
			before = bytes.Clone(last)
			return nil
		})
		if err != nil || done {
			return err
		}
	}
}

// sinceSlack is how far an id's own time may be from its record's CreatedAt.
const sinceSlack = time.Hour

// olderThan reports whether a UUIDv7 key was made well before t: all that follow in a walk down are older still.
func olderThan(key []byte, t time.Time) bool {
	if t.IsZero() || len(key) < 16 || key[0] == oddID || key[6]>>4 != 7 {
		return false
	}
	ms := int64(key[0])<<40 | int64(key[1])<<32 | int64(key[2])<<24 | int64(key[3])<<16 | int64(key[4])<<8 | int64(key[5])
	return time.UnixMilli(ms).Before(t.Add(-sinceSlack))
}

// Actions implements acs.ActionStore. A cursor that no page gave is an *acs.InvalidError.
func (db *DB) Actions(ctx context.Context, f acs.ActionFilter) (page []acs.Action, next string, err error) {
	var before []byte
	if f.Cursor != "" {
		id, err := acs.ParseProtocolo(f.Cursor)
		if err != nil {
			return nil, "", badCursor()
		}
		before = id[:]
	}
	limit := pageSize(f.Limit)
	page = []acs.Action{}
	err = db.newest(ctx, bucketAct, before, func(k, v []byte) bool {
		if olderThan(k, f.Since) {
			return false
		}
		if !hasField(v, "client", f.Client) || !hasField(v, "device", f.Device) || !hasField(v, "kind", string(f.Kind)) {
			return true
		}
		a, err := decodeAction(db.keys, v)
		if err != nil {
			db.damaged.add(bucketAct, k, err)
			return true
		}
		if f.Client != "" && a.Client != f.Client || f.Device != "" && a.Device != f.Device || f.Kind != "" && a.Kind != f.Kind ||
			len(f.Statuses) > 0 && !slices.Contains(f.Statuses, a.Status) || a.CreatedAt.Before(f.Since) {
			return true
		}
		if len(page) == limit {
			next = page[limit-1].ID.String()
			return false
		}
		page = append(page, a)
		return true
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// LiveActions implements acs.ActionStore.
func (db *DB) LiveActions(ctx context.Context, device string) ([]acs.Action, error) {
	var ids []acs.Protocolo
	db.mu.RLock()
	for _, l := range db.byDevice[device] {
		ids = append(ids, l.id)
	}
	db.mu.RUnlock()
	list := make([]acs.Action, 0, len(ids))
	err := db.view(ctx, func(tx *bolt.Tx) error {
		actions := tx.Bucket([]byte(bucketAct))
		for _, id := range ids {
			v := actions.Get(id[:])
			if v == nil {
				continue
			}
			a, err := decodeAction(db.keys, v)
			if err != nil {
				db.damaged.add(bucketAct, id[:], err)
				continue
			}
			if a.Live() {
				list = append(list, a)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// DueActions implements acs.ActionStore. A limit of 0 lists none.
func (db *DB) DueActions(ctx context.Context, limit int) (due []acs.Action, next time.Time, err error) {
	now := nanos(db.now())
	err = db.view(ctx, func(tx *bolt.Tx) error {
		actions := tx.Bucket([]byte(bucketAct))
		c := tx.Bucket([]byte(bucketDue)).Cursor()
		k, _ := c.First()
		for ; k != nil && len(due) < limit; k, _ = c.Next() {
			at, id, ok := splitStamped(k)
			if ok && at > now {
				break
			}
			a, err := decodeAction(db.keys, actions.Get(id[:]))
			if err != nil || !ok {
				db.damaged.add(bucketDue, k, ErrDamaged)
				continue
			}
			due = append(due, a)
		}
		next = db.firstAfter(c, now)
		return nil
	})
	return due, next, err
}

// firstAfter gives the first time after now at which an action is due that can be read.
func (db *DB) firstAfter(c *bolt.Cursor, now int64) time.Time {
	for k, _ := c.Seek(timeKey(time.Unix(0, now+1))); k != nil; k, _ = c.Next() {
		at, id, ok := splitStamped(k)
		if !ok {
			continue
		}
		db.mu.RLock()
		_, known := db.live[id]
		db.mu.RUnlock()
		if known || !db.damaged.has(bucketAct, id[:]) {
			return fromNano(at)
		}
	}
	return time.Time{}
}

// WaitingDevices implements acs.ActionStore.
func (db *DB) WaitingDevices(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if db.isClosed() {
		return nil, errClosed
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	var devices []string
	for device, list := range db.byDevice {
		if slices.ContainsFunc(list, func(l *live) bool { return !l.status.Final() }) {
			devices = append(devices, device)
		}
	}
	return devices, nil
}

package boltstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/webhook"
)

// Counters are kept in memory first and written down some seconds later, all at once: an attempt's own transaction is no larger for them.
// A crash loses what was counted since.

// tallyEvery is how long counters may wait to be written.
const tallyEvery = 5 * time.Second

var keyTallies = []byte("tallies")

type tallyRecord struct {
	V     int           `json:"v"`
	Tally webhook.Tally `json:"s"`
}

func (r *tallyRecord) version() int { return r.V }

// tallyKey is an hour (as timeKey is a time) and the endpoint: old ones are at the bucket's beginning.
func tallyKey(hour int64, endpoint string) string {
	return string(append(binary.BigEndian.AppendUint64(nil, uint64(hour)^signBit), bound(endpoint)...))
}

func tallyHour(k []byte) (hour int64, ok bool) {
	if len(k) < 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(k) ^ signBit), true
}

// tallies is what was counted. DB.mu guards it.
type tallies struct {
	// fresh is what is not in the file, writing what a transaction under way brings there. The file's number of writes tells readers
	// whether it has.
	fresh, writing map[string]*webhook.Tally
	written        uint64
	timer          *time.Timer // set while fresh has something
}

// tally changes the counters of an endpoint with the group's commit.
func (g *group) tally(endpoint string, change func(t *webhook.Tally)) {
	key := tallyKey(webhook.Hour(g.now), endpoint)
	g.then(func() {
		s := &g.db.tallies
		t := s.fresh[key]
		if t == nil {
			t = &webhook.Tally{}
			s.fresh[key] = t
		}
		change(t)
		g.db.armTallies()
	})
}

// armTallies sees to it that what was counted is written down. The memory is locked.
func (db *DB) armTallies() {
	s := &db.tallies
	if s.timer == nil && !db.isClosed() {
		s.timer = time.AfterFunc(tallyEvery, func() {
			db.queue.add(&op{do: (*group).putTallies, done: make(chan struct{})})
		})
	}
}

// putTallies adds what was counted to what is in the file.
func (g *group) putTallies() error {
	s := &g.db.tallies
	g.db.mu.Lock()
	if g.tallied {
		// The group writes down what there was already, and nothing is counted before its commit. The timer's writing, or the one at the
		// store's end, must not take the place of what that commit may have to give back.
		g.db.mu.Unlock()
		return nil
	}
	g.tallied = true
	taken := s.fresh
	s.fresh, s.writing, s.timer = make(map[string]*webhook.Tally), taken, nil
	n := s.written + 1
	g.db.mu.Unlock()
	g.undo = append(g.undo, func() {
		for key, t := range s.writing {
			if more := s.fresh[key]; more != nil {
				t.Add(more)
			}
			s.fresh[key] = t
		}
		s.writing = nil
		g.db.armTallies()
	})
	if len(taken) == 0 {
		g.then(func() { s.writing = nil })
		return nil
	}
	keys := make([]string, 0, len(taken))
	for key := range taken {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		var r tallyRecord
		if v := g.get(bucketStat, []byte(key)); v != nil {
			if err := decode(v, &r); err != nil {
				g.db.damaged.add(bucketStat, []byte(key), err)
				r = tallyRecord{}
			}
		}
		r.V = recordVersion
		r.Tally.Add(taken[key])
		value, err := encode(&r)
		if err != nil {
			g.broken = err
			return nil
		}
		g.put(bucketStat, []byte(key), value)
	}
	g.put(bucketMeta, keyTallies, binary.BigEndian.AppendUint64(nil, n))
	g.then(func() { s.writing, s.written = nil, n })
	return nil
}

// flushTallies writes down what was counted, at the store's end.
func (db *DB) flushTallies() error {
	db.mu.Lock()
	s := &db.tallies
	if s.timer != nil {
		s.timer.Stop()
	}
	idle := len(s.fresh) == 0
	db.mu.Unlock()
	if idle {
		return nil
	}
	return db.write(context.Background(), (*group).putTallies)
}

func (db *DB) loadTallies(tx *bolt.Tx) error {
	db.tallies.written = tallyWrites(tx)
	return nil
}

func tallyWrites(tx *bolt.Tx) uint64 {
	if v := tx.Bucket([]byte(bucketMeta)).Get(keyTallies); len(v) == 8 {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// Tally implements webhook.StatsStore.
func (db *DB) Tally(ctx context.Context, endpoint string, since time.Time) (sum webhook.Tally, err error) {
	if err := db.readable(ctx); err != nil {
		return webhook.Tally{}, err
	}
	first, last := webhook.Hour(since), webhook.Hour(db.now())
	first = max(first, last-24*366)
	// The memory is read before the file: what was written in between is in the file, and is left out of what was in memory.
	var fresh, writing webhook.Tally
	db.mu.RLock()
	n := db.tallies.written
	for hour := first; hour <= last; hour++ {
		key := tallyKey(hour, endpoint)
		if t := db.tallies.fresh[key]; t != nil {
			fresh.Add(t)
		}
		if t := db.tallies.writing[key]; t != nil {
			writing.Add(t)
		}
	}
	under := db.tallies.writing != nil
	db.mu.RUnlock()
	err = db.view(ctx, func(tx *bolt.Tx) error {
		stats := tx.Bucket([]byte(bucketStat))
		for hour := first; hour <= last; hour++ {
			key := []byte(tallyKey(hour, endpoint))
			v := stats.Get(key)
			if v == nil {
				continue
			}
			var r tallyRecord
			if err := decode(v, &r); err != nil {
				db.damaged.add(bucketStat, key, err)
				continue
			}
			sum.Add(&r.Tally)
		}
		writes := tallyWrites(tx) - n
		if under {
			if writes == 0 {
				sum.Add(&writing)
			} else {
				writes--
			}
		}
		if writes == 0 {
			sum.Add(&fresh)
		}
		return nil
	})
	if err != nil {
		return webhook.Tally{}, fmt.Errorf("counters of %s: %w", endpoint, err)
	}
	return sum, nil
}

// QueueStates implements webhook.StatsStore.
func (db *DB) QueueStates(ctx context.Context, client string) ([]webhook.QueueState, error) {
	if err := db.readable(ctx); err != nil {
		return nil, err
	}
	now := nanos(db.now())
	var list []webhook.QueueState
	from := make(map[string]string) // by endpoint: no pending key is below
	db.mu.RLock()
	for id, e := range db.endpoints {
		if client != "" && e.Client != client {
			continue
		}
		q := webhook.QueueState{Endpoint: id, Client: e.Client, State: e.State, Dead: db.dead[id]}
		if queue := db.out.queues[id]; queue != nil {
			q.Pending, q.DueSince = queue.size, db.dueSince(queue, e, now)
			from[id] = queue.floor
		}
		list = append(list, q)
	}
	db.mu.RUnlock()
	slices.SortFunc(list, func(a, b webhook.QueueState) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
	for i := range list {
		floor, ok := from[list[i].Endpoint]
		if !ok {
			continue
		}
		var err error
		if list[i].Oldest, err = db.oldestPending(ctx, list[i].Endpoint, floor); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// dueSince is since when something at an endpoint could go out and nothing does. The memory is locked.
func (db *DB) dueSince(q *endpointQueue, e *webhook.Endpoint, now int64) time.Time {
	opens, probe, ok := e.OpensAt()
	if !ok || probe || q.held > 0 || nanos(opens) > now {
		return time.Time{}
	}
	since := int64(0)
	for _, h := range [][]*pending{q.ready.heapOf, q.waiting.heapOf} {
		if len(h) == 0 {
			continue
		}
		if due := h[0].due(); due <= now && (since == 0 || due < since) {
			since = max(due, 1)
		}
	}
	if since == 0 {
		return time.Time{}
	}
	return fromNano(max(since, q.servedAt, nanos(opens), q.releasedAt, db.opened))
}

// oldestPending is when the oldest pending delivery of an endpoint was made. It begins at a key that none is below, and leaves where it
// found one for the next time, so that it hardly ever has to look far.
func (db *DB) oldestPending(ctx context.Context, endpoint, floor string) (made time.Time, err error) {
	from := []byte(floor)
	for done := false; !done && err == nil; {
		err = db.view(ctx, func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte(bucketPend)).Cursor()
			k, _ := c.Seek(from)
			for n := 0; k != nil && n < walkStep; n++ {
				if db.isPendingAt(k, endpoint) {
					d, err := decodeDelivery(tx.Bucket([]byte(bucketDlv)).Get(k))
					if err != nil {
						db.damaged.add(bucketDlv, k, err)
					} else {
						made = d.CreatedAt
					}
					break
				}
				k, _ = c.Next()
			}
			from = bytes.Clone(k)
			done = k == nil || !made.IsZero() || db.isPendingAt(k, endpoint)
			return nil
		})
	}
	if err != nil {
		return time.Time{}, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if q := db.out.queues[endpoint]; q != nil && q.floor == floor && from != nil {
		q.floor = string(from)
	}
	return made, nil
}

func (db *DB) isPendingAt(key []byte, endpoint string) bool {
	db.mu.RLock()
	defer db.mu.RUnlock()
	p := db.out.pending[string(key)]
	return p != nil && p.q.endpoint == endpoint
}

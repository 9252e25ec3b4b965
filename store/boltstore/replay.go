package boltstore

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/webhook"
)

type replayRecord struct {
	V      int            `json:"v"`
	Replay webhook.Replay `json:"r"`
}

func (r *replayRecord) version() int { return r.V }

func encodeReplay(r *webhook.Replay) ([]byte, error) {
	return encode(&replayRecord{V: recordVersion, Replay: *r})
}

func decodeReplay(value []byte) (webhook.Replay, error) {
	var r replayRecord
	err := decode(value, &r)
	return r.Replay, err
}

const prefixReplay = webhook.PrefixReplay

// putReplay stores a replay, and its place among those that run.
func (g *group) putReplay(key, value []byte, r *webhook.Replay) {
	g.put(bucketReplay, key, value)
	if r.State == webhook.ReplayRunning {
		g.put(bucketRunning, key, nil)
	} else {
		g.delete(bucketRunning, key)
	}
}

// CreateReplay implements webhook.ReplayStore. An id that is taken is acs.ErrExists.
func (db *DB) CreateReplay(ctx context.Context, r webhook.Replay) error {
	key := idKey(prefixReplay, r.ID)
	value, err := encodeReplay(&r)
	if err != nil {
		return fmt.Errorf("replay %s: %w", r.ID, err)
	}
	acts := prepareActs(acs.AuditReplayJob(ctx, &r))
	surplus, err := db.surplusReplays(ctx, r.Client)
	if err != nil {
		return err
	}
	return db.write(ctx, func(g *group) error {
		if g.get(bucketReplay, key) != nil {
			return fmt.Errorf("replay %s: %w", r.ID, acs.ErrExists)
		}
		running, err := runningReplays(g.bucket(bucketRunning), g.bucket(bucketReplay))
		if err != nil {
			return err
		}
		for i := range running {
			for _, p := range r.Parts {
				if running[i].Client == r.Client && running[i].Part(p.Endpoint) != nil {
					return fmt.Errorf("endpoint %s: %w", p.Endpoint, webhook.ErrReplaying)
				}
			}
		}
		for _, k := range surplus {
			g.delete(bucketReplay, k)
		}
		g.putReplay(key, value, &r)
		g.audit(acts)
		return nil
	})
}

// surplusReplays gives the keys of a client's replays that have to go for another one to be kept.
func (db *DB) surplusReplays(ctx context.Context, client string) (keys [][]byte, err error) {
	kept := 1
	err = db.newest(ctx, bucketReplay, nil, func(k, v []byte) bool {
		if !hasField(v, "client", client) {
			return true
		}
		r, err := decodeReplay(v)
		if err != nil || r.Client != client {
			return true
		}
		if kept++; kept > webhook.MaxReplays && r.State != webhook.ReplayRunning {
			keys = append(keys, bytes.Clone(k))
		}
		return true
	})
	return keys, err
}

// runningReplays reads those that run; one that cannot be read is an error, since it cannot be told what it is about.
func runningReplays(running, all *bolt.Bucket) (list []webhook.Replay, err error) {
	c := running.Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		r, err := decodeReplay(all.Get(k))
		if err != nil {
			return nil, fmt.Errorf("replay %s: %w", showID(prefixReplay, k), err)
		}
		list = append(list, r)
	}
	return list, nil
}

// Replay implements webhook.ReplayStore.
func (db *DB) Replay(ctx context.Context, id string) (r webhook.Replay, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		r, err = readReplay(tx.Bucket([]byte(bucketReplay)), id)
		return err
	})
	return r, err
}

func readReplay(b *bolt.Bucket, id string) (webhook.Replay, error) {
	v := b.Get(idKey(prefixReplay, id))
	if v == nil {
		return webhook.Replay{}, fmt.Errorf("replay %s: %w", id, webhook.ErrNotFound)
	}
	r, err := decodeReplay(v)
	if err != nil {
		return webhook.Replay{}, fmt.Errorf("replay %s: %w", id, err)
	}
	return r, nil
}

// Replays implements webhook.ReplayStore. A cursor that no page gave is an *acs.InvalidError.
func (db *DB) Replays(ctx context.Context, client string, limit int, cursor string) (page []webhook.Replay, next string, err error) {
	var before []byte
	if cursor != "" {
		id, ok := strings.CutPrefix(cursor, "before:")
		if !ok {
			return nil, "", badCursor()
		}
		before = idKey(prefixReplay, id)
	}
	limit = pageSize(limit)
	page = []webhook.Replay{}
	err = db.newest(ctx, bucketReplay, before, func(k, v []byte) bool {
		if !hasField(v, "client", client) {
			return true
		}
		r, err := decodeReplay(v)
		if err != nil {
			db.damaged.add(bucketReplay, k, err)
			return true
		}
		if r.Client != client {
			return true
		}
		if len(page) == limit {
			next = "before:" + page[limit-1].ID
			return false
		}
		page = append(page, r)
		return true
	})
	if err != nil {
		return nil, "", err
	}
	return page, next, nil
}

// RunningReplays implements webhook.ReplayStore.
func (db *DB) RunningReplays(ctx context.Context) (list []webhook.Replay, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketRunning)).Cursor()
		all := tx.Bucket([]byte(bucketReplay))
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			r, err := decodeReplay(all.Get(k))
			if err != nil {
				db.damaged.add(bucketReplay, k, err)
				continue
			}
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// CancelReplay implements webhook.ReplayStore.
func (db *DB) CancelReplay(ctx context.Context, id string) (r webhook.Replay, err error) {
	err = db.write(ctx, func(g *group) (err error) {
		if r, err = readReplay(g.bucket(bucketReplay), id); err != nil {
			return err
		}
		if r.State != webhook.ReplayRunning {
			return fmt.Errorf("replay %s: %w", id, webhook.ErrReplayEnded)
		}
		r.State, r.FinishedAt = webhook.ReplayCancelled, g.now
		value, err := encodeReplay(&r)
		if err != nil {
			return err
		}
		g.putReplay(idKey(prefixReplay, id), value, &r)
		g.did(acs.AuditReplayJob(ctx, &r))
		return nil
	})
	if err != nil {
		return webhook.Replay{}, err
	}
	return r, nil
}

// ReplayNext implements webhook.ReplayStore. What there is to replay is looked for outside of the writer's transaction, and looked at
// again in it.
func (db *DB) ReplayNext(
	ctx context.Context, id, endpoint string, l webhook.ReplayLimits,
) (r webhook.Replay, step webhook.ReplayStep, err error) {
	if r, err = db.Replay(ctx, id); err != nil {
		return webhook.Replay{}, "", err
	}
	part := r.Part(endpoint)
	if part == nil {
		return r, webhook.ReplayEnded, nil
	}
	db.mu.RLock()
	e := db.endpoints[endpoint]
	room := r.Room(l, db.replaying.count[replayOf{id, endpoint}])
	db.mu.RUnlock()
	if room == 0 {
		return r, webhook.ReplayFull, nil
	}
	var found replayFound
	if e != nil {
		if found, err = db.findReplayed(ctx, &r, part, e, room); err != nil {
			return webhook.Replay{}, "", err
		}
	}
	err = db.write(ctx, func(g *group) (err error) {
		r, step, err = g.replay(id, endpoint, part.After, found, l)
		return err
	})
	if err != nil {
		return webhook.Replay{}, "", err
	}
	return r, step, nil
}

// replayFound is what a step is to make due, and how far it looked.
type replayFound struct {
	keys  [][]byte
	after string
	last  bool
	full  bool // there are more
}

// replayViews is in how many transactions a step looks for deliveries before it stores how far it is.
const replayViews = 20

// findReplayed looks for the next deliveries that a replay takes, at most room of them.
func (db *DB) findReplayed(ctx context.Context, r *webhook.Replay, part *webhook.ReplayPart, e *webhook.Endpoint, room int) (f replayFound, err error) {
	f.after = part.After
	filter := webhook.DeliveryFilter{Client: r.Client, Endpoint: e.ID, Types: r.Types, Since: r.Since, Until: r.Until}
	for _, s := range r.States {
		if s == webhook.DeliveryHeld {
			s = webhook.DeliveryPending
		}
		filter.States = append(filter.States, s)
	}
	indexes := indexesOf(&filter)
	if indexes == nil {
		indexes = []string{bucketDlv}
	}
	wanted := db.mayBeIn(&filter)
	look := func(tx *bolt.Tx) error {
		deliveries := tx.Bucket([]byte(bucketDlv))
		walk := newUpward(tx, indexes, startOf(f.after, r))
		for range walkStep {
			bucket, k, v := walk.next()
			if k == nil {
				f.last = true
				return nil
			}
			if bucket == bucketDlv || wanted(bucket, k, v) {
				d, err := decodeWanted(deliveries.Get(k), &filter)
				if err != nil {
					db.damaged.add(bucketDlv, k, err)
				} else if d != nil && r.Takes(d, e) {
					if len(f.keys) == room {
						f.full = true
						return nil
					}
					f.keys = append(f.keys, bytes.Clone(k))
				}
			}
			f.after = showID(prefixDelivery, k)
		}
		return nil
	}
	for n := 0; n < replayViews && err == nil && !f.last && !f.full; n++ {
		err = db.view(ctx, look)
	}
	return f, err
}

// startOf is after which key a replay goes on: what is well older than Since it need not look at.
func startOf(after string, r *webhook.Replay) []byte {
	if after != "" {
		return idKey(prefixDelivery, after)
	}
	return madeAt(r.Since.Add(-sinceSlack))
}

// decodeWanted decodes a delivery that may be one that the filter selects; nil is none.
func decodeWanted(v []byte, f *webhook.DeliveryFilter) (*webhook.Delivery, error) {
	if v == nil || !mayBe(v, f) {
		return nil, nil
	}
	d, err := decodeDelivery(v)
	return &d, err
}

// replay is a step in the writer's transaction. One that begins elsewhere than where the replay is by now does nothing.
func (g *group) replay(id, endpoint, from string, f replayFound, l webhook.ReplayLimits) (r webhook.Replay, step webhook.ReplayStep, err error) {
	if r, err = readReplay(g.bucket(bucketReplay), id); err != nil {
		return r, "", err
	}
	part := r.Part(endpoint)
	switch {
	case part == nil:
		return r, webhook.ReplayEnded, nil
	case part.After != from:
		return r, webhook.ReplayAdvanced, nil
	}
	e := g.endpoint(endpoint)
	if e == nil {
		r.Lose(endpoint, g.now)
	} else {
		replayed, skipped := 0, 0
		for _, k := range f.keys {
			if r.Limit > 0 && r.Replayed+replayed == r.Limit {
				break // another endpoint's step was faster
			}
			d, err := decodeDelivery(g.get(bucketDlv, k))
			switch {
			case err != nil || !r.Takes(&d, e):
			case g.db.leased(string(k), g.now):
				skipped++
			default:
				replayed++
				g.redeliver(k, d, e, id)
			}
		}
		r.Advance(endpoint, f.after, replayed, skipped, f.last, g.now)
	}
	value, err := encodeReplay(&r)
	if err != nil {
		g.broken = err
		return r, "", err
	}
	g.putReplay(idKey(prefixReplay, id), value, &r)
	if r.Part(endpoint) == nil {
		return r, webhook.ReplayEnded, nil
	}
	return r, webhook.ReplayAdvanced, nil
}

// redeliver makes a delivery that is not under way due now, by itself or for a replay.
func (g *group) redeliver(key []byte, d webhook.Delivery, e *webhook.Endpoint, replay string) webhook.Delivery {
	d.Redeliver(e, replay, g.now)
	value, err := encodeDelivery(&d)
	if err != nil {
		g.broken = err
		return d
	}
	g.putDelivery(key, value, &d)
	return d
}

// upward walks several indexes of deliveries as one, from the oldest up.
type upward struct{ cursors []indexCursor }

func newUpward(tx *bolt.Tx, indexes []string, after []byte) *upward {
	u := &upward{}
	for _, name := range indexes {
		i := indexCursor{bucket: name, c: tx.Bucket([]byte(name)).Cursor()}
		if i.k, i.v = i.c.Seek(after); after != nil && bytes.Equal(i.k, after) {
			i.k, i.v = i.c.Next()
		}
		u.cursors = append(u.cursors, i)
	}
	return u
}

// next gives the next entry; no key is the end.
func (u *upward) next() (bucket string, k, v []byte) {
	for _, i := range u.cursors {
		if i.k != nil && (k == nil || bytes.Compare(i.k, k) < 0) {
			bucket, k, v = i.bucket, i.k, i.v
		}
	}
	for n := range u.cursors {
		if i := &u.cursors[n]; k != nil && bytes.Equal(i.k, k) {
			i.k, i.v = i.c.Next()
		}
	}
	return bucket, k, v
}

// replayOf is a replay at an endpoint.
type replayOf struct{ replay, endpoint string }

// replaying is what replays have pending.
type replaying struct {
	by    map[string]replayOf // by the delivery's key
	count map[replayOf]int
}

func (r *replaying) init() { r.by, r.count = make(map[string]replayOf), make(map[replayOf]int) }

// loadReplaying counts again, where a replay runs.
func (db *DB) loadReplaying(tx *bolt.Tx) error {
	if k, _ := tx.Bucket([]byte(bucketRunning)).Cursor().First(); k == nil {
		return nil
	}
	deliveries := tx.Bucket([]byte(bucketDlv))
	return tx.Bucket([]byte(bucketPend)).ForEach(func(k, _ []byte) error {
		v := deliveries.Get(k)
		if !bytes.Contains(v, []byte(`"replay":"`)) {
			return nil
		}
		if d, err := decodeDelivery(v); err == nil {
			db.replaying.note(string(k), &d)
		}
		return nil
	})
}

// note follows a change of a delivery.
func (r *replaying) note(key string, d *webhook.Delivery) {
	if of, ok := r.by[key]; ok {
		delete(r.by, key)
		if r.count[of]--; r.count[of] == 0 {
			delete(r.count, of)
		}
	}
	if d.Replay != "" && d.State == webhook.DeliveryPending {
		of := replayOf{d.Replay, d.Endpoint}
		r.by[key] = of
		r.count[of]++
	}
}

package boltstore

import (
	"bytes"
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
)

// live is what has to be known of an action to judge a change of it. Those that are pending or under watch are kept in memory.
type live struct {
	id       acs.Protocolo
	device   string
	due      int64 // nanoseconds; only if isLive
	deadline int64
	version  uint64
	sends    int
	status   acs.Status
	stage    acs.Stage
	isLive   bool
}

// newLive copies no text of a but the device's name: statuses and stages are few, and their texts are shared.
func newLive(a *acs.Action) *live {
	return &live{
		id: a.ID, device: a.Device, due: nanos(a.Due()), deadline: nanos(a.DeadlineAt), version: a.Version, sends: a.Sends,
		status: shared(a.Status), stage: shared(a.Stage), isLive: a.Live(),
	}
}

func shared[T ~string](s T) T {
	for _, known := range []T{
		T(acs.StatusPending), T(acs.StatusTimeout), T(acs.StatusSuccess), T(acs.StatusFailure), T(acs.StatusCancelled),
		T(acs.StageQueued), T(acs.StageWaking), T(acs.StageInSession), T(acs.StageSent), T(acs.StageAccepted),
	} {
		if s == known {
			return known
		}
	}
	return s
}

// past reports whether the deadline is reached.
func (l *live) past(now time.Time) bool { return nanos(now) >= l.deadline }

func (l *live) dueKey() []byte { return stamped(time.Unix(0, l.due), l.id) }

// setLive puts l in place of what is known of the action; nil takes it out. The memory is locked.
func (db *DB) setLive(id acs.Protocolo, l *live) {
	if old := db.live[id]; old != nil {
		delete(db.live, id)
		list := db.byDevice[old.device]
		if i, ok := findLive(list, id); ok {
			list = slices.Delete(list, i, i+1)
		}
		if len(list) == 0 {
			delete(db.byDevice, old.device)
		} else {
			db.byDevice[old.device] = list
		}
	}
	if l == nil || !l.isLive {
		return
	}
	db.live[id] = l
	list := db.byDevice[l.device]
	if len(list) > 0 {
		l.device = list[0].device // one text for all of a device
	}
	i, _ := findLive(list, id)
	db.byDevice[l.device] = slices.Insert(list, i, l)
}

func findLive(list []*live, id acs.Protocolo) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(l *live, id acs.Protocolo) int { return bytes.Compare(l.id[:], id[:]) })
}

// pendingOf counts a device's pending actions. The memory is locked.
func (db *DB) pendingOf(device string) (n int) {
	for _, l := range db.byDevice[device] {
		if !l.status.Final() {
			n++
		}
	}
	return n
}

// full reports whether a device has all the pending actions that it may have.
func (db *DB) full(device string) bool {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return db.pendingOf(device) >= acs.MaxPendingPerDevice
}

// full is DB.full with what the group has changed.
func (g *group) full(device string) bool {
	g.db.mu.RLock()
	defer g.db.mu.RUnlock()
	return g.db.pendingOf(device)+g.pending[device] >= acs.MaxPendingPerDevice
}

// count notes what a change does to the number of a device's pending actions.
func (g *group) count(old, after *live) {
	if old != nil && !old.status.Final() {
		g.pending[old.device]--
	}
	if !after.status.Final() {
		g.pending[after.device]++
	}
}

// action gives what is known of a stored action, acs.ErrNotFound where there is none.
func (g *group) action(id acs.Protocolo) (*live, error) {
	l, ok := g.live[id]
	if !ok {
		g.db.mu.RLock()
		l = g.db.live[id]
		g.db.mu.RUnlock()
	}
	if l != nil {
		return l, nil
	}
	v := g.get(bucketAct, id[:])
	if v == nil {
		return nil, acs.ErrNotFound
	}
	a, err := decodeAction(g.db.keys, v)
	if err != nil {
		g.db.damaged.add(bucketAct, id[:], err)
		return nil, err
	}
	return newLive(&a), nil
}

// idempotency keys are hashed: the map's entries have one size, and clients choose what they send.
type (
	idemKey   [16]byte
	idemMAC   [16]byte
	idemEntry struct {
		mac idemMAC
		id  acs.Protocolo
		at  int64
	}
)

func hashIdempotency(client string, i acs.Idempotency) (idemKey, idemMAC) {
	k := sha256.Sum256([]byte(strconv.Itoa(len(client)) + ":" + client + i.Key))
	m := sha256.Sum256([]byte(i.BodyMAC))
	return idemKey(k[:16]), idemMAC(m[:16])
}

func (e idemEntry) holds(now time.Time) bool {
	return nanos(now)-e.at < int64(acs.IdempotencyWindow)
}

// expireIdempotency deletes at most n of the keys whose window is over.
func (g *group) expireIdempotency(n int) {
	type expired struct {
		key idemKey
		id  acs.Protocolo
	}
	var gone []expired
	var keys [][]byte
	end := timeKey(g.now.Add(-acs.IdempotencyWindow))
	c := g.bucket(bucketIdem).Cursor()
	for k, v := c.First(); k != nil && len(keys) < n && bytes.Compare(k[:min(8, len(k))], end) <= 0; k, v = c.Next() {
		keys = append(keys, bytes.Clone(k))
		if _, id, ok := splitStamped(k); ok && len(v) >= 16 {
			gone = append(gone, expired{idemKey(v[:16]), id})
		}
	}
	for _, k := range keys {
		g.delete(bucketIdem, k)
	}
	g.then(func() {
		for _, e := range gone {
			if g.db.idem[e.key].id == e.id {
				delete(g.db.idem, e.key)
			}
		}
	})
}

// seqMergeAt is how many devices may have their last sequence number in the log.
const seqMergeAt = 5000

// nextSequence allots a device's next number. It goes to the end of a log: the device's own record has a random place, and a page
// for each number would double what a verdict writes.
func (g *group) nextSequence(device string) uint64 {
	n, ok := g.seq[device]
	if !ok {
		g.db.mu.RLock()
		n, ok = g.db.seqRecent[device]
		g.db.mu.RUnlock()
	}
	if !ok {
		n, _ = strconv.ParseUint(string(g.get(bucketSeq, textKey(device))), 10, 64)
	}
	n++
	g.seq[device] = n
	log := g.bucket(bucketSeqLog)
	at, err := log.NextSequence()
	if err != nil && g.broken == nil {
		g.broken = err
	}
	g.put(bucketSeqLog, timeKey(time.Unix(0, int64(at))), []byte(strconv.FormatUint(n, 10)+" "+device))
	g.then(func() { g.db.seqRecent[device] = max(n, g.db.seqRecent[device]) })
	return n
}

// mergeSequences moves the log into the devices' records, in order, when it has grown.
func (g *group) mergeSequences() {
	g.db.mu.RLock()
	grown := len(g.db.seqRecent) >= seqMergeAt || g.bucket(bucketSeqLog).Sequence() >= 4*seqMergeAt
	var devices []string
	if grown {
		for d, n := range g.db.seqRecent {
			g.seq[d] = max(n, g.seq[d])
		}
	}
	g.db.mu.RUnlock()
	if !grown {
		return
	}
	for d := range g.seq {
		devices = append(devices, d)
	}
	slices.Sort(devices)
	for _, d := range devices {
		g.put(bucketSeq, textKey(d), []byte(strconv.FormatUint(g.seq[d], 10)))
	}
	g.puts++
	for _, err := range []error{g.tx.DeleteBucket([]byte(bucketSeqLog)), recreate(g.tx, bucketSeqLog)} {
		if err != nil && g.broken == nil {
			g.broken = err
		}
	}
	delete(g.buckets, bucketSeqLog)
	g.then(func() { clear(g.db.seqRecent) })
}

func recreate(tx *bolt.Tx, name string) error {
	_, err := tx.CreateBucket([]byte(name))
	return err
}

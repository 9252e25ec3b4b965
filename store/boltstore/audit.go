package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
)

// Marks of the audit record, in the meta bucket: a number and a hash each.
var (
	keyAuditHead   = []byte("audit_head")
	keyAuditAnchor = []byte("audit_anchor")
)

const auditMarkLen = 8 + 32

func encodeMark(m acs.AuditMark) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, auditMarkLen), m.Seq), m.Hash[:]...)
}

// readMark gives the zero mark where there is none.
func readMark(meta *bolt.Bucket, key []byte) (m acs.AuditMark, err error) {
	v := meta.Get(key)
	if v == nil {
		return m, nil
	}
	if len(v) != auditMarkLen {
		return m, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, key, len(v))
	}
	m.Seq = binary.BigEndian.Uint64(v)
	copy(m.Hash[:], v[8:])
	return m, nil
}

func readEnds(meta *bolt.Bucket) (ends acs.AuditEnds, err error) {
	if ends.Anchor, err = readMark(meta, keyAuditAnchor); err != nil {
		return ends, err
	}
	if ends.Head, err = readMark(meta, keyAuditHead); err != nil {
		return ends, err
	}
	if ends.Head.Seq < ends.Anchor.Seq {
		ends.Head = ends.Anchor
	}
	return ends, nil
}

// preparedAct is an act encoded by its caller, so that the writer has less to do.
type preparedAct struct{ body, packed []byte }

func prepareActs(acts []acs.AuditAct) []preparedAct {
	p := make([]preparedAct, len(acts))
	for i := range acts {
		p[i] = preparedAct{acs.AppendAuditBody(make([]byte, 0, 384), &acts[i]), packAct(&acts[i])}
	}
	return p
}

// audit writes down acts in the group's transaction. All checks of the operation are done.
func (g *group) audit(acts []preparedAct) {
	if len(acts) == 0 {
		return
	}
	if !g.auditing {
		ends, err := readEnds(g.bucket(bucketMeta))
		if err != nil {
			// Nothing may be done that cannot be written down.
			g.broken = err
			return
		}
		g.auditing, g.auditHead = true, ends.Head
	}
	at := g.now.Truncate(time.Millisecond)
	for _, a := range acts {
		g.auditHead.Seq++
		g.auditHead.Hash = acs.AuditHash(g.auditHead.Hash, g.auditHead.Seq, at, a.body)
		g.put(bucketAudit, auditKey(g.auditHead.Seq), encodeAudit(g.auditHead.Hash, at, a.packed))
	}
}

// did is audit for acts that could be told only now.
func (g *group) did(acts []acs.AuditAct) { g.audit(prepareActs(acts)) }

// AppendAudit implements acs.AuditStore.
func (db *DB) AppendAudit(ctx context.Context, acts ...acs.AuditAct) error {
	if len(acts) == 0 {
		return ctx.Err()
	}
	p := prepareActs(acts)
	return db.write(ctx, func(g *group) error {
		g.audit(p)
		return nil
	})
}

// AuditEnds implements acs.AuditStore.
func (db *DB) AuditEnds(ctx context.Context) (ends acs.AuditEnds, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		ends, err = readEnds(tx.Bucket([]byte(bucketMeta)))
		return err
	})
	return ends, err
}

// auditSlack is how far the clock may have been set back: a search by time begins so much beside its place.
const auditSlack = time.Hour

// Audit implements acs.AuditStore. An entry that cannot be read is left out here, and counted; verifying finds it.
func (db *DB) Audit(ctx context.Context, f acs.AuditFilter) (page []acs.AuditEntry, next string, err error) {
	var from uint64
	if f.Cursor != "" {
		if from, err = strconv.ParseUint(f.Cursor, 10, 64); err != nil || from == 0 || strconv.FormatUint(from, 10) != f.Cursor {
			return nil, "", badCursor()
		}
	} else if from, err = db.auditFrom(ctx, &f); err != nil {
		return nil, "", err
	}
	w := &auditWalk{db: db, f: &f, limit: pageSize(f.Limit), page: []acs.AuditEntry{}}
	for from > 0 && !w.full {
		if err := db.view(ctx, func(tx *bolt.Tx) error {
			from = w.step(tx, from)
			return nil
		}); err != nil {
			return nil, "", err
		}
	}
	if w.full {
		next = strconv.FormatUint(from, 10)
	}
	return w.page, next, nil
}

// auditFrom is the number to begin at, 0 for nowhere.
func (db *DB) auditFrom(ctx context.Context, f *acs.AuditFilter) (from uint64, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		ends, err := readEnds(tx.Bucket([]byte(bucketMeta)))
		if err != nil || ends.Head.Seq == ends.Anchor.Seq {
			return err
		}
		b, first := tx.Bucket([]byte(bucketAudit)), ends.Anchor.Seq+1
		after := func(t time.Time) uint64 {
			n := sort.Search(int(ends.Head.Seq-first)+1, func(i int) bool {
				k := auditKey(first + uint64(i))
				e, err := decodeAudit(k, b.Get(k))
				return err == nil && !e.Time.Before(t)
			})
			return first + uint64(n)
		}
		switch {
		case f.OldestFirst && f.Since.IsZero():
			from = first
		case f.OldestFirst:
			from = after(f.Since.Add(-auditSlack))
		case f.Until.IsZero():
			from = ends.Head.Seq
		default:
			from = min(ends.Head.Seq, after(f.Until.Add(auditSlack)))
		}
		return nil
	})
	return from, err
}

// auditWalk gathers a page.
type auditWalk struct {
	db    *DB
	f     *acs.AuditFilter
	limit int
	page  []acs.AuditEntry
	full  bool
}

// step looks at some entries and gives the number to go on at, 0 where the end is reached. A full page ends at the first entry that
// follows it.
func (w *auditWalk) step(tx *bolt.Tx, from uint64) uint64 {
	c := tx.Bucket([]byte(bucketAudit)).Cursor()
	move := c.Next
	k, v := c.Seek(auditKey(from))
	if !w.f.OldestFirst {
		move = c.Prev
		if k == nil {
			k, v = c.Last()
		} else if !bytes.Equal(k, auditKey(from)) {
			k, v = c.Prev()
		}
	}
	for range walkStep {
		if k == nil {
			return 0
		}
		e, err := decodeAudit(k, v)
		switch {
		case err != nil:
			w.db.damaged.add(bucketAudit, k, err)
		case w.over(e.Time):
			return 0
		case !w.f.Matches(&e):
		case len(w.page) == w.limit:
			w.full = true
			return e.Seq
		default:
			e.Prev = prevHash(tx, e.Seq)
			w.page = append(w.page, e)
		}
		k, v = move()
	}
	if len(k) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}

// over reports whether no entry further on can be in the filter's time.
func (w *auditWalk) over(t time.Time) bool {
	if w.f.OldestFirst {
		return !w.f.Until.IsZero() && t.After(w.f.Until.Add(auditSlack))
	}
	return t.Before(w.f.Since.Add(-auditSlack))
}

func prevHash(tx *bolt.Tx, seq uint64) (h [32]byte) {
	if v := tx.Bucket([]byte(bucketAudit)).Get(auditKey(seq - 1)); len(v) > 33 {
		copy(h[:], v[1:33])
		return h
	}
	if anchor, err := readMark(tx.Bucket([]byte(bucketMeta)), keyAuditAnchor); err == nil && anchor.Seq == seq-1 {
		h = anchor.Hash
	}
	return h
}

// AuditReport is what VerifyAudit has found.
type AuditReport struct {
	First, Last acs.AuditMark // of what is there and right; the same where there is none
}

// VerifyAudit checks the audit record of the store at path, which is opened for reading only and must not be open elsewhere
// (ErrLocked). marks are entries that were noted elsewhere. The first entry that is not as it was written is an *acs.AuditError. Of
// Options only Timeout counts.
func VerifyAudit(path string, o Options, marks ...acs.AuditMark) (report AuditReport, err error) {
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	db, err := openFile(path, kindMain, mainBuckets, o.Timeout, true)
	if err != nil {
		return report, err
	}
	err = guarded(func() error {
		return db.View(func(tx *bolt.Tx) error {
			ends, err := readEnds(tx.Bucket([]byte(bucketMeta)))
			if err != nil {
				return err
			}
			report.First, report.Last = ends.Anchor, ends.Anchor
			b := tx.Bucket([]byte(bucketAudit))
			if b == nil {
				return nil // of a program that kept no record
			}
			report.Last, err = acs.VerifyAudit(ends.Anchor, auditEntries(b), append(slices.Clone(marks), ends.Head)...)
			return err
		})
	})
	return report, errors.Join(err, db.Close())
}

// auditEntries gives all entries of a bucket, the oldest first.
func auditEntries(b *bolt.Bucket) iter.Seq2[acs.AuditEntry, error] {
	return func(yield func(acs.AuditEntry, error) bool) {
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			e, err := decodeAudit(k, v)
			if err != nil && len(k) == 8 {
				err = &acs.AuditError{Seq: binary.BigEndian.Uint64(k), Problem: "cannot be read"}
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

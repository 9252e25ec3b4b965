package boltstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
)

const (
	// flushStep is how many devices one transaction writes: a long one holds up the disk for all, and holds its pages in memory.
	flushStep = 1_500
	// maxUnwritten bounds what waits to be written while the disk takes nothing.
	maxUnwritten = 500_000
	// maxTypes bounds what is remembered of one device.
	maxTypes, maxTypeText = 4000, 512
)

// batch is what devices said since the last flush.
type batch struct {
	reports map[string]*report
	types   map[string]map[string]string
	names   map[string][]string // by nameKey, the ids of reports that have the name
}

func newBatch() *batch {
	return &batch{reports: make(map[string]*report), types: make(map[string]map[string]string), names: make(map[string][]string)}
}

func (b *batch) size() int { return len(b.reports) + len(b.types) }

// deviceFile is the devices file with its write-behind: readers see what waits to be written.
type deviceFile struct {
	db      *bolt.DB
	path    string
	every   time.Duration
	log     *slog.Logger
	damaged *damagedRecords

	mu       sync.Mutex
	current  *batch
	flushing *batch // nil: none is under way
	awaited  []awaited
	closed   bool
	ended    bool // nothing more will be written; endErr tells whether all was
	endErr   error
	failed   bool

	dirty, full, urgent chan struct{} // hold one value
	stop, done          chan struct{}
	stopOnce            sync.Once
}

func newDeviceFile(db *bolt.DB, path string, o Options, damaged *damagedRecords) *deviceFile {
	return &deviceFile{
		db: db, path: path, every: o.FlushEvery, log: o.Logger, damaged: damaged, current: newBatch(),
		dirty: make(chan struct{}, 1), full: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// run writes down what has come, some time after the first of it, and at once what somebody waits for.
func (f *deviceFile) run() {
	defer close(f.done)
	wait := time.NewTimer(f.every)
	wait.Stop()
	dirty, full := f.dirty, (chan struct{})(nil)
	for {
		select {
		case <-f.urgent:
			f.note(f.writeAwaited())
			continue
		case <-dirty:
			wait.Reset(f.every)
			dirty, full = nil, f.full
			continue
		case <-wait.C:
		case <-full:
		case <-f.stop:
			wait.Stop()
			return
		}
		wait.Stop()
		dirty, full = f.dirty, nil
		f.note(f.flush())
	}
}

// note logs when the file cannot be written and when it can be again.
func (f *deviceFile) note(err error) {
	f.mu.Lock()
	before := f.failed
	f.failed = err != nil
	f.mu.Unlock()
	switch {
	case err != nil && !before:
		f.log.Error("devices file cannot be written", "path", f.path, "error", err)
	case err == nil && before:
		f.log.Info("devices file can be written again", "path", f.path)
	}
}

// close writes what is left and closes the file.
func (f *deviceFile) close() error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.stopOnce.Do(func() { close(f.stop) })
	<-f.done
	err := f.flush()
	f.end(err)
	return errors.Join(err, f.db.Close())
}

// add changes the current batch.
func (f *deviceFile) add(change func(b *batch)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return errClosed
	}
	if f.current.size() >= maxUnwritten {
		return fmt.Errorf("%w: devices file cannot be written", acs.ErrUnavailable)
	}
	change(f.current)
	signal(f.dirty)
	if f.current.size() >= flushStep {
		signal(f.full)
	}
	return nil
}

func (b *batch) report(r *report) {
	b.reports[r.id] = r
	for _, k := range r.names() {
		if ids := b.names[string(k)]; !slices.Contains(ids, r.id) {
			b.names[string(k)] = append(ids, r.id)
		}
	}
}

func (b *batch) learn(id string, types map[string]string) {
	known := b.types[id]
	if known == nil {
		known = make(map[string]string, len(types))
		b.types[id] = known
	}
	for name, t := range types {
		if _, again := known[name]; (again || len(known) < maxTypes) && len(name) <= maxTypeText && len(t) <= maxTypeText {
			known[name] = t
		}
	}
}

// overlay calls look with the batches that are not in the file yet, the newest first, until it returns true.
func (f *deviceFile) overlay(look func(b *batch) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !look(f.current) && f.flushing != nil {
		look(f.flushing)
	}
}

// flush writes the current batch in steps. What could not be written goes back.
func (f *deviceFile) flush() error {
	f.mu.Lock()
	b := f.current
	f.current, f.flushing = newBatch(), b
	f.mu.Unlock()
	err := f.write(b)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushing = nil
	if err == nil {
		return nil
	}
	for id, r := range b.reports {
		if f.current.reports[id] == nil {
			f.current.report(r)
		}
	}
	for id, types := range b.types {
		newer := f.current.types[id]
		f.current.types[id] = types
		f.current.learn(id, newer)
	}
	signal(f.dirty)
	return err
}

// write writes types before the reports that have their hashes, since a hash that is known teaches nothing again.
func (f *deviceFile) write(b *batch) error {
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(b.types)), flushStep/10) {
		if err := f.writeStep(func(tx *bolt.Tx) error {
			for _, id := range ids {
				if err := f.writeTypes(tx, id, b.types[id]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(b.reports)), flushStep) {
		if err := f.writeStep(func(tx *bolt.Tx) error {
			w := newDeviceWriter(tx)
			for _, id := range ids {
				if err := w.report(b.reports[id]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// writeStep is one transaction of a flush. Those who wait need not wait for all of them.
func (f *deviceFile) writeStep(do func(tx *bolt.Tx) error) error {
	if err := f.writeAwaited(); err != nil {
		return err
	}
	return f.update(do)
}

func (f *deviceFile) update(do func(tx *bolt.Tx) error) error {
	return guarded(func() error { return f.db.Update(do) })
}

type deviceWriter struct{ dev, seen, name *bolt.Bucket }

func newDeviceWriter(tx *bolt.Tx) *deviceWriter {
	return &deviceWriter{tx.Bucket([]byte(bucketDev)), tx.Bucket([]byte(bucketSeen)), tx.Bucket([]byte(bucketName))}
}

// report writes what has changed of a device.
func (w *deviceWriter) report(r *report) error {
	seen := r.seenRecord()
	seenValue, err := encode(&seen)
	if err != nil {
		return err
	}
	key := textKey(r.id)
	if before := w.dev.Get(key); !bytes.Equal(before, r.dev) {
		if err := w.rename(before, r); err != nil {
			return err
		}
		if err := w.dev.Put(key, r.dev); err != nil {
			return err
		}
	}
	if bytes.Equal(w.seen.Get(key), seenValue) {
		return nil
	}
	return w.seen.Put(key, seenValue)
}

func (w *deviceWriter) rename(before []byte, r *report) error {
	var old devRecord
	var oldNames [][]byte
	if before != nil && decode(before, &old) == nil {
		oldNames = old.names()
	}
	gone, came := nameChange(oldNames, r.names())
	for _, n := range gone {
		k, _ := namedRecord(n, r.id)
		if err := w.name.Delete(k); err != nil {
			return err
		}
	}
	for _, n := range came {
		k, v := namedRecord(n, r.id)
		if err := w.name.Put(k, v); err != nil {
			return err
		}
	}
	return nil
}

// typesRecord is a set of types, shared by all devices that have just these: Used counts them.
type typesRecord struct {
	V     int               `json:"v"`
	Used  int               `json:"n"`
	Types map[string]string `json:"t"`
}

func (r *typesRecord) version() int { return r.V }

func readTypes(tx *bolt.Tx, id string) (hash []byte, r typesRecord, err error) {
	hash = tx.Bucket([]byte(bucketTypes)).Get(textKey(id))
	if hash == nil {
		return nil, r, nil
	}
	return hash, r, decode(tx.Bucket([]byte(bucketTset)).Get(hash), &r)
}

func (f *deviceFile) writeTypes(tx *bolt.Tx, id string, learned map[string]string) error {
	hash, old, err := readTypes(tx, id)
	if err != nil {
		f.damaged.add(bucketTypes, textKey(id), err)
		old = typesRecord{}
	}
	all := batch{types: map[string]map[string]string{id: maps.Clone(old.Types)}}
	if old.Types == nil {
		delete(all.types, id)
	}
	all.learn(id, learned)
	merged := all.types[id]
	if maps.Equal(merged, old.Types) && err == nil {
		return nil
	}
	text, marshalErr := json.Marshal(merged) // maps are written in order of their keys
	if marshalErr != nil {
		return marshalErr
	}
	sum := sha256.Sum256(text)
	to := sum[:16]
	if err == nil && hash != nil {
		if err := countTypes(tx, hash, nil, -1); err != nil {
			return err
		}
	}
	if err := countTypes(tx, to, merged, 1); err != nil {
		return err
	}
	return tx.Bucket([]byte(bucketTypes)).Put(textKey(id), to)
}

// countTypes adds to the number of devices that share a set, and deletes a set that none has.
func countTypes(tx *bolt.Tx, hash []byte, types map[string]string, by int) error {
	sets := tx.Bucket([]byte(bucketTset))
	r := typesRecord{V: recordVersion, Types: types}
	if v := sets.Get(hash); v != nil {
		if err := decode(v, &r); err != nil {
			if types == nil {
				return nil // a damaged set that nobody needs now
			}
			r = typesRecord{V: recordVersion, Types: types}
		}
	}
	hash = bytes.Clone(hash)
	if r.Used += by; r.Used <= 0 {
		return sets.Delete(hash)
	}
	value, err := encode(&r)
	if err != nil {
		return err
	}
	return sets.Put(hash, value)
}

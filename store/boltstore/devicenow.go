package boltstore

import (
	"bytes"
	"context"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// awaited is a report that somebody waits for to be on disk. All that come while a transaction runs share the next one.
type awaited struct {
	id   string
	done chan error // holds one value
}

// calledBy is what a device is told apart, found or reached by.
type calledBy struct{ maker, oui, class, serial, url, mac, pppoe string }

func (d *devRecord) calledBy() calledBy {
	return calledBy{d.Maker, d.OUI, d.Class, d.Serial, d.URL, d.MAC, d.PPPoE}
}

func (r *report) calledBy() calledBy {
	i, p := r.identity, &r.reported
	return calledBy{i.Manufacturer, i.OUI, i.ProductClass, i.SerialNumber, p.ConnectionRequestURL, p.MAC, p.PPPoELogin}
}

// addReport changes the current batch. news tells that what waits to be written says otherwise of what the device is called by.
func (f *deviceFile) addReport(r *report) (news bool, err error) {
	err = f.add(func(b *batch) {
		for _, unwritten := range []*batch{b, f.flushing} {
			if unwritten == nil {
				continue
			}
			if before := unwritten.reports[r.id]; before != nil && before.calledBy() != r.calledBy() {
				news = true
			}
		}
		b.report(r)
	})
	return news, err
}

// holds reports whether the file calls the device what it now calls itself. It has to be asked after addReport: what was written
// until then is in the file, and what is being written is still in a batch.
func (db *DB) holds(ctx context.Context, r *report) bool {
	held := false
	err := db.viewDevices(ctx, func(tx *bolt.Tx) error {
		v := tx.Bucket([]byte(bucketDev)).Get(textKey(r.id))
		if held = bytes.Equal(v, r.dev); held || v == nil {
			return nil
		}
		var dev devRecord
		held = decode(v, &dev) == nil && dev.calledBy() == r.calledBy()
		return nil
	})
	return held && err == nil
}

// await returns when what a device last said is on disk. A context that ends before leaves it to be written behind.
func (f *deviceFile) await(ctx context.Context, id string) error {
	w := awaited{id: id, done: make(chan error, 1)}
	f.mu.Lock()
	if f.ended {
		defer f.mu.Unlock()
		return f.endErr
	}
	f.awaited = append(f.awaited, w)
	f.mu.Unlock()
	signal(f.urgent)
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end lets go those who wait, and who will.
func (f *deviceFile) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		err = unavailable(err)
	}
	f.ended, f.endErr = true, err
	for _, w := range f.awaited {
		w.done <- err
	}
	f.awaited = nil
}

// writeAwaited writes the reports that somebody waits for. The rest of the batch waits on.
func (f *deviceFile) writeAwaited() error {
	f.mu.Lock()
	waiting := f.awaited
	f.awaited = nil
	f.mu.Unlock()
	ids := make([]string, len(waiting))
	for i, w := range waiting {
		ids[i] = w.id
	}
	slices.Sort(ids)
	var failed error
	for some := range slices.Chunk(slices.Compact(ids), flushStep) {
		if failed = f.writeNow(some); failed != nil {
			break
		}
	}
	err := failed
	if err != nil {
		err = unavailable(err)
	}
	for _, w := range waiting {
		w.done <- err
	}
	return failed
}

// writeNow writes the newest of some devices. It stays in its batch too, where the next flush finds it written.
func (f *deviceFile) writeNow(ids []string) error {
	var reports []*report
	types := make([]map[string]string, len(ids))
	f.mu.Lock()
	for i, id := range ids {
		r := f.current.reports[id]
		if f.flushing != nil && f.flushing.reports[id] != nil {
			if r == nil {
				r = f.flushing.reports[id]
			}
			f.flushing.reports[id] = r // an older one must not be written over it
		}
		if r != nil {
			reports = append(reports, r)
		}
		// The report has the hash of the types that it came with, which are not learned again: they go with it.
		both := newBatch()
		if f.flushing != nil && f.flushing.types[id] != nil {
			both.learn(id, f.flushing.types[id])
			f.flushing.types[id] = both.types[id]
		}
		if f.current.types[id] != nil {
			both.learn(id, f.current.types[id])
		}
		types[i] = maps.Clone(both.types[id])
	}
	f.mu.Unlock()
	return f.update(func(tx *bolt.Tx) error {
		for i, id := range ids {
			if types[i] == nil {
				continue
			}
			if err := f.writeTypes(tx, id, types[i]); err != nil {
				return err
			}
		}
		w := newDeviceWriter(tx)
		for _, r := range reports {
			if err := w.report(r); err != nil {
				return err
			}
		}
		return nil
	})
}

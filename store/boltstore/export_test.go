package boltstore

import (
	"context"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/store/seal"
)

// FailCommits lets f decide, at the end of each of the writer's transactions, whether it fails; nil ends that.
func (db *DB) FailCommits(f func() error) {
	if f == nil {
		db.fault.Store(nil)
		return
	}
	db.fault.Store(&f)
}

// Hold keeps the writer in a transaction until release is called: what is called meanwhile shares the next one.
func (db *DB) Hold() (release func()) {
	held, let := make(chan struct{}), make(chan struct{})
	go db.write(context.Background(), func(*group) error {
		close(held)
		<-let
		return nil
	})
	<-held
	return func() { close(let) }
}

// Main gives the main file.
func (db *DB) Main() *bolt.DB { return db.main }

// Pending counts the deliveries in the queues.
func (db *DB) Pending() int {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return len(db.out.pending)
}

// MergeAt is how many devices' numbers start a merge.
const MergeAt = seqMergeAt

var CheckFile = checkFile

// DecodeAny reads a value as every kind of record.
func DecodeAny(k *seal.Keys, value []byte) (a acs.Action, ok bool) {
	a, err := decodeAction(k, value)
	ok = err == nil
	decodeEvent(value)
	decodeDelivery(value)
	decodeAttempt(value)
	decodeEndpoint(k, value)
	decodeClient(value)
	decodeFacts(k, value)
	for _, r := range []record{
		&devRecord{}, &seenRecord{}, &healthRecord{}, &tokenRecord{}, &typesRecord{}, &idOnly{}, &replayRecord{}, &tallyRecord{},
	} {
		decode(value, r)
	}
	return a, ok
}

// EncodeAction is encodeAction.
func EncodeAction(k *seal.Keys, a *acs.Action) ([]byte, error) { return encodeAction(k, a) }

// Unwritten counts the devices that wait to be written.
func (db *DB) Unwritten() (n int) {
	db.devices.overlay(func(b *batch) bool {
		n += b.size()
		return false
	})
	return n
}

// DeviceCommits is how many transactions were committed to the devices file, ever.
func (db *DB) DeviceCommits() (n int) {
	db.devices.db.View(func(tx *bolt.Tx) error {
		n = tx.ID()
		return nil
	})
	return n
}

// CopyDevices copies the devices file as it is after its last commit.
func (db *DB) CopyDevices(to string) error {
	return db.devices.db.View(func(tx *bolt.Tx) error { return tx.CopyFile(to, 0o600) })
}

// MarshalAction is EncodeAction by encoding/json; KnownShapes tells whether EncodeAction has a way of its own.
func MarshalAction(a *acs.Action) ([]byte, error) { return marshalAction(a, "") }

var KnownShapes = knownShapes

// CancelBatch is how many deliveries are cancelled at once.
const CancelBatch = cancelBatch

// Left counts the deleted endpoints whose deliveries are not all cancelled.
func (db *DB) Left() int {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return len(db.left)
}

// WriteTallies has the counters written n times by the next group, and gives what waits for that.
func (db *DB) WriteTallies(n int) (wait func()) {
	var ops []*op
	for range n {
		o := &op{do: (*group).putTallies, done: make(chan struct{})}
		ops = append(ops, o)
		db.queue.add(o)
	}
	return func() {
		for _, o := range ops {
			<-o.done
		}
	}
}

package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"recado/acs"
	"recado/store/seal"
	"recado/webhook"
)

// Options are what Open can be told. The zero value is fine.
type Options struct {
	// Keys seal what is secret. nil: the key file beside the store, path + ".key", which is made with a new store. It is not made
	// for a store that is there already: its secrets would not open.
	Keys *seal.Keys
	// Timeout is how long to wait for a store that another process has open; 0 is a second.
	Timeout time.Duration
	// FlushEvery is how long a report of a device with no news (see acs.DeviceStore) may wait to be written; 0 is three seconds.
	FlushEvery time.Duration
	// Logger is told of damaged records, and when the store cannot be written and can be again; nil is nobody.
	Logger *slog.Logger
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	path  string
	main  *bolt.DB
	keys  *seal.Keys
	log   *slog.Logger
	queue queue

	devices *deviceFile

	// mu guards the indexes in memory. The writer changes them after a commit.
	mu        sync.RWMutex
	live      map[acs.Protocolo]*live
	byDevice  map[string][]*live // by id
	idem      map[idemKey]idemEntry
	seqRecent map[string]uint64
	endpoints map[string]*webhook.Endpoint
	out       outgoing
	dead      map[string]int // by endpoint
	replaying replaying
	tallies   tallies
	opened    int64               // nanoseconds
	left      map[string][]string // by deleted endpoint: the keys of its deliveries that are still to be cancelled

	cancelling sync.Mutex // one at a time

	health struct {
		mu      sync.Mutex
		err     error
		at      time.Time
		commits uint64
	}
	damaged damagedRecords

	fault      atomic.Pointer[func() error] // for tests
	closed     atomic.Bool
	writerDone chan struct{}
	closing    sync.Once
	closeErr   error
}

var (
	_ acs.Store     = (*DB)(nil)
	_ webhook.Store = (*DB)(nil)
	_ acs.Purger    = (*DB)(nil)
)

// Open opens the store at path and the devices file beside it ("recado.db" has "recado.devices.db"), with modes 0600, in a
// directory that is made with 0700 where it is missing. It starts two goroutines, which Close ends: the writer, and the one that
// writes devices' reports down some seconds after they came. In a synctest bubble, call both in the bubble.
//
// A store is made where there is none at all. A file that is there is never made anew: one that is empty (0 bytes), damaged, cut
// short, foreign or of a newer format is refused (ErrNotUsable, ErrNewer) and left as it is; so is a store whose main file or
// key is gone while the rest is there. Only a missing devices file is made again, with a warning: devices fill it themselves.
//
// Single records that cannot be read do not keep a store from opening; they are left where they are, logged and counted
// (Damaged).
func Open(path string, o Options) (*DB, error) {
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	if o.FlushEvery <= 0 {
		o.FlushEvery = 3 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	keys, err := prepare(path, o)
	if err != nil {
		return nil, err
	}
	main, err := openFile(path, kindMain, mainBuckets, o.Timeout, false)
	if err != nil {
		return nil, err
	}
	devices, err := openFile(devicesPath(path), kindDevices, devicesBuckets, o.Timeout, false)
	if err != nil {
		return nil, errors.Join(err, main.Close())
	}
	db := &DB{
		path:       path,
		main:       main,
		keys:       keys,
		log:        o.Logger,
		queue:      queue{wake: make(chan struct{}, 1)},
		writerDone: make(chan struct{}),
		live:       make(map[acs.Protocolo]*live),
		byDevice:   make(map[string][]*live),
		idem:       make(map[idemKey]idemEntry),
		seqRecent:  make(map[string]uint64),
		endpoints:  make(map[string]*webhook.Endpoint),
		left:       make(map[string][]string),
		dead:       make(map[string]int),
	}
	db.out.init()
	db.replaying.init()
	db.tallies.fresh, db.opened = make(map[string]*webhook.Tally), nanos(db.now())
	db.damaged.init(db.log)
	db.devices = newDeviceFile(devices, devicesPath(path), o, &db.damaged)
	if err := guarded(db.load); err != nil {
		return nil, errors.Join(fmt.Errorf("open store %s: %w", path, err), devices.Close(), main.Close())
	}
	db.letGo()
	tighten(db.log, path, devicesPath(path))
	go db.writer()
	go db.devices.run()
	if err := db.cancelLeft(); err != nil {
		db.log.Warn("deliveries of deleted endpoints could not be cancelled; the next purge tries again", "path", path, "error", err)
	}
	return db, nil
}

// prepare makes what has to be made of a store and finds its keys.
func prepare(path string, o Options) (*seal.Keys, error) {
	haveMain, err := exists(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	haveDevices, err := exists(devicesPath(path))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if !haveMain && haveDevices {
		return nil, notUsable(path, fmt.Errorf("it is missing, though %s is there", devicesPath(path)))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make store: %w", err)
	}
	keys := o.Keys
	switch {
	case keys != nil:
	case haveMain:
		keys, err = seal.Load(keyPath(path))
	default:
		keys, err = seal.LoadOrCreate(keyPath(path))
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	if !haveMain {
		if err := createFile(path, kindMain, mainBuckets); err != nil {
			return nil, fmt.Errorf("make store %s: %w", path, err)
		}
	}
	if !haveDevices {
		if haveMain {
			o.Logger.Warn("devices file is missing: a new one is made, and devices fill it as they call in", "path", devicesPath(path))
		}
		if err := createFile(devicesPath(path), kindDevices, devicesBuckets); err != nil {
			return nil, fmt.Errorf("make store %s: %w", devicesPath(path), err)
		}
	}
	return keys, nil
}

// manyPending is from how many pending deliveries on it pays to give back at once what loading them took.
const manyPending = 20_000

// letGo gives back the memory that opening took and nothing needs any more: pages of the files, all of which were looked through, and
// what decoding left behind.
func (db *DB) letGo() {
	unmapPages(db.main)
	unmapPages(db.devices.db)
	if len(db.out.pending) >= manyPending {
		debug.FreeOSMemory()
	}
}

// tighten takes from others what they have no business to read.
func tighten(log *slog.Logger, paths ...string) {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		log.Warn("store file could be read by others: mode is set to 0600", "path", p, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
		if err := os.Chmod(p, 0o600); err != nil {
			log.Warn("mode of store file cannot be changed", "path", p, "error", err)
		}
	}
}

// Close writes down what devices have reported, waits for operations under way and closes both files. Later calls of other methods
// fail with acs.ErrUnavailable; Close itself may be called again.
func (db *DB) Close() error {
	db.closing.Do(func() {
		db.closed.Store(true)
		if err := db.flushTallies(); err != nil {
			db.log.Warn("the last seconds' counters could not be written", "path", db.path, "error", err)
		}
		db.queue.close()
		<-db.writerDone
		db.closeErr = errors.Join(db.devices.close(), db.main.Close())
	})
	return db.closeErr
}

func (db *DB) isClosed() bool { return db.closed.Load() }

// now is the store's clock: wall time.
func (db *DB) now() time.Time { return time.Now().UTC().Round(0) }

func (db *DB) injected() error {
	if f := db.fault.Load(); f != nil {
		return (*f)()
	}
	return nil
}

// view reads from the main file.
func (db *DB) view(ctx context.Context, f func(tx *bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.isClosed() {
		return errClosed
	}
	err := db.main.View(f)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return errClosed
	}
	return err
}

// Damaged is how many records were found so far that cannot be read. They stay in the file.
func (db *DB) Damaged() int { return db.damaged.count() }

// Commits is how many transactions the writer has tried since Open.
func (db *DB) Commits() uint64 {
	db.health.mu.Lock()
	defer db.health.mu.Unlock()
	return db.health.commits
}

// Backup writes a consistent copy of the main file to w while the store is in use. The key file is not part of it, nor are
// devices' reports.
func (db *DB) Backup(ctx context.Context, w io.Writer) (written int64, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		var err error
		written, err = tx.WriteTo(w)
		return err
	})
	return written, err
}

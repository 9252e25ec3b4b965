package boltstore

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/webhook"
)

// maxGroup bounds how many operations share a commit.
const maxGroup = 1024

// States of an operation.
const (
	opWaiting int32 = iota
	opTaken
	opGivenUp
)

// op is one operation on its way through the writer.
type op struct {
	do    func(g *group) error
	state atomic.Int32
	err   error
	done  chan struct{}
}

// queue is where operations wait for the writer.
type queue struct {
	mu     sync.Mutex
	ops    []*op
	closed bool
	wake   chan struct{} // holds one value
}

func (q *queue) add(o *op) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.ops = append(q.ops, o)
	q.mu.Unlock()
	signal(q.wake)
	return true
}

// take gives at most maxGroup operations; last tells that no more will ever come.
func (q *queue) take(into []*op) (ops []*op, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.ops), maxGroup)
	ops = append(into[:0], q.ops[:n]...)
	rest := copy(q.ops, q.ops[n:])
	clear(q.ops[rest:])
	q.ops = q.ops[:rest]
	if rest > 0 {
		signal(q.wake)
	}
	return ops, q.closed && rest == 0
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	signal(q.wake)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// write runs do in the next group and returns when that is committed. A context that ends before the writer takes the operation
// means that nothing is stored; after that, write waits.
func (db *DB) write(ctx context.Context, do func(g *group) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if told, ok := webhook.OutboxFrom(ctx); ok {
		var err error
		if do, err = telling(do, told); err != nil {
			return err
		}
	}
	o := &op{do: do, done: make(chan struct{})}
	if !db.queue.add(o) {
		return errClosed
	}
	select {
	case <-o.done:
	case <-ctx.Done():
		if o.state.CompareAndSwap(opWaiting, opGivenUp) {
			return ctx.Err()
		}
		<-o.done
	}
	return o.err
}

// telling makes do store an outbox with what it stores.
func telling(do func(g *group) error, o webhook.Outbox) (func(g *group) error, error) {
	p, err := prepareOutbox(acs.Outbox(o))
	if err != nil {
		return nil, err
	}
	return func(g *group) error {
		if err := g.check(p); err != nil {
			return err
		}
		if err := do(g); err != nil {
			return err
		}
		g.post(p)
		return nil
	}, nil
}

var errClosed = fmt.Errorf("%w: it is closed", acs.ErrUnavailable)

// writer is the goroutine that commits.
func (db *DB) writer() {
	defer close(db.writerDone)
	var ops []*op
	for range db.queue.wake {
		// Those whom the last commit set free get the chance to come back into this group.
		runtime.Gosched()
		var last bool
		ops, last = db.queue.take(ops)
		db.commit(ops)
		clear(ops)
		if last {
			return
		}
	}
}

// commit runs the operations that are still wanted in one transaction, then lets their callers go.
func (db *DB) commit(ops []*op) {
	taken := ops[:0]
	for _, o := range ops {
		if o.state.CompareAndSwap(opWaiting, opTaken) {
			taken = append(taken, o)
		}
	}
	if len(taken) == 0 {
		return
	}
	g := db.newGroup()
	want := uint64(0)
	err := guarded(func() error {
		return db.main.Update(func(tx *bolt.Tx) error {
			g.tx = tx
			for _, o := range taken {
				if g.run(o); g.broken != nil {
					return g.broken
				}
			}
			g.finish()
			want = commits(tx)
			if g.broken != nil {
				return g.broken
			}
			return db.injected()
		})
	})
	db.settle(g, err, want)
	for _, o := range taken {
		if err != nil {
			o.err = unavailable(err)
		}
		close(o.done)
	}
}

func (db *DB) newGroup() *group {
	return &group{
		db:        db,
		now:       db.now(),
		buckets:   make(map[string]*bolt.Bucket, len(mainBuckets)),
		live:      make(map[acs.Protocolo]*live),
		pending:   make(map[string]int),
		idem:      make(map[idemKey]idemEntry),
		seq:       make(map[string]uint64),
		endpoints: make(map[string]*webhook.Endpoint),
		unhealthy: make(map[string]bool),
	}
}

// settle brings the memory in line with the tree. A commit can fail with the tree changed all the same (the last write is there,
// its sync failed): the callers get the error, the memory follows the tree.
func (db *DB) settle(g *group, err error, want uint64) {
	committed := err == nil
	if err != nil && want > 0 {
		readErr := guarded(func() error {
			return db.main.View(func(tx *bolt.Tx) error {
				committed = g.puts > 0 && commits(tx) == want
				return nil
			})
		})
		if readErr != nil {
			committed = false
		}
	}
	db.mu.Lock()
	if committed {
		for _, f := range g.after {
			f()
		}
	} else {
		for _, f := range g.undo {
			f()
		}
	}
	db.mu.Unlock()

	db.health.mu.Lock()
	before := db.health.err
	db.health.err, db.health.at = err, time.Now()
	db.health.commits++
	db.health.mu.Unlock()
	switch {
	case err != nil && before == nil:
		db.log.Error("store cannot be written", "path", db.path, "error", err)
	case err == nil && before != nil:
		db.log.Info("store can be written again", "path", db.path)
	}
}

func unavailable(err error) error { return fmt.Errorf("%w: %w", acs.ErrUnavailable, err) }

// pingEvery is how old the last commit may be for Ping to go by it.
const pingEvery = time.Second

// Ping implements acs.Store: it fails where the last commit did, and makes a small one where that was a second ago or more.
func (db *DB) Ping(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.health.mu.Lock()
	fresh := !db.health.at.IsZero() && time.Since(db.health.at) < pingEvery
	err := db.health.err
	db.health.mu.Unlock()
	if db.isClosed() {
		return errClosed
	}
	if fresh {
		if err != nil {
			return unavailable(err)
		}
		return nil
	}
	return db.write(ctx, func(g *group) error {
		g.put(bucketMeta, []byte("ping"), []byte(g.now.Format(time.RFC3339)))
		return nil
	})
}

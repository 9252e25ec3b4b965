package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
)

// preparedAction is an action encoded by its caller, so that the writer has less to do.
type preparedAction struct {
	action acs.Action // a copy
	value  []byte     // the record without the sequence number
	live   *live
	outbox *preparedOutbox
}

func (db *DB) prepareAction(a acs.Action, version uint64, o acs.Outbox) (*preparedAction, error) {
	a = copyAction(a)
	a.Version = version
	value, err := encodeAction(db.keys, &a)
	if err != nil {
		return nil, fmt.Errorf("action %s: %w", a.ID, err)
	}
	outbox, err := prepareOutbox(o)
	if err != nil {
		return nil, fmt.Errorf("action %s: %w", a.ID, err)
	}
	return &preparedAction{action: a, value: value, live: newLive(&a), outbox: outbox}, nil
}

// store puts an action in place of old (nil: it is new) with its outbox. All checks are done.
func (g *group) store(p *preparedAction, old *live) {
	id := p.action.ID
	n := g.post(p.outbox)
	if n > 0 {
		p.action.Sequence = n
	}
	g.put(bucketAct, id[:], numbered(p.value, n))
	wasDue := old != nil && old.isLive
	if wasDue && (!p.live.isLive || old.due != p.live.due) {
		g.delete(bucketDue, old.dueKey())
		wasDue = false
	}
	if p.live.isLive && !wasDue {
		g.put(bucketDue, p.live.dueKey(), nil)
	}
	g.count(old, p.live)
	g.live[id] = nil
	if p.live.isLive {
		g.live[id] = p.live
	}
	g.then(func() { g.db.setLive(id, p.live) })
}

// CreateAction implements acs.ActionStore. An id that is taken is acs.ErrExists.
func (db *DB) CreateAction(ctx context.Context, a acs.Action, i acs.Idempotency, o acs.Outbox) (acs.Action, bool, error) {
	if err := ctx.Err(); err != nil {
		return acs.Action{}, false, err
	}
	key, mac := hashIdempotency(a.Client, i)
	// Full is asked first: the action that filled the queue may be this one, and is found then.
	full := !a.Status.Final() && db.full(a.Device)
	if i.Key != "" {
		// Most repetitions come when the first is long on disk; they need no commit.
		if stored, err := db.repeated(ctx, key, mac); err == nil || !errors.Is(err, acs.ErrNotFound) {
			return stored, err == nil, err
		}
	}
	if full {
		return acs.Action{}, false, fmt.Errorf("device %s: %w", a.Device, acs.ErrQueueFull)
	}
	p, err := db.prepareAction(a, 1, o)
	if err != nil {
		return acs.Action{}, false, err
	}
	acts := prepareActs(acs.AuditAction(ctx, &p.action))
	var before acs.Action
	existed := false
	err = db.write(ctx, func(g *group) error {
		if i.Key != "" {
			if e, ok := g.idempotent(key); ok && e.holds(g.now) {
				before, err = g.repeat(e, mac)
				existed = err == nil
				return err
			}
		}
		if !a.Status.Final() && g.full(a.Device) {
			return fmt.Errorf("device %s: %w", a.Device, acs.ErrQueueFull)
		}
		if g.get(bucketAct, a.ID[:]) != nil {
			return fmt.Errorf("action %s: %w", a.ID, acs.ErrExists)
		}
		if err := g.check(p.outbox); err != nil {
			return err
		}
		g.store(p, nil)
		g.audit(acts)
		if i.Key != "" {
			g.remember(key, idemEntry{mac: mac, id: a.ID, at: nanos(g.now)})
		}
		return nil
	})
	switch {
	case err != nil:
		return acs.Action{}, false, err
	case existed:
		return before, true, nil
	}
	return p.action, false, nil
}

// repeated gives the action that an idempotency key made, acs.ErrNotFound where there is none.
func (db *DB) repeated(ctx context.Context, key idemKey, mac idemMAC) (acs.Action, error) {
	db.mu.RLock()
	e, ok := db.idem[key]
	db.mu.RUnlock()
	switch {
	case !ok || !e.holds(db.now()):
		return acs.Action{}, acs.ErrNotFound
	case e.mac != mac:
		return acs.Action{}, acs.ErrIdempotencyReused
	}
	return db.Action(ctx, e.id)
}

// Repeated implements acs.ActionStore.
func (db *DB) Repeated(ctx context.Context, client string, i acs.Idempotency) (acs.Action, error) {
	if err := db.readable(ctx); err != nil {
		return acs.Action{}, err
	}
	key, mac := hashIdempotency(client, i)
	return db.repeated(ctx, key, mac)
}

func (g *group) idempotent(key idemKey) (idemEntry, bool) {
	if e, ok := g.idem[key]; ok {
		return e, true
	}
	g.db.mu.RLock()
	defer g.db.mu.RUnlock()
	e, ok := g.db.idem[key]
	return e, ok
}

func (g *group) repeat(e idemEntry, mac idemMAC) (acs.Action, error) {
	if e.mac != mac {
		return acs.Action{}, acs.ErrIdempotencyReused
	}
	v := g.get(bucketAct, e.id[:])
	if v == nil {
		return acs.Action{}, fmt.Errorf("action %s: %w", e.id, acs.ErrNotFound)
	}
	return decodeAction(g.db.keys, v)
}

func (g *group) remember(key idemKey, e idemEntry) {
	g.creates++
	g.idem[key] = e
	g.put(bucketIdem, stamped(time.Unix(0, e.at), e.id), append(bytes.Clone(key[:]), e.mac[:]...))
	g.then(func() { g.db.idem[key] = e })
}

// UpdateAction implements acs.ActionStore.
func (db *DB) UpdateAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	return db.change(ctx, a, o, func(old *live, now time.Time) error {
		sending := a.Stage == acs.StageSent && old.stage != acs.StageSent || a.Sends > old.sends
		switch {
		case old.status.Final() && a.Status != old.status:
			return acs.ErrFinished
		case a.Version != old.version:
			return acs.ErrConflict
		case a.Status != old.status:
			return fmt.Errorf("status %s by an update: only FinishAction stores a verdict", a.Status)
		case sending && old.past(now):
			return acs.ErrPastDeadline
		}
		return nil
	})
}

// FinishAction implements acs.ActionStore.
func (db *DB) FinishAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	return db.change(ctx, a, o, func(old *live, now time.Time) error {
		switch {
		case old.status.Final():
			return acs.ErrFinished
		case a.Version != old.version:
			return acs.ErrConflict
		case !a.Status.Final():
			return fmt.Errorf("status %s is no verdict", a.Status)
		case a.Status == acs.StatusTimeout && !old.past(now):
			return acs.ErrNotDue
		case a.Status != acs.StatusTimeout && old.past(now):
			return acs.ErrPastDeadline
		}
		return nil
	})
}

func (db *DB) change(ctx context.Context, a acs.Action, o acs.Outbox, judge func(*live, time.Time) error) (acs.Action, error) {
	p, err := db.prepareAction(a, a.Version+1, o)
	if err != nil {
		return acs.Action{}, err
	}
	acts := prepareActs(acs.AuditVerdict(ctx, &p.action))
	err = db.write(ctx, func(g *group) error {
		old, err := g.action(a.ID)
		if err == nil {
			err = judge(old, g.now)
		}
		if err != nil {
			return fmt.Errorf("action %s: %w", a.ID, err)
		}
		if err := g.check(p.outbox); err != nil {
			return fmt.Errorf("action %s: %w", a.ID, err)
		}
		g.store(p, old)
		if !old.status.Final() {
			g.audit(acts)
		}
		return nil
	})
	if err != nil {
		return acs.Action{}, err
	}
	return p.action, nil
}

// Action implements acs.ActionStore.
func (db *DB) Action(ctx context.Context, id acs.Protocolo) (a acs.Action, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		v := tx.Bucket([]byte(bucketAct)).Get(id[:])
		if v == nil {
			return acs.ErrNotFound
		}
		a, err = decodeAction(db.keys, v)
		return err
	})
	if err != nil {
		if errors.Is(err, ErrDamaged) {
			db.damaged.add(bucketAct, id[:], err)
		}
		return acs.Action{}, fmt.Errorf("action %s: %w", id, err)
	}
	return a, nil
}

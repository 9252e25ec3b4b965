package boltstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"recado/acs"
	"recado/webhook"
)

// endpointHealth is what attempts maintain of an endpoint. It has a record of its own, written once for a group.
type endpointHealth struct {
	State       webhook.EndpointState `json:"state"`
	StateReason string                `json:"state_reason,omitempty"`
	HoldUntil   time.Time             `json:"hold_until,omitzero"`
	webhook.Health
	Version uint64 `json:"version,omitempty"` // of the endpoint; a change of State counts
}

func withHealth(e *webhook.Endpoint, value []byte) error {
	if value == nil {
		return nil
	}
	var r healthRecord
	if err := decode(value, &r); err != nil {
		return err
	}
	h := &r.Health
	e.State, e.StateReason, e.HoldUntil = h.State, h.StateReason, h.HoldUntil
	e.Health = h.Health
	e.Version = max(e.Version, h.Version)
	return nil
}

func (g *group) putHealth(e *webhook.Endpoint) {
	value, err := encode(&healthRecord{V: recordVersion, Health: endpointHealth{
		e.State, e.StateReason, e.HoldUntil, e.Health, e.Version,
	}})
	if err != nil {
		g.broken = err
		return
	}
	g.put(bucketHealth, textKey(e.ID), value)
}

// endpoint gives an endpoint as the group has it, nil where there is none. It must not be changed: see changed.
func (g *group) endpoint(id string) *webhook.Endpoint {
	if e, ok := g.endpoints[id]; ok {
		return e
	}
	g.db.mu.RLock()
	defer g.db.mu.RUnlock()
	return g.db.endpoints[id]
}

// setEndpoint makes e the endpoint, for the group and, with the commit, for all; nil deletes it.
func (g *group) setEndpoint(id string, e *webhook.Endpoint) {
	g.endpoints[id] = e
	g.then(func() {
		if e == nil {
			delete(g.db.endpoints, id)
			return
		}
		g.db.endpoints[id] = e
		g.db.out.turn(e, nanos(g.now))
		signal(g.db.out.changed) // it may have been paused until now
	})
}

// CreateEndpoint implements webhook.EndpointStore. The stored version is 1; an id that is taken is acs.ErrExists.
func (db *DB) CreateEndpoint(ctx context.Context, e webhook.Endpoint) error {
	e = copyEndpoint(e)
	e.Version = 1
	value, err := encodeEndpoint(db.keys, &e)
	if err != nil {
		return fmt.Errorf("endpoint %s: %w", e.ID, err)
	}
	acts := prepareActs(acs.AuditNewEndpoint(ctx, &e))
	return db.write(ctx, func(g *group) error {
		if g.endpoint(e.ID) != nil || g.get(bucketEp, textKey(e.ID)) != nil || g.get(bucketEpGone, textKey(e.ID)) != nil {
			return fmt.Errorf("endpoint %s: %w", e.ID, acs.ErrExists)
		}
		g.put(bucketEp, textKey(e.ID), value)
		g.putHealth(&e)
		g.audit(acts)
		g.setEndpoint(e.ID, &e)
		return nil
	})
}

// Endpoint implements webhook.EndpointStore.
func (db *DB) Endpoint(ctx context.Context, id string) (webhook.Endpoint, error) {
	if err := db.readable(ctx); err != nil {
		return webhook.Endpoint{}, err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	e, ok := db.endpoints[id]
	if !ok {
		return webhook.Endpoint{}, fmt.Errorf("endpoint %s: %w", id, webhook.ErrNotFound)
	}
	return copyEndpoint(*e), nil
}

// Endpoints implements acs.Store and webhook.EndpointStore.
func (db *DB) Endpoints(ctx context.Context, client string) ([]webhook.Endpoint, error) {
	if err := db.readable(ctx); err != nil {
		return nil, err
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	var list []webhook.Endpoint
	for _, e := range db.endpoints {
		if client == "" || e.Client == client {
			list = append(list, copyEndpoint(*e))
		}
	}
	slices.SortFunc(list, func(a, b webhook.Endpoint) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// readable is view for what is in memory.
func (db *DB) readable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.isClosed() {
		return errClosed
	}
	return nil
}

// UpdateEndpoint implements webhook.EndpointStore.
func (db *DB) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	e = copyEndpoint(e)
	given := e.Version
	e.Version++
	value, err := encodeEndpoint(db.keys, &e)
	if err != nil {
		return webhook.Endpoint{}, fmt.Errorf("endpoint %s: %w", e.ID, err)
	}
	err = db.write(ctx, func(g *group) error {
		old := g.endpoint(e.ID)
		if old == nil {
			return fmt.Errorf("endpoint %s: %w", e.ID, webhook.ErrNotFound)
		}
		if given != old.Version {
			return fmt.Errorf("endpoint %s: %w", e.ID, webhook.ErrConflict)
		}
		e.KeepHealth(old, g.now)
		g.put(bucketEp, textKey(e.ID), value)
		g.putHealth(&e)
		g.did(acs.AuditEndpoint(ctx, old, &e))
		stored := e
		g.setEndpoint(e.ID, &stored)
		return nil
	})
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return copyEndpoint(e), nil
}

// DeleteEndpoint implements webhook.EndpointStore.
func (db *DB) DeleteEndpoint(ctx context.Context, id string) error {
	err := db.write(ctx, func(g *group) error {
		old := g.endpoint(id)
		if old == nil {
			return fmt.Errorf("endpoint %s: %w", id, webhook.ErrNotFound)
		}
		g.did(acs.AuditGoneEndpoint(ctx, old))
		g.deleteEndpoint(id)
		return nil
	})
	if err != nil {
		return err
	}
	return db.cancelLeft()
}

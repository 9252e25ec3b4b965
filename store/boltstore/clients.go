package boltstore

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
)

func decodeClient(value []byte) (acs.Client, error) {
	var r clientRecord
	err := decode(value, &r)
	return r.Client, err
}

// readClient gives acs.ErrNotFound where there is none.
func readClient(b *bolt.Bucket, id string) (acs.Client, error) {
	v := b.Get(textKey(id))
	if v == nil {
		return acs.Client{}, fmt.Errorf("client %s: %w", id, acs.ErrNotFound)
	}
	c, err := decodeClient(v)
	if err != nil {
		return acs.Client{}, fmt.Errorf("client %s: %w", id, err)
	}
	return c, nil
}

// named reports whether a client other than id has the name.
func (g *group) named(name, id string) bool {
	c := g.bucket(bucketCli).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if !hasField(v, "name", name) {
			continue
		}
		if other, err := decodeClient(v); err == nil && other.Name == name && other.ID != id {
			return true
		}
	}
	return false
}

// CreateClient implements acs.ClientStore. The stored version is 1; an id that is taken is acs.ErrExists, too.
func (db *DB) CreateClient(ctx context.Context, c acs.Client) error {
	c.Version = 1
	value, err := encode(&clientRecord{V: recordVersion, Client: c})
	if err != nil {
		return fmt.Errorf("client %s: %w", c.ID, err)
	}
	acts := prepareActs(acs.AuditNewClient(ctx, &c))
	return db.write(ctx, func(g *group) error {
		if g.get(bucketCli, textKey(c.ID)) != nil || g.named(c.Name, c.ID) {
			return fmt.Errorf("client %q: %w", c.Name, acs.ErrExists)
		}
		g.put(bucketCli, textKey(c.ID), value)
		g.audit(acts)
		return nil
	})
}

// Client implements acs.ClientStore.
func (db *DB) Client(ctx context.Context, id string) (c acs.Client, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		c, err = readClient(tx.Bucket([]byte(bucketCli)), id)
		return err
	})
	return c, err
}

// Clients implements acs.ClientStore.
func (db *DB) Clients(ctx context.Context) (list []acs.Client, err error) {
	err = db.view(ctx, func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketCli)).ForEach(func(k, v []byte) error {
			c, err := decodeClient(v)
			if err != nil {
				db.damaged.add(bucketCli, k, err)
				return nil
			}
			list = append(list, c)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b acs.Client) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// UpdateClient implements acs.ClientStore. A name that another client has is acs.ErrExists.
func (db *DB) UpdateClient(ctx context.Context, c acs.Client) (acs.Client, error) {
	given := c.Version
	c.Version++
	c.Scopes, c.Tags = slices.Clone(c.Scopes), slices.Clone(c.Tags)
	value, err := encode(&clientRecord{V: recordVersion, Client: c})
	if err != nil {
		return acs.Client{}, fmt.Errorf("client %s: %w", c.ID, err)
	}
	err = db.write(ctx, func(g *group) error {
		old, err := readClient(g.bucket(bucketCli), c.ID)
		if err != nil {
			return err
		}
		if given != old.Version {
			return fmt.Errorf("client %s: %w", c.ID, acs.ErrConflict)
		}
		if g.named(c.Name, c.ID) {
			return fmt.Errorf("client %q: %w", c.Name, acs.ErrExists)
		}
		g.put(bucketCli, textKey(c.ID), value)
		g.did(acs.AuditClient(ctx, &old, &c))
		return nil
	})
	if err != nil {
		return acs.Client{}, err
	}
	return c, nil
}

// DeleteClient implements acs.ClientStore.
func (db *DB) DeleteClient(ctx context.Context, id string) error {
	err := db.write(ctx, func(g *group) error {
		v := g.get(bucketCli, textKey(id))
		if v == nil {
			return fmt.Errorf("client %s: %w", id, acs.ErrNotFound)
		}
		old, err := decodeClient(v)
		if err != nil {
			old = acs.Client{ID: id} // a client whose record cannot be read can still be deleted
		}
		endpoints := g.endpointsOf(id)
		g.delete(bucketCli, textKey(id))
		g.deleteTokens(id)
		g.forgetQuota(id)
		g.did(acs.AuditGoneClient(ctx, &old, len(endpoints)))
		for _, endpoint := range endpoints {
			g.deleteEndpoint(endpoint)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return db.cancelLeft()
}

// endpointsOf lists a client's endpoints as the group has them.
func (g *group) endpointsOf(client string) (ids []string) {
	g.db.mu.RLock()
	for id, e := range g.db.endpoints {
		if _, changed := g.endpoints[id]; !changed && e.Client == client {
			ids = append(ids, id)
		}
	}
	g.db.mu.RUnlock()
	for id, e := range g.endpoints {
		if e != nil && e.Client == client {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// AddToken implements acs.ClientStore.
func (db *DB) AddToken(ctx context.Context, t acs.Token) error {
	value, err := encode(&tokenRecord{V: recordVersion, Token: t})
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	acts := prepareActs(acs.AuditToken(ctx, &t))
	return db.write(ctx, func(g *group) error {
		g.put(bucketTok, textKey(t.Hash), value)
		g.audit(acts)
		return nil
	})
}

// Token implements acs.ClientStore.
func (db *DB) Token(ctx context.Context, hash string) (acs.Token, error) {
	var r tokenRecord
	err := db.view(ctx, func(tx *bolt.Tx) error {
		v := tx.Bucket([]byte(bucketTok)).Get(textKey(hash))
		if v == nil {
			return acs.ErrNotFound
		}
		return decode(v, &r)
	})
	if err != nil {
		return acs.Token{}, fmt.Errorf("token: %w", err)
	}
	return r.Token, nil
}

// DeleteTokens implements acs.ClientStore. A client without tokens is no error.
func (db *DB) DeleteTokens(ctx context.Context, client string) error {
	return db.write(ctx, func(g *group) error {
		g.did(acs.AuditRevoked(ctx, client, g.deleteTokens(client)))
		return nil
	})
}

func (g *group) deleteTokens(client string) int {
	var keys [][]byte
	c := g.bucket(bucketTok).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if !hasField(v, "client", client) {
			continue
		}
		var r tokenRecord
		if err := decode(v, &r); err == nil && r.Token.Client == client {
			keys = append(keys, bytes.Clone(k))
		}
	}
	for _, k := range keys {
		g.delete(bucketTok, k)
	}
	return len(keys)
}

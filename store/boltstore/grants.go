package boltstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
)

// usedMark is in front of a mark that stands among the tokens, as a token of nobody: no hash begins with it.
const usedMark = "used:"

func expired(t *acs.Token, now time.Time) bool {
	return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt)
}

// GrantToken implements acs.ClientStore.
func (db *DB) GrantToken(ctx context.Context, grant acs.Grant) error {
	value, err := encode(&tokenRecord{V: recordVersion, Token: grant.Token})
	if err != nil {
		return fmt.Errorf("token: %w", err)
	}
	key := textKey(usedMark + grant.Mark)
	used, err := encode(&tokenRecord{V: recordVersion, Token: acs.Token{Hash: usedMark + grant.Mark, ExpiresAt: grant.MarkUntil}})
	if err != nil {
		return fmt.Errorf("mark of a token: %w", err)
	}
	acts := prepareActs(acs.AuditToken(ctx, &grant.Token))
	return db.write(ctx, func(g *group) error {
		now := db.now()
		if g.get(bucketCli, textKey(grant.Token.Client)) == nil {
			return fmt.Errorf("client %s: %w", grant.Token.Client, acs.ErrNotFound)
		}
		if v := g.get(bucketTok, key); v != nil {
			var r tokenRecord
			if err := decode(v, &r); err != nil || !expired(&r.Token, now) {
				return fmt.Errorf("mark of a token: %w", acs.ErrExists)
			}
		}
		g.dropTokens(grant.Token.Client, now)
		if grant.Mark != "" {
			g.put(bucketTok, key, used)
		}
		g.put(bucketTok, textKey(grant.Token.Hash), value)
		g.audit(acts)
		return nil
	})
}

// dropTokens makes room for a token that the client fetches: what has expired of its own goes, every mark whose time is over, and the
// oldest of those that it fetched.
func (g *group) dropTokens(client string, now time.Time) {
	type fetched struct {
		key []byte
		at  time.Time
	}
	var gone [][]byte
	var held []fetched
	// What hasField does, made once: there may be many tokens.
	name, err := json.Marshal(client)
	if err != nil {
		panic(err) // a string always has a JSON form
	}
	field, mark := append([]byte(`"client":`), name...), []byte(usedMark)
	c := g.bucket(bucketTok).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		isMark := bytes.HasPrefix(k, mark)
		if !isMark && !bytes.Contains(v, field) {
			continue
		}
		var r tokenRecord
		switch err := decode(v, &r); {
		case err != nil || !isMark && r.Token.Client != client:
		case expired(&r.Token, now):
			gone = append(gone, bytes.Clone(k))
		case r.Token.Fetched:
			held = append(held, fetched{bytes.Clone(k), r.Token.CreatedAt})
		}
	}
	slices.SortFunc(held, func(a, b fetched) int { return cmp.Or(a.at.Compare(b.at), bytes.Compare(a.key, b.key)) })
	for i := 0; i <= len(held)-acs.MaxFetchedTokens; i++ {
		gone = append(gone, held[i].key)
	}
	for _, k := range gone {
		g.delete(bucketTok, k)
	}
}

// tokens deletes those that have expired, and marks whose time is over.
func (p *purge) tokens(ctx context.Context) error {
	if p.r.TokensBefore.IsZero() {
		return nil
	}
	var after []byte
	for {
		var batch [][]byte
		err := p.db.view(ctx, func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte(bucketTok)).Cursor()
			for k, v := c.Seek(after); k != nil && len(batch) < p.r.Batch; k, v = c.Next() {
				after = append(bytes.Clone(k), 0) // the next key that there can be
				var r tokenRecord
				if err := decode(v, &r); err != nil {
					p.db.damaged.add(bucketTok, k, err)
				} else if expired(&r.Token, p.r.TokensBefore) {
					batch = append(batch, bytes.Clone(k))
				}
			}
			return nil
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		err = p.db.write(ctx, func(g *group) error {
			for _, k := range batch {
				if g.get(bucketTok, k) != nil {
					g.delete(bucketTok, k)
					p.done.Tokens++
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

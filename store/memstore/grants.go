package memstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"recado/acs"
)

// usedMark is in front of a mark that stands among the tokens: no hash begins with it.
const usedMark = "used:"

// GrantToken implements acs.ClientStore.
func (s *Store) GrantToken(ctx context.Context, g acs.Grant) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, err := s.client(g.Token.Client); err != nil {
		return err
	}
	now := s.now()
	over := func(t acs.Token) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }
	if m, used := s.tokens[usedMark+g.Mark]; used && !over(m) {
		return fmt.Errorf("mark of a token: %w", acs.ErrExists)
	}
	var fetched []acs.Token
	for key, t := range s.tokens {
		switch {
		case t.Client != g.Token.Client && !strings.HasPrefix(key, usedMark):
		case over(t):
			delete(s.tokens, key)
		case t.Fetched:
			fetched = append(fetched, t)
		}
	}
	slices.SortFunc(fetched, func(a, b acs.Token) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Hash, b.Hash))
	})
	for i := 0; i <= len(fetched)-acs.MaxFetchedTokens; i++ {
		delete(s.tokens, fetched[i].Hash)
	}
	if g.Mark != "" {
		key := usedMark + g.Mark
		s.tokens[key] = acs.Token{Hash: key, ExpiresAt: g.MarkUntil}
	}
	s.tokens[g.Token.Hash] = g.Token
	s.did(acs.AuditToken(ctx, &g.Token))
	return nil
}

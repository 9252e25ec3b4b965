package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"recado/acs"
)

// named reports whether a client other than id has the name.
func (s *Store) named(name, id string) bool {
	for _, c := range s.clients {
		if c.Name == name && c.ID != id {
			return true
		}
	}
	return false
}

// CreateClient implements acs.ClientStore. The stored version is 1; an id that is taken is acs.ErrExists, too.
func (s *Store) CreateClient(ctx context.Context, c acs.Client) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, ok := s.clients[c.ID]; ok || s.named(c.Name, c.ID) {
		return fmt.Errorf("client %q: %w", c.Name, acs.ErrExists)
	}
	c = cloneClient(&c)
	c.Version = 1
	s.clients[c.ID] = &c
	s.did(acs.AuditNewClient(ctx, &c))
	s.tell(ctx)
	return nil
}

func (s *Store) client(id string) (*acs.Client, error) {
	c, ok := s.clients[id]
	if !ok {
		return nil, fmt.Errorf("client %s: %w", id, acs.ErrNotFound)
	}
	return c, nil
}

// Client implements acs.ClientStore.
func (s *Store) Client(ctx context.Context, id string) (acs.Client, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Client{}, err
	}
	defer s.mu.Unlock()
	c, err := s.client(id)
	if err != nil {
		return acs.Client{}, err
	}
	return cloneClient(c), nil
}

// Clients implements acs.ClientStore.
func (s *Store) Clients(ctx context.Context) ([]acs.Client, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var list []acs.Client
	for _, id := range slices.Sorted(maps.Keys(s.clients)) {
		list = append(list, cloneClient(s.clients[id]))
	}
	return list, nil
}

// UpdateClient implements acs.ClientStore. A name that another client has is acs.ErrExists.
func (s *Store) UpdateClient(ctx context.Context, c acs.Client) (acs.Client, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Client{}, err
	}
	defer s.mu.Unlock()
	old, err := s.client(c.ID)
	if err != nil {
		return acs.Client{}, err
	}
	if c.Version != old.Version {
		return acs.Client{}, fmt.Errorf("client %s: %w", c.ID, acs.ErrConflict)
	}
	if s.named(c.Name, c.ID) {
		return acs.Client{}, fmt.Errorf("client %q: %w", c.Name, acs.ErrExists)
	}
	c = cloneClient(&c)
	c.Version++
	s.clients[c.ID] = &c
	s.did(acs.AuditClient(ctx, old, &c))
	s.tell(ctx)
	return cloneClient(&c), nil
}

// DeleteClient implements acs.ClientStore.
func (s *Store) DeleteClient(ctx context.Context, id string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	old, err := s.client(id)
	if err != nil {
		return err
	}
	delete(s.clients, id)
	s.deleteTokens(id)
	maps.DeleteFunc(s.quotas, func(q quota, _ int) bool { return q.client == id })
	webhooks := 0
	for _, e := range s.endpoints {
		if e.Client == id {
			s.deleteEndpoint(e.ID)
			webhooks++
		}
	}
	s.did(acs.AuditGoneClient(ctx, old, webhooks))
	s.tell(ctx)
	return nil
}

// AddToken implements acs.ClientStore.
func (s *Store) AddToken(ctx context.Context, t acs.Token) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.tokens[t.Hash] = t
	s.did(acs.AuditToken(ctx, &t))
	s.tell(ctx)
	return nil
}

// Token implements acs.ClientStore.
func (s *Store) Token(ctx context.Context, hash string) (acs.Token, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Token{}, err
	}
	defer s.mu.Unlock()
	t, ok := s.tokens[hash]
	if !ok {
		return acs.Token{}, fmt.Errorf("token: %w", acs.ErrNotFound)
	}
	return t, nil
}

// DeleteTokens implements acs.ClientStore. A client without tokens is no error.
func (s *Store) DeleteTokens(ctx context.Context, client string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.did(acs.AuditRevoked(ctx, client, s.deleteTokens(client)))
	s.tell(ctx)
	return nil
}

func (s *Store) deleteTokens(client string) int {
	before := len(s.tokens)
	maps.DeleteFunc(s.tokens, func(_ string, t acs.Token) bool { return t.Client == client })
	return before - len(s.tokens)
}

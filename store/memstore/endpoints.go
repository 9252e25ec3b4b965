package memstore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"recado/acs"
	"recado/webhook"
)

// CreateEndpoint implements webhook.EndpointStore. The stored version is 1; an id that is taken is acs.ErrExists.
func (s *Store) CreateEndpoint(ctx context.Context, e webhook.Endpoint) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if _, ok := s.endpoints[e.ID]; ok {
		return fmt.Errorf("endpoint %s: %w", e.ID, acs.ErrExists)
	}
	e = cloneEndpoint(&e)
	e.Version = 1
	s.endpoints[e.ID] = &e
	s.did(acs.AuditNewEndpoint(ctx, &e))
	s.tell(ctx)
	return nil
}

func (s *Store) endpoint(id string) (*webhook.Endpoint, error) {
	e, ok := s.endpoints[id]
	if !ok {
		return nil, fmt.Errorf("endpoint %s: %w", id, webhook.ErrNotFound)
	}
	return e, nil
}

// Endpoint implements webhook.EndpointStore.
func (s *Store) Endpoint(ctx context.Context, id string) (webhook.Endpoint, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Endpoint{}, err
	}
	defer s.mu.Unlock()
	e, err := s.endpoint(id)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return cloneEndpoint(e), nil
}

// Endpoints implements acs.Store and webhook.EndpointStore.
func (s *Store) Endpoints(ctx context.Context, client string) ([]webhook.Endpoint, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	var list []webhook.Endpoint
	for _, id := range slices.Sorted(maps.Keys(s.endpoints)) {
		if e := s.endpoints[id]; client == "" || e.Client == client {
			list = append(list, cloneEndpoint(e))
		}
	}
	return list, nil
}

// UpdateEndpoint implements webhook.EndpointStore.
func (s *Store) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	if err := s.lock(ctx); err != nil {
		return webhook.Endpoint{}, err
	}
	defer s.mu.Unlock()
	old, err := s.endpoint(e.ID)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	if e.Version != old.Version {
		return webhook.Endpoint{}, fmt.Errorf("endpoint %s: %w", e.ID, webhook.ErrConflict)
	}
	e = cloneEndpoint(&e)
	e.KeepHealth(old, s.now())
	e.Version++
	s.endpoints[e.ID] = &e
	s.did(acs.AuditEndpoint(ctx, old, &e))
	s.signal() // it may have been paused until now
	s.tell(ctx)
	return cloneEndpoint(&e), nil
}

// DeleteEndpoint implements webhook.EndpointStore.
func (s *Store) DeleteEndpoint(ctx context.Context, id string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	old, err := s.endpoint(id)
	if err != nil {
		return err
	}
	s.did(acs.AuditGoneEndpoint(ctx, old))
	s.deleteEndpoint(id)
	s.tell(ctx)
	return nil
}

func (s *Store) deleteEndpoint(id string) {
	now := s.now()
	for _, d := range s.queues[id].items {
		cancel(d, now)
		delete(s.leases, d.ID)
	}
	delete(s.queues, id)
	delete(s.endpoints, id)
}

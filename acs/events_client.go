package acs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

// telling makes a write under the context tell a client what acts change of it, at its endpoints but the one named.
func (s *Service) telling(ctx context.Context, c *Client, acts []AuditAct, but string) (context.Context, error) {
	if len(acts) == 0 {
		return ctx, nil
	}
	endpoints, err := s.store.Endpoints(ctx, c.ID)
	if err != nil {
		return ctx, fmt.Errorf("endpoints of client %s: %w", c.ID, err)
	}
	endpoints = slices.DeleteFunc(endpoints, func(e webhook.Endpoint) bool { return e.ID == but })
	if len(endpoints) == 0 {
		return ctx, nil
	}
	by := ActorFrom(ctx)
	data := wire.ClientChangedData{
		ClientID: c.ID, ClientName: c.Name,
		By: wire.ChangedBy{Via: by.Via, ClientID: by.Client, ClientName: by.ClientName, Source: by.Source},
	}
	for _, a := range acts {
		data.Changes = append(data.Changes, wire.ClientChangeMade{What: a.Act, Object: a.Object, Details: a.Details})
	}
	var out Outbox
	if err := tell(&out, wire.ClientChanged, &listener{client: *c, endpoints: endpoints}, "", data, time.Now()); err != nil {
		return ctx, err
	}
	return webhook.WithOutbox(ctx, webhook.Outbox(out)), nil
}

// WebhookStore is the store for a webhook.Service: changes of endpoints that go through it are told to the client's other endpoints, by
// the transaction that makes them.
func (s *Service) WebhookStore(store webhook.Store) webhook.Store { return tellingStore{store, s} }

type tellingStore struct {
	webhook.Store
	s *Service
}

func (t tellingStore) telling(ctx context.Context, e *webhook.Endpoint, acts []AuditAct) (context.Context, error) {
	c, err := t.s.store.Client(ctx, e.Client)
	if errors.Is(err, ErrNotFound) {
		return ctx, nil // nobody is there to be told
	}
	if err != nil {
		return ctx, fmt.Errorf("client %s: %w", e.Client, err)
	}
	return t.s.telling(ctx, &c, acts, e.ID)
}

// CreateEndpoint implements webhook.EndpointStore.
func (t tellingStore) CreateEndpoint(ctx context.Context, e webhook.Endpoint) error {
	ctx, err := t.telling(ctx, &e, AuditNewEndpoint(ctx, &e))
	if err != nil {
		return err
	}
	defer t.s.AudienceChanged()
	return t.Store.CreateEndpoint(ctx, e)
}

// UpdateEndpoint implements webhook.EndpointStore.
func (t tellingStore) UpdateEndpoint(ctx context.Context, e webhook.Endpoint) (webhook.Endpoint, error) {
	before, err := t.Store.Endpoint(ctx, e.ID)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	// Where before is not what e was made from, nothing is stored, and nothing told.
	told, err := t.telling(ctx, &e, AuditEndpoint(ctx, &before, &e))
	if err != nil {
		return webhook.Endpoint{}, err
	}
	defer t.s.AudienceChanged()
	return t.Store.UpdateEndpoint(told, e)
}

// DeleteEndpoint implements webhook.EndpointStore.
func (t tellingStore) DeleteEndpoint(ctx context.Context, id string) error {
	e, err := t.Store.Endpoint(ctx, id)
	if err != nil {
		return err
	}
	if ctx, err = t.telling(ctx, &e, AuditGoneEndpoint(ctx, &e)); err != nil {
		return err
	}
	defer t.s.AudienceChanged()
	return t.Store.DeleteEndpoint(ctx, id)
}

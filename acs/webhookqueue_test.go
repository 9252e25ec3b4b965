package acs_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"recado/acs"
	"recado/webhook"
)

// With as many deliveries waiting for a client as there is room for, its new actions are refused, and nothing else is: what was
// accepted is told, a repetition gets its receipt, and another client is not concerned.
func TestFullWebhookQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		svc, err := acs.NewService(w.store, acs.ServiceConfig{MaxWebhookQueue: 3, IdempotencyKey: []byte("key")})
		if err != nil {
			t.Fatal(err)
		}
		device := acs.Device{ID: "cpe-1"}
		if _, err := w.store.PutFacts(t.Context(), device.ID, device.Identity, acs.Facts{RouterID: "R1"}); err != nil {
			t.Fatal(err)
		}
		submit := func(c acs.Client, key, body string) (acs.Receipt, error) {
			return svc.Submit(t.Context(), acs.Submission{Client: c, Kind: acs.KindReboot, RouterID: "R1", IdempotencyKey: key, Body: []byte(body)})
		}
		first, err := submit(w.client, "k1", "b")
		if err != nil {
			t.Fatal(err)
		}
		endpoints, err := w.store.Endpoints(t.Context(), w.client.ID)
		if err != nil || len(endpoints) != 1 {
			t.Fatalf("got %d endpoints, %v; want the client's one", len(endpoints), err)
		}
		endpoints[0].State = webhook.EndpointPaused
		if _, err := w.store.UpdateEndpoint(t.Context(), endpoints[0]); err != nil {
			t.Fatal(err)
		}
		hooks := webhook.NewService(webhook.ServiceConfig{Store: w.store, Catalogue: acs.EventTypes})
		for i := range 3 {
			if _, err := submit(w.client, "", ""); err != nil {
				t.Errorf("action with %d deliveries waiting: got %v, want it accepted", i, err)
			}
			if _, _, err := hooks.Test(t.Context(), w.client.ID, endpoints[0].ID); err != nil {
				t.Fatal(err)
			}
		}
		for _, key := range []string{"", "k2"} {
			if _, err := submit(w.client, key, "b"); !errors.Is(err, acs.ErrWebhookQueueFull) {
				t.Errorf("new action with key %q: got %v, want ErrWebhookQueueFull", key, err)
			}
		}
		again, err := submit(w.client, "k1", "b")
		if err != nil || !again.Existed || again.Action.ID != first.Action.ID || again.Webhooks != first.Webhooks {
			t.Errorf("the first one again: got %s, existed %v, %d webhooks, %v; want %s, true, %d", again.Action.ID, again.Existed, again.Webhooks,
				err, first.Action.ID, first.Webhooks)
		}
		if _, err := submit(w.client, "k1", "other"); !errors.Is(err, acs.ErrIdempotencyReused) {
			t.Errorf("the first one's key with another body: got %v, want ErrIdempotencyReused", err)
		}
		other, err := svc.CreateClient(t.Context(), acs.NewClient{Name: "other"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := submit(other.Client, "", ""); err != nil {
			t.Errorf("another client: got %v, want it accepted", err)
		}
		if _, err := svc.Cancel(t.Context(), w.client, first.Action.ID); err != nil {
			t.Errorf("cancelling what was accepted: got %v, want it done and told", err)
		}
		if err := hooks.Delete(t.Context(), w.client.ID, endpoints[0].ID); err != nil {
			t.Fatal(err)
		}
		if _, err := submit(w.client, "k2", "b"); err != nil {
			t.Errorf("with the endpoint deleted: got %v, want it accepted", err)
		}
	})
}

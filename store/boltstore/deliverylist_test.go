package boltstore_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/webhook"
)

// deadOf makes a dead delivery for the endpoint.
func deadOf(t testing.TB, s *opened, e webhook.Endpoint) webhook.Delivery {
	t.Helper()
	event := webhook.Event{ID: webhook.NewID(webhook.PrefixEvent), Type: "webhook.test", Client: e.Client, Time: time.Now(), Body: []byte("{}")}
	d := webhook.Delivery{
		ID: webhook.NewID(webhook.PrefixDelivery), Event: event.ID, EventType: event.Type, Endpoint: e.ID, Client: e.Client,
		State: webhook.DeliveryDead, CreatedAt: time.Now(), DoneAt: time.Now(),
	}
	if _, err := s.AddEvent(ctx, event, []webhook.Delivery{d}); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDeadIndexIsMade opens a store as a program wrote it that kept no index of dead deliveries.
func TestDeadIndexIsMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, path)
	e := newEndpoint(t, "cli_1")
	if err := s.CreateEndpoint(ctx, e); err != nil {
		t.Fatal(err)
	}
	var want []string
	for range 3 {
		want = append([]string{deadOf(t, s, e).ID}, want...)
	}
	err := s.Main().Update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket([]byte("dead")); err != nil {
			return err
		}
		return tx.Bucket([]byte("meta")).Delete([]byte("dead_index"))
	})
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		page, _, err := s.Deliveries(ctx, webhook.DeliveryFilter{States: []webhook.DeliveryState{webhook.DeliveryDead}})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var got []string
		for _, d := range page {
			got = append(got, d.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got dead deliveries %v, want %v", what, got, want)
		}
	}
	for _, what := range []string{"from the older program", "again"} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, path)
		check(what)
	}
	defer s.Close()
	if _, err := s.Redeliver(ctx, want[1]); err != nil {
		t.Fatal(err)
	}
	want = []string{want[0], want[2]}
	check("after one was redelivered")
	if _, err := s.Purge(ctx, acs.Retention{DeadBefore: time.Now().Add(time.Hour), Before: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	want = nil
	check("after the purge")
}

func keyOf(t testing.TB, id string) []byte {
	t.Helper()
	k, err := hex.DecodeString(id)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// BenchmarkWhatDidNotArrive lists the few dead and held ones of many deliveries.
func BenchmarkWhatDidNotArrive(b *testing.B) {
	const all, few = 1_000_000, 50
	s := open(b, filepath.Join(b.TempDir(), "recado.db"))
	defer s.Close()
	s.Main().NoSync = true
	e := newEndpoint(b, "cli_1")
	check(b, "endpoint", s.CreateEndpoint(ctx, e))
	for range few / 2 {
		deadOf(b, s, e)
	}
	deadOf(b, s, e)
	var value []byte
	check(b, "sample", s.Main().View(func(tx *bolt.Tx) error {
		_, v := tx.Bucket([]byte("dlv")).Cursor().Last()
		value = append(value, v...)
		return nil
	}))
	value = bytes.Replace(value, []byte(`"state":"dead"`), []byte(`"state":"delivered"`), 1)
	for range all / 50_000 {
		check(b, "fill", s.Main().Update(func(tx *bolt.Tx) error {
			dlv := tx.Bucket([]byte("dlv"))
			dlv.FillPercent = 0.95
			for range 50_000 {
				if err := dlv.Put(keyOf(b, webhook.NewID("")), value); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for range few / 2 {
		deadOf(b, s, e)
	}
	for name, f := range map[string]webhook.DeliveryFilter{
		"dead,pending":   {Client: "cli_1", States: []webhook.DeliveryState{webhook.DeliveryDead}, PendingAt: []string{e.ID}},
		"dead,delivered": {Client: "cli_2", States: []webhook.DeliveryState{webhook.DeliveryDead, webhook.DeliveryDelivered}},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _, err := s.Deliveries(ctx, f)
				check(b, "list", err)
			}
		})
	}
}

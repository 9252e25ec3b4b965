package boltstore_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/store/boltstore"
	"recado/webhook"
)

var update = flag.Bool("update", false, "write the golden store of this version anew")

// secrets are what furnish stores that must not be readable in a file.
var secrets = []string{"marker-ssid", "marker-secret", "marker-old-secret", "marker-cr-password", "marker-cpe-password"}

func TestSecretsAreSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, path)
	pending, done := furnish(t, s)
	for i := range 50 { // old pages are freed and used again
		pending.Stage = acs.StageWaking
		pending.Boots = i
		var err error
		pending, err = s.UpdateAction(ctx, pending, acs.Outbox{})
		check(t, "update", err)
	}
	if pending.Parameters[0].Value != "marker-ssid" {
		t.Errorf("value of a pending action: got %q", pending.Parameters[0].Value)
	}
	got, err := s.Action(ctx, pending.ID)
	if err != nil || got.Parameters[0].Value != "marker-ssid" || got.Parameters[1].Value != "300" {
		t.Errorf("stored pending action: got %+v, %v", got.Parameters, err)
	}
	got, err = s.Action(ctx, done.ID)
	if err != nil || got.Parameters[0].Value != "" || done.Parameters[0].Value != "" || got.Parameters[0].Name == "" {
		t.Errorf("stored final action: got %+v, %v; want names without values", got.Parameters, err)
	}
	check(t, "close", s.Close())
	for _, p := range []string{path, devices(path)} {
		b, err := os.ReadFile(p)
		check(t, "read", err)
		for _, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s holds %q", filepath.Base(p), secret)
			}
		}
	}
	text := dump(t, path)
	for _, secret := range append(secrets, "s1:k1:") {
		if strings.Contains(text, secret) {
			t.Errorf("the dump holds %q", secret)
		}
	}
	if n := strings.Count(text, `"(sealed)"`); n < 4 {
		t.Errorf("the dump shows %d sealed parts, want at least 4", n)
	}
}

func TestDump(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, path)
	pending, done := furnish(t, s)
	check(t, "close", s.Close())
	before := filesOf(t, filepath.Dir(path))
	buckets := make(map[string]int)
	keys := ""
	for line := range strings.Lines(dump(t, path)) {
		var r struct {
			Bucket, Key string
			Value       json.RawMessage
		}
		check(t, "line "+line, json.Unmarshal([]byte(line), &r))
		buckets[r.Bucket]++
		keys += r.Bucket + " " + r.Key + "\n"
		hashes := map[string]string{"cli": `"secret_hash":"(hashed)"`, "tok": `"hash":"(hashed)"`}
		if want := hashes[r.Bucket]; !strings.Contains(string(r.Value), want) || want != "" && len(r.Key) > 40 {
			t.Errorf("bucket %s: got %s %s, want it with %s and no whole hash for a key", r.Bucket, r.Key, r.Value, want)
		}
	}
	for bucket, want := range map[string]int{
		"act": 2, "due": 1, "idem": 1, "evt": 1, "dlv": 1, "pend": 1, "att": 1, "ep": 1, "eph": 1, "cli": 1, "tok": 1, "facts": 1,
		"fname": 5, "seqlog": 1, "dev": 1, "seen": 1, "types": 1, "tset": 1, "name": 2,
	} {
		if buckets[bucket] != want {
			t.Errorf("bucket %s: got %d lines, want %d", bucket, buckets[bucket], want)
		}
	}
	for _, want := range []string{"act " + pending.ID.String(), "act " + done.ID.String(), "facts 202BC1-BM632w-000000", "evt evt_", "att dlv_"} {
		if !strings.Contains(keys, want) {
			t.Errorf("no line for %q in\n%s", want, keys)
		}
	}
	if after := filesOf(t, filepath.Dir(path)); after != before {
		t.Error("the dump changed the files")
	}
}

// A store written by each version opens for ever, with every record in it.
func TestGolden(t *testing.T) {
	dir := filepath.Join("testdata", "v1")
	if *update {
		check(t, "mkdir", os.MkdirAll(dir, 0o755))
		path := filepath.Join(t.TempDir(), "recado.db")
		synctest.Test(t, func(t *testing.T) {
			s := open(t, path)
			furnish(t, s)
			check(t, "close", s.Close())
		})
		copyStore(t, path, filepath.Join(dir, "recado.db"))
		check(t, "write", os.WriteFile(filepath.Join(dir, "dump.jsonl"), []byte(dump(t, path)), 0o644))
	}
	path := filepath.Join(t.TempDir(), "recado.db")
	copyStore(t, filepath.Join(dir, "recado.db"), path)
	want, err := os.ReadFile(filepath.Join(dir, "dump.jsonl"))
	check(t, "read", err)
	if got := dump(t, path); got != string(want) {
		t.Errorf("dump: %s", firstDifference(got, string(want)))
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, path)
		if s.Damaged() != 0 {
			t.Errorf("got %d damaged records", s.Damaged())
		}
		live, err := s.LiveActions(ctx, "cpe-1")
		if err != nil || len(live) != 1 || live[0].Parameters[0].Value != "marker-ssid" || len(live[0].Timeline) != 1 {
			t.Fatalf("live actions: got %+v, %v", live, err)
		}
		again, existed, err := s.CreateAction(ctx, newAction(t, "cpe-1"), acs.Idempotency{Key: "key-1", BodyMAC: "mac"}, acs.Outbox{})
		if err != nil || !existed || again.ID != live[0].ID {
			t.Errorf("idempotency key: got action %v, existed %v, %v; want the first one", again.ID, existed, err)
		}
		time.Sleep(time.Minute)
		leases, _, err := s.ClaimDeliveries(ctx, limits)
		if err != nil || len(leases) != 1 || leases[0].Endpoint.Secret != "whsec_marker-secret" || leases[0].Delivery.Attempts != 1 ||
			leases[0].Event.Sequence != 1 || leases[0].Endpoint.ConsecutiveFailures != 1 {
			t.Fatalf("claim: got %+v, %v", leases, err)
		}
		attempts, err := s.Attempts(ctx, leases[0].Delivery.ID)
		if err != nil || len(attempts) != 1 || attempts[0].Response != "no\xff" {
			t.Errorf("attempts: got %+v, %v", attempts, err)
		}
		for _, name := range []string{"RTR-1", "ana@example", "20-2b-c1-00-00-01", "000000", "202BC1-BM632w-000000"} {
			found, err := s.FindDevices(ctx, name)
			if err != nil || len(found) != 1 || found[0].Facts.ConnectionRequest.Password != "marker-cr-password" ||
				found[0].Reported.SoftwareVersion != "V1" || found[0].Identity.Manufacturer != "Huawei" {
				t.Errorf("device %q: got %+v, %v", name, found, err)
			}
		}
		types, err := s.LearnedTypes(ctx, "202BC1-BM632w-000000", []string{"InternetGatewayDevice.A"})
		if err != nil || types["InternetGatewayDevice.A"] != "xsd:string" {
			t.Errorf("types: got %v, %v", types, err)
		}
		clients, err := s.Clients(ctx)
		if err != nil || len(clients) != 1 || clients[0].Name != "erp" {
			t.Errorf("clients: got %+v, %v", clients, err)
		}
		if _, err := s.Token(ctx, strings.Repeat("ab", 32)); err != nil {
			t.Error(err)
		}
		check(t, "close", s.Close())
	})
}

func FuzzRecord(f *testing.F) {
	k := testKeys(f)
	a := newAction(f, "cpe-1")
	value, err := boltstore.EncodeAction(k, &a)
	check(f, "encode", err)
	f.Add(value)
	f.Add([]byte(`{"v":1,"n":7,"e":{"id":"evt_1","body":null},"b":"{}"}`))
	f.Add([]byte(`{"v":1,"a":{"parameters":[{}]},"sealed":"s1:k1:AAAA"}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"h":{"state":"active"},"t":{"A":"xsd:string"},"n":-1}`))
	f.Fuzz(func(t *testing.T, value []byte) {
		a, ok := boltstore.DecodeAny(k, value)
		if !ok {
			return
		}
		again, err := boltstore.EncodeAction(k, &a)
		if err != nil {
			return // a time beyond year 9999
		}
		if _, ok := boltstore.DecodeAny(k, again); !ok {
			t.Fatalf("%q reads, but not what it is written as: %q", value, again)
		}
	})
}

func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		e := newEndpoint(t, "cli_1")
		check(t, "endpoint", s.CreateEndpoint(ctx, e))
		var all []acs.Action
		finish := func(state webhook.DeliveryState) acs.Action {
			a, _, err := s.CreateAction(ctx, newAction(t, "cpe-1"), acs.Idempotency{Key: newID(t, "k")}, acs.Outbox{})
			check(t, "create", err)
			a, err = s.FinishAction(ctx, finished(a), newOutbox(t, a, e.ID))
			check(t, "finish", err)
			all = append(all, a)
			if state == webhook.DeliveryPending {
				return a
			}
			leases, _, err := s.ClaimDeliveries(ctx, limits)
			check(t, "claim", err)
			for _, l := range leases {
				if l.Delivery.Protocolo == a.ID.String() {
					check(t, "attempt", attempted(s, l, webhook.Attempt{At: time.Now()}, webhook.Settlement{State: state}))
				}
			}
			return a
		}
		delivered, dead := finish(webhook.DeliveryDelivered), finish(webhook.DeliveryDead)
		pending := finish(webhook.DeliveryPending)
		live, _, err := s.CreateAction(ctx, newAction(t, "cpe-2"), acs.Idempotency{}, acs.Outbox{})
		check(t, "create", err)
		watched, _, err := s.CreateAction(ctx, newAction(t, "cpe-3"), acs.Idempotency{}, acs.Outbox{})
		check(t, "create", err)
		watched = finished(watched)
		watched.WatchUntil = time.Now().Add(1000 * time.Hour)
		watched, err = s.FinishAction(ctx, watched, acs.Outbox{})
		check(t, "finish", err)

		purge := func(want acs.Purged, before, deadBefore time.Duration) {
			t.Helper()
			got, err := s.Purge(ctx, acs.Retention{Before: time.Now().Add(-before), DeadBefore: time.Now().Add(-deadBefore), Batch: 2})
			if err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		}
		is := func(a acs.Action, there bool) {
			t.Helper()
			if _, err := s.Action(ctx, a.ID); (err == nil) != there {
				t.Errorf("action %s: got %v, want it there: %v", a.ID, err, there)
			}
		}
		// Inside the idempotency window nothing of an action goes, however short the retention is.
		time.Sleep(time.Hour)
		purge(acs.Purged{Deliveries: 1, Events: 1, Attempts: 1}, time.Minute, 90*24*time.Hour)
		is(delivered, true)
		time.Sleep(31 * 24 * time.Hour)
		purge(acs.Purged{Actions: 1}, 30*24*time.Hour, 90*24*time.Hour)
		is(delivered, false)
		for _, a := range []acs.Action{dead, pending, live, watched} {
			is(a, true)
		}
		time.Sleep(60 * 24 * time.Hour)
		purge(acs.Purged{Actions: 1, Events: 1, Deliveries: 1, Attempts: 1}, 30*24*time.Hour, 90*24*time.Hour)
		is(dead, false)
		is(pending, true)
		purge(acs.Purged{}, 30*24*time.Hour, 90*24*time.Hour)
		// A delivery that is held is dead in the end, which can be seen for as long as with others.
		e.State, e.Version = webhook.EndpointPaused, 1
		_, err = s.UpdateEndpoint(ctx, e)
		check(t, "pause", err)
		purge(acs.Purged{Expired: 1}, 30*24*time.Hour, 90*24*time.Hour)
		page, _, err := s.Deliveries(ctx, webhook.DeliveryFilter{States: []webhook.DeliveryState{webhook.DeliveryDead}})
		check(t, "dead deliveries", err)
		if len(page) != 1 || page[0].Protocolo != pending.ID.String() || !strings.Contains(page[0].LastError, "while the endpoint was paused") ||
			!page[0].DoneAt.Equal(time.Now()) {
			t.Errorf("held for 90 days: got %+v, want it dead now, with the reason", page)
		}
		if tally, err := s.Tally(ctx, e.ID, time.Now()); err != nil || tally.Expired != 1 {
			t.Errorf("counters: got %d expired, %v; want 1", tally.Expired, err)
		}
		is(pending, true)
		time.Sleep(89 * 24 * time.Hour)
		purge(acs.Purged{}, 30*24*time.Hour, 90*24*time.Hour)
		time.Sleep(2 * 24 * time.Hour)
		purge(acs.Purged{Actions: 1, Events: 1, Deliveries: 1}, 30*24*time.Hour, 90*24*time.Hour)
		is(pending, false)
		is(live, true)
		is(watched, true)
		if s.Pending() != 0 {
			t.Errorf("got %d deliveries in the queues, want none", s.Pending())
		}
	})
}

package boltstore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/cwmp"
	"recado/webhook"
)

// inFile counts the records of a bucket of a copy of the devices file, as a crash now would leave it.
func inFile(t *testing.T, s *opened, bucket string) int {
	t.Helper()
	to := filepath.Join(t.TempDir(), "d.db")
	check(t, "copy", copyFile(devices(s.path), to))
	db, err := bolt.Open(to, 0o600, &bolt.Options{Timeout: time.Second, ReadOnly: true})
	check(t, "open", err)
	defer db.Close()
	n := 0
	check(t, "view", db.View(func(tx *bolt.Tx) error {
		n = tx.Bucket([]byte(bucket)).Inspect().KeyN
		return nil
	}))
	return n
}

func TestReportsAreWrittenBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		for i := range 100 {
			check(t, "report", s.Report(ctx, fmt.Sprint("cpe-", i), newIdentity(i), acs.Reported{PPPoELogin: fmt.Sprint("login-", i)}))
		}
		found := func(name, want string) {
			t.Helper()
			list, err := s.FindDevices(ctx, name)
			got := ""
			for _, d := range list {
				got += d.ID
			}
			if err != nil || got != want {
				t.Errorf("find %q: got %q, %v; want %q", name, got, err, want)
			}
		}
		found("login-7", "cpe-7")
		if n := inFile(t, s, "dev"); n != 0 {
			t.Errorf("at once: got %d records in the file, want none", n)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n, m := inFile(t, s, "dev"), inFile(t, s, "seen"); n != 100 || m != 100 {
			t.Errorf("after ten seconds: got %d and %d records, want 100", n, m)
		}
		found("login-7", "cpe-7")
		check(t, "report", s.Report(ctx, "cpe-7", newIdentity(7), acs.Reported{PPPoELogin: "moved"}))
		found("login-7", "")
		found("moved", "cpe-7")
		time.Sleep(10 * time.Second)
		found("login-7", "")
		found("moved", "cpe-7")
		found("SN7", "cpe-7")
		if n := inFile(t, s, "name"); n != 200 {
			t.Errorf("got %d names, want 200: two of each device", n)
		}
	})
}

func TestEqualTypesAreKeptOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		types := map[string]string{"Device.A": "xsd:string", "Device.B": "xsd:int"}
		for i := range 50 {
			check(t, "learn", s.LearnTypes(ctx, fmt.Sprint("cpe-", i), types))
		}
		time.Sleep(10 * time.Second)
		if n, m := inFile(t, s, "types"), inFile(t, s, "tset"); n != 50 || m != 1 {
			t.Errorf("got %d devices with %d sets, want 50 with 1", n, m)
		}
		for i := range 50 {
			check(t, "learn", s.LearnTypes(ctx, fmt.Sprint("cpe-", i), map[string]string{"Device.C": "xsd:boolean"}))
		}
		time.Sleep(10 * time.Second)
		if m := inFile(t, s, "tset"); m != 1 {
			t.Errorf("after all have learned more: got %d sets, want 1", m)
		}
		got, err := s.LearnedTypes(ctx, "cpe-3", []string{"Device.A", "Device.C", "Device.D"})
		if err != nil || len(got) != 2 || got["Device.A"] != "xsd:string" || got["Device.C"] != "xsd:boolean" {
			t.Errorf("got %v, %v", got, err)
		}
		many := make(map[string]string)
		for i := range 10_000 {
			many[fmt.Sprint("Device.X", i)] = "xsd:string"
		}
		many[strings.Repeat("n", 1000)] = "xsd:string"
		check(t, "learn", s.LearnTypes(ctx, "greedy", many))
		time.Sleep(10 * time.Second)
		names := make([]string, 0, len(many))
		for name := range many {
			names = append(names, name)
		}
		if got, err := s.LearnedTypes(ctx, "greedy", names); err != nil || len(got) != 4000 {
			t.Errorf("got %d types of a device that reports 10,001, %v; want 4,000", len(got), err)
		}
	})
}

// Ids that are long, empty or no UUIDs at all have their place, too.
func TestOddIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "recado.db")
		s := open(t, path)
		long := strings.Repeat("x", 100_000)
		for _, id := range []string{long + "a", long + "b", "", "\x00", "é \xff"} {
			_, err := s.PutFacts(ctx, id, cwmp.DeviceID{}, acs.Facts{RouterID: "R" + id, PPPoELogin: "login"})
			check(t, "facts", err)
			check(t, "report", s.Report(ctx, id, cwmp.DeviceID{SerialNumber: id}, acs.Reported{}))
		}
		time.Sleep(time.Minute)
		d, err := s.Device(ctx, long+"b")
		if err != nil || d.Facts.RouterID != "R"+long+"b" || d.Identity.SerialNumber != long+"b" {
			t.Errorf("device with a long id: got router_id of %d bytes, %v", len(d.Facts.RouterID), err)
		}
		list, _, err := s.Devices(ctx, acs.DeviceFilter{})
		if err != nil || len(list) < 4 {
			t.Errorf("list: got %d devices, %v", len(list), err)
		}
		if found, err := s.FindDevices(ctx, long+"a"); err != nil || len(found) != 1 || found[0].ID != long+"a" {
			t.Errorf("find by a long id: got %d, %v", len(found), err)
		}
		check(t, "endpoint", s.CreateEndpoint(ctx, webhook.Endpoint{ID: "odd", State: webhook.EndpointActive}))
		for _, id := range []string{"dlv_b", "dlv_a", long} {
			_, err := s.AddEvent(ctx, webhook.Event{ID: "evt of " + id, Device: long}, []webhook.Delivery{
				{ID: id, Event: "evt of " + id, Endpoint: "odd", State: webhook.DeliveryPending},
			})
			check(t, "event", err)
		}
		check(t, "close", s.Close())
		s = open(t, path)
		leases, _, err := s.ClaimDeliveries(ctx, limits)
		if err != nil || len(leases) != 3 || leases[0].Delivery.ID != "dlv_a" || leases[2].Event.ID != "evt of "+long {
			t.Errorf("claim: got %d leases, %v; want 3, dlv_a first", len(leases), err)
		}
		check(t, "close", s.Close())
	})
}

// A dead endpoint's backlog costs nobody else anything: claims do not look at it (I11).
func TestBacklogOfADeadEndpoint(t *testing.T) {
	s := newStore(t)
	dead, alive := newEndpoint(t, "cli_1"), newEndpoint(t, "cli_2")
	dead.State = webhook.EndpointFailing
	check(t, "endpoint", s.CreateEndpoint(ctx, dead))
	check(t, "endpoint", s.CreateEndpoint(ctx, alive))
	add := func(endpoint string, n int) {
		var ds []webhook.Delivery
		for range n {
			ds = append(ds, webhook.Delivery{ID: newID(t, "dlv_"), Event: "evt_1", Endpoint: endpoint, State: webhook.DeliveryPending, OrderKey: endpoint})
		}
		_, err := s.AddEvent(ctx, webhook.Event{ID: newID(t, "evt_")}, ds)
		check(t, "event", err)
	}
	claim := func() time.Duration {
		add(alive.ID, 1)
		start := time.Now()
		leases, _, err := s.ClaimDeliveries(ctx, limits)
		took := time.Since(start)
		if err != nil || len(leases) != 1 || leases[0].Endpoint.ID != alive.ID {
			t.Fatalf("claim: got %d leases, %v", len(leases), err)
		}
		check(t, "attempt", s.RecordAttempt(ctx, leases[0], webhook.Attempt{}, webhook.Settlement{State: webhook.DeliveryDelivered}))
		return took
	}
	best := func() time.Duration {
		b := claim()
		for range 20 {
			b = min(b, claim())
		}
		return b
	}
	few := best()
	const backlog = 20_000
	add(dead.ID, backlog)
	many := best()
	// One walk over the backlog would cost a thousand times as much.
	if many > 20*few+time.Millisecond {
		t.Errorf("a claim takes %v beside %d pending deliveries, %v without them", many, backlog, few)
	}
	if got := s.Pending(); got != backlog {
		t.Errorf("pending: got %d, want %d", got, backlog)
	}
	check(t, "delete", s.DeleteEndpoint(ctx, dead.ID))
	if got := s.Pending(); got != 0 {
		t.Errorf("pending after deleting the endpoint: got %d, want none", got)
	}
}

func TestClosed(t *testing.T) {
	s := newStore(t)
	check(t, "close", s.Close())
	for name, err := range map[string]error{
		"report": s.Report(ctx, "a", cwmp.DeviceID{}, acs.Reported{}),
		"ping":   s.Ping(ctx),
		"delete": s.DeleteTokens(ctx, "cli_1"),
		"backup": func() error { _, err := s.Backup(ctx, nil); return err }(),
		"purge":  func() error { _, err := s.Purge(ctx, acs.Retention{}); return err }(),
	} {
		if !errors.Is(err, acs.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
}

// A backup made while the store is written to opens as a store.
func TestBackup(t *testing.T) {
	s := newStore(t)
	pending, _ := furnish(t, s)
	path := filepath.Join(t.TempDir(), "recado.db")
	check(t, "backup", backupTo(s, path))
	copied := open(t, path)
	if a, err := copied.Action(ctx, pending.ID); err != nil || a.Parameters[0].Value != "marker-ssid" {
		t.Errorf("got %+v, %v", a.Parameters, err)
	}
	check(t, "close", copied.Close())
}

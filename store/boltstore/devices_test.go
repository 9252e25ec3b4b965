package boltstore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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
		said := func(i int, login string) acs.Reported {
			return acs.Reported{PPPoELogin: login, ConnectionRequestURL: fmt.Sprint("http://192.0.2.1:", i), LastInform: time.Now()}
		}
		for i := range 100 {
			check(t, "report", s.Report(ctx, fmt.Sprint("cpe-", i), newIdentity(i), said(i, fmt.Sprint("login-", i))))
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
		time.Sleep(10 * time.Second)
		if n, m := inFile(t, s, "dev"), inFile(t, s, "seen"); n != 100 || m != 100 {
			t.Errorf("after ten seconds: got %d and %d records, want 100", n, m)
		}
		found("login-7", "cpe-7")

		before, writes := s.DeviceCommits(), s.Commits()
		for i := range 100 {
			r := said(i, fmt.Sprint("login-", i))
			r.RetryCount, r.SoftwareVersion = i, "2"
			check(t, "report", s.Report(ctx, fmt.Sprint("cpe-", i), newIdentity(i), r))
		}
		if n := s.DeviceCommits(); n != before || s.Commits() != writes {
			t.Errorf("100 Informs with nothing new: got %d and %d commits, want none", n-before, s.Commits()-writes)
		}
		time.Sleep(10 * time.Second)
		if n := s.DeviceCommits(); n != before+1 {
			t.Errorf("100 Informs with nothing new, ten seconds later: got %d commits, want 1", n-before)
		}

		check(t, "report", s.Report(ctx, "cpe-7", newIdentity(7), said(7, "moved")))
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

// What a device is called by is in the file when Report returns, and nothing else is written with it.
func TestNewsAreWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		r := acs.Reported{ConnectionRequestURL: "http://192.0.2.1/a", MAC: "00259E000001", PPPoELogin: "login", TypesHash: 7}
		types := map[string]string{"Device.A": "xsd:string"}
		check(t, "learn", s.LearnTypes(ctx, "cpe", types))
		check(t, "learn", s.LearnTypes(ctx, "other", types))
		who := newIdentity(1)
		commits := s.DeviceCommits()
		news := func(what string, change func()) {
			t.Helper()
			change()
			check(t, "report", s.Report(ctx, "cpe", who, r))
			if commits++; s.DeviceCommits() != commits {
				t.Errorf("%s: got %d commits, want 1", what, 1+s.DeviceCommits()-commits)
			}
			check(t, "report", s.Report(ctx, "cpe", who, r))
			if s.DeviceCommits() != commits {
				t.Errorf("%s, said again: got %d commits, want none", what, s.DeviceCommits()-commits)
			}
			to := filepath.Join(t.TempDir(), "recado.db")
			copyStore(t, s.path, to)
			left := open(t, to)
			defer func() { check(t, "close", left.Close()) }()
			d, err := left.Device(ctx, "cpe")
			if err != nil || d.Identity != who || d.Reported.ConnectionRequestURL != r.ConnectionRequestURL || d.Reported.MAC != r.MAC ||
				d.Reported.PPPoELogin != r.PPPoELogin {
				t.Errorf("%s: a crash leaves %+v, %+v, %v; want %+v, %+v", what, d.Identity, d.Reported, err, who, r)
			}
			if got, err := left.LearnedTypes(ctx, "cpe", []string{"Device.A"}); err != nil || len(got) != 1 {
				t.Errorf("%s: a crash leaves the hash and the types %v, %v; want those that came with it", what, got, err)
			}
		}
		news("first contact", func() {})
		if n := inFile(t, s, "types"); n != 1 {
			t.Errorf("types of %d devices went with it, want its own", n)
		}
		news("URL", func() { r.ConnectionRequestURL = "http://192.0.2.1/b" })
		news("no URL", func() { r.ConnectionRequestURL = "" })
		news("MAC", func() { r.MAC = "00259E000002" })
		news("PPPoE login", func() { r.PPPoELogin = "moved" })
		news("serial number", func() { who.SerialNumber = "SN2" })
		news("maker", func() { who.Manufacturer = "ZTE" })
		time.Sleep(10 * time.Second)
		commits = s.DeviceCommits()
		news("URL when all is written", func() { r.ConnectionRequestURL = "http://192.0.2.1/c" })
		time.Sleep(10 * time.Second)
		to := filepath.Join(t.TempDir(), "recado.db")
		copyStore(t, s.path, to)
		left := open(t, to)
		if d, err := left.Device(ctx, "cpe"); err != nil || d.Reported.ConnectionRequestURL != r.ConnectionRequestURL {
			t.Errorf("after the flush: got %q, %v; want %q", d.Reported.ConnectionRequestURL, err, r.ConnectionRequestURL)
		}
		check(t, "close", left.Close())
	})
}

// First contacts that come together share commits, and those under way when the store closes are kept.
func TestNewsShareCommits(t *testing.T) {
	s := newStore(t)
	before := s.DeviceCommits()
	const devices = 2000
	spread(64, devices, func(i int) {
		if err := s.Report(ctx, fmt.Sprint("cpe-", i), newIdentity(i), acs.Reported{}); err != nil {
			t.Errorf("report: %v", err)
		}
	})
	if n := s.DeviceCommits() - before; n > devices/4 {
		t.Errorf("%d first contacts from 64 sessions: got %d commits, want groups", devices, n)
	}
	if n := inFile(t, s, "dev"); n != devices {
		t.Errorf("right after: got %d devices in the file, want %d", n, devices)
	}
}

func TestReportsWhileItCloses(t *testing.T) {
	for range 5 {
		path := filepath.Join(t.TempDir(), "recado.db")
		s := open(t, path)
		var kept atomic.Int64
		closing := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		wg.Go(func() {
			<-closing
			check(t, "close", s.Close())
		})
		spread(16, 400, func(i int) {
			switch err := s.Report(ctx, fmt.Sprint("cpe-", i), newIdentity(i), acs.Reported{}); {
			case err == nil:
				kept.Add(1)
			case !errors.Is(err, acs.ErrUnavailable):
				t.Errorf("report: got %v, want none or ErrUnavailable", err)
			}
			if i == 100 {
				once.Do(func() { close(closing) })
			}
		})
		wg.Wait()
		s = open(t, path)
		if n := inFile(t, s, "dev"); int64(n) < kept.Load() {
			t.Errorf("got %d devices, want the %d whose reports were taken", n, kept.Load())
		}
		check(t, "close", s.Close())
	}
}

// A newer report that somebody waits for, in the middle of a flush that has an older one, stays the newer.
func TestNewsDuringAFlush(t *testing.T) {
	s := newStore(t)
	var wg sync.WaitGroup
	const rounds = 40
	for d := range 4 {
		wg.Go(func() {
			for i := range rounds {
				r := acs.Reported{ConnectionRequestURL: fmt.Sprint("http://192.0.2.1/", i), RetryCount: i}
				check(t, "report", s.Report(ctx, fmt.Sprint("cpe-", d), newIdentity(d), r))
			}
		})
	}
	// Others keep the flushes going.
	spread(8, 6000, func(i int) {
		if err := s.LearnTypes(ctx, fmt.Sprint("other-", i), map[string]string{"Device.A": "xsd:string"}); err != nil {
			t.Errorf("learn: %v", err)
		}
	})
	wg.Wait()
	to := filepath.Join(t.TempDir(), "recado.db")
	check(t, "backup", s.CopyDevices(devices(to)))
	check(t, "copy", copyFile(s.path, to))
	left := open(t, to)
	for d := range 4 {
		got, err := left.Device(ctx, fmt.Sprint("cpe-", d))
		if want := fmt.Sprint("http://192.0.2.1/", rounds-1); err != nil || got.Reported.ConnectionRequestURL != want {
			t.Errorf("got %q, %v; want %q", got.Reported.ConnectionRequestURL, err, want)
		}
	}
	check(t, "close", left.Close())
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
	dead.State, dead.ProbeAt = webhook.EndpointFailing, time.Now().Add(time.Hour)
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
		check(t, "attempt", attempted(s, leases[0], webhook.Attempt{}, webhook.Settlement{State: webhook.DeliveryDelivered}))
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

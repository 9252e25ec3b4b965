package acs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
	"recado/webhook"
)

// hook gives a client an endpoint.
func (w *world) hook(c acs.Client, events ...string) webhook.Endpoint {
	w.t.Helper()
	e := webhook.Endpoint{
		ID: webhook.NewID(webhook.PrefixEndpoint), Client: c.ID, URL: "https://noc.example/hook", Events: events, State: webhook.EndpointActive,
	}
	if err := w.svc.WebhookStore(w.store).CreateEndpoint(w.t.Context(), e); err != nil {
		w.t.Fatal(err)
	}
	return e
}

// other makes another client.
func (w *world) other(name string, change func(*acs.NewClient)) acs.Client {
	w.t.Helper()
	n := acs.NewClient{Name: name}
	if change != nil {
		change(&n)
	}
	made, err := w.svc.CreateClient(w.t.Context(), n)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.Client
}

// toldOf lists a client's events of a type, oldest first.
func (w *world) toldOf(c acs.Client, eventType string) []webhook.Event {
	w.t.Helper()
	page, _, err := w.store.Events(w.t.Context(), webhook.EventFilter{Client: c.ID, Types: []string{eventType}})
	if err != nil {
		w.t.Fatal(err)
	}
	slices.Reverse(page)
	for _, e := range page {
		if ds, _, err := w.store.Deliveries(w.t.Context(), webhook.DeliveryFilter{Event: e.ID}); err != nil || len(ds) == 0 {
			w.t.Errorf("event %s of %s: got %d deliveries (%v), want some", e.Type, c.Name, len(ds), err)
		}
	}
	return page
}

// data reads an event's data.
func data[T any](t *testing.T, e webhook.Event) T {
	t.Helper()
	var body wire.Notice[T]
	if err := json.Unmarshal(e.Bytes(), &body); err != nil {
		t.Fatalf("body %s: %v", e.Bytes(), err)
	}
	return body.Data
}

func TestStagesAreTold(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		w.hook(w.client, wire.ActionStage)
		c := w.known("1")
		w.waker.fail(cwmp.RequestTimeout)
		a := w.reboot(c)
		time.Sleep(10 * time.Minute) // many rings fail for one reason
		w.waker.fail(cwmp.RequestUnauthorized)
		time.Sleep(10 * time.Minute)
		tk := c.open(event(cwmp.EventPeriodic))
		r := tk.wantReboot(a)
		tk.answer(r, &cwmp.RebootResponse{})
		tk.end(cwmp.EndDone, nil)
		c.open(event(cwmp.EventBoot), mReboot(a)).wantNone()
		w.want(a, acs.StatusSuccess, acs.StageAccepted, "")

		var got []string
		last := uint64(0)
		for _, e := range w.toldOf(w.client, wire.ActionStage) {
			var body wire.ActionEvent
			if err := json.Unmarshal(e.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			step := body.Data.Stage
			if body.Data.Reason != nil {
				step += ":" + *body.Data.Reason
			}
			got = append(got, step)
			if body.Data.Sequence <= last {
				t.Errorf("%s: got sequence %d after %d, want it to rise", step, body.Data.Sequence, last)
			}
			last = body.Data.Sequence
			if e.Protocolo != a.ID.String() || body.Status != "pending" {
				t.Errorf("got %s of %s, want pending of %s", body.Status, e.Protocolo, a.ID)
			}
		}
		want := "waking queued:connection_request_unreachable queued:connection_request_unauthorized in_session sent accepted"
		if strings.Join(got, " ") != want {
			t.Errorf("got stages\n%v\nwant\n%v", strings.Join(got, " "), want)
		}
		if w.waker.count() < 4 {
			t.Errorf("got %d rings, want more than are told", w.waker.count())
		}
	})
}

func TestStagesAreBounded(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		w.hook(w.client, "action.stage", "action.succeeded")
		c := w.known("1")
		w.waker.fail(cwmp.RequestTimeout)
		a := w.reboot(c)
		for range 50 {
			time.Sleep(time.Second)
			c.open(event(cwmp.EventPeriodic)).end(cwmp.EndTimeout, nil)
		}
		w.want(a, acs.StatusPending, acs.StageQueued, "")
		if n := len(w.toldOf(w.client, wire.ActionStage)); n < 10 || n > 20 {
			t.Errorf("50 sessions came to nothing: got %d events, want 10 to 20", n)
		}
	})
}

func TestStagesAreForThoseWhoName(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		w.hook(w.other("noc", nil), wire.ActionStage) // another client's action
		c := w.known("1")
		a := w.reboot(c)
		tk := c.open(event(cwmp.EventPeriodic))
		tk.answer(tk.wantReboot(a), &cwmp.RebootResponse{})
		tk.end(cwmp.EndDone, nil)
		all, _, err := w.store.Events(t.Context(), webhook.EventFilter{Types: []string{wire.ActionStage}})
		if err != nil || len(all) != 0 {
			t.Errorf("got %d events (%v), want none: the client names none", len(all), err)
		}
	})
}

func TestDeviceIsAdded(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		tagged := w.other("tagged", func(n *acs.NewClient) { n.Tags = []string{"north"} })
		w.hook(tagged, "*")
		quiet := w.other("quiet", nil)
		w.hook(quiet, "action.*")
		c := w.cpe("1")
		c.open(event(cwmp.EventBootstrap), event(cwmp.EventBoot)).wantNone()
		c.open(event(cwmp.EventPeriodic)).wantNone()
		got := w.toldOf(w.client, wire.DeviceAdded)
		if len(got) != 1 {
			t.Fatalf("got %d events, want 1", len(got))
		}
		d := data[wire.DeviceAddedData](t, got[0])
		if d.Device.ID != c.id.Key() || d.Address != "192.0.2.7" || d.Device.SoftwareVersion != "V1.2" || len(d.EventCodes) != 2 || d.Manufacturer != "ACME" {
			t.Errorf("got %+v, want the device with its address and version", d)
		}
		if got[0].Device != c.id.Key() || got[0].Priority != webhook.PriorityLow {
			t.Errorf("got %+v, want it of the device, with low priority", got[0])
		}
		for _, not := range []acs.Client{tagged, quiet} {
			if n := len(w.toldOf(not, wire.DeviceAdded)); n != 0 {
				t.Errorf("client %s: got %d events, want none", not.Name, n)
			}
		}
		shown, _, err := w.svc.Device(t.Context(), w.client, c.id.Key())
		if err != nil || !shown.Facts.CreatedAt.IsZero() {
			t.Errorf("got facts created at %v (%v), want none: the provider said nothing", shown.Facts.CreatedAt, err)
		}

		put := w.cpe("2")
		if _, _, err := w.svc.PutDevice(t.Context(), w.client, put.id.Key(), acs.DevicePut{}); err != nil {
			t.Fatal(err)
		}
		put.open(event(cwmp.EventBootstrap)).wantNone()
		if n := len(w.toldOf(w.client, wire.DeviceAdded)); n != 1 {
			t.Errorf("a device that was put: got %d events in all, want 1", n)
		}
		// What the provider says afterwards is its first word, and announces nothing.
		after, created, err := w.svc.PutDevice(t.Context(), w.client, c.id.Key(), acs.DevicePut{})
		if err != nil || created || after.Facts.CreatedAt.IsZero() || after.Facts.AnnouncedAt.IsZero() {
			t.Errorf("put after it: got %+v, created %v, %v", after.Facts, created, err)
		}
	})
}

// TestDeviceIsAddedOnce begins many sessions of one device at once.
func TestDeviceIsAddedOnce(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.cpe("1")
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				if _, err := c.try(c.inform(event(cwmp.EventBootstrap))); err != nil {
					t.Errorf("inform: %v", err)
				}
			})
		}
		wg.Wait()
		if n := len(w.toldOf(w.client, wire.DeviceAdded)); n != 1 {
			t.Errorf("got %d events, want 1", n)
		}
	})
}

// dying is a store that a crash comes to at one of two calls.
type dying struct {
	acs.Store
	report, facts bool
}

var errCrash = errors.New("crash")

func (d *dying) Report(ctx context.Context, id string, identity cwmp.DeviceID, r acs.Reported) error {
	if d.report {
		return errCrash
	}
	return d.Store.Report(ctx, id, identity, r)
}

func (d *dying) PutFacts(ctx context.Context, id string, identity cwmp.DeviceID, f acs.Facts) (acs.Device, error) {
	if d.facts {
		return acs.Device{}, errCrash
	}
	return d.Store.PutFacts(ctx, id, identity, f)
}

// TestDeviceIsAddedOverCrashes kills the process before the event is stored, and between it and the report.
func TestDeviceIsAddedOverCrashes(t *testing.T) {
	for _, d := range []dying{{facts: true}, {report: true}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, acs.SessionsConfig{})
			d.Store = w.store
			for _, broken := range []bool{true, false, false} {
				store := acs.Store(&d)
				if !broken {
					store = w.store
				}
				svc, err := acs.NewService(store, acs.ServiceConfig{})
				if err != nil {
					t.Fatal(err)
				}
				w.h = acs.NewSessions(svc, acs.SessionsConfig{})
				c := w.cpe("1")
				if _, err := c.try(c.inform(event(cwmp.EventBootstrap))); (err != nil) != broken {
					t.Fatalf("inform: got %v, want an error %v", err, broken)
				}
			}
			if n := len(w.toldOf(w.client, wire.DeviceAdded)); n != 1 {
				t.Errorf("%+v: got %d events, want 1", d, n)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		if err := w.store.DeleteEndpoint(t.Context(), worldHook); err != nil {
			t.Fatal(err)
		}
		w.svc.AudienceChanged()
		c := w.cpe("1")
		c.open(event(cwmp.EventBootstrap), event(cwmp.EventBoot)).wantNone()
		c.open(event(cwmp.EventBoot)).wantNone()
		d, err := w.store.Device(t.Context(), c.id.Key())
		if err != nil || d.Facts.Version != 0 {
			t.Errorf("got facts %+v (%v), want none written", d.Facts, err)
		}
		if all, _, err := w.store.Events(t.Context(), webhook.EventFilter{}); err != nil || len(all) != 0 {
			t.Errorf("got %d events (%v), want none", len(all), err)
		}
	})
}

// TestLegacyClientsNameTheirEvents: what has no legacy form comes to no receiver that did not ask for it.
func TestLegacyClientsNameTheirEvents(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		old := w.other("ixc", func(n *acs.NewClient) { n.Legacy = true })
		w.hook(old, "*", "device.*")
		w.cpe("1").open(event(cwmp.EventBootstrap)).wantNone()
		if n := len(w.toldOf(old, wire.DeviceAdded)); n != 0 {
			t.Errorf("filters * and device.*: got %d events, want none", n)
		}
		w.hook(old, wire.DeviceAdded)
		w.cpe("2").open(event(cwmp.EventBootstrap)).wantNone()
		if n := len(w.toldOf(old, wire.DeviceAdded)); n != 1 {
			t.Errorf("by name: got %d events, want 1", n)
		}
	})
}

func TestBootsAreTold(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		w.hook(w.client, wire.DeviceBoot)
		c := w.known("1") // its first boot is that of a device that is new
		retried := c.inform(event(cwmp.EventBoot))
		retried.RetryCount = "1"
		for i, step := range []struct {
			in   *cwmp.Inform
			want string // "" for none
		}{
			{c.inform(event(cwmp.EventPeriodic)), ""},
			{c.inform(event(cwmp.EventBoot)), wire.BootUnknown},
			{retried, ""}, // the same boot again
			{c.inform(event(cwmp.EventPeriodic)), ""},
			{retried, wire.BootUnknown}, // the first of it to arrive
			{c.inform(event(cwmp.EventBootstrap), event(cwmp.EventBoot)), wire.BootFactoryReset},
			{c.inform(event(cwmp.EventBoot), cwmp.Event{EventCode: cwmp.EventMReboot, CommandKey: "other"}), wire.BootForeignRequest},
		} {
			before := len(w.toldOf(w.client, wire.DeviceBoot))
			time.Sleep(time.Minute)
			c.openWith(step.in).wantNone()
			got := w.toldOf(w.client, wire.DeviceBoot)[before:]
			if (len(got) == 1) != (step.want != "") || len(got) > 1 {
				t.Fatalf("step %d: got %d events, want one %v", i, len(got), step.want != "")
			}
			if step.want == "" {
				continue
			}
			if d := data[wire.DeviceBootData](t, got[0]); d.Reason != step.want || d.LastInformAt == nil || len(d.EventCodes) == 0 {
				t.Errorf("step %d: got %+v, want reason %s", i, d, step.want)
			}
		}
		before := len(w.toldOf(w.client, wire.DeviceBoot))
		a := w.reboot(c)
		tk := c.open(event(cwmp.EventPeriodic))
		tk.answer(tk.wantReboot(a), &cwmp.RebootResponse{})
		tk.end(cwmp.EndDone, nil)
		c.open(event(cwmp.EventBoot), mReboot(a)).wantNone()
		if n := len(w.toldOf(w.client, wire.DeviceBoot)) - before; n != 0 {
			t.Errorf("a boot that was asked for: got %d events, want none", n)
		}
	})
}

func TestFailedLoginsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		root := w.other("root", func(n *acs.NewClient) { n.Scopes = []acs.Scope{acs.ScopeAdmin} })
		w.hook(root, "*")
		from := func(addr string) context.Context {
			return acs.WithActor(t.Context(), acs.Actor{Via: acs.ViaAPI, Source: addr})
		}
		knock := func(addr string, n int) {
			t.Helper()
			for range n {
				if _, err := w.svc.Authenticate(from(addr), "rcd_"+strings.Repeat("x", 43)); !errors.Is(err, acs.ErrUnauthenticated) {
					t.Fatalf("got %v, want %v", err, acs.ErrUnauthenticated)
				}
			}
		}
		alerts := func(want int) []webhook.Event {
			t.Helper()
			got := w.toldOf(root, wire.SecurityAlert)
			if len(got) != want {
				t.Fatalf("got %d alerts, want %d", len(got), want)
			}
			return got
		}
		knock("198.51.100.7", 19)
		time.Sleep(11 * time.Minute) // the window is over
		knock("198.51.100.7", 19)
		alerts(0)
		if _, err := w.svc.FetchToken(from("198.51.100.7"), w.client.ID, "rcs_wrong"); !errors.Is(err, acs.ErrUnauthenticated) {
			t.Fatal(err)
		}
		got := data[wire.SecurityAlertData](t, alerts(1)[0])
		if got.Kind != wire.AlertFailedLogins || got.Source != "198.51.100.7" || got.Door != wire.DoorAPI || got.Count != 20 || got.Since == nil {
			t.Errorf("got %+v, want 20 failed logins at the API from 198.51.100.7", got)
		}
		knock("198.51.100.7", 500)
		alerts(1) // one an hour
		w.svc.LoginFailed(t.Context(), acs.DoorCWMP, netip.MustParseAddr("198.51.100.7"))
		alerts(1) // another door counts for itself
		for i := range 20 {
			knock(fmt.Sprintf("2001:db8::%x", i), 1)
		}
		if got := data[wire.SecurityAlertData](t, alerts(2)[1]); got.Source != "2001:db8::/64" {
			t.Errorf("got source %s, want the network", got.Source)
		}
		time.Sleep(time.Hour)
		knock("198.51.100.7", 20)
		alerts(3)
		for i := range 200 {
			knock(fmt.Sprintf("203.0.113.%d", i), 20)
		}
		if n := len(w.toldOf(root, wire.SecurityAlert)); n > 3+60 {
			t.Errorf("200 sources: got %d alerts, want 63 at the most", n)
		}
		if n := len(w.toldOf(w.client, wire.SecurityAlert)); n != 0 {
			t.Errorf("a client that is no admin: got %d alerts, want none", n)
		}
	})
}

func TestForgedDevicesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{Credentials: []acs.CPECredential{{Username: "mine", Password: "x", Device: "00259E-HG8245H-1"}}})
		root := w.other("root", func(n *acs.NewClient) { n.Scopes = []acs.Scope{acs.ScopeAdmin} })
		w.hook(root, wire.SecurityAlert)
		c := w.cpe("2")
		c.user = "mine"
		for range 5 {
			if _, err := c.try(c.inform(event(cwmp.EventPeriodic))); err == nil {
				t.Fatal("a foreign credential: got no error")
			}
		}
		got := w.toldOf(root, wire.SecurityAlert)
		if len(got) != 1 {
			t.Fatalf("got %d alerts, want 1", len(got))
		}
		d := data[wire.SecurityAlertData](t, got[0])
		if d.Kind != wire.AlertForgedDevice || d.DeviceID != c.id.Key() || d.Username != "mine" || d.Source != "192.0.2.7" {
			t.Errorf("got %+v, want the device and the user name", d)
		}
	})
}

func TestConflictsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		root := w.other("root", func(n *acs.NewClient) { n.Scopes = []acs.Scope{acs.ScopeAdmin} })
		w.hook(root, wire.SecurityAlert)
		call := func(serial string, hosts ...int) *cpe {
			t.Helper()
			c := w.cpe(serial)
			for _, host := range hosts {
				time.Sleep(10 * time.Second)
				s := &cwmp.Session{
					ID: fmt.Sprintf("session-%d", w.n.Add(1)), Device: c.id, RemoteAddr: netip.AddrFrom4([4]byte{192, 0, 2, byte(host)}), Started: time.Now(),
				}
				if err := w.h.Inform(t.Context(), s, c.inform(event(cwmp.EventPeriodic))); err != nil {
					t.Fatal(err)
				}
			}
			return c
		}
		for name, hosts := range map[string][]int{"stays": {1, 1, 1, 1, 1}, "moves": {1, 2, 3, 4, 5}, "fails over": {1, 1, 2, 2, 1, 1}} {
			c := call(strings.ReplaceAll(name, " ", ""), hosts...)
			d, _, err := w.svc.Device(t.Context(), w.client, c.id.Key())
			if n := len(w.toldOf(root, wire.SecurityAlert)); n != 0 || err != nil || d.Conflict != nil {
				t.Errorf("%s: got %d alerts and conflict %+v (%v), want none", name, n, d.Conflict, err)
			}
		}
		c := call("twins", 1, 2, 1, 2, 1, 2, 1, 2, 1, 2)
		got := w.toldOf(root, wire.SecurityAlert)
		if len(got) != 1 {
			t.Fatalf("got %d alerts, want 1", len(got))
		}
		if d := data[wire.SecurityAlertData](t, got[0]); d.Kind != wire.AlertDeviceConflict || d.DeviceID != c.id.Key() || len(d.Addresses) != 2 {
			t.Errorf("got %+v, want both addresses of the device", d)
		}
		shown, _, err := w.svc.Device(t.Context(), w.client, c.id.Key())
		if err != nil || shown.Conflict == nil || shown.Conflict.Addresses[0] == shown.Conflict.Addresses[1] {
			t.Errorf("got conflict %+v (%v), want both addresses", shown.Conflict, err)
		}
		time.Sleep(25 * time.Hour)
		if shown, _, err = w.svc.Device(t.Context(), w.client, c.id.Key()); err != nil || shown.Conflict != nil {
			t.Errorf("a day after it: got conflict %+v (%v), want none", shown.Conflict, err)
		}
	})
}

func TestDangerousParametersAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		root := w.other("root", func(n *acs.NewClient) { n.Scopes = []acs.Scope{acs.ScopeAdmin} })
		w.hook(root, "*")
		c := w.known("1")
		sub := acs.Submission{
			Client: w.client, Kind: acs.KindParametersUpdate, RouterID: c.id.Key(), IdempotencyKey: "k", Body: []byte("b"),
			Parameters: []acs.ParameterInput{
				{Name: "Device.ManagementServer.URL", Value: []byte(`"http://evil.example/"`)}, {Name: "Device.WiFi.SSID.1.SSID", Value: []byte(`"Casa"`)},
			},
		}
		if _, err := w.svc.Submit(t.Context(), sub); err == nil {
			t.Fatal("without the scope: got no error")
		}
		if n := len(w.toldOf(root, wire.SecurityAlert)); n != 0 {
			t.Fatalf("a refused request: got %d alerts, want none", n)
		}
		sub.Client.Scopes = append(slices.Clone(sub.Client.Scopes), acs.ScopeParametersDangerous)
		var r acs.Receipt
		for range 3 { // the same request again
			var err error
			if r, err = w.svc.Submit(t.Context(), sub); err != nil {
				t.Fatal(err)
			}
		}
		for _, to := range []acs.Client{root, w.client} { // the client too, since it is its own doing
			got := w.toldOf(to, wire.SecurityAlert)
			if len(got) != 1 {
				t.Fatalf("client %s: got %d alerts, want 1", to.Name, len(got))
			}
			d := data[wire.SecurityAlertData](t, got[0])
			if !slices.Equal(d.Parameters, []string{"Device.ManagementServer.URL"}) || d.Protocolo != r.Action.ID.String() || d.ClientID != w.client.ID ||
				d.DeviceID != c.id.Key() || strings.Contains(string(got[0].Body), "evil") {
				t.Errorf("client %s: got %s, want the name of the one dangerous parameter", to.Name, got[0].Body)
			}
		}
	})
}

func TestRefusedURLsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		for range 4 {
			w.svc.RefusedURL(t.Context(), w.client.ID, "10.0.0.1")
		}
		w.svc.RefusedURL(t.Context(), "", "10.0.0.1")
		got := w.toldOf(w.client, wire.SecurityAlert)
		if len(got) != 1 {
			t.Fatalf("got %d alerts, want 1", len(got))
		}
		if d := data[wire.SecurityAlertData](t, got[0]); d.Host != "10.0.0.1" || d.ClientName != "crm" {
			t.Errorf("got %+v, want the host and the client", d)
		}
	})
}

func TestClientChangesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, acs.SessionsConfig{})
		ctx := acs.WithActor(t.Context(), acs.Actor{Via: acs.ViaAPI, Client: "cli_root", ClientName: "root", Source: "192.0.2.10"})
		store := w.svc.WebhookStore(w.store)
		var second webhook.Endpoint
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		limit, blocked := 7, true
		for _, step := range []struct {
			do   func()
			want string
			to   int // endpoints told
		}{
			{func() {
				_, err := w.svc.ChangeClient(ctx, w.client.ID, acs.ClientChange{RequestsPerDay: &limit})
				must(err)
			}, "client.changed requests_per_day", 1},
			{func() {
				_, err := w.svc.ChangeClient(ctx, w.client.ID, acs.ClientChange{RequestsPerDay: &limit})
				must(err)
			}, "", 0}, // nothing changed
			{func() {
				_, _, err := w.svc.NewToken(ctx, w.client.ID)
				must(err)
			}, "token.made ", 1},
			{func() { must(w.svc.RevokeTokens(ctx, w.client.ID)) }, "token.revoked ", 1},
			{func() {
				second = webhook.Endpoint{ID: webhook.NewID(webhook.PrefixEndpoint), Client: w.client.ID, URL: "https://x.example/secret", Events: []string{"*"}}
				must(store.CreateEndpoint(ctx, second))
			}, "webhook.registered ", 1}, // the new one is not told of itself
			{func() {
				second.Version, second.URL, second.State = 1, "https://y.example/secret", webhook.EndpointActive
				_, err := store.UpdateEndpoint(ctx, second)
				must(err)
			}, "webhook.changed url", 1},
			{func() {
				_, err := w.svc.ChangeClient(ctx, w.client.ID, acs.ClientChange{Blocked: &blocked})
				must(err)
			}, "client.blocked ", 2},
			{func() { must(store.DeleteEndpoint(ctx, second.ID)) }, "webhook.deleted ", 1},
		} {
			before := len(w.toldOf(w.client, wire.ClientChanged))
			time.Sleep(time.Millisecond)
			step.do()
			got := w.toldOf(w.client, wire.ClientChanged)[before:]
			if step.want == "" {
				if len(got) != 0 {
					t.Errorf("nothing changed: got %s", got[0].Body)
				}
				continue
			}
			if len(got) != 1 {
				t.Fatalf("%s: got %d events, want 1", step.want, len(got))
			}
			d := data[wire.ClientChangedData](t, got[0])
			if is := d.Changes[0].What + " " + d.Changes[0].Details["fields"]; is != step.want || d.By.ClientName != "root" || d.By.Source != "192.0.2.10" {
				t.Errorf("got %s by %+v, want %s by root", is, d.By, step.want)
			}
			ds, _, err := w.store.Deliveries(t.Context(), webhook.DeliveryFilter{Event: got[0].ID})
			if err != nil || len(ds) != step.to {
				t.Errorf("%s: got %d deliveries (%v), want %d", step.want, len(ds), err, step.to)
			}
			if strings.Contains(string(got[0].Body), "secret") {
				t.Errorf("%s: the URL is told: %s", step.want, got[0].Body)
			}
		}
		// A change that meets another one tells nothing.
		before := len(w.toldOf(w.client, wire.ClientChanged))
		first, err := w.store.Endpoint(t.Context(), worldHook)
		must(err)
		first.Version, first.Description = 99, "late"
		if _, err := store.UpdateEndpoint(ctx, first); !errors.Is(err, webhook.ErrConflict) {
			t.Errorf("got %v, want %v", err, webhook.ErrConflict)
		}
		if n := len(w.toldOf(w.client, wire.ClientChanged)) - before; n != 0 {
			t.Errorf("got %d events of a change that was not made, want none", n)
		}
	})
}

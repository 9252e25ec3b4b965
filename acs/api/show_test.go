package api_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
	"recado/cwmp"
	"recado/webhook"
)

// canned shows the same action, device and deliveries to everybody.
type canned struct {
	action   acs.Action
	device   acs.Device
	delivery webhook.Delivery
	attempts []webhook.Attempt
}

type (
	devices = api.Devices
	hooks   = api.Webhooks
)

type cannedActions struct {
	engine
	*canned
}

func (c cannedActions) Action(context.Context, acs.Client, acs.Protocolo) (acs.Action, error) {
	return c.action, nil
}

func (c cannedActions) Cancel(context.Context, acs.Client, acs.Protocolo) (acs.Action, error) {
	return acs.Action{}, acs.ErrSent
}

type cannedDevices struct {
	devices
	*canned
}

func (c cannedDevices) Device(context.Context, acs.Client, string) (acs.Device, []acs.Action, error) {
	return c.device, []acs.Action{c.action}, nil
}

type cannedHooks struct {
	hooks
	*canned
}

func (c cannedHooks) Deliveries(context.Context, webhook.DeliveryFilter) ([]webhook.Delivery, string, error) {
	if c.delivery.ID == "" {
		return nil, "", nil
	}
	return []webhook.Delivery{c.delivery}, "", nil
}

func (c cannedHooks) Attempts(context.Context, string, string) ([]webhook.Attempt, error) {
	return c.attempts, nil
}

func newCanned(t *testing.T, c *canned) *server {
	return newServer(t, func(cfg *api.Config) {
		cfg.Actions, cfg.Devices = cannedActions{cfg.Actions, c}, cannedDevices{cfg.Devices, c}
		cfg.Webhooks = cannedHooks{cfg.Webhooks, c}
	})
}

// TestShowEverything fills in all that there is to show, and holds it against the description.
func TestShowEverything(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	id, err := acs.NewProtocolo()
	if err != nil {
		t.Fatal(err)
	}
	c := &canned{
		action: acs.Action{
			ID: id, Kind: acs.KindParametersUpdate, Device: modem, RouterID: "RTR-42", ClientRef: "T1", Status: acs.StatusTimeout,
			Stage: acs.StageAccepted, Reason: acs.ReasonNoBoot, ReasonDetail: "no boot was seen", CreatedAt: at, DeadlineAt: at.Add(time.Hour),
			SentAt: at.Add(time.Second), AcceptedAt: at.Add(2 * time.Second), FinishedAt: at.Add(time.Hour), Verify: true,
			Parameters: []acs.Parameter{{Name: "Device.X", Value: "hunter2", Type: "xsd:string"}}, Applied: acs.AppliedAfterReboot,
			Unverifiable: []string{"Device.P"}, Mismatched: []string{"Device.Q"},
			Fault:    &acs.Fault{Source: "cpe", Code: 9003, String: "bad", Parameters: []acs.ParameterFault{{Name: "Device.X", Code: 9007, String: "no"}}},
			Evidence: &acs.Evidence{Kind: acs.EvidenceUptime, EventCodes: []string{"1 BOOT"}, Downtime: time.Minute, Uptime: time.Second},
			Ring:     &acs.Ring{At: at, Reason: cwmp.RequestUnauthorized, Status: 401, Tries: 3, NextAt: at.Add(time.Minute)},
			Late:     &acs.Late{At: at.Add(2 * time.Hour), Status: acs.StatusSuccess, Event: "evt_1"},
			Timeline: []acs.TimelineEntry{{At: at, What: "queued", Detail: "the request is stored"}},
		},
		delivery: webhook.Delivery{
			ID: "dlv_1", Event: "evt_1", EventType: "action.timed_out", Endpoint: "wh_1", Protocolo: id.String(), Device: modem,
			State: webhook.DeliveryDead, Attempts: 12, CreatedAt: at, DoneAt: at.Add(76 * time.Hour), LastStatus: 500, LastError: "status",
		},
		attempts: []webhook.Attempt{{
			Number: 1, At: at, Duration: 1500 * time.Millisecond, Status: 503, Class: webhook.ErrorStatus, Error: "answered 503",
			Response: "no\xff", RetryAfter: 30 * time.Second,
		}},
	}
	s := newCanned(t, c)
	r := s.do(t, "GET", "/api/v1/protocols/"+id.String(), s.admin, "")
	p := as[wire.Protocol](t, r, 200)
	if *p.Reason != "no_boot_after_reboot" || *p.DurationMS != 3600_000 || *p.Verified || p.Ring.Result != "unauthorized" || p.Ring.NextAt == nil ||
		p.Late.EventID != "evt_1" || p.Fault.Parameters[0].Code != 9007 || p.Evidence.DowntimeMS != 60_000 || p.Evidence.UptimeMS != 1000 ||
		len(p.Deliveries) != 1 || p.Deliveries[0].DoneAt == nil || p.Timeline[0].Detail == "" || p.NextStep == "" {
		t.Errorf("got %s", r.body)
	}
	if strings.Contains(string(r.body), "hunter2") {
		t.Errorf("the value of a parameter is shown: %s", r.body)
	}
	s.do(t, "POST", "/api/v1/protocols/"+id.String()+"/cancel", s.admin, "").problem(t, 409, wire.CodeAlreadySent)
	l := as[wire.List[wire.Attempt]](t, s.do(t, "GET", "/api/v1/deliveries/dlv_1/attempts", s.admin, ""), 200)
	want := wire.Attempt{
		Number: 1, At: wire.Time(at), DurationMS: 1500, HTTPStatus: 503, ErrorClass: "status", Error: "answered 503",
		Response: "no\uFFFD", RetryAfterSeconds: 30,
	}
	if len(l.Items) != 1 || l.Items[0] != want {
		t.Errorf("attempts: got %+v, want %+v", l.Items, want)
	}
}

// next_at is for a ring that may come: not one that the device's session has made needless.
func TestRingNextAt(t *testing.T) {
	now := time.Now()
	id, err := acs.NewProtocolo()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		reason       cwmp.RequestReason
		next, inform time.Duration // from now
		stage        acs.Stage
		onDevice, on bool // shown for the device, for the action
	}{
		{"taken, and waiting for the session", "", 20 * time.Second, -time.Hour, acs.StageWaking, true, true},
		{"taken, and its time is over", "", -time.Second, -time.Hour, acs.StageWaking, false, false},
		{"taken, and the device called in", "", 20 * time.Second, -time.Second, acs.StageInSession, false, false},
		{"failed", cwmp.RequestTimeout, 20 * time.Second, -time.Hour, acs.StageQueued, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &acs.Ring{At: now.Add(-10 * time.Second), Reason: c.reason, Tries: 1, NextAt: now.Add(c.next)}
			d := acs.Device{ID: modem, Identity: cwmp.DeviceID{OUI: "202BC1", SerialNumber: "1"}, Ring: r, Reported: acs.Reported{
				FirstInform: now.Add(c.inform), LastInform: now.Add(c.inform), ConnectionRequestURL: "http://192.0.2.7/",
			}}
			s := newCanned(t, &canned{device: d, action: acs.Action{
				ID: id, Kind: acs.KindReboot, Device: modem, Status: acs.StatusPending, Stage: c.stage, Ring: r, CreatedAt: now, DeadlineAt: now.Add(time.Hour),
			}})
			got := as[wire.Device](t, s.do(t, "GET", "/api/v1/devices/"+modem, s.admin, ""), 200).ConnectionRequest.Last
			if (got.NextAt != nil) != c.onDevice {
				t.Errorf("device: next_at %v, want one: %v", got.NextAt, c.onDevice)
			}
			p := as[wire.Protocol](t, s.do(t, "GET", "/api/v1/protocols/"+id.String(), s.admin, ""), 200)
			if (p.Ring.NextAt != nil) != c.on {
				t.Errorf("action: next_at %v, want one: %v", p.Ring.NextAt, c.on)
			}
		})
	}
}

func TestOnlineEstimate(t *testing.T) {
	now := time.Now()
	ring := func(ago time.Duration, reason cwmp.RequestReason) *acs.Ring {
		return &acs.Ring{At: now.Add(-ago), Reason: reason, Tries: 1}
	}
	for _, c := range []struct {
		name             string
		informed         time.Duration // ago; negative: never
		url              string
		ring             *acs.Ring
		estimate, health string
	}{
		{"never called in", -1, "", nil, "unknown", "impossible"},
		{"a minute ago", time.Minute, "http://192.0.2.7/", nil, "online", "untried"},
		{"an hour ago", time.Hour, "http://192.0.2.7/", nil, "unknown", "untried"},
		{"two days ago", 48 * time.Hour, "http://192.0.2.7/", nil, "offline", "untried"},
		{"rung with success", 48 * time.Hour, "http://192.0.2.7/", ring(time.Minute, ""), "online", "ok"},
		{"rung with success long ago", 48 * time.Hour, "http://192.0.2.7/", ring(time.Hour, ""), "offline", "ok"},
		{"refused the password", 48 * time.Hour, "http://192.0.2.7/", ring(time.Minute, cwmp.RequestUnauthorized), "online", "failing"},
		{"silent", 10 * time.Minute, "http://192.0.2.7/", ring(time.Minute, cwmp.RequestTimeout), "offline", "failing"},
		{"silent before it called in", time.Minute, "http://192.0.2.7/", ring(10*time.Minute, cwmp.RequestTimeout), "online", "failing"},
		{"not allowed to ring", time.Hour, "http://192.0.2.7/", ring(time.Minute, cwmp.RequestForbidden), "unknown", "failing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := acs.Device{ID: modem, Identity: cwmp.DeviceID{OUI: "202BC1", SerialNumber: "1"}, Ring: c.ring}
			if c.informed >= 0 {
				d.Reported = acs.Reported{
					FirstInform: now.Add(-c.informed), LastInform: now.Add(-c.informed), LastAddr: netip.MustParseAddr("192.0.2.7"),
					ConnectionRequestURL: c.url, LastEvents: []string{"2 PERIODIC"}, Uptime: time.Hour, UptimeAt: now, LastBoot: now.Add(-time.Hour),
				}
			}
			s := newCanned(t, &canned{device: d, action: acs.Action{Kind: acs.KindReboot, Stage: acs.StageQueued}})
			got := as[wire.Device](t, s.do(t, "GET", "/api/v1/devices/"+modem, s.admin, ""), 200)
			if got.Online.Estimate != c.estimate || got.Online.Why == "" {
				t.Errorf("online: got %+v, want %s", got.Online, c.estimate)
			}
			if got.ConnectionRequest.State != c.health {
				t.Errorf("connection request: got %+v, want %s", got.ConnectionRequest, c.health)
			}
			if (got.Reported == nil) != (c.informed < 0) || len(got.OpenActions) != 1 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

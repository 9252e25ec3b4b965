package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/cwmp/cwmptest"
	"recado/webhook/webhooktest"
)

// TestStory plays what happens to providers, on real listeners, over each store. The chapters run side by side, each with a client, a
// receiver and a device of its own.
func TestStory(t *testing.T) {
	for _, kind := range []string{"memory", "bolt"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			creds := filepath.Join(dir, "credentials")
			if err := os.WriteFile(creds, []byte("cpe:cpe-password\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := devConfig()
			cfg.CWMPAuth, cfg.CWMPCredentialsFile = "digest", creds
			if kind == "bolt" {
				cfg.Store = "bolt://" + filepath.Join(dir, "recado.db")
			}
			s := start(t, cfg)
			t.Run("chapters", func(t *testing.T) { // returns when the parallel ones have
				for name, chapter := range chapters {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						chapter(newPlay(t, s))
					})
				}
			})
		})
	}
}

// play is one chapter's cast.
type play struct {
	t        *testing.T
	s        *server
	api      *client.Client
	receiver *webhooktest.Receiver
	device   *cwmptest.Device
	serial   string
	ssid     string
}

func newPlay(t *testing.T, s *server) *play {
	p := &play{t: t, s: s, receiver: &webhooktest.Receiver{}, ssid: cwmptest.RootTR181 + "WiFi.SSID.1.SSID"}
	p.serial = strings.NewReplacer("/", "", "_", "", "#", "").Replace(t.Name())
	admin, err := client.New(s.APIURL, adminToken)
	if err != nil {
		t.Fatal(err)
	}
	made, err := admin.CreateClient(t.Context(), wire.ClientCreate{Name: t.Name()})
	if err != nil {
		t.Fatal(err)
	}
	if p.api, err = client.New(s.APIURL, made.Token); err != nil {
		t.Fatal(err)
	}
	hook, err := p.api.CreateWebhook(t.Context(), wire.WebhookCreate{URL: receiver(t, p.receiver), RetrySeconds: []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	p.receiver.SetSecrets(hook.Secret)
	return p
}

// start runs the chapter's device and waits until it called in.
func (p *play) start(change func(*cwmptest.Config)) {
	p.t.Helper()
	profile, err := cwmptest.LookupProfile("plain181")
	if err != nil {
		p.t.Fatal(err)
	}
	cfg := profile.Config(p.serial)
	cfg.ACSURL, cfg.Username, cfg.Password = p.s.CWMPURL, "cpe", "cpe-password"
	cfg.ConnectionRequestUsername, cfg.ConnectionRequestPassword = "door", "key"
	cfg.BootDelay = 300 * time.Millisecond
	if change != nil {
		change(&cfg)
	}
	cred := wire.Credential{Username: "door", Password: "key"}
	id := cfg.DeviceID.Key()
	if _, err := p.api.PutDevice(p.t.Context(), id, wire.DevicePut{RouterID: &p.serial, ConnectionRequest: &cred}); err != nil {
		p.t.Fatal(err)
	}
	p.device = cpe(p.t, cfg)
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	for {
		d, err := p.api.Device(ctx, id)
		// What is asked while its first session lasts would go out in that.
		if n := p.device.Sessions(); err == nil && d.Reported != nil && n.Ended+n.Failed > 0 {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			p.t.Fatalf("the device did not call in: %v", err)
		}
	}
}

func (p *play) reboot(seconds int) wire.Receipt {
	p.t.Helper()
	in := wire.RebootRequest{RouterID: p.serial}
	if seconds > 0 {
		in.TimeoutSeconds = &seconds
	}
	r, err := p.api.Reboot(p.t.Context(), in)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *play) set(verify bool, pairs ...string) wire.Receipt {
	p.t.Helper()
	in := wire.ParametersUpdateRequest{RouterID: p.serial, Verify: verify}
	for i := 0; i < len(pairs); i += 2 {
		v, err := json.Marshal(pairs[i+1])
		if err != nil {
			p.t.Fatal(err)
		}
		in.Parameters = append(in.Parameters, wire.Parameter{Name: pairs[i], Value: v})
	}
	r, err := p.api.UpdateParameters(p.t.Context(), in)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// until follows a protocolo until its status document says what ok asks for.
func (p *play) until(protocolo string, ok func(wire.Protocol) bool) wire.Protocol {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 100*time.Second)
	defer cancel()
	for {
		got, err := p.api.Protocol(ctx, protocolo)
		if err != nil {
			p.t.Fatal(err)
		}
		if ok(got) {
			return got
		}
		if got.Final() {
			p.t.Fatalf("ended as %s (%v), stage %s: %s", got.Status, got.Reason, got.Stage, got.NextStep)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			p.t.Fatalf("still %s/%s: %s", got.Status, got.Stage, got.NextStep)
		}
	}
}

func (p *play) status(protocolo, status string) wire.Protocol {
	p.t.Helper()
	return p.until(protocolo, func(d wire.Protocol) bool { return d.Status == status })
}

// told waits for the protocolo's webhooks and checks their types, one event each, all verified.
func (p *play) told(protocolo string, types ...string) []wire.ActionEvent {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	for n := 1; ; n++ {
		all, err := p.receiver.Wait(ctx, n)
		var got []wire.ActionEvent
		var names []string
		for _, a := range all {
			if !a.Verified() {
				p.t.Fatalf("a webhook did not verify: %v", a.Err)
			}
			if e := decodeEvent(p.t, a.Body); e.Protocolo == protocolo && !a.Duplicate {
				got, names = append(got, e), append(names, e.Type)
			}
		}
		if len(got) >= len(types) {
			if strings.Join(names, " ") != strings.Join(types, " ") {
				p.t.Fatalf("told %v, want %v", names, types)
			}
			return got
		}
		if err != nil {
			p.t.Fatalf("told %v, want %v: %v", names, types, err)
		}
	}
}

var chapters = map[string]func(p *play){
	"reboot": func(p *play) {
		p.start(nil)
		r := p.reboot(0)
		p.status(r.Protocolo, "success")
		if e := p.told(r.Protocolo, wire.ActionSucceeded)[0]; e.Data.Evidence.Kind != "m_reboot" || e.RouterID != p.serial || e.Data.Evidence.DowntimeMS <= 0 {
			p.t.Errorf("event: got %+v", e)
		}
	},
	"parameter update, verified": func(p *play) {
		p.start(nil)
		r := p.set(true, p.ssid, "Café & <Co>")
		got := p.status(r.Protocolo, "success")
		if got.Applied != "now" || got.Verified == nil || !*got.Verified || p.device.Value(p.ssid) != "Café & <Co>" {
			p.t.Errorf("got applied %q, verified %v, value %q", got.Applied, got.Verified, p.device.Value(p.ssid))
		}
		if e := p.told(r.Protocolo, wire.ActionSucceeded)[0]; e.Data.Verified == nil || !*e.Data.Verified {
			p.t.Errorf("event: got %+v", e.Data)
		}
	},
	"the device refuses two parameters": func(p *play) {
		p.start(nil)
		r := p.set(false, p.ssid, "fine", "Device.X_Unknown", "secret-value", "Device.DeviceInfo.SoftwareVersion", "9")
		p.status(r.Protocolo, "failure")
		e := p.told(r.Protocolo, wire.ActionFailed)[0]
		if e.Data.Fault.Code != 9003 || len(e.Data.Fault.Parameters) != 2 || e.Data.Fault.Parameters[0].Name != "Device.X_Unknown" ||
			e.Data.Fault.Parameters[0].Code != 9005 || e.Data.Fault.Parameters[1].Code != 9008 {
			p.t.Errorf("fault: got %+v", e.Data.Fault)
		}
		if p.device.Value(p.ssid) == "fine" {
			p.t.Error("one of the parameters was set though the update failed")
		}
	},
	"offline, then back": func(p *play) {
		p.start(nil)
		p.device.Offline(true)
		r := p.reboot(0)
		stuck := p.until(r.Protocolo, func(d wire.Protocol) bool { return d.Ring != nil && d.Ring.Result != wire.RingOK })
		if stuck.Status != "pending" || stuck.Stage != "queued" || stuck.NextStep == "" {
			p.t.Errorf("while offline: got %s/%s, next step %q", stuck.Status, stuck.Stage, stuck.NextStep)
		}
		p.device.Offline(false)
		p.status(r.Protocolo, "success")
		p.told(r.Protocolo, wire.ActionSucceeded)
	},
	"wrong connection-request password": func(p *play) {
		p.start(func(c *cwmptest.Config) { c.ConnectionRequestPassword = "another" })
		r := p.reboot(0)
		stuck := p.until(r.Protocolo, func(d wire.Protocol) bool { return d.Ring != nil })
		if stuck.Ring.Result != "unauthorized" || stuck.Ring.HTTPStatus != 401 || !strings.Contains(stuck.NextStep, "connection_request") {
			p.t.Errorf("got %+v, next step %q", stuck.Ring, stuck.NextStep)
		}
		if err := p.device.Inform(p.t.Context()); err != nil && p.t.Context().Err() != nil {
			p.t.Fatal(err)
		}
		p.status(r.Protocolo, "success")
	},
	"no M Reboot": func(p *play) {
		p.start(func(c *cwmptest.Config) { c.Quirks.MReboot = cwmptest.MRebootMissing })
		r := p.reboot(0)
		p.status(r.Protocolo, "success")
		if e := p.told(r.Protocolo, wire.ActionSucceeded)[0]; e.Data.Evidence.Kind != "boot" {
			p.t.Errorf("evidence: got %s, want boot", e.Data.Evidence.Kind)
		}
	},
	"committed, applied later": func(p *play) {
		p.start(func(c *cwmptest.Config) { c.Quirks.StatusOne = true })
		r := p.set(false, p.ssid, "later")
		if got := p.status(r.Protocolo, "success"); got.Applied != "after_reboot" {
			p.t.Errorf("applied: got %q, want after_reboot", got.Applied)
		}
		p.told(r.Protocolo, wire.ActionSucceeded)
	},
	"timeout": func(p *play) {
		p.start(nil)
		p.device.Offline(true)
		asked := time.Now()
		r := p.reboot(60)
		p.status(r.Protocolo, "timeout")
		if d := time.Since(asked); d < 60*time.Second || d > 66*time.Second {
			p.t.Errorf("timed out after %v, want 60s to 65s", d)
		}
		if e := p.told(r.Protocolo, wire.ActionTimedOut)[0]; *e.Data.Reason != "connection_request_unreachable" || e.Data.Final {
			p.t.Errorf("event: got reason %s, final %v", *e.Data.Reason, e.Data.Final)
		}
		p.device.Offline(false)
		if err := p.device.Inform(p.t.Context()); err != nil {
			p.t.Errorf("inform after the deadline: %v", err)
		}
		if n := len(p.device.Reboots()); n != 0 {
			p.t.Errorf("reboots after the deadline: got %d, want 0", n)
		}
	},
	"late result": func(p *play) {
		p.start(func(c *cwmptest.Config) { c.Mishaps.NeverBack = true })
		r := p.reboot(60)
		p.status(r.Protocolo, "timeout")
		p.told(r.Protocolo, wire.ActionTimedOut)
		p.device.SetMishaps(cwmptest.Mishaps{})
		p.device.PowerCycle()
		es := p.told(r.Protocolo, wire.ActionTimedOut, wire.ActionLateResult)
		if es[1].Status != "success" || *es[1].Data.Supersedes != es[0].ID {
			p.t.Errorf("late event: got %+v", es[1])
		}
		if got, err := p.api.Protocol(p.t.Context(), r.Protocolo); err != nil || got.Status != "timeout" || got.Late == nil {
			p.t.Errorf("status: got %s, late %v, %v; want timeout with a late result", got.Status, got.Late, err)
		}
	},
	"receiver down, then up": func(p *play) {
		p.receiver.Script(webhooktest.Status(500), webhooktest.Reset(), webhooktest.Status(503))
		p.start(nil)
		r := p.set(false, p.ssid, "x")
		p.status(r.Protocolo, "success")
		all, err := p.receiver.Wait(p.t.Context(), 4)
		if err != nil {
			p.t.Fatal(err)
		}
		for i, a := range all {
			if a.ID != all[0].ID || a.Attempt != i+1 || !a.Verified() {
				p.t.Errorf("attempt %d: got id %s, number %d, %v", i+1, a.ID, a.Attempt, a.Err)
			}
		}
		ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
		defer cancel()
		for {
			got, err := p.api.Protocol(ctx, r.Protocolo)
			if err != nil {
				p.t.Fatal(err)
			}
			if len(got.Deliveries) == 1 && got.Deliveries[0].State == "delivered" && got.Deliveries[0].Attempts == 4 {
				break
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				p.t.Fatalf("deliveries: got %+v, want one, delivered by 4 attempts", got.Deliveries)
			}
		}
	},
	"cancel": func(p *play) {
		p.start(nil)
		p.device.Offline(true)
		r := p.reboot(0)
		if got, err := p.api.Cancel(p.t.Context(), r.Protocolo); err != nil || got.Status != "cancelled" {
			p.t.Fatalf("cancel: got %s, %v", got.Status, err)
		}
		_, err := p.api.Cancel(p.t.Context(), r.Protocolo)
		var e *client.Error
		if !errors.As(err, &e) || e.Problem.Status != http.StatusConflict {
			p.t.Errorf("cancel again: got %v, want 409", err)
		}
		p.device.Offline(false)
		if err := p.device.Inform(p.t.Context()); err != nil {
			p.t.Errorf("inform: %v", err)
		}
		if n := len(p.device.Reboots()); n != 0 {
			p.t.Errorf("reboots: got %d, want 0", n)
		}
	},
	"idempotency": func(p *play) {
		p.start(nil)
		p.device.Offline(true)
		var ids []string
		for range 3 {
			r, err := p.api.Reboot(p.t.Context(), wire.RebootRequest{RouterID: p.serial}, client.IdempotencyKey("once"))
			if err != nil {
				p.t.Fatal(err)
			}
			ids = append(ids, r.Protocolo)
		}
		if ids[0] != ids[1] || ids[1] != ids[2] {
			p.t.Errorf("protocolos: got %v, want one", ids)
		}
		_, err := p.api.Reboot(p.t.Context(), wire.RebootRequest{RouterID: p.serial, ClientRef: "x"}, client.IdempotencyKey("once"))
		if client.Code(err) != "idempotency_key_reused" {
			p.t.Errorf("another body: got %v, want idempotency_key_reused", err)
		}
		p.device.Offline(false)
		p.status(ids[0], "success")
		if n := len(p.device.Reboots()); n != 1 {
			p.t.Errorf("reboots: got %d, want 1", n)
		}
	},
	"shared boot": func(p *play) {
		p.start(nil)
		p.device.Offline(true)
		var rs []wire.Receipt
		for range 3 {
			rs = append(rs, p.reboot(0))
		}
		p.device.Offline(false)
		for _, r := range rs {
			p.status(r.Protocolo, "success")
			p.told(r.Protocolo, wire.ActionSucceeded)
		}
		if n := len(p.device.Reboots()); n != 1 {
			p.t.Errorf("reboots: got %d, want 1", n)
		}
	},
}

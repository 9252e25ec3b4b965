package acs_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"recado/acs"
	"recado/cwmp"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

func TestCredentialHasToBelongToTheDevice(t *testing.T) {
	const one, two = "00259E-HG8245H-1", "00259E-HG8245H-2"
	cfg := acs.SessionsConfig{Credentials: []acs.CPECredential{
		{Username: "common", Password: "x"}, {Username: two, Password: "y", Device: two},
	}}
	tests := []struct {
		name, user, serial string
		ok                 bool
	}{
		{"its own", "own-1", "1", true},
		{"common, but it has its own", "common", "1", false},
		{"another's own", "own-1", "2", false},
		{"configured for it", two, "2", true},
		{"configured for another", two, "3", false},
		{"common", "common", "3", true},
		{"unknown", "nobody", "3", false},
		{"authentication is off", "", "1", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, cfg, func(w *world) {
				cred := acs.Credential{Username: "own-1", Password: "z"}
				if _, _, err := w.svc.PutDevice(w.t.Context(), w.client, one, acs.DevicePut{CWMPAuth: &cred}); err != nil {
					t.Fatal(err)
				}
				c := w.cpe(tt.serial)
				c.user = tt.user
				_, err := c.try(c.inform(periodic))
				var fault *cwmp.Fault
				if tt.ok && err != nil || !tt.ok && (!errors.As(err, &fault) || fault.FaultCode != 8001) {
					t.Errorf("inform: got %v, want ok %v", err, tt.ok)
				}
				_, err = w.store.Device(w.t.Context(), c.id.Key())
				if !tt.ok && tt.serial != "1" && !errors.Is(err, acs.ErrNotFound) {
					t.Errorf("a refused device was stored: %v", err)
				}
			})
		})
	}
}

func TestCPEPassword(t *testing.T) {
	inWorld(t, acs.SessionsConfig{Credentials: []acs.CPECredential{{Username: "common", Password: "x"}}}, func(w *world) {
		cred := acs.Credential{Username: "own", Password: "z"}
		if _, _, err := w.svc.PutDevice(w.t.Context(), w.client, "00259E-HG8245H-1", acs.DevicePut{CWMPAuth: &cred}); err != nil {
			t.Fatal(err)
		}
		for user, want := range map[string]string{"common": "x", "own": "z", "nobody": ""} {
			got, ok, err := w.h.CPEPassword(w.t.Context(), user)
			if got != want || ok != (want != "") || err != nil {
				t.Errorf("%s: got %q, %v, %v", user, got, ok, err)
			}
		}
	})
}

func TestInformWithoutUsableIdentityIsRefused(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		for _, id := range []cwmp.DeviceID{
			{OUI: "00259E"},
			{SerialNumber: "1"},
			{OUI: "00259E", SerialNumber: " "},
			{OUI: "00259E", SerialNumber: strings.Repeat("1", 257)},
			{OUI: "00259E", ProductClass: strings.Repeat("x", 257), SerialNumber: "1"},
		} {
			c := &cpe{w: w, id: id}
			_, err := c.try(c.inform(periodic))
			var fault *cwmp.Fault
			if !errors.As(err, &fault) || fault.FaultCode != 8003 {
				t.Errorf("%+v: got %v, want fault 8003", id, err)
			}
		}
	})
}

func TestProvisioning(t *testing.T) {
	inWorld(t, acs.SessionsConfig{Provision: acs.Provision{ConnectionRequest: true, PeriodicInform: 5 * time.Minute}}, func(w *world) {
		seen := map[string]bool{}
		for _, serial := range []string{"1", "2"} {
			c := w.cpe(serial)
			tk := c.open(event(cwmp.EventBootstrap))
			m, ok := tk.next().(*cwmp.SetParameterValues)
			if !ok || len(m.ParameterList) != 4 || m.ParameterList[1].Name != "Device.ManagementServer.ConnectionRequestPassword" ||
				len(m.ParameterList[1].Value) != 32 || m.ParameterList[3].Value != "300" {
				t.Fatalf("provisioning: got %+v", m)
			}
			seen[m.ParameterList[1].Value] = true
			tk.answer(m, &cwmp.SetParameterValuesResponse{})
			tk.wantNone()
			d, err := w.store.Device(w.t.Context(), c.id.Key())
			if err != nil || d.Facts.ConnectionRequest.Password != m.ParameterList[1].Value || d.Facts.ProvisionedAt.IsZero() {
				t.Errorf("stored: got %+v, %v", d.Facts, err)
			}
			c.open(periodic).wantNone()
			tk = c.open(event(cwmp.EventBootstrap)) // a factory reset took them away
			again, ok := tk.next().(*cwmp.SetParameterValues)
			if !ok || again.ParameterList[1].Value != m.ParameterList[1].Value {
				t.Errorf("after a factory reset: got %+v, want the same again", again)
			}
			tk.answer(again, &cwmp.Fault{FaultCode: 9001})
			tk.wantNone()
		}
		if len(seen) != 2 {
			t.Errorf("passwords: got %d of 2 devices, want each its own", len(seen))
		}
	})
}

func TestProvidersCredentialsAreLeftAlone(t *testing.T) {
	inWorld(t, acs.SessionsConfig{Provision: acs.Provision{ConnectionRequest: true}}, func(w *world) {
		c := w.cpe("1")
		cred := acs.Credential{Username: "u", Password: "p"}
		if _, _, err := w.svc.PutDevice(w.t.Context(), w.client, c.id.Key(), acs.DevicePut{ConnectionRequest: &cred}); err != nil {
			t.Fatal(err)
		}
		c.open(event(cwmp.EventBootstrap)).wantNone()
	})
}

func TestXMLDeclarationIsLearned(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.cpe("1")
		stall := func(retries string, want bool) {
			t.Helper()
			in := c.inform(boot)
			in.RetryCount = retries
			tk := c.openWith(in)
			if tk.s.XMLDeclaration != want {
				t.Fatalf("retry %s: declaration %v, want %v", retries, tk.s.XMLDeclaration, want)
			}
			tk.end(cwmp.EndTimeout, nil)
		}
		stall("0", false)
		stall("1", true) // it never went on: the other form
		in := c.inform(boot)
		in.RetryCount = "2"
		tk := c.openWith(in)
		if tk.s.XMLDeclaration {
			t.Fatal("retry 2: that form did not help either")
		}
		tk.wantNone()
		stall("0", false)
		stall("1", false) // known to work: one failed session is no proof
	})
}

func TestIdempotency(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		sub := acs.Submission{Client: w.client, Kind: acs.KindReboot, RouterID: c.id.Key(), IdempotencyKey: "k", Body: []byte(`{"a":1}`)}
		ids := make([]acs.Protocolo, 64)
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				r, err := w.svc.Submit(w.t.Context(), sub)
				if err != nil {
					t.Errorf("submit: %v", err)
				}
				ids[i] = r.Action.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatal("the same key with the same body gave two protocolos")
			}
		}
		other := sub
		other.Body = []byte(`{"a":2}`)
		if _, err := w.svc.Submit(w.t.Context(), other); !errors.Is(err, acs.ErrIdempotencyReused) {
			t.Errorf("another body: got %v, want ErrIdempotencyReused", err)
		}
		time.Sleep(25 * time.Hour)
		if r, err := w.svc.Submit(w.t.Context(), other); err != nil || r.Existed {
			t.Errorf("a day later: got existed %v, %v", r.Existed, err)
		}
	})
}

func TestSubmitRefuses(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		same := "same"
		for _, s := range []string{"8", "9"} {
			if _, _, err := w.svc.PutDevice(w.t.Context(), w.client, "00259E-HG8245H-"+s, acs.DevicePut{PPPoELogin: &same}); err != nil {
				t.Fatal(err)
			}
		}
		sub := func(change func(*acs.Submission)) error {
			s := acs.Submission{Client: w.client, Kind: acs.KindReboot, RouterID: c.id.Key()}
			change(&s)
			_, err := w.svc.Submit(w.t.Context(), s)
			return err
		}
		var ambiguous *acs.AmbiguousError
		var scope *acs.ScopeError
		tests := []struct {
			name string
			err  error
			ok   bool
		}{
			{"unknown device", sub(func(s *acs.Submission) { s.RouterID = "RTR-0" }), false},
			{"short timeout", sub(func(s *acs.Submission) { s.Timeout = 59 * time.Second }), false},
			{"long timeout", sub(func(s *acs.Submission) { s.Timeout = 25 * time.Hour }), false},
			{"no device", sub(func(s *acs.Submission) { s.RouterID = "" }), false},
			{"long reference", sub(func(s *acs.Submission) { s.ClientRef = strings.Repeat("x", 300) }), false},
			{"shortest timeout", sub(func(s *acs.Submission) { s.Timeout = time.Minute }), true},
			{"another tag", sub(func(s *acs.Submission) { s.Client.Tags = []string{"elsewhere"} }), false},
		}
		for _, tt := range tests {
			if (tt.err == nil) != tt.ok {
				t.Errorf("%s: got %v", tt.name, tt.err)
			}
		}
		if err := sub(func(s *acs.Submission) { s.RouterID = same }); !errors.As(err, &ambiguous) || len(ambiguous.Candidates) != 2 {
			t.Errorf("two devices of one name: got %v", err)
		}
		danger := func(s *acs.Submission) {
			s.Kind = acs.KindParametersUpdate
			s.Parameters = []acs.ParameterInput{{Name: "Device.ManagementServer.URL", Value: []byte(`"http://evil.example/"`)}}
		}
		if err := sub(danger); !errors.As(err, &scope) || scope.Scope != acs.ScopeParametersDangerous {
			t.Errorf("dangerous parameter: got %v, want a ScopeError", err)
		}
		if err := sub(func(s *acs.Submission) { danger(s); s.Client.Scopes = []acs.Scope{acs.ScopeAdmin} }); !errors.As(err, &scope) {
			t.Errorf("dangerous parameter, admin: got %v, want a ScopeError", err)
		}
		if err := sub(func(s *acs.Submission) {
			danger(s)
			s.Client.Scopes = append([]acs.Scope{acs.ScopeParametersDangerous}, s.Client.Scopes...)
		}); err != nil {
			t.Errorf("dangerous parameter with the scope: got %v", err)
		}
		for range acs.MaxPendingPerDevice {
			_ = sub(func(*acs.Submission) {})
		}
		if err := sub(func(*acs.Submission) {}); !errors.Is(err, acs.ErrQueueFull) {
			t.Errorf("one more than fit: got %v, want ErrQueueFull", err)
		}
	})
}

func TestTokens(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		ctx := w.t.Context()
		made, err := w.svc.CreateClient(ctx, acs.NewClient{Name: "erp", TokenTTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string, want error) {
			t.Helper()
			if _, err := w.svc.Authenticate(ctx, made.Token); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", when, err, want)
			}
		}
		check("fresh", nil)
		blocked := true
		if _, err := w.svc.ChangeClient(ctx, made.Client.ID, acs.ClientChange{Blocked: &blocked}); err != nil {
			t.Fatal(err)
		}
		check("blocked", acs.ErrBlocked)
		blocked = false
		if _, err := w.svc.ChangeClient(ctx, made.Client.ID, acs.ClientChange{Blocked: &blocked}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		check("expired", acs.ErrUnauthenticated)
		second, _, err := w.svc.NewToken(ctx, made.Client.ID)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.svc.RevokeTokens(ctx, made.Client.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.svc.Authenticate(ctx, second); !errors.Is(err, acs.ErrUnauthenticated) {
			t.Errorf("revoked: got %v", err)
		}
		if _, err := w.svc.CreateClient(ctx, acs.NewClient{Name: "erp"}); !errors.Is(err, acs.ErrExists) {
			t.Errorf("the same name again: got %v, want ErrExists", err)
		}
		if _, err := w.svc.CreateClient(ctx, acs.NewClient{Name: "x", Scopes: []acs.Scope{"root"}}); err == nil || !strings.Contains(err.Error(), "parameters:dangerous") {
			t.Errorf("unknown scope: got %v, want the list", err)
		}
	})
}

func TestParseDeviceID(t *testing.T) {
	for _, d := range []cwmp.DeviceID{
		{OUI: "00259E", ProductClass: "HG8245H", SerialNumber: "1"},
		{OUI: "00259E", SerialNumber: "1"},
		{OUI: "00259E", ProductClass: "Set-Top Box/é", SerialNumber: "a%b-c d"},
	} {
		got, err := acs.ParseDeviceID(d.Key())
		if err != nil || got != d {
			t.Errorf("%s: got %+v, %v; want %+v", d.Key(), got, err, d)
		}
	}
	for _, bad := range []string{"", "x", "a-b-c-d", "00259E--1", "00259E-%-1", "00259E-%2-1", "00259E-%ZZ-1", "00259e-A-1", "00259E-a b-1", strings.Repeat("a-", 400)} {
		if _, err := acs.ParseDeviceID(bad); err == nil {
			t.Errorf("%q: got no error", bad)
		}
	}
}

func TestRemoteAddrIsKept(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		d, open, err := w.svc.Device(w.t.Context(), w.client, c.id.Key())
		if err != nil || d.Reported.LastAddr != netip.MustParseAddr("192.0.2.7") || len(open) != 0 {
			t.Errorf("got %v, %d open, %v", d.Reported.LastAddr, len(open), err)
		}
	})
}

package acs_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
)

const (
	ssid  = "Device.WiFi.SSID.1.SSID"
	pass  = "Device.WiFi.AccessPoint.1.Security.KeyPassphrase"
	chan1 = "Device.WiFi.Radio.1.Channel"
)

func TestUpdate(t *testing.T) {
	for status, applied := range []string{acs.AppliedNow, acs.AppliedAfterReboot} {
		t.Run(applied, func(t *testing.T) {
			inWorld(t, acs.SessionsConfig{}, func(w *world) {
				c := w.known("1")
				a := w.update(c, false, ssid, "Café", chan1, "11")
				tk := c.open(periodic)
				r := tk.wantUpdate(a)
				if got := fmt.Sprint(r.ParameterList); got != fmt.Sprint([]cwmp.ParameterValue{
					{Name: ssid, Value: "Café", Type: "xsd:string"}, {Name: chan1, Value: "11", Type: "xsd:unsignedInt"},
				}) {
					t.Errorf("list: got %s", got)
				}
				tk.answer(r, &cwmp.SetParameterValuesResponse{Status: status})
				tk.wantNone()
				got := w.want(a, acs.StatusSuccess, acs.StageSent, "")
				if got.Applied != applied || got.Verified {
					t.Errorf("applied: got %q, verified %v; want %q, false", got.Applied, got.Verified, applied)
				}
				for _, p := range got.Parameters {
					if p.Value != "" {
						t.Errorf("value of %s is still there", p.Name)
					}
				}
				e := w.wantEvents(a, wire.ActionSucceeded)[0]
				if e.Data.Applied != applied || e.Data.Verified != nil {
					t.Errorf("event: got applied %q, verified %v", e.Data.Applied, e.Data.Verified)
				}
			})
		})
	}
}

func TestUpdateFault(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, false, ssid, "topsecret-value", pass, "p4ssw0rd")
		tk := c.open(periodic)
		r := tk.wantUpdate(a)
		tk.answer(r, &cwmp.Fault{FaultCode: 9003, FaultString: "Invalid arguments", Params: []cwmp.ParameterFault{
			{ParameterName: ssid, FaultCode: 9007, FaultString: "bad value topsecret-value"},
			{ParameterName: pass, FaultCode: 9008, FaultString: "not writable"},
		}})
		tk.wantNone()
		w.want(a, acs.StatusFailure, acs.StageSent, acs.ReasonDeviceFault)
		e := w.wantEvents(a, wire.ActionFailed)[0]
		want := []wire.ParameterFault{{Name: ssid, Code: 9007, String: "bad value (value)"}, {Name: pass, Code: 9008, String: "not writable"}}
		if fmt.Sprint(e.Data.Fault.Parameters) != fmt.Sprint(want) {
			t.Errorf("faults: got %v, want %v", e.Data.Fault.Parameters, want)
		}
	})
}

func TestUpdateVerify(t *testing.T) {
	tests := []struct {
		name         string
		answer       cwmp.Message
		status       acs.Status
		mismatched   string
		unverifiable string
		verified     bool
	}{
		{"same", values(chan1, "11", ssid, "Net", pass, ""), acs.StatusSuccess, "", pass, true},
		{"number in another form", values(chan1, " 011 ", ssid, "Net", pass, "********"), acs.StatusSuccess, "", pass, true},
		{"differs", values(chan1, "11", ssid, "Old", pass, ""), acs.StatusFailure, ssid, pass, false},
		{"a name is missing", values(chan1, "11", pass, ""), acs.StatusFailure, ssid, pass, false},
		{"empty list", values(), acs.StatusFailure, ssid + " " + pass + " " + chan1, "", false},
		{"secret read in clear", values(chan1, "11", ssid, "Net", pass, "p4ssw0rd"), acs.StatusSuccess, "", "", true},
		{"secret read in clear, another", values(chan1, "11", ssid, "Net", pass, "other"), acs.StatusFailure, pass, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, acs.SessionsConfig{}, func(w *world) {
				c := w.known("1")
				a := w.update(c, true, ssid, "Net", pass, "p4ssw0rd", chan1, "11")
				tk := c.open(periodic)
				r := tk.wantUpdate(a)
				tk.answer(r, &cwmp.SetParameterValuesResponse{})
				w.want(a, acs.StatusPending, acs.StageAccepted, "")
				q := tk.wantRead(ssid, pass, chan1)
				tk.answer(q, tt.answer)
				tk.wantNone()
				got := w.action(a)
				if got.Status != tt.status || strings.Join(got.Mismatched, " ") != tt.mismatched ||
					strings.Join(got.Unverifiable, " ") != tt.unverifiable || got.Verified != tt.verified {
					t.Errorf("got %s, mismatched %v, unverifiable %v, verified %v", got.Status, got.Mismatched, got.Unverifiable, got.Verified)
				}
				e := w.events(a)[0]
				if e.Data.Verified == nil || *e.Data.Verified != tt.verified {
					t.Errorf("event: got verified %v, want %v", e.Data.Verified, tt.verified)
				}
				if tt.status == acs.StatusFailure && (*e.Data.Reason != "verify_mismatch" || len(e.Data.Fault.Parameters) != len(got.Mismatched)) {
					t.Errorf("event: got %+v", e.Data)
				}
			})
		})
	}
}

func TestVerifyFindsTheNameThatHidesTheOthers(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, true, "Device.A", "1", "Device.B", "2", "Device.C", "3")
		tk := c.open(periodic)
		r := tk.wantUpdate(a)
		tk.answer(r, &cwmp.SetParameterValuesResponse{Status: 1})
		bad := &cwmp.Fault{FaultCode: 9005, FaultString: "Invalid parameter name"}
		tk.answer(tk.wantRead("Device.A", "Device.B", "Device.C"), bad)
		tk.answer(tk.wantRead("Device.A"), values("Device.A", "1"))
		tk.answer(tk.wantRead("Device.B", "Device.C"), bad)
		tk.answer(tk.wantRead("Device.B"), bad)
		tk.answer(tk.wantRead("Device.C"), &cwmp.Fault{FaultCode: 9002})
		tk.wantNone()
		got := w.want(a, acs.StatusFailure, acs.StageAccepted, acs.ReasonVerifyMismatch)
		if strings.Join(got.Mismatched, " ") != "Device.B" || strings.Join(got.Unverifiable, " ") != "Device.C" {
			t.Errorf("got mismatched %v, unverifiable %v; want Device.B, Device.C", got.Mismatched, got.Unverifiable)
		}
	})
}

func TestVerifyGoesOnInTheNextSession(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, true, ssid, "Net")
		tk := c.open(periodic)
		tk.answer(tk.wantUpdate(a), &cwmp.SetParameterValuesResponse{})
		q := tk.wantRead(ssid)
		tk.end(cwmp.EndTimeout, q)
		time.Sleep(time.Minute)
		tk = c.open(periodic)
		tk.answer(tk.wantRead(ssid), values(ssid, "Net"))
		tk.wantNone()
		if got := w.want(a, acs.StatusSuccess, acs.StageAccepted, ""); got.Sends != 1 || got.Applied != acs.AppliedNow {
			t.Errorf("got sends %d, applied %q; want 1, now", got.Sends, got.Applied)
		}
	})
}

func TestUnansweredUpdateIsSentAgain(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, false, ssid, "Net")
		for i := range acs.MaxSends {
			tk := c.open(periodic)
			r := tk.wantUpdate(a)
			if got := w.action(a); got.Sends != i+1 {
				t.Fatalf("sends: got %d, want %d", got.Sends, i+1)
			}
			tk.end(cwmp.EndTimeout, r)
			time.Sleep(time.Minute)
		}
		c.open(periodic).wantNone()
		time.Sleep(time.Hour)
		w.want(a, acs.StatusTimeout, acs.StageSent, acs.ReasonNoAnswer)
	})
}

func TestCrashLoop(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, false, ssid, "Net")
		tk := c.open(periodic)
		tk.end(cwmp.EndTimeout, tk.wantUpdate(a))
		time.Sleep(time.Minute)
		tk = c.open(boot)
		tk.end(cwmp.EndTimeout, tk.wantUpdate(a))
		in := c.inform(boot)
		in.RetryCount = "1" // the same boot, told again, is not a second one
		tk = c.openWith(in)
		tk.end(cwmp.EndTimeout, tk.wantUpdate(a))
		w.want(a, acs.StatusPending, acs.StageSent, "")
		time.Sleep(time.Minute)
		c.open(boot).wantNone()
		w.want(a, acs.StatusFailure, acs.StageSent, acs.ReasonDeviceRebooted)
		w.wantEvents(a, wire.ActionFailed)
	})
}

func TestFirstInFirstOutInOneSession(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a, b, d := w.update(c, false, ssid, "One"), w.reboot(c), w.update(c, false, ssid, "Two")
		tk := c.open(periodic)
		tk.answer(tk.wantUpdate(a), &cwmp.SetParameterValuesResponse{})
		tk.answer(tk.wantReboot(b), &cwmp.RebootResponse{})
		tk.wantNone() // the reboot is the last thing of its session
		time.Sleep(time.Minute)
		tk = c.open(boot, mReboot(b))
		tk.answer(tk.wantUpdate(d), &cwmp.SetParameterValuesResponse{})
		tk.wantNone()
		for i, x := range []acs.Action{a, b, d} {
			if e := w.wantEvents(x, wire.ActionSucceeded)[0]; e.Data.Sequence != uint64(i+1) {
				t.Errorf("sequence: got %d, want %d", e.Data.Sequence, i+1)
			}
		}
	})
}

func TestTypesAreLearnedFromTheDevice(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		in := c.inform(periodic)
		in.ParameterList = append(in.ParameterList, cwmp.ParameterValue{Name: "Device.X_Port", Value: "1", Type: "xsd:int"})
		c.openWith(in).wantNone()
		sub := acs.Submission{Kind: acs.KindParametersUpdate, RouterID: c.id.Key(), Parameters: []acs.ParameterInput{
			{Name: "Device.X_Port", Value: json.RawMessage(`7`)},
		}}
		if a := w.submit(sub); a.Parameters[0].Type != "xsd:int" {
			t.Errorf("type: got %s, want xsd:int", a.Parameters[0].Type)
		}
	})
}

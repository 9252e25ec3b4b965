package acs_test

import (
	"fmt"
	"testing"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
)

// pairs makes n parameters with their values.
func pairs(n int) (all, names []string) {
	for i := range n {
		name := fmt.Sprintf("Device.X.%d", i)
		names = append(names, name)
		all = append(all, name, "1")
	}
	return all, names
}

// The device took the values in time; reading them back takes longer than what is left. What the reading finds is the late result.
func TestVerifyCutByTheDeadline(t *testing.T) {
	tests := []struct {
		name   string
		second func(rest []string) *cwmp.GetParameterValuesResponse
		status string
	}{
		{"as set", func(rest []string) *cwmp.GetParameterValuesResponse { return valuesOf("1", rest) }, "success"},
		{"different", func(rest []string) *cwmp.GetParameterValuesResponse { return valuesOf("2", rest) }, "failure"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, acs.SessionsConfig{}, func(w *world) {
				c := w.known("1")
				set, names := pairs(150)
				a := w.update(c, true, set...)
				time.Sleep(time.Minute)
				next := w.update(c, false, ssid, "Net")
				time.Sleep(time.Until(a.DeadlineAt) - time.Second)
				tk := c.open(periodic)
				tk.answer(tk.wantUpdate(a), &cwmp.SetParameterValuesResponse{})
				tk.answer(tk.wantRead(names[:100]...), valuesOf("1", names[:100]))
				time.Sleep(2 * time.Second)
				w.want(a, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNotVerified)
				tk.answer(tk.wantRead(names[100:]...), tt.second(names[100:]))
				tk.answer(tk.wantUpdate(next), &cwmp.SetParameterValuesResponse{})
				tk.wantNone()
				got := w.want(a, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNotVerified)
				if got.Late == nil || string(got.Late.Status) != tt.status || !got.WatchUntil.IsZero() || got.Applied != acs.AppliedNow {
					t.Errorf("got late %+v, watch until %v, applied %q", got.Late, got.WatchUntil, got.Applied)
				}
				e := w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)[1]
				if e.Status != tt.status || e.Data.Verified == nil || *e.Data.Verified != (tt.status == "success") || !e.Data.Late {
					t.Errorf("event: got %s, verified %v", e.Status, e.Data.Verified)
				}
				w.want(next, acs.StatusSuccess, acs.StageSent, "")
			})
		})
	}
}

// The deadline comes between the device's answer and the first reading.
func TestVerifyNotBegunAtTheDeadline(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, true, ssid, "Net")
		time.Sleep(time.Hour - time.Millisecond)
		tk := c.open(periodic)
		tk.answer(tk.wantUpdate(a), &cwmp.SetParameterValuesResponse{Status: 1})
		time.Sleep(time.Second)
		w.want(a, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNotVerified)
		tk.answer(tk.wantRead(ssid), values(ssid, "Net"))
		tk.wantNone()
		e := w.wantEvents(a, wire.ActionTimedOut, wire.ActionLateResult)[1]
		if e.Status != "success" || e.Data.Applied != acs.AppliedAfterReboot || !*e.Data.Verified {
			t.Errorf("event: got %s, applied %q, verified %v", e.Status, e.Data.Applied, e.Data.Verified)
		}
	})
}

// In a later session the values are gone, and nothing is read for an action that has ended.
func TestVerifyCutByTheDeadlineAndTheSession(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		c := w.known("1")
		a := w.update(c, true, ssid, "Net")
		time.Sleep(time.Hour - time.Second)
		tk := c.open(periodic)
		tk.answer(tk.wantUpdate(a), &cwmp.SetParameterValuesResponse{})
		tk.end(cwmp.EndTimeout, tk.wantRead(ssid))
		time.Sleep(2 * time.Second)
		c.open(periodic).wantNone()
		w.want(a, acs.StatusTimeout, acs.StageAccepted, acs.ReasonNotVerified)
		w.wantEvents(a, wire.ActionTimedOut)
	})
}

func valuesOf(value string, names []string) *cwmp.GetParameterValuesResponse {
	m := &cwmp.GetParameterValuesResponse{}
	for _, n := range names {
		m.ParameterList = append(m.ParameterList, cwmp.ParameterValue{Name: n, Value: value, Type: "xsd:string"})
	}
	return m
}

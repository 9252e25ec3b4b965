package acs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"recado/cwmp"
)

// Response implements cwmp.Handler.
func (h *Sessions) Response(ctx context.Context, sess *cwmp.Session, request, response cwmp.Message) error {
	c := conversationOf(sess)
	c.answers++
	if m, ok := response.(*cwmp.GetParameterValuesResponse); ok {
		if err := h.learn(ctx, c.device.ID, m.ParameterList); err != nil {
			return err
		}
	}
	switch c.purpose {
	case purposeUptime:
		return h.uptimeAnswer(ctx, c, response)
	case purposeVerify:
		return h.verifyAnswer(ctx, c, response)
	case purposeProvision:
		return h.provisionAnswer(ctx, c, response)
	case purposeAction:
		for _, a := range c.current {
			if err := h.actionAnswer(ctx, c, a, request, response); err != nil {
				return fmt.Errorf("store answer: %w", err)
			}
		}
	}
	return nil
}

func (h *Sessions) actionAnswer(ctx context.Context, c *conversation, a Action, request, response cwmp.Message) error {
	switch m := response.(type) {
	case *cwmp.Fault:
		c.done++
		return h.s.conclude(ctx, a, faultVerdict(&a, request.Method(), m))
	case *cwmp.RebootResponse:
		return h.accepted(ctx, a, "the device answered RebootResponse; it reboots after the session")
	case *cwmp.SetParameterValuesResponse:
		return h.applied(ctx, c, a, m)
	}
	return fmt.Errorf("answer %s to %s has no meaning", response.Method(), request.Method())
}

// accepted notes the device's answer, on the way to a verdict or after one.
func (h *Sessions) accepted(ctx context.Context, a Action, detail string) error {
	_, err := h.s.change(ctx, a, func(a *Action, now time.Time) error {
		switch {
		case a.InFlight():
			a.accept(now, detail)
		case a.watched():
			a.note(now, "accepted_late", detail)
		default:
			return errUnchanged
		}
		return nil
	})
	return err
}

func (h *Sessions) applied(ctx context.Context, c *conversation, a Action, m *cwmp.SetParameterValuesResponse) error {
	v := verdict{status: StatusSuccess, applied: AppliedNow, detail: "the device took the values"}
	if m.Status == 1 {
		v.applied = AppliedAfterReboot
		v.detail = "the device stored the values and applies them after the session or its next reboot"
	}
	if !a.Verify {
		c.done++
		return h.s.conclude(ctx, a, v)
	}
	a, err := h.s.change(ctx, a, func(a *Action, now time.Time) error {
		if !a.InFlight() {
			return errUnchanged
		}
		a.Applied = v.applied
		a.accept(now, v.detail+"; they are read back")
		return nil
	})
	switch {
	case err != nil:
		return err
	case !a.Status.Final():
		c.verify = newVerification(a) // with the values, which the deadline takes away
		return nil
	}
	return h.s.conclude(ctx, a, v) // it timed out meanwhile: the late result
}

// faultVerdict is the failure that a device's fault means.
func faultVerdict(a *Action, method string, f *cwmp.Fault) verdict {
	v := verdict{status: StatusFailure, reason: ReasonDeviceFault, fault: &Fault{Source: "cpe", Code: f.FaultCode, String: a.faultText(f.FaultString)}}
	if f.FaultCode == cwmp.FaultMethodNotSupported {
		v.reason = ReasonMethodNotSupported
	}
	v.detail = fmt.Sprintf("the device answered %s with fault %d", method, f.FaultCode)
	for i, p := range f.Params {
		if i == MaxParameters {
			break
		}
		v.fault.Parameters = append(v.fault.Parameters, ParameterFault{
			Name: clip(p.ParameterName, MaxParameterName), Code: p.FaultCode, String: a.faultText(p.FaultString),
		})
	}
	return v
}

// faultText is a device's text about a fault, without the values that were set: some devices quote what they refuse. Where the values
// are gone already (the action had timed out), nothing can tell, and the text goes.
func (a *Action) faultText(s string) string {
	const most, gone = 256, "(value)"
	if a.Status.Final() && len(a.Parameters) > 0 {
		return ""
	}
	for _, p := range a.Parameters {
		if len(p.Value) > 3 || p.Value != "" && Hidden(p.Name) {
			s = strings.ReplaceAll(s, p.Value, gone)
		}
	}
	return clip(s, most)
}

// uptimeAnswer lets an up-time decide about reboots that no event told of.
func (h *Sessions) uptimeAnswer(ctx context.Context, c *conversation, response cwmp.Message) error {
	m, ok := response.(*cwmp.GetParameterValuesResponse)
	if !ok {
		return nil // a fault: the device has no up-time to tell
	}
	uptime, ok := uptimeOf(m)
	if !ok {
		return nil
	}
	now := time.Now()
	if err := h.setUptime(ctx, c, uptime, now); err != nil {
		return fmt.Errorf("store report: %w", err)
	}
	live, err := h.s.store.LiveActions(ctx, c.device.ID)
	if err != nil {
		return fmt.Errorf("read actions: %w", err)
	}
	for _, a := range live {
		if rule, _ := judgeInform(&a, c.facts); rule != rulingAskUptime {
			continue
		}
		ev, notDone := judgeUptime(&a, c.facts, now, uptime)
		switch {
		case ev != nil:
			c.done++
			err = h.s.conclude(ctx, a, verdict{status: StatusSuccess, evidence: ev, detail: "the device's up-time is shorter than the time since the reboot was sent"})
		case notDone && a.InFlight() && a.Sends < MaxSends:
			_, err = h.s.change(ctx, a, func(a *Action, now time.Time) error {
				if !a.InFlight() {
					return errUnchanged
				}
				a.requeue(now, "the device has been up since before the reboot was sent: it did not reboot, and is asked again")
				return nil
			})
		}
		if err != nil {
			return fmt.Errorf("store verdict: %w", err)
		}
	}
	return nil
}

func uptimeOf(m *cwmp.GetParameterValuesResponse) (time.Duration, bool) {
	for _, p := range m.ParameterList {
		if strings.HasSuffix(p.Name, "DeviceInfo.UpTime") {
			n, err := strconv.ParseUint(strings.TrimSpace(p.Value), 10, 32)
			return time.Duration(n) * time.Second, err == nil
		}
	}
	return 0, false
}

package cwmp_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"recado/cwmp"
)

// A request that lost its point between Next and Sending does not leave; the session goes on with what is next.
func TestSessionGoesOnAfterAWithdrawnRequest(t *testing.T) {
	withdrawn := fmt.Errorf("action is finished: %w", cwmp.ErrWithdrawn)
	t.Run("something else is next", func(t *testing.T) {
		h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}, &cwmp.GetParameterValues{ParameterNames: []string{"Device."}}}}}
		h.sending = func(_ *cwmp.Session, m cwmp.Message) error {
			if m.Method() == "Reboot" {
				return withdrawn
			}
			return nil
		}
		a := startACS(t, cwmp.ServerConfig{Handler: h})
		c := a.cpe("192.0.2.7")
		c.inform("A")
		got := c.post("").envelope(t)
		if got.Message.Method() != "GetParameterValues" {
			t.Fatalf("request: got %s, want GetParameterValues", got.Message.Method())
		}
		c.wantStatus(204, say(t, got.ID, &cwmp.GetParameterValuesResponse{}))
		h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A Next", "A Sending GetParameterValues",
			"A Response GetParameterValuesResponse to GetParameterValues", "A Next", "A End done")
		a.wantNoErrors(t)
	})
	t.Run("nothing is next", func(t *testing.T) {
		h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
		h.sending = func(*cwmp.Session, cwmp.Message) error { return withdrawn }
		a := startACS(t, cwmp.ServerConfig{Handler: h})
		c := a.cpe("192.0.2.7")
		c.inform("A")
		c.wantStatus(204, "")
		h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A Next", "A End done")
		a.wantNoErrors(t)
	})
	t.Run("always withdrawn", func(t *testing.T) {
		h := &script{queue: map[string][]cwmp.Message{"A": slices.Repeat([]cwmp.Message{&cwmp.Reboot{}}, 1000)}}
		h.sending = func(*cwmp.Session, cwmp.Message) error { return withdrawn }
		a := startACS(t, cwmp.ServerConfig{Handler: h})
		c := a.cpe("192.0.2.7")
		c.inform("A")
		c.wantStatus(204, "")
		calls := h.record()
		if n := len(calls); n > 200 || calls[n-1] != "A End done" {
			t.Errorf("calls: got %d, the last %q; want a bounded number, and the session's normal end", n, calls[n-1])
		}
		a.wantNoErrors(t)
	})
}

func (a *acs) wantNoErrors(t *testing.T) {
	t.Helper()
	if strings.Contains(a.log.String(), `"level":"ERROR"`) {
		t.Errorf("log: got %s, want no error", a.log)
	}
}

package api_test

import (
	"context"
	"encoding/json"
	"testing"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
)

// fullActions has no room for another action's webhooks.
type (
	submitter   = api.Actions
	fullActions struct{ submitter }
)

func (fullActions) Submit(context.Context, acs.Submission) (acs.Receipt, error) {
	return acs.Receipt{}, acs.ErrWebhookQueueFull
}

func TestWebhookQueueFull(t *testing.T) {
	s := newServer(t, func(c *api.Config) { c.Actions = fullActions{c.Actions} })
	crm := s.client(t, "crm")
	for path, body := range map[string]string{
		"/api/v1/devices/reboot":            `{"router_id": "R1"}`,
		"/api/v1/devices/parameters/update": `{"router_id": "R1", "parameters": {"Device.WiFi.SSID.1.SSID": "a"}}`,
	} {
		r := s.do(t, "POST", path, crm.token, body)
		var p wire.Problem
		if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.code != 507 || p.Code != wire.CodeWebhookQueueFull || p.Detail == "" {
			t.Errorf("%s: got %d %s, want 507 %s with a detail", path, r.code, r.body, wire.CodeWebhookQueueFull)
		}
	}
}

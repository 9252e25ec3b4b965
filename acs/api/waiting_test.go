package api_test

import (
	"strings"
	"testing"

	"recado/acs/wire"
)

// A protocolo that waits behind another one says so: by name behind one of the client's own, without a word of whose behind others.
func TestWaitingFor(t *testing.T) {
	s := newServer(t)
	s.device(t, modem, "RTR-42")
	erp, other := s.client(t, "erp"), s.client(t, "other")
	update := func(c caller) wire.Receipt {
		return as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/parameters/update", c.token,
			`{"router_id": "RTR-42", "parameters": {"InternetGatewayDevice.A": 1}}`), 202)
	}
	status := func(c caller, r wire.Receipt) (wire.Protocol, reply) {
		got := s.do(t, "GET", r.StatusURL, c.token, "")
		return as[wire.Protocol](t, got, 200), got
	}
	first := as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", erp.token, `{"router_id": "RTR-42"}`), 202)
	mine, foreign := update(erp), update(other)

	if p, _ := status(erp, first); p.WaitingFor != nil {
		t.Errorf("the first: got %+v, want nothing that it waits for", p.WaitingFor)
	}
	p, r := status(erp, mine)
	if w := p.WaitingFor; w == nil || w.Reason != "turn" || *w.Protocolo != first.Protocolo || *w.Action != "reboot" || *w.Stage != "queued" ||
		*w.DeadlineAt != first.DeadlineAt || *w.StatusURL != first.StatusURL {
		t.Errorf("own: got %s", r.body)
	}
	if !strings.Contains(p.NextStep, "behind protocolo "+first.Protocolo) {
		t.Errorf("own: next step %q, want it to name %s", p.NextStep, first.Protocolo)
	}
	seen := r.header.Get("Etag")
	p, r = status(other, foreign)
	if want := (wire.WaitingFor{Reason: "turn"}); p.WaitingFor == nil || *p.WaitingFor != want {
		t.Errorf("another's: got %+v, want %+v", p.WaitingFor, want)
	}
	if !strings.Contains(p.NextStep, "behind another request for this device") {
		t.Errorf("another's: next step %q", p.NextStep)
	}
	for _, id := range []string{first.Protocolo, mine.Protocolo, strings.ReplaceAll(first.Protocolo, "-", "")} {
		if strings.Contains(string(r.body), id) || strings.Contains(r.header.Get("Etag"), id) {
			t.Errorf("another's: %s is told: %s, %s", id, r.header.Get("Etag"), r.body)
		}
	}
	list := as[wire.List[wire.Protocol]](t, s.do(t, "GET", "/api/v1/protocols", erp.token, ""), 200)
	if w := list.Items[0].WaitingFor; w == nil || *w.Protocolo != first.Protocolo || list.Items[1].WaitingFor != nil {
		t.Errorf("list: got %+v and %+v, want the second to wait for the first", w, list.Items[1].WaitingFor)
	}

	if got := s.do(t, "GET", mine.StatusURL, erp.token, "", "If-None-Match", seen); got.code != 304 {
		t.Errorf("the same again: got %d, want 304", got.code)
	}
	as[wire.Protocol](t, s.do(t, "POST", first.StatusURL+"/cancel", erp.token, ""), 200)
	got := as[wire.Protocol](t, s.do(t, "GET", mine.StatusURL+"?wait=60s", erp.token, "", "If-None-Match", seen), 200)
	if got.WaitingFor != nil || strings.Contains(got.NextStep, "behind") {
		t.Errorf("after the first is gone: got %+v, %q; want nothing", got.WaitingFor, got.NextStep)
	}
}

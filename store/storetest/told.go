package storetest

import (
	"recado/acs"
	"recado/webhook"
)

// told is something that can be told, of a client.
func (e *env) told(to webhook.Endpoint) acs.Outbox {
	event := e.event(to.Client, "")
	event.Protocolo, event.SequenceAt = "", 0
	return acs.Outbox{Events: []webhook.Event{event}, Deliveries: e.deliveries(event, to)}
}

func (e *env) contextTells() {
	to := e.endpoint("cli_told")
	c := acs.Client{ID: "cli_1", Name: "one"}
	other := webhook.Endpoint{ID: e.text("wh_"), Client: "cli_1", URL: "https://x.example/", Events: []string{"*"}, State: webhook.EndpointActive}
	for _, write := range []struct {
		what string
		do   func(*env) error
	}{
		{"CreateClient", func(e *env) error { return e.CreateClient(e.ctx, c) }},
		{"UpdateClient", func(e *env) error {
			_, err := e.UpdateClient(e.ctx, acs.Client{ID: "cli_1", Name: "uno", Version: 1})
			return err
		}},
		{"AddToken", func(e *env) error {
			return e.AddToken(e.ctx, acs.Token{Hash: "00", Client: "cli_1", CreatedAt: e.now()})
		}},
		{"DeleteTokens", func(e *env) error { return e.DeleteTokens(e.ctx, "cli_1") }},
		{"CreateEndpoint", func(e *env) error { return e.CreateEndpoint(e.ctx, other) }},
		{"UpdateEndpoint", func(e *env) error {
			changed := other
			changed.Version, changed.Description = 1, "new"
			_, err := e.UpdateEndpoint(e.ctx, changed)
			return err
		}},
		{"DeleteEndpoint", func(e *env) error { return e.DeleteEndpoint(e.ctx, other.ID) }},
		{"PutFacts", func(e *env) error {
			_, err := e.PutFacts(e.ctx, "cpe-1", identity("SN1"), acs.Facts{City: "x"})
			return err
		}},
		{"DeleteClient", func(e *env) error { return e.DeleteClient(e.ctx, "cli_1") }},
	} {
		o := e.told(to)
		plain := e.ctx
		e.ctx = webhook.WithOutbox(plain, webhook.Outbox(o))
		err := write.do(e)
		e.ctx = plain
		e.ok(write.what, err)
		e.wantPosted(o, 0)
	}
}

func (e *env) contextTellsNothing() {
	to := e.endpoint("cli_told")
	e.ok("create client", e.CreateClient(e.ctx, acs.Client{ID: "cli_1", Name: "one"}))
	e.facts("cpe-1", acs.Facts{})
	for _, write := range []struct {
		what string
		do   func(*env) error
	}{
		{"CreateClient", func(e *env) error { return e.CreateClient(e.ctx, acs.Client{ID: "cli_2", Name: "one"}) }},
		{"UpdateClient", func(e *env) error {
			_, err := e.UpdateClient(e.ctx, acs.Client{ID: "cli_1", Name: "uno", Version: 9})
			return err
		}},
		{"CreateEndpoint", func(e *env) error { return e.CreateEndpoint(e.ctx, to) }},
		{"UpdateEndpoint", func(e *env) error {
			_, err := e.UpdateEndpoint(e.ctx, webhook.Endpoint{ID: to.ID, Version: 9})
			return err
		}},
		{"DeleteEndpoint", func(e *env) error { return e.DeleteEndpoint(e.ctx, "wh_none") }},
		{"PutFacts", func(e *env) error {
			_, err := e.PutFacts(e.ctx, "cpe-1", identity("SN1"), acs.Facts{Version: 9})
			return err
		}},
		{"DeleteClient", func(e *env) error { return e.DeleteClient(e.ctx, "cli_none") }},
	} {
		o := e.told(to)
		plain := e.ctx
		e.ctx = webhook.WithOutbox(plain, webhook.Outbox(o))
		err := write.do(e)
		e.ctx = plain
		e.wantAnyErr(write.what, err)
		e.wantNotPosted(o)
	}
}

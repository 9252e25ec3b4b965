package storetest

import (
	"context"
	"errors"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/webhook"
)

var generalCases = []testCase{
	{"context/one that has ended stores nothing", (*env).endedContext},
	{"ping/works", (*env).ping},
	{"close/nothing works after it", (*env).closed},
}

// call is one call of a Store's method.
type call struct {
	method string
	writes bool
	do     func(ctx context.Context) error
}

// targets are what calls work on.
type targets struct {
	action   acs.Action
	client   acs.Client
	endpoint webhook.Endpoint
	delivery webhook.Delivery
	lease    webhook.Lease
}

// calls are calls of all methods that take a context, each of which would succeed.
func (e *env) calls(on targets) []call {
	final, o := e.verdict(on.action, acs.StatusSuccess, on.endpoint)
	fresh, event := e.action("cli_1", "cpe-9"), e.event("cli_1", "cpe-9")
	settled := webhook.Settlement{State: webhook.DeliveryDelivered}
	return append(e.reads(on), []call{
		{"CreateAction", true, func(ctx context.Context) error {
			_, _, err := e.CreateAction(ctx, fresh, acs.Idempotency{Key: "k9"}, o)
			return err
		}},
		{"UpdateAction", true, func(ctx context.Context) error { _, err := e.UpdateAction(ctx, on.action, o); return err }},
		{"FinishAction", true, func(ctx context.Context) error { _, err := e.FinishAction(ctx, final, o); return err }},
		{"PutFacts", true, func(ctx context.Context) error {
			_, err := e.PutFacts(ctx, "cpe-9", cwmp.DeviceID{}, acs.Facts{})
			return err
		}},
		{"Report", true, func(ctx context.Context) error { return e.Report(ctx, "cpe-9", cwmp.DeviceID{}, acs.Reported{}) }},
		{"LearnTypes", true, func(ctx context.Context) error { return e.LearnTypes(ctx, "cpe-1", map[string]string{"a": "b"}) }},
		{"CreateClient", true, func(ctx context.Context) error { return e.CreateClient(ctx, acs.Client{ID: "cli_9", Name: "9"}) }},
		{"UpdateClient", true, func(ctx context.Context) error { _, err := e.UpdateClient(ctx, on.client); return err }},
		{"AddToken", true, func(ctx context.Context) error { return e.AddToken(ctx, acs.Token{Hash: "h9", Client: "cli_1"}) }},
		{"GrantToken", true, func(ctx context.Context) error {
			return e.GrantToken(ctx, acs.Grant{Token: acs.Token{Hash: "h8", Client: "cli_1", ExpiresAt: e.now().Add(time.Hour)}})
		}},
		{"DeleteTokens", true, func(ctx context.Context) error { return e.DeleteTokens(ctx, "cli_1") }},
		{"CreateEndpoint", true, func(ctx context.Context) error {
			return e.CreateEndpoint(ctx, webhook.Endpoint{ID: "wh_9", Client: "cli_1"})
		}},
		{"UpdateEndpoint", true, func(ctx context.Context) error { _, err := e.UpdateEndpoint(ctx, on.endpoint); return err }},
		{"AddEvent", true, func(ctx context.Context) error { _, err := e.AddEvent(ctx, event, nil); return err }},
		{"Redeliver", true, func(ctx context.Context) error { _, err := e.Redeliver(ctx, on.delivery.ID); return err }},
		{"RecordAttempt", true, func(ctx context.Context) error {
			_, err := e.RecordAttempt(ctx, on.lease, webhook.Attempt{At: e.now()}, settled)
			return err
		}},
		{"DeleteEndpoint", true, func(ctx context.Context) error { return e.DeleteEndpoint(ctx, on.endpoint.ID) }},
		{"DeleteClient", true, func(ctx context.Context) error { return e.DeleteClient(ctx, "cli_1") }},
		{"AppendAudit", true, func(ctx context.Context) error { return e.AppendAudit(ctx, acs.AuditAct{Act: "x"}) }},
		{"ReserveRequests", true, func(ctx context.Context) error { _, err := e.ReserveRequests(ctx, "cli_1", 1, 1, 1); return err }},
		{"ReturnRequests", true, func(ctx context.Context) error { return e.ReturnRequests(ctx, "cli_1", 1, 1) }},
		{"Ping", true, e.Ping},
	}...)
}

func (e *env) reads(on targets) []call {
	return []call{
		{"Action", false, func(ctx context.Context) error { _, err := e.Action(ctx, on.action.ID); return err }},
		{"Actions", false, func(ctx context.Context) error { _, _, err := e.Actions(ctx, acs.ActionFilter{}); return err }},
		{"LiveActions", false, func(ctx context.Context) error { _, err := e.LiveActions(ctx, "cpe-1"); return err }},
		{"DueActions", false, func(ctx context.Context) error { _, _, err := e.DueActions(ctx, 10); return err }},
		{"WaitingDevices", false, func(ctx context.Context) error { _, err := e.WaitingDevices(ctx); return err }},
		{"Device", false, func(ctx context.Context) error { _, err := e.Device(ctx, "cpe-1"); return err }},
		{"Devices", false, func(ctx context.Context) error { _, _, err := e.Devices(ctx, acs.DeviceFilter{}); return err }},
		{"FindDevices", false, func(ctx context.Context) error { _, err := e.FindDevices(ctx, "cpe-1"); return err }},
		{"DeviceByCPEUsername", false, func(ctx context.Context) error { _, err := e.DeviceByCPEUsername(ctx, "user"); return err }},
		{"LearnedTypes", false, func(ctx context.Context) error { _, err := e.LearnedTypes(ctx, "cpe-1", nil); return err }},
		{"Client", false, func(ctx context.Context) error { _, err := e.Client(ctx, "cli_1"); return err }},
		{"Clients", false, func(ctx context.Context) error { _, err := e.Clients(ctx); return err }},
		{"Token", false, func(ctx context.Context) error { _, err := e.Token(ctx, "hash"); return err }},
		{"Endpoint", false, func(ctx context.Context) error { _, err := e.Endpoint(ctx, on.endpoint.ID); return err }},
		{"Endpoints", false, func(ctx context.Context) error { _, err := e.Endpoints(ctx, ""); return err }},
		{"Event", false, func(ctx context.Context) error { _, err := e.Event(ctx, on.delivery.Event); return err }},
		{"Delivery", false, func(ctx context.Context) error { _, err := e.Delivery(ctx, on.delivery.ID); return err }},
		{"Deliveries", false, func(ctx context.Context) error { _, _, err := e.Deliveries(ctx, webhook.DeliveryFilter{}); return err }},
		{"Audit", false, func(ctx context.Context) error { _, _, err := e.Audit(ctx, acs.AuditFilter{}); return err }},
		{"AuditEnds", false, func(ctx context.Context) error { _, err := e.AuditEnds(ctx); return err }},
		{"Attempts", false, func(ctx context.Context) error { _, err := e.Attempts(ctx, on.delivery.ID); return err }},
		{"ClaimDeliveries", false, func(ctx context.Context) error { _, _, err := e.ClaimDeliveries(ctx, limits); return err }},
	}
}

// furnish stores one of everything.
func (e *env) furnish() targets {
	e.Helper()
	on := targets{client: e.client("cli_1", "one"), endpoint: e.endpoint("cli_1")}
	e.ok("add token", e.AddToken(e.ctx, acs.Token{Hash: "hash", Client: "cli_1"}))
	e.facts("cpe-1", acs.Facts{CWMPAuth: acs.Credential{Username: "user", Password: "p"}})
	on.action = e.create(e.action("cli_1", "cpe-1"))
	leased := e.queue(on.endpoint, 1)
	on.lease = e.wantClaim("claim", limits, leased...)[0]
	on.delivery = e.queue(on.endpoint, 1)[0]
	return on
}

func (e *env) endedContext() {
	on := e.furnish()
	before := e.everything()
	cancelled, cancel := context.WithCancel(e.ctx)
	cancel()
	late, cancel := context.WithDeadline(e.ctx, time.Unix(0, 0))
	defer cancel()
	calls := e.calls(on)
	for _, c := range calls {
		e.wantErr(c.method+" with a cancelled context", c.do(cancelled), context.Canceled)
		e.wantErr(c.method+" with a context past its deadline", c.do(late), context.DeadlineExceeded)
	}
	e.same("after the calls that were refused", e.everything(), before)
	// Nothing of the refused calls is left behind: the lease is held, the key is free, the sequence begins at 1.
	e.delivered(on.lease)
	a, existed, err := e.CreateAction(e.ctx, e.action("cli_1", "cpe-1"), acs.Idempotency{Key: "k9", BodyMAC: "other"}, acs.Outbox{})
	e.ok("create with the key of a refused call", err)
	if existed {
		e.Errorf("create with the key of a refused call: got existed, want a new action")
	}
	if a, _ = e.finish(a, acs.StatusSuccess); a.Sequence != 1 {
		e.Errorf("sequence after refused calls: got %d, want 1", a.Sequence)
	}
}

func (e *env) ping() {
	e.ok("ping", e.Ping(e.ctx))
	e.create(e.action("cli_1", "cpe-1"))
	e.ok("ping", e.Ping(e.ctx))
}

func (e *env) closed() {
	calls := e.calls(e.furnish())
	e.ok("close", e.Close())
	for _, c := range calls {
		if err := c.do(e.ctx); !errors.Is(err, acs.ErrUnavailable) {
			e.Errorf("%s after Close: got error %v, want %v", c.method, err, acs.ErrUnavailable)
		}
	}
	e.ok("close again", e.Close())
}

package storetest

import (
	"encoding/binary"
	"fmt"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/webhook"
)

// id makes a UUID of version 7 by the store's clock; ids order as they were made.
func (e *env) id() acs.Protocolo {
	var p acs.Protocolo
	binary.BigEndian.PutUint64(p[:], uint64(e.now().UnixMilli())<<16)
	p[6] = 0x70
	binary.BigEndian.PutUint64(p[8:], e.made.Add(1)|1<<63)
	return p
}

func (e *env) text(prefix string) string { return prefix + e.id().CommandKey() }

// action makes a pending reboot that ends in an hour.
func (e *env) action(client, device string) acs.Action {
	now := e.now()
	return acs.Action{
		ID: e.id(), Client: client, Kind: acs.KindReboot, Device: device, RouterID: "RTR-" + device,
		Status: acs.StatusPending, Stage: acs.StageQueued, CreatedAt: now, DeadlineAt: now.Add(time.Hour),
	}
}

func (e *env) create(a acs.Action) acs.Action {
	e.Helper()
	stored, existed, err := e.CreateAction(e.ctx, a, acs.Idempotency{}, acs.Outbox{})
	e.ok("create action", err)
	if existed {
		e.Fatalf("create action without a key: got existed, want a new one")
	}
	return stored
}

func (e *env) read(id acs.Protocolo) acs.Action {
	e.Helper()
	a, err := e.Action(e.ctx, id)
	e.ok("read action", err)
	return a
}

// verdict gives a with a final status, and the event that tells it to the endpoints.
func (e *env) verdict(a acs.Action, s acs.Status, endpoints ...webhook.Endpoint) (acs.Action, acs.Outbox) {
	event := e.event(a.Client, a.Device)
	event.Protocolo = a.ID.String()
	a.Status, a.FinishedAt, a.FinalEvent = s, e.now(), event.ID
	return a, acs.Outbox{Events: []webhook.Event{event}, Deliveries: e.deliveries(event, endpoints...)}
}

// finish stores a verdict that must be taken.
func (e *env) finish(a acs.Action, s acs.Status, endpoints ...webhook.Endpoint) (acs.Action, acs.Outbox) {
	e.Helper()
	final, o := e.verdict(a, s, endpoints...)
	stored, err := e.FinishAction(e.ctx, final, o)
	e.ok("finish action", err)
	return stored, o
}

// event makes one that wants a sequence number.
func (e *env) event(client, device string) webhook.Event {
	return webhook.Event{
		ID: e.text("evt_"), Type: "action.succeeded", Client: client, Device: device, Time: e.now(),
		Body: []byte(`{"data":{"sequence":}}`), SequenceAt: 20,
	}
}

// deliveries makes one of the event for each endpoint, due now.
func (e *env) deliveries(event webhook.Event, endpoints ...webhook.Endpoint) []webhook.Delivery {
	var list []webhook.Delivery
	for _, to := range endpoints {
		list = append(list, webhook.Delivery{
			ID: e.text("dlv_"), Event: event.ID, EventType: event.Type, Endpoint: to.ID, Client: to.Client,
			Protocolo: event.Protocolo, Device: event.Device, State: webhook.DeliveryPending, NextAt: e.now(), CreatedAt: e.now(),
		})
	}
	return list
}

// endpoint stores an active one and gives it as stored; change may alter it first.
func (e *env) endpoint(client string, change ...func(*webhook.Endpoint)) webhook.Endpoint {
	e.Helper()
	ep := webhook.Endpoint{
		ID: e.text("wh_"), Client: client, URL: "https://receiver.example/hook", Events: []string{"*"},
		State: webhook.EndpointActive, Secret: "whsec_c2VjcmV0", Order: webhook.OrderNone, CreatedAt: e.now(), UpdatedAt: e.now(),
	}
	for _, c := range change {
		c(&ep)
	}
	e.ok("create endpoint", e.CreateEndpoint(e.ctx, ep))
	return e.readEndpoint(ep.ID)
}

func (e *env) readEndpoint(id string) webhook.Endpoint {
	e.Helper()
	ep, err := e.Endpoint(e.ctx, id)
	e.ok("read endpoint", err)
	return ep
}

// queue stores n events, one after the other, each with one delivery to the endpoint; change may alter the deliveries first.
func (e *env) queue(to webhook.Endpoint, n int, change ...func(i int, d *webhook.Delivery)) []webhook.Delivery {
	e.Helper()
	var all []webhook.Delivery
	for i := range n {
		event := e.event(to.Client, "")
		event.SequenceAt = 0
		ds := e.deliveries(event, to)
		for _, c := range change {
			c(i, &ds[0])
		}
		_, err := e.AddEvent(e.ctx, event, ds)
		e.ok("add event", err)
		all = append(all, ds...)
	}
	return all
}

func (e *env) readDelivery(id string) webhook.Delivery {
	e.Helper()
	d, err := e.Delivery(e.ctx, id)
	e.ok("read delivery", err)
	return d
}

// limits are wide ones.
var limits = webhook.ClaimLimits{Total: 1000, PerEndpoint: 1000, Lease: time.Minute}

func (e *env) claim(l webhook.ClaimLimits) ([]webhook.Lease, time.Time) {
	e.Helper()
	leases, wake, err := e.ClaimDeliveries(e.ctx, l)
	e.ok("claim deliveries", err)
	return leases, wake
}

// wantClaim claims and fails where the leased deliveries are not these, in any order.
func (e *env) wantClaim(what string, l webhook.ClaimLimits, want ...webhook.Delivery) []webhook.Lease {
	e.Helper()
	leases, _ := e.claim(l)
	e.same(what, sorted(leasedIDs(leases)), sorted(deliveryIDs(want)))
	return leases
}

// record is RecordAttempt where the error is what counts.
func (e *env) record(l webhook.Lease, a webhook.Attempt, s webhook.Settlement) error {
	_, err := e.RecordAttempt(e.ctx, l, a, s)
	return err
}

// settle records an attempt that must be taken, and gives the state that it brought the endpoint to.
func (e *env) settle(l webhook.Lease, a webhook.Attempt, s webhook.Settlement) webhook.EndpointState {
	e.Helper()
	became, err := e.RecordAttempt(e.ctx, l, a, s)
	e.ok("record attempt", err)
	return became
}

// delivered settles a lease as done.
func (e *env) delivered(l webhook.Lease) {
	e.Helper()
	e.settle(l, webhook.Attempt{At: e.now(), Status: 204}, webhook.Settlement{State: webhook.DeliveryDelivered})
}

func identity(serial string) cwmp.DeviceID {
	return cwmp.DeviceID{Manufacturer: "Maker", OUI: "00259E", ProductClass: "HG8245H", SerialNumber: serial}
}

// facts stores the first facts of a device.
func (e *env) facts(id string, f acs.Facts) acs.Device {
	e.Helper()
	d, err := e.PutFacts(e.ctx, id, identity("SN"+id), f)
	e.ok(fmt.Sprintf("put facts of %s", id), err)
	return d
}

func (e *env) report(id string, r acs.Reported) {
	e.Helper()
	e.ok("report", e.Report(e.ctx, id, identity("SN"+id), r))
}

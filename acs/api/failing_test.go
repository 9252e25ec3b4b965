package api_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

// doer is a receiver that can be reached, or not.
type doer struct{ up atomic.Bool }

func (d *doer) Do(r *http.Request) (*http.Response, error) {
	if !d.up.Load() {
		return nil, errors.New("connection refused")
	}
	return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

// An endpoint that cannot be reached says since when, when it is asked again, and what waits for it.
func TestFailingEndpointIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.client(t, "erp")
		receiver := &doer{}
		d := webhook.NewDispatcher(webhook.DispatcherConfig{
			Store: s.store, Catalogue: acs.EventTypes, Clients: webhook.ClientsFunc(func(webhook.Endpoint) webhook.Doer { return receiver }),
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		defer func() { stop(); <-ended }()
		began := time.Now()
		id := s.told(t, c, 5)
		synctest.Wait()
		show := func() wire.Webhook {
			t.Helper()
			return as[wire.Webhook](t, s.do(t, "GET", "/api/v1/webhooks/"+id, c.token, ""), 200)
		}
		time.Sleep(time.Second)
		w := show()
		if w.State != "failing" || !w.Active || w.FailingSince == nil || !time.Time(*w.FailingSince).Equal(began) || w.ProbeAt == nil ||
			!time.Time(*w.ProbeAt).Equal(began.Add(webhook.FirstProbeWait)) {
			t.Fatalf("got %+v, want it failing since %v and asked again %v later", w, began, webhook.FirstProbeWait)
		}
		time.Sleep(webhook.FirstProbeWait)
		list := as[page[wire.Delivery]](t, s.do(t, "GET", "/api/v1/webhooks/"+id+"/deliveries", c.token, ""), 200)
		probes := 0
		for _, d := range list.Items {
			if d.State != "held" {
				t.Errorf("delivery %s: got %s, want held", d.ID, d.State)
			}
			for _, a := range as[page[wire.Attempt]](t, s.do(t, "GET", "/api/v1/deliveries/"+d.ID+"/attempts", c.token, ""), 200).Items {
				if a.Probe {
					probes++
				}
			}
		}
		if len(list.Items) != 5 || probes != 1 {
			t.Errorf("got %d deliveries and %d probes, want 5 and 1", len(list.Items), probes)
		}
		receiver.up.Store(true)
		time.Sleep(2 * webhook.FirstProbeWait)
		synctest.Wait()
		if w := show(); w.State != "active" || w.FailingSince != nil || w.ProbeAt != nil || w.LastSuccessAt == nil {
			t.Errorf("got %+v, want it active and well", w)
		}
		for _, d := range as[page[wire.Delivery]](t, s.do(t, "GET", "/api/v1/webhooks/"+id+"/deliveries", c.token, ""), 200).Items {
			if d.State != "delivered" || d.NextAt != nil {
				t.Errorf("delivery %s: got %s, next at %v, want delivered", d.ID, d.State, d.NextAt)
			}
		}
	})
}

// What was put off is due with the release, and is shown so.
func TestReleasedDeliveryIsDue(t *testing.T) {
	s := newServer(t)
	c := s.client(t, "erp")
	id := s.told(t, c, 0)
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	body := []byte(`{"type":"webhook.test","id":"evt_0192f6a1b2c37d4e8f90a1b2c3d4e5f6","timestamp":"2026-11-21T10:07:00.123Z","data":{"webhook_id":"` + id + `","message":"x"}}`)
	_, err := s.store.AddEvent(t.Context(), webhook.Event{ID: "evt_0192f6a1b2c37d4e8f90a1b2c3d4e5f6", Type: "webhook.test", Client: c.id, Time: at, Body: body}, []webhook.Delivery{{
		ID: "dlv_1", Event: "evt_0192f6a1b2c37d4e8f90a1b2c3d4e5f6", EventType: "webhook.test", Endpoint: id, Client: c.id, State: webhook.DeliveryPending,
		CreatedAt: at, NextAt: at.Add(10 * time.Hour),
	}})
	if err != nil {
		t.Fatal(err)
	}
	next := func() time.Time {
		t.Helper()
		return time.Time(*as[wire.Delivery](t, s.do(t, "GET", "/api/v1/deliveries/dlv_1", c.token, ""), 200).NextAt)
	}
	if got := next(); !got.Equal(at.Add(10 * time.Hour)) {
		t.Errorf("next at: got %v, want as stored", got)
	}
	for _, active := range []string{"false", "true"} {
		as[wire.Webhook](t, s.do(t, "PATCH", "/api/v1/webhooks/"+id, c.token, `{"active": `+active+`}`), 200)
	}
	if got := next(); got.After(time.Now()) {
		t.Errorf("next at after a resume: got %v, want a time that has come", got)
	}
}

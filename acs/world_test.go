package acs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/acs/wire/wiretest"
	"recado/cwmp"
	"recado/store/memstore"
	"recado/webhook"
)

// world is an engine over a memstore with the clock of a synctest bubble. Devices are played by the test, on the handler itself.
type world struct {
	t      *testing.T
	store  *memstore.Store
	svc    *acs.Service
	h      *acs.Sessions
	waker  *waker
	client acs.Client
	n      atomic.Int64
}

// worldHook is the id of the client's endpoint.
const worldHook = "wh_01900000000070008000000000000001"

// waker stands for the devices' side of connection requests.
type waker struct {
	mu     sync.Mutex
	err    error
	calls  []time.Time
	byURL  map[string]int
	before func(cwmp.ConnectionRequest)
}

func (w *waker) Request(ctx context.Context, r cwmp.ConnectionRequest) error {
	w.mu.Lock()
	w.calls = append(w.calls, time.Now())
	if w.byURL == nil {
		w.byURL = make(map[string]int)
	}
	w.byURL[r.URL]++
	err, before := w.err, w.before
	w.mu.Unlock()
	if before != nil {
		before(r)
	}
	if err != nil && err.(*cwmp.RequestError).Reason == cwmp.RequestTimeout {
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
		}
	}
	return err
}

func (w *waker) fail(reason cwmp.RequestReason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = nil
	if reason != "" {
		w.err = &cwmp.RequestError{Reason: reason}
	}
}

func (w *waker) onRequest(f func(cwmp.ConnectionRequest)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = f
}

func (w *waker) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls)
}

// inWorld runs a story in a bubble: the engine's loops run, and end when the story does.
func inWorld(t *testing.T, cfg acs.SessionsConfig, story func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := acs.NewSweeper(w.svc).Run(ctx); err != nil {
				t.Errorf("sweeper: %v", err)
			}
		})
		wg.Go(func() {
			if err := acs.NewConnector(w.svc, w.waker, acs.ConnectorConfig{}).Run(ctx); err != nil {
				t.Errorf("connector: %v", err)
			}
		})
		story(w)
		cancel()
		wg.Wait()
	})
}

func newWorld(t *testing.T, cfg acs.SessionsConfig) *world {
	t.Helper()
	w := &world{t: t, store: memstore.New(), waker: &waker{}}
	var err error
	if w.svc, err = acs.NewService(w.store, acs.ServiceConfig{}); err != nil {
		t.Fatal(err)
	}
	w.h = acs.NewSessions(w.svc, cfg)
	t.Cleanup(w.checkBodies)
	made, err := w.svc.CreateClient(t.Context(), acs.NewClient{Name: "crm"})
	if err != nil {
		t.Fatal(err)
	}
	w.client = made.Client
	err = w.store.CreateEndpoint(t.Context(), webhook.Endpoint{
		ID: worldHook, Client: w.client.ID, URL: "https://crm.example/hook", Events: []string{"*"}, State: webhook.EndpointActive, Version: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) submit(sub acs.Submission) acs.Action {
	w.t.Helper()
	sub.Client = w.client
	r, err := w.svc.Submit(w.t.Context(), sub)
	if err != nil {
		w.t.Fatalf("submit: %v", err)
	}
	return r.Action
}

func (w *world) reboot(c *cpe) acs.Action {
	w.t.Helper()
	return w.submit(acs.Submission{Kind: acs.KindReboot, RouterID: c.id.Key()})
}

func (w *world) update(c *cpe, verify bool, pairs ...string) acs.Action {
	w.t.Helper()
	sub := acs.Submission{Kind: acs.KindParametersUpdate, RouterID: c.id.Key(), Verify: verify}
	for i := 0; i < len(pairs); i += 2 {
		v, _ := json.Marshal(pairs[i+1])
		sub.Parameters = append(sub.Parameters, acs.ParameterInput{Name: pairs[i], Value: v})
	}
	return w.submit(sub)
}

func (w *world) action(a acs.Action) acs.Action {
	w.t.Helper()
	got, err := w.svc.Action(w.t.Context(), w.client, a.ID)
	if err != nil {
		w.t.Fatalf("action: %v", err)
	}
	return got
}

// want checks an action's status, stage and reason.
func (w *world) want(a acs.Action, status acs.Status, stage acs.Stage, reason acs.Reason) acs.Action {
	w.t.Helper()
	synctest.Wait()
	got := w.action(a)
	if got.Status != status || got.Stage != stage || got.Reason != reason {
		w.t.Fatalf("action: got %s/%s/%q, want %s/%s/%q\ntimeline: %s", got.Status, got.Stage, got.Reason, status, stage, reason, timeline(got))
	}
	return got
}

func timeline(a acs.Action) string {
	var b strings.Builder
	for _, e := range a.Timeline {
		fmt.Fprintf(&b, "\n  %s %s: %s", e.At.Format("15:04:05.000"), e.What, e.Detail)
	}
	return b.String()
}

// checkBodies holds the body of every event of the story against its schema.
func (w *world) checkBodies() {
	all, _, err := w.store.Events(context.Background(), webhook.EventFilter{})
	if err != nil {
		w.t.Errorf("events: %v", err)
	}
	for _, e := range all {
		if err := wiretest.CheckBody(e.Type, e.Bytes()); err != nil {
			w.t.Errorf("the body of an event is wrong: %v\n%s", err, e.Bytes())
		}
	}
}

// events lists the bodies of an action's events in order.
func (w *world) events(a acs.Action) []wire.ActionEvent {
	w.t.Helper()
	ds, _, err := w.store.Deliveries(w.t.Context(), webhook.DeliveryFilter{Protocolo: a.ID.String()})
	if err != nil {
		w.t.Fatal(err)
	}
	var out []wire.ActionEvent
	for i := len(ds) - 1; i >= 0; i-- {
		e, err := w.store.Event(w.t.Context(), ds[i].Event)
		if err != nil {
			w.t.Fatal(err)
		}
		var body wire.ActionEvent
		if err := json.Unmarshal(e.Bytes(), &body); err != nil {
			w.t.Fatalf("event body %s: %v", e.Bytes(), err)
		}
		out = append(out, body)
	}
	return out
}

// wantEvents checks the types of an action's events, in order.
func (w *world) wantEvents(a acs.Action, types ...string) []wire.ActionEvent {
	w.t.Helper()
	es := w.events(a)
	var got []string
	for _, e := range es {
		got = append(got, e.Type)
	}
	if strings.Join(got, " ") != strings.Join(types, " ") {
		w.t.Fatalf("events: got %v, want %v", got, types)
	}
	return es
}

// cpe is a device played by hand.
type cpe struct {
	w    *world
	id   cwmp.DeviceID
	user string
	url  string
}

func (w *world) cpe(serial string) *cpe {
	return &cpe{
		w: w, id: cwmp.DeviceID{Manufacturer: "ACME", OUI: "00259E", ProductClass: "HG8245H", SerialNumber: serial},
		url: "http://192.0.2.7:7547/" + serial,
	}
}

// talk is a session.
type talk struct {
	c *cpe
	s *cwmp.Session
}

func (c *cpe) inform(events ...cwmp.Event) *cwmp.Inform {
	p := func(name, value string) cwmp.ParameterValue {
		return cwmp.ParameterValue{Name: "Device." + name, Value: value, Type: "xsd:string"}
	}
	return &cwmp.Inform{DeviceID: c.id, Events: events, RetryCount: "0", ParameterList: []cwmp.ParameterValue{
		p("DeviceInfo.SoftwareVersion", "V1.2"), p("ManagementServer.ConnectionRequestURL", c.url),
	}}
}

func (c *cpe) open(events ...cwmp.Event) *talk {
	c.w.t.Helper()
	return c.openWith(c.inform(events...))
}

func (c *cpe) openWith(in *cwmp.Inform) *talk {
	c.w.t.Helper()
	tk, err := c.try(in)
	if err != nil {
		c.w.t.Fatalf("inform: %v", err)
	}
	return tk
}

func (c *cpe) try(in *cwmp.Inform) (*talk, error) {
	tk := &talk{c: c, s: &cwmp.Session{
		ID: fmt.Sprintf("session-%08d", c.w.n.Add(1)), Device: in.DeviceID, Username: c.user, RemoteAddr: netip.MustParseAddr("192.0.2.7"),
		Namespace: cwmp.Namespace10, Started: time.Now(),
	}}
	return tk, c.w.h.Inform(c.w.t.Context(), tk.s, in)
}

// next takes the next request as cwmp.Server would.
func (tk *talk) next() cwmp.Message {
	tk.c.w.t.Helper()
	m, err := tk.c.w.h.Next(tk.c.w.t.Context(), tk.s)
	if err != nil {
		tk.c.w.t.Fatalf("next: %v", err)
	}
	if m == nil {
		return nil
	}
	if err := tk.c.w.h.Sending(tk.c.w.t.Context(), tk.s, m); err != nil {
		tk.c.w.t.Fatalf("sending: %v", err)
	}
	return m
}

func (tk *talk) answer(request, response cwmp.Message) {
	tk.c.w.t.Helper()
	if err := tk.c.w.h.Response(tk.c.w.t.Context(), tk.s, request, response); err != nil {
		tk.c.w.t.Fatalf("response: %v", err)
	}
}

func (tk *talk) end(reason cwmp.EndReason, unanswered cwmp.Message) {
	tk.c.w.h.End(tk.s, reason, unanswered)
}

// wantNone checks that nothing is to be sent, and ends the session.
func (tk *talk) wantNone() {
	tk.c.w.t.Helper()
	if m := tk.next(); m != nil {
		tk.c.w.t.Fatalf("next: got %s, want nothing", m.Method())
	}
	tk.end(cwmp.EndDone, nil)
}

func (tk *talk) wantReboot(key acs.Action) *cwmp.Reboot {
	tk.c.w.t.Helper()
	m := tk.next()
	r, ok := m.(*cwmp.Reboot)
	if !ok {
		tk.c.w.t.Fatalf("next: got %T, want Reboot", m)
	}
	if r.CommandKey != key.ID.CommandKey() {
		tk.c.w.t.Fatalf("CommandKey: got %s, want %s", r.CommandKey, key.ID.CommandKey())
	}
	return r
}

func (tk *talk) wantUpdate(a acs.Action) *cwmp.SetParameterValues {
	tk.c.w.t.Helper()
	m := tk.next()
	r, ok := m.(*cwmp.SetParameterValues)
	if !ok {
		tk.c.w.t.Fatalf("next: got %T, want SetParameterValues", m)
	}
	if r.ParameterKey != a.ID.CommandKey() {
		tk.c.w.t.Fatalf("ParameterKey: got %s, want %s", r.ParameterKey, a.ID.CommandKey())
	}
	return r
}

func (tk *talk) wantRead(names ...string) *cwmp.GetParameterValues {
	tk.c.w.t.Helper()
	m := tk.next()
	r, ok := m.(*cwmp.GetParameterValues)
	if !ok {
		tk.c.w.t.Fatalf("next: got %T, want GetParameterValues", m)
	}
	if strings.Join(r.ParameterNames, " ") != strings.Join(names, " ") {
		tk.c.w.t.Fatalf("names: got %v, want %v", r.ParameterNames, names)
	}
	return r
}

func values(pairs ...string) *cwmp.GetParameterValuesResponse {
	m := &cwmp.GetParameterValuesResponse{}
	for i := 0; i < len(pairs); i += 2 {
		m.ParameterList = append(m.ParameterList, cwmp.ParameterValue{Name: pairs[i], Value: pairs[i+1], Type: "xsd:string"})
	}
	return m
}

func event(code string) cwmp.Event { return cwmp.Event{EventCode: code} }

func mReboot(a acs.Action) cwmp.Event {
	return cwmp.Event{EventCode: cwmp.EventMReboot, CommandKey: a.ID.CommandKey()}
}

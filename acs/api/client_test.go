package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
)

// direct is a transport into the API without a socket. It holds every exchange against openapi.yaml, and counts the operations.
type direct struct {
	t *testing.T
	s *server

	mu     sync.Mutex
	called map[string]bool
}

func (d *direct) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	in := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body)).WithContext(r.Context())
	in.Header = r.Header.Clone()
	w := httptest.NewRecorder()
	d.s.api.ServeHTTP(w, in)
	checkExchange(d.t, in, body, w)
	if route, _, err := loadDescription(d.t).router.FindRoute(in); err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.called[route.Operation.OperationID] = true
	}
	return w.Result(), nil
}

func goClient(t *testing.T, s *server, token string) (*client.Client, *direct) {
	t.Helper()
	d := &direct{t: t, s: s, called: map[string]bool{}}
	c, err := client.New("http://recado.test", token, client.WithHTTPClient(&http.Client{Transport: d}))
	if err != nil {
		t.Fatal(err)
	}
	return c, d
}

// must gives the value of a call that may not fail.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%T: %v", v, err)
		}
		return v
	}
}

// TestClientCalls makes every call of the Go client to the real API: each operation of the description is reached.
func TestClientCalls(t *testing.T) {
	ctx := context.Background()
	s := newServer(t)
	c, d := goClient(t, s, s.admin)
	router := "RTR-42"
	const odd = "00259E-HG8245H%2DV5-48575443"
	must(c.PutDevice(ctx, odd, wire.DevicePut{RouterID: &router}))(t)
	if got := must(c.Device(ctx, odd))(t); got.ID != odd {
		t.Errorf("device: got %s, want %s", got.ID, odd)
	}
	must(c.Devices(ctx, client.DeviceFilter{Search: "rtr", Page: client.Page{Limit: 3}}))(t)

	hook := must(c.CreateWebhook(ctx, wire.WebhookCreate{URL: "https://x.example"}))(t)
	first := must(c.Reboot(ctx, wire.RebootRequest{RouterID: router}, client.IdempotencyKey("k")))(t)
	if again := must(c.Reboot(ctx, wire.RebootRequest{RouterID: router}, client.IdempotencyKey("k")))(t); again != first {
		t.Errorf("the same key: got %+v, want %+v", again, first)
	}
	update := must(c.UpdateParameters(ctx, wire.ParametersUpdateRequest{RouterID: router, Parameters: wire.Parameters{
		{Name: "Device.WiFi.SSID.1.SSID", Value: []byte(`"Casa"`)},
	}}))(t)
	must(c.Protocol(ctx, update.Protocolo))(t)
	must(c.Cancel(ctx, update.Protocolo))(t)
	l := must(c.Protocols(ctx, client.ProtocolFilter{Statuses: []string{"pending", "cancelled"}, Since: time.Now().Add(-time.Hour)}))(t)
	if len(l.Items) != 2 {
		t.Errorf("protocols: got %d, want 2", len(l.Items))
	}

	must(c.Webhook(ctx, hook.ID))(t)
	off := false
	must(c.ChangeWebhook(ctx, hook.ID, wire.WebhookChange{Active: &off}))(t)
	must(c.Webhooks(ctx, client.Page{}))(t)
	rotated := must(c.RotateWebhook(ctx, hook.ID, wire.WebhookRotate{}))(t)
	if shown := must(c.WebhookSecret(ctx, hook.ID))(t); shown.Secret != rotated.Secret || shown.OldSecret != hook.Secret {
		t.Error("the secrets shown are not those of the rotation and the registration")
	}
	must(c.PromoteWebhook(ctx, hook.ID))(t)
	x := must(c.VerifyWebhook(ctx, hook.ID, wire.WebhookVerify{Body: rotated.Example.Body, Headers: map[string]wire.HeaderValues{
		"webhook-id": {rotated.Example.ID}, "webhook-timestamp": {rotated.Example.Timestamp}, "webhook-signature": {rotated.Example.Signature},
	}}))(t)
	if !x.Accepted {
		t.Errorf("the rotation's own example: got %+v, want accepted", x)
	}
	tested := must(c.TestWebhook(ctx, hook.ID))(t)
	must(c.Deliveries(ctx, client.DeliveryFilter{Webhook: hook.ID, States: []string{"pending"}}))(t)
	must(c.WebhookDeliveries(ctx, hook.ID, client.DeliveryFilter{Event: tested.EventID}))(t)
	must(c.Delivery(ctx, tested.Delivery.ID))(t)
	must(c.Attempts(ctx, tested.Delivery.ID))(t)
	must(c.Replay(ctx, tested.Delivery.ID))(t)
	if s := must(c.WebhookStats(ctx, hook.ID, 2*time.Hour))(t); s.Events != 1 || s.QueueDepth != 1 {
		t.Errorf("stats: got %+v, want the one event pending", s)
	}
	if h := must(c.WebhooksHealth(ctx))(t); h.Status != "healthy" || h.Checks["store"].Status != "healthy" {
		t.Errorf("health: got %+v, want all healthy", h)
	}
	job := must(c.ReplayMany(ctx, wire.ReplayRequest{States: []string{"delivered"}}))(t)
	must(c.CancelReplay(ctx, job.ID))(t)
	must(c.ReplayWebhook(ctx, hook.ID, wire.ReplayRequest{Types: []string{"webhook.test"}}))(t)
	if l := must(c.Replays(ctx, client.Page{Limit: 5}))(t); len(l.Items) != 2 || l.Items[1].ID != job.ID {
		t.Errorf("replays: got %+v, want two, the newest first", l)
	}
	if r := must(c.ReplayJob(ctx, job.ID))(t); r.State != "cancelled" {
		t.Errorf("replay: got %s, want cancelled", r.State)
	}
	must(c.Events(ctx, client.EventFilter{Types: []string{"webhook.test"}, Since: time.Now().Add(-time.Hour), Page: client.Page{Limit: 5}}))(t)
	must(c.Event(ctx, tested.EventID))(t)
	if l := must(c.EventTypes(ctx, client.Page{Limit: 2}))(t); len(l.Items) != 2 {
		t.Errorf("event types: got %d, want 2", len(l.Items))
	}
	if e := must(c.EventType(ctx, "webhook.test"))(t); e.Name != "webhook.test" || len(e.Schema) == 0 || len(e.Example) == 0 {
		t.Errorf("event type: got %+v, want webhook.test with schema and example", e)
	}
	must(c.EventDeliveries(ctx, tested.EventID, client.Page{}))(t)
	if got := must(c.TryFilter(ctx, wire.FilterTry{Filter: wire.WebhookFilter{Expression: `type == "webhook.test"`}}))(t); got.Matched != 1 {
		t.Errorf("filter tried: got %d events matched, want 1", got.Matched)
	}

	made := must(c.CreateClient(ctx, wire.ClientCreate{Name: "erp"}))(t)
	must(c.Client(ctx, made.ID))(t)
	must(c.ChangeClient(ctx, made.ID, wire.ClientChange{Blocked: &off}))(t)
	must(client.All(ctx, 0, c.Clients))(t)
	must(c.NewToken(ctx, made.ID))(t)
	must(c.Audit(ctx, client.AuditFilter{Act: "client.created", Since: time.Now().Add(-time.Hour), OldestFirst: true}))(t)
	must(c.AuditEnds(ctx))(t)
	for name, err := range map[string]error{
		"revoke": c.RevokeTokens(ctx, made.ID), "delete client": c.DeleteClient(ctx, made.ID), "delete webhook": c.DeleteWebhook(ctx, hook.ID),
		"live": c.Live(ctx), "ready": c.Ready(ctx),
	} {
		// Maps have no order, but these calls are made in the order written.
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	own := must(c.CreateClient(ctx, wire.ClientCreate{Name: "own"}))(t)
	fetching, err := client.New("http://recado.test", "", client.WithHTTPClient(&http.Client{Transport: d}), client.WithClientCredentials(own.ClientID, own.ClientSecret))
	if err != nil {
		t.Fatal(err)
	}
	must(fetching.Protocols(ctx, client.ProtocolFilter{}))(t)
	for path, item := range loadDescription(t).doc.Paths.Map() {
		for method, op := range item.Operations() {
			if !d.called[op.OperationID] && !slices.Contains(op.Tags, "ixc") && op.OperationID != "metrics" && op.OperationID != "description" {
				t.Errorf("%s %s is reached by no call of the client", method, path)
			}
		}
	}
}

// TestClientWaits follows a real action from its queue to its cancelling.
func TestClientWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		s := newServer(t)
		s.device(t, modem, "RTR-42")
		c, _ := goClient(t, s, s.admin)
		receipt := must(c.Reboot(ctx, wire.RebootRequest{RouterID: "RTR-42"}))(t)
		go func() {
			time.Sleep(100 * time.Second)
			_, _ = c.Cancel(ctx, receipt.Protocolo)
		}()
		start := time.Now()
		var heard []string
		p := must(c.Wait(ctx, receipt.Protocolo, func(p wire.Protocol) { heard = append(heard, p.Status) }))(t)
		if took := time.Since(start); p.Status != "cancelled" || took != 100*time.Second {
			t.Errorf("got %s after %v, want cancelled after 1m40s", p.Status, took)
		}
		if want := []string{"pending", "cancelled"}; !reflect.DeepEqual(heard, want) {
			t.Errorf("heard %v, want %v", heard, want)
		}
	})
}

package client

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"recado/acs/wire"
)

// DeviceFilter selects devices; empty fields do not filter.
type DeviceFilter struct {
	Page
	// Search is a part of the id, router_id, PPPoE login, serial number or MAC.
	Search string
	Tags   []string // with one of them
	// RouterID is a name as an action takes it: router_id, device id, PPPoE login, serial number or MAC. It goes without the others.
	RouterID string
}

// Devices lists devices by id.
func (c *Client) Devices(ctx context.Context, f DeviceFilter) (wire.List[wire.Device], error) {
	return get[wire.List[wire.Device]](ctx, c, request{path: base + "/devices", query: f.query("search", f.Search, "tags", strings.Join(f.Tags, ","), "router_id", f.RouterID)})
}

// Device tells what is known of a device.
func (c *Client) Device(ctx context.Context, id string) (wire.Device, error) {
	return get[wire.Device](ctx, c, request{path: named("devices", id)})
}

// PutDevice says what the provider knows of a device.
func (c *Client) PutDevice(ctx context.Context, id string, in wire.DevicePut) (wire.Device, error) {
	return do[wire.Device](ctx, c, http.MethodPut, named("devices", id), in)
}

// CreateWebhook registers an endpoint. The reply alone shows its secret.
func (c *Client) CreateWebhook(ctx context.Context, in wire.WebhookCreate) (wire.WebhookCreated, error) {
	return do[wire.WebhookCreated](ctx, c, http.MethodPost, base+"/webhooks", in)
}

// Webhooks lists the client's endpoints.
func (c *Client) Webhooks(ctx context.Context, p Page) (wire.List[wire.Webhook], error) {
	return get[wire.List[wire.Webhook]](ctx, c, request{path: base + "/webhooks", query: p.query()})
}

// Webhook shows an endpoint.
func (c *Client) Webhook(ctx context.Context, id string) (wire.Webhook, error) {
	return get[wire.Webhook](ctx, c, request{path: named("webhooks", id)})
}

// ChangeWebhook changes an endpoint.
func (c *Client) ChangeWebhook(ctx context.Context, id string, in wire.WebhookChange) (wire.Webhook, error) {
	return do[wire.Webhook](ctx, c, http.MethodPatch, named("webhooks", id), in)
}

// DeleteWebhook deletes an endpoint.
func (c *Client) DeleteWebhook(ctx context.Context, id string) error {
	return c.remove(ctx, named("webhooks", id))
}

// TestWebhook sends an endpoint a webhook.test event.
func (c *Client) TestWebhook(ctx context.Context, id string) (wire.WebhookTested, error) {
	return do[wire.WebhookTested](ctx, c, http.MethodPost, named("webhooks", id, "test"), nil)
}

// DeliveryFilter selects deliveries; empty fields do not filter.
type DeliveryFilter struct {
	Page
	Webhook, Event, Protocolo string
	States                    []string // pending, held, delivered, dead, cancelled
	Types                     []string // of events
	Since, Until              time.Time
}

func (f *DeliveryFilter) pairs(more ...string) url.Values {
	return f.query(append(more, "event", f.Event, "protocolo", f.Protocolo, "state", strings.Join(f.States, ","),
		"type", strings.Join(f.Types, ","), "since", since(f.Since), "until", since(f.Until))...)
}

// Deliveries lists the client's deliveries, newest first.
func (c *Client) Deliveries(ctx context.Context, f DeliveryFilter) (wire.List[wire.Delivery], error) {
	return get[wire.List[wire.Delivery]](ctx, c, request{path: base + "/deliveries", query: f.pairs("webhook", f.Webhook)})
}

// WebhookDeliveries lists an endpoint's deliveries, newest first. Webhook of the filter does not count.
func (c *Client) WebhookDeliveries(ctx context.Context, id string, f DeliveryFilter) (wire.List[wire.Delivery], error) {
	return get[wire.List[wire.Delivery]](ctx, c, request{path: named("webhooks", id, "deliveries"), query: f.pairs()})
}

// Delivery shows a delivery.
func (c *Client) Delivery(ctx context.Context, id string) (wire.Delivery, error) {
	return get[wire.Delivery](ctx, c, request{path: named("deliveries", id)})
}

// Attempts lists a delivery's attempts, oldest first.
func (c *Client) Attempts(ctx context.Context, delivery string) ([]wire.Attempt, error) {
	l, err := get[wire.List[wire.Attempt]](ctx, c, request{path: named("deliveries", delivery, "attempts")})
	return l.Items, err
}

// Replay delivers again.
func (c *Client) Replay(ctx context.Context, delivery string) (wire.Delivery, error) {
	return do[wire.Delivery](ctx, c, http.MethodPost, named("deliveries", delivery, "replay"), nil)
}

// CreateClient makes an API client. The reply alone shows its token and secret.
func (c *Client) CreateClient(ctx context.Context, in wire.ClientCreate) (wire.ClientCreated, error) {
	return do[wire.ClientCreated](ctx, c, http.MethodPost, base+"/clients", in)
}

// Clients lists API clients.
func (c *Client) Clients(ctx context.Context, p Page) (wire.List[wire.Client], error) {
	return get[wire.List[wire.Client]](ctx, c, request{path: base + "/clients", query: p.query()})
}

// Client shows an API client.
func (c *Client) Client(ctx context.Context, id string) (wire.Client, error) {
	return get[wire.Client](ctx, c, request{path: named("clients", id)})
}

// ChangeClient changes or blocks an API client.
func (c *Client) ChangeClient(ctx context.Context, id string, in wire.ClientChange) (wire.Client, error) {
	return do[wire.Client](ctx, c, http.MethodPatch, named("clients", id), in)
}

// DeleteClient deletes an API client with its tokens and webhooks.
func (c *Client) DeleteClient(ctx context.Context, id string) error {
	return c.remove(ctx, named("clients", id))
}

// NewToken makes another token of an API client. The reply alone shows it.
func (c *Client) NewToken(ctx context.Context, client string) (wire.TokenCreated, error) {
	return do[wire.TokenCreated](ctx, c, http.MethodPost, named("clients", client, "tokens"), nil)
}

// RevokeTokens makes all tokens of an API client worthless.
func (c *Client) RevokeTokens(ctx context.Context, client string) error {
	return c.remove(ctx, named("clients", client, "tokens"))
}

// AuditFilter selects entries of the record of who did what; empty fields do not filter.
type AuditFilter struct {
	Page
	Client string // what it did, and what was done to it
	Act    string
	Object string
	// Since and Until bound the time: from Since on, before Until.
	Since, Until time.Time
	OldestFirst  bool
}

// Audit lists entries of the record of who did what, the newest first where the filter does not say otherwise.
func (c *Client) Audit(ctx context.Context, f AuditFilter) (wire.List[wire.AuditEntry], error) {
	order := ""
	if f.OldestFirst {
		order = "oldest"
	}
	return get[wire.List[wire.AuditEntry]](ctx, c, request{path: base + "/audit", query: f.query("client", f.Client, "act", f.Act,
		"object", f.Object, "since", since(f.Since), "until", since(f.Until), "order", order)})
}

// AuditEnds tells both ends of the record of who did what.
func (c *Client) AuditEnds(ctx context.Context) (wire.AuditEnds, error) {
	return get[wire.AuditEnds](ctx, c, request{path: base + "/audit/ends"})
}

// Live asks whether the server's process lives; no token is needed.
func (c *Client) Live(ctx context.Context) error {
	_, err := get[wire.Health](ctx, c, request{path: "/healthz"})
	return err
}

// Ready asks whether the server can take requests; no token is needed.
func (c *Client) Ready(ctx context.Context) error {
	_, err := get[wire.Health](ctx, c, request{path: "/readyz"})
	return err
}

// get makes a GET.
func get[T any](ctx context.Context, c *Client, r request) (T, error) {
	var out T
	r.method = http.MethodGet
	_, err := c.call(ctx, r, &out)
	return out, err
}

// do makes a request with a body; nil is none.
func do[T any](ctx context.Context, c *Client, method, path string, in any) (T, error) {
	var out T
	_, err := c.call(ctx, request{method: method, path: path, in: in}, &out)
	return out, err
}

func (c *Client) remove(ctx context.Context, path string) error {
	_, err := c.call(ctx, request{method: http.MethodDelete, path: path}, nil)
	return err
}

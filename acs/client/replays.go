package client

import (
	"context"
	"net/http"

	"recado/acs/wire"
)

// ReplayMany makes many deliveries again, as a job that goes on by itself: those of the webhook that in names, or of all.
func (c *Client) ReplayMany(ctx context.Context, in wire.ReplayRequest) (wire.Replay, error) {
	return do[wire.Replay](ctx, c, http.MethodPost, base+"/deliveries/replay", in)
}

// ReplayWebhook is ReplayMany for one webhook.
func (c *Client) ReplayWebhook(ctx context.Context, id string, in wire.ReplayRequest) (wire.Replay, error) {
	return do[wire.Replay](ctx, c, http.MethodPost, named("webhooks", id, "replay"), in)
}

// Replays lists replays of many deliveries, newest first.
func (c *Client) Replays(ctx context.Context, p Page) (wire.List[wire.Replay], error) {
	return get[wire.List[wire.Replay]](ctx, c, request{path: base + "/replays", query: p.query()})
}

// ReplayJob tells how far a replay of many deliveries is.
func (c *Client) ReplayJob(ctx context.Context, id string) (wire.Replay, error) {
	return get[wire.Replay](ctx, c, request{path: named("replays", id)})
}

// CancelReplay ends a replay of many deliveries. What it made due stays due.
func (c *Client) CancelReplay(ctx context.Context, id string) (wire.Replay, error) {
	return do[wire.Replay](ctx, c, http.MethodPost, named("replays", id, "cancel"), nil)
}

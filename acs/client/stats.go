package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"recado/acs/wire"
)

// WebhookStats tells what came of an endpoint in the last hours: 1 to 720 of them, in whole hours. 0 is a day.
func (c *Client) WebhookStats(ctx context.Context, id string, length time.Duration) (wire.WebhookStats, error) {
	text := ""
	if length != 0 {
		text = fmt.Sprintf("%dh", int64(length/time.Hour))
	}
	return get[wire.WebhookStats](ctx, c, request{path: named("webhooks", id, "stats"), query: Page{}.query("range", text)})
}

// WebhooksHealth asks whether webhooks go out, and why not; no token is needed. That they do not is no error.
func (c *Client) WebhooksHealth(ctx context.Context) (h wire.WebhooksHealth, err error) {
	res, err := c.sendAs(ctx, request{method: http.MethodGet, path: "/webhook/health"}, "")
	if err != nil {
		return h, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return h, fmt.Errorf("GET /webhook/health: read the reply: %w", err)
	}
	if json.Unmarshal(body, &h) == nil && h.Status != "" {
		return h, nil
	}
	return h, refusal(res, body)
}

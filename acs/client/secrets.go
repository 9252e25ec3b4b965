package client

import (
	"context"
	"net/http"

	"recado/acs/wire"
)

// RotateWebhook gives an endpoint a new secret, which the reply shows. The old one signs too during the overlap.
func (c *Client) RotateWebhook(ctx context.Context, id string, in wire.WebhookRotate) (wire.WebhookCreated, error) {
	return do[wire.WebhookCreated](ctx, c, http.MethodPost, named("webhooks", id, "rotate"), in)
}

// PromoteWebhook ends a rotation's overlap at once. Without a rotation it changes nothing.
func (c *Client) PromoteWebhook(ctx context.Context, id string) (wire.Webhook, error) {
	return do[wire.Webhook](ctx, c, http.MethodPost, named("webhooks", id, "rotate", "promote"), nil)
}

// WebhookSecret shows an endpoint's secrets.
func (c *Client) WebhookSecret(ctx context.Context, id string) (wire.WebhookSecret, error) {
	return do[wire.WebhookSecret](ctx, c, http.MethodPost, named("webhooks", id, "secret"), nil)
}

// VerifyWebhook asks why a receiver takes a request or refuses it.
func (c *Client) VerifyWebhook(ctx context.Context, id string, in wire.WebhookVerify) (wire.WebhookVerified, error) {
	return do[wire.WebhookVerified](ctx, c, http.MethodPost, named("webhooks", id, "verify"), in)
}

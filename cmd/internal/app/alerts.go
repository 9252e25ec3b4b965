package app

import (
	"context"
	"errors"
	"net/netip"
	"net/url"

	"recado/acs"
	"recado/cmd/internal/outbound"
	"recado/webhook"
)

// wrongCredentials counts wrong credentials of devices.
func (p *parts) wrongCredentials(from netip.Addr) {
	p.service.LoginFailed(context.Background(), acs.DoorCWMP, from)
}

// checkURL asks the guard, and tells of clients whose webhooks point where none may go.
func (p *parts) checkURL(ctx context.Context, raw string) error {
	err := p.guard.CheckURL(ctx, raw)
	if errors.Is(err, outbound.ErrRefused) {
		p.service.RefusedURL(ctx, acs.ActorFrom(ctx).Client, hostOf(raw))
	}
	return err
}

// alerting tells of webhooks that went where none may go: their name points elsewhere since they were registered.
type alerting struct {
	webhook.Observer
	service *acs.Service
}

// DeliveryAttempted implements webhook.Observer.
func (o alerting) DeliveryAttempted(l webhook.Lease, a webhook.Attempt, s webhook.Settlement) {
	o.Observer.DeliveryAttempted(l, a, s)
	if a.Class == webhook.ErrorRefused {
		o.service.RefusedURL(context.Background(), l.Endpoint.Client, hostOf(l.Endpoint.URL))
	}
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"recado/acs/wire"
)

type clientSetCmd struct {
	Name              string         `arg:"" help:"Name or id."`
	NewName           *string        `name:"name" placeholder:"NAME" help:"Another name."`
	Scopes            *[]string      `name:"scopes" placeholder:"SCOPE" help:"All scopes that it has from now on."`
	RequestsPerMinute *int           `name:"requests-per-minute" placeholder:"N" help:"0 for no limit."`
	RequestsPerDay    *int           `name:"requests-per-day" placeholder:"N" help:"0 for no limit."`
	TokenTTL          *time.Duration `name:"token-ttl" placeholder:"DURATION" help:"Of tokens made from now on, to 24h; 0s until revoked."`
	Tags              *[]string      `name:"client-tags" placeholder:"TAG" help:"Only devices with one of these tags; none for all devices."`
	Type              *string        `name:"type" placeholder:"TYPE" help:"generic, erp, help_desk."`
	PublicKey         []byte         `name:"public-key" type:"filecontent" placeholder:"FILE" help:"A P-256 key in PEM, for clients that sign JWTs."`
	NoPublicKey       bool           `name:"no-public-key" help:"Take its public key away."`
	Legacy            *bool          `name:"legacy" negatable:"" help:"Whether its webhooks of results have the four members that receivers of IXC ACS know."`
	TimeZone          *string        `name:"time-zone" placeholder:"ZONE" help:"Of the time of day in those."`
	WebhookURL        *string        `name:"webhook-url" placeholder:"URL" help:"Where its form's webhook goes; one is made where there is none."`
	WebhookEvents     *[]string      `name:"webhook-events" placeholder:"TYPE" help:"What the webhook gets."`
	WebhookActive     *bool          `name:"webhook-active" negatable:"" help:"Deliver to the webhook, or hold what it is to get."`
	WebhookAnyCert    *bool          `name:"webhook-accept-invalid-certificate" negatable:"" help:"Take any certificate of the webhook's receiver."`
	connection        `embed:""`
	output            `embed:""`
}

func (c *clientSetCmd) change() (wire.ClientChange, error) {
	ch := wire.ClientChange{
		Name: c.NewName, Scopes: c.Scopes, RequestsPerMinute: c.RequestsPerMinute, RequestsPerDay: c.RequestsPerDay, Type: c.Type,
		Legacy: c.Legacy, TimeZone: c.TimeZone,
	}
	if c.TokenTTL != nil {
		seconds := int(*c.TokenTTL / time.Second)
		ch.TokenTTLSeconds = &seconds
	}
	if c.Tags != nil {
		tags := []string{}
		for _, t := range *c.Tags {
			if t != "" {
				tags = append(tags, t)
			}
		}
		ch.Tags = &tags
	}
	key := string(c.PublicKey)
	switch {
	case key != "" && c.NoPublicKey:
		return ch, usageError{errors.New("--public-key and --no-public-key do not go together")}
	case key != "" || c.NoPublicKey:
		ch.PublicKey = &key
	}
	hook := wire.ClientWebhookPut{URL: c.WebhookURL, Events: c.WebhookEvents, Active: c.WebhookActive, AcceptInvalidCertificate: c.WebhookAnyCert}
	if hook != (wire.ClientWebhookPut{}) {
		ch.Webhook = &hook
	}
	if ch == (wire.ClientChange{}) {
		return ch, usageError{errors.New("nothing to change is given")}
	}
	return ch, nil
}

// Run changes a client.
func (c *clientSetCmd) Run(ctx context.Context, s streams) error {
	ch, err := c.change()
	if err != nil {
		return err
	}
	api, err := c.dial()
	if err != nil {
		return err
	}
	id, err := clientID(ctx, api, c.Name)
	if err != nil {
		return err
	}
	changed, err := api.ChangeClient(ctx, id, ch)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, changed)
	}
	fmt.Fprintf(s.out, "client %s (%s) is changed\n", changed.Name, changed.ID)
	if w := changed.Webhook; w != nil && w.Secret != "" {
		fmt.Fprintf(s.out, "webhook %s, secret %s\n", w.ID, w.Secret)
		fmt.Fprintln(s.err, "Keep the secret: it is not shown again.")
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"recado/acs/wire"
)

type clientCmd struct {
	Add   clientAddCmd   `cmd:"" help:"Make a client, and print its token and secret, this once."`
	Set   clientSetCmd   `cmd:"" help:"Change a client: only what is given."`
	List  clientListCmd  `cmd:"" help:"List the clients."`
	Block clientBlockCmd `cmd:"" help:"Block a client, or unblock it."`
	Token clientTokenCmd `cmd:"" help:"Make a new token for a client, or revoke all."`
}

type clientAddCmd struct {
	Name              string        `arg:"" help:"A name, unlike all others."`
	Scopes            []string      `name:"scopes" placeholder:"SCOPE" help:"actions, devices:read, devices:write, webhooks (these four if left out), parameters:dangerous, network, admin."`
	RequestsPerMinute int           `name:"requests-per-minute" help:"0 for no limit."`
	RequestsPerDay    int           `name:"requests-per-day" help:"0 for no limit."`
	TokenTTL          time.Duration `name:"token-ttl" help:"How long its tokens hold, to 24h; 0s until revoked."`
	Tags              []string      `name:"client-tags" placeholder:"TAG" help:"Only devices with one of these tags."`
	Type              string        `name:"type" enum:"generic,erp,help_desk" default:"generic" help:"What kind of system it is: generic, erp, help_desk."`
	PublicKey         []byte        `name:"public-key" type:"filecontent" placeholder:"FILE" help:"A P-256 key in PEM, for clients that sign JWTs."`
	Legacy            bool          `name:"legacy" help:"Give its webhooks of results the four members that receivers of IXC ACS know."`
	TimeZone          string        `name:"time-zone" placeholder:"ZONE" help:"Of the time of day in those, such as America/Sao_Paulo; UTC if left out."`
	Blocked           bool          `name:"blocked" help:"Make it blocked."`
	WebhookURL        string        `name:"webhook-url" placeholder:"URL" help:"Register this webhook for it, and print its secret, this once."`
	WebhookEvents     []string      `name:"webhook-events" placeholder:"TYPE" help:"What the webhook gets; all if left out."`
	WebhookPaused     bool          `name:"webhook-paused" help:"Register it without delivering to it yet."`
	WebhookAnyCert    bool          `name:"webhook-accept-invalid-certificate" help:"Take any certificate of the webhook's receiver."`
	connection        `embed:""`
	output            `embed:""`
}

// webhook is the form's webhook, nil where no URL is given.
func (c *clientAddCmd) webhook() (*wire.ClientWebhookPut, error) {
	if c.WebhookURL == "" {
		if len(c.WebhookEvents) > 0 || c.WebhookPaused || c.WebhookAnyCert {
			return nil, usageError{errors.New("--webhook-url is missing")}
		}
		return nil, nil
	}
	active := !c.WebhookPaused
	w := &wire.ClientWebhookPut{URL: &c.WebhookURL, Active: &active, AcceptInvalidCertificate: &c.WebhookAnyCert}
	if len(c.WebhookEvents) > 0 {
		w.Events = &c.WebhookEvents
	}
	return w, nil
}

// Run makes a client.
func (c *clientAddCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	hook, err := c.webhook()
	if err != nil {
		return err
	}
	made, err := api.CreateClient(ctx, wire.ClientCreate{
		Name: c.Name, Scopes: c.Scopes, RequestsPerMinute: c.RequestsPerMinute, RequestsPerDay: c.RequestsPerDay,
		TokenTTLSeconds: int(c.TokenTTL / time.Second), Tags: c.Tags, Type: c.Type, PublicKey: string(c.PublicKey), Legacy: c.Legacy,
		TimeZone: c.TimeZone, Blocked: c.Blocked, Webhook: hook,
	})
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, made)
	}
	fmt.Fprintf(s.out, "client %s (%s), scopes %s\n", made.Name, made.ID, strings.Join(made.Scopes, ", "))
	fmt.Fprintf(s.out, "token %s\nclient_secret %s\n", made.Token, made.ClientSecret)
	if made.Webhook != nil {
		fmt.Fprintf(s.out, "webhook %s, secret %s\n", made.Webhook.ID, made.Webhook.Secret)
	}
	fmt.Fprintln(s.err, "Keep them: they are not shown again.")
	return nil
}

type clientListCmd struct {
	connection `embed:""`
	output     `embed:""`
}

// Run lists the clients.
func (c *clientListCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	list, err := allClients(ctx, api)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, list)
	}
	rows := make([][]string, len(list))
	for i, one := range list {
		state := "active"
		if one.Blocked {
			state = "blocked"
		}
		rows[i] = []string{
			one.Name, one.ID, one.Type, state, strings.Join(one.Scopes, ","), strings.Join(marks(&one), ","), stamp(one.CreatedAt),
		}
	}
	return printTable(s.out, []string{"NAME", "ID", "TYPE", "STATE", "SCOPES", "HAS", "CREATED"}, rows)
}

// marks are what is special about a client.
func marks(c *wire.Client) (list []string) {
	for _, m := range []struct {
		is   bool
		name string
	}{{c.Legacy, "legacy"}, {c.PublicKey != "", "key"}, {c.Webhook != nil, "webhook"}, {len(c.Tags) > 0, "tags"}} {
		if m.is {
			list = append(list, m.name)
		}
	}
	return list
}

type clientBlockCmd struct {
	Name       string `arg:"" help:"Name or id."`
	Unblock    bool   `name:"unblock" help:"Let it in again."`
	connection `embed:""`
}

// Run blocks a client.
func (c *clientBlockCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	id, err := clientID(ctx, api, c.Name)
	if err != nil {
		return err
	}
	blocked := !c.Unblock
	changed, err := api.ChangeClient(ctx, id, wire.ClientChange{Blocked: &blocked})
	if err != nil {
		return err
	}
	state := "blocked"
	if !changed.Blocked {
		state = "active"
	}
	fmt.Fprintf(s.out, "client %s is %s\n", changed.Name, state)
	return nil
}

type clientTokenCmd struct {
	Name       string `arg:"" help:"Name or id."`
	Revoke     bool   `name:"revoke" help:"Revoke all its tokens instead."`
	connection `embed:""`
	output     `embed:""`
}

// Run makes a token, or revokes all.
func (c *clientTokenCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	id, err := clientID(ctx, api, c.Name)
	if err != nil {
		return err
	}
	if c.Revoke {
		if err := api.RevokeTokens(ctx, id); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "all tokens of client %s are revoked\n", c.Name)
		return nil
	}
	made, err := api.NewToken(ctx, id)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, made)
	}
	fmt.Fprintln(s.out, made.Token)
	return nil
}

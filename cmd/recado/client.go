package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"recado/acs/wire"
)

type clientCmd struct {
	Add   clientAddCmd   `cmd:"" help:"Make a client, and print its token and secret, this once."`
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
	connection        `embed:""`
	output            `embed:""`
}

// Run makes a client.
func (c *clientAddCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	made, err := api.CreateClient(ctx, wire.ClientCreate{
		Name: c.Name, Scopes: c.Scopes, RequestsPerMinute: c.RequestsPerMinute, RequestsPerDay: c.RequestsPerDay,
		TokenTTLSeconds: int(c.TokenTTL / time.Second), Tags: c.Tags,
	})
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, made)
	}
	fmt.Fprintf(s.out, "client %s (%s), scopes %s\n", made.Name, made.ID, strings.Join(made.Scopes, ", "))
	fmt.Fprintf(s.out, "token %s\nclient_secret %s\n", made.Token, made.ClientSecret)
	fmt.Fprintln(s.err, "Keep both: they are not shown again.")
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
		rows[i] = []string{one.Name, one.ID, state, strings.Join(one.Scopes, ","), stamp(one.CreatedAt)}
	}
	return printTable(s.out, []string{"NAME", "ID", "STATE", "SCOPES", "CREATED"}, rows)
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

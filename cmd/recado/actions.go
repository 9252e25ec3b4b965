package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
)

// action is the flags of commands that ask a device for something.
type action struct {
	connection `embed:""`
	output     `embed:""`

	Timeout        time.Duration `name:"timeout" placeholder:"DURATION" help:"How long it may take, 1m to 24h (1h)."`
	ClientRef      string        `name:"client-ref" placeholder:"TEXT" help:"Your own reference; comes back in the webhook."`
	IdempotencyKey string        `name:"idempotency-key" placeholder:"KEY" help:"The same key with the same request gives the first receipt again (24 h)."`
	Wait           bool          `name:"wait" help:"Follow it to the end. Exit code 1 for a failure, 3 for a timeout."`
}

func (a action) timeoutSeconds() *int {
	if a.Timeout == 0 {
		return nil
	}
	n := int(a.Timeout / time.Second)
	return &n
}

func (a action) options() []client.CallOption {
	if a.IdempotencyKey == "" {
		return nil
	}
	return []client.CallOption{client.IdempotencyKey(a.IdempotencyKey)}
}

type rebootCmd struct {
	Device string `arg:"" help:"router_id, device id, PPPoE login, serial number or MAC."`
	action `embed:""`
}

// Run asks for a reboot.
func (c *rebootCmd) Run(ctx context.Context, s streams) error {
	return c.submit(ctx, s, func(api *client.Client) (wire.Receipt, error) {
		return api.Reboot(ctx, wire.RebootRequest{
			RouterID: c.Device, TimeoutSeconds: c.timeoutSeconds(), ClientRef: c.ClientRef,
		}, c.options()...)
	})
}

type setCmd struct {
	Device     string   `arg:"" help:"router_id, device id, PPPoE login, serial number or MAC."`
	Parameters []string `arg:"" name:"name=value" help:"Parameter and value; NAME:xsd:TYPE=VALUE to say the type."`
	Verify     bool     `name:"verify" help:"Read the values back."`
	action     `embed:""`
}

// Run asks for a parameter update.
func (c *setCmd) Run(ctx context.Context, s streams) error {
	request := wire.ParametersUpdateRequest{
		RouterID: c.Device, Verify: c.Verify, TimeoutSeconds: c.timeoutSeconds(), ClientRef: c.ClientRef,
	}
	for _, text := range c.Parameters {
		p, err := parseParameter(text)
		if err != nil {
			return usageError{err}
		}
		request.Parameters = append(request.Parameters, p)
	}
	return c.submit(ctx, s, func(api *client.Client) (wire.Receipt, error) {
		return api.UpdateParameters(ctx, request, c.options()...)
	})
}

// parseParameter reads NAME=VALUE or NAME:xsd:TYPE=VALUE. Errors do not show the value.
func parseParameter(text string) (wire.Parameter, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return wire.Parameter{}, errors.New("a parameter is no NAME=VALUE")
	}
	var p wire.Parameter
	p.Name = name
	if i := strings.Index(name, ":xsd:"); i > 0 {
		p.Name, p.Type = name[:i], name[i+1:]
	}
	var err error
	p.Value, err = json.Marshal(value)
	return p, err
}

// submit sends a request, prints the receipt and follows it where that is asked for.
func (a action) submit(ctx context.Context, s streams, send func(*client.Client) (wire.Receipt, error)) error {
	api, err := a.dial()
	if err != nil {
		return err
	}
	receipt, err := send(api)
	if err != nil {
		return err
	}
	if !a.Wait {
		if a.json() {
			return printJSON(s.out, receipt)
		}
		fmt.Fprintf(s.out, "protocolo %s: %s of %s, until %s\n", receipt.Protocolo, receipt.Action, clean(receipt.DeviceID), stamp(receipt.DeadlineAt))
		return nil
	}
	return follow(ctx, s, api, receipt.Protocolo, a.json())
}

// follow waits for the end, printing steps, or as JSON nothing but the end.
func follow(ctx context.Context, s streams, api *client.Client, protocolo string, asJSON bool) error {
	// Wait bears with a server that does not answer; one that never did is an error at once.
	if _, err := api.Protocol(ctx, protocolo); err != nil {
		return err
	}
	var p wire.Protocol
	var err error
	if asJSON {
		if p, err = api.Wait(ctx, protocolo, nil); err == nil {
			err = printJSON(s.out, p)
		}
	} else {
		fmt.Fprintf(s.out, "protocolo %s\n", protocolo)
		if p, err = newFollower(s.out).follow(ctx, api, protocolo); err == nil {
			printVerdict(s.out, p)
		}
	}
	if err != nil {
		return err
	}
	return verdictError(p)
}

// headline begins with what people look for: the status, and the stage while that still moves.
func headline(p wire.Protocol) string {
	status := p.Status
	if !p.Final() {
		status += ", " + p.Stage
	}
	return fmt.Sprintf("%s: %s of %s (%s), protocolo %s", status, p.Action, clean(p.RouterID), clean(p.DeviceID), p.Protocolo)
}

type statusCmd struct {
	Protocolo  string `arg:"" help:"The protocol number."`
	Wait       bool   `name:"wait" help:"Follow it to the end. Exit code 1 for a failure, 3 for a timeout."`
	connection `embed:""`
	output     `embed:""`
}

// Run shows where a request is.
func (c *statusCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	if c.Wait {
		return follow(ctx, s, api, c.Protocolo, c.json())
	}
	p, err := api.Protocol(ctx, c.Protocolo)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, p)
	}
	fmt.Fprintln(s.out, headline(p))
	f := &follower{out: s.out}
	f.show(p)
	printVerdict(s.out, p)
	for _, d := range p.Deliveries {
		fmt.Fprintf(s.out, "  webhook %s to %s: %s, %d attempts\n", d.EventType, d.WebhookID, d.State, d.Attempts)
	}
	return nil
}

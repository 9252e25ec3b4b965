package main

import (
	"context"
	"fmt"
	"strings"

	"recado/acs/client"
	"recado/acs/wire"
)

type devicesCmd struct {
	Device     string   `arg:"" optional:"" help:"To show one: router_id, device id, PPPoE login, serial number or MAC."`
	Search     string   `name:"search" placeholder:"TEXT" help:"Part of the id, router_id, PPPoE login, serial number or MAC."`
	Tags       []string `name:"tags" placeholder:"TAG" help:"Only devices with one of these tags."`
	Limit      int      `name:"limit" default:"100" help:"How many to list (${default}); 0 for all."`
	connection `embed:""`
	output     `embed:""`
}

// Run lists devices, or shows one.
func (c *devicesCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	if c.Device != "" {
		return c.show(ctx, s, api)
	}
	list, err := client.All(ctx, c.Limit, func(ctx context.Context, p client.Page) (wire.List[wire.Device], error) {
		return api.Devices(ctx, client.DeviceFilter{Page: p, Search: c.Search, Tags: c.Tags})
	})
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, list)
	}
	rows := make([][]string, len(list))
	for i, d := range list {
		rows[i] = []string{d.ID, dash(d.RouterID), d.Online.Estimate, lastInform(d), software(d), d.ConnectionRequest.State}
	}
	return printTable(s.out, []string{"DEVICE", "ROUTER_ID", "ONLINE", "LAST INFORM", "SOFTWARE", "CONNECTION REQUEST"}, rows)
}

// show shows the one device that goes by the name given.
func (c *devicesCmd) show(ctx context.Context, s streams, api *client.Client) error {
	found, err := api.Devices(ctx, client.DeviceFilter{RouterID: c.Device})
	switch {
	case err != nil:
		return err
	case len(found.Items) == 0:
		return advised{
			fmt.Errorf("no device has %q as router_id, device id, PPPoE login, serial number or MAC", c.Device),
			[]string{"recado devices --search TEXT"},
		}
	case len(found.Items) > 1:
		a := advised{error: fmt.Errorf("%d devices go by %q", len(found.Items), c.Device)}
		for _, d := range found.Items {
			a.try = append(a.try, "recado devices "+clean(d.ID))
		}
		return a
	}
	d, err := api.Device(ctx, found.Items[0].ID) // with its open actions
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, d)
	}
	return printDevice(s, d)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func lastInform(d wire.Device) string {
	if d.Reported == nil {
		return "never"
	}
	return stamp(d.Reported.LastInformAt)
}

func software(d wire.Device) string {
	if d.Reported == nil {
		return "-"
	}
	return dash(d.Reported.SoftwareVersion)
}

func printDevice(s streams, d wire.Device) error {
	rows := [][]string{
		{"device", d.ID},
		{"made by", dash(d.Manufacturer)},
		{"router_id", dash(d.RouterID)},
		{"account_id", dash(d.AccountID)},
		{"pppoe_login", dash(d.PPPoELogin)},
		{"mac", dash(d.MAC)},
		{"city", dash(d.City)},
		{"pon_port", dash(d.PONPort)},
		{"tags", dash(strings.Join(d.Tags, ", "))},
		{"online", d.Online.Estimate + ": " + d.Online.Why},
		{"last inform", lastInform(d)},
		{"software", software(d)},
		{"connection request", d.ConnectionRequest.State},
	}
	for _, a := range d.OpenActions {
		rows = append(rows, []string{"open", fmt.Sprintf("%s %s, %s", a.Protocolo, a.Action, a.Stage)})
	}
	return printTable(s.out, nil, rows)
}

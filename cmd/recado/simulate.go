package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"recado/cwmp/cwmptest"
)

type simulateCmd struct {
	ACS           string        `name:"acs" default:"http://127.0.0.1:7547/" placeholder:"URL" help:"The server's CWMP listener (${default})."`
	Devices       int           `name:"devices" default:"1" placeholder:"N" help:"How many devices (${default})."`
	Profiles      []string      `name:"profile" default:"plain" placeholder:"NAME" help:"Kinds of devices, given in turn, or all (${default})."`
	List          bool          `name:"list-profiles" help:"List the profiles, and end."`
	Password      string        `name:"cpe-password" placeholder:"TEXT" help:"What the devices show the server; the user name is each one's id."`
	BootDelay     time.Duration `name:"boot-delay" default:"10s" help:"How long a reboot takes (${default})."`
	Periodic      time.Duration `name:"inform-every" default:"5m" help:"The interval of periodic Informs (${default})."`
	Stagger       time.Duration `name:"stagger" help:"Spread the starts over this time."`
	Listen        string        `name:"door" default:"127.0.0.1:0" placeholder:"ADDR" help:"Where connection requests for all of them come in (${default})."`
	IgnoreReboots int           `name:"ignore-reboots" default:"0" placeholder:"N" help:"So many of them answer Reboot and do not reboot."`
	Seed          uint64        `name:"seed" help:"Makes random choices repeatable."`
	For           time.Duration `name:"for" help:"End after this time; 0s is never."`
	Quiet         bool          `name:"quiet" short:"q" help:"Print the sums only."`
}

// Run runs a fleet until a signal.
func (c *simulateCmd) Run(ctx context.Context, s streams) error {
	if c.List {
		for _, name := range profileNames() {
			fmt.Fprintln(s.out, name)
		}
		return nil
	}
	if slices.Contains(c.Profiles, "all") {
		c.Profiles = profileNames()
	}
	if u, err := url.Parse(c.ACS); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usageError{errors.New("--acs is no URL of a server; want one such as http://127.0.0.1:7547/")}
	}
	log := &fleetLog{out: s.out, quiet: c.Quiet}
	fleet, err := cwmptest.NewFleet(cwmptest.FleetConfig{
		Size: c.Devices, ACSURL: c.ACS, Profiles: c.Profiles, DoorAddr: c.Listen, Password: c.Password, Stagger: c.Stagger,
		BootDelay: c.BootDelay, PeriodicInformInterval: c.Periodic, Seed: c.Seed, Observe: log.note,
		Make: func(i int, cfg *cwmptest.Config) {
			cfg.Mishaps.IgnoresReboot = i < c.IgnoreReboots
			// A device shows its own log lines by its serial number, which is all that differs within a profile.
			log.name(i, cfg.DeviceID.Key())
		},
	})
	if err != nil {
		return usageError{err}
	}
	if c.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.For)
		defer cancel()
	}
	err = fleet.Run(ctx)
	n := fleet.Counters()
	fmt.Fprintf(s.out, "%d devices: %d sessions ended well, %d failed; %d connection requests, %d reboots\n",
		n.Devices, n.Ended, n.Failed, n.ConnectionRequests, n.Reboots)
	return err
}

// profileNames lists all profiles: first those that misbehave nowhere, since who asks for all looks at the first device first.
func profileNames() []string {
	rank := func(name string) int {
		if strings.HasPrefix(name, "plain") {
			return 0
		}
		return 1
	}
	names := cwmptest.ProfileNames()
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return names
}

// fleetLog prints what devices do: a line each for boots, requests that were acted on, and sessions that failed.
type fleetLog struct {
	out   io.Writer
	quiet bool
	lines lineWriter
}

func (l *fleetLog) name(i int, id string) { l.lines.name(i, id) }

func (l *fleetLog) note(i int, n cwmptest.Note) {
	if l.quiet {
		return
	}
	switch n.Kind {
	case cwmptest.NoteBooting, cwmptest.NoteUp, cwmptest.NoteActed, cwmptest.NoteFaulted, cwmptest.NoteFailed, cwmptest.NoteConnectionRequest:
		what := strings.TrimSpace(strings.ReplaceAll(string(n.Kind), "_", " ") + " " + n.Method + " " + n.Text)
		l.lines.print(l.out, n.At, i, what)
	}
}

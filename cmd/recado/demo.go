package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/cmd/internal/app"
	"recado/cwmp/cwmptest"
	"recado/webhook/webhooktest"
)

type demoCmd struct {
	Stay      bool          `name:"stay" help:"Keep everything running, to play with."`
	BootDelay time.Duration `name:"demo-boot-delay" default:"1500ms" help:"How long the device takes to reboot (${default})."`
	Timeout   time.Duration `name:"demo-timeout" default:"60s" help:"How long the whole may take (${default})."`
	Verbose   bool          `name:"verbose" short:"v" help:"The server's log too, on standard error."`
}

// What the demonstration's device is.
const (
	demoRouter  = "RTR-42"
	demoProfile = "plain"
	demoSerial  = "SIM000042"
	demoWLAN    = "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1."
)

// demo is a server, a device and a receiver on this machine.
type demo struct {
	cmd     *demoCmd
	s       streams
	running app.Running
	admin   string // token
	token   string // of the client "demo"
	api     *client.Client
	hook    wire.WebhookCreated
	hookURL string
	device  *cwmptest.Device
	arrived *arrivals
	parts   *crew
	lines   safeWriter
}

// Run shows a reboot, a parameter update, and one that the device refuses, each with its verified webhook. It fails unless all
// went as told.
func (c *demoCmd) Run(ctx context.Context, s streams) (err error) {
	dir, err := os.MkdirTemp("", "recado-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	d := &demo{cmd: c, s: s, admin: "demo-" + rand.Text() + rand.Text(), arrived: newArrivals(), parts: newCrew(ctx), lines: safeWriter{w: s.out}}
	d.s.out = &d.lines
	defer func() { err = errors.Join(err, d.parts.stop()) }()

	limited, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("the demonstration was not done within %s", c.Timeout))
	defer cancel()
	if err := d.show(limited, dir); err != nil {
		if ctx.Err() != nil {
			return nil // interrupted
		}
		return errors.Join(err, d.parts.failure())
	}
	if !c.Stay {
		d.say("\nTry next: recado demo --stay, and play with it.")
		return nil
	}
	d.explainStay()
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.parts.failed:
		return err
	}
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.s.out, format+"\n", args...) }

func (d *demo) show(ctx context.Context, dir string) error {
	begin := time.Now()
	for _, step := range []func(context.Context) error{
		func(ctx context.Context) error { return d.startServer(ctx, dir) },
		d.startReceiver, d.register, d.startDevice, d.reboot, d.update, d.refused,
	} {
		if err := step(ctx); err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return errors.Join(cause, err)
			}
			return err
		}
	}
	d.say("\nDone in %.1f s: 3 requests, 3 verdicts, 3 webhooks with verified signatures.", time.Since(begin).Seconds())
	return nil
}

// startServer starts the server of "recado serve --dev" with its store in dir, on free ports.
func (d *demo) startServer(ctx context.Context, dir string) error {
	cfg := app.DefaultConfig()
	cfg.Dev, cfg.AdminToken, cfg.ShutdownDelay = true, d.admin, 0
	cfg.Store = "bolt://" + filepath.Join(dir, "recado.db")
	cfg.APIListen, cfg.CWMPListen = "127.0.0.1:0", "127.0.0.1:0"
	started := make(chan app.Running, 1)
	opts := app.Options{Version: versionText(), OnStart: func(r app.Running) { started <- r }}
	if d.cmd.Verbose {
		opts.Logger = app.NewLogger(d.s.err, "text", "info")
	}
	a, err := app.New(cfg, opts)
	if err != nil {
		return err
	}
	d.parts.start("server", a.Run)
	select {
	case d.running = <-started:
	case <-ctx.Done():
		return errors.New("the server did not start")
	case err := <-d.parts.failed:
		return err
	}
	d.say("server    API %s, CWMP %s", d.running.APIURL, d.running.CWMPURL)
	return nil
}

// checkBody, where it is not nil, says what is wrong with the body of a webhook that a receiver of this program gets. Tests set it.
var checkBody func(eventType string, body []byte) error

func (d *demo) startReceiver(context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.hookURL = "http://" + l.Addr().String() + "/hook"
	secret := newSecret()
	d.hook.Secret = secret
	r := &webhooktest.Receiver{Secrets: []string{secret}, RefuseUnverified: true, Check: checkBody, OnArrival: func(a webhooktest.Arrival) {
		d.say("  <- %s", describe(a))
		d.arrived.add(a)
	}}
	d.parts.start("receiver", func(ctx context.Context) error { return r.Serve(ctx, l) })
	return nil
}

// register makes an API client, as an administrator does, and its endpoint, as a client does.
func (d *demo) register(ctx context.Context) error {
	admin, err := dial(d.running.APIURL, d.admin)
	if err != nil {
		return err
	}
	made, err := admin.CreateClient(ctx, wire.ClientCreate{Name: "demo"})
	if err != nil {
		return err
	}
	d.token = made.Token
	if d.api, err = dial(d.running.APIURL, d.token); err != nil {
		return err
	}
	if d.hook, err = d.api.CreateWebhook(ctx, wire.WebhookCreate{URL: d.hookURL, Secret: d.hook.Secret, Description: "demo"}); err != nil {
		return err
	}
	d.say("webhook   %s receives at %s", d.hook.ID, d.hookURL)
	return nil
}

// startDevice names a device before it ever called in, starts it, and waits for its first session.
func (d *demo) startDevice(ctx context.Context) error {
	profile, err := cwmptest.LookupProfile(demoProfile)
	if err != nil {
		return err
	}
	cfg := profile.Config(demoSerial)
	cfg.ACSURL, cfg.BootDelay = d.running.CWMPURL+"/", d.cmd.BootDelay
	cfg.ConnectionRequestUsername, cfg.ConnectionRequestPassword = "demo", rand.Text()
	id := cfg.DeviceID.Key()
	router := demoRouter
	_, err = d.api.PutDevice(ctx, id, wire.DevicePut{
		RouterID:          &router,
		ConnectionRequest: &wire.Credential{Username: cfg.ConnectionRequestUsername, Password: cfg.ConnectionRequestPassword},
	})
	if err != nil {
		return err
	}
	d.device = cwmptest.New(cfg)
	d.parts.start("device", d.device.Run)
	for {
		known, err := d.api.Device(ctx, id)
		if err != nil {
			return err
		}
		if known.Reported != nil {
			d.say("device    %s, called %s, is online (software %s)", id, demoRouter, clean(software(known)))
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("device %s did not call in: %w", id, err)
		}
	}
}

func (d *demo) reboot(ctx context.Context) error {
	d.say("\nPOST /api/v1/devices/reboot {router_id: %s}", demoRouter)
	receipt, err := d.api.Reboot(ctx, wire.RebootRequest{RouterID: demoRouter, ClientRef: "ticket 4711"})
	if err != nil {
		return err
	}
	if err := d.finish(ctx, receipt, "success", wire.ActionSucceeded); err != nil {
		return err
	}
	if n := len(d.device.Reboots()); n != 1 {
		return fmt.Errorf("the device was rebooted %d times, not once", n)
	}
	return nil
}

func (d *demo) update(ctx context.Context) error {
	const ssid = "Recado"
	d.say("\nPOST /api/v1/devices/parameters/update {router_id: %s, SSID and channel, verify: true}", demoRouter)
	receipt, err := d.api.UpdateParameters(ctx, wire.ParametersUpdateRequest{
		RouterID: demoRouter, Verify: true, Parameters: wire.Parameters{
			{Name: demoWLAN + "SSID", Value: json.RawMessage(`"` + ssid + `"`)},
			{Name: demoWLAN + "Channel", Value: json.RawMessage(`11`)},
		},
	})
	if err != nil {
		return err
	}
	if err := d.finish(ctx, receipt, "success", wire.ActionSucceeded); err != nil {
		return err
	}
	if got := d.device.Value(demoWLAN + "SSID"); got != ssid {
		return fmt.Errorf("the device has the SSID %q, not %q", got, ssid)
	}
	return nil
}

// refused asks for what the device cannot do: nothing of it is applied, and the fault names each parameter.
func (d *demo) refused(ctx context.Context) error {
	d.say("\nPOST /api/v1/devices/parameters/update {router_id: %s, an SSID, and a parameter that the device does not have}", demoRouter)
	receipt, err := d.api.UpdateParameters(ctx, wire.ParametersUpdateRequest{
		RouterID: demoRouter, Parameters: wire.Parameters{
			{Name: demoWLAN + "SSID", Value: json.RawMessage(`"Never"`)},
			{Name: demoWLAN + "X_RECADO_Nothing", Value: json.RawMessage(`"1"`)},
		},
	})
	if err != nil {
		return err
	}
	if err := d.finish(ctx, receipt, "failure", wire.ActionFailed); err != nil {
		return err
	}
	if got := d.device.Value(demoWLAN + "SSID"); got == "Never" {
		return errors.New("the device applied a part of an update that it refused")
	}
	return nil
}

// finish follows a request to its verdict and its webhook.
func (d *demo) finish(ctx context.Context, r wire.Receipt, status, event string) error {
	d.say("202: protocolo %s", r.Protocolo)
	p, err := newFollower(d.s.out).follow(ctx, d.api, r.Protocolo)
	if err != nil {
		return err
	}
	printVerdict(d.s.out, p)
	if p.Status != status {
		return fmt.Errorf("protocolo %s ended in %s, not %s", r.Protocolo, p.Status, status)
	}
	got, err := d.arrived.wait(ctx, r.Protocolo)
	if err != nil {
		return fmt.Errorf("no verified webhook for protocolo %s: %w", r.Protocolo, err)
	}
	if got.Type != event || got.Status != status {
		return fmt.Errorf("the webhook for protocolo %s tells %s (%s), not %s (%s)", r.Protocolo, got.Type, got.Status, event, status)
	}
	return nil
}

func (d *demo) explainStay() {
	d.say(`
All stays up until Ctrl-C. In another shell:

  export RECADO_URL=%s RECADO_TOKEN=%s
  recado devices
  recado reboot %s --wait
  recado set %s %sSSID=Hello --verify --wait

or:

  curl -s -H "Authorization: Bearer $RECADO_TOKEN" -H 'Content-Type: application/json' \
       -d '{"router_id": "%s"}' $RECADO_URL/api/v1/devices/reboot
  curl -s -H "Authorization: Bearer $RECADO_TOKEN" "$RECADO_URL/api/v1/protocols?limit=5"

The admin token is %s; more devices come with: recado simulate --acs %s --devices 10
Webhooks go on arriving here.`,
		d.running.APIURL, d.token, demoRouter, demoRouter, demoWLAN, demoRouter, d.admin, strings.TrimSuffix(d.running.CWMPURL, "/"))
}

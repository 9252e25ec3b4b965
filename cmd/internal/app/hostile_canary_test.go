package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/cwmp"
	"recado/cwmp/cwmptest"
	"recado/webhook/webhooktest"
)

// canaryLimit is how long one round of normal service may take, from the request to its webhook.
const canaryLimit = 15 * time.Second

// canary is normal service: a device, an API client and a receiver that do an update or a reboot again and again.
type canary struct {
	api      *client.Client
	device   *cwmptest.Device
	receiver *webhooktest.Receiver
	end      func()

	mu      sync.Mutex
	n       int
	slowest time.Duration
	err     error
}

func (a *siege) startCanary(t *testing.T) *canary {
	made := a.newClient(t, wire.ClientCreate{Name: "canary"})
	api, err := client.New(a.s.APIURL, made.Token)
	if err != nil {
		t.Fatal(err)
	}
	c := &canary{api: api, receiver: &webhooktest.Receiver{}}
	hook, err := api.CreateWebhook(t.Context(), wire.WebhookCreate{URL: receiver(t, c.receiver), Secret: secretHook, Events: []string{"action.*"}})
	if err != nil {
		t.Fatal(err)
	}
	c.receiver.SetSecrets(hook.Secret)
	id := cwmp.DeviceID{Manufacturer: "Well", OUI: "00259E", ProductClass: "Canary", SerialNumber: "C1"}
	_, err = api.PutDevice(t.Context(), id.Key(), wire.DevicePut{
		ConnectionRequest: &wire.Credential{Username: "door", Password: secretDoor},
		CWMPAuth:          &wire.Credential{Username: "canary", Password: secretCPE + "-own"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.device = cpe(t, cwmptest.Config{
		DeviceID: id, ACSURL: a.s.CWMPURL, Username: "canary", Password: secretCPE + "-own", BootDelay: 50 * time.Millisecond,
		ConnectionRequestUsername: "door", ConnectionRequestPassword: secretDoor,
	})
	a.s.waitDevice(id.Key())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(ctx)
	}()
	c.end = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(c.end)
	return c
}

func (c *canary) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		began := time.Now()
		limited, cancel := context.WithTimeout(ctx, canaryLimit)
		err := c.round(limited, n)
		cancel()
		if ctx.Err() != nil {
			return // broken off in the middle
		}
		c.mu.Lock()
		c.n++
		c.slowest = max(c.slowest, time.Since(began))
		if err != nil && c.err == nil {
			c.err = fmt.Errorf("round %d, after %v: %w", n, time.Since(began), err)
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// round asks for something and follows it to the verified webhook.
func (c *canary) round(ctx context.Context, n int) error {
	var r wire.Receipt
	var err error
	if n%3 == 2 {
		r, err = c.api.Reboot(ctx, wire.RebootRequest{RouterID: "C1"})
	} else {
		value, _ := json.Marshal(fmt.Sprintf("%s%d", secretValue, n))
		r, err = c.api.UpdateParameters(ctx, wire.ParametersUpdateRequest{RouterID: "C1", Verify: true, Parameters: wire.Parameters{
			{Name: "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID", Value: value},
		}})
	}
	if err != nil {
		return err
	}
	p, err := c.api.Wait(ctx, r.Protocolo, nil)
	if err != nil {
		return fmt.Errorf("%s is %s/%s: %w", r.Action, p.Status, p.Stage, err)
	}
	if p.Status != "success" {
		return fmt.Errorf("%s ended as %s (%s)", r.Action, p.Status, p.ReasonDetail)
	}
	arrivals, err := c.receiver.Wait(ctx, n+1)
	if err != nil {
		return fmt.Errorf("webhook %d: %w", n+1, err)
	}
	last := arrivals[len(arrivals)-1]
	var e wire.ActionEvent
	if err := json.Unmarshal(last.Body, &e); err != nil || !last.Verified() || e.Protocolo != r.Protocolo || e.Type != wire.ActionSucceeded {
		return fmt.Errorf("webhook of %s is of %s, %s, verified %t (%w)", r.Protocolo, e.Protocolo, e.Type, last.Verified(), last.Err)
	}
	return nil
}

func (c *canary) rounds() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// goesOn waits for a round that ended after the first before ones, and fails if any round went wrong.
func (c *canary) goesOn(t *testing.T, before int) {
	t.Helper()
	eventually(t, 2*canaryLimit, "a round of normal service", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err != nil {
			t.Fatalf("normal service failed: %v", c.err)
		}
		return c.n > before
	})
}

func (c *canary) stop(t *testing.T) {
	c.end()
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("normal service: %d rounds, the slowest took %v, %d reboots", c.n, c.slowest.Round(time.Millisecond), len(c.device.Reboots()))
	if c.err != nil {
		t.Errorf("normal service failed: %v", c.err)
	}
	// One reboot may have been broken off with the last round.
	if got, want := len(c.device.Reboots()), c.n/3; got < want || got > want+1 {
		t.Errorf("the canary device was rebooted %d times, want %d", got, want)
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/acs/wire/wiretest"
	"recado/cwmp"
	"recado/cwmp/cwmptest"
	"recado/webhook/webhooktest"
)

const (
	crashDevices   = 30
	crashAskers    = 6
	crashTimeout   = 60 // seconds, of each action: the shortest there is
	crashBootDelay = 250 * time.Millisecond
)

// crashProfiles are given to the devices in turn.
var crashProfiles = []string{
	"plain", "plain181", "freecwmp", "cwmp-sim", "icwmp", "avm", "mikrotik", "huawei", "anlix-sim", "tr069agent", "plain", "plain181", "cwmpclient",
}

// crashLoad is everybody around the server: API clients, devices, receivers.
type crashLoad struct {
	t       *testing.T
	seed    uint64
	marker  string // is in every value that is set
	fleet   *cwmptest.Fleet
	ids     []string // of the devices
	clients []*crashClient
	askers  sync.WaitGroup

	mu       sync.Mutex
	healed   bool
	receipts []receiptSeen
	told     []telling
	finals   map[string][]string
	retried  int // submissions that needed more than one try
	dropped  int // refused for a full queue
}

// crashClient is an API client with its endpoints.
type crashClient struct {
	id        string
	api       *client.Client
	endpoints []string
}

func newCrashLoad(t *testing.T, seed uint64) *crashLoad {
	return &crashLoad{t: t, seed: seed, marker: fmt.Sprintf("zqMark%08x", uint32(seed*2654435761)), finals: map[string][]string{}}
}

// runs runs f until the test's end.
func runs(t *testing.T, name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s did not end within 20s", name)
		}
	})
}

// register makes two API clients: one with an endpoint, one with two.
func (l *crashLoad) register(server string) {
	l.t.Helper()
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: crashAskers}}
	l.t.Cleanup(hc.CloseIdleConnections)
	admin, err := client.New(server, crashAdmin, client.WithHTTPClient(hc))
	if err != nil {
		l.t.Fatal(err)
	}
	for n := 1; n <= 2; n++ {
		made, err := admin.CreateClient(l.t.Context(), wire.ClientCreate{Name: fmt.Sprint("crash", n)})
		if err != nil {
			l.t.Fatal(err)
		}
		c := &crashClient{id: made.ID}
		if c.api, err = client.New(server, made.Token, client.WithHTTPClient(hc)); err != nil {
			l.t.Fatal(err)
		}
		for range n {
			c.endpoints = append(c.endpoints, l.receiver(c.api, uint64(len(l.clients)*2+len(c.endpoints))))
		}
		l.clients = append(l.clients, c)
	}
}

// receiver starts a receiver that answers badly now and then until all is healed, and registers it.
func (l *crashLoad) receiver(api *client.Client, number uint64) string {
	l.t.Helper()
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		l.t.Fatal(err)
	}
	made, err := api.CreateWebhook(l.t.Context(), wire.WebhookCreate{
		URL: "http://" + at.Addr().String() + "/hook", TimeoutSeconds: 5, RetrySeconds: slices.Repeat([]int{1}, 15),
	})
	if err != nil {
		l.t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(l.seed, number))
	r := &webhooktest.Receiver{Secrets: []string{made.Secret}, RefuseUnverified: true, Keep: 1, Check: func(eventType string, body []byte) error {
		err := wiretest.CheckBody(eventType, body)
		if err != nil {
			l.t.Errorf("a webhook's body is wrong: %v\n%s", err, body)
		}
		return err
	}}
	r.OnArrival = func(a webhooktest.Arrival) {
		w := telling{endpoint: made.ID, id: a.ID, verified: a.Verified()}
		if err := json.Unmarshal(a.Body, &w.event); err != nil {
			w.verified = false
		}
		l.tell(w)
	}
	r.Default = func(w http.ResponseWriter, req *http.Request) {
		l.mu.Lock()
		dice := rng.IntN(100)
		if l.healed {
			dice = 99
		}
		l.mu.Unlock()
		switch {
		case dice < 8:
			webhooktest.Status(http.StatusInternalServerError)(w, req)
		case dice < 13:
			webhooktest.Reset()(w, req)
		case dice < 30:
			l.take(made.ID, req.Header.Get("webhook-id"))
			webhooktest.Delay(100*time.Millisecond, webhooktest.Status(http.StatusOK))(w, req)
		default:
			l.take(made.ID, req.Header.Get("webhook-id"))
			w.WriteHeader(http.StatusNoContent)
		}
	}
	runs(l.t, "receiver", func(ctx context.Context) error { return r.Serve(ctx, at) })
	return made.ID
}

func (l *crashLoad) tell(w telling) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, w)
}

// take marks the last arrival of an event that was not taken yet as answered with 2xx.
func (l *crashLoad) take(endpoint, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.told) - 1; i >= 0; i-- {
		if w := &l.told[i]; w.endpoint == endpoint && w.id == id && !w.taken {
			w.taken = true
			return
		}
	}
}

// heal makes the receivers answer well from now on.
func (l *crashLoad) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.healed = true
}

// What is wrong with some of the devices.
func neverBack(i int) bool { return i%10 == 6 }

func mishapsOf(i int) cwmptest.Mishaps {
	return cwmptest.Mishaps{NeverBack: neverBack(i), RebootsAtOnce: i%10 == 3, IgnoresReboot: i%15 == 8}
}

// startDevices starts the devices. Half of them are known to the server with a connection-request password before they call in; the
// others get theirs from it.
func (l *crashLoad) startDevices(cwmpURL string) {
	l.t.Helper()
	for i := range crashDevices {
		p, err := cwmptest.LookupProfile(crashProfiles[i%len(crashProfiles)])
		if err != nil {
			l.t.Fatal(err)
		}
		cfg := p.Config(fmt.Sprintf("SIM%06d", i+1))
		id := cfg.DeviceID.Key()
		l.ids = append(l.ids, id)
		if i%2 == 1 {
			continue
		}
		cred := wire.Credential{Username: "door", Password: "door-password"}
		if p.Quirks.OwnUsername {
			cred.Username = id
		}
		if _, err := l.clients[0].api.PutDevice(l.t.Context(), id, wire.DevicePut{ConnectionRequest: &cred}); err != nil {
			l.t.Fatal(err)
		}
	}
	fleet, err := cwmptest.NewFleet(cwmptest.FleetConfig{
		Size: crashDevices, ACSURL: cwmpURL, Profiles: crashProfiles, Password: cpeSecret, Seed: l.seed, Stagger: time.Second,
		BootDelay: crashBootDelay, PeriodicInformInterval: 4 * time.Second,
		Make: func(i int, c *cwmptest.Config) {
			c.Username = cpeUser
			c.RetryMinimumWait, c.RetryMultiplier, c.ResponseTimeout = time.Second, 1000, 10*time.Second
			if i%2 == 0 {
				c.ConnectionRequestUsername, c.ConnectionRequestPassword = "door", "door-password"
			}
			c.Mishaps = mishapsOf(i)
			if i%10 == 4 {
				c.Faults = map[string]cwmp.Fault{"SetParameterValues": {FaultCode: 9002, FaultString: "Internal error"}}
			}
		},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.fleet = fleet
	runs(l.t, "fleet", fleet.Run)
}

// ask starts clients that ask until end is called, which waits for them. Each request is repeated under its key until its fate is
// known.
func (l *crashLoad) ask() (end func()) {
	stop := make(chan struct{})
	for n := range crashAskers {
		l.askers.Go(func() {
			c := l.clients[n%len(l.clients)]
			rng := rand.New(rand.NewPCG(l.seed, 1000+uint64(n)))
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(30+rng.IntN(150)) * time.Millisecond):
				}
				l.submit(c, rng, fmt.Sprintf("key-%d-%d", n, i))
			}
		})
	}
	return sync.OnceFunc(func() {
		close(stop)
		l.askers.Wait()
	})
}

func (l *crashLoad) submit(c *crashClient, rng *rand.Rand, key string) {
	ctx, cancel := context.WithTimeout(context.Background(), 45*time.Second)
	defer cancel()
	i := rng.IntN(crashDevices)
	call := l.update(c, rng, i, key)
	if rng.IntN(10) < 4 {
		seconds := crashTimeout
		call = func(ctx context.Context) (wire.Receipt, error) {
			return c.api.Reboot(ctx, wire.RebootRequest{RouterID: l.ids[i], TimeoutSeconds: &seconds}, client.IdempotencyKey(key))
		}
	}
	asks := 1
	if rng.IntN(10) == 0 {
		asks = 2 // once more though the receipt came
	}
	for tries := 1; asks > 0; tries++ {
		once, end := context.WithTimeout(ctx, 5*time.Second)
		r, err := call(once)
		end()
		var refused *client.Error
		switch {
		case err == nil:
			l.accepted(receiptSeen{key, c.id, r.Protocolo, r.DeviceID, r.Action}, tries > 1)
			asks--
			continue
		case client.Code(err) == wire.CodeQueueFull:
			l.mu.Lock()
			l.dropped++
			l.mu.Unlock()
			return
		case errors.As(err, &refused) && refused.Problem.Status < 500 && refused.Problem.Code != wire.CodeDeviceNotFound:
			l.t.Errorf("%s was refused: %v", key, err)
			return
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			l.t.Errorf("%s is without an answer for 45s: %v", key, err)
			return
		}
	}
}

func (l *crashLoad) update(c *crashClient, rng *rand.Rand, i int, key string) func(context.Context) (wire.Receipt, error) {
	profile, _ := cwmptest.LookupProfile(crashProfiles[i%len(crashProfiles)]) // startDevices has looked already
	name := cwmptest.RootTR098 + "LANDevice.1.WLANConfiguration.1.SSID"
	if profile.Root == cwmptest.RootTR181 {
		name = cwmptest.RootTR181 + "WiFi.SSID.1.SSID"
	}
	seconds := crashTimeout
	in := wire.ParametersUpdateRequest{
		RouterID: l.ids[i], TimeoutSeconds: &seconds, Verify: rng.IntN(2) == 0,
		Parameters: wire.Parameters{{Name: name, Value: json.RawMessage(`"` + l.marker + key + `"`)}},
	}
	return func(ctx context.Context) (wire.Receipt, error) {
		return c.api.UpdateParameters(ctx, in, client.IdempotencyKey(key))
	}
}

func (l *crashLoad) accepted(r receiptSeen, retried bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receipts = append(l.receipts, r)
	if retried {
		l.retried++
	}
}

// watch lists the protocols of all clients again and again, and notes each change of a final status.
func (l *crashLoad) watch(ctx context.Context) error {
	for pause(ctx, time.Second) == nil {
		for _, c := range l.clients {
			ps, err := l.list(ctx, c)
			if err != nil {
				continue // the server is down
			}
			for _, p := range ps {
				l.seen(p)
			}
		}
	}
	return nil
}

func (l *crashLoad) list(ctx context.Context, c *crashClient) ([]wire.Protocol, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return client.All(ctx, 0, func(ctx context.Context, p client.Page) (wire.List[wire.Protocol], error) {
		p.Limit = wire.MaxPage
		return c.api.Protocols(ctx, client.ProtocolFilter{Page: p})
	})
}

func (l *crashLoad) seen(p wire.Protocol) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := l.finals[p.Protocolo]; len(was) == 0 && p.Final() || len(was) > 0 && was[len(was)-1] != p.Status {
		l.finals[p.Protocolo] = append(was, p.Status)
	}
}

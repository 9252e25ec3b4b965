package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/webhook"
)

var (
	soakDeliveries = flag.Int("soak.deliveries", 0, "how many deliveries the soak makes, about; 0 is 10,000, and half of that with the race detector")
	soakKills      = flag.Int("soak.kills", 3, "how often the soak kills the server")
	soakSeed       = flag.Uint64("soak.seed", 0, "seed of the soak's choices; 0 draws one")
)

const (
	soakEndpoints  = 10
	soakAtOnce     = 8 // attempts at an endpoint
	soakDevices    = 200
	soakAskers     = 12
	soakPerRequest = 2 * soakEndpoints // deliveries: that it was accepted, and that it was cancelled
	soakPatience   = 5 * time.Minute   // for one request; a test that waits longer than that would hang
)

// TestSoak makes many deliveries with the real program, and kills it while it makes them. At the end every receiver has taken every event:
// nothing is lost, what came twice came under the same id, and no more of that than can have been under way when the program was killed.
func TestSoak(t *testing.T) {
	t.Parallel()
	if *soakDeliveries == 0 {
		*soakDeliveries = 10_000
		if crashRace {
			*soakDeliveries = 5_000
		}
	}
	seed := *soakSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to draw the same again: -soak.seed=%d -soak.deliveries=%d -soak.kills=%d", seed, *soakDeliveries, *soakKills)
	s := &soak{t: t, rng: rand.New(rand.NewPCG(seed, 0x50a4)), taken: map[soakKey]*soakTaken{}}
	s.server = newCrashServer(t, s.rng)
	s.server.start()
	s.server.ready()
	s.register()
	began := time.Now()
	requests := max(1, *soakDeliveries/soakPerRequest)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		s.ask(requests)
	}()
	for i := range *soakKills {
		// The kills are spread over the deliveries, not over time.
		s.untilTaken(requests * soakPerRequest * (i + 1) / (*soakKills + 1))
		s.server.kill()
		s.server.start()
		s.server.ready()
	}
	<-asked
	s.untilTaken(requests * soakPerRequest)
	took := time.Since(began)
	s.settled()
	s.server.stop()
	s.judge(requests)
	t.Logf("%d deliveries in %s (%.0f a second), %d kills, slowest start %s: 0 lost, %d taken twice (at most %d can have been), %d refused and tried again",
		len(s.taken), took.Round(time.Millisecond), float64(len(s.taken))/took.Seconds(), *soakKills,
		s.server.slowestStart.Round(time.Millisecond), s.twice, *soakKills*soakEndpoints*soakAtOnce, s.refused.Load())
}

// soakKey is what has to arrive: one event of one request at one endpoint.
type soakKey struct {
	endpoint        int
	protocolo, kind string
}

type soakTaken struct {
	id    string
	times int
	at    int // in the order of all that was taken
}

type soak struct {
	t       *testing.T
	rng     *rand.Rand
	server  *crashServer
	api     *client.Client
	refused atomic.Int64

	mu         sync.Mutex
	protocolos []string
	taken      map[soakKey]*soakTaken
	order      int
	twice      int
	wrong      []string
}

// register makes the endpoints, each at a host of its own, since the attempts at one host are bounded.
func (s *soak) register() {
	s.t.Helper()
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: soakAskers}}
	s.t.Cleanup(hc.CloseIdleConnections)
	var err error
	if s.api, err = client.New("http://"+s.server.api, crashAdmin, client.WithHTTPClient(hc)); err != nil {
		s.t.Fatal(err)
	}
	for i := range soakEndpoints {
		at, err := net.Listen("tcp", fmt.Sprintf("127.0.2.%d:0", i+1))
		if err != nil {
			s.t.Fatal(err)
		}
		made, err := s.api.CreateWebhook(s.t.Context(), wire.WebhookCreate{
			URL: "http://" + at.Addr().String() + "/hook", Events: []string{wire.ActionAccepted, wire.ActionCancelled}, Concurrency: soakAtOnce,
			TimeoutSeconds: 10, RetrySeconds: slices.Repeat([]int{1}, 15),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		s.receive(i, at, made.Secret)
	}
	for i := range soakDevices {
		if _, err := s.api.PutDevice(s.t.Context(), soakDevice(i), wire.DevicePut{}); err != nil {
			s.t.Fatal(err)
		}
	}
}

func soakDevice(i int) string { return fmt.Sprintf("00259E-SOAK-%06d", i) }

// receive serves a receiver that refuses each fiftieth request.
func (s *soak) receive(i int, at net.Listener, secret string) {
	var n atomic.Uint64
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the sender was killed
		}
		if n.Add(1)%50 == 0 {
			s.refused.Add(1)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		s.take(i, r.Header.Get(webhook.HeaderID), body, webhook.Verify(secret, r.Header, body, time.Now()))
		w.WriteHeader(http.StatusNoContent)
	})}
	runs(s.t, "receiver", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = server.Close() })
		defer stop()
		if err := server.Serve(at); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
}

// take notes what a receiver took.
func (s *soak) take(endpoint int, id string, body []byte, verified error) {
	var e wire.ActionEvent
	err := json.Unmarshal(body, &e)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || verified != nil || e.ID != id {
		s.wrong = append(s.wrong, fmt.Sprintf("endpoint %d: webhook-id %s, event %s, signature %v, body %v", endpoint, id, e.ID, verified, err))
		return
	}
	key := soakKey{endpoint, e.Protocolo, e.Type}
	was := s.taken[key]
	if was == nil {
		s.order++
		s.taken[key] = &soakTaken{id: id, times: 1, at: s.order}
		return
	}
	was.times++
	s.twice++
	if was.id != id {
		s.wrong = append(s.wrong, fmt.Sprintf("%+v came as %s and as %s", key, was.id, id))
	}
}

// ask makes the requests, and cancels each; what a kill swallowed is asked again under its key.
func (s *soak) ask(n int) {
	var next atomic.Int64
	var wg sync.WaitGroup
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*soakPatience)
	defer cancel()
	for range soakAskers {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				var protocolo string
				s.again(ctx, "reboot", func(ctx context.Context) error {
					r, err := s.api.Reboot(ctx, wire.RebootRequest{RouterID: soakDevice(i % soakDevices)}, client.IdempotencyKey(fmt.Sprint("soak-", i)))
					protocolo = r.Protocolo
					return err
				})
				s.again(ctx, "cancel", func(ctx context.Context) error {
					_, err := s.api.Cancel(ctx, protocolo)
					if client.Code(err) == wire.CodeFinished {
						return nil // it was cancelled, and the kill swallowed the answer
					}
					return err
				})
				s.mu.Lock()
				s.protocolos = append(s.protocolos, protocolo)
				s.mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// again calls until that succeeds.
func (s *soak) again(ctx context.Context, what string, call func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, soakPatience)
	defer cancel()
	for {
		once, end := context.WithTimeout(ctx, 10*time.Second)
		err := call(once)
		end()
		if err == nil {
			return
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			s.t.Errorf("%s: no answer in %s: %v", what, soakPatience, err)
			return
		}
	}
}

// untilTaken waits until so many deliveries have been taken. It gives up when for a minute nothing comes.
func (s *soak) untilTaken(n int) {
	s.t.Helper()
	last, since := -1, time.Now()
	for {
		s.mu.Lock()
		have := len(s.taken)
		s.mu.Unlock()
		if have >= n {
			return
		}
		if have != last {
			last, since = have, time.Now()
		}
		if time.Since(since) > time.Minute {
			s.t.Fatalf("for a minute nothing came: %d of %d deliveries were taken\n%s", have, n, s.server.logTail())
		}
		if err := pause(s.t.Context(), 5*time.Millisecond); err != nil {
			s.t.Fatal(err)
		}
	}
}

// settled waits until the server has recorded all that was taken.
func (s *soak) settled() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	for {
		open, err := s.api.Deliveries(ctx, client.DeliveryFilter{States: []string{"pending"}, Page: client.Page{Limit: 1}})
		if err == nil && len(open.Items) == 0 {
			return
		}
		if pause(ctx, 50*time.Millisecond) != nil {
			s.t.Errorf("a minute after all was taken, deliveries are pending: %+v, %v", open.Items, err)
			return
		}
	}
}

// judge compares what was taken with what was asked.
func (s *soak) judge(requests int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wrong[:min(10, len(s.wrong))] {
		s.t.Error(w)
	}
	if len(s.protocolos) != requests {
		s.t.Errorf("%d requests were accepted, want %d", len(s.protocolos), requests)
	}
	lost, disordered := 0, 0
	ids := map[string]string{}
	again := make([]int, soakEndpoints)
	for _, protocolo := range s.protocolos {
		for endpoint := range soakEndpoints {
			var at [2]int
			for i, kind := range []string{wire.ActionAccepted, wire.ActionCancelled} {
				got := s.taken[soakKey{endpoint, protocolo, kind}]
				if got == nil {
					lost++
					continue
				}
				at[i] = got.at
				again[endpoint] += got.times - 1
				if was := ids[protocolo+kind]; was != "" && was != got.id {
					s.t.Errorf("%s of %s was told as %s and as %s", kind, protocolo, was, got.id)
				}
				ids[protocolo+kind] = got.id
			}
			if at[1] < at[0] {
				disordered++
			}
		}
	}
	if lost > 0 || disordered > 0 || len(s.taken) != requests*soakPerRequest {
		s.t.Errorf("%d deliveries are lost, %d protocolos came out of order, %d events came of %d", lost, disordered, len(s.taken), requests*soakPerRequest)
	}
	for endpoint, n := range again {
		if most := *soakKills * soakAtOnce; n > most {
			s.t.Errorf("endpoint %d took %d events again, and %d kills explain %d at most", endpoint, n, *soakKills, most)
		}
	}
}

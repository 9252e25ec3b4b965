package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/store/boltstore"
	"recado/webhook"
	"recado/webhook/webhooktest"
)

const (
	pendingMany      = 1_000_000
	pendingFew       = 1_000
	pendingEndpoints = 10
	pendingSmallEnv  = "RECADO_BENCH_SMALL_STORE"
)

// BenchmarkPending: a million deliveries that wait on disk, at ten endpoints, each of a protocolo of its own. Goals: a claim costs at most
// 1.3 times what it costs with a thousand of them, and a server over that store has at most 400 MiB resident. RECADO_BENCH_PENDING sets
// another number than a million.
func BenchmarkPending(b *testing.B) {
	many := pendingMany
	if text := os.Getenv("RECADO_BENCH_PENDING"); text != "" {
		var err error
		if many, err = strconv.Atoi(text); err != nil || many < pendingFew {
			b.Fatalf("RECADO_BENCH_PENDING=%q: want a number from %d up", text, pendingFew)
		}
	}
	r := &webhooktest.Receiver{Keep: 1}
	large, fillRate := filledQueue(b, r, many)
	small, _ := filledQueue(b, r, pendingFew)
	m := measurePending(b, large, small)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(many), "pending")
	b.ReportMetric(fillRate, "stored/s")
	b.ReportMetric(m.FileMiB, "file-MiB")
	b.ReportMetric(m.OpenSeconds, "open-s")
	b.ReportMetric(m.FirstClaimMS, "first-claim-ms")
	b.ReportMetric(m.LargeUS, "claim-us/delivery")
	b.ReportMetric(m.SmallUS, "claim-us/delivery-of-1000")
	b.ReportMetric(m.LargeUS/m.SmallUS, "x-of-1000")

	begun := time.Now()
	p := startProcess(b, "app", "bolt://"+large)
	b.ReportMetric(time.Since(begun).Seconds(), "start-s")
	started, _ := p.rss()
	begun = time.Now()
	const n = 5000
	for r.Total() < n && time.Since(begun) < time.Minute {
		time.Sleep(5 * time.Millisecond)
	}
	rate := float64(r.Total()) / time.Since(begun).Seconds()
	now, peak := p.rss()
	b.ReportMetric(rate, "deliveries/s")
	b.ReportMetric(started, "start-rss-MiB")
	b.ReportMetric(now, "rss-MiB")
	b.ReportMetric(p.status("RssAnon:"), "anon-MiB")
	b.ReportMetric(peak, "peak-rss-MiB")
}

// filledQueue makes a store with paused endpoints at r and n deliveries that wait for them.
func filledQueue(b *testing.B, r *webhooktest.Receiver, n int) (path string, rate float64) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "recado.db")
	p := startProcess(b, "app", "bolt://"+path)
	c := newCaller(b, p.APIURL, 32)
	inactive := false
	var ids []string
	for range pendingEndpoints {
		ids = append(ids, c.hook(r, wire.WebhookCreate{Active: &inactive, Concurrency: 32}).ID)
	}
	p.stop()
	db, err := boltstore.Open(path, boltstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	begun := time.Now()
	fillQueue(b, db, ids, n)
	return path, float64(n) / time.Since(begun).Seconds()
}

// fillQueue stores n events, each with its delivery.
func fillQueue(b testing.TB, db *boltstore.DB, endpoints []string, n int) {
	pad := strings.Repeat("x", 500)
	inParallel(512, n, func(i int) {
		now := time.Now().UTC()
		protocolo := webhook.NewID("")
		e := webhook.Event{
			ID: webhook.NewID(webhook.PrefixEvent), Type: wire.ActionSucceeded, Client: "admin", Protocolo: protocolo,
			Device: deviceName(i % 100_000), Time: now, Body: []byte(`{"type":"action.succeeded","protocolo":"` + protocolo + `","pad":"` + pad + `"}`),
		}
		d := webhook.Delivery{
			ID: webhook.NewID(webhook.PrefixDelivery), Event: e.ID, EventType: e.Type, Endpoint: endpoints[i%len(endpoints)], Client: e.Client,
			Protocolo: protocolo, Device: e.Device, State: webhook.DeliveryPending, OrderKey: "p:" + protocolo, NextAt: now, CreatedAt: now,
		}
		if _, err := db.AddEvent(context.Background(), e, []webhook.Delivery{d}); err != nil {
			b.Error(err)
		}
	})
}

// pendingMeasured is what the process that measures prints.
type pendingMeasured struct {
	FileMiB, OpenSeconds, FirstClaimMS, LargeUS, SmallUS float64
}

// measurePending measures in a process of its own.
func measurePending(b *testing.B, large, small string) (m pendingMeasured) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServeEnv+"=pending", benchStoreEnv+"="+large, pendingSmallEnv+"="+small)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &m)
	}
	if err != nil {
		b.Fatalf("the process that measures claims: %v", err)
	}
	return m
}

// servePending opens both stores, and claims from one and the other in turn, so that what else the machine does hits both. What was
// claimed is recorded as delivered and as much is added, so that there are always as many pending.
func servePending() error {
	path := os.Getenv(benchStoreEnv)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	m := pendingMeasured{FileMiB: float64(info.Size()) / (1 << 20)}
	large, took, err := newClaimer(path)
	if err != nil {
		return err
	}
	m.OpenSeconds = took.Seconds()
	small, _, err := newClaimer(os.Getenv(pendingSmallEnv))
	if err != nil {
		return err
	}
	for round := range 41 {
		for _, c := range []*claimer{large, small} {
			if err := c.round(); err != nil {
				return err
			}
			if round == 0 { // what became due moves to another queue by the first claim
				if c == large {
					m.FirstClaimMS = ms(c.took[0])
				}
				c.took = nil
			}
		}
	}
	m.LargeUS, m.SmallUS = large.median(), small.median()
	if err := json.NewEncoder(os.Stdout).Encode(m); err != nil {
		return err
	}
	return errors.Join(large.db.Close(), small.db.Close())
}

// claimer claims as a dispatcher does.
type claimer struct {
	db        *boltstore.DB
	endpoints []string
	took      []time.Duration
}

const claimBatch = 16

// newClaimer makes the store's endpoints active, and opens it once more: that takes so long.
func newClaimer(path string) (c *claimer, took time.Duration, err error) {
	c = &claimer{}
	db, err := boltstore.Open(path, boltstore.Options{})
	if err != nil {
		return nil, 0, err
	}
	list, err := db.Endpoints(context.Background(), "")
	for _, e := range list {
		c.endpoints = append(c.endpoints, e.ID)
		e.State = webhook.EndpointActive
		_, failed := db.UpdateEndpoint(context.Background(), e)
		err = errors.Join(err, failed)
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, 0, err
	}
	begun := time.Now()
	c.db, err = boltstore.Open(path, boltstore.Options{})
	return c, time.Since(begun), err
}

func (c *claimer) round() error {
	ctx := context.Background()
	var held []webhook.Lease
	for len(held) < webhook.TotalConcurrency {
		begun := time.Now()
		leases, _, err := c.db.ClaimDeliveries(ctx, webhook.ClaimLimits{Total: claimBatch, PerEndpoint: 4, Lease: time.Minute})
		c.took = append(c.took, time.Since(begun))
		if err != nil || len(leases) != claimBatch {
			return fmt.Errorf("claimed %d, want %d: %w", len(leases), claimBatch, err)
		}
		held = append(held, leases...)
	}
	var mu sync.Mutex
	var failed error
	inParallel(len(held), len(held), func(i int) {
		l := held[i]
		_, err := c.db.RecordAttempt(ctx, l, webhook.Attempt{Delivery: l.Delivery.ID, At: time.Now(), Status: 204},
			webhook.Settlement{State: webhook.DeliveryDelivered})
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed = err
		}
	})
	fill := &counting{}
	fillQueue(fill, c.db, c.endpoints, len(held))
	if failed == nil && fill.failed {
		failed = fmt.Errorf("the queue could not be filled again")
	}
	return failed
}

// median gives the microseconds for each delivery claimed.
func (c *claimer) median() float64 {
	slices.Sort(c.took)
	return float64(c.took[len(c.took)/2].Nanoseconds()) / 1000 / claimBatch
}

// counting is a testing.TB for the process that has no test.
type counting struct {
	testing.TB
	mu     sync.Mutex
	failed bool
}

func (c *counting) Error(args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = true
	fmt.Fprintln(os.Stderr, args...)
}

package webhook_test

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"recado/webhook"
	"recado/webhook/webhooktest"
)

// memQueue hands out n deliveries to a few endpoints and does nothing else, so that the dispatcher's own cost shows.
type memQueue struct {
	mu        sync.Mutex
	left      int
	out       map[string]int
	recorded  int
	done      chan struct{}
	changed   chan struct{}
	endpoints []webhook.Endpoint
	next      int
	event     webhook.Event
}

func (q *memQueue) ClaimDeliveries(_ context.Context, l webhook.ClaimLimits) (out []webhook.Lease, _ time.Time, _ error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for skipped := 0; q.left > 0 && len(out) < l.Total && skipped < len(q.endpoints); {
		e := q.endpoints[q.next%len(q.endpoints)]
		q.next++
		if q.out[e.ID] >= l.PerEndpoint {
			skipped++
			continue
		}
		skipped = 0
		q.left--
		q.out[e.ID]++
		d := webhook.Delivery{ID: "dlv_" + strconv.Itoa(q.left), Event: q.event.ID, Endpoint: e.ID, State: webhook.DeliveryPending}
		out = append(out, webhook.Lease{Delivery: d, Event: q.event, Endpoint: e})
	}
	return out, time.Time{}, nil
}

func (q *memQueue) RecordAttempt(_ context.Context, l webhook.Lease, _ webhook.Attempt, s webhook.Settlement) (webhook.EndpointState, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.out[l.Endpoint.ID]--
	if s.State != webhook.DeliveryDelivered {
		q.left++
		return "", nil
	}
	if q.recorded--; q.recorded == 0 {
		close(q.done)
	}
	return "", nil
}

func (q *memQueue) QueueDepth(context.Context, string) (int, error) { return 0, nil }

func (q *memQueue) Endpoints(context.Context, string) ([]webhook.Endpoint, error) {
	return q.endpoints, nil
}

func (q *memQueue) DeliveriesChanged() <-chan struct{} { return q.changed }

// cpu is the process's CPU time, user and system.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDispatch measures a delivery over loopback TCP, the receiver in the same process included: a Receiver that
// verifies and records, and a bare handler that only answers. The limit is 0.5 ms of CPU per delivery.
func BenchmarkDispatch(b *testing.B) {
	verifying := &webhooktest.Receiver{Secrets: []string{testSecret}, Keep: 100}
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	b.Run("receiver", func(b *testing.B) { dispatch(b, verifying) })
	b.Run("bare", func(b *testing.B) { dispatch(b, bare) })
}

func dispatch(b *testing.B, h http.Handler) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	tr := &http.Transport{MaxIdleConnsPerHost: 64}
	client := &http.Client{Transport: tr}
	q := &memQueue{
		left: b.N, recorded: b.N, out: map[string]int{}, done: make(chan struct{}), changed: make(chan struct{}, 1),
		event: webhook.Event{
			ID: webhook.NewID(webhook.PrefixEvent), Type: "action.succeeded", Time: time.Now(),
			Body: []byte(`{"type":"action.succeeded","data":{"sequence":,"pad":"` + strings.Repeat("x", 400) + `"}}`), SequenceAt: 46, Sequence: 17,
		},
	}
	for i := range 16 {
		q.endpoints = append(q.endpoints, webhook.Endpoint{
			ID: "wh_" + strconv.Itoa(i), URL: "http://" + l.Addr().String() + "/hook", State: webhook.EndpointActive, Secret: testSecret,
		})
	}
	d := webhook.NewDispatcher(webhook.DispatcherConfig{Store: q, HostPerSecond: -1, Clients: webhook.ClientsFunc(func(webhook.Endpoint) webhook.Doer { return client })})
	ctx, cancel := context.WithCancel(b.Context())
	ran := make(chan error, 1)
	before := cpu(b)
	b.ResetTimer()
	go func() { ran <- d.Run(ctx) }()
	<-q.done
	b.StopTimer()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/delivery")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	cancel()
	if err := <-ran; err != nil {
		b.Error(err)
	}
	tr.CloseIdleConnections()
	server.Close()
	<-served
}

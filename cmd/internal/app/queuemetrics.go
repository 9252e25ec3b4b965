package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"recado/webhook"
)

// queueCollector tells what waits in the webhooks' queues. It looks once a second at the most, and names no client, endpoint or URL.
type queueCollector struct {
	store webhook.StatsStore

	mu   sync.Mutex
	at   time.Time
	last []prometheus.Metric
}

var (
	descPending   = prometheus.NewDesc("recado_webhook_pending", "Deliveries that are pending, without those that are held.", nil, nil)
	descHeld      = prometheus.NewDesc("recado_webhook_held", "Deliveries that are pending at endpoints that are not active.", nil, nil)
	descDead      = prometheus.NewDesc("recado_webhook_dead", "Deliveries that are dead and can be replayed.", nil, nil)
	descOldest    = prometheus.NewDesc("recado_webhook_oldest_pending_seconds", "Age of the oldest delivery that is pending and not held.", nil, nil)
	descEndpoints = prometheus.NewDesc("recado_webhook_endpoints", "Endpoints, by state.", []string{"state"}, nil)
)

var endpointStates = []webhook.EndpointState{
	webhook.EndpointActive, webhook.EndpointPaused, webhook.EndpointFailing, webhook.EndpointDisabled, webhook.EndpointGone,
}

func newQueueCollector(store webhook.StatsStore) *queueCollector {
	return &queueCollector{store: store}
}

// Describe implements prometheus.Collector.
func (q *queueCollector) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descPending, descHeld, descDead, descOldest, descEndpoints} {
		c <- d
	}
}

const (
	collectEvery   = time.Second
	collectTimeout = 5 * time.Second
)

// Collect implements prometheus.Collector. Where the store cannot be read, it tells nothing.
func (q *queueCollector) Collect(c chan<- prometheus.Metric) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.at.IsZero() || time.Since(q.at) >= collectEvery {
		q.last, q.at = q.look(), time.Now()
	}
	for _, m := range q.last {
		c <- m
	}
}

func (q *queueCollector) look() []prometheus.Metric {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	queues, err := q.store.QueueStates(ctx, "")
	if err != nil {
		return nil
	}
	var pending, held, dead, oldest float64
	states := make(map[webhook.EndpointState]float64, len(endpointStates))
	for i := range queues {
		one := &queues[i]
		states[one.State]++
		pending += float64(one.Pending - one.Held())
		held += float64(one.Held())
		dead += float64(one.Dead)
		if one.State == webhook.EndpointActive && !one.Oldest.IsZero() {
			oldest = max(oldest, time.Since(one.Oldest).Seconds())
		}
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
		return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	list := []prometheus.Metric{gauge(descPending, pending), gauge(descHeld, held), gauge(descDead, dead), gauge(descOldest, oldest)}
	for _, s := range endpointStates {
		list = append(list, gauge(descEndpoints, states[s], string(s)))
	}
	return list
}

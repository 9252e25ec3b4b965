package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"recado/webhook"
)

// someQueues is a StatsStore that says what it is told to.
type someQueues struct {
	webhook.StatsStore
	list  []webhook.QueueState
	err   error
	asked int
}

func (q *someQueues) QueueStates(context.Context, string) ([]webhook.QueueState, error) {
	q.asked++
	return q.list, q.err
}

// gathered gives the values by name and label.
func gathered(t *testing.T, r *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			switch {
			case m.GetCounter() != nil:
				all[name] = m.GetCounter().GetValue()
			case m.GetHistogram() != nil:
				all[name] = float64(m.GetHistogram().GetSampleCount())
			default:
				all[name] = m.GetGauge().GetValue()
			}
		}
	}
	return all
}

func TestQueueMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		q := &someQueues{list: []webhook.QueueState{
			{Endpoint: "wh_hidden", Client: "cli_hidden", State: webhook.EndpointActive, Pending: 5, Dead: 2, Oldest: now.Add(-30 * time.Second)},
			{Endpoint: "wh_2", State: webhook.EndpointActive, Pending: 1, Oldest: now.Add(-90 * time.Second)},
			{Endpoint: "wh_3", State: webhook.EndpointPaused, Pending: 7, Dead: 1, Oldest: now.Add(-time.Hour)},
		}}
		r := prometheus.NewRegistry()
		if err := r.Register(newQueueCollector(q)); err != nil {
			t.Fatal(err)
		}
		got := gathered(t, r)
		for name, want := range map[string]float64{
			"recado_webhook_pending": 6, "recado_webhook_held": 7, "recado_webhook_dead": 3, "recado_webhook_oldest_pending_seconds": 90,
			"recado_webhook_endpoints active": 2, "recado_webhook_endpoints paused": 1, "recado_webhook_endpoints failing": 0,
			"recado_webhook_endpoints disabled": 0, "recado_webhook_endpoints gone": 0,
		} {
			if v, ok := got[name]; !ok || v != want {
				t.Errorf("%s: got %v, there: %v; want %v", name, v, ok, want)
			}
		}
		for name := range got {
			if strings.Contains(name, "hidden") || strings.Contains(name, "wh_") {
				t.Errorf("metric %q names an endpoint or a client", name)
			}
		}
		for range 10 {
			gathered(t, r)
		}
		if q.asked != 1 {
			t.Errorf("scraped ten times within a second: looked %d times, want once", q.asked)
		}
		time.Sleep(time.Second)
		q.err = errors.New("closed")
		if got := gathered(t, r); len(got) != 0 {
			t.Errorf("with a store that cannot be read: got %v, want nothing", got)
		}
	})
}

func TestDeliveryMetrics(t *testing.T) {
	r := prometheus.NewRegistry()
	o := newDeliveryObserver(r)
	at := time.Now()
	l := webhook.Lease{Event: webhook.Event{Time: at.Add(-time.Hour)}}
	attempt := func(class webhook.ErrorClass, s webhook.DeliveryState) {
		o.DeliveryAttempted(l, webhook.Attempt{At: at, Class: class, Duration: time.Second}, webhook.Settlement{State: s})
	}
	attempt(webhook.ErrorDNS, webhook.DeliveryPending)
	attempt(webhook.ErrorDNS, webhook.DeliveryDead)
	attempt("", webhook.DeliveryDelivered)
	got := gathered(t, r)
	for name, want := range map[string]float64{
		"recado_webhook_attempts_total dns": 2, "recado_webhook_attempts_total delivered": 1, "recado_webhook_attempts_total tls": 0,
		"recado_webhook_deliveries_total delivered": 1, "recado_webhook_deliveries_total dead": 1, "recado_webhook_delivery_seconds": 1,
		"recado_webhook_attempt_duration_seconds": 3,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: got %v, there: %v; want %v", name, v, ok, want)
		}
	}
	for _, c := range webhook.ErrorClasses {
		if _, ok := got["recado_webhook_attempts_total "+string(c)]; !ok {
			t.Errorf("class %s shows nothing before it occurs", c)
		}
	}
}

package app

import (
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"recado/cwmp"
	"recado/webhook"
)

func newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// deliveryObserver counts attempts. Label values are made beforehand, so that nothing shows as zero.
type deliveryObserver struct {
	attempts *prometheus.CounterVec
	states   *prometheus.CounterVec
	ended    *prometheus.CounterVec
	arrival  prometheus.Histogram
	duration prometheus.Histogram
	lag      prometheus.Histogram
}

const deliveredLabel = "delivered"

func newDeliveryObserver(r prometheus.Registerer) *deliveryObserver {
	o := &deliveryObserver{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "recado", Name: "webhook_attempts_total", Help: "Attempts to deliver a webhook, by result.",
		}, []string{"result"}),
		states: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "recado", Name: "webhook_endpoint_changes_total", Help: "Endpoints that attempts brought to another state, by that state.",
		}, []string{"state"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "recado", Name: "webhook_deliveries_total", Help: "Deliveries that attempts ended, by state.",
		}, []string{"state"}),
		arrival: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "recado", Name: "webhook_delivery_seconds", Help: "From the event, or its replay, to its delivery.",
			Buckets: []float64{0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600, 3600, 21600, 86400, 345600},
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "recado", Name: "webhook_attempt_duration_seconds", Help: "How long an attempt took.",
			Buckets: []float64{0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30},
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "recado", Name: "webhook_lag_seconds", Help: "From the event to the first attempt's begin.",
			Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300},
		}),
	}
	r.MustRegister(o.attempts, o.states, o.ended, o.arrival, o.duration, o.lag)
	o.attempts.WithLabelValues(deliveredLabel)
	for _, c := range webhook.ErrorClasses {
		o.attempts.WithLabelValues(string(c))
	}
	for _, s := range []webhook.DeliveryState{webhook.DeliveryDelivered, webhook.DeliveryDead} {
		o.ended.WithLabelValues(string(s))
	}
	for _, s := range []webhook.EndpointState{
		webhook.EndpointActive, webhook.EndpointFailing, webhook.EndpointDisabled, webhook.EndpointGone,
	} {
		o.states.WithLabelValues(string(s))
	}
	return o
}

// EndpointChanged implements webhook.Observer.
func (o *deliveryObserver) EndpointChanged(_ webhook.Endpoint, to webhook.EndpointState) {
	o.states.WithLabelValues(string(to)).Inc()
}

// DeliveryAttempted implements webhook.Observer.
func (o *deliveryObserver) DeliveryAttempted(l webhook.Lease, a webhook.Attempt, s webhook.Settlement) {
	result := string(a.Class)
	if result == "" {
		result = deliveredLabel
	}
	o.attempts.WithLabelValues(result).Inc()
	o.duration.Observe(a.Duration.Seconds())
	if s.State != webhook.DeliveryPending {
		o.ended.WithLabelValues(string(s.State)).Inc()
	}
	if s.State == webhook.DeliveryDelivered {
		begun := l.Event.Time
		if l.Delivery.ReplayedAt.After(begun) {
			begun = l.Delivery.ReplayedAt
		}
		o.arrival.Observe(max(0, a.At.Add(a.Duration).Sub(begun)).Seconds())
	}
	if l.Delivery.Attempts == 0 {
		o.lag.Observe(max(0, a.At.Sub(l.Event.Time)).Seconds())
	}
}

func newCWMPObserver(r prometheus.Registerer, wrong func(from netip.Addr)) cwmp.Observer {
	open := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "recado", Name: "cwmp_sessions_open", Help: "CWMP sessions open now."})
	lasted := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: "recado", Name: "cwmp_session_duration_seconds", Help: "From Inform to the session's end.",
		Buckets: []float64{0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300},
	})
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "recado", Name: "cwmp_bytes_total", Help: "Bytes of CWMP messages.",
	}, []string{"direction"})
	auth := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "recado", Name: "cwmp_auth_failures_total", Help: "CPE credentials not taken, by reason.",
	}, []string{"reason"})
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "recado", Name: "cwmp_refused_total", Help: "Requests refused at the CWMP listener, by reason.",
	}, []string{"reason"})
	r.MustRegister(open, lasted, bytes, auth, refused)
	for _, why := range []cwmp.AuthFailure{cwmp.AuthFailureWrong, cwmp.AuthFailureThrottled, cwmp.AuthFailureStale, cwmp.AuthFailureError} {
		auth.WithLabelValues(string(why))
	}
	read, written := bytes.WithLabelValues("read"), bytes.WithLabelValues("written")
	return cwmp.Observer{
		SessionOpened: open.Inc,
		SessionEnded: func(_ cwmp.EndReason, d time.Duration) {
			open.Dec()
			lasted.Observe(d.Seconds())
		},
		MessageRead:    func(n int) { read.Add(float64(n)) },
		MessageWritten: func(n int) { written.Add(float64(n)) },
		AuthFailed: func(why cwmp.AuthFailure, from netip.Addr) {
			auth.WithLabelValues(string(why)).Inc()
			if wrong != nil && (why == cwmp.AuthFailureWrong || why == cwmp.AuthFailureThrottled) {
				wrong(from)
			}
		},
		Refused: func(why cwmp.Refusal) { refused.WithLabelValues(string(why)).Inc() },
	}
}

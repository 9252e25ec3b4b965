package acs

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the engine's. Labels have few values; none is a device or a client.
type Metrics struct {
	accepted *prometheus.CounterVec
	finished *prometheus.CounterVec
	duration *prometheus.HistogramVec
	late     *prometheus.CounterVec
	rings    *prometheus.CounterVec
	sessions *prometheus.CounterVec
	informs  prometheus.Counter
	denied   *prometheus.CounterVec
}

// NewMetrics registers the engine's metrics.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "recado", Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	m := &Metrics{
		accepted: counter("actions_accepted_total", "Actions accepted.", "action"),
		finished: counter("actions_finished_total", "Actions that got their final status.", "action", "status", "reason"),
		late:     counter("actions_late_total", "Actions whose device acted after the timeout.", "action", "status"),
		rings:    counter("connection_requests_total", "Connection requests sent, by result.", "result"),
		sessions: counter("cwmp_sessions_total", "CWMP sessions ended, by reason.", "reason"),
		denied:   counter("cwmp_denied_total", "Informs refused, by reason.", "reason"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "recado", Name: "action_duration_seconds", Help: "From acceptance to final status.",
			Buckets: []float64{1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 14400, 86400},
		}, []string{"action", "status"}),
		informs: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "recado", Name: "cwmp_informs_total", Help: "Informs accepted.",
		}),
	}
	r.MustRegister(m.duration, m.informs)
	for _, k := range []Kind{KindReboot, KindParametersUpdate} {
		m.accepted.WithLabelValues(string(k))
		for _, s := range []Status{StatusSuccess, StatusFailure, StatusTimeout, StatusCancelled} {
			m.duration.WithLabelValues(string(k), string(s))
		}
	}
	return m
}

func (m *Metrics) actionAccepted(a *Action) {
	if m != nil {
		m.accepted.WithLabelValues(string(a.Kind)).Inc()
	}
}

func (m *Metrics) actionFinished(a *Action) {
	if m == nil {
		return
	}
	m.finished.WithLabelValues(string(a.Kind), string(a.Status), string(a.Reason)).Inc()
	m.duration.WithLabelValues(string(a.Kind), string(a.Status)).Observe(a.FinishedAt.Sub(a.CreatedAt).Seconds())
}

func (m *Metrics) actionLate(a *Action) {
	if m != nil {
		m.late.WithLabelValues(string(a.Kind), string(a.Late.Status)).Inc()
	}
}

func (m *Metrics) rang(reason string, _ time.Duration) {
	if m == nil {
		return
	}
	if reason == "" {
		reason = "taken"
	}
	m.rings.WithLabelValues(reason).Inc()
}

func (m *Metrics) sessionEnded(reason string) {
	if m != nil {
		m.sessions.WithLabelValues(reason).Inc()
	}
}

func (m *Metrics) informed() {
	if m != nil {
		m.informs.Inc()
	}
}

func (m *Metrics) deny(reason string) {
	if m != nil {
		m.denied.WithLabelValues(reason).Inc()
	}
}

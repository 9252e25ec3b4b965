package wire

// WebhookStats are the statistics of an endpoint. Hours are counted whole: Since is the beginning of one.
type WebhookStats struct {
	WebhookID string `json:"webhook_id"`
	State     string `json:"state"`
	Since     Time   `json:"since"`
	Until     Time   `json:"until"`

	Events     uint64 `json:"events"`     // that came about for it
	Deliveries uint64 `json:"deliveries"` // that ended: Delivered, Dead and Expired
	Delivered  uint64 `json:"delivered"`
	Dead       uint64 `json:"dead"`    // since their attempts were spent
	Expired    uint64 `json:"expired"` // dead since they were held too long
	Attempts   uint64 `json:"attempts"`
	// SuccessRate is the share of attempts that were answered 2xx, AttemptsPerDelivery how many a delivery took that ended; null where
	// there were none.
	SuccessRate         *float64 `json:"success_rate"`
	AttemptsPerDelivery *float64 `json:"attempts_per_delivery"`
	// ReceiverMS is the time of an attempt, LagMS from the event, or its replay, to its delivery; null where there were none.
	ReceiverMS *Spread       `json:"receiver_ms"`
	LagMS      *Spread       `json:"lag_ms"`
	Errors     []ErrorNumber `json:"errors"` // the most frequent first

	// What is now.
	DeadNow         int   `json:"dead_now"`
	HeldNow         int   `json:"held_now"`
	QueueDepth      int   `json:"queue_depth"` // pending, what is held among it
	OldestPendingAt *Time `json:"oldest_pending_at"`
}

// Spread tells of durations in milliseconds. The quantiles are within 10 %.
type Spread struct {
	Average float64 `json:"average"`
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
}

// ErrorNumber is how many attempts failed in one way, and what to do about it.
type ErrorNumber struct {
	Class string `json:"class"`
	Count uint64 `json:"count"`
	Hint  string `json:"hint"`
}

// WebhookHealth is how an endpoint does, in short.
type WebhookHealth struct {
	State string `json:"state"`
	// SuccessRate is of this hour and the one before; null where nothing was tried.
	SuccessRate *float64 `json:"success_rate_1h"`
	// LastError is the class of the last failed attempt, Hint what to do about it; empty after a success.
	LastError string `json:"last_error"`
	Hint      string `json:"hint"`
	Held      int    `json:"held"`
	Dead      int    `json:"dead"`
	// OldestPendingSeconds is the age of the oldest delivery that is pending; null where none is.
	OldestPendingSeconds *int64 `json:"oldest_pending_seconds"`
}

// WebhooksHealth is the answer to GET /webhook/health.
type WebhooksHealth struct {
	Status    string `json:"status"` // healthy or unhealthy
	Timestamp Time   `json:"timestamp"`
	// Checks are by name: store, dispatcher, due, oldest_pending, pending, held, dead; queue in place of the last ones where they cannot be
	// read.
	Checks map[string]HealthCheck `json:"checks"`
}

// HealthCheck is one thing that was looked at.
type HealthCheck struct {
	Status string   `json:"status"` // healthy or unhealthy
	Detail string   `json:"detail"`
	Value  *float64 `json:"value,omitempty"` // seconds, or how many
}

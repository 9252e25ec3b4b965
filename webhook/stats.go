package webhook

import (
	"context"
	"maps"
	"slices"
	"time"
)

// Bounds of statistics.
const (
	MinStatsRange = time.Hour
	MaxStatsRange = 30 * 24 * time.Hour
)

// Tally counts what came of one endpoint in some hours.
type Tally struct {
	// Events counts the deliveries that were made for it, one for each event.
	Events uint64 `json:"events,omitempty"`
	// Attempts counts the POSTs, Delivered those that were answered 2xx: each ends a delivery. Dead counts deliveries whose attempts were
	// spent, and Expired those that were held too long.
	Attempts  uint64 `json:"attempts,omitempty"`
	Delivered uint64 `json:"delivered,omitempty"`
	Dead      uint64 `json:"dead,omitempty"`
	Expired   uint64 `json:"expired,omitempty"`
	// Tries counts the attempts of the deliveries that ended, since their last replay.
	Tries  uint64                `json:"tries,omitempty"`
	Errors map[ErrorClass]uint64 `json:"errors,omitempty"`
	// Took is the receiver's time, of all attempts; Lag is from the event, or its replay, to its delivery.
	Took Histogram `json:"took,omitzero"`
	Lag  Histogram `json:"lag,omitzero"`
}

// Count counts an attempt. d is its delivery after that.
func (t *Tally) Count(l Lease, a Attempt, d *Delivery) {
	t.Attempts++
	t.Took.Observe(a.Duration)
	if a.Class != "" {
		if t.Errors == nil {
			t.Errors = make(map[ErrorClass]uint64)
		}
		t.Errors[a.Class]++
	}
	switch d.State {
	case DeliveryDelivered:
		t.Delivered++
		begun := l.Event.Time
		if begun.IsZero() {
			begun = d.CreatedAt
		}
		if d.ReplayedAt.After(begun) {
			begun = d.ReplayedAt
		}
		t.Lag.Observe(a.At.Add(a.Duration).Sub(begun))
	case DeliveryDead:
		t.Dead++
	default:
		return
	}
	t.Tries += uint64(max(d.Tries, 0))
}

// Add adds what another one has counted.
func (t *Tally) Add(o *Tally) {
	t.Events += o.Events
	t.Attempts += o.Attempts
	t.Delivered += o.Delivered
	t.Dead += o.Dead
	t.Expired += o.Expired
	t.Tries += o.Tries
	if len(o.Errors) > 0 && t.Errors == nil {
		t.Errors = make(map[ErrorClass]uint64, len(o.Errors))
	}
	for c, n := range o.Errors {
		t.Errors[c] += n
	}
	t.Took.Add(&o.Took)
	t.Lag.Add(&o.Lag)
}

// Clone copies a tally with all that it points to.
func (t *Tally) Clone() Tally {
	c := *t
	c.Errors = maps.Clone(t.Errors)
	c.Took.Buckets, c.Lag.Buckets = slices.Clone(t.Took.Buckets), slices.Clone(t.Lag.Buckets)
	return c
}

// SuccessRate is the share of attempts that were answered 2xx; ok is false where there were none.
func (t *Tally) SuccessRate() (rate float64, ok bool) {
	if t.Attempts == 0 {
		return 0, false
	}
	return float64(t.Delivered) / float64(t.Attempts), true
}

// AttemptsPerDelivery is how many attempts a delivery took that ended; ok is false where none did.
func (t *Tally) AttemptsPerDelivery() (n float64, ok bool) {
	ended := t.Delivered + t.Dead
	if ended == 0 {
		return 0, false
	}
	return float64(t.Tries) / float64(ended), true
}

// QueueState is what waits for an endpoint, and what is dead.
type QueueState struct {
	Endpoint, Client string
	State            EndpointState
	Pending, Dead    int
	// Oldest is when the oldest pending delivery was made; zero where none is.
	Oldest time.Time
	// DueSince is since when something is due that could go out, and nothing does; zero where that is not so.
	DueSince time.Time
}

// Held is how much of what is pending is held.
func (q *QueueState) Held() int {
	if q.State == EndpointActive {
		return 0
	}
	return q.Pending
}

// StatsStore counts. Counters follow from RecordAttempt and from the deliveries that are stored; they may be written behind, and a crash
// may lose what was counted in the last seconds before it: of counters, never of deliveries.
type StatsStore interface {
	// Tally adds up what came of an endpoint since the beginning of the hour in which since is.
	Tally(ctx context.Context, endpoint string, since time.Time) (Tally, error)
	// QueueStates tells of all endpoints of a client, by id; all where client is empty. It is cheap.
	QueueStates(ctx context.Context, client string) ([]QueueState, error)
}

// Stats are an endpoint's statistics.
type Stats struct {
	// Since is the beginning of an hour: hours are counted whole.
	Since, Until time.Time
	Tally
	Queue QueueState
}

// Stats tells what came of an endpoint of client in the last time of that length, and the hour that it began in.
func (s *Service) Stats(ctx context.Context, client, id string, length time.Duration) (Stats, error) {
	if length < MinStatsRange || length > MaxStatsRange {
		return Stats{}, invalid("range", "must be 1h to 30d")
	}
	e, err := s.Endpoint(ctx, client, id)
	if err != nil {
		return Stats{}, err
	}
	now := time.Now().UTC()
	st := Stats{Since: hourOf(now.Add(-length)), Until: now}
	if st.Tally, err = s.store.Tally(ctx, id, st.Since); err != nil {
		return Stats{}, err
	}
	queues, err := s.store.QueueStates(ctx, client)
	if err != nil {
		return Stats{}, err
	}
	st.Queue = QueueState{Endpoint: e.ID, Client: client, State: e.State}
	for _, q := range queues {
		if q.Endpoint == id {
			st.Queue = q
		}
	}
	return st, nil
}

// hourOf is the beginning of the hour that t is in, in UTC.
func hourOf(t time.Time) time.Time { return HourStart(Hour(t)) }

// Hour numbers the hours since 1970, in UTC.
func Hour(t time.Time) int64 {
	n := t.Unix()
	if n < 0 {
		n -= 3599
	}
	return n / 3600
}

// HourStart is when an hour of that number begins.
func HourStart(hour int64) time.Time { return time.Unix(hour*3600, 0).UTC() }

// EndpointHealth is how an endpoint does, in short.
type EndpointHealth struct {
	Queue QueueState
	// Recent is what came of it in this hour and the one before.
	Recent Tally
}

// EndpointHealths tells how each endpoint of client does, by id.
func (s *Service) EndpointHealths(ctx context.Context, client string) (map[string]EndpointHealth, error) {
	queues, err := s.store.QueueStates(ctx, client)
	if err != nil {
		return nil, err
	}
	all := make(map[string]EndpointHealth, len(queues))
	since := time.Now().Add(-time.Hour)
	for _, q := range queues {
		recent, err := s.store.Tally(ctx, q.Endpoint, since)
		if err != nil {
			return nil, err
		}
		all[q.Endpoint] = EndpointHealth{q, recent}
	}
	return all, nil
}

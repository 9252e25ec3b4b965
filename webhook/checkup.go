package webhook

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Bounds of a checkup.
const (
	// maxTurn is how long the dispatcher's loop may take for a turn: it sleeps for idleWait at the most.
	maxTurn = 2 * idleWait
	// maxDue is how long something may be due that could go out, before it shows that nothing does.
	maxDue = 5 * time.Minute
	// checkupFresh is how long a checkup is good for, and checkupTimeout how long one may take.
	checkupFresh   = time.Second
	checkupTimeout = 5 * time.Second
)

// CheckupConfig is what a Checkup looks at; all is needed.
type CheckupConfig struct {
	Store StatsStore
	// Ping fails where the store cannot be written.
	Ping func(ctx context.Context) error
	// Turned is when the dispatcher's loop last began a turn.
	Turned func() time.Time
}

// Check is one thing that was looked at. Its texts hold nothing of clients.
type Check struct {
	Name    string
	Healthy bool
	Detail  string
	// Value is a number where the check has one: seconds, or how many.
	Value *float64
}

// CheckReport is how the webhooks do.
type CheckReport struct {
	Healthy bool
	At      time.Time
	Checks  []Check
}

// Checkup tells whether webhooks go out. It looks once a second at the most, however often it is asked.
type Checkup struct {
	c  CheckupConfig
	mu sync.Mutex

	last CheckReport
}

// NewCheckup makes a Checkup.
func NewCheckup(c CheckupConfig) *Checkup { return &Checkup{c: c} }

// Report gives the last report, or a new one where that is a second old.
func (c *Checkup) Report(ctx context.Context) CheckReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.At.IsZero() && time.Since(c.last.At) < checkupFresh {
		return c.last
	}
	// Who asks first must not spoil the answer for the others by going away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkupTimeout)
	defer cancel()
	now := time.Now()
	checks := []Check{c.store(ctx), c.dispatcher(now)}
	queues, err := c.c.Store.QueueStates(ctx, "")
	if err != nil {
		checks = append(checks, Check{Name: "queue", Detail: "the queues cannot be read"})
	} else {
		checks = append(checks, due(queues, now), oldest(queues, now), sum("pending", queues, func(q *QueueState) int { return q.Pending - q.Held() }),
			sum("held", queues, (*QueueState).Held), sum("dead", queues, func(q *QueueState) int { return q.Dead }))
	}
	r := CheckReport{Healthy: true, At: time.Now(), Checks: checks}
	for _, one := range checks {
		r.Healthy = r.Healthy && one.Healthy
	}
	c.last = r
	return r
}

func (c *Checkup) store(ctx context.Context) Check {
	if err := c.c.Ping(ctx); err != nil {
		return Check{Name: "store", Detail: "the store cannot be written"} // its error has paths
	}
	return Check{Name: "store", Healthy: true, Detail: "the store can be written"}
}

func (c *Checkup) dispatcher(now time.Time) Check {
	turned := c.c.Turned()
	if turned.IsZero() {
		return Check{Name: "dispatcher", Detail: "the dispatcher has not begun"}
	}
	ago := max(now.Sub(turned), 0)
	check := Check{Name: "dispatcher", Healthy: ago <= maxTurn, Value: seconds(ago), Detail: "the dispatcher turns"}
	if !check.Healthy {
		check.Detail = fmt.Sprintf("the dispatcher has not turned for %v", ago.Round(time.Second))
	}
	return check
}

// due looks for what could go out and does not.
func due(queues []QueueState, now time.Time) Check {
	var longest time.Duration
	for i := range queues {
		if since := queues[i].DueSince; !since.IsZero() {
			longest = max(longest, now.Sub(since))
		}
	}
	check := Check{Name: "due", Healthy: longest <= maxDue, Value: seconds(longest), Detail: "what is due goes out"}
	if !check.Healthy {
		check.Detail = fmt.Sprintf("at a healthy endpoint something is due for %v and is not sent", longest.Round(time.Second))
	}
	return check
}

// oldest tells how long the oldest delivery waits that is not held. It is for watching: a receiver that takes its time is no fault here.
func oldest(queues []QueueState, now time.Time) Check {
	var longest time.Duration
	for i := range queues {
		if q := &queues[i]; q.State == EndpointActive && !q.Oldest.IsZero() {
			longest = max(longest, now.Sub(q.Oldest))
		}
	}
	return Check{Name: "oldest_pending", Healthy: true, Value: seconds(longest), Detail: "how long the oldest delivery waits that is not held"}
}

func sum(name string, queues []QueueState, of func(*QueueState) int) Check {
	n := 0
	for i := range queues {
		n += of(&queues[i])
	}
	value := float64(n)
	return Check{Name: name, Healthy: true, Value: &value, Detail: "how many deliveries are " + name}
}

func seconds(d time.Duration) *float64 {
	s := max(d, 0).Seconds()
	return &s
}

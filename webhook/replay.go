package webhook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// PrefixReplay begins the ids of replays.
const PrefixReplay = "rpl_"

// Bounds of replays.
const (
	// ReplayWindow is how many deliveries of one replay wait at one endpoint at the most: the rest follows as they go.
	ReplayWindow = 500
	// ReplayBatch is how many deliveries are replayed in one transaction at the most.
	ReplayBatch = 100
	// MaxReplays is how many replays of a client are kept at the most; the oldest that have ended go first.
	MaxReplays = 100
)

// ReplayState is what a replay is doing.
type ReplayState string

// States of a replay.
const (
	ReplayRunning   ReplayState = "running"
	ReplayDone      ReplayState = "done"
	ReplayCancelled ReplayState = "cancelled"
	ReplayFailed    ReplayState = "failed" // none of its endpoints is there any more
)

// Replay is a job: many deliveries are to be made again, the oldest of each endpoint first. It is stored, and so is how far it is.
type Replay struct {
	ID     string `json:"id"` // "rpl_" + UUIDv7 hex
	Client string `json:"client"`
	// Since and Until bound the deliveries' CreatedAt: from Since on, and before Until. Until is never later than CreatedAt.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until"`
	// States are those that a delivery may be in when its turn comes; DeliveryHeld may be among them, and is a part of DeliveryPending.
	States []DeliveryState `json:"states"`
	Types  []string        `json:"types,omitempty"` // of events; empty is all
	Limit  int             `json:"limit,omitempty"` // how many to replay in all; 0 is all
	Parts  []ReplayPart    `json:"parts"`

	State  ReplayState `json:"state"`
	Reason string      `json:"reason,omitempty"` // of ReplayFailed
	// Replayed counts what was made due again, Skipped what was under way already.
	Replayed   int       `json:"replayed,omitempty"`
	Skipped    int       `json:"skipped,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
}

// ReplayPart is how far a replay is at one endpoint.
type ReplayPart struct {
	Endpoint string `json:"endpoint"`
	After    string `json:"after,omitempty"` // the id of the last delivery that was looked at
	Done     bool   `json:"done,omitempty"`
	Gone     bool   `json:"gone,omitempty"` // done since the endpoint was deleted
}

// ReplayLimits bounds one step of a replay.
type ReplayLimits struct {
	Batch  int // deliveries made due in the step
	Window int // deliveries of the replay pending at the endpoint, after the step
}

// ReplayStep is what a step of a replay came to.
type ReplayStep string

// Steps of a replay.
const (
	ReplayAdvanced ReplayStep = "advanced" // there may be more to do at once
	ReplayFull     ReplayStep = "full"     // as many wait at the endpoint as may
	ReplayEnded    ReplayStep = "ended"    // nothing is left at this endpoint, or of the replay
)

var (
	// ErrReplaying is a replay at an endpoint that has one running.
	ErrReplaying = errors.New("a replay is running at this endpoint")
	// ErrReplayEnded is the cancelling of a replay that does not run any more.
	ErrReplayEnded = errors.New("the replay has ended")
)

// ReplayStore keeps replays.
type ReplayStore interface {
	// CreateReplay stores a running one; ErrReplaying where one of its endpoints is part of another that runs. Of the client's replays
	// beyond MaxReplays the oldest that have ended are deleted.
	CreateReplay(ctx context.Context, r Replay) error
	// Replay returns ErrNotFound where there is none.
	Replay(ctx context.Context, id string) (Replay, error)
	// Replays lists those of a client, newest first. limit is the page's size (at most 1,000), cursor where the last page ended.
	Replays(ctx context.Context, client string, limit int, cursor string) (page []Replay, next string, err error)
	// RunningReplays lists those that run, of all clients, the oldest first.
	RunningReplays(ctx context.Context) ([]Replay, error)
	// CancelReplay ends a running one; ErrReplayEnded where it does not run. What it made due stays due.
	CancelReplay(ctx context.Context, id string) (Replay, error)
	// ReplayNext does a step at one of the endpoints: deliveries that the replay Takes are made due as Redeliver does, the oldest first, and
	// how far it came is stored in the same transaction, so that none is replayed twice.
	ReplayNext(ctx context.Context, id, endpoint string, l ReplayLimits) (Replay, ReplayStep, error)
}

// Takes reports whether a delivery is one that the replay is to make due again. e is its endpoint.
func (r *Replay) Takes(d *Delivery, e *Endpoint) bool {
	return d.Client == r.Client && d.Endpoint == e.ID &&
		(slices.Contains(r.States, d.State) || slices.Contains(r.States, d.ShownState(e.State))) &&
		(len(r.Types) == 0 || slices.Contains(r.Types, d.EventType)) &&
		!d.CreatedAt.Before(r.Since) && d.CreatedAt.Before(r.Until)
}

// Room is how many more a step may make due where so many wait already.
func (r *Replay) Room(l ReplayLimits, waiting int) int {
	n := min(l.Batch, l.Window-waiting)
	if r.Limit > 0 {
		n = min(n, r.Limit-r.Replayed)
	}
	return max(n, 0)
}

// Part gives the part of an endpoint that is not done, nil where there is none or the replay does not run.
func (r *Replay) Part(endpoint string) *ReplayPart {
	for i := range r.Parts {
		if p := &r.Parts[i]; p.Endpoint == endpoint && !p.Done && r.State == ReplayRunning {
			return p
		}
	}
	return nil
}

// Advance notes a step at an endpoint: so many replayed and skipped, up to the delivery after, and whether that was the last one.
func (r *Replay) Advance(endpoint, after string, replayed, skipped int, last bool, now time.Time) {
	r.Replayed += replayed
	r.Skipped += skipped
	if p := r.Part(endpoint); p != nil {
		p.After, p.Done = after, last
	}
	r.settle(now)
}

// Lose notes that an endpoint is not there any more.
func (r *Replay) Lose(endpoint string, now time.Time) {
	if p := r.Part(endpoint); p != nil {
		p.Done, p.Gone = true, true
	}
	r.settle(now)
}

func (r *Replay) settle(now time.Time) {
	gone := true
	for _, p := range r.Parts {
		gone = gone && p.Gone
		if !p.Done && (r.Limit == 0 || r.Replayed < r.Limit) {
			return
		}
	}
	r.State, r.FinishedAt = ReplayDone, now
	if gone && len(r.Parts) > 0 {
		r.State, r.Reason = ReplayFailed, "its endpoint was deleted"
		if len(r.Parts) > 1 {
			r.Reason = "all its endpoints were deleted"
		}
	}
}

// NextStep says in plain words what comes next; "" where nothing does. endpoints are the client's.
func (r *Replay) NextStep(endpoints []Endpoint) string {
	if r.State != ReplayRunning {
		return ""
	}
	var idle []string
	for i := range endpoints {
		if e := &endpoints[i]; e.State != EndpointActive && r.Part(e.ID) != nil {
			idle = append(idle, fmt.Sprintf("%s is %s", e.ID, e.State))
		}
	}
	next := fmt.Sprintf("goes on by itself, oldest first, with at most %d waiting at an endpoint", ReplayWindow)
	if len(idle) > 0 {
		next += "; " + strings.Join(idle, ", ") + ": what is replayed there is held until it is active"
	}
	return next
}

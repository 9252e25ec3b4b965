package cwmp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"sync/atomic"
	"time"
)

// session is a Session with what the Server keeps about it.
type session struct {
	pub    Session
	seq    uint64 // order of opening
	device string // Device.Key
	log    string // names the session in logs, where the cookie must not be
	// timeout ends the session that long after its last POST.
	timeout time.Duration
	// started keeps the monotonic clock; deadline is when the session is over without another POST, as nanoseconds since.
	started  time.Time
	deadline atomic.Int64
	// over is closed when a newer session wants this one's place: a write that hangs is given up then.
	over     context.Context
	overtake context.CancelFunc

	// turn is held by the one who deals with the session; it guards what follows.
	turn        chan struct{}
	opened      bool // the handler has seen it
	ended       bool
	outstanding Message // our request that the CPE has yet to answer
	requestID   string
	requests    int
	echo        echo
}

func newSession(inform *Envelope, m *Inform, timeout time.Duration) *session {
	var random [24]byte
	_, _ = rand.Read(random[:]) // never fails
	now := time.Now()
	s := &session{
		pub: Session{
			ID: hex.EncodeToString(random[:16]), Device: m.DeviceID,
			Namespace: inform.Namespace, Started: now,
		},
		started: now, device: m.DeviceID.Key(), log: hex.EncodeToString(random[16:]), timeout: timeout, turn: make(chan struct{}, 1),
	}
	s.over, s.overtake = context.WithCancel(context.Background())
	s.extend()
	return s
}

// extend starts the session's timeout anew.
func (s *session) extend() { s.deadline.Store(int64(time.Since(s.started) + s.timeout)) }

// endsAt is when the session is over without another POST.
func (s *session) endsAt() time.Time { return s.started.Add(time.Duration(s.deadline.Load())) }

// lock takes the turn, or gives up with ctx.
func (s *session) lock(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *session) tryLock() bool {
	select {
	case s.turn <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s *session) unlock() { <-s.turn }

// nextRequestID gives a cwmp:ID that no other request of any session has.
func (s *session) nextRequestID() string {
	s.requests++
	return s.log + "-" + strconv.Itoa(s.requests)
}

package cwmp

import (
	"context"
	"time"
)

// sweepPause is the least time between two sweeps.
const sweepPause = 250 * time.Millisecond

// Run ends sessions whose time is up, until ctx ends; then it ends all that are open with EndShutdown, lets none open any
// more and returns nil. A call of the handler that is under way is waited for, at most HandlerTimeout.
func (s *Server) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			s.shutdown()
			return nil
		case <-timer.C:
		case <-s.table.wake:
		}
		due, next := s.table.expired(time.Now(), sweepPause)
		for _, ss := range due {
			s.expire(ss)
		}
		if next.IsZero() {
			timer.Stop() // the next session wakes us
		} else {
			timer.Reset(time.Until(next))
		}
	}
}

// expire ends a session without a POST in time; one that is being served is looked at again later.
func (s *Server) expire(ss *session) {
	if !ss.tryLock() {
		return
	}
	defer ss.unlock()
	if !time.Now().Before(ss.endsAt()) {
		s.finish(ss, EndTimeout)
	}
}

func (s *Server) shutdown() {
	s.table.drain()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.HandlerTimeout)
	defer cancel()
	for _, ss := range s.table.all() {
		ss.overtake()
		if ss.lock(ctx) == nil {
			s.finish(ss, EndShutdown)
			ss.unlock()
		}
	}
}

// Drain lets no further session open (their Informs get 503 with a Retry-After) and waits until the open ones have ended,
// or ctx does: its cause is returned then. There is no way back.
func (s *Server) Drain(ctx context.Context) error {
	select {
	case <-s.table.drain():
		return nil
	default:
	}
	select {
	case <-s.table.drain():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

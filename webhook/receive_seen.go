package webhook

import "sync"

// seenState is what is known of an event.
type seenState int

const (
	seenNew seenState = iota
	seenBusy
	seenTaken
)

// seenEvents remembers the newest ids that were taken, in a ring.
type seenEvents struct {
	mu   sync.Mutex
	is   map[string]seenState // busy or taken
	ring []string             // of those taken, the oldest at next once it is full
	next int
}

func newSeenEvents(size int) *seenEvents {
	return &seenEvents{is: map[string]seenState{}, ring: make([]string, 0, size)}
}

// begin returns what is known of an event; a new one is busy from then on, until end.
func (s *seenEvents) begin(id string) seenState {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.is[id]
	if state == seenNew {
		s.is[id] = seenBusy
	}
	return state
}

func (s *seenEvents) end(id string, taken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !taken {
		delete(s.is, id)
		return
	}
	s.is[id] = seenTaken
	if len(s.ring) < cap(s.ring) {
		s.ring = append(s.ring, id)
		return
	}
	delete(s.is, s.ring[s.next])
	s.ring[s.next] = id
	s.next = (s.next + 1) % len(s.ring)
}

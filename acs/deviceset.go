package acs

import "sync"

// maxDeviceSet bounds a deviceSet: it holds what is worth remembering for a session or two, of devices that anybody may name.
const maxDeviceSet = 100_000

// deviceSet is a set of device ids. Its zero value is empty; what would exceed maxDeviceSet is not taken.
type deviceSet struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (s *deviceSet) add(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = make(map[string]struct{})
	}
	if len(s.ids) < maxDeviceSet {
		s.ids[id] = struct{}{}
	}
}

func (s *deviceSet) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.ids[id]
	return ok
}

func (s *deviceSet) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
}

package acs

import "sync"

// hub tells followers in this process that an action changed. It only wakes them: they read the store.
type hub struct {
	mu        sync.Mutex
	followers map[Protocolo][]chan struct{}
}

// follow returns a channel that gets a value when id changes, and a function to stop.
func (h *hub) follow(id Protocolo) (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.followers == nil {
		h.followers = make(map[Protocolo][]chan struct{})
	}
	h.followers[id] = append(h.followers[id], c)
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		list := h.followers[id]
		for i := range list {
			if list[i] == c {
				list = append(list[:i:i], list[i+1:]...)
				break
			}
		}
		if len(list) == 0 {
			delete(h.followers, id)
			return
		}
		h.followers[id] = list
	}
}

func (h *hub) changed(id Protocolo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.followers[id] {
		poke(c)
	}
}

// poke wakes the one who waits on c, now or when it next looks.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

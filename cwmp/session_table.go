package cwmp

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// finishedFor is how long an ended session is remembered: an empty POST on it is answered as its end was (some CPEs want
// one more empty exchange), anything else refused.
const finishedFor = 30 * time.Second

// sessionTable knows the open sessions by cookie and by device, and those that ended a short while ago.
type sessionTable struct {
	max int

	mu       sync.Mutex
	draining bool
	seq      uint64
	live     map[string]*session   // by cookie
	devices  map[string][]*session // by device key, oldest first
	finished map[string]finishedSession
	order    []finishedRef // of finished, oldest first
	// empty is closed while no session is open and none can open; wake tells the sweeper of an earlier deadline.
	empty chan struct{}
	wake  chan struct{}
	next  time.Time // when the sweeper looks again; zero where it has nothing to wait for
}

type finishedSession struct {
	addr netip.Addr
	at   time.Time
}

type finishedRef struct {
	id string
	at time.Time
}

func newSessionTable(most int) *sessionTable {
	return &sessionTable{
		max: most, live: map[string]*session{}, devices: map[string][]*session{},
		finished: map[string]finishedSession{}, empty: make(chan struct{}), wake: make(chan struct{}, 1),
	}
}

// refuses tells why no session can be opened now, "" where one can.
func (t *sessionTable) refuses() Refusal {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refusal()
}

func (t *sessionTable) refusal() Refusal {
	switch {
	case t.draining:
		return RefusedDraining
	case len(t.live) >= t.max:
		return RefusedBusy
	}
	return ""
}

// add opens s and returns the older sessions of its device.
func (t *sessionTable) add(s *session) (older []*session, why Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if why := t.refusal(); why != "" {
		return nil, why
	}
	t.seq++
	s.seq = t.seq
	older = slices.Clone(t.devices[s.device])
	t.devices[s.device] = append(t.devices[s.device], s)
	t.live[s.pub.ID] = s
	if t.next.IsZero() || s.endsAt().Before(t.next) {
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	return older, ""
}

// remove takes s out; remember keeps its cookie for finishedFor.
func (t *sessionTable) remove(s *session, remember bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.live[s.pub.ID]; !ok {
		return
	}
	delete(t.live, s.pub.ID)
	if rest := slices.DeleteFunc(t.devices[s.device], func(o *session) bool { return o == s }); len(rest) > 0 {
		t.devices[s.device] = rest
	} else {
		delete(t.devices, s.device)
	}
	now := time.Now()
	t.forget(now)
	if remember {
		t.finished[s.pub.ID] = finishedSession{s.pub.RemoteAddr, now}
		t.order = append(t.order, finishedRef{s.pub.ID, now})
	}
	t.signalEmpty()
}

// forget drops finished sessions that are old, or too many.
func (t *sessionTable) forget(now time.Time) {
	n := 0
	for n < len(t.order) && (now.Sub(t.order[n].at) >= finishedFor || len(t.order)-n >= 2*t.max) {
		delete(t.finished, t.order[n].id)
		n++
	}
	t.order = t.order[n:]
}

// superseded reports whether a newer session of the same device and user is there.
func (t *sessionTable) superseded(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.devices[s.device], func(o *session) bool {
		return o.seq > s.seq && o.pub.Username == s.pub.Username
	})
}

// find looks a cookie up.
func (t *sessionTable) find(id string) (s *session, finished finishedSession, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.live[id]; s != nil {
		return s, finishedSession{}, true
	}
	f, ok := t.finished[id]
	if ok && time.Since(f.at) >= finishedFor {
		return nil, finishedSession{}, false
	}
	return nil, f, ok
}

// drain lets no further session open and returns a channel that closes when the last one has ended.
func (t *sessionTable) drain() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
	t.signalEmpty()
	return t.empty
}

func (t *sessionTable) signalEmpty() {
	if !t.draining || len(t.live) > 0 {
		return
	}
	select {
	case <-t.empty:
	default:
		close(t.empty)
	}
}

// expired lists the sessions whose time is up, and when to look again: at the next deadline, but not before pause has
// passed, and never where no session is open.
func (t *sessionTable) expired(now time.Time, pause time.Duration) (due []*session, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(now)
	for _, s := range t.live {
		d := s.endsAt()
		if !now.Before(d) {
			due = append(due, s)
		} else if next.IsZero() || d.Before(next) {
			next = d
		}
	}
	if len(due) > 0 && next.IsZero() || !next.IsZero() && next.Before(now.Add(pause)) {
		next = now.Add(pause)
	}
	t.next = next
	return due, next
}

// all lists the open sessions.
func (t *sessionTable) all() []*session {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*session, 0, len(t.live))
	for _, s := range t.live {
		all = append(all, s)
	}
	return all
}

func (t *sessionTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.live)
}

package boltstore

import (
	"container/heap"
	"crypto/rand"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"

	"recado/webhook"
)

// Where a pending delivery is.
type place uint8

const (
	behind   place = iota // an older one with its OrderKey goes first
	waiting               // in its endpoint's waiting, by when it is due
	ready                 // in its endpoint's ready, by priority and age
	leased                // in leases, by the lease's end
	settling              // its attempt is being stored
)

// pending is a delivery that has to be made. There can be a million: what only those under way need is in lease.
type pending struct {
	key    string // its key in the file, which is by age
	q      *endpointQueue
	order  uint64 // stands for its OrderKey; 0: it waits for no other
	nextAt int64  // nanoseconds
	setAt  int64  // when nextAt was set: a release after that makes it due

	index, inLine int32 // in the heap of its place; in the line of its order
	at            place
	priority      int8
}

// lease is a delivery given away.
type lease struct {
	*pending
	token uint64
	until int64 // its end
	given *webhook.Delivery
	nth   int // in leases
}

// due is webhook.Delivery.DueAt, as far as that is not past.
func (p *pending) due() int64 {
	if p.setAt < p.q.releasedAt {
		return math.MinInt64
	}
	return p.nextAt
}

// endpointQueue is what is pending for one endpoint. Neither claims nor other endpoints pay for how much that is.
type endpointQueue struct {
	endpoint, client string
	// active and releasedAt are the endpoint's. While it is not active nothing waits for its time: a probe takes whatever is first, and
	// who makes the endpoint active by hand, or by a success, makes all due.
	active     bool
	releasedAt int64

	waiting  byTime
	ready    byRank
	first    map[uint64]*pending // by order: the oldest one, which goes first
	lines    map[uint64]*inLine  // by order: all, where there is more than one
	held     int                 // leases
	size     int
	floor    string // no pending key is below
	servedAt int64  // when the last one was leased; 0 for never
	again    int64  // when the pace allows more; of the claim under way
}

// outgoing is all that is pending. DB.mu guards it.
type outgoing struct {
	pending   map[string]*pending
	queues    map[string]*endpointQueue
	ids       []string       // of queues, sorted
	depth     map[string]int // by client: the size of its queues
	leases    byEnd
	away      map[*pending]*lease // leased and settling
	seed      maphash.Seed
	lastToken uint64
	lastTurn  string // the endpoint that was served last
	changed   chan struct{}
}

func (o *outgoing) init() {
	o.pending = make(map[string]*pending)
	o.queues = make(map[string]*endpointQueue)
	o.depth = make(map[string]int)
	o.away = make(map[*pending]*lease)
	o.seed = maphash.MakeSeed()
	o.changed = make(chan struct{}, 1)
	// A token from before a restart must not fit a lease of now.
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	o.lastToken = binary.BigEndian.Uint64(b[:]) >> 1
}

// put adds a delivery that is pending for e, in place of what is known of it.
func (o *outgoing) put(key string, d *webhook.Delivery, e *webhook.Endpoint) {
	o.remove(key)
	q := o.queues[d.Endpoint]
	if q == nil {
		q = &endpointQueue{
			endpoint: d.Endpoint, client: e.Client, first: make(map[uint64]*pending), lines: make(map[uint64]*inLine),
			active: e.State == webhook.EndpointActive, releasedAt: nanos(e.ReleasedAt),
		}
		o.queues[q.endpoint] = q
		i, _ := slices.BinarySearch(o.ids, q.endpoint)
		o.ids = slices.Insert(o.ids, i, q.endpoint)
	}
	q.size++
	o.depth[q.client]++
	set := d.PutOffAt
	if set.IsZero() {
		set = d.CreatedAt
	}
	p := &pending{
		key: key, q: q, order: o.orderOf(d.OrderKey), nextAt: nanos(d.NextAt), setAt: nanos(set), priority: rank(d.Priority),
	}
	o.pending[key] = p
	if q.floor == "" || key < q.floor {
		q.floor = key
	}
	if p.order != 0 {
		if first := q.lineUp(p); first != nil {
			o.unplace(first)
		}
	}
	o.place(p)
}

// orderOf makes a number of an OrderKey: a million strings would take much more room. Should two keys ever have the same number,
// deliveries wait for one another that need not.
func (o *outgoing) orderOf(key string) uint64 {
	if key == "" {
		return 0
	}
	return max(1, maphash.String(o.seed, key))
}

// lineUp puts a delivery into the line of its order, and gives the one whose first place it took.
func (q *endpointQueue) lineUp(p *pending) (was *pending) {
	first := q.first[p.order]
	if first == nil {
		q.first[p.order] = p
		return nil
	}
	line := q.lines[p.order]
	if line == nil {
		first.inLine = 0
		line = &inLine{first}
		q.lines[p.order] = line
	}
	heap.Push(line, p)
	if (*line)[0] != p {
		return nil
	}
	q.first[p.order] = p
	return first
}

// leave takes a delivery out of the line of its order, and gives the one that is first by now.
func (q *endpointQueue) leave(p *pending) (next *pending) {
	line := q.lines[p.order]
	if line == nil {
		delete(q.first, p.order)
		return nil
	}
	heap.Remove(line, int(p.inLine))
	next = (*line)[0]
	q.first[p.order] = next
	if len(*line) == 1 {
		delete(q.lines, p.order)
	}
	return next
}

// place puts a delivery that is nowhere where it belongs now.
func (o *outgoing) place(p *pending) {
	p.at = behind
	if p.order == 0 || p.q.first[p.order] == p {
		p.q.wait(p)
	}
}

// wait puts a delivery into waiting, or into ready where nothing waits.
func (q *endpointQueue) wait(p *pending) {
	if q.active {
		p.at = waiting
		heap.Push(&q.waiting, p)
		return
	}
	p.at = ready
	heap.Push(&q.ready, p)
}

// turn follows a change of the endpoint.
func (o *outgoing) turn(e *webhook.Endpoint, now int64) {
	q := o.queues[e.ID]
	active, released := e.State == webhook.EndpointActive, nanos(e.ReleasedAt)
	if q == nil || q.active == active && q.releasedAt == released {
		return
	}
	q.active, q.releasedAt = active, released
	was := q.waiting.heapOf
	q.waiting.heapOf = nil
	if active {
		if early := q.ready.keep(func(p *pending) bool { return p.due() <= now }); len(early) > 0 {
			heap.Init(&q.ready)
			was = append(was, early...)
		}
	}
	for _, p := range was {
		q.wait(p)
	}
}

// unplace sends one that could be claimed behind another. One under way stays under way.
func (o *outgoing) unplace(p *pending) {
	switch p.at {
	case waiting:
		heap.Remove(&p.q.waiting, int(p.index))
	case ready:
		heap.Remove(&p.q.ready, int(p.index))
	default:
		return
	}
	p.at = behind
}

// remove takes a delivery out, wherever it is; the next of its OrderKey moves up.
func (o *outgoing) remove(key string) {
	p := o.pending[key]
	if p == nil {
		return
	}
	delete(o.pending, key)
	switch p.at {
	case leased:
		heap.Remove(&o.leases, o.away[p].nth)
		delete(o.away, p)
		p.q.held--
	case settling:
		delete(o.away, p)
		p.q.held--
	default:
		o.unplace(p)
	}
	if p.order != 0 {
		if next := p.q.leave(p); next != nil && next.at == behind {
			o.place(next)
		}
	}
	o.shrink(p.q, 1)
}

// shrink takes n off a queue's size and forgets it when it is empty.
func (o *outgoing) shrink(q *endpointQueue, n int) {
	q.size -= n
	if o.depth[q.client] -= n; o.depth[q.client] <= 0 {
		delete(o.depth, q.client)
	}
	if q.size > 0 {
		return
	}
	delete(o.queues, q.endpoint)
	if i, ok := slices.BinarySearch(o.ids, q.endpoint); ok {
		o.ids = slices.Delete(o.ids, i, i+1)
	}
}

// drop forgets an endpoint's queue and gives the keys of what was in it, in order. Nothing of it is settling: see deleteEndpoint.
func (o *outgoing) drop(endpoint string) []string {
	q := o.queues[endpoint]
	if q == nil {
		return nil
	}
	keys := make([]string, 0, q.size)
	take := func(p *pending) {
		if o.pending[p.key] == p {
			delete(o.pending, p.key)
			keys = append(keys, p.key)
		}
	}
	for p, l := range o.away {
		if p.q == q {
			heap.Remove(&o.leases, l.nth)
			delete(o.away, p)
			take(p)
		}
	}
	for _, list := range [][]*pending{q.waiting.heapOf, q.ready.heapOf} {
		for _, p := range list {
			take(p)
		}
	}
	for _, line := range q.lines {
		for _, p := range *line {
			take(p)
		}
	}
	o.shrink(q, q.size)
	slices.Sort(keys)
	return keys
}

// lease gives a delivery away until then.
func (o *outgoing) lease(p *pending, until int64) *lease {
	o.lastToken++
	l := &lease{pending: p, token: o.lastToken, until: until}
	p.at = leased
	p.q.held++
	o.away[p] = l
	heap.Push(&o.leases, l)
	return l
}

// release takes a lease back.
func (o *outgoing) release(l *lease) {
	heap.Remove(&o.leases, l.nth)
	delete(o.away, l.pending)
	l.q.held--
	o.place(l.pending)
}

// settle holds a lease while its attempt is stored: it does not end meanwhile. unsettle is for when that failed.
func (o *outgoing) settle(l *lease) {
	heap.Remove(&o.leases, l.nth)
	l.at = settling
}

func (o *outgoing) unsettle(l *lease) {
	if o.away[l.pending] == l && l.at == settling {
		l.at = leased
		heap.Push(&o.leases, l)
	}
}

// rank holds a priority to what a pending has room for; the order among those in use stays.
func rank(p webhook.Priority) int8 { return int8(min(max(p, math.MinInt8), math.MaxInt8)) }

// Heaps: of pending deliveries by when they are due, by priority and age, and by age within an order; of leases by their end.
type (
	heapOf []*pending
	byTime struct{ heapOf }
	byRank struct{ heapOf }
	inLine []*pending
	byEnd  []*lease
)

func (h heapOf) Len() int { return len(h) }

func (h heapOf) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

func (h *heapOf) Push(x any) { h.add(x.(*pending)) }

func (h *heapOf) add(p *pending) {
	p.index = int32(len(*h))
	*h = append(*h, p)
}

func (h *heapOf) Pop() any { return pop((*[]*pending)(h)) }

// keep takes out those for which stays is false, and gives them. What is left is no heap until heap.Init.
func (h *heapOf) keep(stays func(*pending) bool) (out []*pending) {
	all := *h
	*h = all[:0]
	for _, p := range all {
		if stays(p) {
			h.add(p)
		} else {
			out = append(out, p)
		}
	}
	clear(all[len(*h):])
	if len(*h) < cap(*h)/4 {
		*h = slices.Clone(*h) // the room that a million took is not kept for a few
	}
	return out
}

func pop[T any](h *[]*T) *T {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return p
}

func (h byTime) Less(i, j int) bool { return h.heapOf[i].due() < h.heapOf[j].due() }

func (h byRank) Less(i, j int) bool {
	a, b := h.heapOf[i], h.heapOf[j]
	return a.priority > b.priority || a.priority == b.priority && a.key < b.key
}

func (h inLine) Len() int           { return len(h) }
func (h inLine) Less(i, j int) bool { return h[i].key < h[j].key }

func (h inLine) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].inLine, h[j].inLine = int32(i), int32(j)
}

func (h *inLine) Push(x any) {
	p := x.(*pending)
	p.inLine = int32(len(*h))
	*h = append(*h, p)
}

func (h *inLine) Pop() any { return pop((*[]*pending)(h)) }

func (h byEnd) Len() int           { return len(h) }
func (h byEnd) Less(i, j int) bool { return h[i].until < h[j].until }

func (h byEnd) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].nth, h[j].nth = i, j
}

func (h *byEnd) Push(x any) {
	l := x.(*lease)
	l.nth = len(*h)
	*h = append(*h, l)
}

func (h *byEnd) Pop() any { return pop((*[]*lease)(h)) }

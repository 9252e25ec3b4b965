package boltstore

import (
	"container/heap"
	"crypto/rand"
	"encoding/binary"
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

// pending is a delivery that has to be made.
type pending struct {
	key    string // its key in the file, which is by age
	q      *endpointQueue
	order  *orderQueue // nil: it waits for no other
	nextAt int64       // nanoseconds
	setAt  int64       // when nextAt was set: a release after that makes it due

	token uint64 // of the lease
	until int64  // the lease's end
	given *webhook.Delivery

	at            place
	priority      int8
	index, inLine int // in the heap of its place; in order's heap
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

	waiting byTime
	ready   byRank
	orders  map[string]*orderQueue
	held    int // leases
	size    int
	again   int64 // when the pace allows more; of the claim under way
}

// orderQueue is what is pending of one OrderKey; the oldest goes first.
type orderQueue struct {
	name string
	line inLine
}

// outgoing is all that is pending. DB.mu guards it.
type outgoing struct {
	pending   map[string]*pending
	queues    map[string]*endpointQueue
	ids       []string       // of queues, sorted
	depth     map[string]int // by client: the size of its queues
	leases    byEnd
	lastToken uint64
	lastTurn  string // the endpoint that was served last
	changed   chan struct{}
}

func (o *outgoing) init() {
	o.pending = make(map[string]*pending)
	o.queues = make(map[string]*endpointQueue)
	o.depth = make(map[string]int)
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
			endpoint: d.Endpoint, client: e.Client, orders: make(map[string]*orderQueue),
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
	p := &pending{key: key, q: q, nextAt: nanos(d.NextAt), setAt: nanos(set), priority: rank(d.Priority)}
	o.pending[key] = p
	if d.OrderKey != "" {
		line := q.orders[d.OrderKey]
		if line == nil {
			line = &orderQueue{name: d.OrderKey}
			q.orders[line.name] = line
		}
		p.order = line
		first := line.first()
		heap.Push(&line.line, p)
		if line.first() == p && first != nil {
			o.unplace(first)
		}
	}
	o.place(p)
}

// place puts a delivery that is nowhere where it belongs now.
func (o *outgoing) place(p *pending) {
	p.at = behind
	if p.order == nil || p.order.first() == p {
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
		early := q.ready.heapOf
		q.ready.heapOf = early[:0]
		for _, p := range early {
			if p.due() > now {
				was = append(was, p)
				continue
			}
			p.index = len(q.ready.heapOf)
			q.ready.heapOf = append(q.ready.heapOf, p)
		}
		clear(early[len(q.ready.heapOf):])
		if len(q.ready.heapOf) < len(early) {
			heap.Init(&q.ready)
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
		heap.Remove(&p.q.waiting, p.index)
	case ready:
		heap.Remove(&p.q.ready, p.index)
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
		heap.Remove(&o.leases, p.index)
		p.q.held--
	case settling:
		p.q.held--
	default:
		o.unplace(p)
	}
	if line := p.order; line != nil {
		heap.Remove(&line.line, p.inLine)
		if next := line.first(); next == nil {
			delete(p.q.orders, line.name)
		} else if next.at == behind {
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
	var held []*pending
	for _, p := range o.leases.heapOf {
		if p.q == q {
			held = append(held, p)
		}
	}
	for _, p := range held {
		heap.Remove(&o.leases, p.index)
		take(p)
	}
	for _, list := range [][]*pending{q.waiting.heapOf, q.ready.heapOf} {
		for _, p := range list {
			take(p)
		}
	}
	for _, line := range q.orders {
		for _, p := range line.line {
			take(p)
		}
	}
	o.shrink(q, q.size)
	slices.Sort(keys)
	return keys
}

// lease gives a delivery away until then.
func (o *outgoing) lease(p *pending, until int64) {
	o.lastToken++
	p.token, p.until, p.at = o.lastToken, until, leased
	p.q.held++
	heap.Push(&o.leases, p)
}

// release takes a lease back.
func (o *outgoing) release(p *pending) {
	heap.Remove(&o.leases, p.index)
	p.q.held--
	p.token, p.given = 0, nil
	o.place(p)
}

// settle holds a lease while its attempt is stored: it does not end meanwhile. unsettle is for when that failed.
func (o *outgoing) settle(p *pending) {
	heap.Remove(&o.leases, p.index)
	p.at = settling
}

func (o *outgoing) unsettle(p *pending) {
	if o.pending[p.key] == p && p.at == settling {
		p.at = leased
		heap.Push(&o.leases, p)
	}
}

func (l *orderQueue) first() *pending {
	if len(l.line) == 0 {
		return nil
	}
	return l.line[0]
}

// rank holds a priority to what a pending has room for; the order among those in use stays.
func rank(p webhook.Priority) int8 { return int8(min(max(p, math.MinInt8), math.MaxInt8)) }

// Heaps of pending deliveries: by when they are due, by priority and age, by the lease's end, and by age within an OrderKey.
type (
	heapOf []*pending
	byTime struct{ heapOf }
	byRank struct{ heapOf }
	byEnd  struct{ heapOf }
	inLine []*pending
)

func (h heapOf) Len() int { return len(h) }

func (h heapOf) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *heapOf) Push(x any) {
	p := x.(*pending)
	p.index = len(*h)
	*h = append(*h, p)
}

func (h *heapOf) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return p
}

func (h byRank) Less(i, j int) bool {
	a, b := h.heapOf[i], h.heapOf[j]
	return a.priority > b.priority || a.priority == b.priority && a.key < b.key
}

func (h byTime) Less(i, j int) bool { return h.heapOf[i].due() < h.heapOf[j].due() }
func (h byEnd) Less(i, j int) bool  { return h.heapOf[i].until < h.heapOf[j].until }

func (h inLine) Len() int           { return len(h) }
func (h inLine) Less(i, j int) bool { return h[i].key < h[j].key }

func (h inLine) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].inLine, h[j].inLine = i, j
}

func (h *inLine) Push(x any) {
	p := x.(*pending)
	p.inLine = len(*h)
	*h = append(*h, p)
}

func (h *inLine) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return p
}

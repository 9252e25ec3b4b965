package boltstore

import (
	"container/heap"
	"crypto/rand"
	"encoding/binary"
	"slices"

	"recado/webhook"
)

// Where a pending delivery is.
type place uint8

const (
	behind   place = iota // an older one with its OrderKey goes first
	waiting               // in its endpoint's waiting, by NextAt
	ready                 // in its endpoint's ready, by age
	leased                // in leases, by the lease's end
	settling              // its attempt is being stored
)

// pending is a delivery that has to be made.
type pending struct {
	key    string // its key in the file, which is by age
	q      *endpointQueue
	order  *orderQueue // nil: it waits for no other
	nextAt int64       // nanoseconds

	token uint64 // of the lease
	until int64  // the lease's end
	given *webhook.Delivery

	at            place
	index, inLine int // in the heap of its place; in order's heap
}

// endpointQueue is what is pending for one endpoint. Neither claims nor other endpoints pay for how much that is.
type endpointQueue struct {
	endpoint string
	waiting  byTime
	ready    byAge
	orders   map[string]*orderQueue
	held     int // leases
	size     int
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
	ids       []string // of queues, sorted
	leases    byEnd
	lastToken uint64
	lastTurn  string // the endpoint that was served last
	changed   chan struct{}
}

func (o *outgoing) init() {
	o.pending = make(map[string]*pending)
	o.queues = make(map[string]*endpointQueue)
	o.changed = make(chan struct{}, 1)
	// A token from before a restart must not fit a lease of now.
	var b [8]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	o.lastToken = binary.BigEndian.Uint64(b[:]) >> 1
}

// put adds a delivery that is pending, in place of what is known of it.
func (o *outgoing) put(key string, d *webhook.Delivery) {
	o.remove(key)
	q := o.queues[d.Endpoint]
	if q == nil {
		q = &endpointQueue{endpoint: d.Endpoint, orders: make(map[string]*orderQueue)}
		o.queues[q.endpoint] = q
		i, _ := slices.BinarySearch(o.ids, q.endpoint)
		o.ids = slices.Insert(o.ids, i, q.endpoint)
	}
	q.size++
	p := &pending{key: key, q: q, nextAt: nanos(d.NextAt)}
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
		p.at = waiting
		heap.Push(&p.q.waiting, p)
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
	if p.q.size--; p.q.size == 0 {
		o.drop(p.q.endpoint)
	}
}

// drop forgets an endpoint's queue.
func (o *outgoing) drop(endpoint string) {
	q := o.queues[endpoint]
	if q == nil {
		return
	}
	if q.size > 0 {
		for _, key := range o.keys(endpoint) {
			p := o.pending[key]
			if p.at == leased {
				heap.Remove(&o.leases, p.index)
			}
			delete(o.pending, key)
		}
	}
	delete(o.queues, endpoint)
	if i, ok := slices.BinarySearch(o.ids, endpoint); ok {
		o.ids = slices.Delete(o.ids, i, i+1)
	}
}

// keys lists what is pending for an endpoint.
func (o *outgoing) keys(endpoint string) (keys []string) {
	q := o.queues[endpoint]
	if q == nil {
		return nil
	}
	for key, p := range o.pending {
		if p.q == q {
			keys = append(keys, key)
		}
	}
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

// Heaps of pending deliveries: by NextAt, by age, by the lease's end, and by age within an OrderKey.
type (
	heapOf []*pending
	byTime struct{ heapOf }
	byAge  struct{ heapOf }
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

func (h byTime) Less(i, j int) bool { return h.heapOf[i].nextAt < h.heapOf[j].nextAt }
func (h byAge) Less(i, j int) bool  { return h.heapOf[i].key < h.heapOf[j].key }
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

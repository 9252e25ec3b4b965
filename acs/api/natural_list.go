package api

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"recado/acs"
	"recado/acs/wire"
)

// How long a natural list is used: a look at all devices may take a tenth of the time, so that whoever pages through them all does not
// keep the server busy. Few devices are looked at each time.
const (
	naturalRest = 10
	naturalMost = time.Minute
	naturalFew  = 1000
)

// naturalLists keeps the newest list of all devices.
type naturalLists struct {
	turn chan struct{} // whoever has it may look at the devices
	mu   sync.Mutex
	last *naturalList
}

func newNaturalLists() *naturalLists { return &naturalLists{turn: make(chan struct{}, 1)} }

// naturalList is what devices are sorted and chosen by, as it was at a time.
type naturalList struct {
	begun, until time.Time
	rows         []naturalRow

	mu     sync.Mutex
	orders map[string][]int32 // by what it is sorted by: rows, ascending
}

type naturalRow struct {
	id            string
	fields        [6]string // of naturalFields
	online        bool
	last, created int64
	tags          []string
}

// get gives a list that is new enough, or makes one. It is made for one caller at a time, and serves those who came meanwhile.
func (n *naturalLists) get(ctx context.Context, devices Devices) (*naturalList, error) {
	came := time.Now()
	if l := n.fresh(came); l != nil {
		return l, nil
	}
	select {
	case n.turn <- struct{}{}:
		defer func() { <-n.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l := n.fresh(came); l != nil {
		return l, nil
	}
	l, err := listNatural(ctx, devices)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.last = l
	n.mu.Unlock()
	if rest := time.Until(l.until); rest > 0 {
		time.AfterFunc(rest, func() { n.drop(l) })
	}
	return l, nil
}

// fresh gives the list that is there, if it still holds or was begun after a caller came.
func (n *naturalLists) fresh(came time.Time) *naturalList {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.last; l != nil && (time.Now().Before(l.until) || l.begun.After(came)) {
		return l
	}
	return nil
}

// drop lets a list go, which is of some size.
func (n *naturalLists) drop(l *naturalList) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last == l {
		n.last = nil
	}
}

func listNatural(ctx context.Context, devices Devices) (*naturalList, error) {
	l := &naturalList{begun: time.Now(), orders: map[string][]int32{}}
	words := map[string]string{}
	f := acs.DeviceFilter{Limit: wire.MaxPage}
	for {
		page, next, err := devices.Devices(ctx, acs.Client{}, f)
		if err != nil {
			return nil, err
		}
		for i := range page {
			l.rows = append(l.rows, rowOf(&page[i], l.begun, words))
		}
		if next == "" {
			break
		}
		f.Cursor = next
	}
	if len(l.rows) > naturalFew {
		now := time.Now()
		l.until = now.Add(min(naturalRest*now.Sub(l.begun), naturalMost))
	}
	return l, nil
}

// rowOf takes what is needed of a device. Words that many have are kept once.
func rowOf(d *acs.Device, now time.Time, words map[string]string) naturalRow {
	once := func(w string) string {
		if known, ok := words[w]; ok {
			return known
		}
		w = strings.Clone(w)
		words[w] = w
		return w
	}
	r := naturalRow{
		id: d.ID, online: online(d, now).Estimate == estimateOnline,
		last: nanos(d.Reported.LastInform), created: nanos(created(d)),
		fields: [6]string{
			d.Identity.SerialNumber, login(d), once(d.Identity.Manufacturer), once(d.Identity.ProductClass),
			once(d.Reported.HardwareVersion), once(d.Reported.SoftwareVersion),
		},
	}
	for _, t := range d.Facts.Tags {
		r.tags = append(r.tags, once(t))
	}
	return r
}

// nanos is 0 for no time, which is before all others.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// created is when the device was first heard of, from itself or from its provider.
func created(d *acs.Device) time.Time {
	at := d.Facts.CreatedAt
	if first := d.Reported.FirstInform; at.IsZero() || !first.IsZero() && first.Before(at) {
		at = first
	}
	return at
}

// page gives the devices of a page that the client sees, and whether others follow.
func (l *naturalList) page(who *acs.Client, q *naturalQuery) (ids []string, more bool) {
	order := l.order(q.sortBy)
	skip := q.from
	for i := range order {
		at := order[i]
		if q.descending {
			at = order[len(order)-1-i]
		}
		r := &l.rows[at]
		if !r.seenBy(who) || !q.wants(r) {
			continue
		}
		switch {
		case skip > 0:
			skip--
		case len(ids) == q.size:
			return ids, true
		default:
			ids = append(ids, r.id)
		}
	}
	return ids, false
}

func (l *naturalList) order(by string) []int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o, ok := l.orders[by]; ok {
		return o
	}
	o := make([]int32, len(l.rows))
	for i := range o {
		o[i] = int32(i)
	}
	slices.SortFunc(o, func(a, b int32) int {
		x, y := &l.rows[a], &l.rows[b]
		first := 0
		switch by {
		case "serialNumber":
			first = cmp.Compare(x.fields[0], y.fields[0])
		case "lastInform":
			first = cmp.Compare(x.last, y.last)
		case "created":
			first = cmp.Compare(x.created, y.created)
		}
		return cmp.Or(first, cmp.Compare(x.id, y.id))
	})
	l.orders[by] = o
	return o
}

// seenBy reports whether the client's tags let it see the device.
func (r *naturalRow) seenBy(who *acs.Client) bool {
	return len(who.Tags) == 0 || slices.ContainsFunc(r.tags, func(t string) bool { return slices.Contains(who.Tags, t) })
}

func (q *naturalQuery) wants(r *naturalRow) bool {
	holds := func(one condition) bool { return one.holds(r) }
	if len(q.search) > 0 && !slices.ContainsFunc(q.search, holds) {
		return false
	}
	for _, group := range q.filters {
		if !slices.ContainsFunc(group, holds) {
			return false
		}
	}
	return true
}

func (one *condition) holds(r *naturalRow) bool {
	if one.field == fieldStatus {
		return r.online == one.is
	}
	text := strings.ToLower(r.fields[slices.Index(naturalFields, one.field)])
	if one.like {
		return strings.Contains(text, one.text)
	}
	return text == one.text
}

package acs

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"recado/acs/wire"
)

// Conflict is that one identity called in from two addresses in turn: two devices with one identity, or a network that changes
// addresses. It is kept in memory only.
type Conflict struct {
	Since, Last time.Time
	// Addresses are the last two.
	Addresses [2]netip.Addr
}

const (
	// conflictWindow is how soon a device must be back at the address before for that to count.
	conflictWindow = 10 * time.Minute
	// conflictReturns back to the address before make a conflict; one may be a line that failed and came back.
	conflictReturns = 2
	// conflictKept is how long a conflict is shown after the last return.
	conflictKept = 24 * time.Hour
	maxMoves     = 20_000
)

// moveBook remembers devices that changed their address lately. Of two generations the older goes when the younger is full. Its zero
// value is empty.
type moveBook struct {
	mu         sync.Mutex
	young, old map[string]*moves
}

type moves struct {
	from     netip.Addr // left at at
	at       time.Time
	returns  int
	conflict Conflict
}

// moved notes that a device calls from another address than before, and gives the conflict where that makes one.
func (b *moveBook) moved(device string, was, is netip.Addr, now time.Time) (Conflict, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.young[device]
	if m == nil {
		if m = b.old[device]; m == nil {
			m = &moves{}
		}
		if b.young == nil || len(b.young) >= maxMoves/2 {
			b.young, b.old = map[string]*moves{}, b.young
		}
		b.young[device] = m
	}
	if m.from == is && now.Sub(m.at) < conflictWindow {
		m.returns++
	} else {
		m.returns = 0
	}
	m.from, m.at = was, now
	if m.returns < conflictReturns {
		return Conflict{}, false
	}
	if m.conflict.Since.IsZero() || now.Sub(m.conflict.Last) > conflictKept {
		m.conflict.Since = now
	}
	m.conflict.Last, m.conflict.Addresses = now, [2]netip.Addr{was, is}
	return m.conflict, true
}

// last gives a device's conflict, nil where there is none of the last day.
func (b *moveBook) last(device string, now time.Time) *Conflict {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.young[device]
	if m == nil {
		m = b.old[device]
	}
	if m == nil || m.conflict.Since.IsZero() || now.Sub(m.conflict.Last) > conflictKept {
		return nil
	}
	c := m.conflict
	return &c
}

// watchAddress looks for one identity that calls from two addresses in turn. It costs nothing while the address stays.
func (h *Sessions) watchAddress(ctx context.Context, device string, was *Reported, is netip.Addr, now time.Time) {
	if !was.LastAddr.IsValid() || !is.IsValid() || was.LastAddr == is || now.Sub(was.LastInform) > conflictWindow {
		return
	}
	c, conflict := h.s.moves.moved(device, was.LastAddr, is, now)
	if !conflict || !h.s.alerts.once(wire.AlertDeviceConflict, device, now) {
		return
	}
	h.s.raise(ctx, wire.SecurityAlertData{
		Kind: wire.AlertDeviceConflict, DeviceID: device, Since: wireTime(c.Since),
		Addresses: []string{addressText(c.Addresses[0]), addressText(c.Addresses[1])},
		Message:   "one identity calls in from two addresses in turn: two devices with one identity, or a network that changes addresses",
	}, now)
}

package acs

import (
	"context"
	"time"
)

// Day is a day of UTC, in days since 1970.
type Day int64

// DayOf gives the day that t is in.
func DayOf(t time.Time) Day {
	s := t.Unix()
	d := s / 86400
	if s%86400 < 0 {
		d--
	}
	return Day(d)
}

// Start is the day's first moment.
func (d Day) Start() time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

// Reserved is what became of a reservation.
type Reserved struct {
	Granted int // how many of what was asked for may be used
	Used    int // what is counted for the day now, these among it
}

// QuotaStore counts clients' requests by day. What is reserved is counted, durably, before it is used: a crash can lose what was reserved
// and not used, and can never let more pass. Counts of days that are over go by themselves, some days later at the latest.
type QuotaStore interface {
	// ReserveRequests counts as many of n requests as the limit still allows on that day, and gives how many that were. It stores nothing
	// where that is none.
	ReserveRequests(ctx context.Context, client string, day Day, n, limit int) (Reserved, error)
	// ReturnRequests gives back what was reserved on that day and not used.
	ReturnRequests(ctx context.Context, client string, day Day, n int) error
}

// ReserveRequests counts requests of a client before they are served; see QuotaStore.
func (s *Service) ReserveRequests(ctx context.Context, client string, day Day, n, limit int) (Reserved, error) {
	return s.store.ReserveRequests(ctx, client, day, n, limit)
}

// ReturnRequests gives back what was reserved and not used.
func (s *Service) ReturnRequests(ctx context.Context, client string, day Day, n int) error {
	return s.store.ReturnRequests(ctx, client, day, n)
}

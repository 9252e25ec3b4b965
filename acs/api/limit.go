package api

import (
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"recado/acs"
)

// maxLimited is how many clients' limits are remembered; past it, those idle for longest are forgotten.
const maxLimited = 10_000

// limitError is a request above the client's limit.
type limitError struct {
	what string // "minute", "day"
	n    int
	wait time.Duration
}

// Error implements error.
func (e *limitError) Error() string {
	return fmt.Sprintf("more than the client's %d requests a %s", e.n, e.what)
}

// limiter counts requests by client: a token bucket for the minute (the burst is the whole minute's allowance), a plain count
// for the UTC day, which begins anew when the process does.
type limiter struct {
	mu  sync.Mutex
	max int
	by  map[string]*allowance
}

type allowance struct {
	minute *rate.Limiter
	day    int64 // days since 1970
	today  int
	used   time.Time
}

func newLimiter(limit int) *limiter { return &limiter{max: limit, by: map[string]*allowance{}} }

// take counts a request of the client, or returns a *limitError.
func (l *limiter) take(who *acs.Client) error {
	if who.RequestsPerMinute <= 0 && who.RequestsPerDay <= 0 {
		return nil
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	al := l.allowance(who.ID, now)
	if day := now.Unix() / 86400; day != al.day {
		al.day, al.today = day, 0
	}
	if n := who.RequestsPerDay; n > 0 && al.today >= n {
		return &limitError{"day", n, time.Unix((al.day+1)*86400, 0).Sub(now)}
	}
	if n := who.RequestsPerMinute; n > 0 {
		if wait := al.takeMinute(n, now); wait > 0 {
			return &limitError{"minute", n, wait}
		}
	}
	al.today++
	return nil
}

// takeMinute takes one of n a minute, or tells how long to wait for it.
func (al *allowance) takeMinute(n int, now time.Time) time.Duration {
	perSecond := rate.Limit(float64(n) / 60)
	switch {
	case al.minute == nil:
		al.minute = rate.NewLimiter(perSecond, n)
	case al.minute.Burst() != n:
		al.minute.SetLimitAt(now, perSecond)
		al.minute.SetBurstAt(now, n)
	}
	if al.minute.AllowN(now, 1) {
		return 0
	}
	missing := 1 - al.minute.TokensAt(now)
	return max(time.Duration(math.Ceil(missing/float64(perSecond)*float64(time.Second))), time.Millisecond)
}

func (l *limiter) allowance(id string, now time.Time) *allowance {
	al := l.by[id]
	if al == nil {
		if len(l.by) >= l.max {
			l.forget()
		}
		al = &allowance{}
		l.by[id] = al
	}
	al.used = now
	return al
}

// forget drops the one that was idle for longest.
func (l *limiter) forget() {
	oldest := ""
	for id, al := range l.by {
		if oldest == "" || al.used.Before(l.by[oldest].used) {
			oldest = id
		}
	}
	delete(l.by, oldest)
}

package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"recado/acs"
)

// maxLimited is how many clients' limits are remembered before those are forgotten that nothing has to be remembered of.
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

// Quota counts requests by day, durably; *acs.Service is one.
type Quota interface {
	ReserveRequests(ctx context.Context, client string, day acs.Day, n, limit int) (acs.Reserved, error)
	ReturnRequests(ctx context.Context, client string, day acs.Day, n int) error
}

// limiter holds clients to their limits, exactly: no minute, wherever it begins, lets more pass than the limit, and no UTC day does, however
// often the process dies. The day's count is kept by the store, which is asked for a hundredth of the limit at a time: what a crash
// loses of that was counted and is not served.
type limiter struct {
	quota Quota
	start time.Time // of the clock that windows go by

	mu    sync.Mutex
	least int // clients that are remembered whatever is to be remembered of them
	max   int // clients at which it is looked who can be forgotten
	by    map[string]*allowance
}

// allowance is one client's.
type allowance struct {
	users int           // who have it in hand; the limiter's mu guards it
	gate  chan struct{} // has a value in it while somebody decides: all below is theirs

	window window

	day   acs.Day
	limit int  // of the day
	left  int  // reserved and not used
	used  int  // what the store has counted, left among it
	spent bool // the store has no more
}

func newLimiter(quota Quota, limit int) *limiter {
	return &limiter{quota: quota, start: time.Now(), least: limit, max: limit, by: map[string]*allowance{}}
}

// take counts a request of the client, or returns a *limitError; other errors are the store's and ctx's. It tells in h where the client
// stands.
func (l *limiter) take(ctx context.Context, who *acs.Client, h http.Header) error {
	if who.RequestsPerMinute <= 0 && who.RequestsPerDay <= 0 {
		return nil
	}
	al := l.enter(who.ID)
	defer l.leave(al)
	select {
	case al.gate <- struct{}{}:
		defer func() { <-al.gate }()
	case <-ctx.Done():
		return ctx.Err()
	}
	err := l.decide(ctx, al, who)
	var over *limitError
	if err == nil || errors.As(err, &over) {
		al.tell(who, l.clock(), h)
	}
	return err
}

// clock is a clock that does not go back, whatever is done to the wall's.
func (l *limiter) clock() time.Duration { return time.Since(l.start) }

func (l *limiter) decide(ctx context.Context, al *allowance, who *acs.Client) error {
	if n := who.RequestsPerMinute; n > 0 {
		if wait := al.window.wait(n, l.clock()); wait > 0 {
			return &limitError{"minute", n, wait}
		}
	}
	if n := who.RequestsPerDay; n > 0 {
		if err := l.takeDay(ctx, al, who.ID, n); err != nil {
			return err
		}
	}
	if n := who.RequestsPerMinute; n > 0 {
		al.window.pass(n, l.clock())
	}
	return nil
}

// block is how many of n a day are reserved at once.
func block(n int) int { return max(1, n/100) }

// takeDay takes one of n a day.
func (l *limiter) takeDay(ctx context.Context, al *allowance, client string, n int) error {
	// What is reserved for a request that is given up meanwhile is not lost.
	ctx = context.WithoutCancel(ctx)
	now := time.Now()
	if day := acs.DayOf(now); day != al.day {
		al.day, al.limit, al.left, al.spent = day, n, 0, false
	}
	if n != al.limit {
		// What was reserved under another limit may be more than this one has left.
		if err := l.giveBack(ctx, al, client); err != nil {
			return err
		}
		al.limit, al.spent = n, false
	}
	if al.left == 0 && !al.spent {
		r, err := l.quota.ReserveRequests(ctx, client, al.day, block(n), n)
		if err != nil {
			return err
		}
		al.left, al.used, al.spent = r.Granted, r.Used, r.Granted == 0
	}
	if al.left == 0 {
		return &limitError{"day", n, (al.day + 1).Start().Sub(now)}
	}
	al.left--
	return nil
}

func (l *limiter) giveBack(ctx context.Context, al *allowance, client string) error {
	if al.left == 0 {
		return nil
	}
	if err := l.quota.ReturnRequests(ctx, client, al.day, al.left); err != nil {
		return err
	}
	al.used -= al.left
	al.left = 0
	return nil
}

// close gives back what is reserved and not used. Nothing is taken any more.
func (l *limiter) close(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var (
		wg   sync.WaitGroup
		errs = make(chan error, len(l.by))
		turn = make(chan struct{}, 64) // so many share the store's commits
	)
	for id, al := range l.by {
		if al.left == 0 {
			continue
		}
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			errs <- l.giveBack(ctx, al, id)
		})
	}
	wg.Wait()
	close(errs)
	var all error
	for err := range errs {
		if err != nil && all == nil {
			all = fmt.Errorf("give back unused requests: %w", err)
		}
	}
	return all
}

// enter gives the client's allowance; it is not forgotten before leave.
func (l *limiter) enter(id string) *allowance {
	l.mu.Lock()
	defer l.mu.Unlock()
	al := l.by[id]
	if al == nil {
		if len(l.by) >= l.max {
			l.forget()
		}
		al = &allowance{gate: make(chan struct{}, 1)}
		l.by[id] = al
	}
	al.users++
	return al
}

func (l *limiter) leave(al *allowance) {
	l.mu.Lock()
	al.users--
	l.mu.Unlock()
}

// forget drops the allowances that are as good as new. Where that leaves many, there are many clients at work, and all have to be
// remembered: it looks again at twice as many.
func (l *limiter) forget() {
	now, today := l.clock(), acs.DayOf(time.Now())
	for id, al := range l.by {
		if al.users > 0 {
			continue
		}
		if al.window.expire(now); al.window.total == 0 && (al.left == 0 || al.day != today) {
			delete(l.by, id)
		}
	}
	l.max = max(l.least, 2*len(l.by))
}

// tell writes the fields of draft-ietf-httpapi-ratelimit-headers: the limits, and what is left of them and until when.
func (al *allowance) tell(who *acs.Client, now time.Duration, h http.Header) {
	var policy, left string
	add := func(name string, quota, window, remaining int, reset time.Duration) {
		if policy != "" {
			policy, left = policy+", ", left+", "
		}
		policy += fmt.Sprintf(`"%s";q=%d;w=%d`, name, quota, window)
		left += fmt.Sprintf(`"%s";r=%d;t=%d`, name, max(remaining, 0), wholeSeconds(reset))
	}
	if n := who.RequestsPerMinute; n > 0 {
		al.window.expire(now)
		add("minute", n, int(span/time.Second), n-al.window.total, al.window.reset(now))
	}
	if n := who.RequestsPerDay; n > 0 && n == al.limit && al.day == acs.DayOf(time.Now()) {
		add("day", n, 86400, n-al.used+al.left, time.Until((al.day + 1).Start()))
	}
	h.Set("RateLimit-Policy", policy)
	h.Set("RateLimit", left)
}

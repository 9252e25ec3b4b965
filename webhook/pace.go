package webhook

import (
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace keeps the attempts begun within each endpoint's PerMinute and within a rate for each host name. It is a ClaimLimits.Allow.
type pace struct {
	perHost int

	mu        sync.Mutex
	endpoints map[string]*endpointPace
	hosts     map[string]*rate.Limiter
	sweepAt   int
}

// endpointPace is what pace knows of an endpoint; limit is nil where it has none.
type endpointPace struct {
	url, host string
	perMinute int
	limit     *rate.Limiter
}

// sweepFrom is how many endpoints and hosts are kept before those that are idle are forgotten.
const sweepFrom = 4096

func newPace(perHost int) *pace {
	return &pace{
		perHost: perHost, endpoints: make(map[string]*endpointPace), hosts: make(map[string]*rate.Limiter), sweepAt: sweepFrom,
	}
}

// limiterOf lets n attempts begin in any time of that length, and never more: what the burst lets through at once is taken off
// the rate. The burst makes up for timers that are a little late.
func limiterOf(n int, in time.Duration, burst int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(n-burst+1)/in.Seconds()), burst)
}

// allow counts an attempt that may begin now, or says when to ask again.
func (p *pace) allow(e Endpoint) (again time.Time) {
	if p.perHost < 0 && e.PerMinute <= 0 {
		return time.Time{}
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.endpoint(e)
	limits := [2]*rate.Limiter{own.limit, p.host(own.host)}
	for _, l := range limits {
		if l == nil {
			continue
		}
		if have := l.TokensAt(now); have < 1 {
			wait := time.Duration((1 - have) / float64(l.Limit()) * float64(time.Second))
			if t := now.Add(wait + time.Microsecond); t.After(again) {
				again = t
			}
		}
	}
	if !again.IsZero() {
		return again
	}
	for _, l := range limits {
		if l != nil {
			l.AllowN(now, 1)
		}
	}
	return time.Time{}
}

func (p *pace) endpoint(e Endpoint) *endpointPace {
	own := p.endpoints[e.ID]
	if own == nil {
		p.sweep()
		own = &endpointPace{}
		p.endpoints[e.ID] = own
	}
	if own.url != e.URL {
		own.url, own.host = e.URL, ""
		if u, err := url.Parse(e.URL); err == nil {
			own.host = strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
		}
	}
	if own.perMinute != e.PerMinute {
		own.perMinute, own.limit = e.PerMinute, nil
		if e.PerMinute > 0 {
			own.limit = limiterOf(e.PerMinute, time.Minute, 1+e.PerMinute/600)
		}
	}
	return own
}

func (p *pace) host(name string) *rate.Limiter {
	if p.perHost < 0 {
		return nil
	}
	l := p.hosts[name]
	if l == nil {
		l = limiterOf(p.perHost, time.Second, 1+p.perHost/20)
		p.hosts[name] = l
	}
	return l
}

// sweep forgets what is idle, when there is much.
func (p *pace) sweep() {
	if len(p.endpoints)+len(p.hosts) < p.sweepAt {
		return
	}
	now := time.Now()
	idle := func(l *rate.Limiter) bool { return l == nil || l.TokensAt(now) >= float64(l.Burst()) }
	for id, own := range p.endpoints {
		if idle(own.limit) {
			delete(p.endpoints, id)
		}
	}
	for name, l := range p.hosts {
		if idle(l) {
			delete(p.hosts, name)
		}
	}
	p.sweepAt = max(sweepFrom, 2*(len(p.endpoints)+len(p.hosts)))
}

package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
	"recado/store/memstore"
)

// limited makes a client with limits.
func (s *server) limited(t testing.TB, perMinute, perDay int) caller {
	t.Helper()
	c, err := s.svc.CreateClient(context.Background(), acs.NewClient{
		Name: fmt.Sprintf("busy %d %d", perMinute, perDay), RequestsPerMinute: perMinute, RequestsPerDay: perDay,
	})
	if err != nil {
		t.Fatal(err)
	}
	return caller{c.Client.ID, c.Token}
}

func TestMinuteLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		c := s.limited(t, 30, 0)
		other := s.client(t, "other")
		call := func(token string) reply { return s.do(t, "GET", "/api/v1/protocols", token, "") }
		for i := range 30 {
			if r := call(c.token); r.code != 200 {
				t.Fatalf("request %d: got %d, want 200", i+1, r.code)
			}
			if i == 9 {
				time.Sleep(20 * time.Second)
			}
		}
		r := call(c.token)
		if p := r.problem(t, 429, wire.CodeRateLimited); r.header.Get("Retry-After") != "40" || p.RetryAfterSeconds != 40 {
			t.Errorf("Retry-After: got %q and %d, want 40", r.header.Get("Retry-After"), p.RetryAfterSeconds)
		}
		if got, want := r.header.Get("RateLimit-Policy"), `"minute";q=30;w=60`; got != want {
			t.Errorf("RateLimit-Policy: got %s, want %s", got, want)
		}
		if got, want := r.header.Get("RateLimit"), `"minute";r=0;t=40`; got != want {
			t.Errorf("RateLimit: got %s, want %s", got, want)
		}
		if r := call(other.token); r.code != 200 || r.header.Get("RateLimit") != "" {
			t.Errorf("another client: got %d, RateLimit %q, want 200 and none", r.code, r.header.Get("RateLimit"))
		}
		time.Sleep(40*time.Second - time.Nanosecond)
		call(c.token).problem(t, 429, wire.CodeRateLimited)
		time.Sleep(time.Nanosecond)
		for i := range 10 {
			if r := call(c.token); r.code != 200 {
				t.Fatalf("request %d after Retry-After: got %d, want 200", i+1, r.code)
			}
		}
		call(c.token).problem(t, 429, wire.CodeRateLimited)
		// Another limit holds at once.
		s.change(t, c.id, acs.ClientChange{RequestsPerMinute: new(32)})
		for i := range 2 {
			if r := call(c.token); r.code != 200 {
				t.Errorf("request %d after the limit was raised by two: got %d, want 200", i+1, r.code)
			}
		}
		s.change(t, c.id, acs.ClientChange{RequestsPerMinute: new(5)})
		if p := call(c.token).problem(t, 429, wire.CodeRateLimited); p.RetryAfterSeconds != 60 {
			t.Errorf("Retry-After with a limit of 5 and 12 passed just now: got %d, want 60", p.RetryAfterSeconds)
		}
	})
}

func (s *server) change(t testing.TB, id string, ch acs.ClientChange) {
	t.Helper()
	if _, err := s.svc.ChangeClient(context.Background(), id, ch); err != nil {
		t.Fatal(err)
	}
}

func TestDayLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour) // bubbles begin at midnight UTC
		s := newServer(t)
		c := s.limited(t, 0, 300)
		call := func() reply { return s.do(t, "GET", "/api/v1/protocols", c.token, "") }
		many := func(n int) {
			t.Helper()
			for i := range n {
				if r := s.raw("GET", "/api/v1/protocols", c.token, ""); r.code != 200 {
					t.Fatalf("request %d of %d: got %d, want 200", i+1, n, r.code)
				}
			}
			p := call().problem(t, 429, wire.CodeRateLimited)
			if want := int(86400 - time.Now().Unix()%86400); p.RetryAfterSeconds != want {
				t.Errorf("Retry-After: got %d s, want the %d until midnight", p.RetryAfterSeconds, want)
			}
		}
		many(300)
		if got, want := call().header.Get("RateLimit"), `"day";r=0;t=82800`; got != want {
			t.Errorf("RateLimit: got %s, want %s", got, want)
		}
		s.change(t, c.id, acs.ClientChange{RequestsPerDay: new(310)})
		many(10)
		s.change(t, c.id, acs.ClientChange{RequestsPerDay: new(100)})
		many(0)
		time.Sleep(23 * time.Hour)
		many(100)
		// A block that is reserved under a limit is worth nothing under a lower one.
		s.change(t, c.id, acs.ClientChange{RequestsPerDay: new(10_000)})
		if got, want := call().header.Get("RateLimit"), `"day";r=9899;t=86400`; got != want {
			t.Errorf("RateLimit: got %s, want %s", got, want)
		}
		s.change(t, c.id, acs.ClientChange{RequestsPerDay: new(102)})
		many(1)
	})
}

// TestManyAtOnce is R21: of 10,000 calls at once, a limit of 600 a minute lets 600 pass.
func TestManyAtOnce(t *testing.T) {
	const calls = 10_000
	for name, perDay := range map[string]int{"minute": 0, "minute and day": 1_000_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t)
				c := s.limited(t, 600, perDay)
				for minute := range 2 {
					var passed, limited atomic.Int64
					var wg sync.WaitGroup
					for range calls {
						wg.Go(func() {
							switch r := s.raw("GET", "/api/v1/protocols", c.token, ""); {
							case r.code == 200:
								passed.Add(1)
							case r.code == 429 && r.header.Get("Retry-After") == "60":
								limited.Add(1)
							}
						})
					}
					wg.Wait()
					if passed.Load() != 600 || limited.Load() != calls-600 {
						t.Errorf("minute %d: got %d passed and %d told to come in 60 s, want 600 and %d", minute, passed.Load(), limited.Load(), calls-600)
					}
					time.Sleep(time.Minute)
				}
			})
		})
	}
}

// TestManyAtOnceOverHTTP is the same over sockets, in real time: as long as it takes less than a minute, 600 pass.
func TestManyAtOnceOverHTTP(t *testing.T) {
	const calls = 10_000
	s := newServer(t)
	c := s.limited(t, 600, 0)
	srv := httptest.NewServer(s.api)
	defer srv.Close()
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
	defer web.CloseIdleConnections()
	var passed, limited, odd atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range 64 {
		wg.Go(func() {
			for range calls / 64 {
				r, err := http.NewRequest("GET", srv.URL+"/api/v1/protocols", nil)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+c.token)
				res, err := web.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				after, _ := strconv.Atoi(res.Header.Get("Retry-After"))
				switch {
				case res.StatusCode == 200:
					passed.Add(1)
				case res.StatusCode == 429 && after >= 1 && after <= 60:
					limited.Add(1)
				default:
					odd.Add(1)
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	// On a machine so slow that the first ones are a minute old, as many may pass again.
	want := int64(600 * (1 + took/time.Minute))
	if took < time.Minute && passed.Load() != want || passed.Load() > want || odd.Load() > 0 {
		t.Errorf("%d calls in %v: got %d passed, %d limited, %d odd; want %d passed and none odd", calls, took, passed.Load(), limited.Load(), odd.Load(), want)
	}
}

// TestWindows holds windows against a plain log of the times that passed: with small limits the verdict is the same to the nanosecond, with
// any limit no window has too many, and nobody waits much longer than they had to.
func TestWindows(t *testing.T) {
	for _, limit := range []int{1, 2, 7, 600, api.MaxPasses, 5000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			seed := rand.Uint64()
			rng := rand.New(rand.NewPCG(seed, 1))
			synctest.Test(t, func(t *testing.T) {
				l := api.NewLimiter(memstore.New(), 10)
				who := &acs.Client{ID: "cli_1", RequestsPerMinute: limit}
				var passed []time.Time
				slack := time.Duration(0)
				if limit > api.MaxPasses {
					slack = time.Minute / api.MaxPasses
				}
				mean := 50 * time.Second / time.Duration(limit)
				for range 6*limit + 500 {
					now := time.Now()
					err := take(l, who)
					// What a log would say: limit passes back is a minute ago.
					may := len(passed) < limit || now.Sub(passed[len(passed)-limit]) >= time.Minute
					late := len(passed) < limit || now.Sub(passed[len(passed)-limit]) >= time.Minute+slack
					switch {
					case err == nil && !may:
						t.Fatalf("seed %d: pass %d: got it within the minute of pass %d", seed, len(passed)+1, len(passed)-limit+1)
					case err != nil && late:
						t.Fatalf("seed %d: after %d passes: got %v, want it to pass", seed, len(passed), err)
					case err == nil:
						passed = append(passed, now)
					default:
						wait := api.WaitOf(err)
						if due := passed[len(passed)-limit].Add(time.Minute).Sub(now); wait < due || wait > due+slack {
							t.Fatalf("seed %d: told to wait %v, want %v", seed, wait, due)
						}
						if rng.IntN(4) == 0 {
							time.Sleep(wait)
							if err := take(l, who); err != nil {
								t.Fatalf("seed %d: after the wait that was told: got %v", seed, err)
							}
							passed = append(passed, time.Now())
						}
					}
					if n := api.Steps(l, "cli_1"); n > 2*api.MaxPasses {
						t.Fatalf("the window remembers %d steps, want %d at the most", n, 2*api.MaxPasses)
					}
					switch rng.IntN(20) {
					case 0:
						time.Sleep(time.Duration(rng.Int64N(int64(40 * time.Second))))
					case 1, 2, 3, 4, 5:
						time.Sleep(time.Duration(rng.Int64N(int64(2*mean) + 1)))
					case 6, 7:
						time.Sleep(time.Nanosecond)
					}
				}
				if len(passed) <= limit {
					t.Fatalf("seed %d: %d passed, want more than the limit", seed, len(passed))
				}
			})
		})
	}
}

func take(l *api.Limiter, who *acs.Client) error {
	return api.Take(l, context.Background(), who, http.Header{})
}

// countingQuota counts the store's calls, and may fail.
type countingQuota struct {
	api.Quota
	reserved, returned atomic.Int64
	fail               atomic.Bool
}

func (q *countingQuota) ReserveRequests(ctx context.Context, client string, day acs.Day, n, limit int) (acs.Reserved, error) {
	q.reserved.Add(1)
	if q.fail.Load() {
		return acs.Reserved{}, acs.ErrUnavailable
	}
	return q.Quota.ReserveRequests(ctx, client, day, n, limit)
}

func (q *countingQuota) ReturnRequests(ctx context.Context, client string, day acs.Day, n int) error {
	q.returned.Add(int64(n))
	return q.Quota.ReturnRequests(ctx, client, day, n)
}

// TestDaySurvives has limiters that come and go over one store: those that are closed lose nothing, those that are not lose less than a
// hundredth each, and none lets more pass.
func TestDaySurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 2000
		q := &countingQuota{Quota: memstore.New()}
		who := &acs.Client{ID: "cli_1", RequestsPerDay: limit}
		l := api.NewLimiter(q, 10)
		passed, lost := 0, 0
		for i := range 2 * limit {
			err := take(l, who)
			if err == nil {
				passed++
			}
			switch {
			case i == 333 || i == 777: // as by a crash
				l = api.NewLimiter(q, 10)
				lost++
			case i%400 == 150: // as by a stop
				if err := api.CloseLimiter(l, context.Background()); err != nil {
					t.Fatal(err)
				}
				l = api.NewLimiter(q, 10)
			}
		}
		if passed > limit || passed < limit-lost*limit/100 {
			t.Errorf("got %d passed over %d crashes, want %d to %d", passed, lost, limit-lost*limit/100, limit)
		}
		if n := q.reserved.Load(); n > 130 {
			t.Errorf("%d requests asked the store %d times, want a hundred and some", 2*limit, n)
		}
		if q.returned.Load() == 0 {
			t.Error("nothing was given back")
		}
	})
}

// TestStoreOfDays: where the store cannot count, nothing passes; and what it counted for a request that was given up is not lost.
func TestStoreOfDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &countingQuota{Quota: memstore.New()}
		l := api.NewLimiter(q, 10)
		who := &acs.Client{ID: "cli_1", RequestsPerDay: 3, RequestsPerMinute: 2}
		q.fail.Store(true)
		for range 3 {
			if err := take(l, who); !errors.Is(err, acs.ErrUnavailable) {
				t.Errorf("with a store that cannot count: got %v, want %v", err, acs.ErrUnavailable)
			}
		}
		q.fail.Store(false)
		for i, want := range []bool{true, true, false} {
			if err := take(l, who); (err == nil) != want {
				t.Errorf("request %d of 2 a minute, after failures that count for nothing: got %v", i+1, err)
			}
		}
		time.Sleep(time.Minute)
		// The request that the minute refused has taken none of the day's three.
		for i, want := range []bool{true, false} {
			if err := take(l, who); (err == nil) != want {
				t.Errorf("request %d of the day's last one: got %v", i+3, err)
			}
		}
		asked := q.reserved.Load()
		for range 100 {
			_ = take(l, who)
		}
		if q.reserved.Load() != asked {
			t.Errorf("a client whose day is used up asked the store %d times more, want none", q.reserved.Load()-asked)
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := api.Take(l, ended, &acs.Client{ID: "cli_2", RequestsPerDay: 3}, http.Header{}); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("a request that was given up: got %v", err)
		}
	})
}

func TestLimiterForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := api.NewLimiter(memstore.New(), 100)
		for i := range 100_000 {
			if err := take(l, &acs.Client{ID: fmt.Sprint(i), RequestsPerMinute: 1}); err != nil {
				t.Fatalf("client %d: %v", i, err)
			}
			time.Sleep(time.Second)
		}
		if n := api.Remembered(l); n > 200 {
			t.Errorf("remembers %d clients, want 200 at the most: 60 of them came in the last minute", n)
		}
		// Those that something has to be remembered of are never forgotten, however many they are.
		for i := range 1000 {
			if err := take(l, &acs.Client{ID: fmt.Sprint("x", i), RequestsPerMinute: 1}); err != nil {
				t.Fatalf("client %d: %v", i, err)
			}
		}
		for i := range 1000 {
			if err := take(l, &acs.Client{ID: fmt.Sprint("x", i), RequestsPerMinute: 1}); err == nil {
				t.Fatalf("client %d was forgotten within its minute", i)
			}
		}
	})
}

// TestRateHeadersAreEverywhere: refusals for other reasons tell the limits, too.
func TestRateHeadersAreEverywhere(t *testing.T) {
	s := newServer(t)
	c := s.limited(t, 10, 1000)
	var left []string
	for _, path := range []string{"/api/v1/protocols", "/api/v1/clients", "/api/v1/protocols/x"} {
		left = append(left, s.do(t, "GET", path, c.token, "").header.Get("RateLimit")[:12])
	}
	if want := []string{`"minute";r=9`, `"minute";r=8`, `"minute";r=7`}; !slices.Equal(left, want) {
		t.Errorf("RateLimit: got %q, want %q", left, want)
	}
}

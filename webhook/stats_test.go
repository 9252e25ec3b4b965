package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/store/memstore"
	"recado/webhook"
)

// TestEveryClassHasAHint reads the classes out of the source, so that none can be forgotten.
func TestEveryClassHasAHint(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "types.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var classes []webhook.ErrorClass
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Type == nil || fmt.Sprint(spec.Type) != "ErrorClass" {
			return true
		}
		for _, v := range spec.Values {
			text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			classes = append(classes, webhook.ErrorClass(text))
		}
		return true
	})
	if len(classes) == 0 || !slices.Equal(slices.Sorted(slices.Values(classes)), slices.Sorted(slices.Values(webhook.ErrorClasses))) {
		t.Errorf("ErrorClasses: got %v, want %v, as declared", webhook.ErrorClasses, classes)
	}
	seen := map[string]webhook.ErrorClass{}
	for _, c := range classes {
		hint := webhook.Hint(c)
		if len(hint) < 60 || !strings.Contains(hint, ".") && !strings.Contains(hint, "?") {
			t.Errorf("%s: got hint %q, want a sentence that helps", c, hint)
		}
		if other, ok := seen[hint]; ok {
			t.Errorf("%s: has the hint of %s", c, other)
		}
		seen[hint] = c
	}
	if hint := webhook.Hint("nonsense"); hint != "" {
		t.Errorf("no class: got hint %q, want none", hint)
	}
}

func TestHistogram(t *testing.T) {
	var h webhook.Histogram
	if h.Mean() != 0 || h.Quantile(0.5) != 0 || h.Count() != 0 {
		t.Errorf("empty: got mean %v, median %v, want 0", h.Mean(), h.Quantile(0.5))
	}
	r := rand.New(rand.NewPCG(7, 7))
	var all []time.Duration
	var parts [2]webhook.Histogram
	for i := range 5000 {
		// From a millisecond to four days, evenly by the logarithm.
		d := time.Duration(float64(time.Millisecond) * math.Exp(r.Float64()*math.Log(4*86400*1000)))
		all = append(all, d)
		h.Observe(d)
		parts[i%2].Observe(d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		want := all[max(int(math.Ceil(q*float64(len(all)))), 1)-1]
		if got := h.Quantile(q); float64(got) < 0.9*float64(want) || float64(got) > 1.1*float64(want) {
			t.Errorf("quantile %v: got %v, want within 10%% of %v", q, got, want)
		}
	}
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	if got := h.Mean(); got != sum/time.Duration(len(all)) {
		t.Errorf("mean: got %v, want %v, exactly", got, sum/time.Duration(len(all)))
	}
	var added webhook.Histogram
	added.Add(&parts[0])
	added.Add(&parts[1])
	if !slices.Equal(added.Buckets, h.Buckets) || added.Sum != h.Sum {
		t.Errorf("added parts: got %d in %v, want what the whole has, %d in %v", added.Count(), added.Sum, h.Count(), h.Sum)
	}
	var odd webhook.Histogram
	for _, d := range []time.Duration{-time.Hour, 0, time.Nanosecond, math.MaxInt64} {
		odd.Observe(d)
	}
	if odd.Count() != 4 || odd.Buckets[0] != 3 || odd.Quantile(0.5) > time.Millisecond {
		t.Errorf("odd durations: got %d in buckets %v, want 4, three in the first one", odd.Count(), odd.Buckets)
	}
}

func TestStatsOfAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newReplays(t, memstore.New())
		p := s.endpoint("wh_1", "c1", once)
		s.run()
		defer func() { s.stop() }()
		s.die(p, "c1", 3)
		s.events("c1", 8)
		time.Sleep(time.Minute)
		got, err := s.svc.Stats(t.Context(), "c1", "wh_1", 24*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		rate, _ := got.SuccessRate()
		per, _ := got.AttemptsPerDelivery()
		if got.Events != 11 || got.Attempts != 14 || got.Delivered != 8 || got.Dead != 3 || got.Errors[webhook.ErrorStatus] != 6 ||
			math.Abs(rate-8.0/14) > 1e-9 || math.Abs(per-14.0/11) > 1e-9 {
			t.Errorf("got %+v with rate %v, %v attempts a delivery; want 8 of 11 events delivered in 14 attempts", got.Tally, rate, per)
		}
		if got.Queue.Dead != 3 || got.Queue.Pending != 0 || got.Queue.State != webhook.EndpointActive {
			t.Errorf("queue: got %+v, want three dead", got.Queue)
		}
		if took := got.Took.Quantile(0.5); got.Took.Mean() != 50*time.Millisecond || took < 45*time.Millisecond || took > 55*time.Millisecond {
			t.Errorf("receiver's time: got mean %v, median %v; want 50ms", got.Took.Mean(), took)
		}
		if lag := got.Lag.Quantile(0.99); lag < 50*time.Millisecond || lag > 120*time.Millisecond {
			t.Errorf("lag: got p99 %v, want one or two attempts' time", lag)
		}
		if got.Since.Minute() != 0 || time.Since(got.Since) < 24*time.Hour || time.Since(got.Since) >= 25*time.Hour {
			t.Errorf("since: got %v, want the beginning of the hour a day ago", got.Since)
		}
		all, err := s.svc.EndpointHealths(t.Context(), "c1")
		if err != nil || len(all) != 1 || all["wh_1"].Queue.Dead != 3 || all["wh_1"].Recent.Attempts != 14 {
			t.Errorf("healths: got %+v, %v; want the one endpoint's", all, err)
		}
		for _, d := range []time.Duration{0, time.Minute, 31 * 24 * time.Hour} {
			var bad *webhook.InvalidError
			if _, err := s.svc.Stats(t.Context(), "c1", "wh_1", d); !errors.As(err, &bad) || bad.Field != "range" {
				t.Errorf("range %v: got %v, want it refused", d, err)
			}
		}
		if _, err := s.svc.Stats(t.Context(), "c2", "wh_1", time.Hour); !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("another client: got %v, want %v", err, webhook.ErrNotFound)
		}
	})
}

// queues is a StatsStore that says what it is told to.
type queues struct {
	webhook.StatsStore
	list  []webhook.QueueState
	err   error
	asked int
}

func (q *queues) QueueStates(context.Context, string) ([]webhook.QueueState, error) {
	q.asked++
	return q.list, q.err
}

func TestCheckup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ping error
		q := &queues{list: []webhook.QueueState{
			{Endpoint: "wh_secret_1", Client: "cli_secret", State: webhook.EndpointActive, Pending: 2, Dead: 1, Oldest: time.Now()},
			{Endpoint: "wh_secret_2", State: webhook.EndpointPaused, Pending: 4, Oldest: time.Now().Add(-time.Hour)},
		}}
		turned := time.Now()
		c := webhook.NewCheckup(webhook.CheckupConfig{
			Store: q, Ping: func(context.Context) error { return ping }, Turned: func() time.Time { return turned },
		})
		want := func(what, sick string) {
			t.Helper()
			time.Sleep(2 * time.Second)
			r := c.Report(t.Context())
			var got []string
			for _, one := range r.Checks {
				if !one.Healthy {
					got = append(got, one.Name)
				}
				if one.Name == "" || one.Detail == "" || strings.Contains(one.Detail, "secret") {
					t.Errorf("%s: got check %+v, want a name, and words without anything of clients", what, one)
				}
			}
			if strings.Join(got, ",") != sick || r.Healthy != (sick == "") {
				t.Errorf("%s: got healthy %v with %v unhealthy, want %q", what, r.Healthy, got, sick)
			}
		}
		value := func(name string) float64 {
			t.Helper()
			for _, one := range c.Report(t.Context()).Checks {
				if one.Name == name && one.Value != nil {
					return *one.Value
				}
			}
			t.Errorf("check %s has no value", name)
			return 0
		}
		want("all is well", "")
		if value("pending") != 2 || value("held") != 4 || value("dead") != 1 || value("oldest_pending") != 2 {
			t.Errorf("got %v pending, %v held, %v dead, oldest %v s; want 2, 4, 1, 2", value("pending"), value("held"), value("dead"), value("oldest_pending"))
		}
		ping = errors.New("disk full at /secret/path")
		want("the disk is full", "store")
		ping = nil
		q.list[0].DueSince = time.Now().Add(-4 * time.Minute)
		want("something is due for four minutes", "")
		q.list[0].DueSince = time.Now().Add(-6 * time.Minute)
		want("for six minutes", "due")
		q.list[0].DueSince = time.Time{}
		turned = time.Now().Add(-121 * time.Second)
		want("the loop stands still", "dispatcher")
		turned = time.Time{}
		want("the loop never began", "dispatcher")
		turned = time.Now().Add(-time.Minute)
		q.err = errors.New("closed")
		want("no queues", "queue")
		q.err = nil
		want("well again", "")

		asked := q.asked
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		time.Sleep(time.Second)
		for range 1000 {
			if r := c.Report(ended); !r.Healthy {
				t.Fatalf("a caller who goes away: got %+v, want it healthy for the others", r)
			}
		}
		if q.asked != asked+1 {
			t.Errorf("a thousand calls at once: looked %d times, want once", q.asked-asked)
		}
	})
}

func TestDispatcherTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memstore.New())
		s.config.Store = s.store
		d := webhook.NewDispatcher(s.config)
		if !d.Turned().IsZero() {
			t.Errorf("before Run: got %v, want zero", d.Turned())
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		for range 5 {
			time.Sleep(10 * time.Minute)
			if ago := time.Since(d.Turned()); ago > time.Minute {
				t.Errorf("with nothing to do: last turn %v ago, want a minute at the most", ago)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

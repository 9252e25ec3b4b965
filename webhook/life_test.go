package webhook_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs/wire/wiretest"
	"recado/store/boltstore"
	"recado/store/memstore"
	"recado/webhook"
)

// site is a dispatcher over a real store, with receivers that are functions: days of it take no time.
type site struct {
	t      *testing.T
	store  webhook.Store
	config webhook.DispatcherConfig
	log    *safeBuffer
	stop   func()

	mu      sync.Mutex
	doers   map[string]webhook.Doer
	changes []string
}

func newSite(t *testing.T, store webhook.Store) *site {
	s := &site{t: t, store: store, log: &safeBuffer{}, doers: map[string]webhook.Doer{}}
	s.config = webhook.DispatcherConfig{
		Catalogue: catalogue, Logger: slog.New(slog.NewJSONHandler(s.log, nil)), Observer: s,
		Clients: webhook.ClientsFunc(func(e webhook.Endpoint) webhook.Doer {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.doers[e.ID]
		}),
	}
	return s
}

func (s *site) DeliveryAttempted(webhook.Lease, webhook.Attempt, webhook.Settlement) {}

func (s *site) EndpointChanged(e webhook.Endpoint, to webhook.EndpointState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changes = append(s.changes, fmt.Sprintf("%s %s", e.ID, to))
}

func (s *site) start() {
	s.config.Store = s.store
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- webhook.NewDispatcher(s.config).Run(ctx) }()
	s.stop = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Errorf("Run: %v", err)
		}
	}
}

func (s *site) endpoint(id, client string, edit func(*webhook.Endpoint)) *peer {
	s.t.Helper()
	e := webhook.Endpoint{
		ID: id, Client: client, URL: "https://" + id + ".example/secret-path?token=secret-token", Events: []string{"*"},
		State: webhook.EndpointActive, Secret: testSecret, Order: webhook.OrderNone,
	}
	if edit != nil {
		edit(&e)
	}
	if err := s.store.CreateEndpoint(s.t.Context(), e); err != nil {
		s.t.Fatal(err)
	}
	p := &peer{}
	s.mu.Lock()
	s.doers[id] = p
	s.mu.Unlock()
	return p
}

func (s *site) read(id string) webhook.Endpoint {
	s.t.Helper()
	e, err := s.store.Endpoint(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// events stores n events of a client, 32 at a time, and gives their ids, the oldest first.
func (s *site) events(client string, n int) (ids []string) {
	s.t.Helper()
	endpoints, err := s.store.Endpoints(s.t.Context(), client)
	if err != nil {
		s.t.Fatal(err)
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, 32)
	for range n {
		now := time.Now().UTC()
		e := webhook.Event{ID: webhook.NewID(webhook.PrefixEvent), Type: "action.succeeded", Client: client, Time: now, Body: []byte(`{}`)}
		ids = append(ids, e.ID)
		ds := webhook.FanOut(catalogue, e, endpoints, now)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := s.store.AddEvent(s.t.Context(), e, ds); err != nil {
				s.t.Error(err)
			}
		})
	}
	wg.Wait()
	return ids
}

// peer is a receiver without a network. Its zero value answers 204 after 50 ms.
type peer struct {
	mu     sync.Mutex
	down   bool // refuses connections
	status int
	hang   bool
	calls  []call
}

type call struct {
	id, attempt string
	at          time.Time
	taken       bool
	body        []byte
}

func (p *peer) set(f func(p *peer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *peer) all() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

func (p *peer) taken() []call {
	return slices.DeleteFunc(p.all(), func(c call) bool { return !c.taken })
}

func (p *peer) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	status := cmp.Or(p.status, 204)
	down, hang := p.down, p.hang
	p.calls = append(p.calls, call{
		r.Header.Get(webhook.HeaderID), r.Header.Get(webhook.HeaderAttempt), time.Now(), !down && !hang && status/100 == 2, body,
	})
	p.mu.Unlock()
	switch {
	case down:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case hang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	time.Sleep(50 * time.Millisecond)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil))}, nil
}

// A receiver that is down for two hours, with 10,000 events meanwhile and a restart in the middle, gets all of them within minutes
// of its return, each once, the oldest first, and nothing but the five attempts that opened the breaker has cost a try (R5).
func TestReceiverDownForTwoHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "recado.db")
		open := func() *boltstore.DB {
			db, err := boltstore.Open(path, boltstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		db := open()
		s := newSite(t, db)
		p := s.endpoint("wh_1", "c1", nil)
		p.set(func(p *peer) { p.down = true })
		s.start()
		const portions = 20
		var sent []string
		for i := range portions {
			sent = append(sent, s.events("c1", 500)...)
			time.Sleep(2 * time.Hour / portions)
			if i == portions/2 {
				s.stop()
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = open()
				s.store = db
				s.start()
			}
		}
		failed := len(p.all())
		if e := s.read("wh_1"); e.State != webhook.EndpointFailing || failed < 15 || failed > 25 {
			t.Errorf("after two hours: got %s and %d attempts; want failing, and 15 to 25 of them", e.State, failed)
		}
		p.set(func(p *peer) { p.down = false })
		back := time.Now()
		time.Sleep(20 * time.Minute)
		s.stop()

		taken := p.taken()
		if len(taken) != len(sent) || len(p.all()) != len(sent)+failed {
			t.Fatalf("got %d events in %d requests since, want %d in as many", len(taken), len(p.all())-failed, len(sent))
		}
		place := make(map[string]int, len(sent))
		for i, id := range sent {
			place[id] = i
		}
		for i, c := range taken {
			// Those under way together may pass each other.
			if off := place[c.id] - i; off >= webhook.DefaultConcurrency || off <= -webhook.DefaultConcurrency {
				t.Fatalf("request %d: got event %d, want them oldest first", i, place[c.id])
			}
			delete(place, c.id)
		}
		if len(place) != 0 {
			t.Errorf("%d events did not arrive", len(place))
		}
		t.Logf("all there %v after the receiver came back; first after %v", taken[len(taken)-1].at.Sub(back), taken[0].at.Sub(back))
		s.wantTries(len(sent), webhook.BreakerFaults+webhook.DefaultConcurrency-1)
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// wantTries fails unless all of n deliveries are there, delivered, and at most that many tries failed that were no probes.
func (s *site) wantTries(n, failed int) {
	s.t.Helper()
	seen, burnt := 0, 0
	for f := (webhook.DeliveryFilter{Limit: 1000}); ; {
		page, next, err := s.store.Deliveries(s.t.Context(), f)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, d := range page {
			seen++
			burnt += d.Tries - 1
			if d.State != webhook.DeliveryDelivered {
				s.t.Errorf("delivery %s: got %s after %d attempts, want delivered", d.ID, d.State, d.Attempts)
			}
		}
		if f.Cursor = next; next == "" {
			break
		}
	}
	if seen != n || burnt > failed {
		s.t.Errorf("got %d deliveries and %d tries that failed, want %d and at most %d", seen, burnt, n, failed)
	}
}

// A receiver that is down for a week: its endpoint is failing, then disabled, the client's other endpoint is told once and nobody
// else is, nothing goes out any more, and a resume brings all that was held.
func TestReceiverDownForAWeek(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memstore.New())
		dead := s.endpoint("wh_dead", "c1", nil)
		dead.set(func(p *peer) { p.down = true })
		noc := s.endpoint("wh_noc", "c1", func(e *webhook.Endpoint) { e.Events = []string{webhook.TypeEndpointDisabled} })
		stranger := s.endpoint("wh_stranger", "c2", nil)
		s.start()
		defer func() { s.stop() }()
		began := time.Now()
		var sent []string
		for range 7 * 24 {
			sent = append(sent, s.events("c1", 1)...)
			time.Sleep(time.Hour)
		}
		e := s.read("wh_dead")
		if e.State != webhook.EndpointDisabled || !strings.Contains(e.StateReason, "no success since") {
			t.Errorf("after a week: got %s, %q; want disabled, and why", e.State, e.StateReason)
		}
		calls := dead.all()
		last := calls[len(calls)-1].at.Sub(began)
		if last < webhook.DisableAfter || last > webhook.DisableAfter+webhook.MaxProbeWait+time.Minute {
			t.Errorf("last attempt: got it after %v, want it when the five days are over", last)
		}
		if got := len(stranger.all()); got != 0 {
			t.Errorf("another client's endpoint: got %d requests, want none", got)
		}
		s.wantNotice(noc, began, "wh_dead.example", len(sent))
		s.wantChanges("wh_dead failing", "wh_dead disabled")
		for _, want := range []string{`"state":"failing"`, `"state":"disabled"`} {
			if n := strings.Count(s.log.String(), `"level":"WARN","msg":"endpoint came to another state","endpoint":"wh_dead"`); n != 2 || !strings.Contains(s.log.String(), want) {
				t.Errorf("got %d warnings, want 2, one with %s", n, want)
			}
		}
		if strings.Contains(s.log.String(), "secret-") {
			t.Error("the log holds the URL's path or query")
		}

		dead.set(func(p *peer) { p.down = false })
		active := true
		service := webhook.NewService(webhook.ServiceConfig{Store: s.store, Catalogue: catalogue})
		if _, err := service.Change(t.Context(), "c1", "wh_dead", webhook.Change{Active: &active}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		var got []string
		for _, c := range dead.taken() {
			got = append(got, c.id)
		}
		slices.Sort(got) // ids are by age
		if want := slices.Sorted(slices.Values(sent)); !slices.Equal(got, want) {
			t.Errorf("after the resume: got %d events, want the %d that were sent", len(got), len(want))
		}
	})
}

func (s *site) wantNotice(noc *peer, began time.Time, host string, sent int) {
	s.t.Helper()
	notices := noc.all()
	if len(notices) != 1 || !notices[0].taken {
		s.t.Fatalf("the client's other endpoint: got %d requests, want one", len(notices))
	}
	var body struct {
		Type, ID, Timestamp string
		Data                map[string]any
	}
	if err := json.Unmarshal(notices[0].body, &body); err != nil {
		s.t.Fatal(err)
	}
	since, err := time.Parse(time.RFC3339, fmt.Sprint(body.Data["since"]))
	if err != nil || since.Sub(began).Abs() > time.Minute {
		s.t.Errorf("since: got %v, %v; want the first failure, at about %v", body.Data["since"], err, began)
	}
	held, _ := body.Data["held"].(float64)
	if int(held) < 5*24 || int(held) >= sent {
		s.t.Errorf("held: got %v, want what waited then, about %d", body.Data["held"], 5*24)
	}
	if body.Type != webhook.TypeEndpointDisabled || body.ID != notices[0].id || body.Data["webhook_id"] != "wh_dead" ||
		body.Data["url_host"] != host || body.Data["state"] != "disabled" || body.Data["reason"] == "" || bytes.Contains(notices[0].body, []byte("secret-")) {
		s.t.Errorf("got %s, want an endpoint.disabled of wh_dead with its host alone", notices[0].body)
	} // Ids of these tests are shorter than real ones.
	whole := bytes.Replace(notices[0].body, []byte("wh_dead"), []byte("wh_"+strings.Repeat("d", 32)), 1)
	if err := wiretest.CheckBody(webhook.TypeEndpointDisabled, whole); err != nil {
		s.t.Errorf("the body is wrong: %v", err)
	}

	if keys := slices.Sorted(maps.Keys(body.Data)); !slices.Equal(keys, []string{"held", "reason", "since", "state", "url_host", "webhook_id"}) {
		s.t.Errorf("data has %v", keys)
	}
}

func (s *site) wantChanges(want ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.changes, want) {
		s.t.Errorf("changes that the observer was told of: got %v, want %v", s.changes, want)
	}
}

// 410 is told to the other endpoints too; what comes for the endpoint afterwards is held for its return.
func TestGoneIsToldAndHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memstore.New())
		p := s.endpoint("wh_1", "c1", func(e *webhook.Endpoint) { e.Concurrency = 1 })
		p.set(func(p *peer) { p.status = 410 })
		other := s.endpoint("wh_2", "c1", nil)
		s.events("c1", 3)
		s.start()
		defer func() { s.stop() }()
		time.Sleep(time.Minute)
		s.events("c1", 2)
		time.Sleep(time.Hour)
		if n := len(p.all()); n != 1 {
			t.Errorf("got %d requests at the gone endpoint, want one", n)
		}
		told := slices.DeleteFunc(other.all(), func(c call) bool { return !bytes.Contains(c.body, []byte(webhook.TypeEndpointDisabled)) })
		if len(told) != 1 || !bytes.Contains(told[0].body, []byte(`"state":"gone"`)) || !bytes.Contains(told[0].body, []byte(`"held":2`)) {
			t.Errorf("got %d notices; want one, of a gone endpoint with 2 held", len(told))
		}
		if n := len(other.all()); n != 6 {
			t.Errorf("got %d requests at the other endpoint, want 6", n)
		}
		s.wantChanges("wh_1 gone")
		p.set(func(p *peer) { p.status = 204 })
		active := true
		service := webhook.NewService(webhook.ServiceConfig{Store: s.store, Catalogue: catalogue})
		if _, err := service.Change(t.Context(), "c1", "wh_1", webhook.Change{Active: &active}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(p.taken()); n != 4 {
			t.Errorf("after the resume: got %d events, want the 4 that were held", n)
		}
	})
}

// One event that the receiver never takes blocks its own protocolo and nobody else, breaker or not.
func TestPoisonDoesNotKeepTheBreakerOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memstore.New())
		p := s.endpoint("wh_1", "c1", nil)
		p.set(func(p *peer) { p.down = true })
		s.start()
		defer func() { s.stop() }()
		sent := s.events("c1", 50)
		time.Sleep(time.Minute)
		poison := sent[0]
		poisoned := doerFunc(func(r *http.Request) (*http.Response, error) {
			if r.Header.Get(webhook.HeaderID) == poison {
				return &http.Response{StatusCode: 500, Header: http.Header{}, Body: http.NoBody}, nil
			}
			return p.Do(r)
		})
		s.mu.Lock()
		s.doers["wh_1"] = poisoned
		s.mu.Unlock()
		p.set(func(p *peer) { p.down = false })
		time.Sleep(10 * time.Minute)
		if n := len(p.taken()); n != 49 {
			t.Errorf("ten minutes after the receiver is back: got %d events, want all but the one that it refuses", n)
		}
		s.wantChanges("wh_1 failing", "wh_1 active")
	})
}

// A probe that a stop breaks off says nothing: the next start asks at once.
func TestStopDuringAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memstore.New())
		s.config.Drain = time.Second
		p := s.endpoint("wh_1", "c1", nil)
		p.set(func(p *peer) { p.down = true })
		s.start()
		s.events("c1", 5)
		time.Sleep(20 * time.Second)
		p.set(func(p *peer) { p.down, p.hang = false, true })
		time.Sleep(12 * time.Second)
		before := s.read("wh_1")
		s.stop()
		after := s.read("wh_1")
		if after.State != webhook.EndpointFailing || after.Health != before.Health || len(p.all()) != 6 {
			t.Errorf("after the stop: got %s, %+v, %d requests; want failing, %+v, 6", after.State, after.Health, len(p.all()), before.Health)
		}
		p.set(func(p *peer) { p.hang = false })
		s.start()
		defer func() { s.stop() }()
		time.Sleep(time.Second)
		if n := len(p.taken()); n != 5 {
			t.Errorf("a second after the start: got %d events, want 5", n)
		}
	})
}

// atMost fails where more than n of the times lie in any span of that length.
func atMost(t *testing.T, what string, times []time.Time, n int, span time.Duration) {
	t.Helper()
	slices.SortFunc(times, time.Time.Compare)
	for i := n; i < len(times); i++ {
		if d := times[i].Sub(times[i-n]); d < span {
			t.Errorf("%s: got %d attempts in %v, want at most %d in %v", what, n+1, d, n, span)
			return
		}
	}
}

func (p *peer) times() (times []time.Time) {
	for _, c := range p.all() {
		times = append(times, c.at)
	}
	return times
}

func TestEndpointPace(t *testing.T) {
	for _, perMinute := range []int{1, 7, 60, 1200} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, memstore.New())
			s.config.HostPerSecond = -1
			paced := s.endpoint("wh_paced", "c1", func(e *webhook.Endpoint) { e.PerMinute, e.Concurrency = perMinute, 64 })
			free := s.endpoint("wh_free", "c1", nil)
			n := min(3*perMinute, 1500)
			s.events("c1", n)
			s.start()
			began := time.Now()
			time.Sleep(time.Minute)
			if got := len(free.all()); got != n {
				t.Errorf("%d a minute: got %d requests at the endpoint without a bound, want %d", perMinute, got, n)
			}
			for len(paced.all()) < n && time.Since(began) < time.Hour {
				time.Sleep(time.Second)
			}
			s.stop()
			times := paced.times()
			if len(times) != n {
				t.Fatalf("%d a minute: got %d requests, want %d", perMinute, len(times), n)
			}
			atMost(t, fmt.Sprint(perMinute, " a minute"), times, perMinute, time.Minute)
			took, least := times[n-1].Sub(began), time.Duration(n-1)*time.Minute/time.Duration(perMinute)
			if took > least+least/20+time.Second {
				t.Errorf("%d a minute: %d took %v, want no more than %v", perMinute, n, took, least)
			}
		})
	}
}

// 50 clients that name one host cannot make us flood it, and nobody else is slower for it (security B10).
func TestHostPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memstore.New())
		s.config.HostPerSecond = 40
		var at []*peer
		for i := range 50 {
			at = append(at, s.endpoint(fmt.Sprintf("wh_%02d", i), fmt.Sprintf("c%d", i), func(e *webhook.Endpoint) {
				e.URL = fmt.Sprintf("https://%s:%d/%d", []string{"victim.example", "VICTIM.example", "victim.example."}[i%3], 443+i%2*8000, i)
			}))
			s.events(fmt.Sprintf("c%d", i), 20)
		}
		other := s.endpoint("wh_other", "c-other", nil)
		s.events("c-other", 30)
		began := time.Now()
		s.start()
		time.Sleep(2 * time.Second)
		if n := len(other.all()); n != 30 {
			t.Errorf("another host: got %d requests in 2 s, want 30", n)
		}
		time.Sleep(time.Minute)
		s.stop()
		var times []time.Time
		for i, p := range at {
			times = append(times, p.times()...)
			if n := len(p.taken()); n != 20 {
				t.Errorf("client %d: got %d events, want 20", i, n)
			}
		}
		atMost(t, "the host", times, 40, time.Second)
		if took := times[len(times)-1].Sub(began); took > 30*time.Second {
			t.Errorf("1,000 at 40 a second took %v", took)
		}
	})
}

// However many endpoints hang, and however wide they are, the next one has its turn.
func TestSlowOnesLeaveRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, memstore.New())
		for i := range 8 {
			s.endpoint(fmt.Sprintf("wh_slow%d", i), "c1", func(e *webhook.Endpoint) { e.Concurrency = webhook.MaxConcurrency }).
				set(func(p *peer) { p.hang = true })
		}
		good := s.endpoint("wh_good", "c2", nil)
		s.events("c1", 100)
		s.start()
		defer func() { s.stop() }()
		time.Sleep(time.Second)
		s.events("c2", 20)
		time.Sleep(2 * time.Second)
		if n := len(good.taken()); n != 20 {
			t.Errorf("got %d of 20 events at the good endpoint within 2 s, want all", n)
		}
	})
}

var errNotSent = errors.New("not sent")

// A store that cannot say whom to tell keeps the attempt, and the notice goes with it in the end.
func TestNoticeWaitsForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, &reluctant{Store: memstore.New(), refuse: 3})
		p := s.endpoint("wh_1", "c1", nil)
		p.set(func(p *peer) { p.status = 410 })
		other := s.endpoint("wh_2", "c1", func(e *webhook.Endpoint) { e.Events = []string{webhook.TypeEndpointDisabled} })
		s.events("c1", 1)
		s.store.(*reluctant).on()
		s.start()
		defer func() { s.stop() }()
		time.Sleep(30 * time.Second)
		if got := s.read("wh_1").State; got != webhook.EndpointGone || len(p.all()) != 1 || len(other.all()) != 1 {
			t.Errorf("got %s, %d requests, %d notices; want gone, 1, 1", got, len(p.all()), len(other.all()))
		}
	})
}

// reluctant fails to list endpoints a few times.
type reluctant struct {
	webhook.Store
	mu     sync.Mutex
	active bool
	refuse int
}

func (r *reluctant) on() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = true
}

func (r *reluctant) Endpoints(ctx context.Context, client string) ([]webhook.Endpoint, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active && r.refuse > 0 {
		r.refuse--
		return nil, errNotSent
	}
	return r.Store.Endpoints(ctx, client)
}

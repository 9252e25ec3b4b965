package storetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/store/memstore"
	"recado/store/storetest"
	"recado/webhook"
)

// remembering is memstore as if it were on disk: reopening gives the same one.
func remembering() storetest.Harness {
	return storetest.Harness{
		Open:   func(testing.TB) storetest.Store { return memstore.New() },
		Reopen: func(_ testing.TB, s storetest.Store) storetest.Store { return s },
	}
}

func TestRightStore(t *testing.T) { storetest.Run(t, remembering()) }

// TestOwnClock runs the cases as for a store that cannot live in a bubble and brings its own clock.
func TestOwnClock(t *testing.T) {
	h := remembering()
	h.Clock = &storetest.Clock{
		Now:     func(testing.TB) time.Time { return time.Now() },
		Advance: func(_ testing.TB, d time.Duration) { time.Sleep(d) },
	}
	for _, name := range storetest.CaseNames() {
		t.Run(name, func(t *testing.T) {
			if failed, said := runRecorded(t, name, h); failed {
				t.Errorf("got a failure, want none: %s", said)
			}
		})
	}
}

// wrong is a store with one fault, and the cases that have to find it.
type wrong struct {
	name  string
	wrap  func(s storetest.Store) storetest.Store
	found []string
}

const walk = "walk/random operations, compared with memstore"

// TestWrongStores proves that the suite can fail.
func TestWrongStores(t *testing.T) {
	for _, w := range wrongStores {
		t.Run(w.name, func(t *testing.T) {
			h := remembering()
			h.Open = func(testing.TB) storetest.Store { return w.wrap(memstore.New()) }
			for _, name := range w.found {
				if failed, _ := runRecorded(t, name, h); !failed {
					t.Errorf("case %q: got no failure, want it to find the fault", name)
				}
			}
		})
	}
}

// TestForgetfulStore has a store that loses all when it is reopened.
func TestForgetfulStore(t *testing.T) {
	h := remembering()
	h.Reopen = func(testing.TB, storetest.Store) storetest.Store { return memstore.New() }
	for _, name := range storetest.CaseNames() {
		failed, _ := runRecorded(t, name, h)
		part, _, _ := strings.Cut(name, "/")
		if want := part == "reopen" || part == "crash" || name == walk; failed != want {
			t.Errorf("case %q with a store that forgets: got failed %v, want %v", name, failed, want)
		}
	}
}

var wrongStores = []wrong{
	{"the queue has room for one more", func(s storetest.Store) storetest.Store { return roomy{s} }, []string{
		"create/a device's queue has an end", "create/racing for the last places", "crash/a full queue stays full",
	}},
	{"two verdicts win", func(s storetest.Store) storetest.Store { return twoWinners{s} }, []string{
		"race/two verdicts, one wins", "finish/only once", walk,
	}},
	{"the outbox is forgotten", func(s storetest.Store) storetest.Store { return noOutbox{s} }, []string{
		"finish/stores the verdict and its outbox", "race/two verdicts, one wins", "outbox/a refused change tells nothing", walk,
	}},
	{"OrderKey is ignored", func(s storetest.Store) storetest.Store { return noOrder{s} }, []string{
		"order/one key, one after the other", "order/a retry holds its key", walk,
	}},
	{"the outbox of a refused verdict is stored", func(s storetest.Store) storetest.Store { return eagerOutbox{s} }, []string{
		"outbox/a refused change tells nothing", "finish/no timeout before the deadline", "race/two verdicts, one wins", walk,
	}},
	{"leases are not checked", func(s storetest.Store) storetest.Store { return anyLease{s, &leases{}} }, []string{
		"claim/a lease is exclusive until it runs out", "attempt/nothing without the lease",
	}},
	{"the first endpoint is served first", func(s storetest.Store) storetest.Store { return unfair{s} }, []string{
		"turns/go on where the last claim stopped",
	}},
	{"contexts are ignored", func(s storetest.Store) storetest.Store { return noContext{s} }, []string{
		"context/one that has ended stores nothing",
	}},
	{"events are shared", func(s storetest.Store) storetest.Store { return &shared{Store: s} }, []string{"copies/of events and leases"}},
	{"facts overwrite newer ones", func(s storetest.Store) storetest.Store { return blindFacts{s} }, []string{
		"device/facts change by version", walk,
	}},
	{"a replay knows no window", func(s storetest.Store) storetest.Store { return noWindow{s} }, []string{
		"replay/no more wait than may", "crash/a replay goes on where it was",
	}},
	{"a replay begins anew in each step", func(s storetest.Store) storetest.Store { return &forgetfulReplay{Store: s} }, []string{
		"replay/the oldest first, in batches",
	}},
	{"replays run side by side", func(s storetest.Store) storetest.Store { return manyReplays{s} }, []string{"replay/one at an endpoint"}},
	{"pending is not told apart by endpoint", func(s storetest.Store) storetest.Store { return anyPending{s} }, []string{"deliveries/each filter", walk}},
	{"counters forget half", func(s storetest.Store) storetest.Store { return halfTally{s} }, []string{
		"tally/counts what comes of deliveries", "tally/by hour and endpoint", walk,
	}},
	{"a cancelling is not written down", func(s storetest.Store) storetest.Store { return forgetsAct{s, acs.AuditActionCancelled} }, []string{
		"audit/every act is written down with who did it",
	}},
	{"an accepted action is not written down", func(s storetest.Store) storetest.Store { return forgetsAct{s, acs.AuditActionAccepted} }, []string{
		"audit/every act is written down with who did it", "audit/the chain holds", walk,
	}},
	{"the actor is not written down", func(s storetest.Store) storetest.Store { return nobody{s} }, []string{
		"audit/every act is written down with who did it",
	}},
	{"what was refused is written down", func(s storetest.Store) storetest.Store { return refusedActs{s} }, []string{
		"audit/what is refused or changes nothing is not",
	}},
	{"an entry is changed afterwards", func(s storetest.Store) storetest.Store { return otherObject{s} }, []string{"audit/the chain holds"}},
	{"requests past the limit", func(s storetest.Store) storetest.Store { return generous{s} }, []string{
		"quota/counts to the limit, by client and day", "quota/many at once get what there is", walk,
	}},
	{"a wake that is past", func(s storetest.Store) storetest.Store { return busyWake{s} }, []string{
		"claim/only of active endpoints", "claim/what is due, and wakes for the rest", walk,
	}},
}

// roomy makes room in a full queue, as who counts before he creates does.
type roomy struct{ storetest.Store }

func (s roomy) CreateAction(ctx context.Context, a acs.Action, i acs.Idempotency, o acs.Outbox) (acs.Action, bool, error) {
	got, existed, err := s.Store.CreateAction(ctx, a, i, o)
	if errors.Is(err, acs.ErrQueueFull) {
		return a, false, nil
	}
	return got, existed, err
}

type twoWinners struct{ storetest.Store }

func (s twoWinners) FinishAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	got, err := s.Store.FinishAction(ctx, a, o)
	if errors.Is(err, acs.ErrFinished) {
		return a, nil
	}
	return got, err
}

type noOutbox struct{ storetest.Store }

func (s noOutbox) FinishAction(ctx context.Context, a acs.Action, _ acs.Outbox) (acs.Action, error) {
	return s.Store.FinishAction(ctx, a, acs.Outbox{})
}

type eagerOutbox struct{ storetest.Store }

func (s eagerOutbox) FinishAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	got, err := s.Store.FinishAction(ctx, a, o)
	if err != nil {
		for _, e := range o.Events {
			_, _ = s.AddEvent(ctx, e, nil)
		}
	}
	return got, err
}

// noOrder drops the key of what it is given.
type noOrder struct{ storetest.Store }

func unordered(ds []webhook.Delivery) []webhook.Delivery {
	ds = slices.Clone(ds)
	for i := range ds {
		ds[i].OrderKey = ""
	}
	return ds
}

func (s noOrder) AddEvent(ctx context.Context, e webhook.Event, ds []webhook.Delivery) (webhook.Event, error) {
	return s.Store.AddEvent(ctx, e, unordered(ds))
}

// leases remembers the newest token of each delivery.
type leases struct {
	mu  sync.Mutex
	all map[string]uint64
}

// anyLease takes an attempt under any lease of a delivery that is leased.
type anyLease struct {
	storetest.Store
	newest *leases
}

func (s anyLease) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	got, wake, err := s.Store.ClaimDeliveries(ctx, l)
	s.newest.mu.Lock()
	defer s.newest.mu.Unlock()
	if s.newest.all == nil {
		s.newest.all = make(map[string]uint64)
	}
	for _, l := range got {
		s.newest.all[l.Delivery.ID] = l.Token
	}
	return got, wake, err
}

func (s anyLease) RecordAttempt(ctx context.Context, l webhook.Lease, a webhook.Attempt, to webhook.Settlement) (webhook.EndpointState, error) {
	s.newest.mu.Lock()
	l.Token = s.newest.all[l.Delivery.ID]
	s.newest.mu.Unlock()
	return s.Store.RecordAttempt(ctx, l, a, to)
}

// unfair gives up, by settling them as retries, all leases but those of the endpoint with the smallest id.
type unfair struct{ storetest.Store }

func (s unfair) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	total := l.Total
	l.Total = 1 << 30
	all, wake, err := s.Store.ClaimDeliveries(ctx, l)
	slices.SortFunc(all, func(a, b webhook.Lease) int { return slices.Compare([]byte(a.Endpoint.ID), []byte(b.Endpoint.ID)) })
	for len(all) > total {
		last := all[len(all)-1]
		all = all[:len(all)-1]
		_, _ = s.RecordAttempt(ctx, last, webhook.Attempt{}, webhook.Settlement{State: webhook.DeliveryPending, KeepTries: true})
	}
	return all, wake, err
}

type noContext struct{ storetest.Store }

func (s noContext) PutFacts(ctx context.Context, id string, who cwmp.DeviceID, f acs.Facts) (acs.Device, error) {
	return s.Store.PutFacts(context.WithoutCancel(ctx), id, who, f)
}

// shared gives out the body that it was given.
type shared struct {
	storetest.Store
	mu     sync.Mutex
	bodies map[string][]byte
}

func (s *shared) AddEvent(ctx context.Context, e webhook.Event, ds []webhook.Delivery) (webhook.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bodies == nil {
		s.bodies = make(map[string][]byte)
	}
	s.bodies[e.ID] = e.Body
	return s.Store.AddEvent(ctx, e, ds)
}

func (s *shared) Event(ctx context.Context, id string) (webhook.Event, error) {
	e, err := s.Store.Event(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.bodies[id]; ok && err == nil {
		e.Body = b
	}
	return e, err
}

type blindFacts struct{ storetest.Store }

func (s blindFacts) PutFacts(ctx context.Context, id string, who cwmp.DeviceID, f acs.Facts) (acs.Device, error) {
	if d, err := s.Device(ctx, id); err == nil {
		f.Version = d.Facts.Version
	}
	return s.Store.PutFacts(ctx, id, who, f)
}

// forgetsAct writes no entries of one act.
type forgetsAct struct {
	storetest.Store
	act string
}

func (s forgetsAct) Audit(ctx context.Context, f acs.AuditFilter) ([]acs.AuditEntry, string, error) {
	list, next, err := s.Store.Audit(ctx, f)
	return slices.DeleteFunc(list, func(e acs.AuditEntry) bool { return e.Act == s.act }), next, err
}

// nobody loses who did it.
type nobody struct{ storetest.Store }

func (s nobody) UpdateClient(ctx context.Context, c acs.Client) (acs.Client, error) {
	return s.Store.UpdateClient(acs.WithActor(ctx, acs.Actor{Via: acs.ViaSystem}), c)
}

// refusedActs writes the entry before it knows that the act is done.
type refusedActs struct{ storetest.Store }

func (s refusedActs) DeleteEndpoint(ctx context.Context, id string) error {
	err := s.Store.DeleteEndpoint(ctx, id)
	if err != nil && ctx.Err() == nil {
		_ = s.AppendAudit(ctx, acs.AuditAct{Act: acs.AuditWebhookDeleted, Object: id})
	}
	return err
}

// otherObject shows one entry otherwise than it was written.
type otherObject struct{ storetest.Store }

func (s otherObject) Audit(ctx context.Context, f acs.AuditFilter) ([]acs.AuditEntry, string, error) {
	list, next, err := s.Store.Audit(ctx, f)
	for i := range list {
		if list[i].Seq == 57 {
			list[i].Object = list[i].Object[:35] + "x"
		}
	}
	return list, next, err
}

// generous grants what was asked for.
type generous struct{ storetest.Store }

func (s generous) ReserveRequests(ctx context.Context, client string, day acs.Day, n, limit int) (acs.Reserved, error) {
	return s.Store.ReserveRequests(ctx, client, day, n, limit+n)
}

type busyWake struct{ storetest.Store }

func (s busyWake) ClaimDeliveries(ctx context.Context, l webhook.ClaimLimits) ([]webhook.Lease, time.Time, error) {
	got, _, err := s.Store.ClaimDeliveries(ctx, l)
	return got, time.Now(), err
}

// TestDifference holds the comparison to what the cases rely on.
func TestDifference(t *testing.T) {
	now := time.Now()
	var full, other acs.Action
	storetest.Fill(&full, 1)
	storetest.Fill(&other, 2)
	for _, tt := range []struct {
		name      string
		got, want any
		slack     time.Duration
		same      bool
	}{
		{"times as instants", now, now.UTC().Round(0), 0, true},
		{"times apart", now, now.Add(time.Millisecond), 0, false},
		{"times apart, within the slack", now, now.Add(time.Millisecond), time.Second, true},
		{"no time and a time", time.Time{}, now, 1 << 60, false},
		{"nil and empty", []int{}, []int(nil), 0, true},
		{"one more", []int{1, 2}, []int{1}, 0, false},
		{"another key", map[string]int{"a": 1}, map[string]int{"b": 1}, 0, false},
		{"the same action", full, full, 0, true},
		{"another action", full, other, 0, false},
		{"a pointer and none", acs.Action{Late: &acs.Late{}}, acs.Action{}, 0, false},
	} {
		if d := storetest.Difference(tt.got, tt.want, tt.slack); (d == "") != tt.same {
			t.Errorf("%s: got difference %q, want them to be the same: %v", tt.name, d, tt.same)
		}
	}
}

// TestScribble proves that the copies cases reach shared memory.
func TestScribble(t *testing.T) {
	var a acs.Action
	storetest.Fill(&a, 1)
	b := a
	storetest.Scribble(&a, 1000)
	for name, same := range map[string]bool{
		"Parameters": a.Parameters[1] == b.Parameters[1], "Fault": a.Fault == b.Fault, "Timeline": a.Timeline[0] == b.Timeline[0],
	} {
		if !same {
			t.Errorf("%s: got memory of its own, want what is shared to be changed", name)
		}
	}
	if a.Client == b.Client || b.Fault.Parameters[0].Name == "" || b.Parameters[0].Name == "text 12 é" {
		t.Errorf("got %q and %+v, want other texts everywhere", a.Client, b.Parameters)
	}
}

// TestRunClosesStores: what a case opened is closed when it ends.
func TestRunClosesStores(t *testing.T) {
	closed := 0
	synctest.Test(t, func(t *testing.T) {
		h := storetest.Harness{Open: func(testing.TB) storetest.Store { return &counting{Store: memstore.New(), closed: &closed} }}
		storetest.RunCase(t, "ping/works", h)
	})
	if closed != 1 {
		t.Errorf("closed %d times after a case, want once", closed)
	}
}

type counting struct {
	storetest.Store
	closed *int
}

func (s *counting) Close() error {
	*s.closed++
	return s.Store.Close()
}

package app_test

import (
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/cwmp/cwmptest"
	"recado/webhook"
	"recado/webhook/webhooktest"
)

var (
	simSeeds = flag.Int("simulation.seeds", 300, "how many days to simulate")
	simFirst = flag.Uint64("simulation.first", 1, "the first day's seed")
	simSeed  = flag.Uint64("simulation.seed", 0, "simulate the day of this seed alone, and tell its story")
)

// TestSimulation lives days drawn from seeds: devices of odd habits that fail in all ways, a network and a receiver with bad hours, a
// process that is killed and starts again over its store. After each day everything heals, and the promises of the product are checked
// against what the clients, the devices and the receiver saw.
func TestSimulation(t *testing.T) {
	if *simSeed != 0 {
		simulate(t, *simSeed, nil).report(t, *simSeed, true)
		return
	}
	for i := range uint64(*simSeeds) {
		seed := *simFirst + i
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, seed, nil).report(t, seed, false)
		})
	}
}

// TestSimulationFindsPlantedFaults holds the checks to their word: stores that break one promise each must be found out.
func TestSimulationFindsPlantedFaults(t *testing.T) {
	faults := map[string]func(database) database{
		"a verdict whose event is lost":          func(db database) database { return lostOutbox{db} },
		"a sending that is not on disk":          func(db database) database { return &forgetfulSent{database: db} },
		"two verdicts for one action":            func(db database) database { return &secondVerdict{database: db} },
		"a deadline that does not hold it back":  func(db database) database { return &lateSender{database: db} },
		"a delivery settled before it was tried": func(db database) database { return settledEarly{db} },
	}
	for name, mend := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 60; seed++ {
				if r := simulate(t, seed, mend); len(r.wrong) > 0 {
					t.Logf("found with seed %d: %s", seed, r.wrong[0])
					return
				}
			}
			t.Error("60 days were lived with the fault, and no check found it")
		})
	}
}

// result is what a day's checks found.
type result struct {
	wrong   []string
	story   []string
	actions int
}

func (r *result) report(t *testing.T, seed uint64, story bool) {
	t.Helper()
	if story {
		for _, line := range r.story {
			t.Log(line)
		}
	}
	for _, w := range r.wrong {
		t.Errorf("seed %d: %s", seed, w)
	}
	if r.actions == 0 {
		t.Errorf("seed %d: nothing was asked", seed)
	}
	if len(r.wrong) > 0 {
		t.Logf("replay: go test ./cmd/internal/app -run TestSimulation -simulation.seed=%d -v", seed)
	}
}

func simulate(t *testing.T, seed uint64, mend func(database) database) *result {
	var r *result
	inner := &quiet{TB: t}
	synctest.Test(t, func(t *testing.T) {
		inner.TB = t
		d := newDay(inner, seed, mend)
		d.live()
		d.check()
		d.site.close()
		r = &result{wrong: d.wrong, story: d.story, actions: len(d.asked)}
		if mend == nil {
			r.wrong = append(r.wrong, inner.errors...)
		}
	})
	return r
}

// quiet keeps errors, so that planted faults can be looked for.
type quiet struct {
	testing.TB
	mu     sync.Mutex
	errors []string
}

func (q *quiet) Errorf(format string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.errors = append(q.errors, fmt.Sprintf(format, args...))
}

// window is a stretch of the day.
type window struct{ from, to time.Duration }

func (w window) holds(d time.Duration) bool { return d >= w.from && d < w.to }

func anyHolds(ws []window, d time.Duration) bool {
	for _, w := range ws {
		if w.holds(d) {
			return true
		}
	}
	return false
}

// asked is an accepted request.
type asked struct {
	action acs.Action
	value  string
}

type simDevice struct {
	*cwmptest.Device
	id      string
	journal *cwmptest.Journal
	ssid    string
	badLine []window
}

type day struct {
	t       testing.TB
	seed    uint64
	rng     *rand.Rand
	site    *site
	started time.Time
	client  acs.Client
	devices []*simDevice

	receiverDown, receiverHangs []window
	healed                      bool
	healedMu                    sync.Mutex

	asked []asked
	wrong []string
	story []string
}

const dayLength = 24 * time.Hour

func newDay(t testing.TB, seed uint64, mend func(database) database) *day {
	d := &day{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0x5eed)), started: time.Now()}
	open := memory()
	if seed%10 == 0 { // the real files are slower, and every tenth day is theirs
		open = bolt(t)
	}
	d.receiverDown, d.receiverHangs = d.windows(2, 2*time.Hour), d.windows(1, time.Hour)
	d.site = newSite(t, open, d.receive)
	d.site.mend = mend
	d.site.start()
	d.client = d.site.register()
	for i := range 1 + d.rng.IntN(3) {
		d.addDevice(i)
	}
	return d
}

func (d *day) say(format string, args ...any) {
	d.story = append(d.story, time.Since(d.started).Truncate(time.Millisecond).String()+" "+fmt.Sprintf(format, args...))
}

func (d *day) fail(format string, args ...any) {
	d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
}

func (d *day) windows(most int, longest time.Duration) []window {
	var ws []window
	for range d.rng.IntN(most + 1) {
		from := d.during(dayLength)
		ws = append(ws, window{from, from + time.Minute + d.during(longest)})
	}
	return ws
}

func (d *day) during(length time.Duration) time.Duration {
	return time.Duration(d.rng.Int64N(int64(length)))
}

func (d *day) isHealed() bool {
	d.healedMu.Lock()
	defer d.healedMu.Unlock()
	return d.healed
}

// receive is the client's receiver with its bad hours.
func (d *day) receive(w http.ResponseWriter, r *http.Request) {
	at := time.Since(d.started)
	switch {
	case d.isHealed():
		w.WriteHeader(http.StatusNoContent)
	case anyHolds(d.receiverHangs, at):
		webhooktest.Hang()(w, r)
	case anyHolds(d.receiverDown, at):
		w.WriteHeader(http.StatusInternalServerError)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

func (d *day) addDevice(i int) {
	names := cwmptest.ProfileNames()
	p, err := cwmptest.LookupProfile(names[d.rng.IntN(len(names))])
	if err != nil {
		d.t.Fatal(err)
	}
	cfg := p.Config(fmt.Sprintf("%06d", i+1))
	j := &cwmptest.Journal{}
	cfg.Source = netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)})
	cfg.ConnectionRequestUsername, cfg.ConnectionRequestPassword = "door", "key"
	cfg.PeriodicInformInterval = time.Hour + d.during(3*time.Hour).Truncate(time.Second)
	cfg.BootDelay = 20*time.Second + d.during(3*time.Minute)
	cfg.Seed = d.seed*16 + uint64(i)
	cfg.Observe = j.Add
	sd := &simDevice{journal: j, badLine: d.windows(3, 3*time.Hour), ssid: cwmptest.RootTR098 + "LANDevice.1.WLANConfiguration.1.SSID"}
	if p.Root == cwmptest.RootTR181 {
		sd.ssid = cwmptest.RootTR181 + "WiFi.SSID.1.SSID"
	}
	cfg.Cut = func(c cwmptest.CutPoint) bool {
		if d.isHealed() || !anyHolds(sd.badLine, time.Since(d.started)) {
			return false
		}
		h := fnv.New64a()
		fmt.Fprint(h, d.seed, i, c.Session, c.Number)
		return h.Sum64()%100 < 15
	}
	sd.Device = d.site.device(cfg)
	sd.id = sd.ID().Key()
	d.devices = append(d.devices, sd)
	cred := acs.Credential{Username: "door", Password: "key"}
	if d.rng.IntN(5) == 0 {
		cred.Password = "wrong"
	}
	if p.Quirks.OwnUsername {
		cred.Username = sd.id
	}
	if _, _, err := d.site.node.svc.PutDevice(d.site.ctx, d.client, sd.id, acs.DevicePut{ConnectionRequest: &cred}); err != nil {
		d.t.Fatal(err)
	}
	d.say("device %s, profile of %s", sd.id, p.ID.Manufacturer)
}

// live lives the day: a list of things to happen, drawn beforehand, then the healing, then the quiet in which everything ends.
func (d *day) live() {
	type happening struct {
		at time.Duration
		do func()
	}
	var plan []happening
	add := func(at time.Duration, do func()) { plan = append(plan, happening{at, do}) }
	for range 4 + d.rng.IntN(10) {
		at, dev := d.during(dayLength), d.devices[d.rng.IntN(len(d.devices))]
		kind, timeout := d.rng.IntN(3), time.Minute+d.during(2*time.Hour)
		verify, cancelAfter := d.rng.IntN(2) == 0, time.Duration(0)
		if d.rng.IntN(6) == 0 {
			cancelAfter = d.during(5 * time.Second)
		}
		add(at, func() { d.ask(dev, kind, timeout, verify, cancelAfter) })
	}
	for _, dev := range d.devices {
		for range d.rng.IntN(3) {
			w := window{from: d.during(dayLength)}
			w.to = w.from + d.during(2*time.Hour)
			add(w.from, func() { d.say("%s offline", dev.id); dev.Offline(true) })
			add(w.to, func() { d.say("%s online", dev.id); dev.Offline(false) })
		}
		for range d.rng.IntN(3) {
			add(d.during(dayLength), func() { d.say("%s power cycle", dev.id); dev.PowerCycle() })
		}
		for range d.rng.IntN(3) {
			m := cwmptest.Mishaps{IgnoresReboot: d.rng.IntN(3) == 0, RebootsAtOnce: d.rng.IntN(3) == 0, NeverBack: d.rng.IntN(8) == 0}
			add(d.during(dayLength), func() { d.say("%s mishaps %+v", dev.id, m); dev.SetMishaps(m) })
		}
	}
	for range d.rng.IntN(4) {
		at, down := d.during(dayLength), d.during(10*time.Minute)
		add(at, func() { d.crash(down) })
	}
	for len(plan) > 0 { // the earliest first; a crash takes time, so later ones may be late
		first := 0
		for i := range plan {
			if plan[i].at < plan[first].at {
				first = i
			}
		}
		h := plan[first]
		plan = append(plan[:first], plan[first+1:]...)
		if wait := h.at - time.Since(d.started); wait > 0 {
			time.Sleep(wait)
		}
		h.do()
	}
	d.heal()
}

func (d *day) ask(dev *simDevice, kind int, timeout time.Duration, verify bool, cancelAfter time.Duration) {
	sub := acs.Submission{Client: d.client, Kind: acs.KindReboot, RouterID: dev.id, Timeout: timeout}
	value := ""
	if kind == 0 {
		value = fmt.Sprintf("net-%d", len(d.asked))
		sub.Kind, sub.Verify = acs.KindParametersUpdate, verify
		sub.Parameters = []acs.ParameterInput{{Name: dev.ssid, Value: []byte(`"` + value + `"`)}}
	}
	r, err := d.site.node.svc.Submit(d.site.ctx, sub)
	if err != nil {
		d.fail("submit: %v", err)
		return
	}
	d.say("asked %s %s of %s until %v", r.Action.ID, r.Action.Kind, dev.id, r.Action.DeadlineAt.Sub(d.started))
	d.asked = append(d.asked, asked{r.Action, value})
	if cancelAfter > 0 {
		time.Sleep(cancelAfter)
		_, err := d.site.node.svc.Cancel(d.site.ctx, d.client, r.Action.ID)
		d.say("cancelled %s: %v", r.Action.ID, err)
	}
}

func (d *day) crash(down time.Duration) {
	d.say("the process is killed, and back after %v", down)
	d.site.node.crash()
	time.Sleep(down)
	d.site.start()
}

// heal makes everything well and waits until nothing is open or pending.
func (d *day) heal() {
	d.healedMu.Lock()
	d.healed = true
	d.healedMu.Unlock()
	d.say("everything heals")
	for _, dev := range d.devices {
		dev.SetMishaps(cwmptest.Mishaps{})
		dev.Offline(false)
		if _, up := dev.Up(); !up {
			dev.PowerCycle()
		}
	}
	for range 100 {
		time.Sleep(time.Hour)
		synctest.Wait()
		if d.isQuiet() {
			return
		}
	}
	d.fail("something is still open or pending 100 hours after everything healed")
}

func (d *day) isQuiet() bool {
	for _, a := range d.asked {
		got, err := d.site.node.store.Action(d.site.ctx, a.action.ID)
		if err != nil || !got.Status.Final() {
			return err != nil
		}
	}
	pending, _, err := d.site.node.store.Deliveries(d.site.ctx, webhook.DeliveryFilter{States: []webhook.DeliveryState{webhook.DeliveryPending}, Limit: 1})
	if err != nil {
		d.fail("deliveries: %v", err)
	}
	return len(pending) == 0
}

// check holds the day's history to the promises (product, section 8).
func (d *day) check() {
	arrivals := d.site.receiver.Arrivals()
	for _, a := range arrivals {
		if a.Err != nil {
			d.fail("a webhook did not verify: %v", a.Err)
		}
	}
	told := d.told(arrivals)
	for _, a := range d.asked {
		d.checkAction(a, told[a.action.ID.String()])
	}
	d.checkWire()
	for _, dev := range d.devices {
		d.say("%s: %+v, %d boots", dev.id, dev.Sessions(), len(dev.Boots()))
	}
}

// told gathers the ids of the events that the receiver took, by protocolo and type.
func (d *day) told(arrivals []webhooktest.Arrival) map[string]map[string]map[string]bool {
	told := make(map[string]map[string]map[string]bool)
	sequences := make(map[string]string)
	for _, a := range arrivals {
		e := decodeEvent(d.t, a.Body)
		if e.Protocolo == "" {
			continue
		}
		key := fmt.Sprintf("%s %d", e.Data.Device.ID, e.Data.Sequence)
		if was := sequences[key]; was != "" && was != e.ID {
			d.fail("sequence %s belongs to two events, %s and %s", key, was, e.ID)
		}
		sequences[key] = e.ID
		if a.ID != e.ID {
			d.fail("webhook-id %s carries event %s", a.ID, e.ID)
		}
		if _, ok := d.site.answered.Load(e.ID); !ok {
			continue
		}
		if told[e.Protocolo] == nil {
			told[e.Protocolo] = make(map[string]map[string]bool)
		}
		if told[e.Protocolo][e.Type] == nil {
			told[e.Protocolo][e.Type] = make(map[string]bool)
		}
		told[e.Protocolo][e.Type][e.ID] = true
	}
	return told
}

func (d *day) checkAction(a asked, told map[string]map[string]bool) {
	id := a.action.ID
	got, err := d.site.node.store.Action(d.site.ctx, id)
	switch {
	case err != nil:
		d.fail("%s was accepted and is lost: %v", id, err)
		return
	case !got.Status.Final():
		d.fail("%s has no final status: %s/%s", id, got.Status, got.Stage)
		return
	}
	d.say("%s: %s %s %s, sent %d times", id, got.Kind, got.Status, got.Reason, got.Sends)
	for _, p := range got.Parameters {
		if p.Value != "" {
			d.fail("%s is final and holds a value", id)
		}
	}
	if (got.Status == acs.StatusTimeout) == got.FinishedAt.Before(got.DeadlineAt) {
		d.fail("%s ended as %s at %v, and its deadline is %v", id, got.Status, got.FinishedAt, got.DeadlineAt)
	}
	d.checkTold(&got, told)
	dev := d.deviceOf(got.Device)
	switch {
	case got.Kind == acs.KindReboot && got.Status == acs.StatusSuccess:
		if !booted(dev, got.CreatedAt, got.FinishedAt) {
			d.fail("%s is told as a success (%s), and the device did not boot in its time", id, got.Evidence.Kind)
		}
	case got.Kind == acs.KindParametersUpdate && got.Status == acs.StatusSuccess:
		if !acted(dev, got.CreatedAt, got.FinishedAt) {
			d.fail("%s is told as a success, and the device set nothing in its time", id)
		}
	}
}

// checkTold: exactly one verdict was told, under one event id, and late results once.
func (d *day) checkTold(a *acs.Action, told map[string]map[string]bool) {
	verdicts := 0
	for typ, ids := range told {
		want := a.FinalEvent
		if typ == "action.late_result" {
			if a.Late == nil {
				d.fail("%s: a late result was told, and there is none", a.ID)
				continue
			}
			want = a.Late.Event
		} else {
			verdicts += len(ids)
			if typ != "action."+map[acs.Status]string{acs.StatusSuccess: "succeeded", acs.StatusFailure: "failed", acs.StatusTimeout: "timed_out"}[a.Status] {
				d.fail("%s is %s and was told as %s", a.ID, a.Status, typ)
			}
		}
		if len(ids) != 1 || !ids[want] {
			d.fail("%s: %s was told by events %v, want %s alone", a.ID, typ, ids, want)
		}
	}
	want := 1
	if a.Status == acs.StatusCancelled {
		want = 0 // told only to those who ask for it by name
	}
	if verdicts != want {
		d.fail("%s: %d verdicts were told, want %d", a.ID, verdicts, want)
	}
	if a.Late != nil && len(told["action.late_result"]) != 1 {
		d.fail("%s: its late result was not told", a.ID)
	}
}

func (d *day) deviceOf(id string) *simDevice {
	for _, dev := range d.devices {
		if dev.id == id {
			return dev
		}
	}
	d.t.Fatalf("no device %s", id)
	return nil
}

func booted(dev *simDevice, from, to time.Time) bool {
	for _, b := range dev.Boots() {
		if !b.Down.Before(from) && !b.Up.IsZero() && !b.Up.After(to) {
			return true
		}
	}
	return false
}

func acted(dev *simDevice, from, to time.Time) bool {
	for _, n := range dev.journal.Notes(cwmptest.NoteActed) {
		if n.Method == "SetParameterValues" && !n.At.Before(from) && !n.At.After(to) {
			return true
		}
	}
	return false
}

// checkWire holds what the devices got to the promises: nothing after a deadline, no key that reboots a device twice, and no more
// requests than the record says.
func (d *day) checkWire() {
	byKey := make(map[string]*acs.Action)
	for _, a := range d.asked {
		if got, err := d.site.node.store.Action(d.site.ctx, a.action.ID); err == nil {
			byKey[got.ID.CommandKey()] = &got
		}
	}
	for _, dev := range d.devices {
		times := make(map[string]int)
		for _, n := range dev.journal.Notes(cwmptest.NoteReceived) {
			if n.Method != "Reboot" && n.Method != "SetParameterValues" {
				continue
			}
			key := keyOf(n)
			a := byKey[key]
			if a == nil {
				d.fail("%s got a %s with key %q, which nobody asked for", dev.id, n.Method, key)
				continue
			}
			times[key]++
			if !n.At.Before(a.DeadlineAt) {
				d.fail("%s was sent %v after its deadline", a.ID, n.At.Sub(a.DeadlineAt))
			}
		}
		for key, n := range times {
			if n > byKey[key].Sends {
				d.fail("%s went over the wire %d times, and its record says %d", byKey[key].ID, n, byKey[key].Sends)
			}
		}
		real := make(map[string]int)
		for _, r := range dev.Reboots() {
			if !r.Booted.IsZero() {
				real[r.CommandKey]++
			}
		}
		for key, n := range real {
			if n > 1 {
				d.fail("the key of %s rebooted %s %d times", byKey[key].ID, dev.id, n)
			}
		}
	}
}

// keyOf gives the CommandKey or ParameterKey of a request that a device received.
func keyOf(n cwmptest.Note) string {
	e, err := cwmp.Decode(n.Wire, cwmp.DefaultLimits)
	if err != nil {
		return ""
	}
	switch m := e.Message.(type) {
	case *cwmp.Reboot:
		return m.CommandKey
	case *cwmp.SetParameterValues:
		return m.ParameterKey
	}
	return ""
}

// The planted faults.

// lostOutbox stores some verdicts without what has to be told of them.
type lostOutbox struct{ database }

func (l lostOutbox) FinishAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if a.ID[15]%4 == 0 {
		o = acs.Outbox{}
	}
	return l.database.FinishAction(ctx, a, o)
}

// forgetfulSent says that a sending is stored, and stores it not.
type forgetfulSent struct{ database }

func (f *forgetfulSent) UpdateAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if a.Stage == acs.StageSent && a.Kind == acs.KindReboot {
		return a, nil
	}
	return f.database.UpdateAction(ctx, a, o)
}

// secondVerdict tells a second verdict under another id.
type secondVerdict struct{ database }

func (s *secondVerdict) FinishAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if len(o.Events) == 1 && a.ID[15]%4 == 0 {
		e := o.Events[0]
		old := e.ID
		e.ID = webhook.NewID("evt_")
		e.Body = []byte(strings.Replace(string(e.Body), old, e.ID, 1))
		o.Events = append(o.Events, e)
		for _, dl := range o.Deliveries {
			dl.ID, dl.Event = webhook.NewID("dlv_"), e.ID
			o.Deliveries = append(o.Deliveries, dl)
			break
		}
	}
	return s.database.FinishAction(ctx, a, o)
}

// lateSender does not hold a sending back at the deadline, and finds nothing due for a while.
type lateSender struct{ database }

func (l *lateSender) CreateAction(ctx context.Context, a acs.Action, i acs.Idempotency, o acs.Outbox) (acs.Action, bool, error) {
	told := a.DeadlineAt
	a.DeadlineAt = told.Add(3 * time.Hour)
	stored, existed, err := l.database.CreateAction(ctx, a, i, o)
	stored.DeadlineAt = told
	return stored, existed, err
}

func (l *lateSender) Action(ctx context.Context, id acs.Protocolo) (acs.Action, error) {
	a, err := l.database.Action(ctx, id)
	a.DeadlineAt = a.DeadlineAt.Add(-3 * time.Hour)
	return a, err
}

// settledEarly records failed attempts as delivered.
type settledEarly struct{ database }

func (s settledEarly) RecordAttempt(ctx context.Context, l webhook.Lease, a webhook.Attempt, st webhook.Settlement) (webhook.EndpointState, error) {
	if st.State == webhook.DeliveryPending {
		st.State = webhook.DeliveryDelivered
	}
	return s.database.RecordAttempt(ctx, l, a, st)
}

package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/webhook"
	"recado/webhook/webhooktest"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// bench is a dispatcher over a tinyStore with receivers on in-memory networks, all in one bubble.
type bench struct {
	t      testing.TB
	ctx    context.Context
	store  *tinyStore
	log    *safeBuffer
	config webhook.DispatcherConfig

	mu      sync.Mutex
	clients map[string]webhook.Doer
	stop    func() error // ends the dispatcher and returns what Run did
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, store: newTinyStore(), log: &safeBuffer{}, clients: map[string]webhook.Doer{}}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	b.ctx = ctx
	b.config = webhook.DispatcherConfig{
		Store: b.store, UserAgent: "Recado/test", Logger: slog.New(slog.NewJSONHandler(b.log, nil)),
		Clients: webhook.ClientsFunc(func(e webhook.Endpoint) webhook.Doer {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.clients[e.ID]
		}),
	}
	return b
}

// start runs the dispatcher until the bubble's test ends.
func (b *bench) start() {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	d := webhook.NewDispatcher(b.config)
	go func() { done <- d.Run(ctx) }()
	b.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	b.t.Cleanup(func() {
		if err := b.stop(); err != nil {
			b.t.Errorf("Run: %v", err)
		}
	})
}

// receiver makes an endpoint with a receiver behind it that answers with script and then 204.
func (b *bench) receiver(id string, edit func(*webhook.Endpoint), script ...webhooktest.Behaviour) *webhooktest.Receiver {
	r := &webhooktest.Receiver{Secrets: []string{testSecret}}
	r.Script(script...)
	pipe := webhooktest.NewPipe()
	served := make(chan struct{})
	ctx, cancel := context.WithCancel(b.ctx)
	go func() {
		defer close(served)
		if err := r.Serve(ctx, pipe); err != nil {
			b.t.Errorf("Serve: %v", err)
		}
	}()
	tr := &http.Transport{DialContext: pipe.DialContext, MaxResponseHeaderBytes: 64 << 10}
	b.t.Cleanup(func() {
		cancel()
		tr.CloseIdleConnections()
		<-served
	})
	b.endpoint(id, &http.Client{Transport: tr}, edit)
	return r
}

func (b *bench) endpoint(id string, doer webhook.Doer, edit func(*webhook.Endpoint)) {
	e := webhook.Endpoint{
		ID: id, Client: "c1", URL: "http://user:pw@" + id + ".example/hook?token=querysecret", Events: []string{"*"},
		State: webhook.EndpointActive, Secret: testSecret, Order: webhook.OrderNone,
	}
	if edit != nil {
		edit(&e)
	}
	b.mu.Lock()
	b.clients[id] = doer
	b.mu.Unlock()
	if err := b.store.CreateEndpoint(b.ctx, e); err != nil {
		b.t.Fatal(err)
	}
}

// event stores an event for all endpoints and returns its id and its deliveries' by endpoint.
func (b *bench) event(protocolo, device string) (string, map[string]string) {
	b.t.Helper()
	now := time.Now()
	e := webhook.Event{
		ID: webhook.NewID(webhook.PrefixEvent), Type: "action.succeeded", Client: "c1", Protocolo: protocolo, Device: device,
		Time: now, Body: []byte(`{"type":"action.succeeded","data":{"sequence":}}`), SequenceAt: 46, Sequence: 17,
	}
	endpoints, err := b.store.Endpoints(b.ctx, "c1")
	if err != nil {
		b.t.Fatal(err)
	}
	ds := webhook.FanOut(catalogue, e, endpoints, now)
	if _, err := b.store.AddEvent(b.ctx, e, ds); err != nil {
		b.t.Fatal(err)
	}
	ids := map[string]string{}
	for _, d := range ds {
		ids[d.Endpoint] = d.ID
	}
	return e.ID, ids
}

func (b *bench) delivery(id string) webhook.Delivery {
	b.t.Helper()
	d, err := b.store.Delivery(b.ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *bench) attempts(id string) []webhook.Attempt {
	b.t.Helper()
	a, err := b.store.Attempts(b.ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

var catalogue = webhook.Catalogue{
	{Name: "action.succeeded"},
	{Name: "action.failed"},
	{Name: "action.accepted", ByNameOnly: true},
	{Name: "webhook.test"},
	{Name: "device.added"},
}

func TestDeliversSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.receiver("wh_1", func(e *webhook.Endpoint) {
			e.BodySignatureHeader = "X-SolveForce-Signature"
		}, webhooktest.Status(500))
		r.BodyHeader = "X-SolveForce-Signature"
		b.start()
		event, ids := b.event("p1", "dev1")
		time.Sleep(10 * time.Second)
		got := r.Arrivals()
		if len(got) != 2 {
			t.Fatalf("got %d arrivals, want 2", len(got))
		}
		for i, a := range got {
			if !a.Verified() {
				t.Errorf("arrival %d does not verify: %v, %v", i, a.Err, a.BodyErr)
			}
			if a.ID != event || a.Attempt != i+1 {
				t.Errorf("arrival %d: got id %s attempt %d, want %s, %d", i, a.ID, a.Attempt, event, i+1)
			}
			want := fmt.Sprintf(`{"type":"action.succeeded","data":{"sequence":17},"event_type":"action.succeeded","event_id":%q}`, event)
			if string(a.Body) != want {
				t.Errorf("got body %s, want %s", a.Body, want)
			}
			for name, want := range map[string]string{
				"Content-Type": "application/json", "User-Agent": "Recado/test",
				"Webhook-Timestamp": fmt.Sprint(a.At.Unix()),
			} {
				if got := a.Header.Get(name); got != want {
					t.Errorf("header %s: got %q, want %q", name, got, want)
				}
			}
		}
		if got[0].Duplicate || !got[1].Duplicate {
			t.Errorf("got duplicates %v, %v; want false, true", got[0].Duplicate, got[1].Duplicate)
		}
		d := b.delivery(ids["wh_1"])
		if d.State != webhook.DeliveryDelivered || d.Attempts != 2 || d.LastStatus != 204 {
			t.Errorf("got %s after %d attempts with %d, want delivered, 2, 204", d.State, d.Attempts, d.LastStatus)
		}
		log := b.log.String()
		var line struct {
			Msg, Delivery, Event, Endpoint, Class string
			Attempt, Status                       int
			Duration                              int64
			Next                                  time.Time
		}
		if err := json.Unmarshal([]byte(strings.SplitN(log, "\n", 2)[0]), &line); err != nil {
			t.Fatalf("%v in %s", err, log)
		}
		if line.Msg != "delivery attempted" || line.Delivery != d.ID || line.Event != event || line.Endpoint != "wh_1" ||
			line.Class != "status" || line.Attempt != 1 || line.Status != 500 || line.Next.IsZero() {
			t.Errorf("got log line %+v", line)
		}
		if n := strings.Count(log, "\n"); n != 2 {
			t.Errorf("got %d log lines, want 2:\n%s", n, log)
		}
		for _, secret := range []string{testSecret[6:], "querysecret", "user:pw"} {
			if strings.Contains(log, secret) {
				t.Errorf("the log shows %q:\n%s", secret, log)
			}
		}
	})
}

func TestRotationSignsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		fresh := webhook.NewSecret()
		r := b.receiver("wh_1", func(e *webhook.Endpoint) {
			e.Secret, e.OldSecret, e.OldSecretUntil = fresh.Text(), testSecret, time.Now().Add(time.Hour)
			e.BodySignatureHeader = "X-Sig"
		})
		b.start()
		b.event("", "")
		time.Sleep(time.Hour)
		b.event("", "")
		synctest.Wait()
		got := r.Arrivals()
		if len(got) != 2 {
			t.Fatalf("got %d arrivals, want 2", len(got))
		}
		during, after := got[0], got[1]
		list := strings.Fields(during.Header.Get("webhook-signature"))
		if len(list) != 2 || list[0] != fresh.Signature(during.ID, during.At, during.Body) {
			t.Errorf("during the overlap: got %v, want two signatures, the new secret's first", list)
		}
		if during.Err != nil {
			t.Errorf("the old secret does not verify during the overlap: %v", during.Err)
		}
		if err := webhook.VerifyBody(testSecret, during.Header.Get("X-Sig"), during.Body); err != nil {
			t.Errorf("the body signature during the overlap should be the old secret's: %v", err)
		}
		if !errors.Is(after.Err, webhook.ErrSignatureMismatch) {
			t.Errorf("the old secret after the overlap: got %v, want %v", after.Err, webhook.ErrSignatureMismatch)
		}
		if err := webhook.VerifyBody(fresh.Text(), after.Header.Get("X-Sig"), after.Body); err != nil {
			t.Errorf("the body signature after the overlap should be the new secret's: %v", err)
		}
	})
}

func TestScheduleHitsItsTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		r := b.receiver("wh_1", nil)
		r.Default = webhooktest.Status(500)
		b.start()
		_, ids := b.event("p1", "")
		time.Sleep(120 * time.Hour)
		got := r.Arrivals()
		schedule := webhook.DefaultSchedule()
		if len(got) != 12 || len(schedule) != 11 {
			t.Fatalf("got %d attempts of %d waits, want 12 of 11", len(got), len(schedule))
		}
		exact := 0
		for i, wait := range schedule {
			gap := got[i+1].At.Sub(got[i].At)
			least, most := wait*8/10, wait*12/10
			if gap < least || gap > most+time.Millisecond {
				t.Errorf("wait %d: got %v, want %v to %v", i+1, gap, least, most)
			}
			if gap == wait {
				exact++
			}
		}
		if exact == len(schedule) {
			t.Error("no wait has any jitter")
		}
		recorded := b.attempts(ids["wh_1"])
		for i, a := range recorded {
			if a.Number != i+1 || !a.At.Equal(got[i].At) || a.Status != 500 || a.Class != webhook.ErrorStatus {
				t.Errorf("attempt %d: got %+v", i+1, a)
			}
		}
		if d := b.delivery(ids["wh_1"]); d.State != webhook.DeliveryDead || len(recorded) != 12 {
			t.Errorf("got %s with %d attempts recorded, want dead, 12", d.State, len(recorded))
		}
		// It looks once a minute by itself, should the wall clock have been set.
		if claims, most := b.store.claimCount(), 120*60+100; claims > most {
			t.Errorf("got %d claims in 120 hours, want at most %d", claims, most)
		}
	})
}

package cwmptest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

// scriptedACS is a small ACS: it answers Informs, gives out its queue of requests one by one, and keeps all it got.
type scriptedACS struct {
	mu          sync.Mutex
	declaration bool
	auth        func(r *http.Request) (challenge string) // "" lets in
	queue       []cwmp.Message
	got         []*cwmp.Envelope
	requests    []*http.Request
	bodies      []string
	sessions    int
	lastID      int
	namespace   string
	hold        chan struct{} // answers wait until it is closed
}

func (a *scriptedACS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	a.mu.Lock()
	hold := a.hold
	a.mu.Unlock()
	if hold != nil {
		<-hold
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.requests, a.bodies = append(a.requests, r), append(a.bodies, string(body))
	if a.auth != nil {
		if c := a.auth(r); c != "" {
			w.Header().Set("WWW-Authenticate", c)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	if len(body) == 0 {
		a.next(w)
		return
	}
	e, err := cwmp.Decode(body, cwmp.DefaultLimits)
	if err != nil {
		a.got = append(a.got, nil)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a.got = append(a.got, e)
	reply := func(m cwmp.Message) {
		a.write(w, &cwmp.Envelope{Namespace: a.namespace, ID: e.ID, HasID: e.HasID, Message: m})
	}
	switch m := e.Message.(type) {
	case *cwmp.Inform:
		a.sessions++
		a.namespace = e.Namespace
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: fmt.Sprint(a.sessions), Path: "/"})
		reply(&cwmp.InformResponse{})
	case *cwmp.TransferComplete:
		reply(&cwmp.TransferCompleteResponse{})
	case *cwmp.GetRPCMethods:
		reply(&cwmp.GetRPCMethodsResponse{MethodList: []string{"Inform", m.Method()}})
	default:
		a.next(w)
	}
}

func (a *scriptedACS) next(w http.ResponseWriter) {
	if len(a.queue) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	m := a.queue[0]
	a.queue = a.queue[1:]
	a.lastID++
	a.write(w, &cwmp.Envelope{Namespace: a.namespace, ID: fmt.Sprint("acs-", a.lastID), HasID: true, Message: m})
}

func (a *scriptedACS) write(w http.ResponseWriter, e *cwmp.Envelope) {
	out, err := cwmp.Encode(e, a.declaration)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	_, _ = w.Write(out)
}

func (a *scriptedACS) push(m ...cwmp.Message) {
	a.mu.Lock()
	a.queue = append(a.queue, m...)
	a.mu.Unlock()
}

// informs returns the Informs so far.
func (a *scriptedACS) informs() []*cwmp.Inform {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []*cwmp.Inform
	for _, e := range a.got {
		if e != nil {
			if in, ok := e.Message.(*cwmp.Inform); ok {
				list = append(list, in)
			}
		}
	}
	return list
}

// answers returns all messages that were no Inform.
func (a *scriptedACS) answers() []cwmp.Message {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []cwmp.Message
	for _, e := range a.got {
		if e != nil {
			if _, inform := e.Message.(*cwmp.Inform); !inform {
				list = append(list, e.Message)
			}
		}
	}
	return list
}

// bed is an ACS and a Device on a network in memory, inside a bubble.
type bed struct {
	*testing.T
	net     *cwmptest.Network
	acs     *scriptedACS
	dev     *cwmptest.Device
	journal *cwmptest.Journal
	start   func() // runs the Device; after does it the first time
}

// run lets f play with a Device made of cfg, and ends all of it.
func run(t *testing.T, cfg cwmptest.Config, f func(b *bed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bed{T: t, net: cwmptest.NewNetwork(), acs: &scriptedACS{}, journal: &cwmptest.Journal{}}
		l, err := b.net.Listen("acs.example:7547")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: b.acs}
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()

		cfg.ACSURL, cfg.Net, cfg.Observe = "http://acs.example:7547/cwmp?x=1", b.net, b.journal.Add
		b.dev = cwmptest.New(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		b.start = sync.OnceFunc(func() {
			go func() { ran <- b.dev.Run(ctx) }()
		})
		defer func() {
			cancel()
			b.start()
			if err := <-ran; err != nil {
				t.Errorf("Run: got %v, want nil", err)
			}
			srv.Close()
			<-served
		}()
		f(b)
	})
}

// after lets d pass and everything settle. The Device starts with the first call, so what precedes it is there from the start.
func (b *bed) after(d time.Duration) {
	b.start()
	time.Sleep(d)
	synctest.Wait()
}

func codes(events []cwmp.Event) string {
	list := make([]string, len(events))
	for i, e := range events {
		list[i] = e.EventCode
		if e.CommandKey != "" {
			list[i] += "(" + e.CommandKey + ")"
		}
	}
	return strings.Join(list, ", ")
}

// wantInforms checks the events of all Informs so far.
func (b *bed) wantInforms(want ...string) {
	b.Helper()
	var got []string
	for _, in := range b.acs.informs() {
		got = append(got, codes(in.Events))
	}
	if !slices.Equal(got, want) {
		b.Errorf("events of the Informs: got %q, want %q", got, want)
	}
}

// posted returns the HTTP requests of a method, as sent.
func (b *bed) posted(method string) []string {
	var list []string
	for _, n := range b.journal.Notes(cwmptest.NotePosted) {
		if n.Method == method {
			list = append(list, string(n.Wire))
		}
	}
	return list
}

func (b *bed) failures() []string {
	var list []string
	for _, n := range b.journal.Notes(cwmptest.NoteFailed) {
		list = append(list, n.Text)
	}
	return list
}

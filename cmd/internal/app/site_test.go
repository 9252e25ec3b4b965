package app_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/cwmp/cwmptest"
	"recado/store/boltstore"
	"recado/store/memstore"
	"recado/webhook"
	"recado/webhook/webhooktest"
)

// Addresses of the simulated network.
const (
	nodeHost     = "10.255.0.1"
	cwmpAddr     = nodeHost + ":7547"
	receiverHost = "10.200.0.1"
	cpeUser      = "cpe"
	cpePassword  = "cpe-password"
)

// database is what a node keeps its state in.
type database interface {
	acs.Store
	webhook.Store
	Close() error
}

// site is all that outlives a crash of Recado: the network, the devices, the receiver, and the store's files. It lives in a
// synctest bubble.
type site struct {
	t        testing.TB
	net      *cwmptest.Network
	open     func() database
	receiver *webhooktest.Receiver
	// answered holds the ids of events that the receiver took with 2xx.
	answered sync.Map
	// mend changes the store of each new node: planted faults for tests of the checks themselves.
	mend func(database) database

	ctx     context.Context
	end     context.CancelFunc
	outside sync.WaitGroup
	node    *node
}

// newSite builds the outside world. behave answers webhooks, nil well.
func newSite(t testing.TB, open func() database, behave webhooktest.Behaviour) *site {
	ctx, cancel := context.WithCancel(context.Background())
	s := &site{t: t, net: cwmptest.NewNetwork(), open: open, ctx: ctx, end: cancel}
	s.receiver = &webhooktest.Receiver{Keep: 100_000, Check: checkBodies(t), Default: func(w http.ResponseWriter, r *http.Request) {
		c := &codeWriter{ResponseWriter: w}
		if behave == nil {
			w.WriteHeader(http.StatusNoContent)
			c.code = http.StatusNoContent
		} else {
			behave(c, r)
		}
		if c.code/100 == 2 {
			s.answered.Store(r.Header.Get("webhook-id"), true)
		}
	}}
	l, err := s.net.Listen(receiverHost + ":80")
	if err != nil {
		t.Fatal(err)
	}
	s.outside.Go(func() {
		if err := s.receiver.Serve(ctx, l); err != nil {
			t.Errorf("receiver: %v", err)
		}
	})
	return s
}

type codeWriter struct {
	http.ResponseWriter
	code int
}

func (c *codeWriter) WriteHeader(code int) {
	c.code = code
	c.ResponseWriter.WriteHeader(code)
}

func (c *codeWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// device starts a simulated CPE.
func (s *site) device(cfg cwmptest.Config) *cwmptest.Device {
	cfg.ACSURL = "http://" + cwmpAddr + "/"
	cfg.Net = s.net
	if cfg.Username == "" {
		cfg.Username, cfg.Password = cpeUser, cpePassword
	}
	d := cwmptest.New(cfg)
	s.outside.Go(func() {
		if err := d.Run(s.ctx); err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("device: %v", err)
		}
	})
	return d
}

// close ends the world.
func (s *site) close() {
	if s.node != nil {
		s.node.stop()
	}
	s.end()
	s.outside.Wait()
}

// node is one run of Recado's process.
type node struct {
	s       *site
	store   *mortalStore
	svc     *acs.Service
	hooks   *webhook.Service
	cwmp    *cwmp.Server
	http    *http.Server
	client  *http.Client
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// start runs Recado over the site's store.
func (s *site) start() *node {
	ctx, cancel := context.WithCancel(context.Background())
	db := s.open()
	if s.mend != nil {
		db = s.mend(db)
	}
	n := &node{s: s, store: &mortalStore{database: db}, cancel: cancel}
	var err error
	if n.svc, err = acs.NewService(n.store, acs.ServiceConfig{IdempotencyKey: []byte("a key that outlives the process")}); err != nil {
		s.t.Fatal(err)
	}
	sessions := acs.NewSessions(n.svc, acs.SessionsConfig{Credentials: []acs.CPECredential{{Username: cpeUser, Password: cpePassword}}})
	n.hooks = webhook.NewService(webhook.ServiceConfig{Store: n.store, Catalogue: acs.EventTypes})
	out := s.net.From(netip.MustParseAddr(nodeHost))
	n.client = &http.Client{
		Transport:     &http.Transport{DialContext: out.DialContext, DisableCompression: true, IdleConnTimeout: 10 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	dispatcher := webhook.NewDispatcher(webhook.DispatcherConfig{Store: n.store, Clients: clients{n}})
	connector := acs.NewConnector(n.svc, &cwmp.Requester{Dialer: doorDialer{out}}, acs.ConnectorConfig{})
	n.cwmp, err = cwmp.NewServer(cwmp.ServerConfig{Handler: sessions, Auth: cwmp.AuthDigest, Credentials: sessions})
	if err != nil {
		s.t.Fatal(err)
	}
	n.http = n.cwmp.HTTPServer()
	l, err := s.net.Listen(cwmpAddr)
	if err != nil {
		s.t.Fatal(err)
	}
	run := func(what string, f func(context.Context) error) {
		n.running.Go(func() {
			if err := f(ctx); err != nil && !n.store.dead.Load() {
				s.t.Errorf("%s: %v", what, err)
			}
		})
	}
	run("cwmp server", n.cwmp.Run)
	run("connector", connector.Run)
	run("sweeper", acs.NewSweeper(n.svc).Run)
	run("dispatcher", dispatcher.Run)
	n.running.Go(func() {
		if err := n.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.t.Errorf("cwmp listener: %v", err)
		}
	})
	s.node = n
	return n
}

// crash ends the process as kill -9 would: from this instant nothing more reaches the store, the devices or the receiver.
func (n *node) crash() {
	n.store.dead.Store(true)
	n.stop()
}

func (n *node) stop() {
	_ = n.http.Close()
	n.cancel()
	n.client.CloseIdleConnections()
	n.running.Wait()
	n.client.CloseIdleConnections()
	if err := n.store.Close(); err != nil {
		n.s.t.Errorf("close store: %v", err)
	}
	n.s.node = nil
}

type clients struct{ n *node }

func (c clients) Client(webhook.Endpoint) webhook.Doer { return c }

func (c clients) Do(r *http.Request) (*http.Response, error) {
	if c.n.store.dead.Load() {
		return nil, errDead
	}
	return c.n.client.Do(r)
}

type doorDialer struct{ net cwmptest.Net }

func (d doorDialer) DialDevice(ctx context.Context, address string, _ netip.Addr) (net.Conn, error) {
	return d.net.DialContext(ctx, "tcp", address)
}

var errDead = errors.New("the process is dead")

// mortalStore is a store whose process can die: what it is asked after that does not happen.
type mortalStore struct {
	database
	dead atomic.Bool
}

func (m *mortalStore) alive() error {
	if m.dead.Load() {
		return errDead
	}
	return nil
}

func (m *mortalStore) CreateAction(ctx context.Context, a acs.Action, i acs.Idempotency, o acs.Outbox) (acs.Action, bool, error) {
	if err := m.alive(); err != nil {
		return acs.Action{}, false, err
	}
	return m.database.CreateAction(ctx, a, i, o)
}

func (m *mortalStore) UpdateAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if err := m.alive(); err != nil {
		return acs.Action{}, err
	}
	return m.database.UpdateAction(ctx, a, o)
}

func (m *mortalStore) FinishAction(ctx context.Context, a acs.Action, o acs.Outbox) (acs.Action, error) {
	if err := m.alive(); err != nil {
		return acs.Action{}, err
	}
	return m.database.FinishAction(ctx, a, o)
}

func (m *mortalStore) RecordAttempt(ctx context.Context, l webhook.Lease, a webhook.Attempt, s webhook.Settlement) (webhook.EndpointState, error) {
	if err := m.alive(); err != nil {
		return "", err
	}
	return m.database.RecordAttempt(ctx, l, a, s)
}

func (m *mortalStore) Report(ctx context.Context, id string, d cwmp.DeviceID, r acs.Reported) error {
	if err := m.alive(); err != nil {
		return err
	}
	return m.database.Report(ctx, id, d, r)
}

// memory is a store that survives a crash because it is not the process's.
func memory() func() database {
	db := memstore.New()
	return func() database { return unclosed{db} }
}

type unclosed struct{ database }

func (unclosed) Close() error { return nil }

// bolt opens the same file each time.
func bolt(t testing.TB) func() database {
	path := filepath.Join(t.TempDir(), "recado.db")
	return func() database {
		db, err := boltstore.Open(path, boltstore.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
}

// register makes a client with an endpoint at the receiver.
func (s *site) register() acs.Client {
	made, err := s.node.svc.CreateClient(s.ctx, acs.NewClient{Name: "crm", Scopes: append([]acs.Scope{acs.ScopeParametersDangerous}, acs.DefaultScopes...)})
	if err != nil {
		s.t.Fatal(err)
	}
	e, err := s.node.hooks.Register(s.ctx, made.Client.ID, webhook.Registration{URL: "http://" + receiverHost + "/hook"})
	if err != nil {
		s.t.Fatal(err)
	}
	s.receiver.SetSecrets(e.Secret)
	return made.Client
}

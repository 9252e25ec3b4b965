package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"recado/acs"
	"recado/acs/api"
	"recado/cmd/internal/outbound"
	"recado/cwmp"
	"recado/store"
	"recado/webhook"
)

// Options are what an App may be given besides its Config.
type Options struct {
	// Logger takes all logs; nil discards them.
	Logger *slog.Logger
	// Registry takes all metrics; nil makes one.
	Registry *prometheus.Registry
	// Version goes out in User-Agent.
	Version string
	// APIListener and CWMPListener, where given, are served instead of the Config's addresses, and closed at the end.
	APIListener, CWMPListener net.Listener
	// OnStart is called once all listeners are served.
	OnStart func(Running)
}

// Running tells where a started App is.
type Running struct {
	APIURL, CWMPURL string
	// AdminTokenFile is where this start wrote an admin token; empty where it made none.
	AdminTokenFile string
}

// App is a server, checked and ready to run once.
type App struct {
	cfg         Config
	opts        Options
	log         *slog.Logger
	credentials []cpeCredential
	apiTLS      *tls.Config
	cwmpTLS     *tls.Config
	stopping    atomic.Bool
}

// New checks the configuration and reads the files that it names. It opens nothing and starts nothing.
func New(cfg Config, opts Options) (*App, error) {
	if err := cfg.Resolve(); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, opts: opts, log: opts.Logger}
	if a.log == nil {
		a.log = slog.New(slog.DiscardHandler)
	}
	if opts.Registry == nil {
		a.opts.Registry = newRegistry()
	}
	var err error
	if cfg.CWMPCredentialsFile != "" {
		if a.credentials, err = loadCredentials(cfg.CWMPCredentialsFile); err != nil {
			return nil, err
		}
	}
	if a.apiTLS, err = newTLSConfig(cfg.APITLSCert, cfg.APITLSKey, a.log); err != nil {
		return nil, badField("api-tls-cert", "%v", err)
	}
	if a.cwmpTLS, err = newTLSConfig(cfg.CWMPTLSCert, cfg.CWMPTLSKey, a.log); err != nil {
		return nil, badField("cwmp-tls-cert", "%v", err)
	}
	return a, nil
}

// parts is what a running App is made of.
type parts struct {
	db         store.Store
	service    *acs.Service
	sessions   *acs.Sessions
	connector  *acs.Connector
	sweeper    *acs.Sweeper
	webhooks   *webhook.Service
	dispatcher *webhook.Dispatcher
	cwmp       *cwmp.Server
	cwmpHTTP   *http.Server
	api        *api.API
	apiHTTP    *http.Server
	guard      *outbound.Guard
	dialer     *outbound.DeviceDialer

	apiListener, cwmpListener net.Listener
	running                   Running
	loops                     *loops
}

// Run opens the store, serves until ctx ends, and stops in order. It returns nil after a stop that went as it should, and ends
// early with the error of whatever part failed.
func (a *App) Run(ctx context.Context) (err error) {
	defer a.closeListeners()
	p := &parts{loops: newLoops()}
	if a.needsDeviceCredential() && a.storeIsNew() {
		return a.noCredential() // before anything is made
	}
	if p.db, err = a.openStore(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.db.Close()) }()
	if err := a.build(p); err != nil {
		return err
	}
	if err := a.checkCredentials(ctx, p); err != nil {
		return err
	}
	if p.running.AdminTokenFile, err = a.firstAdmin(ctx, p.service); err != nil {
		return err
	}
	if err := a.listen(p); err != nil {
		return err
	}
	a.warn(p)
	return a.serve(ctx, p)
}

// build makes all parts, from the bottom up.
func (a *App) build(p *parts) (err error) {
	macKey, err := a.idempotencyKey()
	if err != nil {
		return err
	}
	p.service, err = acs.NewService(p.db, acs.ServiceConfig{
		Logger: a.log, Metrics: acs.NewMetrics(a.opts.Registry), IdempotencyKey: macKey,
		RingEvery: a.cfg.ConnectionRequestInterval,
	})
	if err != nil {
		return err
	}
	p.sessions = acs.NewSessions(p.service, acs.SessionsConfig{
		Credentials: a.cpeCredentials(),
		Provision:   acs.Provision{ConnectionRequest: a.cfg.ProvisionConnectionRequest, PeriodicInform: a.cfg.PeriodicInform},
	})
	p.sweeper = acs.NewSweeper(p.service)
	if err := a.buildOutbound(p); err != nil {
		return err
	}
	p.cwmp, err = cwmp.NewServer(cwmp.ServerConfig{
		Handler: p.sessions, Auth: cwmp.AuthMode(a.cfg.CWMPAuth), Credentials: p.sessions,
		Limits:         cwmp.Limits{Bytes: int64(a.cfg.CWMPMaxBody), Depth: a.cfg.CWMPMaxDepth, Elements: a.cfg.CWMPMaxElements},
		MessageTimeout: a.cfg.CWMPMessageTimeout, SessionTimeout: a.cfg.CWMPSessionTimeout, MaxSessionTimeout: a.cfg.CWMPMaxSessionTimeout,
		Logger: slog.New(muted{a.log.With("component", "cwmp").Handler()}), Observer: newCWMPObserver(a.opts.Registry, p.wrongCredentials),
	})
	if err != nil {
		return err
	}
	p.cwmpHTTP = p.cwmp.HTTPServer()
	return a.buildAPI(p)
}

// buildOutbound makes what connects to devices and to webhooks.
func (a *App) buildOutbound(p *parts) (err error) {
	p.guard, err = outbound.NewGuard(outbound.GuardConfig{
		AllowCIDR: a.cfg.WebhookAllowCIDR, AllowHTTP: a.cfg.WebhookAllowHTTP, Dev: a.cfg.Dev, Ports: a.cfg.WebhookPorts,
		SourceIPs: a.cfg.WebhookSourceIP, Refused: webhook.ErrRefusedAddress,
	})
	if err != nil {
		return err
	}
	p.dialer = outbound.NewDeviceDialer(outbound.DeviceConfig{
		AllowCIDR: a.cfg.DeviceAllowCIDR, Dev: a.cfg.Dev, Forbidden: cwmp.ErrForbiddenAddress,
		ConnectTimeout: a.cfg.ConnectionRequestTimeout,
	})
	var waker acs.Waker = &cwmp.Requester{Dialer: p.dialer, Timeout: a.cfg.ConnectionRequestTimeout}
	if a.cfg.ConnectionRequestBasic {
		waker = basicWaker{waker}
	}
	p.connector = acs.NewConnector(p.service, waker, acs.ConnectorConfig{Workers: a.cfg.ConnectionRequestParallel})
	p.webhooks = webhook.NewService(webhook.ServiceConfig{
		Store: p.service.WebhookStore(p.db), CheckURL: p.checkURL, Catalogue: acs.EventTypes, Legacy: p.service.Legacy,
		Logger: a.log.With("component", "webhooks"),
	})
	p.dispatcher = webhook.NewDispatcher(webhook.DispatcherConfig{
		Store:     p.db,
		Clients:   newReceivers(p.guard),
		Catalogue: acs.EventTypes,
		UserAgent: a.userAgent(),
		Logger:    a.log.With("component", "webhooks"),
		Observer:  alerting{newDeliveryObserver(a.opts.Registry), p.service},
		Drain:     dispatcherDrain,
		// Under --dev the receivers are on this machine.
		HostPerSecond: a.hostRate(),
	})
	return a.opts.Registry.Register(newQueueCollector(p.db))
}

func (a *App) hostRate() int {
	if a.cfg.Dev {
		return -1
	}
	return a.cfg.WebhookHostRate
}

func (a *App) buildAPI(p *parts) (err error) {
	p.api, err = api.New(api.Config{
		Actions: p.service, Devices: p.service, Clients: p.service, Webhooks: p.webhooks, Audit: p.service, Quota: p.service,
		Auth:  newAdminAuth(p.service, a.cfg.AdminToken),
		Ready: func(ctx context.Context) error { return a.ready(ctx, p) },
		WebhookHealth: webhook.NewCheckup(webhook.CheckupConfig{
			Store: p.db, Ping: p.db.Ping, Turned: p.dispatcher.Turned,
		}).Report,
		Metrics:   promhttp.HandlerFor(a.opts.Registry, promhttp.HandlerOpts{}),
		Logger:    a.log.With("component", "api"),
		PublicURL: a.cfg.PublicURL, ReadTimeout: a.cfg.APIReadTimeout, MaxWait: a.cfg.APIMaxWait,
	})
	if err != nil {
		return err
	}
	p.apiHTTP = p.api.HTTPServer()
	return nil
}

func (a *App) userAgent() string {
	if a.opts.Version == "" {
		return "Recado"
	}
	return "Recado/" + a.opts.Version
}

func (a *App) cpeCredentials() []acs.CPECredential {
	list := make([]acs.CPECredential, len(a.credentials))
	for i, c := range a.credentials {
		list[i] = acs.CPECredential{Device: c.Device, Username: c.Username, Password: c.Password}
	}
	return list
}

func (a *App) listen(p *parts) (err error) {
	if a.opts.APIListener == nil {
		if a.opts.APIListener, err = net.Listen("tcp", a.cfg.APIListen); err != nil {
			return fmt.Errorf("--api-listen: %w", err)
		}
	}
	if a.opts.CWMPListener == nil {
		if a.opts.CWMPListener, err = net.Listen("tcp", a.cfg.CWMPListen); err != nil {
			return fmt.Errorf("--cwmp-listen: %w", err)
		}
	}
	p.apiListener, p.cwmpListener = a.opts.APIListener, a.opts.CWMPListener
	p.running.APIURL, p.running.CWMPURL = urlOf(p.apiListener, a.apiTLS), urlOf(p.cwmpListener, a.cwmpTLS)
	var own []netip.AddrPort
	for _, l := range []net.Listener{p.apiListener, p.cwmpListener} {
		if at, ok := l.Addr().(*net.TCPAddr); ok {
			own = append(own, at.AddrPort())
		}
	}
	p.guard.SetOwn(own...)
	p.dialer.SetOwn(own...)
	return nil
}

// closeListeners closes those that were handed in, or opened, and not served.
func (a *App) closeListeners() {
	for _, l := range []net.Listener{a.opts.APIListener, a.opts.CWMPListener} {
		if l != nil {
			l.Close()
		}
	}
}

// urlOf gives an URL that works on this machine.
func urlOf(l net.Listener, tls *tls.Config) string {
	scheme := "http"
	if tls != nil {
		scheme = "https"
	}
	host := l.Addr().String()
	if at, ok := l.Addr().(*net.TCPAddr); ok && at.IP.IsUnspecified() {
		host = net.JoinHostPort("127.0.0.1", fmt.Sprint(at.Port))
	}
	return scheme + "://" + host
}

// warn tells of what is allowed and unwise.
func (a *App) warn(p *parts) {
	at, ok := p.cwmpListener.Addr().(*net.TCPAddr)
	local := ok && at.IP.IsLoopback()
	switch {
	case a.cfg.CWMPAuth == authNone && !local:
		a.log.Warn("CPE authentication is off: whoever reaches the CWMP listener can speak for any device", "listen", p.cwmpListener.Addr())
	case a.cfg.CWMPAuth == authBasic && a.cwmpTLS == nil && !local:
		a.log.Warn("basic CPE authentication without TLS: passwords travel in clear", "listen", p.cwmpListener.Addr())
	}
	if at, ok := p.apiListener.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() && a.apiTLS == nil {
		a.log.Warn("the API is served without TLS on an address other than loopback: tokens travel in clear", "listen", p.apiListener.Addr())
	}
	warnRoot(a.log)
}

// basicWaker lets Basic be answered where a device offers nothing else.
type basicWaker struct{ acs.Waker }

// Request implements acs.Waker.
func (w basicWaker) Request(ctx context.Context, r cwmp.ConnectionRequest) error {
	r.AllowBasic = true
	return w.Waker.Request(ctx, r)
}

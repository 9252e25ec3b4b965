package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

// Actions submits, shows and cancels actions; *acs.Service is one.
type Actions interface {
	Submit(ctx context.Context, s acs.Submission) (acs.Receipt, error)
	Action(ctx context.Context, c acs.Client, id acs.Protocolo) (acs.Action, error)
	// Follow returns at the first change, when the action is final, or when wait ends.
	Follow(ctx context.Context, c acs.Client, id acs.Protocolo, wait time.Duration) (acs.Action, error)
	Actions(ctx context.Context, c acs.Client, f acs.ActionFilter) ([]acs.Action, string, error)
	Cancel(ctx context.Context, c acs.Client, id acs.Protocolo) (acs.Action, error)
	// Waiting tells for each action what it waits behind, nil for nothing.
	Waiting(ctx context.Context, c acs.Client, actions []acs.Action) ([]*acs.Wait, error)
}

// Devices shows devices and keeps what providers say of them; *acs.Service is one.
type Devices interface {
	Device(ctx context.Context, c acs.Client, id string) (d acs.Device, open []acs.Action, err error)
	Devices(ctx context.Context, c acs.Client, f acs.DeviceFilter) ([]acs.Device, string, error)
	// DevicesCalled finds devices as an action's router_id does.
	DevicesCalled(ctx context.Context, c acs.Client, name string) ([]acs.Device, error)
	PutDevice(ctx context.Context, c acs.Client, id string, f acs.DevicePut) (d acs.Device, created bool, err error)
}

// Clients manages API clients; *acs.Service is one.
type Clients interface {
	CreateClient(ctx context.Context, n acs.NewClient) (acs.ClientSecrets, error)
	Client(ctx context.Context, id string) (acs.Client, error)
	Clients(ctx context.Context) ([]acs.Client, error)
	ChangeClient(ctx context.Context, id string, ch acs.ClientChange) (acs.Client, error)
	DeleteClient(ctx context.Context, id string) error
	NewToken(ctx context.Context, id string) (string, acs.Token, error)
	RevokeTokens(ctx context.Context, id string) error
}

// Auth tells whose a token is, and gives tokens to clients that prove who they are; *acs.Service is one.
type Auth interface {
	Authenticate(ctx context.Context, token string) (acs.Client, error)
	FetchToken(ctx context.Context, clientID, secret string) (acs.FetchedToken, error)
	ExchangeJWT(ctx context.Context, text string) (acs.FetchedToken, error)
}

// Endpoints manages webhook endpoints; *webhook.Service is one.
type Endpoints interface {
	Register(ctx context.Context, client string, r webhook.Registration) (webhook.Endpoint, error)
	Endpoint(ctx context.Context, client, id string) (webhook.Endpoint, error)
	Endpoints(ctx context.Context, client string) ([]webhook.Endpoint, error)
	Change(ctx context.Context, client, id string, ch webhook.Change) (webhook.Endpoint, error)
	Delete(ctx context.Context, client, id string) error
	Test(ctx context.Context, client, id string) (webhook.Event, webhook.Delivery, error)
	Rotate(ctx context.Context, client, id string, r webhook.Rotation) (webhook.Endpoint, error)
	Promote(ctx context.Context, client, id string) (webhook.Endpoint, error)
	Explain(ctx context.Context, client, id string, r webhook.Received) (webhook.Explanation, error)
	// Sample is what Test would send to the endpoint at that time.
	Sample(ctx context.Context, e webhook.Endpoint, at time.Time) (event webhook.Event, body []byte, err error)
}

// Deliveries shows and replays deliveries; *webhook.Service is one.
type Deliveries interface {
	Deliveries(ctx context.Context, f webhook.DeliveryFilter) ([]webhook.Delivery, string, error)
	Delivery(ctx context.Context, client, id string) (webhook.Delivery, error)
	Attempts(ctx context.Context, client, deliveryID string) ([]webhook.Attempt, error)
	Replay(ctx context.Context, client, deliveryID string) (webhook.Delivery, error)
}

// Events shows stored events and tries filters on them; *webhook.Service is one.
type Events interface {
	Event(ctx context.Context, client, id string) (webhook.Event, error)
	Events(ctx context.Context, f webhook.EventFilter) ([]webhook.Event, string, error)
	TryFilter(ctx context.Context, client string, f webhook.Filter, events []string, since time.Time, limit int) ([]webhook.Trial, error)
}

// Replays starts and shows replays of many deliveries; *webhook.Service is one.
type Replays interface {
	StartReplay(ctx context.Context, client string, r webhook.ReplayRequest) (webhook.Replay, error)
	ReplayJob(ctx context.Context, client, id string) (webhook.Replay, error)
	ReplayJobs(ctx context.Context, client string, limit int, cursor string) ([]webhook.Replay, string, error)
	CancelReplayJob(ctx context.Context, client, id string) (webhook.Replay, error)
}

// Stats tells how endpoints do; *webhook.Service is one.
type Stats interface {
	Stats(ctx context.Context, client, id string, length time.Duration) (webhook.Stats, error)
	EndpointHealths(ctx context.Context, client string) (map[string]webhook.EndpointHealth, error)
}

// Webhooks is all that the API needs of webhooks.
type Webhooks interface {
	Endpoints
	Events
	Deliveries
	Replays
	Stats
}

// Config is what an API is made of; all is needed but PublicURL and what follows it.
type Config struct {
	Actions  Actions
	Devices  Devices
	Clients  Clients
	Auth     Auth
	Webhooks Webhooks
	Audit    Audit
	Quota    Quota
	// Ready fails while the server cannot take requests: a store that takes no writes, a loop that stands still.
	Ready func(context.Context) error
	// WebhookHealth tells whether webhooks go out. It is asked by whoever likes, as often as they like.
	WebhookHealth func(context.Context) webhook.CheckReport

	Metrics http.Handler
	Logger  *slog.Logger
	// PublicURL goes in front of every status_url ("https://recado.example.net"); empty: they are paths.
	PublicURL string
	// ReadTimeout bounds the reading of a whole request; 0 is the constant of that name.
	ReadTimeout time.Duration
	// MaxWait bounds ?wait=; 0 is wire.MaxWaitSeconds. Where it is less than that, longer waits are cut to it, since every client may
	// ask for as much.
	MaxWait time.Duration
}

func (c *Config) validate() error {
	missing := ""
	for name, is := range map[string]bool{
		"Actions": c.Actions == nil, "Devices": c.Devices == nil, "Clients": c.Clients == nil, "Auth": c.Auth == nil,
		"Webhooks": c.Webhooks == nil, "Audit": c.Audit == nil, "Quota": c.Quota == nil,
		"Ready": c.Ready == nil, "WebhookHealth": c.WebhookHealth == nil, "Metrics": c.Metrics == nil, "Logger": c.Logger == nil,
	} {
		if is && (missing == "" || name < missing) {
			missing = name
		}
	}
	if missing != "" {
		return errors.New("api: Config." + missing + " is missing")
	}
	return nil
}

// API is the HTTP API. It is safe for concurrent use.
type API struct {
	cfg    Config
	echo   *echo.Echo
	limits *limiter
	tokens *throttle
	// natural is what the lists of IXC ACS are made of.
	natural *naturalLists
	forms   sync.Mutex
}

var _ http.Handler = (*API)(nil)

// New makes an API; it fails only where something of the Config is missing.
func New(cfg Config) (*API, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.ReadTimeout = cmp.Or(cfg.ReadTimeout, ReadTimeout)
	cfg.MaxWait = cmp.Or(cfg.MaxWait, wire.MaxWaitSeconds*time.Second)
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	a := &API{cfg: cfg, echo: echo.New(), limits: newLimiter(cfg.Quota, maxLimited), tokens: newThrottle(maxThrottled), natural: newNaturalLists()}
	a.echo.HTTPErrorHandler = a.refuse
	a.echo.Pre(a.observe)
	for _, r := range a.routes() {
		a.echo.Add(r.method, r.path, a.secure(r))
	}
	return a, nil
}

// Close gives back what clients' days have reserved and not used. It is for the end, when no request is served any more.
func (a *API) Close(ctx context.Context) error { return a.limits.close(ctx) }

// ServeHTTP implements http.Handler. A trailing slash does not matter, and HEAD is answered as GET.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r2, u := *r, *r.URL
	r2.URL = &u
	if len(u.Path) > 1 {
		// RawPath is empty or ends as Path does, but for a slash that was sent as %2F and is part of a name.
		if u.RawPath == "" || strings.HasSuffix(u.RawPath, "/") {
			r2.URL.Path = strings.TrimSuffix(u.Path, "/")
			r2.URL.RawPath = strings.TrimSuffix(u.RawPath, "/")
		}
	}
	if r.Method == http.MethodHead {
		// net/http goes by the request that it made itself when it leaves the body out.
		r2.Method = http.MethodGet
	}
	a.echo.ServeHTTP(w, &r2)
}

// Route is a method and a path, with {names} as OpenAPI writes them.
type Route struct{ Method, Path string }

// Routes lists all routes, for comparing them with the description.
func (a *API) Routes() []Route {
	var all []Route
	for _, r := range a.routes() {
		parts := strings.Split(r.path, "/")
		for i, p := range parts {
			if name, ok := strings.CutPrefix(p, ":"); ok {
				parts[i] = "{" + name + "}"
			}
		}
		all = append(all, Route{r.method, strings.Join(parts, "/")})
	}
	return all
}

// Limits of the HTTP server.
const (
	ReadTimeout    = 30 * time.Second // of a whole request, where Config says nothing else
	headerTimeout  = 10 * time.Second
	writeTime      = 30 * time.Second // besides the reading or the longest wait
	idleTimeout    = 2 * time.Minute
	maxHeaderBytes = 64 << 10
)

// HTTPServer makes an http.Server with the API's limits, for the caller to run and to shut down.
func (a *API) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           a,
		ReadTimeout:       a.cfg.ReadTimeout,
		ReadHeaderTimeout: min(headerTimeout, a.cfg.ReadTimeout),
		WriteTimeout:      max(a.cfg.MaxWait, a.cfg.ReadTimeout) + writeTime, // from the end of the head on
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(a.cfg.Logger.Handler(), slog.LevelDebug),
	}
}

package app

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"recado/webhook"
)

// Config is all that can be set. The tags name the flag, which is the key in the configuration file too; the environment variable
// is RECADO_ and the name in capitals. DefaultConfig has the defaults.
type Config struct {
	APIListen  string `name:"api-listen" default:"${api_listen}" placeholder:"ADDR" help:"Where API clients connect (${default})."`
	CWMPListen string `name:"cwmp-listen" default:"${cwmp_listen}" placeholder:"ADDR" help:"Where devices connect (${default})."`
	PublicURL  string `name:"public-url" placeholder:"URL" help:"In front of status_url in replies; without it they are paths."`
	Store      string `name:"store" default:"${store}" placeholder:"URL" help:"bolt://PATH or memory: (${default})."`
	KeyFile    string `name:"key-file" placeholder:"FILE" help:"Key that secrets in the store are encrypted with; made at the first start (beside the store)."`
	Dev        bool   `name:"dev" help:"For one machine: webhooks over plain HTTP and devices on loopback, no CPE authentication."`

	CWMPAuth            string `name:"cwmp-auth" placeholder:"none|basic|digest" help:"How devices prove who they are (digest; none under --dev)."`
	CWMPCredentialsFile string `name:"cwmp-credentials-file" placeholder:"FILE" help:"Lines 'username:password' for any device, or 'DEVICE_ID username:password' for one."`

	DeviceAllowCIDR            []netip.Prefix `name:"device-allow-cidr" placeholder:"CIDR" help:"Where connection requests may go besides the device's own source address."`
	ProvisionConnectionRequest bool           `name:"provision-connection-request" default:"${provision_connection_request}" negatable:"" help:"Give each device a connection-request password of its own on first contact (${default})."`
	PeriodicInform             time.Duration  `name:"periodic-inform" default:"${periodic_inform}" placeholder:"DURATION" help:"Have devices call in that often; 0s leaves it to them (${default})."`

	ConnectionRequestBasic bool `name:"connection-request-basic" help:"Answer devices that offer only Basic: the password travels in clear."`

	ConnectionRequestTimeout  time.Duration `name:"connection-request-timeout" default:"${connection_request_timeout}" help:"All round trips of one connection request (${default})."`
	ConnectionRequestInterval time.Duration `name:"connection-request-interval" default:"${connection_request_interval}" help:"At most one connection request to a device in this time, unless the last one brought a session (${default})."`
	ConnectionRequestParallel int           `name:"connection-request-parallel" default:"${connection_request_parallel}" placeholder:"N" help:"Connection requests at a time (${default})."`

	CWMPMaxBody           Size          `name:"cwmp-max-body" default:"${cwmp_max_body}" placeholder:"SIZE" help:"Largest message of a device, before and after inflating (${default})."`
	CWMPMaxDepth          int           `name:"cwmp-max-depth" default:"${cwmp_max_depth}" placeholder:"N" help:"How deep its elements may nest (${default})."`
	CWMPMaxElements       int           `name:"cwmp-max-elements" default:"${cwmp_max_elements}" placeholder:"N" help:"How many elements it may have (${default})."`
	CWMPMessageTimeout    time.Duration `name:"cwmp-message-timeout" default:"${cwmp_message_timeout}" help:"How long reading one message may take, and writing one (${default})."`
	CWMPSessionTimeout    time.Duration `name:"cwmp-session-timeout" default:"${cwmp_session_timeout}" help:"Ends a session of which no message comes in this time (${default})."`
	CWMPMaxSessionTimeout time.Duration `name:"cwmp-max-session-timeout" default:"${cwmp_max_session_timeout}" help:"The most that a device may ask for instead (${default})."`

	APIReadTimeout time.Duration `name:"api-read-timeout" default:"${api_read_timeout}" help:"How long reading one API request may take (${default})."`
	APIMaxWait     time.Duration `name:"api-max-wait" default:"${api_max_wait}" help:"The longest ?wait= of GET /protocols/{protocolo} (${default})."`

	WebhookAllowCIDR []netip.Prefix `name:"webhook-allow-cidr" placeholder:"CIDR" help:"Where webhooks may go besides public addresses, on any port."`
	WebhookAllowHTTP bool           `name:"webhook-allow-http" help:"Allow plain HTTP into --webhook-allow-cidr."`
	WebhookPorts     []uint16       `name:"webhook-ports" default:"${webhook_ports}" placeholder:"PORT" help:"Ports of webhooks at public addresses (${default})."`

	WebhookSourceIP []netip.Addr `name:"webhook-source-ip" placeholder:"IP" help:"Address of this machine that webhooks come from, for receivers that allow addresses; one of each family at the most (the system chooses)."`

	WebhookHostRate int `name:"webhook-host-rate" default:"${webhook_host_rate}" placeholder:"N" help:"Attempts a second at one host, over all clients; no bound under --dev (${default})."`

	AdminTokenFile string `name:"admin-token-file" placeholder:"FILE" help:"Where the first start writes its admin token (beside the store)."`
	AdminToken     string `name:"admin-token" secret:"" placeholder:"TOKEN" help:"An admin token for as long as it is given; rather by RECADO_ADMIN_TOKEN, since flags are seen by others."`

	APITLSCert  string `name:"api-tls-cert" placeholder:"FILE" help:"Certificate of the API; read again when it changes."`
	APITLSKey   string `name:"api-tls-key" placeholder:"FILE" help:"Its key."`
	CWMPTLSCert string `name:"cwmp-tls-cert" placeholder:"FILE" help:"Certificate for devices; read again when it changes."`
	CWMPTLSKey  string `name:"cwmp-tls-key" placeholder:"FILE" help:"Its key."`

	LogFormat string `name:"log-format" default:"${log_format}" enum:"json,text" help:"json or text (${default})."`
	LogLevel  string `name:"log-level" default:"${log_level}" enum:"debug,info,warn,error" help:"debug, info, warn or error (${default})."`

	ShutdownDelay time.Duration `name:"shutdown-delay" default:"${shutdown_delay}" help:"How long /readyz says 503 before the API stops to listen (${default})."`
}

// DefaultConfig is what holds where nothing is given.
func DefaultConfig() Config {
	return Config{
		APIListen:                  "127.0.0.1:8080",
		CWMPListen:                 "127.0.0.1:7547",
		Store:                      "bolt://./data/recado.db",
		WebhookPorts:               []uint16{443, 8443},
		ProvisionConnectionRequest: true,
		ConnectionRequestTimeout:   5 * time.Second,
		ConnectionRequestInterval:  30 * time.Second,
		ConnectionRequestParallel:  64,
		CWMPMaxBody:                8 * MiB,
		CWMPMaxDepth:               64,
		CWMPMaxElements:            400_000,
		CWMPMessageTimeout:         60 * time.Second,
		CWMPSessionTimeout:         60 * time.Second,
		CWMPMaxSessionTimeout:      300 * time.Second,
		APIReadTimeout:             30 * time.Second,
		APIMaxWait:                 60 * time.Second,
		WebhookHostRate:            webhook.DefaultHostPerSecond,
		LogFormat:                  "json",
		LogLevel:                   "info",
		ShutdownDelay:              time.Second,
	}
}

// Ways for CPEs to prove who they are.
const (
	authNone   = "none"
	authBasic  = "basic"
	authDigest = "digest"
)

// minAdminToken is the shortest RECADO_ADMIN_TOKEN.
const minAdminToken = 32

// Bounds of the periodic Inform: below, a fleet would do little else; above, a device would count as lost.
const (
	minPeriodicInform = 30 * time.Second
	maxPeriodicInform = 7 * 24 * time.Hour
)

// maxShutdownDelay leaves room for the rest of a stop within 15 s.
const maxShutdownDelay = 5 * time.Second

// A FieldError is a setting that cannot be. Problem says what is wrong and what would be right; it never holds a secret.
type FieldError struct{ Field, Problem string }

// Error implements error.
func (e *FieldError) Error() string { return "--" + e.Field + ": " + e.Problem }

func badField(field, format string, args ...any) error {
	return &FieldError{field, fmt.Sprintf(format, args...)}
}

// Resolve fills in what follows from other settings, and checks all of them. All errors are told at once, each a *FieldError.
func (c *Config) Resolve() error {
	if c.CWMPAuth == "" {
		c.CWMPAuth = authDigest
		if c.Dev {
			c.CWMPAuth = authNone
		}
	}
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	check(c.resolveStore())
	check(checkListen("api-listen", c.APIListen))
	check(checkListen("cwmp-listen", c.CWMPListen))
	check(c.checkDev())
	check(c.checkAuth())
	check(c.checkWebhooks())
	errs = append(errs, slices.DeleteFunc(c.checkLimits(), func(err error) bool { return err == nil })...)
	check(checkPair("api-tls-cert", c.APITLSCert, "api-tls-key", c.APITLSKey))
	check(checkPair("cwmp-tls-cert", c.CWMPTLSCert, "cwmp-tls-key", c.CWMPTLSKey))
	check(checkURL(c.PublicURL))
	check(oneOf("log-format", c.LogFormat, "json", "text"))
	check(oneOf("log-level", c.LogLevel, "debug", "info", "warn", "error"))
	if c.AdminToken != "" && len(c.AdminToken) < minAdminToken {
		check(badField("admin-token", "has %d characters; want at least %d, or none", len(c.AdminToken), minAdminToken))
	}
	if p := c.PeriodicInform; p != 0 && (p < minPeriodicInform || p > maxPeriodicInform) {
		check(badField("periodic-inform", "%s is out of range; want 0s, or %s to %s", p, minPeriodicInform, maxPeriodicInform))
	}
	if c.ShutdownDelay < 0 || c.ShutdownDelay > maxShutdownDelay {
		check(badField("shutdown-delay", "%s is out of range; want 0s to %s", c.ShutdownDelay, maxShutdownDelay))
	}
	return errors.Join(errs...)
}

// resolveStore checks the store's URL and puts key and admin token beside it where no other place is named.
func (c *Config) resolveStore() error {
	switch {
	case c.inMemory():
		if c.AdminTokenFile == "" {
			c.AdminTokenFile = filepath.Join("data", "admin-token")
		}
		return nil
	case strings.HasPrefix(c.Store, "postgres://"), strings.HasPrefix(c.Store, "postgresql://"):
		return badField("store", "PostgreSQL is not supported by this version; want bolt://PATH or memory:")
	case !strings.HasPrefix(c.Store, "bolt://") || c.boltPath() == "":
		return badField("store", "names no store; want bolt://PATH, such as bolt://./data/recado.db, or memory:") // its text may hold a password
	}
	dir := filepath.Dir(c.boltPath())
	if c.KeyFile == "" {
		c.KeyFile = c.boltPath() + ".key"
	}
	if c.AdminTokenFile == "" {
		c.AdminTokenFile = filepath.Join(dir, "admin-token")
	}
	return nil
}

func (c *Config) inMemory() bool { return c.Store == "memory:" }

// boltPath is the path in bolt://PATH, relative to the working directory where it does not start with a slash.
func (c *Config) boltPath() string { return strings.TrimPrefix(c.Store, "bolt://") }

func checkListen(field, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return badField(field, "%.100q is no address; want HOST:PORT, such as 127.0.0.1:8080", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return badField(field, "port %.20q is none; want 0 to 65535", port)
	}
	if host != "" && host != "localhost" {
		if _, err := netip.ParseAddr(host); err != nil {
			return badField(field, "%.100q is no IP address; want one of this machine's, or none for all of them", host)
		}
	}
	return nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func (c *Config) checkDev() error {
	if !c.Dev {
		return nil
	}
	for _, l := range []struct{ field, address string }{{"api-listen", c.APIListen}, {"cwmp-listen", c.CWMPListen}} {
		if !loopback(l.address) {
			return badField("dev", "is for one machine only, and --%s %s is not on loopback; want 127.0.0.1, or no --dev", l.field, l.address)
		}
	}
	return nil
}

func (c *Config) checkAuth() error {
	return oneOf("cwmp-auth", c.CWMPAuth, authNone, authBasic, authDigest)
}

func (c *Config) checkWebhooks() error {
	if c.WebhookAllowHTTP && len(c.WebhookAllowCIDR) == 0 && !c.Dev {
		return badField("webhook-allow-http", "is for networks in --webhook-allow-cidr, and there is none; want one, such as 10.0.0.0/8")
	}
	if len(c.WebhookPorts) == 0 || slices.Contains(c.WebhookPorts, 0) {
		return badField("webhook-ports", "%v are no ports; want some of 1 to 65535", c.WebhookPorts)
	}
	for _, a := range c.WebhookSourceIP {
		// Whether it is this machine's, the machine knows.
		l, err := net.Listen("tcp", netip.AddrPortFrom(a, 0).String())
		if err != nil || a.IsUnspecified() {
			return badField("webhook-source-ip", "%s is no address of this machine that connections can be made from", a)
		}
		l.Close()
	}
	return nil
}

func checkPair(certField, cert, keyField, key string) error {
	if (cert == "") == (key == "") {
		return nil
	}
	if cert == "" {
		return badField(certField, "is missing; want it together with --%s", keyField)
	}
	return badField(keyField, "is missing; want it together with --%s", certField)
}

func checkURL(u string) error {
	if u == "" || strings.HasPrefix(u, "https://") && len(u) > len("https://") || strings.HasPrefix(u, "http://") && len(u) > len("http://") {
		return nil
	}
	return badField("public-url", "%.100q is no URL; want one such as https://recado.example.net", u)
}

func oneOf(field, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return badField(field, "%.40q is unknown; want %s", value, strings.Join(allowed, ", "))
}

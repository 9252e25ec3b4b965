package cwmptest

import (
	"crypto/tls"
	"net/netip"
	"time"

	"recado/cwmp"
)

// Auth says which challenges of the ACS a Device answers.
type Auth int

// Ways to authenticate at the ACS.
const (
	AuthAny    Auth = iota // whatever the challenge names, Digest before Basic
	AuthNone               // no challenge at all: a 401 ends the session
	AuthBasic              // Basic only
	AuthDigest             // Digest only
)

// Config is all that makes one Device. Only ACSURL is required.
type Config struct {
	// DeviceID is the identity; empty parts get those of the "plain" profile, and the serial number "000001".
	DeviceID cwmp.DeviceID
	// Root is the data model: RootTR098 (the default) or RootTR181.
	Root string
	// Parameters are added to the data model, or replace what it has under their names.
	Parameters []Parameter
	// Namespace is that of the Device's messages; cwmp.Namespace10 by default.
	Namespace string

	// ACSURL is where the ACS listens, http or https.
	ACSURL string
	// Username and Password are what the Device shows the ACS; no user name means the identity's key (TR-069 3.4.4).
	Username, Password string
	// Auth says which challenges are answered.
	Auth Auth
	// TLS is for an https ACSURL; nil uses the system's roots.
	TLS *tls.Config

	// Net is the network; the machine's own by default.
	Net Net
	// Source is the address the Device calls from and listens on. In a Network it is 10.0.0.1 by default.
	Source netip.Addr
	// Door takes its connection requests; nil makes a listener of its own at Source and ConnectionRequestPort.
	Door *Door
	// ConnectionRequestPort is the listener's port: 7547 in a Network, any free one on TCP by default.
	ConnectionRequestPort int
	// ConnectionRequestPath is the path of the ConnectionRequestURL; random by default.
	ConnectionRequestPath string
	// NoListener makes a Device that cannot be woken; it reports an URL where nothing listens.
	NoListener bool
	// ConnectionRequestUsername and -Password are asked for; the ACS may change them with SetParameterValues. Where both
	// are empty any request is refused until the ACS has set them.
	ConnectionRequestUsername, ConnectionRequestPassword string

	// BootDelay is how long a reboot takes; the first start takes no time.
	BootDelay time.Duration
	// PeriodicInformInterval is in whole seconds: one hour by default, negative for none.
	PeriodicInformInterval time.Duration
	// RetryMinimumWait (5 s by default) and RetryMultiplier (2000 by default) give the waits between failed sessions
	// (TR-069 3.2.1.1, Table 3).
	RetryMinimumWait time.Duration
	RetryMultiplier  int
	// ResponseTimeout is how long one answer of the ACS may take, connecting included; one minute by default.
	ResponseTimeout time.Duration
	// KnownToACS leaves out 0 BOOTSTRAP at the first start.
	KnownToACS bool

	// InformParameters are full names listed in every Inform besides the forced ones.
	InformParameters []string

	// Quirks are its habits; SetQuirks changes them.
	Quirks Quirks
	// Faults answers requests of a method with a fault instead of obeying.
	Faults map[string]cwmp.Fault
	// FaultFor, when set, may do the same for each request; nil obeys. It is called from the Device's goroutine.
	FaultFor func(request cwmp.Message) *cwmp.Fault
	// Mishaps are ways of going wrong that no quirk covers; SetMishaps changes them.
	Mishaps Mishaps
	// Cut, when set, is asked at each point of each session whether the connection breaks there.
	// It is called from the Device's goroutine. See CutAt and CutOn.
	Cut func(CutPoint) bool

	// Seed makes its random choices (retry waits, nonces, paths, orders) repeatable.
	Seed uint64
	// Observe, when set, hears what the Device does as it does it. It must not block; calls come from several goroutines.
	Observe func(Note)
}

// Mishaps are what can go wrong with reboots.
type Mishaps struct {
	// IgnoresReboot answers RebootResponse and never reboots.
	IgnoresReboot bool
	// RebootsAtOnce reboots without answering: the connection just breaks.
	RebootsAtOnce bool
	// NeverBack makes the next boot one that never ends; PowerCycle is the way out.
	NeverBack bool
	// BootDelay overrides Config.BootDelay where it is not 0.
	BootDelay time.Duration
}

func (c Config) withDefaults() Config {
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	if c.DeviceID.Manufacturer == "" && c.DeviceID.OUI == "" && c.DeviceID.ProductClass == "" {
		serial := c.DeviceID.SerialNumber
		c.DeviceID = maker("Recado", "02CD00", "Simulator")
		c.DeviceID.SerialNumber = serial
	}
	def(&c.DeviceID.SerialNumber, "000001")
	def(&c.Root, RootTR098)
	def(&c.Namespace, cwmp.Namespace10)
	def(&c.Username, c.DeviceID.Key())
	if c.Net == nil {
		c.Net = TCP{}
	}
	if _, real := c.Net.(TCP); !real {
		if !c.Source.IsValid() {
			c.Source = netip.AddrFrom4([4]byte{10, 0, 0, 1})
		}
		switch {
		case c.ConnectionRequestPort != 0:
		case c.Quirks.URL == URLBare:
			c.ConnectionRequestPort = 80 // what an URL without a port means
		default:
			c.ConnectionRequestPort = 7547
		}
	}
	if c.Source.IsValid() {
		c.Net = c.Net.From(c.Source)
	}
	if c.PeriodicInformInterval == 0 {
		c.PeriodicInformInterval = time.Hour
	}
	if c.RetryMinimumWait == 0 {
		c.RetryMinimumWait = 5 * time.Second
	}
	if c.RetryMultiplier == 0 {
		c.RetryMultiplier = 2000
	}
	if c.ResponseTimeout == 0 {
		c.ResponseTimeout = time.Minute
	}
	return c
}

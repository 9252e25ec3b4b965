package cwmptest

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"recado/cwmp"
)

// Errors that end sessions from outside, or refuse a call.
var (
	// ErrRunning is a second Run of a Device that runs.
	ErrRunning = errors.New("device runs already")

	errPower   = errors.New("power cycle")
	errOffline = errors.New("went offline")
)

// Device is one simulated CPE. New makes it, Run gives it life; all other methods may be called at any time and from any
// goroutine.
type Device struct {
	cfg  Config
	wake chan struct{} // Run's loop has to look again

	doorMu sync.Mutex // one at a time opens and closes the listener

	mu      sync.Mutex
	rng     *rand.Rand
	quirks  Quirks
	mishaps Mishaps
	cut     func(CutPoint) bool
	tree    *tree
	running bool

	up        bool
	bootedAt  time.Time
	bootCause string // a boot is due
	path      string // of the ConnectionRequestURL
	port      int
	door      *ownDoor
	boots     []Boot
	reboots   []Reboot
	accepted  []int // reboots that were accepted and await the boot: indexes

	offline      bool
	events       []pending
	lastEvent    int
	requests     []cwmp.Message // own requests, until they are answered
	wanted       int            // sessions asked for
	wantedAt     time.Time
	nextPeriodic time.Time
	interval     time.Duration // that nextPeriodic was reckoned with
	retryAt      time.Time
	retries, row int
	eventless    bool // the next Inform has no events (Quirks.EventlessRetry)

	live      context.CancelCauseFunc // ends the session there is
	sessions  Sessions
	waiters   []chan error // of Inform, for the next session
	informed  []chan struct{}
	challenge *challenge
	cookies   []cookie
	carried   *link // a connection that the next session goes on with
	nonces    map[string]*nonce
	accepts   []time.Time // of connection requests, in the last hour
}

// pending is an event that was not acknowledged yet.
type pending struct {
	cwmp.Event
	id    int
	until string // the response that acknowledges it, where that is not InformResponse
}

// Boot is one start of a Device.
type Boot struct {
	// Down and Up are when it went and came back; Up is zero while it boots.
	Down, Up time.Time
	// Cause is "start", "power" or "Reboot".
	Cause string
}

// Reboot is one Reboot request that the Device obeyed.
type Reboot struct {
	// CommandKey is the request's.
	CommandKey string
	// Accepted is when the request was acted on, Booted when the Device was up again; zero before.
	Accepted, Booted time.Time
}

// Sessions counts a Device's sessions.
type Sessions struct {
	// Started is how many began; Ended ended well, Failed did not. The difference is live.
	Started, Ended, Failed int
	// Posts counts HTTP requests.
	Posts int
	// ConnectionRequests counts those that were accepted.
	ConnectionRequests int
}

// New makes a Device. It does nothing before Run.
func New(cfg Config) *Device {
	cfg = cfg.withDefaults()
	h := fnv.New64a()
	h.Write([]byte(cfg.DeviceID.Key()))
	d := &Device{
		cfg:       cfg,
		wake:      make(chan struct{}, 1),
		rng:       rand.New(rand.NewPCG(cfg.Seed, h.Sum64())), //nolint:gosec // repeatable on purpose
		quirks:    cfg.Quirks,
		mishaps:   cfg.Mishaps,
		cut:       cfg.Cut,
		tree:      newTree(modelOf(cfg.Root), cfg.Parameters),
		bootCause: "start",
		path:      cfg.ConnectionRequestPath,
		port:      cfg.ConnectionRequestPort,
	}
	if d.path == "" {
		d.path = d.token()
	}
	d.path = strings.TrimPrefix(d.path, "/")
	d.configure()
	return d
}

// configure puts the settings that are parameters into the data model; from there they are used, as the ACS may change them.
func (d *Device) configure() {
	set := func(name, value string) { d.tree.set(d.cfg.Root+"ManagementServer."+name, value) }
	set("URL", d.cfg.ACSURL)
	set("Username", d.cfg.Username)
	set("Password", d.cfg.Password)
	set("ConnectionRequestUsername", d.cfg.ConnectionRequestUsername)
	set("ConnectionRequestPassword", d.cfg.ConnectionRequestPassword)
	set("CWMPRetryMinimumWaitInterval", strconv.Itoa(max(1, int(d.cfg.RetryMinimumWait/time.Second))))
	set("CWMPRetryIntervalMultiplier", strconv.Itoa(d.cfg.RetryMultiplier))
	if d.cfg.PeriodicInformInterval < 0 {
		set("PeriodicInformEnable", "0")
		return
	}
	set("PeriodicInformInterval", strconv.Itoa(max(1, int(d.cfg.PeriodicInformInterval/time.Second))))
}

// ID is the Device's identity.
func (d *Device) ID() cwmp.DeviceID { return d.cfg.DeviceID }

// Run is the Device's life: it boots, informs, obeys and reboots until ctx ends, which is no error. An error is a
// listener for connection requests that cannot be opened at first.
func (d *Device) Run(ctx context.Context) error {
	d.mu.Lock()
	if d.running {
		d.mu.Unlock()
		return ErrRunning
	}
	d.running = true
	d.mu.Unlock()
	defer d.stop()
	d.doorMu.Lock()
	err := d.openDoor()
	d.doorMu.Unlock()
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		switch step, at := d.plan(time.Now()); step {
		case toBoot:
			d.boot(ctx)
		case toInform:
			d.runSession(ctx)
		default:
			d.wait(ctx, at)
		}
	}
	return nil
}

func (d *Device) stop() {
	d.mu.Lock()
	d.running, d.up = false, false
	d.mu.Unlock()
	d.moveDoor()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.carried.close()
	d.carried = nil
	for _, w := range d.waiters {
		w <- context.Canceled
	}
	d.waiters = nil
}

type step int

const (
	toWait step = iota
	toBoot
	toInform
)

// plan says what to do now, and for toWait until when (zero is until something happens).
func (d *Device) plan(now time.Time) (step, time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bootCause != "" {
		return toBoot, time.Time{}
	}
	if !d.up || d.offline {
		return toWait, time.Time{}
	}
	d.reckonPeriod(now)
	if due(d.nextPeriodic, now) {
		d.addEvent(cwmp.EventPeriodic, "", "")
		d.want(1, now)
		d.nextPeriodic = now.Add(d.interval)
	}
	if d.wanted > 0 && due(d.wantedAt, now) || due(d.retryAt, now) {
		return toInform, time.Time{}
	}
	at := d.nextPeriodic
	if d.wanted > 0 {
		at = earlier(at, d.wantedAt)
	}
	return toWait, earlier(at, d.retryAt)
}

func due(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// reckonPeriod starts the period anew where the interval has changed; d.mu is held.
func (d *Device) reckonPeriod(now time.Time) {
	var interval time.Duration
	if enabled := d.setting("PeriodicInformEnable"); enabled == "1" || enabled == "true" {
		seconds, _ := strconv.ParseInt(d.setting("PeriodicInformInterval"), 10, 64)
		interval = time.Duration(seconds) * time.Second
	}
	if interval != d.interval || d.nextPeriodic.IsZero() {
		d.interval, d.nextPeriodic = interval, time.Time{}
		if interval > 0 {
			d.nextPeriodic = now.Add(interval)
		}
	}
}

// wait sleeps until at, until something happens, or until ctx ends.
func (d *Device) wait(ctx context.Context, at time.Time) {
	var alarm <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-ctx.Done():
	case <-d.wake:
	case <-alarm:
	}
}

// stir makes Run's loop look again.
func (d *Device) stir() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// want asks for n more sessions, not before at; d.mu is held.
func (d *Device) want(n int, at time.Time) {
	if !d.quirks.TwoSessions {
		n = max(0, min(n, 1-d.wanted))
	}
	if d.wanted == 0 || at.Before(d.wantedAt) {
		d.wantedAt = at
	}
	d.wanted += n
	d.stir()
}

// addEvent notes an event for the next Inform; d.mu is held. All but "M …" events are there once at most (TR-069 3.7.1.5).
func (d *Device) addEvent(code, key, until string) {
	single := !strings.HasPrefix(code, "M ") && (code != cwmp.EventConnectionRequest || !d.quirks.TwoSessions)
	if single && slices.ContainsFunc(d.events, func(e pending) bool { return e.EventCode == code }) {
		return
	}
	d.lastEvent++
	d.events = append(d.events, pending{cwmp.Event{EventCode: code, CommandKey: key}, d.lastEvent, until})
}

// setting reads a parameter of ManagementServer as it is; d.mu is held.
func (d *Device) setting(name string) string {
	return d.tree.get(d.cfg.Root + "ManagementServer." + name)
}

// token makes 16 random hex digits; d.mu is held.
func (d *Device) token() string {
	return strconv.FormatUint(d.rng.Uint64()|1<<63, 16)
}

func (d *Device) note(kind NoteKind, method, text string, wire []byte) {
	if d.cfg.Observe != nil {
		d.cfg.Observe(Note{At: time.Now(), Kind: kind, Method: method, Text: text, Wire: wire})
	}
}

package network

import (
	"time"
)

// Status is what a Notice says.
type Status string

// The statuses, as receivers know them.
const (
	Detected  Status = "detected"  // an outage, or more of its subscribers
	Cleared   Status = "cleared"   // it is over
	Undefined Status = "undefined" // everything fell silent: Recado itself may be cut off
)

// Cause is what an outage looks like. It is a guess, with Hints that speak for it.
type Cause string

// The causes.
const (
	FiberCut     Cause = "fiber_cut"
	PowerFailure Cause = "power"
	UnknownCause Cause = "unknown"
)

// Hint is an observation about an outage.
type Hint string

// The hints.
const (
	WholePort    Hint = "whole_port"    // (nearly) every device of the port is silent
	PartOfPort   Hint = "part_of_port"  // some devices of the port go on
	SeveralPorts Hint = "several_ports" // other ports of the same area are silent too
	WholeOLT     Hint = "whole_olt"     // (nearly) every port of the OLT is silent
	ProbesFailed Hint = "probes_failed" // of devices asked for a connection, none answered
	CameBooting  Hint = "came_booting"  // most devices booted when they came back: they had no power
	CameAwake    Hint = "came_awake"    // hardly any did: they had power all the time
	OwnTrouble   Hint = "own_trouble"   // nobody was heard at all
	Flapping     Hint = "flapping"      // it had just come back
)

// Notice is something to tell.
type Notice struct {
	Status Status
	// Outage is the same number in all notices of one outage; numbers grow. Those of a Detector begin at 1.
	Outage uint64
	OLT    string
	// Ports are the ports hit, sorted.
	Ports []string
	// At is when it is told, Since the moment that explains the silences best.
	At, Since time.Time
	// Affected are the devices hit, sorted: with Detected and Undefined all that are silent now, with Cleared all that were.
	Affected []string
	// Remaining are those of a cleared outage that have not come back: switched off meanwhile, or broken.
	Remaining []string
	Cause     Cause
	Hints     []Hint
}

// Place is where a device hangs.
type Place struct {
	// OLT and Port name its PON port; a device without a Port is never part of an outage, but its Informs are proof that Recado
	// hears.
	OLT, Port string
	// Area is where the port's subscribers live, such as the city; a failure of power hits several ports of one.
	Area string
}

// ProbeResult is what came of a connection request.
type ProbeResult uint8

// The results. A device that never answered one before, or that cannot be reached from outside, has to be told as Untried: its
// silence proves nothing.
const (
	Reached ProbeResult = iota + 1
	Unreachable
	Untried
)

// Config sets a Detector. The zero value of a field is its default.
type Config struct {
	// MinSubscribers (3) and Share (0.5) of a port's devices with a known rhythm have to be silent together. Devices that were silent
	// before do not count.
	MinSubscribers int
	Share          float64
	// Window (2 min) is how far apart the silences may begin, beyond what the devices' rhythms explain.
	Window time.Duration
	// Sample (8) is how many of the silent devices are probed. MaxProbes (64) is the most for one port, with those not yet missed.
	Sample, MaxProbes int
	// ProbeWait (30 s) is how long results are waited for.
	ProbeWait time.Duration
	// GrowEvery (1 min) is the least time between two notices of one outage that grows. One is told when the list has grown by a
	// quarter, and when it is complete.
	GrowEvery time.Duration
	// Steady (20 s) is how long all must be back before it is told.
	Steady time.Duration
	// A port that fails again within FlapWindow (1 h) after it came back, or after its last failing, is flapping: it must be
	// silent, and then be back, for FlapHold (15 min) before either is told.
	FlapWindow, FlapHold time.Duration
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	whole := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	if !(c.Share > 0 && c.Share <= 1) {
		c.Share = 0.5
	}
	whole(&c.MinSubscribers, 3)
	whole(&c.Sample, 8)
	whole(&c.MaxProbes, 64)
	def(&c.Window, 2*time.Minute)
	def(&c.ProbeWait, 30*time.Second)
	def(&c.GrowEvery, time.Minute)
	def(&c.Steady, 20*time.Second)
	def(&c.FlapWindow, time.Hour)
	def(&c.FlapHold, 15*time.Minute)
	return c
}

// Shares that are no one's to set.
const (
	nearlyAll = 0.95 // of a port's devices, for WholePort
	mostPorts = 0.8  // of an OLT's ports, for WholeOLT
	fewLeft   = 0.2  // of an outage's devices may stay away when it is cleared
	booted    = 0.6  // of those that came back, for CameBooting
	awake     = 0.2  // at most, for CameAwake
)

// outage is one that has been told, or waits to be told as cleared.
type outage struct {
	id       uint64
	olt      string
	ports    []*port
	cut      uint32 // since when
	members  map[int32]bool
	first    uint32 // when the first was missed
	begun    uint32 // when it was told first
	told     uint32
	listed   int // how many were told then
	grown    bool
	changed  uint32         // last growth or return
	restored uint32         // when half of all had come back; 0: not yet
	probed   bool           // the rest, after that
	returned map[int32]bool // those back, and whether they came booting
	cause    Cause
	hints    []Hint
	flapping bool
	wholeOLT bool
}

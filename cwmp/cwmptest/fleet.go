package cwmptest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// FleetConfig is what makes a Fleet. Size and either ACSURL or Make are required.
type FleetConfig struct {
	// Size is the number of devices.
	Size int
	// ACSURL is where they call.
	ACSURL string
	// Profiles are given to the devices in turn; "plain" where there are none.
	Profiles []string
	// Make, when set, changes the Config of device i (from 0), which holds the profile and all settings below already. It is
	// called as the device starts, not before.
	Make func(i int, cfg *Config)

	// Net is the network; the machine's own by default.
	Net Net
	// DoorAddr is where the one listener for the connection requests of all devices is: 127.0.0.1:0 by default.
	DoorAddr string
	// DoorHost is the host in their ConnectionRequestURLs; the listener's own by default.
	DoorHost string
	// ConnectionRequestUsername and -Password are those of all devices.
	ConnectionRequestUsername, ConnectionRequestPassword string
	// Password is what they show the ACS; each device's user name is its identity's key.
	Password string

	// Stagger spreads the starts: device i starts i×Stagger/Size after the Fleet.
	Stagger time.Duration
	// BootDelay and PeriodicInformInterval are as in Config.
	BootDelay, PeriodicInformInterval time.Duration
	// Seed makes the random choices of all devices repeatable.
	Seed uint64
	// Observe, when set, hears the notes of all devices, with the device's index. It must not block.
	Observe func(i int, n Note)
}

// Fleet runs many Devices that share one connection-request listener. A device that has not started yet costs nothing;
// one that idles costs a goroutine and a few kilobytes.
type Fleet struct {
	cfg     FleetConfig
	mu      sync.Mutex
	devices []*Device
	door    *Door
}

// FleetCounters add up what the devices of a Fleet did.
type FleetCounters struct {
	// Devices is how many have started, Up how many of them are up.
	Devices, Up int
	// Reboots counts Reboot requests that were obeyed.
	Reboots int
	Sessions
}

// NewFleet makes a Fleet. It fails for a size below 1 and for a profile that does not exist.
func NewFleet(cfg FleetConfig) (*Fleet, error) {
	if cfg.Size < 1 {
		return nil, fmt.Errorf("fleet of %d devices", cfg.Size)
	}
	if len(cfg.Profiles) == 0 {
		cfg.Profiles = []string{"plain"}
	}
	for _, p := range cfg.Profiles {
		if _, err := LookupProfile(p); err != nil {
			return nil, err
		}
	}
	if cfg.Net == nil {
		cfg.Net = TCP{}
	}
	if cfg.DoorAddr == "" {
		cfg.DoorAddr = "127.0.0.1:0"
	}
	return &Fleet{cfg: cfg, devices: make([]*Device, cfg.Size)}, nil
}

// Run starts the devices one after the other and blocks until ctx ends, which is no error, and all of them have stopped.
func (f *Fleet) Run(ctx context.Context) error {
	l, err := f.cfg.Net.Listen(f.cfg.DoorAddr)
	if err != nil {
		return fmt.Errorf("listen for connection requests: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.door = NewDoor(l, f.cfg.DoorHost)
	f.mu.Unlock()
	var wg sync.WaitGroup
	errs := make(chan error, 1+f.cfg.Size)
	start := func(run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	start(f.door.Run)
	f.startDevices(ctx, start)
	<-ctx.Done()
	wg.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

func (f *Fleet) startDevices(ctx context.Context, start func(func(context.Context) error)) {
	profiles := make([]Profile, len(f.cfg.Profiles))
	for i, name := range f.cfg.Profiles {
		profiles[i], _ = LookupProfile(name) // NewFleet has looked already
	}
	begin := time.Now()
	for i := range f.cfg.Size {
		at := begin.Add(time.Duration(float64(f.cfg.Stagger) * float64(i) / float64(f.cfg.Size)))
		if wait := time.Until(at); wait > 0 {
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
		}
		d := f.device(i, profiles[i%len(profiles)])
		f.mu.Lock()
		f.devices[i] = d
		f.mu.Unlock()
		start(d.Run)
	}
}

func (f *Fleet) device(i int, p Profile) *Device {
	cfg := p.Config(fmt.Sprintf("SIM%06d", i+1))
	cfg.ACSURL, cfg.Net, cfg.Door = f.cfg.ACSURL, f.cfg.Net, f.door
	if _, real := f.cfg.Net.(TCP); !real {
		// In memory the devices call from where their URLs lead, as the source-address rule of an ACS wants it.
		if a, ok := f.door.l.Addr().(*net.TCPAddr); ok {
			cfg.Source = a.AddrPort().Addr()
		}
	}
	cfg.ConnectionRequestUsername = f.cfg.ConnectionRequestUsername
	cfg.ConnectionRequestPassword = f.cfg.ConnectionRequestPassword
	cfg.Password = f.cfg.Password
	cfg.BootDelay, cfg.PeriodicInformInterval = f.cfg.BootDelay, f.cfg.PeriodicInformInterval
	cfg.Seed = f.cfg.Seed + uint64(i)
	if f.cfg.Observe != nil {
		cfg.Observe = func(n Note) { f.cfg.Observe(i, n) }
	}
	if f.cfg.Make != nil {
		f.cfg.Make(i, &cfg)
	}
	return New(cfg)
}

// Device returns device i, nil before it has started.
func (f *Fleet) Device(i int) *Device {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.devices[i]
}

// Counters adds up the devices' counters.
func (f *Fleet) Counters() FleetCounters {
	f.mu.Lock()
	devices := append([]*Device(nil), f.devices...)
	f.mu.Unlock()
	var c FleetCounters
	for _, d := range devices {
		if d == nil {
			continue
		}
		c.Devices++
		if _, up := d.Up(); up {
			c.Up++
		}
		c.Reboots += len(d.Reboots())
		s := d.Sessions()
		c.Started += s.Started
		c.Ended += s.Ended
		c.Failed += s.Failed
		c.Posts += s.Posts
		c.ConnectionRequests += s.ConnectionRequests
	}
	return c
}

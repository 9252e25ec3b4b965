package acs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// findDevice finds the one device that a client calls by name.
func (s *Service) findDevice(ctx context.Context, c Client, name string) (Device, error) {
	found, err := s.DevicesCalled(ctx, c, name)
	if err != nil {
		return Device{}, err
	}
	switch len(found) {
	case 0:
		return Device{}, ErrDeviceNotFound
	case 1:
		return found[0], nil
	}
	e := &AmbiguousError{}
	for i := range found {
		e.Candidates = append(e.Candidates, found[i].ID)
	}
	return Device{}, e
}

// sees reports whether the client's tags let it see the device.
func (c *Client) sees(d *Device) bool {
	if len(c.Tags) == 0 {
		return true
	}
	return slices.ContainsFunc(d.Facts.Tags, func(t string) bool { return slices.Contains(c.Tags, t) })
}

// Device returns a device that the client sees, and the client's pending actions on it, oldest first.
func (s *Service) Device(ctx context.Context, c Client, id string) (Device, []Action, error) {
	d, err := s.store.Device(ctx, id)
	if err != nil {
		return Device{}, nil, err
	}
	if !c.sees(&d) {
		return Device{}, nil, ErrNotFound
	}
	s.remembered(&d)
	live, err := s.store.LiveActions(ctx, id)
	if err != nil {
		return Device{}, nil, err
	}
	live = slices.DeleteFunc(live, func(a Action) bool { return a.Client != c.ID || a.Status.Final() })
	return d, live, nil
}

// remembered adds what is kept of a device in memory only.
func (s *Service) remembered(d *Device) {
	d.Ring = s.rings.last(d.ID)
	d.Conflict = s.moves.last(d.ID, time.Now())
}

// DevicesCalled gives the devices that the client sees by a name, as Submit would find them: several where the name is ambiguous.
func (s *Service) DevicesCalled(ctx context.Context, c Client, name string) ([]Device, error) {
	found, err := s.store.FindDevices(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("find device: %w", err)
	}
	found = slices.DeleteFunc(found, func(d Device) bool { return !c.sees(&d) })
	for i := range found {
		s.remembered(&found[i])
	}
	slices.SortFunc(found, func(a, b Device) int { return strings.Compare(a.ID, b.ID) })
	return found, nil
}

// Devices lists the devices that the client sees.
func (s *Service) Devices(ctx context.Context, c Client, f DeviceFilter) ([]Device, string, error) {
	switch {
	case len(c.Tags) > 0 && len(f.Tags) == 0:
		f.Tags = c.Tags
	case len(c.Tags) > 0:
		f.Tags = slices.DeleteFunc(slices.Clone(f.Tags), func(t string) bool { return !slices.Contains(c.Tags, t) })
		if len(f.Tags) == 0 {
			return nil, "", nil
		}
	}
	ds, next, err := s.store.Devices(ctx, f)
	for i := range ds {
		s.remembered(&ds[i])
	}
	return ds, next, err
}

// DevicePut is what a provider says of a device; nil fields stay as they are.
type DevicePut struct {
	RouterID, AccountID, PPPoELogin, MAC, City, PONPort *string
	Tags                                                *[]string
	ConnectionRequest, CWMPAuth                         *Credential
}

// taken tells which name of the facts is another device's, since the store does not say which; nil where none is (any more).
func (s *Service) taken(ctx context.Context, c Client, id string, f *Facts) error {
	name := func(field string, d *Device) error {
		e := &TakenError{Field: field}
		if c.sees(d) {
			e.Device = d.ID
		}
		return e
	}
	if f.RouterID != "" {
		found, err := s.store.FindDevices(ctx, f.RouterID)
		if err != nil {
			return fmt.Errorf("find device: %w", err)
		}
		for i := range found {
			if found[i].ID != id && found[i].Facts.RouterID == f.RouterID {
				return name("router_id", &found[i])
			}
		}
	}
	if f.CWMPAuth.Username != "" {
		d, err := s.store.DeviceByCPEUsername(ctx, f.CWMPAuth.Username)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return fmt.Errorf("find device: %w", err)
		case d.ID != id:
			return name("cwmp_auth.username", &d)
		}
	}
	return nil
}

// PutDevice stores what the provider says of a device, which need not have called in yet: id is OUI-ProductClass-SerialNumber, each
// part percent-encoded. created tells that nothing was known of it. Errors: *InvalidError, *TakenError, ErrNotFound, ErrConflict,
// ErrUnavailable.
func (s *Service) PutDevice(ctx context.Context, c Client, id string, p DevicePut) (d Device, created bool, err error) {
	if err := p.check(); err != nil {
		return Device{}, false, err
	}
	for range 16 {
		d, err = s.store.Device(ctx, id)
		created = errors.Is(err, ErrNotFound)
		switch {
		case created:
			if d.Identity, err = ParseDeviceID(id); err != nil {
				return Device{}, false, err
			}
			d.ID = id
		case err != nil:
			return Device{}, false, err
		case !c.sees(&d):
			return Device{}, false, ErrNotFound
		}
		facts := d.Facts
		p.apply(&facts)
		if len(c.Tags) > 0 && !slices.ContainsFunc(facts.Tags, func(t string) bool { return slices.Contains(c.Tags, t) }) {
			return Device{}, false, &InvalidError{"tags", "would take the device out of this client's sight; keep one of the client's tags"}
		}
		if err := s.shadows(ctx, c, id, &p); err != nil {
			return Device{}, false, err
		}
		now := time.Now()
		if facts.CreatedAt.IsZero() {
			facts.CreatedAt = now
		}
		facts.UpdatedAt = now
		d, err = s.store.PutFacts(ctx, id, d.Identity, facts)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if errors.Is(err, ErrExists) {
			if err := s.taken(ctx, c, id, &facts); err != nil {
				return Device{}, false, err
			}
			continue // it was given up meanwhile
		}
		if err == nil {
			s.rings.renew(id)
			s.remembered(&d)
		}
		return d, created, err
	}
	return Device{}, false, ErrConflict
}

const maxFact = 256

func (p *DevicePut) check() error {
	for _, f := range []struct {
		name string
		v    *string
	}{
		{"router_id", p.RouterID}, {"account_id", p.AccountID}, {"pppoe_login", p.PPPoELogin}, {"city", p.City}, {"pon_port", p.PONPort},
	} {
		if f.v == nil {
			continue
		}
		if len(*f.v) > maxFact {
			return &InvalidError{f.name, fmt.Sprintf("has %d bytes; at most %d fit", len(*f.v), maxFact)}
		}
		if strings.ContainsFunc(*f.v, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
			return &InvalidError{f.name, "holds a control character"}
		}
	}
	if p.MAC != nil {
		if m := NormalMAC(*p.MAC); m == "" && *p.MAC != "" {
			return &InvalidError{"mac", "is no MAC address; give 12 hex digits, such as 00:25:9E:12:34:56"}
		}
	}
	if p.Tags != nil {
		if len(*p.Tags) > 64 {
			return &InvalidError{"tags", "has more than 64 entries"}
		}
		for i, t := range *p.Tags {
			if t == "" || len(t) > 64 {
				return &InvalidError{fmt.Sprintf("tags[%d]", i), "has no text, or more than 64 bytes"}
			}
		}
	}
	for _, f := range []struct {
		name string
		c    *Credential
	}{{"connection_request", p.ConnectionRequest}, {"cwmp_auth", p.CWMPAuth}} {
		if f.c == nil || f.c.IsZero() {
			continue
		}
		switch {
		case f.c.Username == "" || f.c.Password == "":
			return &InvalidError{f.name, "needs both username and password; an empty object takes the credentials away"}
		case len(f.c.Username) > 256 || len(f.c.Password) > 256:
			return &InvalidError{f.name, "has a text of more than 256 bytes, the most that TR-069 allows"}
		case strings.ContainsAny(f.c.Username, ":\"\\") || checkXMLText(f.c.Username+f.c.Password) != nil:
			return &InvalidError{f.name, "holds a character that HTTP authentication cannot carry"}
		}
	}
	return nil
}

func (p *DevicePut) apply(f *Facts) {
	set := func(to *string, v *string) {
		if v != nil {
			*to = *v
		}
	}
	set(&f.RouterID, p.RouterID)
	set(&f.AccountID, p.AccountID)
	set(&f.PPPoELogin, p.PPPoELogin)
	set(&f.City, p.City)
	set(&f.PONPort, p.PONPort)
	if p.MAC != nil {
		f.MAC = NormalMAC(*p.MAC)
	}
	if p.Tags != nil {
		f.Tags = slices.Clone(*p.Tags)
	}
	if p.ConnectionRequest != nil {
		f.ConnectionRequest = *p.ConnectionRequest
		f.ProvisionedAt = time.Time{}
	}
	if p.CWMPAuth != nil {
		f.CWMPAuth = *p.CWMPAuth
	}
}

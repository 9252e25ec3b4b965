package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"recado/acs"
	"recado/cwmp"
)

// facts is what the provider said of a device, reported what the device did; each knows who it is about.
type facts struct {
	identity cwmp.DeviceID
	facts    acs.Facts
}

type reported struct {
	identity cwmp.DeviceID
	reported acs.Reported
}

// device puts a device together, false where nothing is known of it. What it says itself of its identity goes first.
func (s *Store) device(id string) (acs.Device, bool) {
	f, said := s.facts[id], s.reported[id]
	if f == nil && said == nil {
		return acs.Device{}, false
	}
	d := acs.Device{ID: id}
	if f != nil {
		d.Identity = f.identity
		d.Facts = cloneFacts(&f.facts)
	}
	if said != nil {
		d.Identity = said.identity
		d.Reported = cloneReported(&said.reported)
	}
	return d, true
}

// deviceIDs lists all devices in order.
func (s *Store) deviceIDs() []string {
	ids := slices.AppendSeq(slices.Collect(maps.Keys(s.facts)), maps.Keys(s.reported))
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Device implements acs.DeviceStore.
func (s *Store) Device(ctx context.Context, id string) (acs.Device, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Device{}, err
	}
	defer s.mu.Unlock()
	d, ok := s.device(id)
	if !ok {
		return acs.Device{}, fmt.Errorf("device %s: %w", id, acs.ErrNotFound)
	}
	return d, nil
}

// Devices implements acs.DeviceStore. A cursor that no page gave is an *acs.InvalidError.
func (s *Store) Devices(ctx context.Context, f acs.DeviceFilter) ([]acs.Device, string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	after, ok := strings.CutPrefix(f.Cursor, "after:")
	if f.Cursor != "" && !ok {
		return nil, "", badCursor()
	}
	limit := pageSize(f.Limit)
	var page []acs.Device
	for _, id := range s.deviceIDs() {
		if f.Cursor != "" && id <= after {
			continue
		}
		d, _ := s.device(id)
		if !f.Match(&d) {
			continue
		}
		if len(page) == limit {
			return page, "after:" + page[limit-1].ID, nil
		}
		page = append(page, d)
	}
	return page, "", nil
}

// FindDevices implements acs.DeviceStore. Names are compared exactly, MACs by their digits.
func (s *Store) FindDevices(ctx context.Context, name string) ([]acs.Device, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if name == "" {
		return nil, nil
	}
	if id, ok := s.routerIDs[name]; ok {
		d, _ := s.device(id)
		return []acs.Device{d}, nil
	}
	if d, ok := s.device(name); ok {
		return []acs.Device{d}, nil
	}
	mac := acs.MACDigits(name)
	isMAC := func(s string) bool { return len(mac) == 12 && acs.MACDigits(s) == mac }
	for _, called := range []func(d *acs.Device) bool{
		func(d *acs.Device) bool { return d.Facts.PPPoELogin == name || d.Reported.PPPoELogin == name },
		func(d *acs.Device) bool { return d.Identity.SerialNumber == name },
		func(d *acs.Device) bool { return isMAC(d.Facts.MAC) || isMAC(d.Reported.MAC) },
	} {
		var these []acs.Device
		for _, id := range s.deviceIDs() {
			if d, _ := s.device(id); called(&d) {
				these = append(these, d)
			}
		}
		if len(these) > 0 {
			return these, nil
		}
	}
	return nil, nil
}

// DeviceByCPEUsername implements acs.DeviceStore.
func (s *Store) DeviceByCPEUsername(ctx context.Context, username string) (acs.Device, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Device{}, err
	}
	defer s.mu.Unlock()
	id, ok := s.usernames[username]
	if !ok {
		return acs.Device{}, fmt.Errorf("device with this CPE user name: %w", acs.ErrNotFound)
	}
	d, _ := s.device(id)
	return d, nil
}

// PutFacts implements acs.DeviceStore. An empty identity leaves the one that is known.
func (s *Store) PutFacts(ctx context.Context, id string, identity cwmp.DeviceID, f acs.Facts) (acs.Device, error) {
	if err := s.lock(ctx); err != nil {
		return acs.Device{}, err
	}
	defer s.mu.Unlock()
	old := cmp.Or(s.facts[id], &facts{})
	if f.Version != old.facts.Version {
		return acs.Device{}, fmt.Errorf("device %s: %w", id, acs.ErrConflict)
	}
	if other, ok := s.routerIDs[f.RouterID]; ok && other != id {
		return acs.Device{}, fmt.Errorf("router_id of device %s: %w", id, acs.ErrExists)
	}
	if other, ok := s.usernames[f.CWMPAuth.Username]; ok && other != id {
		return acs.Device{}, fmt.Errorf("CPE user name of device %s: %w", id, acs.ErrExists)
	}
	f = cloneFacts(&f)
	f.Version++
	s.did(acs.AuditFacts(ctx, id, &old.facts, &f))
	s.facts[id] = &facts{identity: cmp.Or(identity, old.identity), facts: f}
	rename(s.routerIDs, id, old.facts.RouterID, f.RouterID)
	rename(s.usernames, id, old.facts.CWMPAuth.Username, f.CWMPAuth.Username)
	d, _ := s.device(id)
	s.tell(ctx)
	return d, nil
}

// rename keeps an index of names that only one device can have. No name is no entry.
func rename(index map[string]string, id, from, to string) {
	delete(index, from)
	if to != "" {
		index[to] = id
	}
}

// Report implements acs.DeviceStore.
func (s *Store) Report(ctx context.Context, id string, identity cwmp.DeviceID, r acs.Reported) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.reported[id] = &reported{identity: identity, reported: cloneReported(&r)}
	return nil
}

// LearnTypes implements acs.DeviceStore.
func (s *Store) LearnTypes(ctx context.Context, id string, types map[string]string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.types[id] == nil {
		s.types[id] = make(map[string]string, len(types))
	}
	maps.Copy(s.types[id], types)
	return nil
}

// LearnedTypes implements acs.DeviceStore.
func (s *Store) LearnedTypes(ctx context.Context, id string, names []string) (map[string]string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	known := make(map[string]string, len(names))
	for _, name := range names {
		if t, ok := s.types[id][name]; ok {
			known[name] = t
		}
	}
	return known, nil
}

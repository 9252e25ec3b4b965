package boltstore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"recado/acs"
	"recado/cwmp"
)

// Report implements acs.DeviceStore.
func (db *DB) Report(ctx context.Context, id string, identity cwmp.DeviceID, r acs.Reported) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	said, err := newReport(id, identity, r)
	if err != nil {
		return fmt.Errorf("device %s: %w", id, err)
	}
	news, err := db.devices.addReport(said)
	if err != nil || !news && db.holds(ctx, said) {
		return err
	}
	return db.devices.await(ctx, id)
}

// LearnTypes implements acs.DeviceStore. At most 4,000 names are remembered of a device, and none longer than 512 bytes.
func (db *DB) LearnTypes(ctx context.Context, id string, types map[string]string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.devices.add(func(b *batch) { b.learn(id, types) })
}

// LearnedTypes implements acs.DeviceStore.
func (db *DB) LearnedTypes(ctx context.Context, id string, names []string) (map[string]string, error) {
	known := make(map[string]string, len(names))
	var recent []map[string]string
	db.devices.overlay(func(b *batch) bool {
		if b.types[id] != nil {
			recent = append(recent, maps.Clone(b.types[id]))
		}
		return false
	})
	err := db.viewDevices(ctx, func(tx *bolt.Tx) error {
		_, r, err := readTypes(tx, id)
		if err != nil {
			db.damaged.add(bucketTypes, textKey(id), err)
			return nil
		}
		recent = append(recent, r.Types)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		for _, types := range recent {
			if t, ok := types[name]; ok {
				known[name] = t
				break
			}
		}
	}
	return known, nil
}

func (db *DB) viewDevices(ctx context.Context, f func(tx *bolt.Tx) error) error {
	if err := db.readable(ctx); err != nil {
		return err
	}
	err := db.devices.db.View(f)
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return errClosed
	}
	return err
}

// PutFacts implements acs.DeviceStore. An empty identity leaves the one that is known.
func (db *DB) PutFacts(ctx context.Context, id string, identity cwmp.DeviceID, f acs.Facts) (acs.Device, error) {
	given := f.Version
	f = copyFacts(f)
	f.Version++
	err := db.write(ctx, func(g *group) error {
		old := &factsRecord{}
		if v := g.get(bucketFacts, textKey(id)); v != nil {
			var err error
			if old, err = decodeFacts(db.keys, v); err != nil {
				return fmt.Errorf("device %s: %w", id, err)
			}
		}
		if given != old.Facts.Version {
			return fmt.Errorf("device %s: %w", id, acs.ErrConflict)
		}
		if g.taken(nameRouterID, f.RouterID, id) {
			return fmt.Errorf("router_id of device %s: %w", id, acs.ErrExists)
		}
		if g.taken(nameUser, f.CWMPAuth.Username, id) {
			return fmt.Errorf("user name of device %s: %w", id, acs.ErrExists)
		}
		r := &factsRecord{ID: id, Identity: cmp.Or(identity, old.Identity), Facts: f}
		value, err := encodeFacts(db.keys, id, r.Identity, f)
		if err != nil {
			return fmt.Errorf("device %s: %w", id, err)
		}
		g.put(bucketFacts, textKey(id), value)
		g.did(acs.AuditFacts(ctx, id, &old.Facts, &f))
		gone, came := nameChange(old.names(), r.names())
		for _, n := range gone {
			k, _ := namedRecord(n, id)
			g.delete(bucketFname, k)
		}
		for _, n := range came {
			k, v := namedRecord(n, id)
			g.put(bucketFname, k, v)
		}
		return nil
	})
	if err != nil {
		return acs.Device{}, err
	}
	d, err := db.Device(context.WithoutCancel(ctx), id)
	return d, err
}

// taken reports whether a device other than id has a name that only one can have.
func (g *group) taken(kind byte, text, id string) bool {
	if text == "" {
		return false
	}
	name := nameKey(kind, text)
	c := g.bucket(bucketFname).Cursor()
	for k, v := c.Seek(name); bytes.HasPrefix(k, name); k, v = c.Next() {
		if namedID(name, k, v) != id {
			return true
		}
	}
	return false
}

// DeviceByCPEUsername implements acs.DeviceStore.
func (db *DB) DeviceByCPEUsername(ctx context.Context, username string) (acs.Device, error) {
	if err := db.readable(ctx); err != nil {
		return acs.Device{}, err
	}
	if username != "" {
		ids, err := db.candidates(ctx, nameKey(nameUser, username))
		if err != nil {
			return acs.Device{}, err
		}
		list, err := db.readDevices(ctx, ids)
		if err != nil {
			return acs.Device{}, err
		}
		for _, d := range list {
			if d.Facts.CWMPAuth.Username == username {
				return d, nil
			}
		}
	}
	return acs.Device{}, fmt.Errorf("device with this user name: %w", acs.ErrNotFound)
}

// Device implements acs.DeviceStore.
func (db *DB) Device(ctx context.Context, id string) (acs.Device, error) {
	list, err := db.readDevices(ctx, []string{id})
	if err != nil {
		return acs.Device{}, err
	}
	if len(list) == 0 {
		return acs.Device{}, fmt.Errorf("device %s: %w", id, acs.ErrNotFound)
	}
	return list[0], nil
}

// readDevices puts devices together: facts from the main file, reports from what waits to be written or the devices file. What a
// device says itself of its identity goes first. Unknown ones are left out.
func (db *DB) readDevices(ctx context.Context, ids []string) ([]acs.Device, error) {
	reports := make([]*report, len(ids))
	db.devices.overlay(func(b *batch) bool {
		for i, id := range ids {
			if r := b.reports[id]; r != nil && reports[i] == nil {
				reports[i] = r
			}
		}
		return false
	})
	err := db.viewDevices(ctx, func(tx *bolt.Tx) error {
		dev, seen := tx.Bucket([]byte(bucketDev)), tx.Bucket([]byte(bucketSeen))
		for i, id := range ids {
			if reports[i] == nil {
				reports[i] = db.readReport(dev, seen, textKey(id))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]acs.Device, 0, len(ids))
	err = db.view(ctx, func(tx *bolt.Tx) error {
		facts := tx.Bucket([]byte(bucketFacts))
		for i, id := range ids {
			d := acs.Device{ID: id}
			known := reports[i] != nil
			if v := facts.Get(textKey(id)); v != nil {
				f, err := decodeFacts(db.keys, v)
				if err != nil {
					db.damaged.add(bucketFacts, textKey(id), err)
				} else {
					known = true
					d.Identity, d.Facts = f.Identity, f.Facts
				}
			}
			if reports[i] != nil {
				d.Identity, d.Reported = reports[i].identity, copyReported(reports[i].reported)
			}
			if known {
				list = append(list, d)
			}
		}
		return nil
	})
	return list, err
}

// readReport gives nil where there is none that can be read.
func (db *DB) readReport(devs, seens *bolt.Bucket, key []byte) *report {
	v := devs.Get(key)
	if v == nil {
		return nil
	}
	var dev devRecord
	if err := decode(v, &dev); err != nil {
		db.damaged.add(bucketDev, key, err)
		return nil
	}
	var seen seenRecord
	if v := seens.Get(key); v != nil {
		if err := decode(v, &seen); err != nil {
			db.damaged.add(bucketSeen, key, err)
			seen = seenRecord{}
		}
	}
	return reportOf(&dev, &seen)
}

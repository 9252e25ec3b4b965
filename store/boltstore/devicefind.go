package boltstore

import (
	"bytes"
	"context"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
)

// FindDevices implements acs.DeviceStore. Names are compared exactly, MACs by their digits.
func (db *DB) FindDevices(ctx context.Context, name string) ([]acs.Device, error) {
	if err := db.readable(ctx); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, nil
	}
	mac := acs.MACDigits(name)
	for _, by := range []struct {
		kind byte
		name string
		is   func(d *acs.Device) bool
	}{
		{nameRouterID, name, func(d *acs.Device) bool { return d.Facts.RouterID == name }},
		{0, name, func(d *acs.Device) bool { return d.ID == name }},
		{namePPPoE, name, func(d *acs.Device) bool { return d.Facts.PPPoELogin == name || d.Reported.PPPoELogin == name }},
		{nameSerial, name, func(d *acs.Device) bool { return d.Identity.SerialNumber == name }},
		{nameMAC, mac, func(d *acs.Device) bool {
			return acs.MACDigits(d.Facts.MAC) == mac || acs.MACDigits(d.Reported.MAC) == mac
		}},
	} {
		if by.kind == nameMAC && len(mac) != macDigits {
			continue
		}
		ids := []string{name}
		if by.kind != 0 {
			var err error
			if ids, err = db.candidates(ctx, nameKey(by.kind, by.name)); err != nil {
				return nil, err
			}
		}
		if len(ids) == 0 {
			continue
		}
		list, err := db.readDevices(ctx, ids)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(d acs.Device) bool { return !by.is(&d) })
		if len(list) > 0 {
			return list, nil
		}
	}
	return nil, nil
}

// candidates lists, in order, the devices that have or had a name.
func (db *DB) candidates(ctx context.Context, name []byte) (ids []string, err error) {
	scan := func(bucket string) func(tx *bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte(bucket)).Cursor()
			for k, v := c.Seek(name); bytes.HasPrefix(k, name); k, v = c.Next() {
				ids = append(ids, namedID(name, k, v))
			}
			return nil
		}
	}
	db.devices.overlay(func(b *batch) bool {
		ids = append(ids, b.names[string(name)]...)
		return false
	})
	if err := db.viewDevices(ctx, scan(bucketName)); err != nil {
		return nil, err
	}
	if err := db.view(ctx, scan(bucketFname)); err != nil {
		return nil, err
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// deviceStep is how many devices a list puts together at once.
const deviceStep = 256

// Devices implements acs.DeviceStore. A cursor that no page gave is an *acs.InvalidError.
func (db *DB) Devices(ctx context.Context, f acs.DeviceFilter) (page []acs.Device, next string, err error) {
	after, ok := strings.CutPrefix(f.Cursor, "after:")
	if f.Cursor != "" && !ok {
		return nil, "", badCursor()
	}
	limit := pageSize(f.Limit)
	for begin := f.Cursor == ""; ; begin = false {
		ids, err := db.deviceIDs(ctx, after, begin)
		if err != nil || len(ids) == 0 {
			return page, "", err
		}
		list, err := db.readDevices(ctx, ids)
		if err != nil {
			return nil, "", err
		}
		for i := range list {
			if !f.Match(&list[i]) {
				continue
			}
			if len(page) == limit {
				return page, "after:" + page[limit-1].ID, nil
			}
			page = append(page, list[i])
		}
		after = ids[len(ids)-1]
	}
}

// deviceIDs lists the first devices after one, or from the beginning.
func (db *DB) deviceIDs(ctx context.Context, after string, begin bool) (ids []string, err error) {
	db.devices.overlay(func(b *batch) bool {
		for id := range b.reports {
			if begin || id > after {
				ids = append(ids, id)
			}
		}
		return false
	})
	scan := func(bucket string) func(tx *bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			c := tx.Bucket([]byte(bucket)).Cursor()
			k, v := c.Seek(textKey(after))
			for n := 0; k != nil && n < deviceStep; k, v = c.Next() {
				id, whole := textID(k)
				if !whole {
					var named idOnly
					if decode(v, &named) != nil {
						continue
					}
					id = named.ID
				}
				if begin || id > after {
					ids = append(ids, id)
					n++
				}
			}
			return nil
		}
	}
	if err := db.viewDevices(ctx, scan(bucketDev)); err != nil {
		return nil, err
	}
	if err := db.view(ctx, scan(bucketFacts)); err != nil {
		return nil, err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), deviceStep)], nil
}

type idOnly struct {
	V  int    `json:"v"`
	ID string `json:"id"`
}

func (r *idOnly) version() int { return r.V }

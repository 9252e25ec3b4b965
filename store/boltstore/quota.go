package boltstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strconv"

	"recado/acs"
)

// quotaDays is how many days back counts are kept: the last one is still asked for when a day ends.
const quotaDays = 1

// quotaPurge bounds how many old counts one operation deletes.
const quotaPurge = 64

// quotaKey is a day (as timeKey is a time) and the client: old ones are at the bucket's beginning.
func quotaKey(day acs.Day, client string) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(day)^signBit), bound(client)...)
}

func quotaDay(k []byte) (acs.Day, bool) {
	if len(k) < 8 {
		return 0, false
	}
	return acs.Day(binary.BigEndian.Uint64(k) ^ signBit), true
}

func (g *group) used(key []byte) (int, error) {
	v := g.get(bucketQuota, key)
	if v == nil {
		return 0, nil
	}
	n, err := strconv.Atoi(string(v))
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%w: count of requests", ErrDamaged)
	}
	return n, nil
}

// ReserveRequests implements acs.QuotaStore.
func (db *DB) ReserveRequests(ctx context.Context, client string, day acs.Day, n, limit int) (r acs.Reserved, err error) {
	key := quotaKey(day, client)
	err = db.write(ctx, func(g *group) error {
		used, err := g.used(key)
		if err != nil {
			return fmt.Errorf("client %s: %w", client, err)
		}
		r = acs.Reserved{Granted: max(min(n, limit-used), 0), Used: used}
		if r.Granted == 0 {
			return nil
		}
		r.Used += r.Granted
		if used == 0 {
			g.purgeQuota(day - quotaDays)
		}
		g.put(bucketQuota, key, strconv.AppendInt(nil, int64(r.Used), 10))
		return nil
	})
	if err != nil {
		return acs.Reserved{}, err
	}
	return r, nil
}

// ReturnRequests implements acs.QuotaStore. A count that is gone, with its client or its day, stays gone.
func (db *DB) ReturnRequests(ctx context.Context, client string, day acs.Day, n int) error {
	if n <= 0 {
		return ctx.Err()
	}
	key := quotaKey(day, client)
	return db.write(ctx, func(g *group) error {
		used, err := g.used(key)
		if err != nil {
			return fmt.Errorf("client %s: %w", client, err)
		}
		if used > 0 {
			g.put(bucketQuota, key, strconv.AppendInt(nil, int64(max(used-n, 0)), 10))
		}
		return nil
	})
}

// purgeQuota deletes some of the counts of days before oldest.
func (g *group) purgeQuota(oldest acs.Day) {
	var gone [][]byte
	c := g.bucket(bucketQuota).Cursor()
	for k, _ := c.First(); k != nil && len(gone) < quotaPurge; k, _ = c.Next() {
		if day, ok := quotaDay(k); ok && day >= oldest {
			break
		}
		gone = append(gone, bytes.Clone(k))
	}
	for _, k := range gone {
		g.delete(bucketQuota, k)
	}
}

// forgetQuota deletes the counts of a client, of whatever days there are.
func (g *group) forgetQuota(client string) {
	var gone [][]byte
	c := g.bucket(bucketQuota).Cursor()
	k, _ := c.First()
	for k != nil {
		day, ok := quotaDay(k)
		if !ok {
			k, _ = c.Next()
			continue
		}
		if key := quotaKey(day, client); g.get(bucketQuota, key) != nil {
			gone = append(gone, key)
		}
		k, _ = c.Seek(quotaKey(day+1, ""))
	}
	for _, k := range gone {
		g.delete(bucketQuota, k)
	}
}

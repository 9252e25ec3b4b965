package boltstore

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/store/seal"
	"recado/webhook"
)

const proofContext = "store/key_proof"

// load proves the key and rebuilds the indexes.
func (db *DB) load() error {
	if err := proveKeys(db.main, db.keys); err != nil {
		return err
	}
	if err := db.makeDeadIndex(); err != nil {
		return err
	}
	return db.main.View(func(tx *bolt.Tx) error {
		for _, load := range []func(*bolt.Tx) error{
			db.loadEndpoints, db.loadLeft, db.loadDead, db.loadPending, db.loadReplaying, db.loadTallies, db.loadLive, db.loadIdempotency, db.loadSequences,
		} {
			if err := load(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// proveKeys opens the text that the store's first key sealed. A new store has none yet, and gets it.
func proveKeys(db *bolt.DB, keys *seal.Keys) error {
	var proof string
	if err := db.View(func(tx *bolt.Tx) error {
		proof = string(tx.Bucket([]byte(bucketMeta)).Get(keyProof))
		return nil
	}); err != nil {
		return err
	}
	if proof == "" {
		return db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte(bucketMeta)).Put(keyProof, []byte(keys.Seal("recado", proofContext)))
		})
	}
	return proves(proof, keys)
}

func proves(proof string, keys *seal.Keys) error {
	if _, err := keys.Open(proof, proofContext); err != nil {
		return fmt.Errorf("%w: %w; nothing was changed: put the key file back that the store was made with", ErrWrongKey, err)
	}
	return nil
}

func (db *DB) loadEndpoints(tx *bolt.Tx) error {
	health := tx.Bucket([]byte(bucketHealth))
	return tx.Bucket([]byte(bucketEp)).ForEach(func(k, v []byte) error {
		e, err := decodeEndpoint(db.keys, v)
		if err == nil {
			err = withHealth(&e, health.Get(k))
		}
		if err != nil {
			db.damaged.add(bucketEp, k, err)
			return nil
		}
		db.endpoints[e.ID] = &e
		return nil
	})
}

// loadLeft finds the deleted endpoints whose deliveries are not all cancelled.
func (db *DB) loadLeft(tx *bolt.Tx) error {
	return tx.Bucket([]byte(bucketEpGone)).ForEach(func(_, id []byte) error {
		db.left[string(id)] = nil
		return nil
	})
}

// loadPending queues the pending deliveries. One whose endpoint cannot be read waits in the file for a better day.
func (db *DB) loadPending(tx *bolt.Tx) error {
	deliveries := tx.Bucket([]byte(bucketDlv))
	return tx.Bucket([]byte(bucketPend)).ForEach(func(k, _ []byte) error {
		var r pendingRecord
		if err := decode(deliveries.Get(k), &r); err != nil {
			db.damaged.add(bucketDlv, k, err)
			return nil
		}
		d := webhook.Delivery{
			Endpoint: r.Delivery.Endpoint, OrderKey: r.Delivery.OrderKey, Priority: r.Delivery.Priority,
			NextAt: r.Delivery.NextAt, PutOffAt: r.Delivery.PutOffAt, CreatedAt: r.Delivery.CreatedAt,
		}
		if e := db.endpoints[d.Endpoint]; e != nil {
			db.out.put(string(k), &d, e)
		} else if keys, deleted := db.left[d.Endpoint]; deleted {
			db.left[d.Endpoint] = append(keys, string(k))
		}
		return nil
	})
}

// pendingRecord is the part of a deliveryRecord that the queues need: there can be a million to load.
type pendingRecord struct {
	V        int `json:"v"`
	Delivery struct {
		Endpoint  string           `json:"endpoint"`
		OrderKey  string           `json:"order_key"`
		Priority  webhook.Priority `json:"priority"`
		NextAt    time.Time        `json:"next_at"`
		PutOffAt  time.Time        `json:"put_off_at"`
		CreatedAt time.Time        `json:"created_at"`
	} `json:"d"`
}

func (r *pendingRecord) version() int { return r.V }

func (db *DB) loadLive(tx *bolt.Tx) error {
	actions := tx.Bucket([]byte(bucketAct))
	return tx.Bucket([]byte(bucketDue)).ForEach(func(k, _ []byte) error {
		_, id, ok := splitStamped(k)
		if !ok {
			db.damaged.add(bucketDue, k, ErrDamaged)
			return nil
		}
		var r liveRecord
		err := decode(actions.Get(id[:]), &r)
		if err == nil && r.Action.ID != id {
			err = fmt.Errorf("%w: it is another action's", ErrDamaged)
		}
		if err != nil {
			db.damaged.add(bucketAct, id[:], err)
			return nil
		}
		db.setLive(id, newLive(&acs.Action{
			ID: id, Device: r.Action.Device, Status: r.Action.Status, Stage: r.Action.Stage, DeadlineAt: r.Action.DeadlineAt,
			WatchUntil: r.Action.WatchUntil, Sends: r.Action.Sends, Version: r.Action.Version,
		}))
		return nil
	})
}

// liveRecord is the part of an actionRecord that live needs: there can be many to load.
type liveRecord struct {
	V      int `json:"v"`
	Action struct {
		ID         acs.Protocolo `json:"id"`
		Device     string        `json:"device"`
		Status     acs.Status    `json:"status"`
		Stage      acs.Stage     `json:"stage"`
		DeadlineAt time.Time     `json:"deadline_at"`
		WatchUntil time.Time     `json:"watch_until"`
		Sends      int           `json:"sends"`
		Version    uint64        `json:"version"`
	} `json:"a"`
}

func (r *liveRecord) version() int { return r.V }

func (db *DB) loadIdempotency(tx *bolt.Tx) error {
	oldest := db.now().Add(-acs.IdempotencyWindow)
	c := tx.Bucket([]byte(bucketIdem)).Cursor()
	for k, v := c.Seek(timeKey(oldest)); k != nil; k, v = c.Next() {
		at, id, ok := splitStamped(k)
		if !ok || len(v) != len(idemKey{})+len(idemMAC{}) {
			db.damaged.add(bucketIdem, k, ErrDamaged)
			continue
		}
		db.idem[idemKey(v[:16])] = idemEntry{mac: idemMAC(v[16:]), id: id, at: at}
	}
	return nil
}

func (db *DB) loadSequences(tx *bolt.Tx) error {
	return tx.Bucket([]byte(bucketSeqLog)).ForEach(func(k, v []byte) error {
		text, device, _ := strings.Cut(string(v), " ")
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			db.damaged.add(bucketSeqLog, k, ErrDamaged)
			return nil
		}
		db.seqRecent[device] = max(n, db.seqRecent[device])
		return nil
	})
}

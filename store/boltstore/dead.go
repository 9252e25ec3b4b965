package boltstore

import (
	bolt "go.etcd.io/bbolt"

	"recado/webhook"
)

// keyDeadIndex tells that the index of dead deliveries is whole: an older program did not keep it.
var keyDeadIndex = []byte("dead_index")

// indexDead puts a delivery into the index of the dead ones, or out of it, as its state is.
func (g *group) indexDead(key []byte, d *webhook.Delivery) {
	if d.State != webhook.DeliveryDead {
		g.unindexDead(key)
		return
	}
	if g.get(bucketDead, key) != nil {
		return
	}
	g.put(bucketDead, key, []byte(d.Endpoint))
	endpoint := d.Endpoint
	g.then(func() { g.db.dead[endpoint]++ })
}

func (g *group) unindexDead(key []byte) {
	v := g.get(bucketDead, key)
	if v == nil {
		return
	}
	endpoint := string(v)
	g.delete(bucketDead, key)
	g.then(func() {
		if g.db.dead[endpoint]--; g.db.dead[endpoint] <= 0 {
			delete(g.db.dead, endpoint)
		}
	})
}

// makeDeadIndex makes the index in a store of an older program.
func (db *DB) makeDeadIndex() error {
	have := false
	err := db.main.View(func(tx *bolt.Tx) error {
		have = tx.Bucket([]byte(bucketMeta)).Get(keyDeadIndex) != nil
		return nil
	})
	if err != nil || have {
		return err
	}
	return db.main.Update(func(tx *bolt.Tx) error {
		dead := tx.Bucket([]byte(bucketDead))
		err := tx.Bucket([]byte(bucketDlv)).ForEach(func(k, v []byte) error {
			if !hasField(v, "state", string(webhook.DeliveryDead)) {
				return nil
			}
			d, err := decodeDelivery(v)
			if err != nil || d.State != webhook.DeliveryDead {
				return nil // one that cannot be read is told of when it is met
			}
			return dead.Put(k, []byte(d.Endpoint))
		})
		if err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketMeta)).Put(keyDeadIndex, []byte("1"))
	})
}

// loadDead counts the dead deliveries of each endpoint.
func (db *DB) loadDead(tx *bolt.Tx) error {
	return tx.Bucket([]byte(bucketDead)).ForEach(func(_, endpoint []byte) error {
		db.dead[string(endpoint)]++
		return nil
	})
}

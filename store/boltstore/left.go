package boltstore

import (
	"context"
	"fmt"

	"recado/webhook"
)

// cancelBatch is how many deliveries of a deleted endpoint are cancelled in one transaction: others wait no longer than for a few
// milliseconds.
const cancelBatch = 500

// deleteEndpoint deletes an endpoint, for the eyes of all. What was pending for it is left to cancelLeft; it is out of the queues with
// the commit, and a mark in the file keeps it from being forgotten.
func (g *group) deleteEndpoint(id string) {
	g.delete(bucketEp, textKey(id))
	g.delete(bucketHealth, textKey(id))
	g.put(bucketEpGone, textKey(id), []byte(id))
	g.setEndpoint(id, nil)
	// An attempt recorded earlier in this group has left the state of settling by then, and a later one finds no endpoint.
	g.then(func() { g.db.left[id] = g.db.out.drop(id) })
}

// cancelLeft cancels what was pending for deleted endpoints. What it leaves after an error is done by Purge, or when the store is
// opened again.
func (db *DB) cancelLeft() error {
	db.cancelling.Lock()
	defer db.cancelling.Unlock()
	for {
		id, keys, last := db.someLeft()
		if id == "" {
			return nil
		}
		// It has been accepted: the caller's context cannot take it back any more.
		err := db.write(context.Background(), func(g *group) error {
			for _, k := range keys {
				g.cancelPending([]byte(k))
			}
			if last {
				g.delete(bucketEpGone, textKey(id))
			}
			g.then(func() {
				if g.db.left[id] = g.db.left[id][len(keys):]; last {
					delete(g.db.left, id)
				}
			})
			return nil
		})
		if err != nil {
			return fmt.Errorf("cancel deliveries of endpoint %s: %w", id, err)
		}
	}
}

// someLeft picks a batch; last tells that it is the last one of its endpoint. No id means that nothing is left.
func (db *DB) someLeft() (id string, keys []string, last bool) {
	db.mu.RLock()
	defer db.mu.RUnlock()
	for id, keys = range db.left {
		return id, keys[:min(len(keys), cancelBatch)], len(keys) <= cancelBatch
	}
	return "", nil, false
}

func (g *group) cancelPending(key []byte) {
	v := g.get(bucketDlv, key)
	if v == nil {
		g.delete(bucketPend, key)
		return
	}
	d, err := decodeDelivery(v)
	if err != nil {
		g.db.damaged.add(bucketDlv, key, err)
		g.delete(bucketPend, key)
		return
	}
	if d.State == webhook.DeliveryPending {
		g.cancel(key, d)
	}
}

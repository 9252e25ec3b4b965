package boltstore

import (
	"encoding/hex"
	"log/slog"
	"sync"
)

// damagedRecords remembers which records cannot be read, so that each is logged once.
type damagedRecords struct {
	log *slog.Logger
	mu  sync.Mutex
	at  map[string]struct{}
}

func (d *damagedRecords) init(log *slog.Logger) {
	d.log, d.at = log, make(map[string]struct{})
}

// add notes a record; its content does not go into the log.
func (d *damagedRecords) add(bucket string, key []byte, err error) {
	at := bucket + "/" + string(key)
	d.mu.Lock()
	_, known := d.at[at]
	d.at[at] = struct{}{}
	d.mu.Unlock()
	if !known {
		d.log.Warn("stored record is left out", "bucket", bucket, "key", hex.EncodeToString(key), "error", err)
	}
}

func (d *damagedRecords) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.at)
}

func (d *damagedRecords) has(bucket string, key []byte) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, ok := d.at[bucket+"/"+string(key)]
	return ok
}

package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"recado/acs"
	"recado/store/boltstore"
	"recado/store/memstore"
	"recado/store/seal"
	"recado/webhook"
)

// database is a store as a whole.
type database interface {
	acs.Store
	webhook.Store
	io.Closer
}

// openStore opens what --store names. The store has checked the URL already.
func (a *App) openStore() (database, error) {
	if a.cfg.Store == "memory:" {
		a.log.Warn("the store is in memory: all is lost when the server ends")
		return memstore.New(), nil
	}
	path := a.cfg.boltPath()
	o := boltstore.Options{Logger: a.log.With("component", "store")}
	if a.cfg.KeyFile != path+".key" {
		keys, err := a.keysElsewhere(path)
		if err != nil {
			return nil, err
		}
		o.Keys = keys
	}
	db, err := boltstore.Open(path, o)
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	return db, nil
}

// keysElsewhere loads a key file that is not beside the store. It is made with a new store only: for an old one it would be the
// wrong key.
func (a *App) keysElsewhere(path string) (*seal.Keys, error) {
	keys, err := seal.Load(a.cfg.KeyFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil, badField("key-file", "%s is missing, and the store %s is not new; want the key that it was made with", a.cfg.KeyFile, path)
	}
	return seal.LoadOrCreate(a.cfg.KeyFile)
}

// idempotencyKey derives the key that request bodies are bound with from the store's own; nil for a store in memory.
func (a *App) idempotencyKey() ([]byte, error) {
	if a.cfg.Store == "memory:" {
		return nil, nil
	}
	keys, err := seal.Load(a.cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	return keys.MAC("idempotency", nil), nil
}

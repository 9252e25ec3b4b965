package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"recado/store"
	"recado/store/seal"
)

// openStore opens what --store names.
func (a *App) openStore(ctx context.Context) (store.Store, error) {
	o := store.Options{Logger: a.log.With("component", "store")}
	switch path := a.cfg.boltPath(); {
	case a.cfg.inMemory():
		a.log.Warn("the store is in memory: all is lost when the server ends")
	case a.cfg.KeyFile != path+".key":
		keys, err := a.keysElsewhere()
		if err != nil {
			return nil, err
		}
		o.Keys = keys
	}
	s, err := store.Open(ctx, a.cfg.Store, o)
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	return s, nil
}

// keysElsewhere loads a key file that is not beside the store. It is made with a new store only: for an old one it would be the
// wrong key.
func (a *App) keysElsewhere() (*seal.Keys, error) {
	keys, err := seal.Load(a.cfg.KeyFile)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if err := a.missingKey(); err != nil {
		return nil, err
	}
	return seal.LoadOrCreate(a.cfg.KeyFile)
}

// missingKey is the error of a key file that is missing; nil where the store is new, with which it is made.
func (a *App) missingKey() error {
	if a.storeIsNew() {
		return nil
	}
	return badField("key-file", "%s is missing, and the store %s is not new; want the key that it was made with", a.cfg.KeyFile, a.cfg.boltPath())
}

// storeIsNew reports whether opening the store would make it.
func (a *App) storeIsNew() bool {
	if a.cfg.inMemory() {
		return true
	}
	_, err := os.Stat(a.cfg.boltPath())
	return errors.Is(err, fs.ErrNotExist)
}

// idempotencyKey derives the key that request bodies are bound with from the store's own; nil for a store in memory.
func (a *App) idempotencyKey() ([]byte, error) {
	if a.cfg.inMemory() {
		return nil, nil
	}
	keys, err := seal.Load(a.cfg.KeyFile)
	if err != nil {
		return nil, err
	}
	return keys.MAC("idempotency", nil), nil
}

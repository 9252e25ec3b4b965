package app

import (
	"context"
	"io"

	"recado/store/boltstore"
)

// Dump prints what a store holds, one JSON object a line, without secrets. The server must not be running.
func Dump(_ context.Context, store string, w io.Writer) error {
	c := DefaultConfig()
	c.Store = store
	if err := c.resolveStore(); err != nil {
		return err
	}
	if c.inMemory() {
		return badField("store", "a store in memory holds nothing that could be printed; want bolt://PATH")
	}
	return boltstore.Dump(w, c.boltPath(), boltstore.Options{})
}

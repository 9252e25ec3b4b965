package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"recado/acs"
	"recado/store/boltstore"
	"recado/store/memstore"
	"recado/store/seal"
	"recado/webhook"
)

// Store is all that Recado keeps. Endpoints is acs.Store's and webhook.Store's at once.
type Store interface {
	acs.Store
	webhook.Store
	// Close writes down what is not on disk yet and gives the store free. Later calls fail with acs.ErrUnavailable, but for
	// Close itself, which may be called again.
	Close() error
}

// ErrURL is a URL that names no store.
var ErrURL = errors.New("no store URL; want bolt://PATH, such as bolt://./data/recado.db, or memory: for none on disk")

// Options are what Open can be told besides the URL. The zero value is fine.
type Options struct {
	// Keys seal what is secret in a file. nil: the key file beside the store, which is made with a new store.
	Keys *seal.Keys
	// Timeout is how long to wait for a file that another process has open; 0 is boltstore's default. A timeout that is
	// given is cut short where the context ends before it.
	Timeout time.Duration
	// Logger is told of what goes wrong inside a store; nil is nobody.
	Logger *slog.Logger
}

// Open opens the store that url names: "memory:", which forgets all when the process ends, or "bolt://PATH", a file that is made
// where there is none. PATH is relative to the working directory unless it begins with a slash: bolt:///var/lib/recado/recado.db.
// Anything else is ErrURL, which does not repeat the URL: there may be a password in it.
func Open(ctx context.Context, url string, o Options) (Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	scheme, rest, ok := strings.Cut(url, ":")
	path, slashes := strings.CutPrefix(rest, "//")
	switch {
	case ok && scheme == "memory" && rest == "":
		return memstore.New(), nil
	case ok && scheme == "bolt" && slashes && path != "":
		return openBolt(ctx, path, o)
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return nil, fmt.Errorf("%s is not among the supported schemes, bolt and memory: %w", scheme, ErrURL)
	}
	return nil, ErrURL
}

func openBolt(ctx context.Context, path string, o Options) (Store, error) {
	timeout := o.Timeout
	if deadline, ok := ctx.Deadline(); ok && timeout > 0 {
		timeout = min(timeout, max(time.Until(deadline), time.Nanosecond))
	}
	db, err := boltstore.Open(path, boltstore.Options{Keys: o.Keys, Timeout: timeout, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return db, nil
}

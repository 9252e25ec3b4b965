package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// loops runs what runs long, each loop with an end of its own, so that they can be ended in order.
type loops struct {
	mu     sync.Mutex
	byName map[string]*loop
	failed chan error
}

type loop struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func newLoops() *loops { return &loops{byName: map[string]*loop{}, failed: make(chan error, 1)} }

// start runs f until stop. A loop that ends by itself is a failure, told on failed.
func (l *loops) start(ctx context.Context, name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	one := &loop{cancel: cancel, done: make(chan struct{})}
	l.mu.Lock()
	l.byName[name] = one
	l.mu.Unlock()
	go func() {
		defer close(one.done)
		if err := f(ctx); err != nil {
			one.err = fmt.Errorf("%s: %w", name, err)
		}
		if ctx.Err() != nil {
			return
		}
		err := one.err
		if err == nil {
			err = fmt.Errorf("%s ended by itself", name)
		}
		select {
		case l.failed <- err:
			one.err = nil // it is told already
		default:
		}
	}()
}

// stop ends the named loops, and waits for them until ctx ends. Its errors are theirs, joined.
func (l *loops) stop(ctx context.Context, names ...string) error {
	for _, name := range names {
		if one := l.get(name); one != nil {
			one.cancel()
		}
	}
	var errs []error
	for _, name := range names {
		one := l.get(name)
		if one == nil {
			continue
		}
		select {
		case <-one.done:
			errs = append(errs, one.err)
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s did not end in time", name))
		}
	}
	return errors.Join(errs...)
}

func (l *loops) get(name string) *loop {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byName[name]
}

// stopped names a loop that does not run any more, "" where all do.
func (l *loops) stopped() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, one := range l.byName {
		select {
		case <-one.done:
			return name
		default:
		}
	}
	return ""
}

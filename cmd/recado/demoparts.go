package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"recado/acs/wire"
	"recado/webhook/webhooktest"
)

// crew runs the parts of a demonstration, and ends them last first.
type crew struct {
	ctx    context.Context // the crew lives as long as the one function that makes it
	failed chan error

	mu    sync.Mutex
	parts []part
}

type part struct {
	cancel context.CancelFunc
	done   chan error
}

func newCrew(ctx context.Context) *crew {
	return &crew{ctx: context.WithoutCancel(ctx), failed: make(chan error, 1)}
}

// start runs f until stop. One that ends before is told on failed.
func (c *crew) start(name string, f func(context.Context) error) {
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan error, 1)
	c.mu.Lock()
	c.parts = append(c.parts, part{cancel, done})
	c.mu.Unlock()
	go func() {
		err := f(ctx)
		if ctx.Err() == nil {
			if err == nil {
				err = errors.New("ended by itself")
			}
			select {
			case c.failed <- fmt.Errorf("%s: %w", name, err):
			default:
			}
			err = nil // told already
		}
		done <- err
	}()
}

// failure is that of a part that ended early, nil where none did.
func (c *crew) failure() error {
	select {
	case err := <-c.failed:
		return err
	default:
		return nil
	}
}

func (c *crew) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	for i := len(c.parts) - 1; i >= 0; i-- {
		c.parts[i].cancel()
		errs = append(errs, <-c.parts[i].done)
	}
	c.parts = nil
	return errors.Join(errs...)
}

// arrivals keeps verified events by protocolo.
type arrivals struct {
	mu      sync.Mutex
	events  map[string]wire.ActionEvent
	changed chan struct{} // closed and made anew with each
}

func newArrivals() *arrivals {
	return &arrivals{events: map[string]wire.ActionEvent{}, changed: make(chan struct{})}
}

func (a *arrivals) add(in webhooktest.Arrival) {
	var e wire.ActionEvent
	if !in.Verified() || json.Unmarshal(in.Body, &e) != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events[e.Protocolo] = e
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *arrivals) wait(ctx context.Context, protocolo string) (wire.ActionEvent, error) {
	for {
		a.mu.Lock()
		e, ok := a.events[protocolo]
		changed := a.changed
		a.mu.Unlock()
		if ok {
			return e, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return e, context.Cause(ctx)
		}
	}
}

// safeWriter is a writer for several goroutines.
type safeWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// Write implements io.Writer.
func (s *safeWriter) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

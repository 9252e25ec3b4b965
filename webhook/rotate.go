package webhook

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Bounds of a rotation's overlap.
const (
	DefaultOverlap = 24 * time.Hour
	MaxOverlap     = 7 * 24 * time.Hour
)

// ErrRotating is a rotation asked for while another one is under way. Promote ends that one.
var ErrRotating = errors.New("a rotation is under way")

// Rotation is a change of an endpoint's secret.
type Rotation struct {
	// Secret is the client's own, see ParseSecret; one is made where it is empty.
	Secret string
	// Overlap is how long the old secret signs too, 0 to MaxOverlap; nil is DefaultOverlap. 0 ends the old one at once.
	Overlap *time.Duration
}

// Rotating tells whether the old secret still signs at now.
func (e *Endpoint) Rotating(now time.Time) bool {
	return e.OldSecret != "" && now.Before(e.OldSecretUntil)
}

// dropOldSecret takes away an old secret whose time is over, and tells whether there was one.
func (e *Endpoint) dropOldSecret(now time.Time) bool {
	if e.OldSecret == "" && e.OldSecretUntil.IsZero() || e.Rotating(now) {
		return false
	}
	e.OldSecret, e.OldSecretUntil = "", time.Time{}
	return true
}

// Rotate gives an endpoint of client a new secret. During the overlap the old one signs too: both are in webhook-signature, the
// new one first; the body signature, which has room for one, stays with the old one. There are never more than two: while an
// overlap lasts another rotation is ErrRotating, since it would end the secret that receivers may still rely on; Promote comes
// first then. Errors besides: *InvalidError, ErrNotFound, ErrConflict, and the store's.
func (s *Service) Rotate(ctx context.Context, client, id string, r Rotation) (Endpoint, error) {
	overlap := DefaultOverlap
	if r.Overlap != nil {
		overlap = *r.Overlap
	}
	if overlap < 0 || overlap > MaxOverlap {
		return Endpoint{}, invalid("overlap", "must be 0 to %v, got %v", MaxOverlap, overlap)
	}
	fresh := NewSecret()
	if r.Secret != "" {
		var err error
		if fresh, err = ParseSecret(r.Secret); err != nil {
			return Endpoint{}, &InvalidError{Field: "secret", Problem: err.Error()}
		}
	}
	e, err := s.update(ctx, client, id, func(e *Endpoint, now time.Time) error {
		if e.Rotating(now) {
			return fmt.Errorf("endpoint %q: %w", id, ErrRotating)
		}
		old, err := ParseSecret(e.Secret)
		if err == nil && old.Standard() == fresh.Standard() {
			return invalid("secret", "is the one that the endpoint has already, so nothing would change")
		}
		e.OldSecret, e.OldSecretUntil = "", time.Time{}
		if overlap > 0 {
			e.OldSecret, e.OldSecretUntil = e.Secret, now.Add(overlap)
		}
		e.Secret = fresh.Text()
		return nil
	})
	if err != nil {
		return Endpoint{}, err
	}
	wake(s.rotated)
	return e, nil
}

// Promote ends a rotation's overlap at once: the new secret signs alone, and the old one is wiped. Without a rotation it changes
// nothing, so that a call whose answer was lost can be made again. Errors: ErrNotFound, ErrConflict, and the store's.
func (s *Service) Promote(ctx context.Context, client, id string) (Endpoint, error) {
	e, err := s.update(ctx, client, id, func(e *Endpoint, _ time.Time) error {
		if e.OldSecret == "" && e.OldSecretUntil.IsZero() {
			return errUnchanged
		}
		e.OldSecret, e.OldSecretUntil = "", time.Time{}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return s.Endpoint(ctx, client, id)
	}
	return e, err
}

// errUnchanged ends an update that has nothing to write.
var errUnchanged = errors.New("unchanged")

// update reads an endpoint of client, changes it and stores it, again where somebody else changed it meanwhile.
func (s *Service) update(ctx context.Context, client, id string, change func(e *Endpoint, now time.Time) error) (Endpoint, error) {
	for try := 1; ; try++ {
		e, err := s.Endpoint(ctx, client, id)
		if err != nil {
			return Endpoint{}, err
		}
		now := time.Now().UTC()
		if err := change(&e, now); err != nil {
			return Endpoint{}, err
		}
		e.UpdatedAt = now
		e, err = s.store.UpdateEndpoint(ctx, e)
		if err == nil {
			return e, nil
		}
		if !errors.Is(err, ErrConflict) || try == changeTries {
			return Endpoint{}, fmt.Errorf("change endpoint: %w", err)
		}
	}
}

// wipeCheck is how often RunSecrets looks without being told: other processes may share the store.
const wipeCheck = time.Hour

// RunSecrets wipes old secrets from the store when their overlap is over, until ctx ends. Nobody signs with them after that in
// any case; but what is not kept cannot be stolen.
func (s *Service) RunSecrets(ctx context.Context) error {
	for pause := minBackoff; ; {
		next, err := s.WipeOldSecrets(ctx)
		wait := time.Until(next)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			wait, pause = pause, min(2*pause, time.Minute)
		default:
			pause = minBackoff
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-s.rotated:
			t.Stop()
		case <-t.C:
		}
	}
}

// WipeOldSecrets wipes the old secrets whose overlap is over from the store, and tells when to look again.
func (s *Service) WipeOldSecrets(ctx context.Context) (next time.Time, err error) {
	all, err := s.store.Endpoints(ctx, "")
	if err != nil {
		return time.Time{}, fmt.Errorf("wipe old secrets: %w", err)
	}
	now := time.Now()
	next = now.Add(wipeCheck)
	for i := range all {
		e := &all[i]
		if e.Rotating(now) {
			if e.OldSecretUntil.Before(next) {
				next = e.OldSecretUntil
			}
			continue
		}
		if !e.dropOldSecret(now) {
			continue
		}
		switch _, err := s.store.UpdateEndpoint(ctx, *e); {
		case errors.Is(err, ErrConflict):
			next = now.Add(minBackoff) // changed meanwhile
		case err != nil && !errors.Is(err, ErrNotFound):
			return time.Time{}, fmt.Errorf("wipe the old secret of endpoint %s: %w", e.ID, err)
		}
	}
	return next, nil
}

// wake puts a value into c unless one waits there already.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

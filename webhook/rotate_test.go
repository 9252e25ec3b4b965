package webhook_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/webhook"
)

func TestRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newService(nil)
		e := mustRegister(t, s, "c1", webhook.Registration{})
		first := e.Secret
		now := time.Now()
		e, err := s.Rotate(t.Context(), "c1", e.ID, webhook.Rotation{})
		if err != nil {
			t.Fatal(err)
		}
		if e.Secret == first || e.OldSecret != first || !e.OldSecretUntil.Equal(now.Add(24*time.Hour)) || !e.Rotating(now) {
			t.Errorf("got secret changed %v, old kept %v, until %v; want a new one, the old one for a day", e.Secret != first, e.OldSecret == first, e.OldSecretUntil)
		}
		second := e.Secret
		if _, err := s.Rotate(t.Context(), "c1", e.ID, webhook.Rotation{}); !errors.Is(err, webhook.ErrRotating) {
			t.Errorf("a second rotation: got %v, want ErrRotating", err)
		}
		if got, err := s.Endpoint(t.Context(), "c1", e.ID); err != nil || got.Secret != second || got.OldSecret != first {
			t.Errorf("after the refusal: got %v, want both secrets unchanged", err)
		}
		for range 2 { // the second finds nothing to do
			if e, err = s.Promote(t.Context(), "c1", e.ID); err != nil || e.OldSecret != "" || !e.OldSecretUntil.IsZero() || e.Secret != second {
				t.Fatalf("promote: got %v, old %q until %v", err, e.OldSecret, e.OldSecretUntil)
			}
		}
		// The client's own text, and no overlap.
		if e, err = s.Rotate(t.Context(), "c1", e.ID, webhook.Rotation{Secret: "the client's own text", Overlap: ptr(time.Duration(0))}); err != nil ||
			e.Secret != "the client's own text" || e.OldSecret != "" || e.Rotating(now) {
			t.Errorf("without overlap: got %v, rotating %v", err, e.Rotating(now))
		}
		// An overlap that has ended does not stand in the way, wiped or not.
		if e, err = s.Rotate(t.Context(), "c1", e.ID, webhook.Rotation{Overlap: ptr(time.Second)}); err != nil {
			t.Fatal(err)
		}
		third := e.Secret
		time.Sleep(time.Second)
		if e, err = s.Rotate(t.Context(), "c1", e.ID, webhook.Rotation{Overlap: ptr(webhook.MaxOverlap)}); err != nil || e.OldSecret != third {
			t.Errorf("after the overlap: got %v, old is the one before %v", err, e.OldSecret == third)
		}
	})
}

func TestRotateRefused(t *testing.T) {
	s, _ := newService(nil)
	e := mustRegister(t, s, "c1", webhook.Registration{Secret: "the client's own text"})
	for _, c := range []struct {
		name, field, says string
		r                 webhook.Rotation
	}{
		{"below 0", "overlap", "0 to", webhook.Rotation{Overlap: ptr(-time.Second)}},
		{"above a week", "overlap", "0 to", webhook.Rotation{Overlap: ptr(webhook.MaxOverlap + time.Second)}},
		{"bad secret", "secret", "24 to 64", webhook.Rotation{Secret: "whsec_hushhush"}},
		{"the same", "secret", "nothing would change", webhook.Rotation{Secret: "the client's own text"}},
		{"the same in standard form", "secret", "24 to 64", webhook.Rotation{Secret: mustSecret(t, "the client's own text").Standard()}},
	} {
		_, err := s.Rotate(t.Context(), "c1", e.ID, c.r)
		var invalid *webhook.InvalidError
		if !errors.As(err, &invalid) || invalid.Field != c.field || !strings.Contains(invalid.Problem, c.says) {
			t.Errorf("%s: got %v, want %s: …%s…", c.name, err, c.field, c.says)
		}
		if err != nil && strings.Contains(err.Error(), "hushhush") {
			t.Errorf("%s: the error shows the secret: %v", c.name, err)
		}
	}
	if _, err := s.Rotate(t.Context(), "c2", e.ID, webhook.Rotation{}); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("another client: got %v, want ErrNotFound", err)
	}
	if _, err := s.Promote(t.Context(), "c2", e.ID); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("promote by another client: got %v, want ErrNotFound", err)
	}
}

// TestOldSecretIsWiped looks into the store itself.
func TestOldSecretIsWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newService(nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.RunSecrets(ctx) }()
		stored := func(id string) string {
			e, err := store.Endpoint(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			return e.OldSecret
		}
		a, b := mustRegister(t, s, "c1", webhook.Registration{}), mustRegister(t, s, "c2", webhook.Registration{})
		rotate := func(e webhook.Endpoint, overlap time.Duration) {
			if _, err := s.Rotate(t.Context(), e.Client, e.ID, webhook.Rotation{Overlap: &overlap}); err != nil {
				t.Fatal(err)
			}
		}
		rotate(a, 3*time.Hour)
		rotate(b, 10*time.Minute)
		time.Sleep(10*time.Minute - time.Millisecond)
		synctest.Wait()
		if stored(a.ID) == "" || stored(b.ID) == "" {
			t.Error("an old secret was wiped within its overlap")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if stored(a.ID) == "" || stored(b.ID) != "" {
			t.Errorf("after 10 min: got wiped %v and %v, want only the second", stored(a.ID) == "", stored(b.ID) == "")
		}
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		if stored(a.ID) != "" {
			t.Error("after the overlap: the old secret is still stored")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("RunSecrets: %v", err)
		}
		// Without the loop, the next change does it.
		rotate(a, time.Minute)
		time.Sleep(time.Minute)
		if _, err := s.Change(t.Context(), "c1", a.ID, webhook.Change{Description: ptr("x")}); err != nil {
			t.Fatal(err)
		}
		if stored(a.ID) != "" {
			t.Error("after a change: the old secret is still stored")
		}
	})
}

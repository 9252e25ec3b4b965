package acs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
)

type purger struct {
	asked []acs.Retention
	at    []time.Time
}

func (p *purger) Purge(_ context.Context, r acs.Retention) (acs.Purged, error) {
	p.asked, p.at = append(p.asked, r), append(p.at, time.Now())
	if len(p.asked) == 1 {
		return acs.Purged{}, errors.New("disk full")
	}
	return acs.Purged{Actions: 1}, nil
}

func TestPurgingGoesOnOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, begun := &purger{}, time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour)
		defer cancel()
		if err := acs.NewPurging(p, nil).Run(ctx); err != nil {
			t.Fatalf("run: got %v, want nil", err)
		}
		want := []time.Duration{10 * time.Minute, 70 * time.Minute, 130 * time.Minute}
		if len(p.at) != len(want) {
			t.Fatalf("purges in three hours: got %d, want %d", len(p.at), len(want))
		}
		for i, at := range p.at {
			if at.Sub(begun) != want[i] {
				t.Errorf("purge %d: got %v after the start, want %v", i+1, at.Sub(begun), want[i])
			}
			if r := p.asked[i]; at.Sub(r.Before) != 30*24*time.Hour || at.Sub(r.DeadBefore) != 90*24*time.Hour {
				t.Errorf("purge %d: got %v and %v, want 30 and 90 days", i+1, at.Sub(r.Before), at.Sub(r.DeadBefore))
			}
		}
	})
}

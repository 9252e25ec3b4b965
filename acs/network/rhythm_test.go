package network_test

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"recado/acs/network"
)

func TestRhythmHas24Bytes(t *testing.T) {
	if got := unsafe.Sizeof(network.Rhythm{}); got > 24 {
		t.Errorf("a rhythm has %d bytes, want at most 24", got)
	}
}

// regular gives a rhythm that has called in every interval, n times.
func regular(every time.Duration, n int) (r network.Rhythm, last time.Time) {
	for i := range n {
		last = midnight.Add(time.Duration(i) * every)
		r.Arrive(last, network.Periodic)
	}
	return r, last
}

func TestRhythmLearns(t *testing.T) {
	r, last := regular(time.Hour, 3)
	if got := r.Every(); got != 0 {
		t.Errorf("after two intervals: got %s, want none yet", got)
	}
	if _, silent := r.Silent(last.Add(100 * time.Hour)); silent {
		t.Error("silent without a known rhythm")
	}
	r, _ = regular(time.Hour, 4)
	if got := r.Every(); got != time.Hour {
		t.Errorf("after three intervals: got %s, want 1h", got)
	}
	r, last = regular(time.Hour, 20)
	for after, want := range map[time.Duration]bool{time.Hour: false, time.Hour + 29*time.Second: false, time.Hour + 31*time.Second: true} {
		since, silent := r.Silent(last.Add(after))
		if silent != want || !since.Equal(last) {
			t.Errorf("%s after the last Inform: silent %t since %s, want %t since %s", after, silent, since, want, last)
		}
	}
	if got := (&network.Rhythm{}).Last(); !got.IsZero() {
		t.Errorf("never heard: last %s, want zero", got)
	}
}

func TestRhythmIsNotLedAstray(t *testing.T) {
	for name, disturb := range map[string]func(r *network.Rhythm, last time.Time) time.Time{
		"changed values": func(r *network.Rhythm, last time.Time) time.Time {
			for i := range 50 {
				r.Arrive(last.Add(time.Duration(i)*time.Minute), network.Other)
			}
			return last.Add(49 * time.Minute)
		},
		"boots, each counting anew": func(r *network.Rhythm, last time.Time) time.Time {
			for range 9 {
				last = last.Add(17 * time.Minute)
				r.Arrive(last, network.Boot)
				last = last.Add(11 * time.Minute)
				r.Arrive(last, network.Periodic)
			}
			return last
		},
		"a clock set back a day": func(r *network.Rhythm, last time.Time) time.Time {
			last = last.Add(-24 * time.Hour)
			r.Arrive(last, network.Periodic)
			return last
		},
		"a clock set on by a year": func(r *network.Rhythm, last time.Time) time.Time {
			last = last.AddDate(1, 0, 0)
			r.Arrive(last, network.Periodic)
			return last
		},
		"two nights off, then missed ones": func(r *network.Rhythm, last time.Time) time.Time {
			for _, gap := range []time.Duration{9 * time.Hour, time.Hour, 7 * time.Hour, 2 * time.Hour, 2 * time.Hour, time.Hour, 2 * time.Hour, 3 * time.Hour} {
				last = last.Add(gap)
				r.Arrive(last, network.Periodic)
			}
			return last
		},
		"a session tried again": func(r *network.Rhythm, last time.Time) time.Time {
			for i := range 4 {
				r.Arrive(last.Add(time.Duration(i)*time.Second), network.Periodic)
			}
			return last.Add(3 * time.Second)
		},
		"a moment before 1970": func(r *network.Rhythm, last time.Time) time.Time {
			r.Arrive(time.Unix(-5, 0), network.Periodic)
			r.Arrive(time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), network.Periodic)
			return last
		},
	} {
		r, last := regular(time.Hour, 30)
		last = disturb(&r, last)
		if got := r.Every(); got < 59*time.Minute || got > 61*time.Minute {
			t.Errorf("%s: interval %s, want 1h", name, got)
		}
		if !r.Last().Equal(last) {
			t.Errorf("%s: last heard %s, want %s", name, r.Last(), last)
		}
		if _, silent := r.Silent(last.Add(time.Hour)); silent {
			t.Errorf("%s: silent an hour after it was heard", name)
		}
	}
}

func TestRhythmFollowsASetting(t *testing.T) {
	for _, c := range []struct {
		from, to time.Duration
		after    int
	}{{time.Hour, 5 * time.Minute, 3}, {5 * time.Minute, time.Hour, 3}, {time.Hour, 2 * time.Hour, 6}, {10 * time.Minute, 15 * time.Minute, 3}} {
		r, last := regular(c.from, 50)
		n := 0
		for ; n < 20 && r.Every() != c.to; n++ {
			last = last.Add(c.to)
			r.Arrive(last, network.Periodic)
		}
		if n != c.after {
			t.Errorf("from %s to %s: believed after %d intervals, want %d", c.from, c.to, n, c.after)
		}
	}
}

func TestRhythmOfAJitteryDevice(t *testing.T) {
	r := rand.New(rand.NewPCG(*flagSeed, 9))
	var rhythm network.Rhythm
	now, wrong := midnight, 0
	for i := range 500 {
		gap := time.Duration(3000+r.IntN(1200)) * time.Second // 1 h ± 10 min
		if _, silent := rhythm.Silent(now.Add(gap)); silent && i > 30 {
			wrong++
		}
		now = now.Add(gap)
		rhythm.Arrive(now, network.Periodic)
	}
	if wrong > 5 || rhythm.Tolerance() < 10*time.Minute || rhythm.Tolerance() > 30*time.Minute {
		t.Errorf("thought silent %d times of 500, tolerance %s; want next to none and about 20 minutes", wrong, rhythm.Tolerance())
	}
}

func TestRhythmStored(t *testing.T) {
	r, last := regular(time.Hour, 9)
	r.Arrive(last.Add(7*time.Minute), network.Periodic)
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	var again network.Rhythm
	if err := again.UnmarshalBinary(b); err != nil || again != r {
		t.Errorf("got %+v, %v; want %+v", again, err, r)
	}
	for _, bad := range [][]byte{nil, b[1:], append(b[:len(b):len(b)], 0), append([]byte{2}, b[1:]...)} {
		if err := again.UnmarshalBinary(bad); !errors.Is(err, network.ErrRhythm) || again != r {
			t.Errorf("%d bytes of no rhythm: got %v", len(bad), err)
		}
	}
}

func FuzzRhythm(f *testing.F) {
	r, _ := regular(time.Hour, 9)
	b, _ := r.AppendBinary(nil)
	f.Add(b, uint32(100), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, gap uint32, kind uint8) {
		var r, again network.Rhythm
		if r.UnmarshalBinary(b) != nil {
			return
		}
		for range 8 {
			r.Arrive(r.Last().Add(time.Duration(gap)*time.Second), network.Arrival(kind))
		}
		if r.Every() < 0 || r.Tolerance() < network.MinTolerance {
			t.Errorf("every %s, tolerance %s", r.Every(), r.Tolerance())
		}
		stored, err := r.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.UnmarshalBinary(stored); err != nil || again != r {
			t.Errorf("stored %+v, got %+v, %v", r, again, err)
		}
	})
}

func BenchmarkRhythm(b *testing.B) {
	r, last := regular(time.Hour, 9)
	for b.Loop() {
		last = last.Add(time.Hour)
		if last.Year() > 2050 {
			r, last = regular(time.Hour, 9)
		}
		r.Arrive(last, network.Periodic)
	}
}

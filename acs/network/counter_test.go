package network_test

import (
	"testing"
	"time"

	"recado/acs/network"
)

func TestDifference(t *testing.T) {
	start := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	const megabit = 1e6 / 8
	sample := func(after time.Duration, count uint64, bits int, up time.Duration) network.Sample {
		return network.Sample{At: start.Add(after), Count: count, Bits: bits, Source: "a", UpTime: up}
	}
	other := sample(time.Minute, 9000, 64, 0)
	other.Source = "b"
	for _, c := range []struct {
		name         string
		older, newer network.Sample
		rate         float64
		want         network.Increase
	}{
		{
			"grew", sample(0, 1000, 64, time.Hour), sample(5*time.Minute, 7_501_000, 64, time.Hour+5*time.Minute), 100 * megabit,
			network.Increase{Count: 7_500_000, Over: 5 * time.Minute},
		},
		{"stood still", sample(0, 5, 64, 0), sample(time.Minute, 5, 64, 0), megabit, network.Increase{Over: time.Minute}},
		{
			// 4,294,967,296 − 4,294,000,000 + 500,000 = 1,467,296
			"wrapped", sample(0, 4_294_000_000, 32, time.Hour), sample(time.Minute, 500_000, 32, time.Hour+time.Minute), 100 * megabit,
			network.Increase{Count: 1_467_296, Over: time.Minute},
		},
		{
			// 100 Mbit/s for 350 s are 4.375 GB, more than 2^32.
			"may have wrapped twice", sample(0, 4_294_000_000, 32, time.Hour), sample(350*time.Second, 500_000, 32, time.Hour+350*time.Second),
			100 * megabit,
			network.Increase{Gap: network.Ambiguous},
		},
		{
			"may have wrapped unseen", sample(0, 1, 32, time.Hour), sample(350*time.Second, 500_000, 32, time.Hour+350*time.Second),
			100 * megabit,
			network.Increase{Gap: network.Ambiguous},
		},
		{
			"64 bits never wrap", sample(0, 1<<40, 64, time.Hour), sample(time.Minute, 1<<20, 64, time.Hour+time.Minute), 1000 * megabit,
			network.Increase{Gap: network.Restarted},
		},
		{
			"fell, and no up-time says why", sample(0, 4_294_000_000, 32, 0), sample(time.Minute, 500_000, 32, 0), 100 * megabit,
			network.Increase{Gap: network.Restarted},
		},
		{
			"fell by a reset of the interface", sample(0, 1_000_000, 32, time.Hour), sample(time.Minute, 500_000, 32, time.Hour+time.Minute),
			100 * megabit,
			network.Increase{Gap: network.OutOfRange},
		},
		{
			"restarted, up-time went back", sample(0, 1<<40, 64, 9*time.Hour), sample(time.Hour, 60_000_000, 64, 10*time.Minute), 100 * megabit,
			network.Increase{Count: 60_000_000, Over: 10 * time.Minute},
		},
		{
			"restarted, up-time grew too little", sample(0, 1000, 64, time.Minute), sample(time.Hour, 60_000_000, 64, 10*time.Minute), 100 * megabit,
			network.Increase{Count: 60_000_000, Over: 10 * time.Minute},
		},
		{
			"restarted, and counts what it cannot have carried", sample(0, 1000, 64, time.Minute), sample(time.Hour, 1<<50, 64, 10*time.Minute),
			100 * megabit,
			network.Increase{Gap: network.OutOfRange},
		},
		{
			"up-time read a little early", sample(0, 1000, 64, time.Hour), sample(5*time.Minute, 2000, 64, time.Hour+4*time.Minute+35*time.Second),
			megabit,
			network.Increase{Count: 1000, Over: 5 * time.Minute},
		},
		{"faster than the link", sample(0, 0, 64, 0), sample(time.Second, 200_000, 64, 0), megabit, network.Increase{Gap: network.OutOfRange}},
		{"the same moment", sample(0, 0, 64, 0), sample(0, 1, 64, 0), megabit, network.Increase{Gap: network.BadInterval}},
		{"Recado's clock went back", sample(time.Hour, 0, 64, 0), sample(0, 1, 64, 0), megabit, network.Increase{Gap: network.BadInterval}},
		{"a link of no speed", sample(0, 0, 64, 0), sample(time.Second, 1, 64, 0), 0, network.Increase{Gap: network.BadInterval}},
		{"another counter", sample(0, 0, 64, 0), other, megabit, network.Increase{Gap: network.Ambiguous}},
		{"another width", sample(0, 0, 32, 0), sample(time.Second, 1, 64, 0), megabit, network.Increase{Gap: network.Ambiguous}},
	} {
		if got := network.Difference(c.older, c.newer, c.rate); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
	if got := (network.Increase{Count: 7_500_000, Over: 5 * time.Minute}).PerSecond(); got != 25_000 {
		t.Errorf("7.5 MB in 5 min: got %v B/s, want 25000", got)
	}
	if got := (network.Increase{Gap: network.Restarted}).PerSecond(); got != 0 {
		t.Errorf("the rate of a gap: got %v, want 0", got)
	}
}

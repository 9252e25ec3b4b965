package boltstore_test

import (
	"fmt"
	"testing"
	"time"

	"recado/webhook"
)

// BenchmarkPending claims and settles one delivery with others pending, and tells what it costs to make them all due. Goal: the
// claim costs at most 1.3 times as much with many as with a few.
func BenchmarkPending(b *testing.B) {
	for _, n := range []int{1_000, 200_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := benchStore(b, b.TempDir())
			e := newEndpoint(b, "cli_1")
			check(b, "endpoint", s.CreateEndpoint(ctx, e))
			queued(b, s, e.ID, n)
			one := webhook.ClaimLimits{Total: 1, PerEndpoint: 4, Lease: time.Minute}
			var claims, used time.Duration
			for b.Loop() {
				before, start := cpu(b), time.Now()
				leases, _, err := s.ClaimDeliveries(ctx, one)
				claims += time.Since(start)
				if err != nil || len(leases) != 1 {
					b.Fatalf("claim: got %d leases, %v", len(leases), err)
				}
				check(b, "attempt", attempted(s, leases[0], webhook.Attempt{At: time.Now(), Status: 200}, webhook.Settlement{State: webhook.DeliveryDelivered}))
				used += cpu(b) - before
				b.StopTimer()
				queued(b, s, e.ID, 1)
				b.StartTimer()
			}
			b.ReportMetric(float64(claims.Microseconds())/float64(b.N), "claim-us")
			b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-us/delivery")

			e, err := s.Endpoint(ctx, e.ID)
			check(b, "read", err)
			turned := func(state webhook.EndpointState) float64 {
				e.State = state
				start := time.Now()
				e, err = s.UpdateEndpoint(ctx, e)
				check(b, "update", err)
				return float64(time.Since(start).Microseconds()) / 1000
			}
			b.ReportMetric(turned(webhook.EndpointPaused), "pause-ms")
			b.ReportMetric(turned(webhook.EndpointActive), "resume-ms")
			start := time.Now()
			_, _, err = s.ClaimDeliveries(ctx, one)
			check(b, "claim", err)
			b.ReportMetric(float64(time.Since(start).Microseconds())/1000, "first-claim-ms")
		})
	}
}

package webhook_test

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"recado/webhook"
)

func TestStatusClass(t *testing.T) {
	for status := -1; status <= 999; status++ {
		want := webhook.ErrorStatus
		switch {
		case status <= 0:
			want = webhook.ErrorInternal
		case status/100 == 2:
			want = ""
		case status/100 == 3:
			want = webhook.ErrorRedirect
		}
		if got := webhook.StatusClass(status); got != want {
			t.Errorf("status %d: got %q, want %q", status, got, want)
		}
	}
}

// Every status, with and without a Retry-After, at the first, a middle and the last try of the schedule.
func TestSettleEveryStatus(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	schedule := webhook.DefaultSchedule()
	for status := 100; status <= 599; status++ {
		for _, after := range []time.Duration{0, 90 * time.Second, 30 * time.Hour} {
			for _, tries := range []int{0, 4, 10, 11} {
				a := webhook.Attempt{Status: status, Class: webhook.StatusClass(status), RetryAfter: after}
				got := webhook.Settle(webhook.Delivery{Tries: tries}, webhook.Endpoint{}, a, now, 0.5)
				var want webhook.Settlement
				honoured := min(after, 24*time.Hour)
				throttled := status == 429 || status == 503
				switch {
				case status/100 == 2:
					want.State = webhook.DeliveryDelivered
				case status == 410:
					want.State, want.EndpointState = webhook.DeliveryDead, webhook.EndpointGone
					want.StateReason = "the receiver answered 410 Gone"
				case tries == len(schedule):
					want.State = webhook.DeliveryDead
				default:
					want.State = webhook.DeliveryPending
					want.NextAt = now.Add(max(schedule[tries], honoured))
				}
				if throttled {
					want.HoldEndpoint = now.Add(5 * time.Second)
					if after > 0 {
						want.HoldEndpoint = now.Add(honoured)
					}
				}
				if got != want {
					t.Errorf("status %d, Retry-After %v, try %d: got %+v, want %+v", status, after, tries, got, want)
				}
			}
		}
	}
}

func TestSettleEveryClass(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for _, class := range []webhook.ErrorClass{
		webhook.ErrorTimeout, webhook.ErrorDNS, webhook.ErrorConnect, webhook.ErrorTLS, webhook.ErrorRefused,
		webhook.ErrorAnswer, webhook.ErrorInternal,
	} {
		a := webhook.Attempt{Class: class}
		got := webhook.Settle(webhook.Delivery{}, webhook.Endpoint{}, a, now, 0.5)
		if want := (webhook.Settlement{State: webhook.DeliveryPending, NextAt: now.Add(5 * time.Second)}); got != want {
			t.Errorf("%s: got %+v, want %+v", class, got, want)
		}
		got = webhook.Settle(webhook.Delivery{Tries: 11}, webhook.Endpoint{}, a, now, 0.5)
		if want := (webhook.Settlement{State: webhook.DeliveryDead}); got != want {
			t.Errorf("%s, schedule spent: got %+v, want %+v", class, got, want)
		}
	}
}

func TestSettleJitterAndOwnSchedule(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	own := webhook.Endpoint{Schedule: []time.Duration{10 * time.Second, 100 * time.Second}}
	failed := webhook.Attempt{Class: webhook.ErrorTimeout}
	for _, c := range []struct {
		tries  int
		jitter float64
		want   time.Duration // 0 is dead
	}{
		{0, 0, 8 * time.Second},
		{0, 0.5, 10 * time.Second},
		{0, 1, 12 * time.Second},
		{1, 0, 80 * time.Second},
		{1, 1, 120 * time.Second},
		{0, -3, 8 * time.Second},
		{0, 7, 12 * time.Second},
		{2, 0.5, 0},
		{math.MaxInt, 0.5, 0},
		{-1, 0.5, 10 * time.Second},
	} {
		got := webhook.Settle(webhook.Delivery{Tries: c.tries}, own, failed, now, c.jitter)
		want := webhook.Settlement{State: webhook.DeliveryDead}
		if c.want > 0 {
			want = webhook.Settlement{State: webhook.DeliveryPending, NextAt: now.Add(c.want)}
		}
		if got != want {
			t.Errorf("try %d, jitter %v: got %+v, want %+v", c.tries, c.jitter, got, want)
		}
	}
	// Attempts before a replay do not count.
	got := webhook.Settle(webhook.Delivery{Attempts: 12}, own, failed, now, 0.5)
	if got.State != webhook.DeliveryPending {
		t.Errorf("after a replay: got %s, want pending", got.State)
	}
	// A wait shorter than the brief hold of a 503 is not stretched by it.
	short := webhook.Endpoint{Schedule: []time.Duration{time.Second}}
	got = webhook.Settle(webhook.Delivery{}, short, webhook.Attempt{Status: 503, Class: webhook.ErrorStatus}, now, 0.5)
	if want := now.Add(time.Second); !got.HoldEndpoint.Equal(want) || !got.NextAt.Equal(want) {
		t.Errorf("503 with a wait of 1 s: got hold %v next %v, want both %v", got.HoldEndpoint, got.NextAt, want)
	}
}

func TestDefaultScheduleIsACopy(t *testing.T) {
	webhook.DefaultSchedule()[0] = 0
	want := []time.Duration{5 * time.Second, 30 * time.Second}
	if got := webhook.DefaultSchedule(); !slices.Equal(got[:2], want) {
		t.Errorf("got %v, want %v", got[:2], want)
	}
	total := time.Duration(0)
	for _, w := range webhook.DefaultSchedule() {
		total += w
	}
	if got, want := total.Round(time.Hour), 76*time.Hour; got != want {
		t.Errorf("got %v in all, want about %v", total, want)
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	for _, c := range []struct {
		value string
		want  time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"120", 2 * time.Minute},
		{" 120 ", 2 * time.Minute},
		{"86400", 24 * time.Hour},
		{"86401", 24 * time.Hour},
		{"99999999999999999999999", 24 * time.Hour},
		{"-5", 0},
		{"+5", 0},
		{"1.5", 0},
		{"5s", 0},
		{"soon", 0},
		{in(time.Minute), time.Minute},
		{in(-time.Minute), 0},
		{in(48 * time.Hour), 24 * time.Hour},
		{now.Add(time.Minute).Format(time.RFC850), time.Minute},
		{now.Add(time.Minute).Format(time.ANSIC), time.Minute},
		{now.Add(time.Minute).Format(time.RFC3339), 0},
	} {
		if got := webhook.ParseRetryAfter(c.value, now); got != c.want {
			t.Errorf("%q: got %v, want %v", c.value, got, c.want)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, s := range []string{"", "120", "-1", "Sat, 21 Nov 2026 10:01:00 GMT", "99999999999999999999", "Sat Nov 21 10:01:00 2026"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if got := webhook.ParseRetryAfter(s, now); got < 0 || got > webhook.MaxRetryAfter {
			t.Errorf("%q: got %v, want 0 to %v", s, got, webhook.MaxRetryAfter)
		}
	})
}

func ExampleSettle() {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	a := webhook.Attempt{Status: 503, Class: webhook.StatusClass(503), RetryAfter: time.Minute}
	s := webhook.Settle(webhook.Delivery{}, webhook.Endpoint{}, a, now, 0.5)
	fmt.Println(s.State, s.NextAt.Sub(now), s.HoldEndpoint.Sub(now))
	// Output: pending 1m0s 1m0s
}

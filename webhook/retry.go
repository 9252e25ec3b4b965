package webhook

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Jitter is how far a wait of the schedule may be from its value, either way, as a share of it.
const Jitter = 0.2

// throttleHold stops an endpoint that answered 429 or 503 without a Retry-After.
const throttleHold = 5 * time.Second

// DefaultSchedule returns the waits before the second and later attempts: 12 attempts in about 76 hours. The slice is the
// caller's own.
func DefaultSchedule() []time.Duration {
	return []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

var defaultSchedule = DefaultSchedule()

// StatusClass says what an HTTP status means: 2xx is success, 3xx a redirect, which is never followed, and everything else
// an answer that did not take the event. No status at all is ErrorInternal.
func StatusClass(status int) ErrorClass {
	switch {
	case status <= 0:
		return ErrorInternal
	case status >= 200 && status <= 299:
		return ""
	case status >= 300 && status <= 399:
		return ErrorRedirect
	}
	return ErrorStatus
}

// Settle says what an attempt does to its delivery and endpoint. d and e are as they were when the attempt began, now is when it
// ended, and jitter, from 0 up to 1, places the wait between its least and its most. It is a pure function.
//
//   - Success: delivered.
//   - 410: the endpoint is gone and the delivery dead.
//   - Everything else: tried again by the schedule, not before Retry-After; dead when the schedule is spent.
//   - 429 and 503 hold the whole endpoint: for Retry-After, or briefly where none was given.
//   - A probe that fails leaves its delivery pending and burns no try.
//   - A failure that ends DisableAfter without a success, of DisableFailures or more, disables the endpoint.
func Settle(d Delivery, e Endpoint, a Attempt, now time.Time, jitter float64) Settlement {
	switch {
	case a.Class == "":
		return Settlement{State: DeliveryDelivered}
	case a.Status == http.StatusGone:
		return Settlement{
			State: DeliveryDead, EndpointState: EndpointGone,
			StateReason: "the receiver answered 410 Gone",
		}
	}
	s := Settlement{State: DeliveryPending, KeepTries: a.Probe}
	schedule := e.Schedule
	if len(schedule) == 0 {
		schedule = defaultSchedule
	}
	tries := max(d.Tries, 0)
	if a.Probe {
		tries = min(tries, len(schedule)-1)
	}
	wait, retryAfter := throttleHold, min(max(a.RetryAfter, 0), MaxRetryAfter)
	if tries < len(schedule) {
		wait = jittered(schedule[tries], jitter)
		s.NextAt = now.Add(max(wait, retryAfter))
	} else {
		s.State = DeliveryDead
	}
	if a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable {
		hold := retryAfter
		if hold == 0 {
			hold = min(wait, throttleHold)
		}
		s.HoldEndpoint = now.Add(hold)
	}
	if e.note(a, now); e.spent(now) {
		s.EndpointState = EndpointDisabled
		s.StateReason = fmt.Sprintf("no success since %s, and %d failures; the last one: %s",
			e.FailingSince.UTC().Format(time.RFC3339), e.ConsecutiveFailures, a.Class)
	}
	return s
}

func jittered(wait time.Duration, jitter float64) time.Duration {
	jitter = min(max(jitter, 0), 1)
	return time.Duration(float64(wait) * (1 - Jitter + 2*Jitter*jitter))
}

// ParseRetryAfter reads a Retry-After header (RFC 9110 section 10.2.3): seconds, or an HTTP date, which is taken against
// now. It is at most MaxRetryAfter, and 0 for what is past, absent or unreadable.
func ParseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseUint(value, 10, 32)
		if err != nil || seconds > uint64(MaxRetryAfter/time.Second) {
			return MaxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter)
}

// statusSentence is the error text of an answer that did not take the event. It holds nothing that the receiver wrote.
func statusSentence(status int, class ErrorClass) string {
	if class == "" {
		return ""
	}
	s := fmt.Sprintf("the receiver answered %d", status)
	if text := http.StatusText(status); text != "" {
		s += " " + text
	}
	if class == ErrorRedirect {
		s += "; redirects are not followed"
	}
	return s
}

package webhook

import (
	"fmt"
	"strconv"
	"time"
)

// readStamp reads webhook-timestamp as Verify does.
func readStamp(stamp string) (unix int64, ok bool) {
	unix, err := strconv.ParseInt(stamp, 10, 64)
	return unix, err == nil && unix >= 0 && strconv.FormatInt(unix, 10) == stamp && unix < 1<<36
}

func (x *examination) stampUnreadable() {
	advice := "it is the time of signing in Unix seconds, in digits only, exactly as the header came in."
	if n, err := strconv.ParseInt(x.stamp, 10, 64); err == nil && n >= 1<<36 {
		advice = "it seems to be in milliseconds or finer; " + advice
	}
	x.result.found(FindingTimestamp, HeaderTimestamp+" is no time in Unix seconds", advice)
}

// judgeAge says whether the timestamp of a right signature is within Tolerance.
func (x *examination) judgeAge() bool {
	age := *x.result.Age
	if age.Abs() <= Tolerance {
		return true
	}
	seconds, limit := int64(age.Abs()/time.Second), int64(Tolerance/time.Second)
	unix, _ := readStamp(x.stamp)
	if x.received.At.IsZero() {
		for _, a := range x.attempts {
			if a.At.Unix() == unix {
				x.result.found(FindingOldRequest,
					fmt.Sprintf("the signature is right, and of attempt %d, %d s ago; more than %d are too old now", a.Number, seconds, limit),
					"a receiver whose clock is right would have taken it when it came. Give received_at, the receiver's clock at that moment, to have the clock checked.")
				return false
			}
		}
	}
	direction, clock := "behind", "ahead"
	if age < 0 {
		direction, clock = "ahead of", "behind"
	}
	by := "the time of this call"
	advice := "if this is an old request, give received_at, the receiver's clock when it came."
	if !x.received.At.IsZero() {
		by = "received_at"
		advice = fmt.Sprintf("the receiver's clock seems to be about %d s %s, or the request was kept that long. Set the clock (NTP); do not widen the window.", seconds, clock)
	}
	if age < 0 && x.received.At.IsZero() {
		advice = "whoever signed it has a clock that is ahead; Recado signs by its own, which is the one used here."
	}
	x.result.found(FindingClockSkew, fmt.Sprintf("the signature is right, but %s is %d s %s %s; %d are allowed", HeaderTimestamp, seconds, direction, by, limit), advice)
	return false
}

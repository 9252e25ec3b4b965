package api

import "time"

// Decode is the strict JSON decoder.
var Decode = decode

// ProblemOf tells what an error is in HTTP.
var ProblemOf = problemOf

// MaxLimited is how many clients' limits are remembered.
const MaxLimited = maxLimited

// Limiter is what counts requests.
type Limiter = limiter

// NewLimiter makes a limiter that remembers so many clients.
var NewLimiter = newLimiter

// Take counts a request.
var Take = (*limiter).take

// CloseLimiter gives back what is reserved.
var CloseLimiter = (*limiter).close

// MaxPasses is up to which limit each pass is remembered by itself.
const MaxPasses = maxPasses

// Steps counts what a client's window remembers.
func Steps(l *limiter, id string) int { return len(l.by[id].window.passes) - l.by[id].window.head }

// WaitOf is how long a refusal says to wait.
func WaitOf(err error) time.Duration { return err.(*limitError).wait } //nolint:errorlint // it is that, or a bug

// Remembered is how many clients the limiter remembers.
func Remembered(l *limiter) int { return len(l.by) }

// Throttle is what bounds tries to get a token.
type Throttle = throttle

// NewThrottle makes a throttle that remembers so many buckets.
var NewThrottle = newThrottle

// Begin and End are around a try.
var (
	Begin = (*throttle).begin
	End   = (*throttle).end
)

// Known tells whether a try's client got in from its address before.
func Known(y try) bool { return y.known }

// Throttled is how many buckets the throttle remembers.
func Throttled(t *throttle) int { return len(t.young) + len(t.old) }

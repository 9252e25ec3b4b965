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

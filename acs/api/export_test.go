package api

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

// Remembered is how many clients the limiter remembers.
func Remembered(l *limiter) int { return len(l.by) }

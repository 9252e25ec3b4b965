package cwmptest

import "errors"

// errCut ends a session whose connection was broken on purpose.
var errCut = errors.New("connection cut")

// Where is a moment of one POST of a session.
type Where int

// Moments at which a connection can break.
const (
	BeforePost   Where = iota + 1 // nothing of the POST was sent
	HalfPosted                    // about half of it was
	Posted                        // all of it; the answer is not read
	BeforeActing                  // the answer was read and not acted on
	AfterActing                   // it was acted on and not answered (only for requests of the ACS)
)

// CutPoint is one place in a session where the connection can break.
type CutPoint struct {
	// Session counts the Device's sessions from 1.
	Session int
	// Number counts the points of a session from 1.
	Number int
	// Post counts its POSTs from 1, those that drew a 401 included.
	Post int
	// Where is the moment.
	Where Where
	// Method is the message that is being sent, or for BeforeActing and AfterActing the one that came; "" is an empty body.
	Method string
}

// CutAt is a Config.Cut that breaks session number session at its point number number.
func CutAt(session, number int) func(CutPoint) bool {
	return func(p CutPoint) bool { return p.Session == session && p.Number == number }
}

// CutOn is a Config.Cut that breaks the connection at a moment of every message of a method, times times (0 is always).
func CutOn(method string, where Where, times int) func(CutPoint) bool {
	n := 0
	return func(p CutPoint) bool {
		if p.Method != method || p.Where != where || times > 0 && n == times {
			return false
		}
		n++
		return true
	}
}

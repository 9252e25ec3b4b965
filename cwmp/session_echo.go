package cwmp

import (
	"hash/maphash"
	"sync"
)

// Whose answer an answer is.
//
// A CPE whose connection broke, or that could not read what came for its last answer, sends that once more. By its name it may fit the
// request that went out since, and taken for the answer to that it would tell an update as done that the device has never seen. The
// cwmp:ID says which request is meant (TR-069 Table 4), but there are CPEs that leave it out, have one of their own for all that they
// send, or give every answer the ID of the session's first request. So of an answer that fits by name:
//
//  1. With the ID of the outstanding request it is that one's answer. If that is not the session's first, the CPE echoes.
//  2. With the ID of an earlier request of the session,
//     a. it is no repetition where that one's answer had another name. The CPE does not echo.
//     b. Else it is one where the CPE has echoed in this session: then the ID is to be trusted, whatever the rest says.
//     c. Else it is none where its bytes are others than those of that one's answer. The CPE does not echo.
//     d. Else rule 3 holds where the CPE is known not to echo, from this session or an earlier one.
//     e. Else it is taken for a repetition: the request counts as unanswered, as if the connection had been lost. A CPE that does not
//     echo loses a session by that once, before anything has shown what it does.
//  3. Any other ID, or none, says nothing. It is a repetition where it has the bytes of the answer before and comes over another
//     connection than the request went out on, from a CPE that has kept to one connection until then; else it is the answer. A
//     repetition on the same connection, or by a CPE that opens one for each POST, cannot be told from an answer there.
//
// A repetition ends the session with the request unanswered; what that means is the handler's to find out in the next.

// echo is what a session has seen of the IDs of its answers. The session's turn guards it.
type echo struct {
	seed    maphash.Seed
	answers map[string]answered // by the request's ID
	last    answered            // the answer before
	habit   echoHabit
	conn    *connState // the one of the last POST
	moved   bool       // the last POST came over another connection than the one before
	wanders bool       // an earlier one did
}

// echoHabit is what a CPE's answers have shown last.
type echoHabit int

const (
	echoUnknown echoHabit = iota
	echoProper            // it has echoed the ID of a request of this session that was not the first
	echoFixed             // it has been seen not to echo, in this session or an earlier one
)

// answered is what is kept of an answer that was taken.
type answered struct {
	name string
	sum  uint64 // of its bytes
}

// arrive notes the connection of a POST.
func (e *echo) arrive(conn *connState) {
	e.wanders = e.wanders || e.moved
	e.moved = conn != e.conn
	e.conn = conn
}

// repeats tells whether an answer that fits the outstanding request by name is an earlier one sent once more, by the rules above. Where
// it is none, the answer is noted as that request's.
func (s *session) repeats(env *Envelope, body []byte) bool {
	e := &s.echo
	now := answered{s.outstanding.Method() + "Response", maphash.Bytes(e.seed, body)}
	if _, fault := env.Message.(*Fault); fault {
		now.name = "Fault"
	}
	if e.repeats(now, env.ID, s.requestID) {
		return true
	}
	e.answers[s.requestID], e.last = now, now
	return false
}

func (e *echo) repeats(now answered, id, outstanding string) bool {
	if id == outstanding {
		if len(e.answers) > 0 {
			e.habit = echoProper
		}
		return false
	}
	if was, ok := e.answers[id]; ok {
		switch {
		case now.name != was.name, e.habit != echoProper && now.sum != was.sum:
			e.habit = echoFixed
			return false
		case e.habit != echoFixed:
			return true
		}
	}
	return e.moved && !e.wanders && now == e.last
}

// echoHabits remembers over sessions which devices do not echo, so that each loses one session by it and no more. It is bounded:
// the device that was seen longest ago is forgotten first. It is safe for concurrent use.
type echoHabits struct {
	seed maphash.Seed

	mu  sync.Mutex
	not recent[struct{}]
}

func newEchoHabits(most int) *echoHabits {
	return &echoHabits{seed: maphash.MakeSeed(), not: newRecent[struct{}](most)}
}

// of starts the books for a session of a device.
func (h *echoHabits) of(device string, conn *connState) echo {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := echo{seed: h.seed, answers: map[string]answered{}, conn: conn}
	if _, ok := h.not.get(maphash.String(h.seed, device)); ok {
		e.habit = echoFixed
	}
	return e
}

// learn keeps what a session has shown; one that has shown nothing changes nothing.
func (h *echoHabits) learn(device string, e *echo) {
	if e.habit == echoUnknown {
		return
	}
	key := maphash.String(h.seed, device)
	h.mu.Lock()
	defer h.mu.Unlock()
	if e.habit == echoFixed {
		h.not.put(key, struct{}{})
	} else {
		h.not.remove(key)
	}
}

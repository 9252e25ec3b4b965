package cwmp_test

import (
	"strings"
	"testing"

	"recado/cwmp"
)

// The rules of session_echo.go, each branch of them: two or more requests, and POSTs in answer to them. What is taken for a repetition
// ends the session with 204 and its request unanswered.
func TestSessionTellsRepetitionsFromAnswers(t *testing.T) {
	set, get := &cwmp.SetParameterValues{}, &cwmp.GetParameterValues{ParameterNames: []string{"X"}}
	done, stored := &cwmp.SetParameterValuesResponse{}, &cwmp.SetParameterValuesResponse{Status: 1}
	fault := &cwmp.Fault{FaultCode: 9002, FaultString: "no"}
	value := func(v string) cwmp.Message {
		return &cwmp.GetParameterValuesResponse{ParameterList: []cwmp.ParameterValue{{Name: "X", Value: v, Type: "xsd:string"}}}
	}
	type post struct {
		id     int // of the n-th request of the session; 0 is an ID of the CPE's own
		answer cwmp.Message
		again  bool // over a new connection
	}
	for _, tc := range []struct {
		name     string
		habit    string // an earlier session has shown: "echoes", "fixed", or "" nothing
		wanders  bool   // the CPE opens a connection for each POST
		queue    []cwmp.Message
		posts    []post
		repeated bool // the last of posts
	}{
		{"1: proper", "", false, []cwmp.Message{set, set}, []post{{1, done, false}, {2, done, false}}, false},
		{"1: proper, over new connections", "", false, []cwmp.Message{set, set}, []post{{1, done, true}, {2, done, true}}, false},

		{"2a: another request's answer", "", false, []cwmp.Message{get, set}, []post{{1, value("v"), false}, {1, done, false}}, false},
		{"2a: fault after an answer", "", false, []cwmp.Message{set, set}, []post{{1, done, false}, {1, fault, false}}, false},
		{"2a: answer after a fault", "", false, []cwmp.Message{set, set}, []post{{1, fault, false}, {1, done, false}}, false},
		{
			"2a: even where it has echoed", "", false,
			[]cwmp.Message{set, set, get},
			[]post{{1, done, false}, {2, done, false}, {1, value("v"), false}},
			false,
		},

		{
			"2b: it has echoed", "", false,
			[]cwmp.Message{get, get, get},
			[]post{{1, value("a"), false}, {2, value("b"), false}, {2, value("b"), false}},
			true,
		},
		{
			"2b: it has echoed, other bytes", "", false,
			[]cwmp.Message{get, get, get},
			[]post{{1, value("a"), false}, {2, value("b"), false}, {2, value("c"), false}},
			true,
		},
		{
			"2b: it has echoed, an older one", "", false,
			[]cwmp.Message{set, set, set},
			[]post{{1, done, false}, {2, done, false}, {1, done, false}},
			true,
		},
		{
			"2b: it is known not to echo, and does now", "fixed", false,
			[]cwmp.Message{set, set, set},
			[]post{{1, done, false}, {2, done, false}, {2, done, false}},
			true,
		},

		{"2c: another value", "", false, []cwmp.Message{get, get}, []post{{1, value("a"), false}, {1, value("b"), false}}, false},
		{"2c: another status", "", false, []cwmp.Message{set, set}, []post{{1, done, false}, {1, stored, false}}, false},

		{"2d: known from an earlier session", "fixed", false, []cwmp.Message{set, set}, []post{{1, done, false}, {1, done, false}}, false},
		{
			"2d: known from this session", "", false,
			[]cwmp.Message{get, set, set},
			[]post{{1, value("v"), false}, {1, done, false}, {1, done, false}},
			false,
		},
		{"2d: sent once more over a new connection", "fixed", false, []cwmp.Message{set, set}, []post{{1, done, false}, {1, done, true}}, true},
		{"2d: always on new connections", "fixed", true, []cwmp.Message{set, set}, []post{{1, done, false}, {1, done, false}}, false},

		{
			"2d: it has echoed, and does no more", "", false,
			[]cwmp.Message{set, set, get, set},
			[]post{{1, done, false}, {2, done, false}, {1, value("v"), false}, {1, done, false}},
			false,
		},

		{"2e: nothing is known", "", false, []cwmp.Message{set, set}, []post{{1, done, false}, {1, done, false}}, true},
		{"2e: nothing is known, new connection", "", false, []cwmp.Message{set, set}, []post{{1, done, false}, {1, done, true}}, true},
		{"2e: the same fault", "", false, []cwmp.Message{set, get}, []post{{1, fault, false}, {1, fault, false}}, true},
		{"2e: the same value", "", false, []cwmp.Message{get, get}, []post{{1, value("a"), false}, {1, value("a"), false}}, true},
		{"2e: known to echo", "echoes", false, []cwmp.Message{set, set}, []post{{1, done, false}, {1, done, false}}, true},
		{"2e: has unlearned it", "fixed, echoes", false, []cwmp.Message{set, set}, []post{{1, done, false}, {1, done, false}}, true},

		{"3: an ID of its own", "", false, []cwmp.Message{set, set, set}, []post{{0, done, false}, {0, done, false}, {0, done, false}}, false},
		{"3: sent once more over a new connection", "", false, []cwmp.Message{set, set}, []post{{0, done, false}, {0, done, true}}, true},
		{"3: another answer over a new connection", "", false, []cwmp.Message{get, get}, []post{{0, value("a"), false}, {0, value("b"), true}}, false},
		{"3: the first answer over a new connection", "", false, []cwmp.Message{set}, []post{{0, done, true}}, false},
		{"3: its connections have changed before", "", false, []cwmp.Message{get, set, set}, []post{{0, value("a"), true}, {0, done, false}, {0, done, true}}, false},
		{"3: always on new connections", "", true, []cwmp.Message{set, set}, []post{{0, done, false}, {0, done, false}}, false},
		{"3: an ID that no request has had", "", false, []cwmp.Message{set, set}, []post{{1, done, false}, {9, done, false}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{}}
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			for _, habit := range strings.Split(tc.habit, ", ") {
				showHabit(t, a, h, habit)
			}
			before := len(h.record())
			c := a.cpe("192.0.2.7")
			c.onePerPost = tc.wanders
			h.queue["A"] = tc.queue
			c.inform("A")
			e := c.post("").envelope(t)
			prefix, first := strings.CutSuffix(e.ID, "1")
			if !first {
				t.Fatalf("first request's ID: got %q, want a 1 at its end", e.ID)
			}
			var got answer
			for i, p := range tc.posts {
				if p.again {
					c.hangUp()
				}
				id := "1"
				if p.id > 0 {
					id = prefix + string(rune('0'+p.id))
				}
				got = c.post(say(t, id, p.answer))
				if i < len(tc.posts)-1 {
					got.envelope(t)
				}
			}
			if got.status != 204 {
				t.Errorf("last answer: got status %d, want 204", got.status)
			}
			taken, end := len(tc.posts), "A End done"
			if tc.repeated {
				taken, end = taken-1, "A End protocol, "+tc.queue[len(tc.posts)-1].Method()+" unanswered"
			}
			responses := 0
			calls := h.record()[before:]
			for _, call := range calls {
				if strings.HasPrefix(call, "A Response ") {
					responses++
				}
			}
			if responses != taken || calls[len(calls)-1] != end {
				t.Errorf("got %d answers taken and %q, want %d and %q", responses, calls[len(calls)-1], taken, end)
			}
		})
	}
}

// showHabit has a session in which device A shows a habit: "echoes", "fixed" (the first ID for all), or "" nothing.
func showHabit(t *testing.T, a *acs, h *script, habit string) {
	t.Helper()
	if habit == "" {
		return
	}
	c := a.cpe("192.0.2.7")
	h.queue["A"] = []cwmp.Message{&cwmp.SetParameterValues{}, &cwmp.Reboot{}}
	c.inform("A")
	first := c.post("").envelope(t).ID
	second := c.post(say(t, first, &cwmp.SetParameterValuesResponse{})).envelope(t).ID
	if habit == "fixed" {
		second = first
	}
	c.wantStatus(204, say(t, second, &cwmp.RebootResponse{}))
	c.hangUp()
}

// What one device has shown says nothing of another.
func TestSessionHabitsAreEachDevicesOwn(t *testing.T) {
	h := &script{queue: map[string][]cwmp.Message{}}
	a := startACS(t, cwmp.ServerConfig{Handler: h})
	showHabit(t, a, h, "fixed")
	h.queue["B"] = []cwmp.Message{&cwmp.SetParameterValues{}, &cwmp.SetParameterValues{}}
	c := a.cpe("192.0.2.7")
	c.inform("B")
	first := say(t, c.post("").envelope(t).ID, &cwmp.SetParameterValuesResponse{})
	c.post(first).envelope(t)
	c.wantStatus(204, first)
	if calls := h.record(); calls[len(calls)-1] != "B End protocol, SetParameterValues unanswered" {
		t.Errorf("last call %q, want B End protocol, SetParameterValues unanswered", calls[len(calls)-1])
	}
}

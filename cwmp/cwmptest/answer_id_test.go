package cwmptest_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

// TestAnswerIDsAgainstServer puts each form of cwmp:ID before the real server, with requests of one kind in a row and of several.
// Every Device is served whole, in as many sessions as its habit needs at most.
func TestAnswerIDsAgainstServer(t *testing.T) {
	set := func(n int) cwmp.Message {
		return &cwmp.SetParameterValues{ParameterKey: "k", ParameterList: []cwmp.ParameterValue{{Name: ssid, Type: "xsd:string", Value: "new" + strconv.Itoa(n)}}}
	}
	get := &cwmp.GetParameterValues{ParameterNames: []string{ssid}}
	bad := &cwmp.GetParameterValues{ParameterNames: []string{"Nope.X"}}
	for habit, id := range map[string]cwmptest.IDForm{
		"proper": cwmptest.IDProper, "missing": cwmptest.IDMissing, "empty": cwmptest.IDEmpty, "constant": cwmptest.IDConstant, "first": cwmptest.IDFirst,
	} {
		for name, tc := range map[string]struct {
			queue []cwmp.Message
			lost  int // requests that stay unanswered where every answer has the first ID
		}{
			"reads with other values between":  {[]cwmp.Message{get, set(1), get, set(2), get}, 0},
			"reads of other names":             {[]cwmp.Message{get, &cwmp.GetParameterValues{ParameterNames: []string{channel}}, get}, 0},
			"faults":                           {[]cwmp.Message{set(1), bad, set(2), bad, set(3)}, 0},
			"a fault first":                    {[]cwmp.Message{bad, set(1), bad}, 0},
			"updates after something else":     {[]cwmp.Message{get, set(1), set(2), set(3)}, 0},
			"updates alone, known from before": {[]cwmp.Message{get, set(1), nil, set(2), set(3), set(4)}, 0},
			"updates alone, not known":         {[]cwmp.Message{set(1), set(2), get}, 1},
		} {
			t.Run(habit+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					lost := tc.lost
					if id != cwmptest.IDFirst {
						lost = 0
					}
					wantServed(t, id, tc.queue, lost)
				})
			})
		}
	}
}

// wantServed lets a Device be asked all that is in the queue; a nil ends a session.
func wantServed(t *testing.T, id cwmptest.IDForm, queue []cwmp.Message, lost int) {
	t.Helper()
	h := &handler{responses: map[string]cwmp.Message{}, queue: queue}
	n := cwmptest.NewNetwork()
	defer serve(t, n, h, cwmp.AuthNone)()
	dev := cwmptest.New(cwmptest.Config{ACSURL: "http://acs.example:7547/acs", Net: n, Quirks: cwmptest.Quirks{ID: id}})
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error)
	go func() { ran <- dev.Run(ctx) }()
	defer func() { cancel(); <-ran }()
	time.Sleep(time.Minute)
	dev.Trigger()
	time.Sleep(time.Minute)
	synctest.Wait()

	h.mu.Lock()
	defer h.mu.Unlock()
	asked := 0
	for _, m := range queue {
		if m != nil {
			asked++
		}
	}
	if got := h.answers; got != asked-lost || len(h.unanswered) != lost || len(h.queue) != 0 {
		t.Errorf("got %d answers, unanswered %q, %d left (sessions ended %q), want %d answers and %d unanswered",
			got, h.unanswered, len(h.queue), h.ends, asked-lost, lost)
	}
}

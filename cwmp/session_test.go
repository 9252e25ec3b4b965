package cwmp_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
)

func TestSessionOfTwoRequests(t *testing.T) {
	set := &cwmp.SetParameterValues{ParameterList: []cwmp.ParameterValue{{Name: "Device.X", Value: "1", Type: "xsd:string"}}}
	h := &script{queue: map[string][]cwmp.Message{"A": {set, &cwmp.Reboot{CommandKey: "k"}}}}
	a := startACS(t, cwmp.ServerConfig{Handler: h})
	c := a.cpe("192.0.2.7")

	first := c.post(informOf(t, "A"))
	if set := first.header.Get("Set-Cookie"); !regexp.MustCompile(`^session=[0-9a-f]{32}; Path=/$`).MatchString(set) {
		t.Errorf("Set-Cookie %q, want 128 bits in hex and Path=/", set)
	}
	e := first.envelope(t)
	if _, ok := e.Message.(*cwmp.InformResponse); !ok || e.ID != "i-A" || e.Namespace != cwmp.Namespace10 {
		t.Errorf("got %T, ID %q, namespace %q, want InformResponse, i-A, %s", e.Message, e.ID, e.Namespace, cwmp.Namespace10)
	}
	ids := map[string]bool{}
	e = c.post("").envelope(t)
	if e.Message.Method() != "SetParameterValues" {
		t.Errorf("got %s, want SetParameterValues", e.Message.Method())
	}
	ids[e.ID] = true
	e = c.post(say(t, e.ID, &cwmp.SetParameterValuesResponse{})).envelope(t)
	if r, ok := e.Message.(*cwmp.Reboot); !ok || r.CommandKey != "k" {
		t.Errorf("got %+v, want the Reboot", e.Message)
	}
	ids[e.ID] = true
	c.wantStatus(204, say(t, e.ID, &cwmp.RebootResponse{}))
	if len(ids) != 2 || ids[""] {
		t.Errorf("request IDs %v, want two", ids)
	}
	// One more empty exchange is fine, anything else belongs to no session.
	c.wantStatus(204, "")
	c.wantStatus(400, say(t, "x", &cwmp.RebootResponse{}))
	c.wantStatus(400, say(t, "x", &cwmp.GetRPCMethods{}))
	h.wantCalls(t,
		"A Inform", "A Next", "A Sending SetParameterValues", "A Response SetParameterValuesResponse to SetParameterValues",
		"A Next", "A Sending Reboot", "A Response RebootResponse to Reboot", "A Next", "A End done")
	if n := a.server.Sessions(); n != 0 {
		t.Errorf("%d sessions are open, want 0", n)
	}
	if id := strings.TrimPrefix(c.cookie, "session="); strings.Contains(a.log.String(), id) {
		t.Error("the log has the cookie in it")
	}
}

func TestSessionNamespacesAndIDs(t *testing.T) {
	for _, namespace := range []string{cwmp.Namespace10, cwmp.Namespace11, cwmp.Namespace12, "urn:dslforum-org:cwmp-1-4", "urn:dslforum-org:cwmp-1-9"} {
		for _, id := range []struct {
			id  string
			has bool
		}{{"0", true}, {"", true}, {"", false}, {"a <b>&c", true}} {
			t.Run(fmt.Sprintf("%s %q %v", namespace, id.id, id.has), func(t *testing.T) {
				h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
				c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
				inform := &cwmp.Envelope{Namespace: namespace, ID: id.id, HasID: id.has, Message: &cwmp.Inform{DeviceID: cwmp.DeviceID{SerialNumber: "A"}}}
				e := c.post(message(t, inform)).envelope(t)
				if e.Namespace != namespace || e.ID != id.id || e.HasID != id.has || e.UseCWMPVersion != "" {
					t.Errorf("InformResponse has namespace %s, ID %q %v, version %q, want %s, %q %v, none", e.Namespace, e.ID, e.HasID, e.UseCWMPVersion, namespace, id.id, id.has)
				}
				e = c.post(message(t, &cwmp.Envelope{Namespace: namespace, ID: id.id, HasID: id.has, Message: &cwmp.GetRPCMethods{}})).envelope(t)
				m, ok := e.Message.(*cwmp.GetRPCMethodsResponse)
				if !ok || e.Namespace != namespace || e.ID != id.id || e.HasID != id.has {
					t.Errorf("got %T in %s, ID %q %v, want GetRPCMethodsResponse with those of the request", e.Message, e.Namespace, e.ID, e.HasID)
				} else if want := []string{"Inform", "GetRPCMethods", "TransferComplete", "AutonomousTransferComplete"}; !slices.Equal(m.MethodList, want) {
					t.Errorf("methods %q, want %q", m.MethodList, want)
				}
				e = c.post("").envelope(t)
				if e.Namespace != namespace || !e.HasID || e.ID == "" {
					t.Errorf("request in %s, ID %q, want %s and an ID", e.Namespace, e.ID, namespace)
				}
			})
		}
	}
}

func TestSessionVersions(t *testing.T) {
	for _, tc := range []struct {
		listed []string
		use    string
		fault  int
	}{
		{nil, "", 0},
		{[]string{"1.0"}, "1.0", 0},
		{[]string{"1.0", "1.1", "1.2", "1.3", "1.4"}, "1.4", 0},
		{[]string{"1.4", "1.9", "2.0"}, "1.4", 0},
		{[]string{"2.0"}, "", 8006},
	} {
		t.Run(fmt.Sprint(tc.listed), func(t *testing.T) {
			h := &script{}
			c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
			e := c.post(message(t, &cwmp.Envelope{
				Namespace: cwmp.Namespace12, ID: "7", HasID: true, SupportedCWMPVersions: tc.listed,
				Message: &cwmp.Inform{DeviceID: cwmp.DeviceID{SerialNumber: "A"}},
			})).envelope(t)
			if tc.fault != 0 {
				wantFault(t, e, tc.fault)
				h.wantCalls(t)
				return
			}
			if e.UseCWMPVersion != tc.use {
				t.Errorf("UseCWMPVersion %q, want %q", e.UseCWMPVersion, tc.use)
			}
		})
	}
}

func wantFault(t *testing.T, e *cwmp.Envelope, code int) {
	t.Helper()
	f, ok := e.Message.(*cwmp.Fault)
	if !ok || f.FaultCode != code {
		t.Errorf("got %+v, want fault %d", e.Message, code)
	}
}

func TestSessionNeedsSerialNumber(t *testing.T) {
	h := &script{}
	c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
	a := c.post(informOf(t, " "))
	wantFault(t, a.envelope(t), 8003)
	if a.header.Get("Set-Cookie") != "" {
		t.Error("a refused Inform gets a cookie")
	}
	h.wantCalls(t)
}

func TestSessionForgetsTheStateOfTheHandler(t *testing.T) {
	var kept *cwmp.Session
	atEnd := any(nil)
	h := &script{
		onInform: func(_ context.Context, s *cwmp.Session, _ *cwmp.Inform) error {
			s.State = "large"
			kept = s
			return nil
		},
		end: func(s *cwmp.Session, _ cwmp.EndReason) { atEnd = s.State },
	}
	c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
	c.inform("A")
	c.wantStatus(204, "")
	c.wantStatus(204, "") // the turn is over: the connection is open, and has its last session
	if atEnd != "large" || kept.State != nil {
		t.Errorf("State at the end and after it: got %v and %v, want it to be there at the end only", atEnd, kept.State)
	}
}

func TestSessionRequestsOfTheCPE(t *testing.T) {
	secret := errors.New("secret of the store")
	h := &script{request: func(m cwmp.Message) (cwmp.Message, error) {
		switch m.Method() {
		case "TransferComplete":
			return &cwmp.TransferCompleteResponse{}, nil
		case "AutonomousTransferComplete":
			return &cwmp.Other{Name: "AutonomousTransferCompleteResponse"}, nil
		case "Kicked":
			return nil, fmt.Errorf("kick: %w", &cwmp.Fault{FaultCode: 8001, FaultString: "no"})
		case "RequestDownload":
			return nil, secret
		}
		return nil, nil
	}}
	a := startACS(t, cwmp.ServerConfig{Handler: h})
	c := a.cpe("192.0.2.7")
	c.inform("A")
	exchange := func() {
		t.Helper()
		for _, tc := range []struct {
			m     cwmp.Message
			want  string
			fault int
		}{
			{&cwmp.TransferComplete{CommandKey: "k"}, "TransferCompleteResponse", 0},
			{&cwmp.TransferComplete{CommandKey: "k"}, "TransferCompleteResponse", 0},
			{&cwmp.Other{Name: "AutonomousTransferComplete"}, "AutonomousTransferCompleteResponse", 0},
			{&cwmp.Other{Name: "Kicked"}, "Fault", 8001},
			{&cwmp.Other{Name: "RequestDownload"}, "Fault", 8002},
			{&cwmp.Other{Name: "X_0012AB_Odd"}, "Fault", 8000},
			{&cwmp.SetParameterValues{}, "Fault", 8000},
			{&cwmp.Reboot{}, "Fault", 8000},
			{&cwmp.GetParameterValues{ParameterNames: []string{"x"}}, "Fault", 8000},
			{&cwmp.Other{Name: "Download"}, "Fault", 8000},
			{&cwmp.Other{Name: "FactoryReset"}, "Fault", 8000},
		} {
			answer := c.post(say(t, "id-7", tc.m))
			e := answer.envelope(t)
			if e.Message.Method() != tc.want || e.ID != "id-7" {
				t.Errorf("%s: got %s with ID %q, want %s with id-7", tc.m.Method(), e.Message.Method(), e.ID, tc.want)
			}
			if tc.fault != 0 {
				wantFault(t, e, tc.fault)
			}
			if strings.Contains(answer.body, "secret") {
				t.Errorf("%s: the fault tells the error", tc.m.Method())
			}
		}
	}
	exchange()
	h.queue = map[string][]cwmp.Message{"A": {&cwmp.GetParameterNames{ParameterPath: "Device."}}}
	e := c.post("").envelope(t)
	// They should not come after the empty POST, nor before the answer to our request; they are answered still.
	exchange()
	c.wantStatus(204, say(t, e.ID, &cwmp.GetParameterNamesResponse{}))
	for _, call := range h.record() {
		if strings.HasSuffix(call, "SetParameterValues") || strings.HasSuffix(call, "Reboot") || strings.HasSuffix(call, "Download") && !strings.HasSuffix(call, "RequestDownload") {
			t.Errorf("the handler was asked %q, want CPE methods kept from it", call)
		}
	}
	if calls := h.record(); calls[len(calls)-1] != "A End done" {
		t.Errorf("last call %q, want the end", calls[len(calls)-1])
	}
}

func TestSessionAnswers(t *testing.T) {
	fault := &cwmp.Fault{FaultCode: 9003, FaultString: "Invalid", Params: []cwmp.ParameterFault{{ParameterName: "a", FaultCode: 9005}, {ParameterName: "b", FaultCode: 9006}, {ParameterName: "c", FaultCode: 9007}}}
	for name, tc := range map[string]struct {
		id     string // "" is the right one
		answer cwmp.Message
		status int
		end    string
	}{
		"right":                       {"", &cwmp.RebootResponse{}, 204, "done"},
		"wrong ID":                    {"other", &cwmp.RebootResponse{}, 204, "done"},
		"fault":                       {"", fault, 204, "done"},
		"fault with wrong ID":         {"other", fault, 204, "done"},
		"answer to something else":    {"", &cwmp.SetParameterValuesResponse{}, 400, "protocol, Reboot unanswered"},
		"nothing, by an empty POST":   {"", nil, 204, "protocol, Reboot unanswered"},
		"answer of an unknown method": {"", &cwmp.Other{Name: "XResponse"}, 400, "protocol, Reboot unanswered"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
			var got cwmp.Message
			h.response = func(_ *cwmp.Session, _, response cwmp.Message) error { got = response; return nil }
			c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
			c.inform("A")
			id := c.post("").envelope(t).ID
			if tc.id != "" {
				id = tc.id
			}
			body := ""
			if tc.answer != nil {
				body = say(t, id, tc.answer)
			}
			c.wantStatus(tc.status, body)
			calls := h.record()
			if last := calls[len(calls)-1]; last != "A End "+tc.end {
				t.Errorf("last call %q, want A End %s", last, tc.end)
			}
			if f, ok := got.(*cwmp.Fault); tc.answer == fault && (!ok || len(f.Params) != 3) {
				t.Errorf("the handler got %+v, want the fault with three parameters", got)
			}
		})
	}
	// A CPE whose connection broke, or was slow, may send its last answer again. It is not the answer to the request that went out since.
	for name, again := range map[string]cwmp.Message{"the last answer again": &cwmp.SetParameterValuesResponse{}, "the last fault again": fault} {
		t.Run(name, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.SetParameterValues{}, &cwmp.SetParameterValues{}}}}
			c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
			c.inform("A")
			first := say(t, c.post("").envelope(t).ID, again)
			c.post(first).envelope(t)
			c.wantStatus(204, first)
			h.wantCalls(t, "A Inform", "A Next", "A Sending SetParameterValues", "A Response "+again.Method()+" to SetParameterValues",
				"A Next", "A Sending SetParameterValues", "A End protocol, SetParameterValues unanswered")
		})
	}
	t.Run("answer to nothing", func(t *testing.T) {
		h := &script{}
		c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
		c.inform("A")
		c.wantStatus(400, say(t, "x", &cwmp.RebootResponse{}))
		h.wantCalls(t, "A Inform", "A End protocol")
	})
	t.Run("unreadable", func(t *testing.T) {
		h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
		c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
		c.inform("A")
		c.post("").envelope(t)
		c.wantStatus(400, "<soap:Envelope><soap:Body><cwmp:RebootResp")
		h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A End protocol, Reboot unanswered")
	})
}

func TestSessionReplacedByNewInform(t *testing.T) {
	for name, reconnect := range map[string]bool{"on the same connection": false, "on a new one": true} {
		t.Run(name, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.GetParameterValues{ParameterNames: []string{"x"}}}}}
			c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
			c.inform("A")
			old := c.cookie
			c.post("").envelope(t)
			if reconnect {
				c.hangUp()
			}
			c.inform("A") // with the old cookie
			if c.cookie == old {
				t.Error("the new session has the old cookie, want another")
			}
			c.wantStatus(204, "")
			c.cookie = old
			c.hangUp()
			c.wantStatus(400, say(t, "x", &cwmp.GetParameterValuesResponse{}))
			h.wantCalls(t, "A Inform", "A Next", "A Sending GetParameterValues", "A End replaced, GetParameterValues unanswered",
				"A Inform", "A Next", "A End done")
		})
	}
}

func TestSessionTimeouts(t *testing.T) {
	for name, tc := range map[string]struct {
		wish, want time.Duration
	}{
		"default":         {0, 60 * time.Second},
		"CPE's wish":      {120 * time.Second, 120 * time.Second},
		"wish too long":   {time.Hour, 300 * time.Second},
		"wish too short":  {time.Second, 30 * time.Second},
		"just the least":  {30 * time.Second, 30 * time.Second},
		"just the most":   {300 * time.Second, 300 * time.Second},
		"far in the past": {-time.Second, 60 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
				var ended time.Time
				h.end = func(*cwmp.Session, cwmp.EndReason) { ended = time.Now() }
				a := startACS(t, cwmp.ServerConfig{Handler: h})
				c := a.cpe("192.0.2.7")
				c.post(message(t, &cwmp.Envelope{SessionTimeout: tc.wish, Message: &cwmp.Inform{DeviceID: cwmp.DeviceID{SerialNumber: "A"}}})).envelope(t)
				time.Sleep(tc.want - time.Second)
				c.post("").envelope(t)
				last := time.Now()
				time.Sleep(tc.want + time.Second)
				synctest.Wait()
				h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A End timeout, Reboot unanswered")
				if took := ended.Sub(last); took < tc.want || took > tc.want+300*time.Millisecond {
					t.Errorf("ended after %v, want %v", took, tc.want)
				}
				c.wantStatus(400, say(t, "x", &cwmp.RebootResponse{}))
				time.Sleep(31 * time.Second) // no longer remembered
				c.wantStatus(400, say(t, "x", &cwmp.RebootResponse{}))
				c.wantStatus(204, "")
			})
		})
	}
}

func TestSessionShutdownAndDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
		a := startACS(t, cwmp.ServerConfig{Handler: h})
		c, other := a.cpe("192.0.2.7"), a.cpe("192.0.2.8")
		c.inform("A")
		id := c.post("").envelope(t).ID
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		drained := make(chan error, 1)
		go func() { drained <- a.server.Drain(ctx) }()
		synctest.Wait()
		refused := other.wantStatus(503, informOf(t, "B"))
		if after := refused.header.Get("Retry-After"); !regexp.MustCompile(`^[1-6][0-9]$`).MatchString(after) {
			t.Errorf("Retry-After %q, want 10 to 60", after)
		}
		c.wantStatus(204, say(t, id, &cwmp.RebootResponse{}))
		if err := <-drained; err != nil {
			t.Errorf("Drain: %v", err)
		}
		if err := a.server.Drain(ctx); err != nil {
			t.Errorf("second Drain: %v", err)
		}
		h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A Response RebootResponse to Reboot", "A Next", "A End done")
	})
	t.Run("in time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := startACS(t, cwmp.ServerConfig{Handler: &script{}})
			a.cpe("192.0.2.7").inform("A")
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := a.server.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Drain: got %v, want the deadline", err)
			}
		})
	})
	t.Run("Run ends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c := a.cpe("192.0.2.7")
			c.inform("A")
			c.post("").envelope(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := a.server.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
			h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A End shutdown, Reboot unanswered")
			c.wantStatus(503, informOf(t, "A"))
		})
	})
}

func TestSessionHandlerErrors(t *testing.T) {
	broken := errors.New("broken")
	for name, tc := range map[string]struct {
		set    func(h *script)
		status int // of the second POST; of the first where inform is set
		inform int // fault code
		calls  []string
	}{
		"Inform fault": {set: func(h *script) {
			h.onInform = func(context.Context, *cwmp.Session, *cwmp.Inform) error {
				return fmt.Errorf("x: %w", &cwmp.Fault{FaultCode: 8005})
			}
		}, inform: 8005, calls: []string{"A Inform", "A End error"}},
		"Inform error": {set: func(h *script) {
			h.onInform = func(context.Context, *cwmp.Session, *cwmp.Inform) error { return broken }
		}, inform: 8002, calls: []string{"A Inform", "A End error"}},
		"Inform panic": {set: func(h *script) {
			h.onInform = func(context.Context, *cwmp.Session, *cwmp.Inform) error { panic("ouch") }
		}, status: 500, inform: -1, calls: []string{"A Inform", "A End error"}},
		"Next error": {set: func(h *script) {
			h.next = func(context.Context, *cwmp.Session) (cwmp.Message, error) { return nil, broken }
		}, status: 204, calls: []string{"A Inform", "A Next", "A End error"}},
		"Next panic": {set: func(h *script) {
			h.next = func(context.Context, *cwmp.Session) (cwmp.Message, error) { panic("ouch") }
		}, status: 500, calls: []string{"A Inform", "A Next", "A End error"}},
		"Next cannot be encoded": {set: func(h *script) {
			h.queue = map[string][]cwmp.Message{"A": {&cwmp.Reboot{CommandKey: strings.Repeat("x", 33)}}}
		}, status: 204, calls: []string{"A Inform", "A Next", "A End error"}},
		"Sending error": {set: func(h *script) {
			h.sending = func(*cwmp.Session, cwmp.Message) error { return broken }
		}, status: 204, calls: []string{"A Inform", "A Next", "A Sending Reboot", "A End error"}},
		"Sending panic": {set: func(h *script) {
			h.sending = func(*cwmp.Session, cwmp.Message) error { panic("ouch") }
		}, status: 500, calls: []string{"A Inform", "A Next", "A Sending Reboot", "A End error"}},
		"End panic": {set: func(h *script) {
			h.queue = nil
			h.end = func(*cwmp.Session, cwmp.EndReason) { panic("ouch") }
		}, status: 204, calls: []string{"A Inform", "A Next", "A End done"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
			tc.set(h)
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c := a.cpe("192.0.2.7")
			switch {
			case tc.inform > 0:
				answer := c.post(informOf(t, "A"))
				wantFault(t, answer.envelope(t), tc.inform)
				if strings.Contains(answer.body, "broken") {
					t.Error("the fault tells the error")
				}
			case tc.inform < 0:
				c.wantStatus(tc.status, informOf(t, "A"))
			default:
				c.inform("A")
				c.wantStatus(tc.status, "")
			}
			h.wantCalls(t, tc.calls...)
			if n := a.server.Sessions(); n != 0 {
				t.Errorf("%d sessions are open, want 0", n)
			}
			if strings.Contains(name, "panic") != strings.Contains(a.log.String(), `"panic":"ouch"`) {
				t.Errorf("log %s, want a panic in it only where there was one", a.log)
			}
			// The server lives on.
			h.onInform, h.next = nil, nil
			c.inform("B")
		})
	}
	t.Run("Response error", func(t *testing.T) {
		h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}, &cwmp.Reboot{}}}}
		h.response = func(*cwmp.Session, cwmp.Message, cwmp.Message) error { return broken }
		c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
		c.inform("A")
		id := c.post("").envelope(t).ID
		c.wantStatus(204, say(t, id, &cwmp.RebootResponse{}))
		h.wantCalls(t, "A Inform", "A Next", "A Sending Reboot", "A Response RebootResponse to Reboot", "A End error")
	})
}

func TestSessionHandlerContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &script{}
		h.next = func(ctx context.Context, _ *cwmp.Session) (cwmp.Message, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		c := startACS(t, cwmp.ServerConfig{Handler: h}).cpe("192.0.2.7")
		c.inform("A")
		started := time.Now()
		c.wantStatus(204, "")
		if took := time.Since(started); took > 30*time.Second || took < 20*time.Second {
			t.Errorf("answered after %v, want less than 30s and no hurry", took)
		}
	})
	t.Run("outlives the connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}}}
			var cause error
			stored := make(chan struct{})
			a := startACS(t, cwmp.ServerConfig{Handler: h})
			c := a.cpe("192.0.2.7")
			h.onInform = func(ctx context.Context, _ *cwmp.Session, _ *cwmp.Inform) error {
				time.Sleep(5 * time.Second)
				cause = context.Cause(ctx)
				close(stored)
				return nil
			}
			conn := c.dial()
			time.AfterFunc(time.Second, func() { _ = conn.Close() })
			body := informOf(t, "A")
			go func() {
				_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			}()
			<-stored
			if cause != nil {
				t.Errorf("the handler's context ended by %v, want it to outlive the connection", cause)
			}
			synctest.Wait()
			h.wantCalls(t, "A Inform", "A End write")
		})
	})
}

func TestSessionXMLDeclaration(t *testing.T) {
	h := &script{queue: map[string][]cwmp.Message{"A": {&cwmp.Reboot{}}, "B": {&cwmp.Reboot{}}}}
	h.onInform = func(_ context.Context, s *cwmp.Session, _ *cwmp.Inform) error {
		s.XMLDeclaration = s.Device.SerialNumber == "B"
		return nil
	}
	a := startACS(t, cwmp.ServerConfig{Handler: h})
	for serial, want := range map[string]bool{"A": false, "B": true} {
		c := a.cpe("192.0.2.7")
		for _, body := range []string{informOf(t, serial), say(t, "1", &cwmp.GetRPCMethods{}), ""} {
			if got := strings.HasPrefix(c.post(body).body, "<?xml"); got != want {
				t.Errorf("device %s: declaration %v, want %v", serial, got, want)
			}
		}
	}
}

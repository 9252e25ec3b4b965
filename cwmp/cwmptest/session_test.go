package cwmptest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

// challenges makes the ACS ask for credentials; each has a nonce of its own, good is what lets in.
func challenges(challenge string, good func(authorization string) bool) func(*http.Request) string {
	n := 0
	return func(r *http.Request) string {
		if good(r.Header.Get("Authorization")) {
			return ""
		}
		n++
		return strings.ReplaceAll(challenge, "%n", fmt.Sprint("nonce", n))
	}
}

// goodDigest verifies a digest for the password "pw" apart from the package's own code.
func goodDigest(header string) bool {
	p := map[string]string{}
	for _, m := range param.FindAllStringSubmatch(header, -1) {
		p[m[1]] = m[2]
	}
	ha1, ha2 := hash(p["username"]+":"+p["realm"]+":pw"), hash("POST:"+p["uri"])
	want := hash(ha1 + ":" + p["nonce"] + ":" + ha2)
	if _, rest, ok := strings.Cut(header, "nc="); ok {
		want = hash(ha1 + ":" + p["nonce"] + ":" + rest[:8] + ":" + p["cnonce"] + ":auth:" + ha2)
	}
	return p["response"] == want
}

const digestChallenge = `Digest realm="acs", qop="auth", nonce="%n"`

// authorizations lists the Authorization headers of all POSTs, "-" for none.
func (b *bed) authorizations() (list []string) {
	for _, r := range b.acs.requests {
		a := r.Header.Get("Authorization")
		if a == "" {
			a = "-"
		}
		list = append(list, a)
	}
	return list
}

func TestAuthentication(t *testing.T) {
	basic := func(a string) bool { return a == "Basic "+"MDJDRDAwLVNpbXVsYXRvci0wMDAwMDE6cHc=" }
	informOnly := func(good func(string) bool) func(string) bool {
		in := false
		return func(a string) bool { in = in || good(a); return in }
	}
	type q = cwmptest.Quirks
	for name, c := range map[string]struct {
		auth      cwmptest.Auth
		q         q
		challenge string
		good      func(string) bool
		want      []string // a piece of each POST's Authorization
	}{
		"quirk 10 digest":     {0, q{}, digestChallenge, goodDigest, []string{"-", "nc=00000001", "nc=00000002"}},
		"basic":               {0, q{}, `Basic realm="acs"`, basic, []string{"-", "Basic ", "Basic "}},
		"old digest asked":    {0, q{}, `Digest realm="acs", nonce="%n"`, goodDigest, []string{"-", `nonce="nonce1"`, `nonce="nonce1"`}},
		"quirk 9":             {0, q{AuthInformOnly: true}, digestChallenge, informOnly(goodDigest), []string{"-", "nc=00000001", "-"}},
		"quirk 11 preemptive": {0, q{PreemptiveBasic: true}, `Basic realm="acs"`, basic, []string{"Basic ", "Basic "}},
		"quirk 12 old form":   {0, q{OldDigest: true, EmptyURI: true}, digestChallenge, goodDigest, []string{"-", `uri=""`, `uri=""`}},
		"quirk 12 fixed nc":   {0, q{FixedNC: true}, digestChallenge, goodDigest, []string{"-", "nc=00000001", "nc=00000001"}},
		"quirk 8":             {0, q{EmptyPostFirst: true}, digestChallenge, goodDigest, []string{"-", "nc=00000001", "nc=00000002"}},
		"new connection":      {0, q{NewConnAfter401: true}, digestChallenge, goodDigest, []string{"-", "nc=00000001", "nc=00000002"}},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, cwmptest.Config{Quirks: c.q, Auth: c.auth, Password: "pw"}, func(b *bed) {
				b.acs.auth = challenges(c.challenge, c.good)
				b.after(0)
				got := b.authorizations()
				if len(got) != len(c.want) || b.dev.Sessions().Ended != 1 {
					t.Fatalf("got %q (%q), want %d POSTs and a good end", got, b.failures(), len(c.want))
				}
				for i, want := range c.want {
					if !strings.Contains(got[i], want) {
						t.Errorf("POST %d: got %q, want %q in it", i+1, got[i], want)
					}
				}
				if c.q.OldDigest && strings.Contains(got[1], "cnonce") {
					t.Errorf("old form: got %q, want no cnonce", got[1])
				}
				one, two := b.acs.requests[0].RemoteAddr, b.acs.requests[1].RemoteAddr
				if c.q.NewConnAfter401 == (one == two) {
					t.Errorf("connections: got %s and %s", one, two)
				}
			})
		})
	}
}

func TestRefusedCredentials(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   cwmptest.Config
		posts int
		again time.Duration
	}{
		"wrong password": {cwmptest.Config{Password: "wrong"}, 2, 10 * time.Second},
		"no credentials": {cwmptest.Config{Auth: cwmptest.AuthNone}, 1, 10 * time.Second},
		"basic only":     {cwmptest.Config{Auth: cwmptest.AuthBasic, Password: "pw"}, 1, 10 * time.Second},
		"quirk 11":       {cwmptest.Config{Password: "pw", Quirks: cwmptest.Quirks{DiesOn401: true}}, 1, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, c.cfg, func(b *bed) {
				b.acs.auth = challenges(digestChallenge, goodDigest)
				b.after(0)
				if got := b.dev.Sessions(); got.Failed != 1 || got.Posts != c.posts {
					t.Errorf("got %+v, want one failed session of %d POSTs", got, c.posts)
				}
				b.after(c.again)
				if got := b.dev.Sessions().Failed; got != 2 {
					t.Errorf("after %v: got %d failed sessions, want 2", c.again, got)
				}
			})
		})
	}
}

func TestKeepChallenge(t *testing.T) { // quirk 12: one nonce across sessions
	run(t, cwmptest.Config{Password: "pw", Quirks: cwmptest.Quirks{KeepChallenge: true, FixedNC: true}}, func(b *bed) {
		b.acs.auth = challenges(digestChallenge, goodDigest)
		b.after(0)
		if err := b.dev.Inform(b.Context()); err != nil {
			t.Fatal(err)
		}
		got := b.authorizations()
		if len(got) != 5 || !strings.Contains(got[3], `nonce="nonce1"`) || !strings.Contains(got[3], "nc=00000001") {
			t.Errorf("got %q, want the fourth POST with the first nonce and nc=00000001", got)
		}
	})
}

func TestCookiesAndConnections(t *testing.T) {
	type q = cwmptest.Quirks
	for name, c := range map[string]struct {
		q       q
		cookies []string // of two sessions of two POSTs
		conns   int
	}{
		"none":        {q{}, []string{"", "sid=1", "", "sid=2"}, 2},
		"quirk 6":     {q{ConnPerPost: true}, []string{"", "sid=1", "", "sid=2"}, 4},
		"quirk 7":     {q{NoCookie: true}, []string{"", "", "", ""}, 2},
		"quirk 13":    {q{StaleCookie: true}, []string{"", "sid=1", "sid=1", "sid=2"}, 2},
		"old form":    {q{OldCookie: true}, []string{"", `$Version="1"; sid="1"; $Path="/"`, "", `$Version="1"; sid="2"; $Path="/"`}, 2},
		"one more":    {q{SecondEmptyPost: true}, []string{"", "sid=1", "sid=1", "", "sid=2", "sid=2"}, 2},
		"empty ahead": {q{EmptyPostFirst: true}, []string{"", "", "sid=1", "", "", "sid=2"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, cwmptest.Config{Quirks: c.q}, func(b *bed) {
				b.after(0)
				if err := b.dev.Inform(b.Context()); err != nil {
					t.Fatal(err)
				}
				var got []string
				conns := map[string]bool{}
				for _, r := range b.acs.requests {
					got = append(got, r.Header.Get("Cookie"))
					conns[r.RemoteAddr] = true
				}
				if !slices.Equal(got, c.cookies) || len(conns) != c.conns {
					t.Errorf("got cookies %q on %d connections, want %q on %d", got, len(conns), c.cookies, c.conns)
				}
			})
		})
	}
}

// TestWhatClientsBreakOn shows the quirks by which a form of the ACS's message, or a request, ends the session.
func TestWhatClientsBreakOn(t *testing.T) {
	type q = cwmptest.Quirks
	set := &cwmp.SetParameterValues{ParameterKey: "k", ParameterList: []cwmp.ParameterValue{{Name: ssid, Type: "xsd:string", Value: "new"}}}
	for name, c := range map[string]struct {
		q           q
		declaration bool
		ask         cwmp.Message
		fails       string // "" ends well
	}{
		"quirk 1 refuses":        {q{RefuseDeclaration: true}, true, nil, "an XML declaration"},
		"quirk 1 refuses not":    {q{RefuseDeclaration: true}, false, nil, ""},
		"quirk 1 crashes":        {q{CrashOnDeclaration: true}, true, &cwmp.GetRPCMethods{}, "died"},
		"quirk 1 crashes not":    {q{CrashOnDeclaration: true}, true, nil, ""},
		"quirk 1 needs":          {q{NeedDeclaration: true}, false, nil, "no XML declaration"},
		"quirk 1 needs and gets": {q{NeedDeclaration: true}, true, nil, ""},
		"quirk 2":                {q{NeedPrefix: true}, true, nil, "prefixed Envelope"},
		"quirk 2 as it should":   {q{NeedPrefix: true}, false, nil, ""},
		"quirk 3":                {q{NeedNamespaces: true}, false, set, ""},
		"quirk 5":                {q{RefuseParameterKey: true}, false, set, "ParameterKey"},
		"quirk 14 method":        {q{DiesOn: []string{"GetParameterNames"}}, false, &cwmp.GetParameterNames{}, "died"},
		"quirk 14 unknown":       {q{DiesOn: []string{"unknown"}}, false, &cwmp.TransferComplete{}, "died"},
		"quirk 14 unknown name":  {q{DiesOn: []string{"unknown"}}, false, &cwmp.GetParameterValues{ParameterNames: []string{"X."}}, "died"},
		"quirk 14 partial":       {q{DiesOn: []string{"partial"}}, false, &cwmp.GetParameterValues{ParameterNames: []string{"InternetGatewayDevice."}}, "died"},
		"quirk 14 full":          {q{DiesOn: []string{"partial"}}, false, &cwmp.GetParameterValues{ParameterNames: []string{ssid}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, cwmptest.Config{Quirks: c.q}, func(b *bed) {
				b.acs.declaration = c.declaration
				if c.ask != nil {
					b.acs.push(c.ask)
				}
				b.after(time.Second)
				switch got := strings.Join(b.failures(), "; "); {
				case c.fails == "" && got != "":
					t.Errorf("got %q, want a good end", got)
				case c.fails != "" && !strings.Contains(got, c.fails):
					t.Errorf("got %q, want %q", got, c.fails)
				}
			})
		})
	}
}

func TestBorrowsPrefix(t *testing.T) { // quirk 2
	run(t, cwmptest.Config{Quirks: cwmptest.Quirks{BorrowPrefix: true, Prefix: "mine"}}, func(b *bed) {
		b.acs.push(&cwmp.GetRPCMethods{})
		b.after(0)
		out, _ := cwmp.Encode(&cwmp.Envelope{Namespace: cwmp.Namespace10, Message: &cwmp.InformResponse{}}, false)
		prefix, _, _ := strings.Cut(string(out), ":")
		if got := b.posted("Inform")[0]; !strings.Contains(got, "<mine:Envelope") {
			t.Errorf("Inform: got %q, want the prefix mine", got)
		}
		if got := b.posted("GetRPCMethodsResponse")[0]; !strings.Contains(got, prefix+":Envelope") {
			t.Errorf("answer: got %q, want the prefix of the ACS (%s)", got, prefix)
		}
	})
}

func TestInformAgainOnTheSameConnection(t *testing.T) { // quirk 13
	run(t, cwmptest.Config{Quirks: cwmptest.Quirks{InformAgainOn: []string{"unknown"}}}, func(b *bed) {
		b.acs.push(&cwmp.GetParameterValues{ParameterNames: []string{"Nope.X"}})
		b.after(10 * time.Second)
		informs := b.acs.informs()
		if len(informs) != 2 || informs[1].RetryCount != "1" || len(b.acs.answers()) != 0 {
			t.Fatalf("got %d Informs and %d answers (%q), want two and none", len(informs), len(b.acs.answers()), b.failures())
		}
		if one, two := b.acs.requests[0].RemoteAddr, b.acs.requests[2].RemoteAddr; one != two {
			t.Errorf("connections: got %s and %s, want one", one, two)
		}
	})
}

func TestEventlessRetry(t *testing.T) { // quirk 4
	cfg := cwmptest.Config{Quirks: cwmptest.Quirks{EventlessRetry: true}, Cut: cwmptest.CutAt(1, 3)}
	run(t, cfg, func(b *bed) {
		b.after(7 * time.Second)
		b.wantInforms("0 BOOTSTRAP, 1 BOOT")
		b.after(time.Second)
		b.wantInforms("0 BOOTSTRAP, 1 BOOT", "", "0 BOOTSTRAP, 1 BOOT")
		if got := b.acs.informs()[1].RetryCount; got != "1" {
			t.Errorf("RetryCount: got %s, want 1", got)
		}
	})
}

// TestRetryWaits checks Table 3 of TR-069 and that the events are kept.
func TestRetryWaits(t *testing.T) {
	cfg := cwmptest.Config{PeriodicInformInterval: -1, Cut: func(cwmptest.CutPoint) bool { return true }}
	run(t, cfg, func(b *bed) {
		b.after(5 * time.Hour)
		var at []time.Time
		for _, n := range b.journal.Notes(cwmptest.NoteSession) {
			at = append(at, n.At)
		}
		if len(at) < 11 {
			t.Fatalf("got %d sessions in five hours, want 11 or more", len(at))
		}
		low := 5 * time.Second
		for i := 1; i < len(at); i++ {
			if wait := at[i].Sub(at[i-1]); wait < low || wait > 2*low {
				t.Errorf("wait before retry %d: got %v, want %v to %v", i, wait, low, 2*low)
			}
			if i < 10 {
				low *= 2
			}
		}
		b.dev.SetCut(nil)
		b.dev.Trigger(cwmp.EventValueChange) // a new event does not wait
		b.after(0)
		b.wantInforms("0 BOOTSTRAP, 1 BOOT, 4 VALUE CHANGE")
		if got, want := b.acs.informs()[0].Retries(), len(at); got != want {
			t.Errorf("RetryCount: got %d, want %d", got, want)
		}
	})
}

// TestCutPoints breaks a session at each of its points in turn: the reboot happens once whenever it was acted on, and the
// device is always back in the end.
func TestCutPoints(t *testing.T) {
	last := 0
	run(t, cwmptest.Config{Cut: func(p cwmptest.CutPoint) bool { last = max(last, p.Number); return false }}, func(b *bed) {
		b.acs.push(&cwmp.Reboot{CommandKey: "k"})
		b.after(0)
	})
	for n := 1; n <= last; n++ {
		run(t, cwmptest.Config{Cut: cwmptest.CutAt(1, n), BootDelay: time.Second}, func(b *bed) {
			b.acs.push(&cwmp.Reboot{CommandKey: "k"})
			b.after(time.Hour)
			if got := b.dev.Sessions(); got.Failed != 1 || got.Ended < 1 {
				t.Errorf("cut at %d: got %+v (%q), want one failed session and a good one after it", n, got, b.failures())
			}
			reboots, acted := b.dev.RebootsOf("k"), len(b.journal.Notes(cwmptest.NoteActed))
			if reboots != acted || reboots > 1 {
				t.Errorf("cut at %d: got %d reboots and %d Reboots acted on", n, reboots, acted)
			}
			informs := b.acs.informs()
			if lastOne := codes(informs[len(informs)-1].Events); acted == 1 {
				all := ""
				for _, in := range informs {
					all += codes(in.Events) + "; "
				}
				if !strings.Contains(all, "M Reboot(k)") {
					t.Errorf("cut at %d: got %q (last %q), want M Reboot(k)", n, all, lastOne)
				}
			}
		})
	}
	if last != 13 {
		t.Errorf("points of a session with one Reboot: got %d, want 13", last)
	}
}

func TestLostReplies(t *testing.T) {
	set := &cwmp.SetParameterValues{ParameterList: []cwmp.ParameterValue{{Name: ssid, Type: "xsd:string", Value: "new"}}}
	for where, want := range map[cwmptest.Where]string{cwmptest.BeforeActing: "Recado-24", cwmptest.AfterActing: "new"} {
		run(t, cwmptest.Config{Cut: cwmptest.CutOn("SetParameterValues", where, 1)}, func(b *bed) {
			b.acs.push(set)
			b.after(time.Minute)
			if got := b.dev.Value(ssid); got != want || len(b.acs.answers()) != 0 {
				t.Errorf("cut at %d: got %q and %d answers, want %q and none", where, got, len(b.acs.answers()), want)
			}
			if got := b.dev.Sessions(); got.Failed != 1 || got.Ended != 1 {
				t.Errorf("cut at %d: got %+v, want a failed session and a good one", where, got)
			}
		})
	}
}

func TestMishapsWithReboots(t *testing.T) {
	for name, c := range map[string]struct {
		m                        cwmptest.Mishaps
		answered, booted, proven bool
	}{
		"none":      {cwmptest.Mishaps{}, true, true, true},
		"ignores":   {cwmptest.Mishaps{IgnoresReboot: true}, true, false, false},
		"at once":   {cwmptest.Mishaps{RebootsAtOnce: true}, false, true, true},
		"slow":      {cwmptest.Mishaps{BootDelay: 50 * time.Minute}, true, true, true},
		"slower":    {cwmptest.Mishaps{BootDelay: 2 * time.Hour}, true, true, false},
		"gone away": {cwmptest.Mishaps{NeverBack: true}, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, cwmptest.Config{Mishaps: c.m, BootDelay: time.Minute}, func(b *bed) {
				b.acs.push(&cwmp.Reboot{CommandKey: "k"})
				b.after(59 * time.Minute)
				proven := slices.ContainsFunc(b.acs.informs(), func(in *cwmp.Inform) bool {
					return strings.Contains(codes(in.Events), "M Reboot(k)")
				})
				if got := len(b.acs.answers()) == 1; got != c.answered {
					t.Errorf("answered: got %v, want %v", got, c.answered)
				}
				if got := len(b.dev.Boots()) == 2; got != c.booted {
					t.Errorf("went down: got %v, want %v", got, c.booted)
				}
				if proven != c.proven {
					t.Errorf("M Reboot within the hour: got %v, want %v", proven, c.proven)
				}
				if c.m.NeverBack {
					b.after(24 * time.Hour)
					if _, up := b.dev.Up(); up {
						t.Error("a day later: got it up, want it gone")
					}
					b.dev.PowerCycle()
					b.after(time.Minute)
					if got := codes(b.acs.informs()[1].Events); got != "1 BOOT, M Reboot(k)" {
						t.Errorf("after a power cycle: got %q, want 1 BOOT, M Reboot(k)", got)
					}
				}
			})
		})
	}
}

func TestFaultsByMethod(t *testing.T) {
	cfg := cwmptest.Config{
		Faults: map[string]cwmp.Fault{"Reboot": {FaultCode: 9001, FaultString: "not now"}},
		FaultFor: func(m cwmp.Message) *cwmp.Fault {
			if m.Method() == "GetRPCMethods" {
				return &cwmp.Fault{FaultCode: 9002, FaultString: "oops"}
			}
			return nil
		},
	}
	run(t, cfg, func(b *bed) {
		b.acs.push(&cwmp.Reboot{CommandKey: "k"}, &cwmp.GetRPCMethods{}, &cwmp.GetParameterValues{ParameterNames: []string{ssid}})
		b.after(time.Minute)
		got := b.acs.answers()
		if len(got) != 3 || got[0].(*cwmp.Fault).FaultCode != 9001 || got[1].(*cwmp.Fault).FaultCode != 9002 || got[2].Method() != "GetParameterValuesResponse" {
			t.Errorf("got %v, want faults 9001 and 9002, then values", got)
		}
		if n := b.dev.RebootsOf("k"); n != 0 {
			t.Errorf("reboots: got %d, want none", n)
		}
	})
}

func TestOwnRequests(t *testing.T) {
	run(t, cwmptest.Config{KnownToACS: true}, func(b *bed) {
		b.after(0)
		b.dev.Request(&cwmp.TransferComplete{CommandKey: "d", FaultCode: "0", StartTime: "0001-01-01T00:00:00Z", CompleteTime: "0001-01-01T00:00:00Z"})
		b.dev.Request(&cwmp.GetRPCMethods{})
		b.after(0)
		b.wantInforms("1 BOOT", "7 TRANSFER COMPLETE, M Download(d)")
		got := b.acs.answers()
		if len(got) != 2 || got[0].(*cwmp.TransferComplete).CommandKey != "d" || got[1].Method() != "GetRPCMethods" {
			t.Errorf("got %v, want TransferComplete and GetRPCMethods", got)
		}
		_ = b.dev.Inform(b.Context())
		b.wantInforms("1 BOOT", "7 TRANSFER COMPLETE, M Download(d)", "2 PERIODIC")
	})
}

func TestOfflineAndPowerBreakTheSession(t *testing.T) {
	run(t, cwmptest.Config{KnownToACS: true, BootDelay: time.Minute}, func(b *bed) {
		b.after(0)
		hold := make(chan struct{})
		defer close(hold)
		b.acs.mu.Lock()
		b.acs.hold = hold
		b.acs.mu.Unlock()
		done := make(chan error, 1)
		go func() { done <- b.dev.Inform(b.Context()) }()
		b.after(time.Second)
		b.dev.Offline(true)
		if err := <-done; err == nil || !strings.Contains(err.Error(), "offline") {
			t.Errorf("Inform while it goes offline: got %v, want an error", err)
		}
		b.after(2 * time.Hour)
		if got := b.dev.Sessions().Started; got != 2 {
			t.Errorf("sessions while offline: got %d, want no more than 2", got)
		}
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if err := b.dev.Inform(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Inform offline: got %v, want the deadline", err)
		}
		b.dev.Offline(false)
		b.after(0)
		b.dev.PowerCycle()
		b.after(30 * time.Second)
		if _, up := b.dev.Up(); up {
			t.Error("half a minute after the power cycle: got it up, want it booting")
		}
		b.after(31 * time.Second)
		if got := b.dev.Sessions(); got.Started != 4 || got.Ended != 1 || got.Failed != 2 {
			t.Errorf("got %+v, want 4 sessions: one good, two broken, one that hangs", got)
		}
	})
}

func TestACSMovesAndSetsThePeriod(t *testing.T) {
	run(t, cwmptest.Config{KnownToACS: true}, func(b *bed) {
		ms := "InternetGatewayDevice.ManagementServer."
		b.acs.push(&cwmp.SetParameterValues{ParameterList: []cwmp.ParameterValue{
			{Name: ms + "PeriodicInformInterval", Type: "xsd:unsignedInt", Value: "60"},
		}})
		b.after(61 * time.Second)
		b.wantInforms("1 BOOT", "2 PERIODIC")
		b.acs.push(&cwmp.SetParameterValues{ParameterList: []cwmp.ParameterValue{
			{Name: ms + "URL", Type: "xsd:string", Value: "http://acs.example:7547/other"},
		}})
		_ = b.dev.Inform(b.Context())
		b.after(0)
		b.wantInforms("1 BOOT", "2 PERIODIC", "2 PERIODIC", "0 BOOTSTRAP")
		if got := b.acs.requests[len(b.acs.requests)-1].URL.Path; got != "/other" {
			t.Errorf("path: got %s, want /other", got)
		}
	})
}

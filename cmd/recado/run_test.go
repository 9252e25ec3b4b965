package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"recado/acs/wire"
)

// buffer is a writer that can be read while it is written to.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestDemoStays(t *testing.T) {
	var out, errOut buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"demo", "--stay", "--demo-boot-delay", "50ms"}, streams{out: &out, err: &errOut})
	}()
	shown := regexp.MustCompile(`export RECADO_URL=(\S+) RECADO_TOKEN=(\S+)`)
	err := until(func(context.Context) error {
		if !strings.Contains(out.String(), "Webhooks go on arriving here.") {
			return io.ErrNoProgress
		}
		return nil
	})
	if err != nil {
		t.Fatalf("demo --stay is not up: %s%s", out.String(), errOut.String())
	}
	m := shown.FindStringSubmatch(out.String())
	if m == nil {
		t.Fatalf("demo --stay shows no URL and token: %s", out.String())
	}
	var rebooted, rebootErr bytes.Buffer
	code := run(t.Context(), []string{"reboot", demoRouter, "--wait", "--url", m[1], "--token", m[2]}, streams{out: &rebooted, err: &rebootErr})
	if code != exitOK || !strings.Contains(rebooted.String(), "success") {
		t.Errorf("reboot of the demo's device: exit %d, want 0: %s%s", code, rebooted.String(), rebootErr.String())
	}
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("demo --stay after a signal: exit %d, want 0: %s", code, errOut.String())
	}
	if res, err := http.Get(m[1] + "/healthz"); err == nil {
		res.Body.Close()
		t.Error("the demo's server is still up after its end")
	}
}

// script is a protocolo that moves on, step by step.
type script []wire.Protocol

func (s script) Wait(_ context.Context, _ string, onChange func(wire.Protocol)) (wire.Protocol, error) {
	for _, p := range s {
		onChange(p)
	}
	return s[len(s)-1], nil
}

func steps(status string, whats ...string) wire.Protocol {
	p := wire.Protocol{Status: status, Stage: whats[len(whats)-1], NextStep: "wait for it", CreatedAt: wire.Time(time.Now())}
	for _, w := range whats {
		p.Timeline = append(p.Timeline, wire.TimelineEntry{What: w, Detail: "did " + w})
	}
	return p
}

func TestFollowerPrintsEachStepOnce(t *testing.T) {
	for _, live := range []bool{false, true} {
		var out bytes.Buffer
		from := script{steps("pending", "queued"), steps("pending", "queued"), steps("pending", "queued", "waking", "sent"), steps("success", "queued", "waking", "sent", "success")}
		f := &follower{out: &out, live: live}
		if _, err := f.follow(t.Context(), from, "x"); err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"did queued", "did waking", "did sent", "did success"} {
			if n := strings.Count(out.String(), what); n != 1 {
				t.Errorf("live=%t: %q is printed %d times, want once: %s", live, what, n, out.String())
			}
		}
		if got := strings.Contains(out.String(), "\x1b[K"); got != live {
			t.Errorf("live=%t: terminal codes in the output: %t, want %t", live, got, live)
		}
		if got := strings.Contains(out.String(), "wait for it"); got != live {
			t.Errorf("live=%t: waiting line in the output: %t, want %t", live, got, live)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for status, want := range map[string]int{"success": exitOK, "failure": exitFailed, "cancelled": exitFailed, "timeout": exitTimeout} {
		if got := report(streams{err: io.Discard}, nil, verdictError(wire.Protocol{Status: status})); got != want {
			t.Errorf("exit code of %s: got %d, want %d", status, got, want)
		}
	}
}

func TestPrintVerdictNamesParametersAndNextStep(t *testing.T) {
	reason, ms := "no_answer", int64(61000)
	var out bytes.Buffer
	printVerdict(&out, wire.Protocol{
		Status: "timeout", Reason: &reason, ReasonDetail: "it\x1b[31m never answered", NextStep: "look at the device", DurationMS: &ms,
		Fault: &wire.Fault{Source: "cpe", Code: 9003, String: "Invalid arguments", Parameters: []wire.ParameterFault{{Name: "A.B", Code: 9005, String: "no such"}}},
	})
	for _, want := range []string{"timeout after 1m1s", "reason: no_answer (it?[31m never answered)", "fault 9003", "A.B: 9005 no such", "next: look at the device"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("verdict: got %q, want it to say %q", out.String(), want)
		}
	}
}

func TestParseParameter(t *testing.T) {
	for text, want := range map[string]wire.Parameter{
		"A.B=c":                     {Name: "A.B", Value: []byte(`"c"`)},
		"A.B=":                      {Name: "A.B", Value: []byte(`""`)},
		"A.B=c=d \"e\"":             {Name: "A.B", Value: []byte(`"c=d \"e\""`)},
		"A.B:xsd:unsignedInt=5":     {Name: "A.B", Type: "xsd:unsignedInt", Value: []byte(`"5"`)},
		"A.B=http://x:xsd:string=1": {Name: "A.B", Value: []byte(`"http://x:xsd:string=1"`)},
	} {
		got, err := parseParameter(text)
		if err != nil || got.Name != want.Name || got.Type != want.Type || string(got.Value) != string(want.Value) {
			t.Errorf("parseParameter(%q): got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "=x", "SECRET"} {
		if _, err := parseParameter(text); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("parseParameter(%q): got %v, want an error without the text", text, err)
		}
	}
}

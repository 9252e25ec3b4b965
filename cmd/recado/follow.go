package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"recado/acs/wire"
)

// follower prints the steps of a protocolo as they come: each on a line, and on a terminal a last line that tells what it waits for.
type follower struct {
	out  io.Writer
	live bool

	mu   sync.Mutex
	now  wire.Protocol
	seen int
	last bool // the last line is up
}

func newFollower(out io.Writer) *follower { return &follower{out: out, live: isTerminal(out)} }

// waiter follows a protocolo to its end; *client.Client is one.
type waiter interface {
	Wait(ctx context.Context, protocolo string, onChange func(wire.Protocol)) (wire.Protocol, error)
}

// follow prints until the protocolo is final.
func (f *follower) follow(ctx context.Context, from waiter, protocolo string) (wire.Protocol, error) {
	if f.live {
		defer f.tick()()
	}
	p, err := from.Wait(ctx, protocolo, f.show)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wipe()
	return p, err
}

// tick renews the last line each second, for the time that it tells; the function that it returns ends that.
func (f *follower) tick() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				f.mu.Lock()
				if f.last {
					f.wipe()
					f.wait()
				}
				f.mu.Unlock()
			}
		}
	}()
	return func() { close(done); <-ended }
}

// show prints the steps that are new.
func (f *follower) show(p wire.Protocol) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = p
	f.wipe()
	for ; f.seen < len(p.Timeline); f.seen++ {
		e := p.Timeline[f.seen]
		fmt.Fprintf(f.out, "  %s  %-24s %s\n", clock(e.At), clean(e.What), clean(e.Detail))
	}
	if f.live && !p.Final() {
		f.wait()
	}
}

// wait puts up the last line.
func (f *follower) wait() {
	since := time.Since(time.Time(f.now.CreatedAt)).Round(time.Second)
	fmt.Fprintf(f.out, "  … %s, %s: %s", f.now.Stage, since, clip(clean(f.now.NextStep), 100))
	f.last = true
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// wipe takes the last line away.
func (f *follower) wipe() {
	if f.last {
		fmt.Fprint(f.out, "\r\x1b[K")
		f.last = false
	}
}

// printVerdict prints what came of it, in a few lines.
func printVerdict(w io.Writer, p wire.Protocol) {
	line := p.Status
	if p.DurationMS != nil {
		line += " after " + millis(*p.DurationMS)
	}
	fmt.Fprintln(w, line+proof(p))
	if p.Reason != nil {
		fmt.Fprintf(w, "  reason: %s", *p.Reason)
		if p.ReasonDetail != "" {
			fmt.Fprintf(w, " (%s)", clean(p.ReasonDetail))
		}
		fmt.Fprintln(w)
	}
	if p.Fault != nil {
		fmt.Fprintf(w, "  fault %d from the %s: %s\n", p.Fault.Code, p.Fault.Source, clean(p.Fault.String))
		for _, q := range p.Fault.Parameters {
			fmt.Fprintf(w, "    %s: %d %s\n", clean(q.Name), q.Code, clean(q.String))
		}
	}
	if !p.Final() || p.Status == "timeout" {
		fmt.Fprintf(w, "  next: %s\n", clean(p.NextStep))
	}
}

// proof tells what a verdict rests on.
func proof(p wire.Protocol) string {
	var parts []string
	if e := p.Evidence; e != nil {
		parts = append(parts, fmt.Sprintf("proven by %s, down for %s", e.Kind, millis(e.DowntimeMS)))
	}
	switch p.Applied {
	case "now":
		parts = append(parts, "applied")
	case "after_reboot":
		parts = append(parts, "applied after the next reboot")
	}
	if p.Verified != nil && *p.Verified {
		parts = append(parts, "read back")
	}
	if len(p.Unverifiable) > 0 {
		parts = append(parts, "cannot be read back: "+clean(strings.Join(p.Unverifiable, ", ")))
	}
	if len(p.Mismatched) > 0 {
		parts = append(parts, "read back different: "+clean(strings.Join(p.Mismatched, ", ")))
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, "; ")
}

// verdictError is the exit code of a command that waited.
func verdictError(p wire.Protocol) error {
	switch p.Status {
	case "success":
		return nil
	case "timeout":
		return errTimedOut
	}
	return errReported
}

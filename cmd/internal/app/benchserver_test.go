package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"recado/cmd/internal/app"
)

// The benchmarks measure a server in a process of its own, so that what its clients cost does not count: the test binary starts itself
// again with benchServeEnv.

const (
	benchServeEnv = "RECADO_BENCH_SERVE" // "app", "bare" or "pending"
	benchStoreEnv = "RECADO_BENCH_STORE"
)

// benchServe is the process that is measured. It ends with its standard input.
func benchServe(mode string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	go func() { // the parent's end is this one's
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var err error
	switch mode {
	case "bare":
		err = serveBare(ctx)
	case "pending":
		err = servePending()
	default:
		err = serveApp(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serveApp(ctx context.Context) error {
	cfg := app.DefaultConfig()
	cfg.Store, cfg.Dev, cfg.AdminToken, cfg.ShutdownDelay = os.Getenv(benchStoreEnv), true, adminToken, 0
	cfg.ProvisionConnectionRequest = false
	o := app.Options{Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)), OnStart: func(r app.Running) {
		_ = json.NewEncoder(os.Stdout).Encode(r)
	}}
	var err error
	if o.APIListener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	if o.CWMPListener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return err
	}
	a, err := app.New(cfg, o)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

// serveBare answers the exchange of a periodic Inform without work by fixed bytes: the least that net/http can do.
func serveBare(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_ = json.NewEncoder(os.Stdout).Encode(app.Running{CWMPURL: "http://" + l.Addr().String()})
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if n == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/xml; charset=utf-8")
		h.Set("Set-Cookie", "session=0123456789abcdef0123456789abcdef; Path=/")
		h.Set("Content-Length", strconv.Itoa(len(informResponse)))
		_, _ = io.WriteString(w, informResponse)
	})}
	go func() { <-ctx.Done(); _ = s.Close() }()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// process is a server that is measured.
type process struct {
	app.Running
	b     *testing.B
	cmd   *exec.Cmd
	stdin io.Closer
}

func startProcess(b *testing.B, mode, store string) *process {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), benchServeEnv+"="+mode, benchStoreEnv+"="+store)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p := &process{b: b, cmd: cmd, stdin: in}
	b.Cleanup(p.stop)
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.Running)
	}
	if err != nil {
		b.Fatalf("the measured process did not start: %v", err)
	}
	return p
}

func (p *process) stop() {
	_ = p.stdin.Close()
	if p.cmd.ProcessState == nil {
		if err := p.cmd.Wait(); err != nil {
			p.b.Errorf("the measured process: %v", err)
		}
	}
}

// cpu is what the process has used so far, user and system (in steps of 10 ms).
func (p *process) cpu() time.Duration {
	p.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.b.Fatal(err)
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	if err1 != nil || err2 != nil {
		p.b.Fatalf("stat: %v, %v", err1, err2)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// rss is its resident memory in MiB, now and at its peak.
func (p *process) rss() (now, peak float64) {
	p.b.Helper()
	return p.status("VmRSS:"), p.status("VmHWM:")
}

// status is a line of the process's status file in MiB.
func (p *process) status(name string) float64 {
	p.b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			kb, _ := strconv.ParseFloat(f[1], 64)
			return kb / 1024
		}
	}
	p.b.Fatalf("the process's status has no %s", name)
	return 0
}

// rawGroupCommit is what the disk lets a group commit do: one goroutine appends what waits, 512 bytes each, to a preallocated file and
// syncs it. It returns records a second.
func rawGroupCommit(b *testing.B, writers, n int) float64 {
	b.Helper()
	f, err := os.Create(b.TempDir() + "/raw")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const size = 16 << 20
	if _, err := f.Write(make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	queue := make(chan chan struct{}, writers)
	go func() {
		at := int64(0)
		for first := range queue {
			group := []chan struct{}{first}
			for len(queue) > 0 {
				group = append(group, <-queue)
			}
			rec := make([]byte, 512*len(group))
			if at+int64(len(rec)) > size {
				at = 0
			}
			if _, err := f.WriteAt(rec, at); err != nil {
				b.Error(err)
			}
			at += int64(len(rec))
			if err := syscall.Fdatasync(int(f.Fd())); err != nil {
				b.Error(err)
			}
			for _, done := range group {
				close(done)
			}
		}
	}()
	begun := time.Now()
	inParallel(writers, n, func(int) {
		done := make(chan struct{})
		queue <- done
		<-done
	})
	took := time.Since(begun)
	close(queue)
	return float64(n) / took.Seconds()
}

func benchListener(b *testing.B) net.Listener {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return l
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"recado/acs/client"
)

const (
	crashAdmin = "crash-test-admin-token-0123456789abcdef"
	cpeUser    = "cpe"
	cpeSecret  = "cpe-password"
)

// crashServer is the real program, started and killed again and again over one store.
type crashServer struct {
	t            *testing.T
	bin, dir     string
	api, cwmp    string // addresses
	cmd          *exec.Cmd
	ended        chan error // gets what Wait says of cmd
	starts       int
	slowestStart time.Duration
}

// newCrashServer builds the program and chooses ports; nothing runs yet.
func newCrashServer(t *testing.T, rng *rand.Rand) *crashServer {
	t.Helper()
	dir := t.ArtifactDir() // with -artifacts, store and log are kept
	s := &crashServer{t: t, bin: filepath.Join(t.TempDir(), "recado"), dir: dir, api: quietPort(t, rng), cwmp: quietPort(t, rng)}
	args := []string{"build", "-o", s.bin}
	if crashRace {
		args = append(args, "-race")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", append(args, ".")...).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.WriteFile(s.file("credentials"), []byte(cpeUser+":"+cpeSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

// quietPort finds a free address below the ports that systems give to connections: it has to be free again after each kill.
func quietPort(t *testing.T, rng *rand.Rand) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rng.IntN(10000)))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return l.Addr().String()
	}
	t.Fatal("no free port in 100 tries")
	return ""
}

func (s *crashServer) file(name string) string { return filepath.Join(s.dir, name) }

func (s *crashServer) store() string { return "bolt://" + s.file("recado.db") }

// start starts the process and does not wait for it to be ready.
func (s *crashServer) start() {
	s.t.Helper()
	log, err := os.OpenFile(s.file("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close() // the process has its own
	cmd := exec.Command(s.bin, "serve", "--dev", "--api-listen", s.api, "--cwmp-listen", s.cwmp, "--store", s.store(),
		"--cwmp-auth", "digest", "--cwmp-credentials-file", s.file("credentials"), "--log-level", "debug", "--shutdown-delay", "0s")
	cmd.Env = append(cleanEnv(), "RECADO_ADMIN_TOKEN="+crashAdmin)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	s.cmd, s.ended = cmd, ended
	s.starts++
}

// cleanEnv is the environment without settings of the caller's.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "RECADO_") {
			env = append(env, e)
		}
	}
	return env
}

// kill ends the process as a crash does, if it runs.
func (s *crashServer) kill() {
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.t.Errorf("kill: %v", err)
	}
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		s.t.Error("the process did not die of SIGKILL within 20s")
	}
	s.cmd = nil
}

// ready waits until the server takes requests. One that ended by itself is a failed start-up.
func (s *crashServer) ready() {
	s.t.Helper()
	api, err := client.New("http://"+s.api, "")
	if err != nil {
		s.t.Fatal(err)
	}
	began := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for api.Ready(ctx) != nil {
		select {
		case err := <-s.ended:
			s.cmd = nil
			s.t.Fatalf("the server ended by itself at start %d: %v\n%s", s.starts, err, s.logTail())
		default:
		}
		if pause(ctx, 10*time.Millisecond) != nil {
			s.t.Fatalf("the server is not ready 30s after start %d\n%s", s.starts, s.logTail())
		}
	}
	s.slowestStart = max(s.slowestStart, time.Since(began))
}

// stop asks the process to end, as an operator does, and wants exit code 0.
func (s *crashServer) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		s.cmd = nil
		if err != nil {
			s.t.Errorf("stop: %v, want exit code 0\n%s", err, s.logTail())
		}
	case <-time.After(20 * time.Second):
		s.t.Error("the server did not stop within 20s of SIGTERM")
		s.kill()
	}
}

// dump is what "recado dump" prints of the store, which has to open cleanly.
func (s *crashServer) dump() []byte {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, "dump", "--store", s.store())
	cmd.Env = cleanEnv()
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		s.t.Errorf("recado dump: %v, want exit code 0: %s", err, errOut.String())
	}
	return out
}

// verifyAudit wants the record of who did what to be whole; the server must not run.
func (s *crashServer) verifyAudit() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.bin, "audit", "verify", s.store())
	cmd.Env = cleanEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Errorf("recado audit verify: %v, want exit code 0: %s", err, out)
	}
}

func (s *crashServer) log() []byte {
	text, err := os.ReadFile(s.file("server.log"))
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

func (s *crashServer) logTail() string {
	text := s.log()
	return string(text[max(0, len(text)-4000):])
}

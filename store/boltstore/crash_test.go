package boltstore_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"recado/acs"
	"recado/store/boltstore"
	"recado/webhook"
)

// crashEnv makes the test binary a process that writes until it is killed.
const crashEnv = "RECADO_BOLTSTORE_CRASH"

// TestWriteUntilKilled is not a test by itself: TestKilled runs it.
func TestWriteUntilKilled(t *testing.T) {
	path := os.Getenv(crashEnv)
	if path == "" {
		return
	}
	s := open(t, path)
	e := newEndpoint(t, "cli_1")
	check(t, "endpoint", s.CreateEndpoint(ctx, e))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for {
				a, _, err := s.CreateAction(ctx, newAction(t, fmt.Sprint("cpe-", i)), acs.Idempotency{}, acs.Outbox{})
				check(t, "create", err)
				mu.Lock()
				fmt.Println("created", a.ID)
				mu.Unlock()
				_, err = s.FinishAction(ctx, finished(a), newOutbox(t, a, e.ID))
				check(t, "finish", err)
				mu.Lock()
				fmt.Println("finished", a.ID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// Nothing that was acknowledged is lost with the process (I1), and a verdict is there with its delivery or not at all (I8).
func TestKilled(t *testing.T) {
	for round := range 3 {
		path := filepath.Join(t.TempDir(), "recado.db")
		cmd := exec.Command(os.Args[0], "-test.run=^TestWriteUntilKilled$")
		cmd.Env = append(os.Environ(), crashEnv+"="+path)
		out, err := cmd.StdoutPipe()
		check(t, "pipe", err)
		check(t, "start", cmd.Start())
		acked := make(map[string]string)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			what, id, ok := strings.Cut(lines.Text(), " ")
			if ok && len(id) == 36 && (what == "created" || what == "finished") {
				acked[id] = what
			}
			if len(acked) == 200+97*round {
				check(t, "kill", cmd.Process.Kill())
			}
		}
		cmd.Wait() // it was killed
		if len(acked) < 200 {
			t.Fatalf("the process ended after %d actions", len(acked))
		}
		s := open(t, path)
		for id, what := range acked {
			p, err := acs.ParseProtocolo(id)
			check(t, "parse", err)
			a, err := s.Action(ctx, p)
			if err != nil || what == "finished" && a.Status != acs.StatusSuccess {
				t.Errorf("%s %s: got status %q, %v", what, id, a.Status, err)
			}
		}
		consistent(t, s)
		bothOrNeither(t, s)
		check(t, "close", s.Close())
	}
}

// consistent holds records against each other: an action is final exactly where its delivery is there.
func consistent(t *testing.T, s *opened) {
	t.Helper()
	told := make(map[string]bool)
	for cursor := ""; ; {
		page, next, err := s.Deliveries(ctx, webhook.DeliveryFilter{Cursor: cursor})
		check(t, "deliveries", err)
		for _, d := range page {
			told[d.Protocolo] = true
			if _, err := s.Event(ctx, d.Event); err != nil {
				t.Errorf("event of delivery %s: %v", d.ID, err)
			}
		}
		if cursor = next; next == "" {
			break
		}
	}
	for cursor := ""; ; {
		page, next, err := s.Actions(ctx, acs.ActionFilter{Cursor: cursor})
		check(t, "actions", err)
		for _, a := range page {
			if a.Status.Final() != told[a.ID.String()] {
				t.Errorf("action %s: status %s, delivery there: %v", a.ID, a.Status, told[a.ID.String()])
			}
		}
		if cursor = next; next == "" {
			return
		}
	}
}

// The files as they are between any two commits are a whole store with all that was acknowledged until then.
func TestCopiedWithoutClosing(t *testing.T) {
	s := newStore(t)
	e := newEndpoint(t, "cli_1")
	check(t, "endpoint", s.CreateEndpoint(ctx, e))
	var (
		mu      sync.Mutex
		acked   []acs.Protocolo
		commits atomic.Int64
		copies  []string
		counts  []int
	)
	s.FailCommits(func() error {
		if n := commits.Add(1); n%37 == 5 && len(copies) < 4 {
			to := filepath.Join(t.TempDir(), "recado.db")
			mu.Lock()
			counts = append(counts, len(acked))
			mu.Unlock()
			copyStore(t, s.path, to)
			copies = append(copies, to)
		}
		return nil
	})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 60 {
				a, _, err := s.CreateAction(ctx, newAction(t, fmt.Sprint("cpe-", i)), acs.Idempotency{}, acs.Outbox{})
				if err == nil {
					a, err = s.FinishAction(ctx, finished(a), newOutbox(t, a, e.ID))
				}
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked = append(acked, a.ID)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(copies) == 0 {
		t.Fatalf("no copy was made in %d commits", commits.Load())
	}
	for i, path := range copies {
		c := open(t, path)
		for _, id := range acked[:counts[i]] {
			if a, err := c.Action(ctx, id); err != nil || a.Status != acs.StatusSuccess {
				t.Errorf("copy %d: action %s: got status %q, %v", i, id, a.Status, err)
			}
		}
		consistent(t, c)
		check(t, "close", c.Close())
	}
}

// Several commands and servers that start at once on an empty directory make one store.
func TestMadeByTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	var wg sync.WaitGroup
	var opens atomic.Int64
	for range 4 {
		wg.Go(func() {
			db, err := boltstore.Open(path, boltstore.Options{Timeout: 20 * time.Second})
			if err != nil {
				t.Error(err)
				return
			}
			if _, _, err := db.CreateAction(ctx, newAction(t, "cpe-1"), acs.Idempotency{}, acs.Outbox{}); err != nil {
				t.Error(err)
			}
			opens.Add(1)
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	db, err := boltstore.Open(path, boltstore.Options{})
	check(t, "open", err)
	list, _, err := db.Actions(ctx, acs.ActionFilter{})
	if err != nil || int64(len(list)) != opens.Load() {
		t.Errorf("got %d actions, %v; want %d", len(list), err, opens.Load())
	}
	check(t, "close", db.Close())
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.new"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := db.Action(ctx, list[0].ID); !errors.Is(err, acs.ErrUnavailable) {
		t.Errorf("closed: got %v, want ErrUnavailable", err)
	}
}

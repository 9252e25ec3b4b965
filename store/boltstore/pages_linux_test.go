package boltstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recado/webhook"
)

// Opening a store looks through all its pages; they must not stay in the process's resident memory.
func TestOpenLeavesNoPagesBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, path)
	const events, size = 64, 256 << 10
	var ids []string
	for range events {
		e := webhook.Event{
			ID: newID(t, "evt_"), Type: "action.succeeded", Client: "cli_1", Time: time.Now(), Body: []byte(strings.Repeat("x", size)),
		}
		_, err := s.AddEvent(ctx, e, nil)
		check(t, "event", err)
		ids = append(ids, e.ID)
	}
	check(t, "close", s.Close())

	s = open(t, path)
	defer s.Close()
	if got, most := resident(t, path), 1<<20; got > most {
		t.Errorf("after opening, %d bytes of the file are resident, want at most %d of %d", got, most, events*size)
	}
	for _, id := range ids {
		e, err := s.Event(ctx, id)
		check(t, "event", err)
		if len(e.Body) != size {
			t.Errorf("event %s: got %d bytes, want %d", id, len(e.Body), size)
		}
	}
	if got := resident(t, path); got < 1<<20 {
		t.Errorf("after reading all, %d bytes of the file are resident: it is not measured what should be", got)
	}
}

// resident is how much of a mapped file is in the process's resident memory, in bytes.
func resident(t *testing.T, path string) (bytes int) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps")
	check(t, "smaps", err)
	of, found := false, false
	for line := range strings.Lines(string(text)) {
		if strings.HasSuffix(strings.TrimSpace(line), path) {
			of, found = true, true
			continue
		}
		var kib int
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &kib); err == nil && of {
			bytes += kib << 10
			of = false
		}
	}
	if !found {
		t.Fatalf("%s is not mapped", path)
	}
	return bytes
}

package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"recado/acs"
	"recado/store"
	"recado/store/boltstore"
	"recado/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestOpen(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		s := open(t, "memory:")
		if _, ok := s.(*memstore.Store); !ok {
			t.Errorf("got a %T, want a *memstore.Store", s)
		}
	})
	t.Run("bolt", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "data", "recado.db")
		s := open(t, "bolt://"+path)
		if _, ok := s.(*boltstore.DB); !ok {
			t.Errorf("got a %T, want a *boltstore.DB", s)
		}
		if err := s.CreateClient(t.Context(), acs.Client{ID: "cli_1", Name: "one"}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, "bolt://"+path).Client(t.Context(), "cli_1"); err != nil {
			t.Errorf("client after reopening: got error %v, want none", err)
		}
	})
	t.Run("bolt, relative", func(t *testing.T) {
		t.Chdir(t.TempDir())
		open(t, "bolt://./data/recado.db")
		if _, err := os.Stat(filepath.Join("data", "recado.db")); err != nil {
			t.Errorf("file: got error %v, want it in ./data", err)
		}
	})
}

func open(t *testing.T, url string) store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatalf("open %s: got error %v, want none", url, err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close %s: got error %v, want none", url, err)
		}
	})
	return s
}

func TestOpenRefuses(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, url := range []string{
		"", "memory", "memory:x", "memory://", "bolt:", "bolt://", "bolt:recado.db", "BOLT://x", "recado.db", "/recado.db",
		"mysql://root:hunter2@localhost/x", "postgres://root:hunter2@localhost/x", "postgresql://root:hunter2@localhost/x", "://",
	} {
		s, err := store.Open(t.Context(), url, store.Options{})
		if !errors.Is(err, store.ErrURL) || s != nil {
			t.Errorf("open %q: got store %v and error %v, want none and %v", url, s, err, store.ErrURL)
			continue
		}
		if !strings.Contains(err.Error(), "bolt://PATH") || !strings.Contains(err.Error(), "memory:") {
			t.Errorf("open %q: got error %q, want it to say which URLs are supported", url, err)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("open %q: got the URL's password in %q", url, err)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("directory after refusals: got %v, error %v; want nothing in it", left, err)
	}
}

func TestOpenLocked(t *testing.T) {
	url := "bolt://" + filepath.Join(t.TempDir(), "recado.db")
	open(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	s, err := store.Open(ctx, url, store.Options{Timeout: time.Minute})
	if err == nil || s != nil {
		t.Fatalf("open a second time: got store %v and error %v, want none and an error", s, err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("open with a context of 50 ms took %v, want it to end with the context", took)
	}
}

func TestOpenEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Open(ctx, "memory:", store.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("open with a cancelled context: got error %v, want %v", err, context.Canceled)
	}
}

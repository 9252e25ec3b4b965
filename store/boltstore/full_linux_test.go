package boltstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
)

// fullDisk puts /dev/full in the place of the process's descriptors for a file, so that writes fail as on a full disk; heal puts
// the file back.
func fullDisk(t *testing.T, path string) (heal func()) {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	check(t, "open /dev/full", err)
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, "descriptors", err)
	var heals []func()
	for _, e := range entries {
		if to, _ := os.Readlink("/proc/self/fd/" + e.Name()); to != path {
			continue
		}
		fd, err := strconv.Atoi(e.Name())
		check(t, "descriptor", err)
		saved, err := syscall.Dup(fd)
		check(t, "dup", err)
		check(t, "dup3", syscall.Dup3(int(full.Fd()), fd, syscall.O_CLOEXEC))
		heals = append(heals, func() {
			check(t, "dup3", syscall.Dup3(saved, fd, syscall.O_CLOEXEC))
			check(t, "close", syscall.Close(saved))
		})
	}
	if len(heals) == 0 {
		t.Fatalf("%s is not open", path)
	}
	return func() {
		for _, h := range heals {
			h()
		}
		check(t, "close", full.Close())
	}
}

func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		check(t, "directory", err)
		s := open(t, filepath.Join(dir, "recado.db"))
		pending, _ := furnish(t, s)
		before := state(t, s)
		heal := fullDisk(t, s.path)
		for range 3 {
			_, _, err := s.CreateAction(ctx, newAction(t, "cpe-0"), acs.Idempotency{Key: "k"}, acs.Outbox{})
			if !errors.Is(err, acs.ErrUnavailable) {
				t.Fatalf("create on a full disk: got %v, want ErrUnavailable", err)
			}
		}
		if _, err := s.UpdateAction(ctx, pending, acs.Outbox{}); !errors.Is(err, acs.ErrUnavailable) {
			t.Errorf("update on a full disk: got %v, want ErrUnavailable", err)
		}
		if _, err := s.Action(ctx, pending.ID); err != nil {
			t.Errorf("read on a full disk: %v", err)
		}
		if got := state(t, s); got != before {
			t.Errorf("memory:\n%s\nwant:\n%s", got, before)
		}
		healDevices := fullDisk(t, devices(s.path))
		time.Sleep(time.Minute)
		if err := s.Report(ctx, "late", newIdentity(1), acs.Reported{RetryCount: 6}); !errors.Is(err, acs.ErrUnavailable) {
			t.Errorf("first contact on a full disk: got %v, want ErrUnavailable", err)
		}
		if err := s.Report(ctx, "late", newIdentity(1), acs.Reported{RetryCount: 7}); !errors.Is(err, acs.ErrUnavailable) {
			t.Errorf("the same again: got %v, want ErrUnavailable", err)
		}
		time.Sleep(time.Minute)
		heal()
		healDevices()
		check(t, "ping when healed", s.Ping(ctx))
		a, existed, err := s.CreateAction(ctx, newAction(t, "cpe-0"), acs.Idempotency{Key: "k"}, acs.Outbox{})
		if err != nil || existed {
			t.Fatalf("create when healed: existed %v, %v", existed, err)
		}
		time.Sleep(time.Minute)
		rebuilt(t, s)
		s = open(t, s.path)
		if _, err := s.Action(ctx, a.ID); err != nil {
			t.Error(err)
		}
		if d, err := s.Device(ctx, "late"); err != nil || d.Reported.RetryCount != 7 {
			t.Errorf("report made on a full disk: got %+v, %v", d.Reported, err)
		}
		check(t, "close", s.Close())
	})
}

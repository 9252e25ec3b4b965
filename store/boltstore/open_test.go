package boltstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/store/boltstore"
	"recado/store/seal"
	"recado/webhook"
)

func TestNewStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "recado.db")
	db, err := boltstore.Open(path, boltstore.Options{})
	check(t, "open", err)
	check(t, "close", db.Close())
	check(t, "close again", db.Close())
	want := map[string]fs.FileMode{"recado.db": 0o600, "recado.devices.db": 0o600, "recado.db.key": 0o600}
	entries, err := os.ReadDir(dir)
	check(t, "read directory", err)
	for _, e := range entries {
		info, err := e.Info()
		check(t, "stat", err)
		if want[e.Name()] != info.Mode().Perm() {
			t.Errorf("%s: got mode %v, want %v (0: no such file)", e.Name(), info.Mode().Perm(), want[e.Name()])
		}
		delete(want, e.Name())
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: got mode %v, %v; want 0700", info.Mode().Perm(), err)
	}
	db, err = boltstore.Open(path, boltstore.Options{})
	check(t, "open again", err)
	check(t, "close", db.Close())
}

func TestModesAreTightened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	check(t, "close", open(t, path).Close())
	check(t, "chmod", os.Chmod(path, 0o644))
	var log bytes.Buffer
	db, err := boltstore.Open(path, boltstore.Options{Keys: testKeys(t), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	check(t, "open", err)
	check(t, "close", db.Close())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v; want 0600", info.Mode().Perm(), err)
	}
	if !strings.Contains(log.String(), "mode=0644") {
		t.Errorf("log: got %q, want the old mode", log.String())
	}
}

// setMeta changes a text in a file's meta bucket.
func setMeta(t *testing.T, path, key, value string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, NoFreelistSync: true})
	check(t, "open", err)
	check(t, "put", db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte(key), []byte(value)) }))
	check(t, "close", db.Close())
}

func TestOpenRefuses(t *testing.T) {
	otherKeys, err := seal.FromBytes(bytes.Repeat([]byte{9}, seal.KeySize))
	check(t, "keys", err)
	tests := []struct {
		name   string
		spoil  func(t *testing.T, path string)
		keys   *seal.Keys
		want   error
		saying []string
	}{
		{"empty", func(t *testing.T, p string) { check(t, "truncate", os.Truncate(p, 0)) }, nil, boltstore.ErrNotUsable, []string{"recado.db", "0 bytes", "backup"}},
		{"empty devices file", func(t *testing.T, p string) { check(t, "truncate", os.Truncate(devices(p), 0)) }, nil, boltstore.ErrNotUsable, []string{"recado.devices.db", "0 bytes"}},
		{"cut short", func(t *testing.T, p string) { check(t, "truncate", os.Truncate(p, 3*4096)) }, nil, boltstore.ErrNotUsable, []string{"cut short", "12288"}},
		{"cut within the first page", func(t *testing.T, p string) { check(t, "truncate", os.Truncate(p, 100)) }, nil, boltstore.ErrNotUsable, []string{"cut short"}},
		{"text", func(t *testing.T, p string) {
			check(t, "write", os.WriteFile(p, bytes.Repeat([]byte("hello "), 10_000), 0o600))
		}, nil, boltstore.ErrNotUsable, []string{"no bbolt file"}},
		{"another program's", func(t *testing.T, p string) {
			check(t, "remove", os.Remove(p))
			db, err := bolt.Open(p, 0o600, &bolt.Options{Timeout: time.Second})
			check(t, "open", err)
			check(t, "close", db.Close())
		}, nil, boltstore.ErrNotUsable, []string{"another program"}},
		{"devices file in its place", func(t *testing.T, p string) { check(t, "copy", copyFile(devices(p), p)) }, nil, boltstore.ErrNotUsable, []string{"recado devices"}},
		{"newer", func(t *testing.T, p string) { setMeta(t, p, "schema", "2") }, nil, boltstore.ErrNewer, []string{"format 2", "newer program"}},
		{"newer devices file", func(t *testing.T, p string) { setMeta(t, devices(p), "schema", "7") }, nil, boltstore.ErrNewer, []string{"format 7"}},
		{"nonsense format", func(t *testing.T, p string) { setMeta(t, p, "schema", "x") }, nil, boltstore.ErrNotUsable, []string{"recado main"}},
		{"main file gone", func(t *testing.T, p string) { check(t, "remove", os.Remove(p)) }, nil, boltstore.ErrNotUsable, []string{"missing", "recado.devices.db is there"}},
		{"directory", func(t *testing.T, p string) {
			check(t, "remove", os.Remove(p))
			check(t, "mkdir", os.Mkdir(p, 0o700))
		}, nil, boltstore.ErrNotUsable, []string{"no regular file"}},
		{"other key", func(*testing.T, string) {}, otherKeys, boltstore.ErrWrongKey, []string{"key file"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "recado.db")
			s := open(t, path)
			furnish(t, s)
			check(t, "close", s.Close())
			tt.spoil(t, path)
			before := filesOf(t, filepath.Dir(path))
			keys := tt.keys
			if keys == nil {
				keys = testKeys(t)
			}
			db, err := boltstore.Open(path, boltstore.Options{Keys: keys})
			if err == nil {
				db.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			for _, say := range tt.saying {
				if !strings.Contains(err.Error(), say) {
					t.Errorf("error %q does not say %q", err, say)
				}
			}
			if after := filesOf(t, filepath.Dir(path)); after != before {
				t.Errorf("files changed:\n%s\nwere:\n%s", after, before)
			}
		})
	}
}

func devices(path string) string { return strings.TrimSuffix(path, ".db") + ".devices.db" }

// filesOf tells the files of a directory by hash.
func filesOf(t *testing.T, dir string) (all string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, "read directory", err)
	for _, e := range entries {
		b, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		all += fmt.Sprintf("%s %d %x\n", e.Name(), len(b), sha256.Sum256(b))
	}
	return all
}

func TestKeyFileIsNotMadeAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	db, err := boltstore.Open(path, boltstore.Options{})
	check(t, "open", err)
	check(t, "close", db.Close())
	check(t, "remove", os.Remove(path+".key"))
	if _, err := boltstore.Open(path, boltstore.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without its key file: got %v, want fs.ErrNotExist", err)
	}
	if _, err := os.Stat(path + ".key"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("key file: got %v, want none made", err)
	}
}

func TestMissingDevicesFileIsMadeAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, path)
	pending, _ := furnish(t, s)
	check(t, "close", s.Close())
	check(t, "remove", os.Remove(devices(path)))
	s = open(t, path)
	if _, err := s.Action(ctx, pending.ID); err != nil {
		t.Error(err)
	}
	check(t, "close", s.Close())
}

func TestLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		start := time.Now()
		_, err := boltstore.Open(s.path, boltstore.Options{Keys: testKeys(t)})
		if !errors.Is(err, boltstore.ErrLocked) || !strings.Contains(err.Error(), "recado.db is locked") {
			t.Errorf("got %v, want ErrLocked with the file", err)
		}
		if waited := time.Since(start); waited < 500*time.Millisecond || waited > 2*time.Second {
			t.Errorf("waited %v, want about a second", waited)
		}
		if err := boltstore.Dump(&bytes.Buffer{}, s.path, boltstore.Options{Timeout: time.Millisecond}); !errors.Is(err, boltstore.ErrLocked) {
			t.Errorf("dump: got %v, want ErrLocked", err)
		}
	})
}

// Whatever is done to the files, a store opens and works, or is refused and left as it is; nothing panics.
func TestDamagedFiles(t *testing.T) {
	from := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, from)
	furnish(t, s)
	for i := range 70 {
		a, _, err := s.CreateAction(ctx, newAction(t, fmt.Sprint("cpe-", i%7)), acs.Idempotency{Key: fmt.Sprint(i)}, acs.Outbox{})
		check(t, "create", err)
		if i%3 == 0 {
			_, err := s.FinishAction(ctx, finished(a), newOutbox(t, a, "none"))
			check(t, "finish", err)
		}
		check(t, "report", s.Report(ctx, fmt.Sprint("cpe-", i), newIdentity(i), acs.Reported{LastInform: time.Now()}))
	}
	check(t, "close", s.Close())
	to := filepath.Join(t.TempDir(), "recado.db")
	opens := 0
	for seed := range uint64(200) {
		copyStore(t, from, to)
		r := rand.New(rand.NewPCG(seed, 2))
		spoil(t, r, []string{to, devices(to)}[r.IntN(2)])
		before := filesOf(t, filepath.Dir(to))
		db, err := boltstore.Open(to, boltstore.Options{Keys: testKeys(t)})
		if err != nil {
			if after := filesOf(t, filepath.Dir(to)); after != before && !errors.Is(err, boltstore.ErrWrongKey) {
				t.Errorf("seed %d: files changed though refused: %v", seed, err)
			}
			continue
		}
		opens++
		use(t, seed, db)
		if err := db.Close(); err != nil {
			t.Errorf("seed %d: close: %v", seed, err)
		}
		for _, path := range []string{to, devices(to)} {
			if err := boltstore.CheckFile(path); err != nil {
				t.Errorf("seed %d: after use: %v", seed, err)
			}
		}
	}
	if opens == 0 || opens == 200 {
		t.Errorf("%d of 200 damaged stores opened: the test shows little", opens)
	}
	t.Logf("%d of 200 damaged stores opened", opens)
}

// spoil flips some bytes, or cuts the file.
func spoil(t *testing.T, r *rand.Rand, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, "read", err)
	switch r.IntN(8) {
	case 0:
		b = b[:r.IntN(len(b))]
	case 1:
		copy(b[r.IntN(len(b)):], make([]byte, 4096))
	default:
		for range 1 + r.IntN(8) {
			b[r.IntN(len(b))] ^= byte(1 << r.IntN(8))
		}
	}
	check(t, "write", os.WriteFile(path, b, 0o600))
}

// use calls everything that reads, and a write. Errors are fine; panics are not.
func use(t *testing.T, seed uint64, db *boltstore.DB) {
	t.Helper()
	db.Actions(ctx, acs.ActionFilter{})
	db.Deliveries(ctx, webhook.DeliveryFilter{})
	db.Devices(ctx, acs.DeviceFilter{Search: "cpe"})
	db.FindDevices(ctx, "SN7")
	db.Clients(ctx)
	db.LiveActions(ctx, "cpe-1")
	db.DueActions(ctx, 100)
	db.ClaimDeliveries(ctx, limits)
	db.LearnedTypes(ctx, "202BC1-BM632w-000000", []string{"InternetGatewayDevice.A"})
	db.Purge(ctx, acs.Retention{Before: time.Now().Add(48 * time.Hour)})
	a := newAction(t, "cpe-1")
	if _, _, err := db.CreateAction(ctx, a, acs.Idempotency{Key: "new"}, acs.Outbox{}); err != nil {
		t.Errorf("seed %d: create: %v", seed, err)
		return
	}
	if _, err := db.Action(ctx, a.ID); err != nil {
		t.Errorf("seed %d: what was just stored: %v", seed, err)
	}
}

// A record that cannot be read is left out and counted; everything else works.
func TestDamagedRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, path)
	pending, done := furnish(t, s)
	good, _, err := s.CreateAction(ctx, newAction(t, "cpe-1"), acs.Idempotency{}, acs.Outbox{})
	check(t, "create", err)
	page, _, err := s.Deliveries(ctx, webhook.DeliveryFilter{})
	check(t, "deliveries", err)
	check(t, "spoil", s.Main().Update(func(tx *bolt.Tx) error {
		if err := tx.Bucket([]byte("act")).Put(pending.ID[:], []byte(`{"v":99,"secret-marker":1}`)); err != nil {
			return err
		}
		return tx.Bucket([]byte("ep")).Put([]byte("wh_x"), []byte("secret-marker, no JSON"))
	}))
	check(t, "close", s.Close())

	var log bytes.Buffer
	db, err := boltstore.Open(path, boltstore.Options{Keys: testKeys(t), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	check(t, "open", err)
	if got := db.Damaged(); got != 2 {
		t.Errorf("damaged: got %d, want 2", got)
	}
	if strings.Contains(log.String(), "secret-marker") || strings.Count(log.String(), "left out") != 2 {
		t.Errorf("log: got %q, want two records named without their content", log.String())
	}
	if _, err := db.Action(ctx, pending.ID); !errors.Is(err, boltstore.ErrDamaged) {
		t.Errorf("the damaged action: got %v, want ErrDamaged", err)
	}
	live, err := db.LiveActions(ctx, "cpe-1")
	if err != nil || len(live) != 1 || live[0].ID != good.ID {
		t.Errorf("live actions: got %d, %v; want the good one", len(live), err)
	}
	_, next, err := db.DueActions(ctx, 10)
	if err != nil || !next.Equal(good.DeadlineAt) {
		t.Errorf("next due: got %v, %v; want %v", next, err, good.DeadlineAt)
	}
	if list, _, err := db.Actions(ctx, acs.ActionFilter{}); err != nil || len(list) != 2 || list[1].ID != done.ID {
		t.Errorf("list: got %d actions, %v; want 2", len(list), err)
	}
	if leases, _, err := db.ClaimDeliveries(context.Background(), limits); err != nil || len(leases) != 0 || len(page) != 1 {
		t.Errorf("claim: got %d leases, %v", len(leases), err)
	}
	check(t, "close", db.Close())
}

// The file's own page numbers are checked even where its meta pages are made to look right.
func TestRightChecksumOfWrongMeta(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	check(t, "close", open(t, path).Close())
	b, err := os.ReadFile(path)
	check(t, "read", err)
	for page := range 2 {
		m := b[page*os.Getpagesize()+16:]
		binary.LittleEndian.PutUint64(m[16:], 1<<40) // the root bucket's page
		h := fnv.New64a()
		h.Write(m[:56])
		binary.LittleEndian.PutUint64(m[56:], h.Sum64())
	}
	check(t, "write", os.WriteFile(path, b, 0o600))
	if _, err := boltstore.Open(path, boltstore.Options{Keys: testKeys(t)}); !errors.Is(err, boltstore.ErrNotUsable) {
		t.Errorf("got %v, want ErrNotUsable", err)
	}
}

// The check refuses nothing that bbolt has written: keys come and go at random, in small and large transactions.
func TestCheckAcceptsAllThatBboltWrites(t *testing.T) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 3))
		path := filepath.Join(t.TempDir(), "b.db")
		db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, NoFreelistSync: true, NoSync: true, FreelistType: bolt.FreelistMapType})
		check(t, "open", err)
		for round := range 120 {
			check(t, "update", db.Update(func(tx *bolt.Tx) error {
				b, err := tx.CreateBucketIfNotExists([]byte{'b', byte(r.IntN(3))})
				if err != nil {
					return err
				}
				b.FillPercent = []float64{0.5, 0.9}[r.IntN(2)]
				deleting := r.IntN(3) == 0
				for range 1 << r.IntN(11) {
					key := binary.BigEndian.AppendUint32(bytes.Repeat([]byte{1}, r.IntN(2)*100), uint32(r.IntN(5000)))
					if deleting || r.IntN(4) == 0 {
						err = b.Delete(key)
					} else {
						err = b.Put(key, make([]byte, r.IntN(600)))
					}
					if err != nil {
						return err
					}
				}
				c := b.Cursor()
				for k, _ := c.First(); k != nil && deleting && r.IntN(50) > 0; k, _ = c.First() {
					if err := c.Delete(); err != nil {
						return err
					}
				}
				return nil
			}))
			if err := boltstore.CheckFile(path); err != nil {
				t.Fatalf("seed %d, round %d: %v", seed, round, err)
			}
		}
		check(t, "close", db.Close())
	}
}

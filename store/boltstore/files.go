package boltstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// schema is the version of the buckets and keys.
const schema = 1

// What a file is: the text under "kind" in its meta bucket.
const (
	kindMain    = "recado main 1"
	kindDevices = "recado devices 1"
)

var (
	keyKind    = []byte("kind")
	keySchema  = []byte("schema")
	keyCommits = []byte("commits")
	keyProof   = []byte("key_proof")
)

// What Open refuses. Nothing is changed in the file then.
var (
	// ErrLocked is a store that another process has open.
	ErrLocked = errors.New("store is in use by another process")
	// ErrNotUsable is a file that is damaged, cut short, empty, or no store of Recado.
	ErrNotUsable = errors.New("store file cannot be used")
	// ErrNewer is a store that a newer version of Recado has written.
	ErrNewer = errors.New("store was written by a newer version of recado")
	// ErrWrongKey is a store whose secrets were sealed with a key that is not there.
	ErrWrongKey = errors.New("key file does not belong to this store")
)

// devicesPath is where the devices file of a store is: recado.db has recado.devices.db.
func devicesPath(path string) string {
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + ".devices" + ext
}

func keyPath(path string) string { return path + ".key" }

func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func boltOptions(timeout time.Duration, readOnly bool) *bolt.Options {
	return &bolt.Options{
		Timeout:        timeout,
		FreelistType:   bolt.FreelistMapType,
		NoFreelistSync: true,
		ReadOnly:       readOnly,
	}
}

// createFile makes a store file with its buckets under another name first, so that a file under path is always whole.
func createFile(path, kind string, buckets []string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new") // made with 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Close(); err != nil {
		return err
	}
	db, err := bolt.Open(tmp.Name(), 0o600, boltOptions(time.Second, false))
	if err != nil {
		return err
	}
	err = errors.Join(db.Update(func(tx *bolt.Tx) error { return format(tx, kind, buckets) }), db.Close())
	if err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil // another process was first
		}
		return err
	}
	return syncDir(filepath.Dir(path))
}

func format(tx *bolt.Tx, kind string, buckets []string) error {
	for _, name := range buckets {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	meta := tx.Bucket([]byte(bucketMeta))
	if err := meta.Put(keyKind, []byte(kind)); err != nil {
		return err
	}
	return meta.Put(keySchema, []byte(strconv.Itoa(schema)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// openFile opens an existing store file after having looked through it.
func openFile(path, kind string, buckets []string, timeout time.Duration, readOnly bool) (*bolt.DB, error) {
	if err := precheck(path, kind, timeout); err != nil {
		return nil, err
	}
	db, err := guardedOpen(path, boltOptions(timeout, readOnly))
	if err != nil {
		return nil, openError(path, err)
	}
	if readOnly {
		return db, nil
	}
	if err := addBuckets(db, kind, buckets); err != nil {
		db.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return db, nil
}

// addBuckets makes those that a newer program has and an older one had not.
func addBuckets(db *bolt.DB, kind string, buckets []string) error {
	missing := false
	if err := db.View(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			missing = missing || tx.Bucket([]byte(name)) == nil
		}
		return nil
	}); err != nil || !missing {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error { return format(tx, kind, buckets) })
}

// precheck reads the file without changing it, while nobody else can write to it.
func precheck(path, kind string, timeout time.Duration) (err error) {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is no regular file", ErrNotUsable, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	_, metaErr := newestMeta(f, info.Size())
	f.Close()
	if errors.Is(metaErr, errEmpty) || errors.Is(metaErr, errForeign) {
		return notUsable(path, metaErr) // no lock is needed to see this
	}
	// A read-only open takes the lock and reads no more than the first pages.
	db, err := guardedOpen(path, boltOptions(timeout, true))
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return openError(path, err)
	case err != nil && metaErr != nil:
		return notUsable(path, metaErr)
	case err != nil:
		return openError(path, err)
	}
	defer db.Close()
	if err := checkFile(path); err != nil {
		return notUsable(path, err)
	}
	return guarded(func() error { return db.View(func(tx *bolt.Tx) error { return checkKind(path, kind, tx) }) })
}

func checkKind(path, kind string, tx *bolt.Tx) error {
	meta := tx.Bucket([]byte(bucketMeta))
	if meta == nil || string(meta.Get(keyKind)) == "" {
		return notUsable(path, errors.New("it is a bbolt file of another program"))
	}
	version, err := strconv.Atoi(string(meta.Get(keySchema)))
	if err == nil && version > schema {
		return fmt.Errorf("%w: %s has format %d, this program knows up to %d; use the newer program", ErrNewer, path, version, schema)
	}
	if got := string(meta.Get(keyKind)); got != kind || err != nil || version < 1 {
		return notUsable(path, fmt.Errorf("it is a %q file, want %q", got, kind))
	}
	return nil
}

func notUsable(path string, err error) error {
	return fmt.Errorf("%w: %s: %w; nothing was changed: restore it from a backup, or move it away to begin with an empty store",
		ErrNotUsable, path, err)
}

func openError(path string, err error) error {
	if errors.Is(err, berrors.ErrTimeout) {
		return fmt.Errorf("%w: %s is locked; stop the other recado first, or use its API", ErrLocked, path)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open store: %w", err)
	}
	return notUsable(path, err)
}

// guardedOpen turns bbolt's panics into errors.
func guardedOpen(path string, o *bolt.Options) (db *bolt.DB, err error) {
	err = guarded(func() error {
		var err error
		db, err = bolt.Open(path, 0o600, o)
		return err
	})
	return db, err
}

// guarded runs f and gives a panic in it as an error. The panic's text is bbolt's own, about pages.
func guarded(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errStructure, p)
		}
	}()
	return f()
}

// commits is the number of commits that a tree has seen.
func commits(tx *bolt.Tx) uint64 {
	v := tx.Bucket([]byte(bucketMeta)).Get(keyCommits)
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

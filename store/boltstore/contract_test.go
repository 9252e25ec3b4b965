package boltstore_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"recado/store/boltstore"
	"recado/store/seal"
	"recado/store/storetest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { removeFilled(); os.Exit(code) }))
}

func testKeys(t testing.TB) *seal.Keys {
	t.Helper()
	k, err := seal.FromBytes(bytes.Repeat([]byte{7}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// opened remembers where a store of the suite is.
type opened struct {
	*boltstore.DB
	path string
}

func open(t testing.TB, path string) *opened {
	t.Helper()
	db, err := boltstore.Open(path, boltstore.Options{Keys: testKeys(t)})
	if err != nil {
		t.Fatal(err)
	}
	return &opened{db, path}
}

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(t testing.TB) storetest.Store { return open(t, filepath.Join(t.TempDir(), "recado.db")) },
		Reopen: func(t testing.TB, s storetest.Store) storetest.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, s.(*opened).path)
		},
		Crash: func(t testing.TB, s storetest.Store) storetest.Store {
			to := filepath.Join(t.TempDir(), "recado.db")
			copyStore(t, s.(*opened).path, to)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return open(t, to)
		},
	})
}

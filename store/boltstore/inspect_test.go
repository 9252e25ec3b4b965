package boltstore_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"recado/acs"
	"recado/cwmp"
	"recado/store/boltstore"
	"recado/store/seal"
)

// files gives the content of all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	check(t, "read the files", err)
	return all
}

func TestInspect(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "recado.db")
	var users []string
	inspect := func(o boltstore.Options) error {
		users = nil
		there, err := boltstore.Inspect(path, o, func(f acs.Facts) bool {
			users = append(users, f.CWMPAuth.Username+":"+f.CWMPAuth.Password)
			return true
		})
		if _, statErr := os.Stat(path); there != (statErr == nil) {
			t.Errorf("there: got %t, want %t", there, statErr == nil)
		}
		return err
	}
	check(t, "no store", inspect(boltstore.Options{}))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no store: its folder was made (%v)", err)
	}
	db, err := boltstore.Open(path, boltstore.Options{})
	check(t, "open", err)
	id := cwmp.DeviceID{OUI: "00259E", ProductClass: "R", SerialNumber: "1"}
	_, err = db.PutFacts(t.Context(), id.Key(), id, acs.Facts{CWMPAuth: acs.Credential{Username: "u", Password: "p"}})
	check(t, "put facts", err)
	if err := inspect(boltstore.Options{}); !errors.Is(err, boltstore.ErrLocked) {
		t.Errorf("store in use: got %v, want ErrLocked", err)
	}
	check(t, "close", db.Close())

	before := files(t, dir)
	if err := inspect(boltstore.Options{}); err != nil || len(users) != 1 || users[0] != "u:p" {
		t.Errorf("store: got %q, %v, want the one device's user", users, err)
	}
	other, err := seal.FromBytes(make([]byte, seal.KeySize))
	check(t, "make key", err)
	if err := inspect(boltstore.Options{Keys: other}); !errors.Is(err, boltstore.ErrWrongKey) || len(users) > 0 {
		t.Errorf("another key: got %q, %v, want ErrWrongKey", users, err)
	}
	check(t, "take the key away", os.Rename(path+".key", path+".away"))
	if err := inspect(boltstore.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no key: got %v, want fs.ErrNotExist", err)
	}
	check(t, "put the key back", os.Rename(path+".away", path+".key"))
	after := files(t, dir)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s was changed", filepath.Base(name))
		}
	}
	if len(after) != len(before) {
		t.Errorf("files: got %d, want %d", len(after), len(before))
	}

	check(t, "damage", os.WriteFile(filepath.Join(dir, "recado.devices.db"), nil, 0o600))
	if err := inspect(boltstore.Options{}); !errors.Is(err, boltstore.ErrNotUsable) {
		t.Errorf("empty devices file: got %v, want ErrNotUsable", err)
	}
}

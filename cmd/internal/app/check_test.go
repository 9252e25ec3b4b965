package app_test

import (
	"crypto/sha256"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"recado/acs/wire"
	"recado/cmd/internal/app"
)

// snapshot gives a hash of each file below a folder.
func snapshot(t *testing.T, dir string) map[string][sha256.Size]byte {
	t.Helper()
	all := map[string][sha256.Size]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = sha256.Sum256(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// checkOf runs Check, which must not change any file.
func checkOf(t *testing.T, cfg app.Config, dir string) error {
	t.Helper()
	a, err := app.New(cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, dir)
	err = a.Check(t.Context())
	after := snapshot(t, dir)
	for name, hash := range after {
		if before[name] != hash {
			t.Errorf("Check made or changed %s", name)
		}
	}
	if len(after) < len(before) {
		t.Errorf("Check took files away: %d are left of %d", len(after), len(before))
	}
	return err
}

func refusedFor(err error, field, text string) bool {
	var f *app.FieldError
	return errors.As(err, &f) && f.Field == field && strings.Contains(f.Problem, text)
}

// TestCheckTellsWhatRunWould holds Check to what a start with the same settings does, over the life of a store.
func TestCheckTellsWhatRunWould(t *testing.T) {
	dir := t.TempDir()
	cfg := devConfig()
	cfg.Store = "bolt://" + filepath.Join(dir, "data", "recado.db")
	digest := cfg
	digest.CWMPAuth = "digest"
	empty := digest
	empty.CWMPCredentialsFile = filepath.Join(dir, "cpe-credentials")
	if err := os.WriteFile(empty.CWMPCredentialsFile, []byte("# by the API\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkOf(t, digest, dir); !refusedFor(err, "cwmp-auth", "no credential") {
		t.Errorf("no store, no credentials: got %v, want the refusal of a start", err)
	}
	for name, c := range map[string]app.Config{"no authentication": cfg, "an empty credentials file": empty} {
		if err := checkOf(t, c, dir); err != nil {
			t.Errorf("no store, %s: got %v, want nil", name, err)
		}
	}

	s := start(t, cfg)
	if err := checkOf(t, digest, dir); !errors.Is(err, app.ErrUnchecked) {
		t.Errorf("a store in use: got %v, want ErrUnchecked", err)
	}
	put := wire.DevicePut{ConnectionRequest: &wire.Credential{Username: "u", Password: "p"}}
	if code := s.call(http.MethodPut, "/api/v1/devices/00259E-R-1", adminToken, put, nil); code != http.StatusCreated {
		t.Fatalf("put device: got %d, want 201", code)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := checkOf(t, digest, dir); !refusedFor(err, "cwmp-auth", "no credential") {
		t.Errorf("a store without credentials: got %v, want the refusal of a start", err)
	}

	s = start(t, cfg)
	put = wire.DevicePut{CWMPAuth: &wire.Credential{Username: "u", Password: "p"}}
	if code := s.call(http.MethodPut, "/api/v1/devices/00259E-R-1", adminToken, put, nil); code != http.StatusOK {
		t.Fatalf("put device: got %d, want 200", code)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if err := checkOf(t, digest, dir); err != nil {
		t.Errorf("a device with a credential of its own: got %v, want nil", err)
	}
	if err := start(t, digest).stop(); err != nil {
		t.Errorf("start with a device that has a credential of its own: got %v, want nil", err)
	}

	elsewhere := digest
	elsewhere.KeyFile = filepath.Join(dir, "key")
	if err := checkOf(t, elsewhere, dir); !refusedFor(err, "key-file", "is missing") {
		t.Errorf("another key file, which is missing: got %v, want the refusal of a start", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "data", "recado.db"), []byte("no store"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkOf(t, cfg, dir); err == nil || !strings.Contains(err.Error(), "--store: ") {
		t.Errorf("a file that is no store: got %v, want the refusal of a start", err)
	}
}

// TestNoCredentialTellsCommands: the ways out can be typed as they stand.
func TestNoCredentialTellsCommands(t *testing.T) {
	cfg := devConfig()
	cfg.CWMPAuth, cfg.AdminToken, cfg.APIListen = "digest", "", "127.0.0.1:9999"
	a, err := app.New(cfg, app.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = a.Check(t.Context())
	for _, want := range []string{
		"\n    recado serve --dev\n", "\n    (umask 077 && echo 'cpe:PASSWORD' > cpe-credentials)\n    recado serve --cwmp-credentials-file cpe-credentials\n",
		"\n    (umask 077 && : > cpe-credentials)\n", `curl -X PUT http://127.0.0.1:9999/api/v1/devices/DEVICE_ID -H "Authorization: Bearer $(cat data/admin-token)"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check: got %v, want it to say %q", err, want)
		}
	}
}

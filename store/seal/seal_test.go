package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"recado/store/seal"
)

func keys(t testing.TB, fill byte) *seal.Keys {
	t.Helper()
	k, err := seal.FromBytes(bytes.Repeat([]byte{fill}, seal.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealOpen(t *testing.T) {
	k := keys(t, 1)
	for _, text := range []string{"", "x", "café 'n \x00 bytes", strings.Repeat("a", 100_000)} {
		a, b := k.Seal(text, "action/1/parameters"), k.Seal(text, "action/1/parameters")
		if a == b {
			t.Errorf("two sealings of %.10q are the same text: the nonce repeats", text)
		}
		if text != "" && strings.Contains(a, text) && len(text) > 1 {
			t.Errorf("sealed text holds the plaintext %.10q", text)
		}
		got, err := k.Open(a, "action/1/parameters")
		if err != nil || got != text {
			t.Errorf("Open: got %.20q, %v; want %.20q", got, err, text)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	const secret = "marker-secret-4711"
	k := keys(t, 1)
	sealed := k.Seal(secret, "endpoint/wh_1/secret")
	last := byte('A')
	if sealed[len(sealed)-10] == 'A' {
		last = 'B'
	}
	changed := sealed[:len(sealed)-10] + string(last) + sealed[len(sealed)-9:]
	tests := []struct {
		name, sealed, context string
		keys                  *seal.Keys
		want                  error
	}{
		{"other context", sealed, "endpoint/wh_2/secret", k, seal.ErrRefused},
		{"other key of the same id", sealed, "endpoint/wh_1/secret", keys(t, 2), seal.ErrRefused},
		{"changed", changed, "endpoint/wh_1/secret", k, seal.ErrRefused},
		{"unknown key", strings.Replace(sealed, ":k1:", ":k9:", 1), "endpoint/wh_1/secret", k, seal.ErrUnknownKey},
		{"cut", sealed[:20], "endpoint/wh_1/secret", k, seal.ErrMalformed},
		{"plain", secret, "endpoint/wh_1/secret", k, seal.ErrMalformed},
		{"empty", "", "endpoint/wh_1/secret", k, seal.ErrMalformed},
		{"no base64", "s1:k1:!!", "endpoint/wh_1/secret", k, seal.ErrMalformed},
		{"bad key id", "s1:K 1:AAAA", "endpoint/wh_1/secret", k, seal.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.keys.Open(tt.sealed, tt.context)
			if !errors.Is(err, tt.want) || got != "" {
				t.Fatalf("got %q, %v; want %v", got, err, tt.want)
			}
			if strings.Contains(err.Error(), secret) || len(tt.sealed) > 20 && strings.Contains(err.Error(), tt.sealed[10:]) {
				t.Errorf("the error shows what was sealed: %v", err)
			}
		})
	}
}

func TestMAC(t *testing.T) {
	k := keys(t, 1)
	a := k.MAC("idempotency", []byte("body"))
	if len(a) != 32 || !bytes.Equal(a, k.MAC("idempotency", []byte("body"))) {
		t.Errorf("MAC is not 32 stable bytes: %x", a)
	}
	for name, other := range map[string][]byte{
		"purpose": k.MAC("other", []byte("body")),
		"data":    k.MAC("idempotency", []byte("bodY")),
		"key":     keys(t, 2).MAC("idempotency", []byte("body")),
	} {
		if bytes.Equal(a, other) {
			t.Errorf("another %s gives the same MAC", name)
		}
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	raw := bytes.Repeat([]byte("K"), seal.KeySize)
	k, err := seal.FromBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if s := fmt.Sprintf(verb, k); strings.Contains(s, "KKKK") || strings.Contains(s, "75, 75") || strings.Contains(s, "0x4b") {
			t.Errorf("%s prints the key: %s", verb, s)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "recado.key")
	if _, err := seal.Load(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("Load without a file: got %v, want fs.ErrNotExist", err)
	}
	k, err := seal.LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed := k.Seal("text", "c")
	for _, p := range []struct {
		path string
		want fs.FileMode
	}{{path, 0o600}, {filepath.Dir(path), 0o700}} {
		info, err := os.Stat(p.path)
		if err != nil || info.Mode().Perm() != p.want {
			t.Errorf("%s: mode %v, %v; want %v", p.path, info.Mode().Perm(), err, p.want)
		}
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("got %d files beside the key file, want none", len(entries)-1)
	}
	again, err := seal.LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open(sealed, "c"); err != nil || got != "text" {
		t.Errorf("after loading: got %q, %v", got, err)
	}
	if _, err := seal.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a file: got %v, want fs.ErrExist", err)
	}
}

func TestRotate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.key")
	old, err := seal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, mac := old.Seal("text", "c"), old.MAC("p", []byte("d"))
	if _, err := seal.Rotate(path); err != nil {
		t.Fatal(err)
	}
	k, err := seal.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(k.IDs()) != 2 || k.Active() == old.Active() || k.IDs()[0] != old.Active() {
		t.Errorf("ids %v, active %s: want a new active one after %s", k.IDs(), k.Active(), old.Active())
	}
	if got, err := k.Open(sealed, "c"); err != nil || got != "text" {
		t.Errorf("old text: got %q, %v", got, err)
	}
	if _, err := old.Open(k.Seal("text", "c"), "c"); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("new text with the old key: got %v, want ErrUnknownKey", err)
	}
	if !bytes.Equal(k.MAC("p", []byte("d")), mac) {
		t.Error("the MAC changed with the rotation")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode after rotation: %v, %v", info.Mode(), err)
	}
}

func TestLoadRefuses(t *testing.T) {
	const b64 = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
	tests := []struct {
		name, text string
		mode       fs.FileMode
		want       string
	}{
		{"group can read", "recado-keys 1\nk1 " + b64, 0o640, "chmod 600"},
		{"world can read", "recado-keys 1\nk1 " + b64, 0o604, "chmod 600"},
		{"empty", "", 0o600, "line 1"},
		{"other version", "recado-keys 2\nk1 " + b64, 0o600, "line 1"},
		{"no key", "recado-keys 1\n# none\n", 0o600, "no key"},
		{"short key", "recado-keys 1\nk1 QUJD", 0o600, "line 2"},
		{"no base64", "recado-keys 1\n\nk1 " + strings.Repeat("*", 44), 0o600, "line 3"},
		{"twice", "recado-keys 1\nk1 " + b64 + "\nk1 " + b64, 0o600, "twice"},
		{"bad id", "recado-keys 1\nK1 " + b64, 0o600, "line 2"},
		{"huge", "recado-keys 1\n" + strings.Repeat("#\n", 40_000), 0o600, "larger"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "k")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := seal.Load(path)
			if !errors.Is(err, seal.ErrKeyFile) || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want ErrKeyFile with %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "QUFB") {
				t.Errorf("the error shows a key: %v", err)
			}
			if _, err := seal.LoadOrCreate(path); !errors.Is(err, seal.ErrKeyFile) {
				t.Errorf("LoadOrCreate: got %v, want ErrKeyFile", err)
			}
			if got, _ := os.ReadFile(path); string(got) != tt.text {
				t.Error("the file was changed")
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	k := keys(f, 1)
	f.Add(k.Seal("text", "c"))
	f.Add("s1:k1:AAAA")
	f.Add("s1::")
	f.Fuzz(func(t *testing.T, sealed string) {
		text, err := k.Open(sealed, "other")
		if err == nil {
			t.Fatalf("%q opened as %q in a context it was not sealed for", sealed, text)
		}
	})
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte("recado-keys 1\nk1 QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n"))
	f.Add([]byte("recado-keys 1\n# x\n\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "k")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := seal.Load(path)
		if err != nil {
			return
		}
		if got, err := k.Open(k.Seal("x", "c"), "c"); err != nil || got != "x" {
			t.Fatalf("keys that loaded do not work: %q, %v", got, err)
		}
	})
}

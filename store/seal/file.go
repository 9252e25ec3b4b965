package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	fileHeader  = "recado-keys 1"
	maxFileSize = 64 << 10
)

// ErrKeyFile is a key file that cannot be used: readable by others, of another format, damaged.
var ErrKeyFile = errors.New("key file cannot be used")

// Load reads a key file: the line "recado-keys 1", then a line "ID BASE64" for each key, the active one last. Empty lines and
// lines that start with # are skipped. A file that group or others can read is refused.
func Load(path string) (*Keys, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is no regular file", ErrKeyFile, path)
	}
	if perm := info.Mode().Perm(); runtime.GOOS != "windows" && perm&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s can be read or written by others (mode %04o); run: chmod 600 %s", ErrKeyFile, path, perm, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, path, err)
	}
	k, err := New(keys...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, path, err)
	}
	return k, nil
}

// Create makes a key file with one new key, mode 0600, and its directory (0700) where that is missing. It never replaces a
// file: fs.ErrExist where there is one.
func Create(path string) (*Keys, error) {
	k := newKey()
	if err := writeNew(path, formatKeys([]Key{k})); err != nil {
		return nil, fmt.Errorf("make key file: %w", err)
	}
	return New(k)
}

// LoadOrCreate is Load, and Create where there is no file.
func LoadOrCreate(path string) (*Keys, error) {
	k, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	k, err = Create(path)
	if errors.Is(err, fs.ErrExist) {
		return Load(path)
	}
	return k, err
}

// Rotate adds a new key to the file and makes it the active one; what the older ones sealed still opens. The file is replaced
// in one step.
func Rotate(path string) (*Keys, error) {
	if _, err := Load(path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeyFile, path, err)
	}
	keys = append(keys, newKey())
	tmp, err := writeTemp(path, formatKeys(keys))
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return nil, fmt.Errorf("key file: %w", err)
	}
	syncDir(filepath.Dir(path))
	return New(keys...)
}

// parseKeys tells what is wrong by line number, and never shows a line: it may hold a key.
func parseKeys(text []byte) ([]Key, error) {
	if len(text) > maxFileSize {
		return nil, fmt.Errorf("larger than %d bytes", maxFileSize)
	}
	lines := strings.Split(string(text), "\n")
	if strings.TrimSpace(lines[0]) != fileHeader {
		return nil, fmt.Errorf("line 1 is not %q", fileHeader)
	}
	var keys []Key
	for i, line := range lines[1:] {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		id, b64, ok := strings.Cut(line, " ")
		raw, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(b64))
		if !ok || err != nil || len(raw) != KeySize || !validID(id) {
			return nil, fmt.Errorf("line %d is not an id and %d bytes in base64", i+2, KeySize)
		}
		keys = append(keys, Key{ID: id, Bytes: raw})
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it")
	}
	return keys, nil
}

func formatKeys(keys []Key) []byte {
	var b bytes.Buffer
	b.WriteString(fileHeader + "\n")
	b.WriteString("# Without this file the secrets in the store cannot be read. Back it up apart from the store.\n")
	for _, k := range keys {
		b.WriteString(k.ID + " " + base64.StdEncoding.EncodeToString(k.Bytes) + "\n")
	}
	return b.Bytes()
}

// writeNew makes the file in one step: a half-written key file would lock its owner out.
func writeNew(path string, text []byte) error {
	tmp, err := writeTemp(path, text)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	err = os.Link(tmp, path)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		// A file system without hard links.
		var f *os.File
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return err
		}
		if _, err = f.Write(text); err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		syncDir(filepath.Dir(path))
	}
	return err
}

func writeTemp(path string, text []byte) (string, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp") // made with 0600
	if err != nil {
		return "", err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// syncDir makes a new name durable. Where directories cannot be synced, the name lives as long as the machine does.
func syncDir(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	d.Sync()
	d.Close()
}

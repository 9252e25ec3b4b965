package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// KeySize is the length of a key in bytes: AES-256.
const KeySize = 32

// What Open returns. None of them holds a part of what was sealed.
var (
	// ErrMalformed is a text that Seal never made.
	ErrMalformed = errors.New("sealed text is malformed")
	// ErrUnknownKey is a text sealed with a key that is not among the keys.
	ErrUnknownKey = errors.New("sealed with a key that is not in the key file")
	// ErrRefused is a text that was changed, belongs to another record, or was sealed with another key of the same id.
	ErrRefused = errors.New("sealed text does not open: it was changed, moved, or sealed with another key")
)

// Key is one AES-256 key with the id that sealed texts carry.
type Key struct {
	ID    string // 1 to 32 of a-z, 0-9, "-", "_"
	Bytes []byte // KeySize of them
}

// Keys opens what any of its keys sealed, and seals with one of them, the active one. It is safe for concurrent use and never
// prints a key.
//
// The nonces are random: one key is good for 2^32 texts (NIST SP 800-38D, 8.3), some three years of four million a day.
type Keys struct {
	order  []string
	aeads  map[string]cipher.AEAD
	macKey []byte
}

// New makes Keys of at least one key. The last one is active; MAC goes by the first.
func New(keys ...Key) (*Keys, error) {
	if len(keys) == 0 {
		return nil, errors.New("seal: no key")
	}
	k := &Keys{aeads: make(map[string]cipher.AEAD, len(keys))}
	for _, key := range keys {
		if !validID(key.ID) {
			return nil, fmt.Errorf("seal: key id %.40q: want 1 to 32 of a-z, 0-9, - and _", key.ID)
		}
		if _, twice := k.aeads[key.ID]; twice {
			return nil, fmt.Errorf("seal: key id %q is there twice", key.ID)
		}
		if len(key.Bytes) != KeySize {
			return nil, fmt.Errorf("seal: key %q has %d bytes, want %d", key.ID, len(key.Bytes), KeySize)
		}
		block, err := aes.NewCipher(key.Bytes)
		if err != nil {
			return nil, fmt.Errorf("seal: key %q: %w", key.ID, err)
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, fmt.Errorf("seal: key %q: %w", key.ID, err)
		}
		k.aeads[key.ID] = aead
		k.order = append(k.order, key.ID)
	}
	k.macKey = append([]byte(nil), keys[0].Bytes...)
	return k, nil
}

// FromBytes makes Keys of one key without a file, for tests and for keys that come from elsewhere.
func FromBytes(key []byte) (*Keys, error) { return New(Key{ID: "k1", Bytes: key}) }

// Active is the id of the key that seals.
func (k *Keys) Active() string { return k.order[len(k.order)-1] }

// IDs lists the ids of all keys, the active one last.
func (k *Keys) IDs() []string { return append([]string(nil), k.order...) }

const (
	sealedPrefix = "s1:"
	contextLabel = "recado seal 1\x00"
)

// Seal encrypts plaintext for the place that context names (kind of record, id, field).
func (k *Keys) Seal(plaintext, context string) string {
	id := k.Active()
	sealed := k.aeads[id].Seal(nil, nil, []byte(plaintext), []byte(contextLabel+context))
	return sealedPrefix + id + ":" + base64.RawStdEncoding.EncodeToString(sealed)
}

// Open gives back what Seal was given, if the context is the same. Errors are ErrMalformed, ErrUnknownKey and ErrRefused.
func (k *Keys) Open(sealed, context string) (string, error) {
	rest, ok := strings.CutPrefix(sealed, sealedPrefix)
	if !ok {
		return "", ErrMalformed
	}
	id, text, ok := strings.Cut(rest, ":")
	if !ok || !validID(id) {
		return "", ErrMalformed
	}
	raw, err := base64.RawStdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return "", ErrMalformed
	}
	aead, ok := k.aeads[id]
	if !ok {
		return "", fmt.Errorf("%w (key id %s)", ErrUnknownKey, id)
	}
	if len(raw) < aead.Overhead() {
		return "", ErrMalformed
	}
	plain, err := aead.Open(nil, nil, raw, []byte(contextLabel+context))
	if err != nil {
		return "", ErrRefused
	}
	return string(plain), nil
}

// MAC is HMAC-SHA256 of data under a key of its own for purpose, derived (HKDF, RFC 5869) from the first of the keys: it stays
// the same when a new key is added behind it.
func (k *Keys) MAC(purpose string, data []byte) []byte {
	key, err := hkdf.Key(sha256.New, k.macKey, nil, "recado mac 1: "+purpose, sha256.Size)
	if err != nil {
		// Only a length beyond 255 hashes or a key refused in FIPS mode can fail, and both are fixed here.
		panic("seal: hkdf: " + err.Error())
	}
	m := hmac.New(sha256.New, key)
	m.Write(data)
	return m.Sum(nil)
}

// String names the keys' ids only.
func (k *Keys) String() string { return "seal keys " + strings.Join(k.order, ", ") }

// GoString is String: a key is never printed.
func (k *Keys) GoString() string { return k.String() }

// LogValue implements slog.LogValuer.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

func validID(id string) bool {
	if len(id) < 1 || len(id) > 32 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func newKey() Key {
	b, id := make([]byte, KeySize), make([]byte, 4)
	rand.Read(b) // never fails (crypto/rand)
	rand.Read(id)
	return Key{ID: "k" + hex.EncodeToString(id), Bytes: b}
}

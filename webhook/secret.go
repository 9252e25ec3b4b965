package webhook

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of secrets: the bytes of a standard one, the characters of a client's own text.
const (
	MinSecretBytes = 24
	MaxSecretBytes = 64
	MinSecretText  = 16
	MaxSecretText  = 75
)

const secretPrefix = "whsec_"

// ErrSecret is a text that cannot be a signing secret. The text itself is never part of the error.
var ErrSecret = errors.New("unusable secret")

// strictBase64 refuses what other decoders refuse too, so that a secret means the same everywhere.
var strictBase64 = base64.StdEncoding.Strict()

// Secret is a signing secret, ready for use. It prints as "whsec_***" so that no log shows it; Text gives it away.
type Secret struct {
	text string
	key  []byte
	own  bool
}

// NewSecret makes a standard secret of 32 random bytes.
func NewSecret() Secret {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never errs: crypto/rand ends the program instead
	return Secret{text: secretPrefix + strictBase64.EncodeToString(key), key: key}
}

// ParseSecret reads a secret as the client sees it: "whsec_" with 24–64 bytes in standard base64, or the client's own text
// of 16–75 printable characters. Text that begins with "whsec_" and is not well formed is refused rather than taken as own
// text: the receivers' libraries would read it in their own ways. Errors are ErrSecret with what would be right.
func ParseSecret(text string) (Secret, error) {
	if b64, ok := strings.CutPrefix(text, secretPrefix); ok {
		if strings.ContainsAny(b64, "\r\n") {
			return Secret{}, fmt.Errorf("%w: no line breaks may follow %s", ErrSecret, secretPrefix)
		}
		key, err := strictBase64.DecodeString(b64)
		if err != nil {
			return Secret{}, fmt.Errorf("%w: what follows %s must be padded standard base64", ErrSecret, secretPrefix)
		}
		if len(key) < MinSecretBytes || len(key) > MaxSecretBytes {
			return Secret{}, fmt.Errorf("%w: what follows %s must be %d to %d bytes in base64, got %d",
				ErrSecret, secretPrefix, MinSecretBytes, MaxSecretBytes, len(key))
		}
		return Secret{text: text, key: key}, nil
	}
	if !utf8.ValidString(text) {
		return Secret{}, fmt.Errorf("%w: it must be valid UTF-8", ErrSecret)
	}
	if n := utf8.RuneCountInString(text); n < MinSecretText || n > MaxSecretText {
		return Secret{}, fmt.Errorf("%w: it must have %d to %d characters (or be %s and %d to %d bytes in base64), got %d",
			ErrSecret, MinSecretText, MaxSecretText, secretPrefix, MinSecretBytes, MaxSecretBytes, n)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return Secret{}, fmt.Errorf("%w: it may hold printable characters only", ErrSecret)
	}
	if strings.TrimSpace(text) != text {
		return Secret{}, fmt.Errorf("%w: it may not begin or end with a space", ErrSecret)
	}
	return Secret{text: text, key: []byte(text), own: true}, nil
}

// Text is the secret as the client sees it; its bytes are the key of the body signature.
func (s Secret) Text() string { return s.text }

// Standard is the secret in the form that Standard Webhooks libraries take: Text where that has it already, else "whsec_" and
// the base64 of Text's bytes.
func (s Secret) Standard() string {
	if !s.own {
		return s.text
	}
	return secretPrefix + strictBase64.EncodeToString(s.key)
}

// Own tells whether the secret is a client's own text, so that Standard differs from Text.
func (s Secret) Own() bool { return s.own }

// String masks the secret.
func (s Secret) String() string { return secretPrefix + "***" }

// GoString masks the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText masks the secret, for encoders and structured logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

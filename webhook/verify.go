package webhook

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far webhook-timestamp may be from the receiver's clock, either way.
const Tolerance = 5 * time.Minute

// Why Verify and VerifyBody refuse. Compare with errors.Is; the error's text says more.
var (
	ErrHeaderMissing     = errors.New("a signature header is missing")
	ErrHeaderInvalid     = errors.New("a signature header cannot be read")
	ErrTimestampTooOld   = errors.New("the timestamp is too old")
	ErrTimestampTooNew   = errors.New("the timestamp is in the future")
	ErrSignatureMismatch = errors.New("no signature matches")
)

// Verify checks the Standard Webhooks headers of a request against its body, exactly as it came in, and the receiver's
// clock. secret is the text that registration gave, in either form. It returns nil, ErrSecret, or one of the reasons above.
// Signatures are compared in constant time; the clock is judged only after the signature, so that a forger learns nothing.
func Verify(secret string, headers http.Header, body []byte, now time.Time) error {
	s, err := verifySecret(secret)
	if err != nil {
		return err
	}
	id, err := single(headers, HeaderID)
	if err != nil {
		return err
	}
	stamp, err := single(headers, HeaderTimestamp)
	if err != nil {
		return err
	}
	list, err := single(headers, HeaderSignature)
	if err != nil {
		return err
	}
	unix, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || unix < 0 || strconv.FormatInt(unix, 10) != stamp {
		return fmt.Errorf("%w: %s must be Unix seconds", ErrHeaderInvalid, HeaderTimestamp)
	}
	if err := matchSignature(list, s.mac(id, unix, body)); err != nil {
		return err
	}
	at, window := now.Unix(), int64(Tolerance/time.Second)
	switch {
	case unix < at-window:
		return fmt.Errorf("%w: %d s behind the clock, %d are allowed", ErrTimestampTooOld, at-unix, window)
	case unix > at+window:
		return fmt.Errorf("%w: %d s ahead of the clock, %d are allowed", ErrTimestampTooNew, unix-at, window)
	}
	return nil
}

// verifySecret also takes the standard form of an own text, which may hold fewer or more bytes than a standard secret.
func verifySecret(text string) (Secret, error) {
	s, err := ParseSecret(text)
	if err == nil {
		return s, nil
	}
	b64, ok := strings.CutPrefix(text, secretPrefix)
	if !ok || strings.ContainsAny(b64, "\r\n") {
		return Secret{}, err
	}
	key, decodeErr := strictBase64.DecodeString(b64)
	if decodeErr != nil || len(key) < MinSecretText {
		return Secret{}, err
	}
	return Secret{text: text, key: key}, nil
}

// single returns a header's value; a second value would leave open which one the signature is about.
func single(h http.Header, name string) (string, error) {
	v := h.Values(name)
	switch {
	case len(v) == 0 || len(v) == 1 && v[0] == "":
		return "", fmt.Errorf("%w: %s", ErrHeaderMissing, name)
	case len(v) > 1:
		return "", fmt.Errorf("%w: %s came %d times", ErrHeaderInvalid, name, len(v))
	case strings.Contains(v[0], ", "):
		// A proxy joins two headers so; none of Recado's has that in it.
		return "", fmt.Errorf("%w: %s is several values, joined", ErrHeaderInvalid, name)
	}
	return v[0], nil
}

// matchSignature looks for want in a space-separated list of "version,base64". Entries of other versions are passed over.
func matchSignature(list string, want []byte) error {
	known := 0
	for entry := range strings.SplitSeq(list, " ") {
		b64, ok := strings.CutPrefix(entry, signatureVersion)
		if !ok {
			continue
		}
		known++
		got, err := base64.StdEncoding.DecodeString(b64)
		if err == nil && hmac.Equal(got, want) {
			return nil
		}
	}
	if known == 0 {
		return fmt.Errorf("%w: %s has no v1 entry", ErrHeaderInvalid, HeaderSignature)
	}
	return fmt.Errorf("%w: %d v1 entries tried; the secret is another one, or the body or id was changed", ErrSignatureMismatch, known)
}

// VerifyBody checks a body signature, "sha256=<hex>", which was found under the header that the endpoint asked for. It says
// nothing of when the body was signed: a receiver that relies on it alone has to refuse event ids that it has seen.
func VerifyBody(secret, signature string, body []byte) error {
	s, err := ParseSecret(secret)
	if err != nil {
		return err
	}
	if signature == "" {
		return fmt.Errorf("%w: the body signature", ErrHeaderMissing)
	}
	digits, ok := strings.CutPrefix(signature, bodySignaturePrefix)
	if !ok {
		return fmt.Errorf("%w: the body signature must begin with %s", ErrHeaderInvalid, bodySignaturePrefix)
	}
	got, err := hex.DecodeString(digits)
	if err != nil {
		return fmt.Errorf("%w: the body signature must be hex", ErrHeaderInvalid)
	}
	if !hmac.Equal(got, s.bodyMAC(body)) {
		return fmt.Errorf("%w: the secret is another one, or the body was changed", ErrSignatureMismatch)
	}
	return nil
}

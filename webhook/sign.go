package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of Standard Webhooks 1.0.0, and the one that numbers the attempts of a delivery from 1.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
	HeaderAttempt   = "Recado-Attempt"
)

const (
	signatureVersion    = "v1,"
	bodySignaturePrefix = "sha256="
)

// Signature returns one entry of webhook-signature: "v1," and the base64 of HMAC-SHA256(key, "id.timestamp.body"), the
// timestamp in whole Unix seconds.
func (s Secret) Signature(id string, at time.Time, body []byte) string {
	mac := s.mac(id, at.Unix(), body)
	b := make([]byte, len(signatureVersion)+base64.StdEncoding.EncodedLen(len(mac)))
	copy(b, signatureVersion)
	base64.StdEncoding.Encode(b[len(signatureVersion):], mac)
	return string(b)
}

func (s Secret) mac(id string, unix int64, body []byte) []byte {
	head := make([]byte, 0, 64)
	head = append(head, id...)
	head = append(head, '.')
	head = strconv.AppendInt(head, unix, 10)
	head = append(head, '.')
	h := hmac.New(sha256.New, s.key)
	h.Write(head)
	h.Write(body)
	return h.Sum(nil)
}

// BodySignature returns "sha256=" and the hex of HMAC-SHA256 over the body alone, with the text of the secret as the key.
func (s Secret) BodySignature(body []byte) string {
	return bodySignaturePrefix + hex.EncodeToString(s.bodyMAC(body))
}

func (s Secret) bodyMAC(body []byte) []byte {
	h := hmac.New(sha256.New, []byte(s.text))
	h.Write(body)
	return h.Sum(nil)
}

// Sign sets the three headers of Standard Webhooks. id is the event's, the same on every attempt; at is the attempt's time.
// Each secret gives one signature, in the order given: the new secret first during a rotation.
func Sign(h http.Header, id string, at time.Time, body []byte, secrets ...Secret) {
	signatures := make([]string, len(secrets))
	for i, s := range secrets {
		signatures[i] = s.Signature(id, at, body)
	}
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(HeaderSignature, strings.Join(signatures, " "))
}

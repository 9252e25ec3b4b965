package acs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	"recado/webhook"
)

// clientTypes lists every kind of client.
var clientTypes = []ClientType{ClientGeneric, ClientERP, ClientHelpDesk}

// maxPublicKey bounds the text of a public key; one of P-256 has 178 bytes.
const maxPublicKey = 4096

// checkKind checks what kind of system the client is, how it proves itself, and how it is told; it gives the public key its usual form.
func (c *Client) checkKind() error {
	if c.Type == "" {
		c.Type = ClientGeneric
	}
	if !slices.Contains(clientTypes, c.Type) {
		return &InvalidError{"type", "is unknown; the types are generic, erp, help_desk"}
	}
	if c.TimeZone != "" {
		if _, err := webhook.LoadZone(c.TimeZone); err != nil {
			return &InvalidError{"time_zone", "is no IANA time zone; give one such as America/Sao_Paulo"}
		}
	}
	if c.PublicKey == "" {
		return nil
	}
	key, err := ParsePublicKey(c.PublicKey)
	if err != nil {
		return err
	}
	if c.PublicKey, err = publicKeyText(key); err != nil {
		return &InvalidError{"public_key", "cannot be written as SubjectPublicKeyInfo"}
	}
	return nil
}

// publicKeyText is a key in its usual form.
func publicKeyText(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: pemPublicKey, Bytes: der})), nil
}

const pemPublicKey = "PUBLIC KEY"

// ParsePublicKey reads a client's public key: one P-256 key as SubjectPublicKeyInfo in PEM (RFC 7468 section 13). Errors are
// *InvalidError, and say what was given instead.
func ParsePublicKey(text string) (*ecdsa.PublicKey, error) {
	bad := func(problem string) (*ecdsa.PublicKey, error) { return nil, &InvalidError{"public_key", problem} }
	if len(text) > maxPublicKey {
		return bad("is too long for one P-256 key")
	}
	if strings.Contains(text, "PRIVATE KEY") {
		return bad("is a private key, which is nobody's business but the client's: make a new pair, and give the public one " +
			"(openssl ec -in key.pem -pubout)")
	}
	block, rest := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return bad("is no PEM; give the lines from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----")
	case block.Type == "CERTIFICATE":
		return bad("is a certificate; give its key alone (openssl x509 -pubkey -noout)")
	case block.Type != pemPublicKey:
		return bad("is not a PUBLIC KEY in PEM (openssl ec -in key.pem -pubout makes one)")
	case len(strings.TrimSpace(string(rest))) > 0:
		return bad("has something behind the key; give one key alone")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return bad("is no SubjectPublicKeyInfo, or its point is not on the curve")
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	switch {
	case !ok:
		return bad("is a key of another kind; ES256 needs an elliptic-curve key on P-256")
	case key.Curve != elliptic.P256():
		return bad("is on the curve " + key.Curve.Params().Name + "; ES256 needs P-256 (prime256v1)")
	}
	return key, nil
}

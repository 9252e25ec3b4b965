package main

import (
	"crypto/rand"
	"encoding/base64"
)

// newSecret makes a webhook secret in the form of Standard Webhooks.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	return "whsec_" + base64.StdEncoding.EncodeToString(b)
}

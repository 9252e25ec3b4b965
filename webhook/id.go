package webhook

import (
	"encoding/hex"

	"github.com/google/uuid"
)

// Prefixes of ids.
const (
	PrefixEndpoint = "wh_"
	PrefixEvent    = "evt_"
	PrefixDelivery = "dlv_"
)

// NewID returns prefix followed by the 32 hex digits of a new UUIDv7 (RFC 9562). Ids of one process sort as they were made,
// whatever the clock does. It is safe for concurrent use.
func NewID(prefix string) string {
	// NewV7 errs only where the system's random source does, and crypto/rand ends the program before that.
	id := uuid.Must(uuid.NewV7())
	b := make([]byte, len(prefix)+hex.EncodedLen(len(id)))
	copy(b, prefix)
	hex.Encode(b[len(prefix):], id[:])
	return string(b)
}

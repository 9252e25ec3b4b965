package acs

import (
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// Protocolo is the protocol number of an accepted request: a UUID, time-ordered (version 7, 74 random bits).
type Protocolo uuid.UUID

// NewProtocolo makes one. It fails only when the system's random source does.
func NewProtocolo() (Protocolo, error) {
	u, err := uuid.NewV7()
	return Protocolo(u), err
}

// ParseProtocolo reads the hyphenated form, or the 32 hex digits of a CommandKey.
func ParseProtocolo(s string) (Protocolo, error) {
	if len(s) != 36 && len(s) != 32 {
		return Protocolo{}, fmt.Errorf("protocolo %.40q: want a UUID of 32 hex digits in groups 8-4-4-4-12", s)
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return Protocolo{}, fmt.Errorf("protocolo %.40q: want a UUID of 32 hex digits in groups 8-4-4-4-12", s)
	}
	return Protocolo(u), nil
}

// String is the form that clients see: 36 characters with hyphens.
func (p Protocolo) String() string { return uuid.UUID(p).String() }

// CommandKey is the form that fits CWMP's CommandKey and ParameterKey: 32 hex digits.
func (p Protocolo) CommandKey() string { return hex.EncodeToString(p[:]) }

// IsZero reports whether p is no protocol number.
func (p Protocolo) IsZero() bool { return p == Protocolo{} }

// MarshalText implements encoding.TextMarshaler.
func (p Protocolo) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Protocolo) UnmarshalText(b []byte) error {
	q, err := ParseProtocolo(string(b))
	if err != nil {
		return err
	}
	*p = q
	return nil
}

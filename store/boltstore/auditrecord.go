package boltstore

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"recado/acs"
)

// An entry of the audit record is kept for ever, and there is one for each action: it is the one record that is not JSON. Its value is
// auditVersion, the hash, the milliseconds since 1970 as a varint, and the texts of acs.AppendAuditBody in their order, each packed.
const auditVersion = 1

// Ways of packing a text, in the lowest two bits of the number in front of it; the rest is a length in bytes.
const (
	packPlain = iota // the text
	packUUID         // 16 bytes: a UUID with its hyphens
	packID           // a prefix, and 16 bytes: 32 hex digits
	packWord         // nothing: the number is the word's place in auditWords
)

// auditWords are texts that entries are full of. New ones go to the end: what is written keeps its meaning for ever.
var auditWords = []string{
	"", // 0 is the actor's client, in the place of the client
	acs.ViaAPI, acs.ViaSystem, string(acs.KindReboot), string(acs.KindParametersUpdate), "kind", "device", "router_id", "dangerous",
	acs.AuditActionAccepted, acs.AuditActionCancelled, acs.AuditDeviceFacts, acs.AuditDeliveryReplayed, acs.AuditTokenMade,
	"fields", "expires_at", "never", "webhook", "state", "dead", "pending", "delivered",
}

var auditWordAt = func() map[string]uint64 {
	at := make(map[string]uint64, len(auditWords))
	for i, w := range auditWords[1:] {
		at[w] = uint64(i) + 1
	}
	return at
}()

func auditKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

// packAct packs an act's texts.
func packAct(a *acs.AuditAct) []byte {
	b := make([]byte, 0, 256)
	for _, s := range auditTexts(a) {
		if s == &a.Client && a.Client != "" && a.Client == a.Actor.Client {
			b = append(b, packWord)
			continue
		}
		b = packText(b, *s)
	}
	b = binary.AppendUvarint(b, uint64(len(a.Details)))
	var few [8]string
	for _, name := range a.DetailNames(few[:0]) {
		b = packText(packText(b, name), a.Details[name])
	}
	return b
}

func auditTexts(a *acs.AuditAct) [8]*string {
	return [8]*string{
		&a.Actor.Client, &a.Actor.ClientName, &a.Actor.Source, &a.Actor.RequestID, &a.Actor.Via, &a.Act, &a.Object, &a.Client,
	}
}

func packText(b []byte, s string) []byte {
	if at, ok := auditWordAt[s]; ok {
		return binary.AppendUvarint(b, at<<2|packWord)
	}
	if len(s) >= 32 {
		var id [16]byte
		if packedUUID(&id, s) {
			return append(binary.AppendUvarint(b, packUUID), id[:]...)
		}
		prefix := s[:len(s)-32]
		if packedHex(id[:], s[len(prefix):]) {
			b = binary.AppendUvarint(b, uint64(len(prefix))<<2|packID)
			return append(append(b, prefix...), id[:]...)
		}
	}
	return append(binary.AppendUvarint(b, uint64(len(s))<<2), s...)
}

// packedHex packs lower-case hex digits, two for each byte.
func packedHex(to []byte, s string) bool {
	for i := range to {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		to[i] = hi<<4 | lo
	}
	return true
}

// nibble gives the value of a lower-case hex digit, 255 for what is none.
func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

func packedUUID(id *[16]byte, s string) bool {
	return len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' &&
		packedHex(id[:4], s) && packedHex(id[4:6], s[9:]) && packedHex(id[6:8], s[14:]) && packedHex(id[8:10], s[19:]) && packedHex(id[10:], s[24:])
}

// auditReader reads packed texts; after the first mistake all are empty.
type auditReader struct {
	b   []byte
	bad bool
}

func (r *auditReader) number() uint64 {
	n, used := binary.Uvarint(r.b)
	if used <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[used:]
	return n
}

func (r *auditReader) bytes(n uint64) string {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *auditReader) text() string {
	head := r.number()
	switch n := head >> 2; head & 3 {
	case packPlain:
		return r.bytes(n)
	case packID:
		return r.bytes(n) + hex.EncodeToString([]byte(r.bytes(16)))
	case packWord:
		if n > 0 && n < uint64(len(auditWords)) {
			return auditWords[n]
		}
	case packUUID:
		if id := r.bytes(16); len(id) == 16 && n == 0 {
			return acs.Protocolo([]byte(id)).String()
		}
	}
	r.bad = true
	return ""
}

// encodeAudit gives the value of an entry whose act is packed.
func encodeAudit(hash [32]byte, at time.Time, packed []byte) []byte {
	b := make([]byte, 0, 1+len(hash)+binary.MaxVarintLen64+len(packed))
	b = append(append(b, auditVersion), hash[:]...)
	return append(binary.AppendVarint(b, at.UnixMilli()), packed...)
}

func decodeAudit(key, value []byte) (e acs.AuditEntry, err error) {
	switch {
	case len(key) != 8:
		return e, fmt.Errorf("%w: its key is no number", ErrDamaged)
	case len(value) < 34:
		return e, fmt.Errorf("%w: it is cut short", ErrDamaged)
	case value[0] != auditVersion:
		return e, fmt.Errorf("%w: version %d, this program knows %d", ErrDamaged, value[0], auditVersion)
	}
	e.Seq = binary.BigEndian.Uint64(key)
	copy(e.Hash[:], value[1:33])
	ms, used := binary.Varint(value[33:])
	if used <= 0 {
		return e, fmt.Errorf("%w: it is cut short", ErrDamaged)
	}
	e.Time = time.UnixMilli(ms).UTC()
	r := &auditReader{b: value[33+used:]}
	for _, s := range auditTexts(&e.AuditAct) {
		if s == &e.Client && len(r.b) > 0 && r.b[0] == packWord {
			r.b, *s = r.b[1:], e.Actor.Client
			continue
		}
		*s = r.text()
	}
	n := r.number()
	if n > uint64(len(r.b)) {
		r.bad = true
	}
	for i := uint64(0); i < n && !r.bad; i++ {
		name := r.text()
		if e.Details == nil {
			e.Details = make(map[string]string, n)
		}
		e.Details[name] = r.text()
	}
	if r.bad || len(r.b) > 0 || uint64(len(e.Details)) != n {
		return e, fmt.Errorf("%w: its texts have no end, or one too many", ErrDamaged)
	}
	return e, nil
}

package acs

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"time"
)

// auditMagic begins what is hashed of an entry.
const auditMagic = "recado audit 1\n"

// AppendAuditBody adds the canonical bytes of an act to b: actor's client, its name, source, request id, via, act, object and client,
// then the number of details and each one's name and value, by name. Texts are UTF-8 with their length in front; lengths and the number
// are unsigned varints.
func AppendAuditBody(b []byte, a *AuditAct) []byte {
	for _, s := range [...]string{
		a.Actor.Client, a.Actor.ClientName, a.Actor.Source, a.Actor.RequestID, a.Actor.Via, a.Act, a.Object, a.Client,
	} {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(a.Details)))
	var few [8]string
	for _, name := range a.DetailNames(few[:0]) {
		b = appendText(appendText(b, name), a.Details[name])
	}
	return b
}

// DetailNames appends the names of the act's details to names, in order.
func (a *AuditAct) DetailNames(names []string) []string {
	for name := range a.Details {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AuditHash is the hash of an entry: SHA-256 of "recado audit 1\n", the hash of the entry before, the number and the time (milliseconds
// since 1970) as 8 bytes each, big-endian, and the canonical bytes of the act.
func AuditHash(prev [32]byte, seq uint64, at time.Time, body []byte) (sum [32]byte) {
	h := sha256.New()
	var head [len(auditMagic) + 48]byte
	n := copy(head[:], auditMagic)
	n += copy(head[n:], prev[:])
	binary.BigEndian.PutUint64(head[n:], seq)
	binary.BigEndian.PutUint64(head[n+8:], uint64(at.UnixMilli()))
	h.Write(head[:])
	h.Write(body)
	h.Sum(sum[:0])
	return sum
}

// AuditError is a record that is not as it was written. Seq is the first entry that is wrong.
type AuditError struct {
	Seq     uint64
	Problem string
}

// Error implements error.
func (e *AuditError) Error() string { return fmt.Sprintf("audit entry %d %s", e.Seq, e.Problem) }

// VerifyAudit reads entries from the one after the anchor on, the oldest first, and checks that each is what was written and follows
// the one before, and that the chain goes through each of the marks: the head that the store knows, and those that were noted elsewhere.
// It returns the last good entry's mark. The first wrong entry is an *AuditError; an error of the entries is returned as it is.
func VerifyAudit(anchor AuditMark, entries iter.Seq2[AuditEntry, error], marks ...AuditMark) (AuditMark, error) {
	last := anchor
	marks = slices.DeleteFunc(slices.Clone(marks), func(m AuditMark) bool { return m == AuditMark{} })
	slices.SortFunc(marks, func(a, b AuditMark) int { return int(min(max(int64(a.Seq)-int64(b.Seq), -1), 1)) })
	pass := func() error {
		for len(marks) > 0 && marks[0].Seq <= last.Seq {
			if marks[0].Seq == last.Seq && marks[0].Hash != last.Hash {
				return &AuditError{last.Seq, "is not the one that was noted: its hash is another"}
			}
			marks = marks[1:]
		}
		return nil
	}
	if err := pass(); err != nil {
		return AuditMark{}, err
	}
	for e, err := range entries {
		if err != nil {
			return last, err
		}
		if err := follows(last, &e); err != nil {
			return last, err
		}
		before := last
		last = AuditMark{e.Seq, e.Hash}
		if err := pass(); err != nil {
			return before, err
		}
	}
	if len(marks) > 0 {
		return last, &AuditError{last.Seq + 1, fmt.Sprintf("is missing: the record went on to entry %d", marks[len(marks)-1].Seq)}
	}
	return last, nil
}

func follows(last AuditMark, e *AuditEntry) error {
	want := last.Seq + 1
	switch {
	case e.Seq > want:
		return &AuditError{want, fmt.Sprintf("is missing: entry %d follows", e.Seq)}
	case e.Seq < want:
		return &AuditError{want, fmt.Sprintf("is not there: entry %d is in its place", e.Seq)}
	case AuditHash(last.Hash, e.Seq, e.Time, AppendAuditBody(nil, &e.AuditAct)) != e.Hash:
		return &AuditError{want, "was changed, or the one before it was: its hash does not fit"}
	}
	return nil
}

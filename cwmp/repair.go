package cwmp

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// An edit replaces the bytes from start to end. Edits are noted in order and never overlap.
type edit struct {
	start, end int
	text       string
}

// maxEdits bounds a repair: a message with more mistakes than this is not one that a device got slightly wrong.
const maxEdits = 10_000

func (s *scanner) edit(start, end int, text string) error {
	if len(s.edits) >= maxEdits {
		return s.errorf(ErrMalformed, start, "too many mistakes to repair")
	}
	s.edits = append(s.edits, edit{start, end, text})
	return nil
}

// repaired returns b[:end] with all edits done; b itself where there are none.
func (s *scanner) repaired(end int) []byte {
	if len(s.edits) == 0 {
		return s.b[:end]
	}
	out := make([]byte, 0, end+8*len(s.edits))
	pos := 0
	for _, e := range s.edits {
		out = append(out, s.b[pos:e.start]...)
		out = append(out, e.text...)
		pos = e.end
	}
	return append(out, s.b[pos:end]...)
}

// cleanCharacters drops the characters that XML 1.0 forbids and reads every byte that is no valid UTF-8 as
// ISO-8859-1, which is what devices mean by it. It returns b itself where nothing is wrong.
func cleanCharacters(b []byte) ([]byte, bool) {
	i := indexBadCharacter(b)
	if i < 0 {
		return b, false
	}
	out := make([]byte, i, len(b)+len(b)/8+8)
	copy(out, b)
	for i < len(b) {
		r, size := utf8.DecodeRune(b[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			out = utf8.AppendRune(out, rune(b[i]))
		case isXMLCharacter(r):
			out = append(out, b[i:i+size]...)
		}
		i += size
	}
	return out, true
}

func indexBadCharacter(b []byte) int {
	for i := 0; i < len(b); {
		c := b[i]
		if c >= 0x20 && c < utf8.RuneSelf || isSpace(c) {
			i++
			continue
		}
		if c < 0x20 {
			return i
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 || !isXMLCharacter(r) {
			return i
		}
		i += size
	}
	return -1
}

// isXMLCharacter tells what XML 1.0 calls a Char (production 2).
func isXMLCharacter(r rune) bool {
	return r >= 0x20 && r <= 0xD7FF || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= utf8.MaxRune
}

type refKind int

const (
	refGood      refKind = iota
	refBare              // an ampersand that begins no reference, or one to an entity nobody declared
	refForbidden         // a reference to what is no character of XML
)

// longestReference is far more than any that a device writes.
const longestReference = 16

// reference judges the reference that b begins with, and tells its size and the number of the character it means.
func reference(b []byte) (size int, number uint64, kind refKind) {
	end := bytes.IndexByte(b[:min(len(b), longestReference)], ';')
	if end < 2 {
		return 1, 0, refBare
	}
	name := string(b[1:end])
	switch name {
	case "amp":
		return end + 1, '&', refGood
	case "lt":
		return end + 1, '<', refGood
	case "gt":
		return end + 1, '>', refGood
	case "quot":
		return end + 1, '"', refGood
	case "apos":
		return end + 1, '\'', refGood
	}
	digits, ok := strings.CutPrefix(name, "#")
	if !ok {
		return 1, 0, refBare
	}
	base := 10
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return 1, 0, refBare
	}
	if n > utf8.MaxRune || !isXMLCharacter(rune(n)) {
		return end + 1, n, refForbidden
	}
	return end + 1, n, refGood
}

// ampersand notes the edit that the & at the offset needs, if any, and returns the offset behind what it looked at.
func (s *scanner) ampersand(at, to int) (int, error) {
	size, n, kind := reference(s.b[at:to])
	switch kind {
	case refBare:
		return at + 1, s.edit(at, at+1, "&amp;")
	case refForbidden:
		// A character beyond U+FFFF as two references, one for each half of its UTF-16 form.
		if next := at + size; n <= unicode.MaxRune && utf16.IsSurrogate(rune(n)) && next < to && s.b[next] == '&' {
			if size, low, kind := reference(s.b[next:to]); kind == refForbidden && low <= unicode.MaxRune {
				if r := utf16.DecodeRune(rune(n), rune(low)); r != unicode.ReplacementChar {
					return next + size, s.edit(at, next+size, string(r))
				}
			}
		}
		return at + size, s.edit(at, at+size, "")
	}
	return at + size, nil
}

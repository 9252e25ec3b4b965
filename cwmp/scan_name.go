package cwmp

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// nameEnd returns the offset behind the name that may begin at i: behind the letters, digits and "_:.-" of ASCII, and
// all that is not ASCII.
func (s *scanner) nameEnd(i int) int {
	for i < len(s.b) && nameBytes[s.b[i]] {
		i++
	}
	return i
}

var nameBytes = func() (is [256]bool) {
	for c := range is {
		is[c] = c >= utf8.RuneSelf
	}
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_:.-" {
		is[c] = true
	}
	return is
}()

// isQualifiedName tells whether b, up to where nameEnd says, is the name of an element or attribute.
func isQualifiedName(b []byte) bool {
	colon := bytes.IndexByte(b, ':')
	return isXMLName(b) && (colon < 0 || bytes.IndexByte(b[colon+1:], ':') < 0)
}

// isXMLName tells whether b, up to where nameEnd says, is what XML 1.0 (fifth edition) calls a Name (production 5).
func isXMLName(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	switch c := b[0]; {
	case c == '-' || c == '.' || c >= '0' && c <= '9':
		return false
	case c >= utf8.RuneSelf:
		if r, _ := utf8.DecodeRune(b); !unicode.Is(nameStart, r) {
			return false
		}
	}
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if !unicode.Is(nameStart, r) && !unicode.Is(nameInside, r) {
			return false
		}
		i += size
	}
	return true
}

// nameStart and nameInside are productions 4 and 4a of XML 1.0 (fifth edition) beyond ASCII.
var (
	nameStart = &unicode.RangeTable{
		R16: []unicode.Range16{
			{0xC0, 0xD6, 1},
			{0xD8, 0xF6, 1},
			{0xF8, 0x2FF, 1},
			{0x370, 0x37D, 1},
			{0x37F, 0x1FFF, 1},
			{0x200C, 0x200D, 1},
			{0x2070, 0x218F, 1},
			{0x2C00, 0x2FEF, 1},
			{0x3001, 0xD7FF, 1},
			{0xF900, 0xFDCF, 1},
			{0xFDF0, 0xFFFD, 1},
		},
		R32:         []unicode.Range32{{0x10000, 0xEFFFF, 1}},
		LatinOffset: 2,
	}
	nameInside = &unicode.RangeTable{
		R16:         []unicode.Range16{{0xB7, 0xB7, 1}, {0x300, 0x36F, 1}, {0x203F, 0x2040, 1}},
		LatinOffset: 1,
	}
)

package cwmp

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// byteOrderMark is U+FEFF in UTF-8, which some devices put before everything.
const byteOrderMark = "\xEF\xBB\xBF"

// maxDeclaration is more than any XML declaration needs.
const maxDeclaration = 1024

// A document is a message without what stands around the XML.
type document struct {
	b        []byte // UTF-8 by declaration, not yet checked
	base     int    // offset of b in the message
	repaired bool   // what was taken off made the message not well-formed
}

// prepare takes off what stands before the document (byte order mark, blank lines, NULs, the XML declaration) and
// trailing NULs, and converts ISO-8859-1 where the declaration names it.
func prepare(body []byte) (document, error) {
	if isUTF16(body) {
		return document{}, fmt.Errorf("%w: encoded in UTF-16, not in UTF-8", ErrMalformed)
	}
	d := document{b: trimFront(body)}
	d.base = len(body) - len(d.b)
	front := bytes.TrimPrefix(body[:d.base], []byte(byteOrderMark))
	whole := len(d.b)
	d.b = bytes.TrimRight(d.b, "\x00 \t\r\n")
	if len(d.b) == 0 {
		return document{}, fmt.Errorf("%w: the body is empty", ErrMalformed)
	}
	tail := body[d.base+len(d.b) : d.base+whole]
	d.repaired = indexNotSpace(front) >= 0 || bytes.IndexByte(tail, 0) >= 0
	if !bytes.HasPrefix(d.b, []byte("<?xml")) || len(d.b) < 6 || !isSpace(d.b[5]) {
		return d, nil
	}
	d.repaired = d.repaired || len(front) > 0
	end := bytes.Index(d.b[:min(len(d.b), maxDeclaration)], []byte("?>"))
	if end < 0 {
		return document{}, fmt.Errorf("%w: an XML declaration without end", ErrMalformed)
	}
	declaration := d.b[5:end]
	d.b = d.b[end+2:]
	d.base += end + 2
	switch encoding := declaredEncoding(declaration); strings.ToLower(encoding) {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1":
		d.b = fromLatin1(d.b)
	default:
		return document{}, fmt.Errorf("%w: declared in an encoding other than UTF-8, US-ASCII and ISO-8859-1", ErrMalformed)
	}
	return d, nil
}

func trimFront(b []byte) []byte {
	for {
		trimmed := bytes.TrimPrefix(bytes.TrimLeft(b, "\x00 \t\r\n"), []byte(byteOrderMark))
		if len(trimmed) == len(b) {
			return b
		}
		b = trimmed
	}
}

// isUTF16 knows UTF-16 by its byte order mark, and by a NUL beside the first <.
func isUTF16(b []byte) bool {
	switch {
	case len(b) < 2:
		return false
	case b[0] == 0xFE && b[1] == 0xFF, b[0] == 0xFF && b[1] == 0xFE, b[0] == '<' && b[1] == 0:
		return true
	}
	return len(b) > 2 && b[0] == 0 && b[1] == '<' && b[2] == 0
}

// declaredEncoding reads the encoding of an XML declaration; "" where it has none.
func declaredEncoding(declaration []byte) string {
	_, after, ok := bytes.Cut(declaration, []byte("encoding"))
	if !ok {
		return ""
	}
	after, ok = bytes.CutPrefix(bytes.TrimLeft(after, " \t\r\n"), []byte("="))
	after = bytes.TrimLeft(after, " \t\r\n")
	if !ok || len(after) == 0 || after[0] != '"' && after[0] != '\'' {
		return ""
	}
	name, _, _ := bytes.Cut(after[1:], after[:1])
	return string(bytes.TrimSpace(name))
}

func fromLatin1(b []byte) []byte {
	n := len(b)
	for _, c := range b {
		if c >= utf8.RuneSelf {
			n++
		}
	}
	if n == len(b) {
		return b
	}
	out := make([]byte, 0, n)
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}

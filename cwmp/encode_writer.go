package cwmp

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A writer collects the bytes of an envelope and the first error.
type writer struct {
	buf []byte
	err error
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *writer) raw(s string) { w.buf = append(w.buf, s...) }

// text writes s so that it survives every parser: what is not printable ASCII as a decimal reference, which also
// keeps line breaks and tabs from being normalised. It serves for attribute values too.
func (w *writer) text(s string) {
	if w.err != nil {
		return
	}
	if err := CheckText(s); err != nil {
		w.fail(err)
		return
	}
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		size := 1
		if c >= 0x20 && c < 0x7F && c != '&' && c != '<' && c != '>' && c != '"' {
			i++
			continue
		}
		w.buf = append(w.buf, s[from:i]...)
		switch c {
		case '&':
			w.raw("&amp;")
		case '<':
			w.raw("&lt;")
		case '>':
			w.raw("&gt;")
		case '"':
			w.raw("&quot;")
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			w.raw("&#")
			w.buf = strconv.AppendInt(w.buf, int64(r), 10)
			w.raw(";")
		}
		i += size
		from = i
	}
	w.buf = append(w.buf, s[from:]...)
}

func (w *writer) open(name string) {
	w.raw("<")
	w.raw(name)
	w.raw(">")
}

func (w *writer) close(name string) {
	w.raw("</")
	w.raw(name)
	w.raw(">")
}

func (w *writer) leaf(name, value string) {
	w.open(name)
	w.text(value)
	w.close(name)
}

// leafOr is leaf, with another value in place of an empty one.
func (w *writer) leafOr(name, value, empty string) {
	if value == "" {
		value = empty
	}
	w.leaf(name, value)
}

// array opens an array of n members of that type (3.5).
func (w *writer) array(name, member string, n int) {
	w.raw("<")
	w.raw(name)
	w.raw(` soap-enc:arrayType="`)
	w.raw(member)
	w.raw("[")
	w.buf = strconv.AppendInt(w.buf, int64(n), 10)
	w.raw(`]">`)
}

func (w *writer) stringArray(name string, members []string) {
	w.array(name, "xsd:string", len(members))
	for _, m := range members {
		w.leaf("string", m)
	}
	w.close(name)
}

func joinVersions(versions []string) string { return strings.Join(versions, ",") }

func boolDigit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// isName tells whether s can be an element's name here: letters, digits and "_-." of ASCII, beginning with a letter
// or underscore.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '.')) {
			return false
		}
	}
	return s != ""
}

// isTypeName tells whether s is a type whose prefix the envelope declares.
func isTypeName(s string) bool {
	prefix, name, ok := strings.Cut(s, ":")
	return ok && (prefix == "xsd" || prefix == "soap-enc" || prefix == "cwmp") && isName(name)
}

func (w *writer) typeAttribute(t string) {
	if !isTypeName(t) {
		w.fail(fmt.Errorf("%w: a parameter's Type is no type name such as xsd:string", ErrNotEncodable))
		return
	}
	w.raw(` xsi:type="`)
	w.raw(t)
	w.raw(`"`)
}

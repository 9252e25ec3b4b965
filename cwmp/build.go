package cwmp

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
)

// A builder makes the tree of what a scanner finds, without comments and processing instructions. Names are given by
// their offsets. A nil builder makes nothing.
//
// A name in the tree keeps the whole message in memory: what outlives the tree must be a copy. Texts and attribute
// values are copies.
type builder struct {
	root, at *etree.Element
	message  string       // names are parts of it
	attrs    []etree.Attr // of the tag in hand
	buf      []byte
}

// buildTree makes the tree of a document that a scan with these limits has found good, or has repaired.
func buildTree(b []byte, l Limits) (*etree.Element, error) {
	l.TextLength = len(b) // repairs lengthen texts
	t := &builder{message: string(b)}
	s := scanner{b: b, l: l, tree: t}
	if _, err := s.scan(); err != nil || len(s.edits) > 0 {
		return nil, fmt.Errorf("%w: mistakes that a repair does not mend", ErrMalformed)
	}
	return t.root, nil
}

func (t *builder) start(from, to int) {
	if t == nil {
		return
	}
	// Not by CreateElement(name): it takes a name that begins or ends with a colon for one with a prefix.
	e := etree.NewElement("")
	e.Space, e.Tag = t.name(from, to)
	if t.at == nil {
		t.root = e
	} else {
		t.at.AddChild(e)
	}
	t.at = e
}

func (t *builder) attribute(from, to int, value []byte) {
	if t != nil {
		a := etree.Attr{Value: t.read(value)}
		a.Space, a.Key = t.name(from, to)
		t.attrs = append(t.attrs, a)
	}
}

// attributes is called when the tag in hand has no more.
func (t *builder) attributes() {
	if t != nil && len(t.attrs) > 0 {
		t.at.Attr = slices.Clone(t.attrs)
		t.attrs = t.attrs[:0]
	}
}

func (t *builder) end() {
	if t != nil {
		t.at = t.at.Parent()
	}
}

func (t *builder) text(b []byte) {
	if t != nil && len(b) > 0 {
		t.at.CreateText(t.read(b))
	}
}

// literal is the text of a CDATA section.
func (t *builder) literal(b []byte) {
	if t != nil {
		t.at.CreateText(string(t.lines(b)))
	}
}

func (t *builder) name(from, to int) (space, local string) {
	s := t.message[from:to]
	if i := strings.IndexByte(s, ':'); i > 0 && i < len(s)-1 {
		return s[:i], s[i+1:]
	}
	return "", s
}

// read is what a text or attribute value means: references are replaced, and line ends are one line feed (2.11).
func (t *builder) read(b []byte) string {
	amp := bytes.IndexByte(b, '&')
	if amp < 0 {
		return string(t.lines(b))
	}
	t.buf = t.buf[:0]
	for ; amp >= 0; amp = bytes.IndexByte(b, '&') {
		t.appendLines(b[:amp])
		size, r, _ := reference(b[amp:])
		t.buf = utf8.AppendRune(t.buf, rune(r))
		b = b[amp+size:]
	}
	t.appendLines(b)
	return string(t.buf)
}

// lines is b where there is nothing to do, else good until the next call.
func (t *builder) lines(b []byte) []byte {
	if bytes.IndexByte(b, '\r') < 0 {
		return b
	}
	t.buf = t.buf[:0]
	t.appendLines(b)
	return t.buf
}

func (t *builder) appendLines(b []byte) {
	for {
		i := bytes.IndexByte(b, '\r')
		if i < 0 {
			t.buf = append(t.buf, b...)
			return
		}
		t.buf = append(append(t.buf, b[:i]...), '\n')
		b = bytes.TrimPrefix(b[i+1:], []byte("\n"))
	}
}

package cwmp

import (
	"bytes"
	"fmt"
)

// A scanner walks over the markup of one message. It enforces the limits, finds the end of the root element, refuses
// what may not be there, and notes the edits that would make a message with known device mistakes well-formed.
//
// A first walk builds nothing, so that a message beyond the limits costs no memory; a second one, over the message as
// repaired, builds the tree.
type scanner struct {
	b    []byte
	base int // offset of b in the message, for positions in errors
	l    Limits
	tree *builder // nil in the first walk

	markup, attributes int
	open               []openTag
	declared           [][]byte // prefixes in scope
	names              [][]byte // attribute names of the tag in hand
	edits              []edit
	undeclared         bool // some prefix was declared nowhere
	done               bool // the root element is closed
}

type openTag struct {
	name     []byte
	declared int // len(scanner.declared) outside of the element
}

func (s *scanner) errorf(kind error, at int, what string) error {
	return fmt.Errorf("%w: %s at byte %d", kind, what, s.base+at)
}

// scan returns the offset just behind the root element.
func (s *scanner) scan() (int, error) {
	pos := 0
	for {
		i := bytes.IndexByte(s.b[pos:], '<')
		if i < 0 {
			return 0, s.errorf(ErrMalformed, len(s.b), "the message ends before its root element does")
		}
		if err := s.text(pos, pos+i); err != nil {
			return 0, err
		}
		pos += i
		next := byte(0)
		if pos+1 < len(s.b) {
			next = s.b[pos+1]
		}
		var err error
		switch next {
		case '/':
			pos, err = s.endTag(pos)
		case '!':
			pos, err = s.exclamation(pos)
		case '?':
			pos, err = s.instruction(pos)
		default:
			pos, err = s.startTag(pos)
		}
		if err != nil {
			return 0, err
		}
		if s.done {
			return pos, nil
		}
	}
}

func (s *scanner) count(pos int) error {
	if s.markup++; s.markup > s.l.Elements {
		return s.errorf(ErrTooLarge, pos, fmt.Sprintf("more than %d elements", s.l.Elements))
	}
	return nil
}

func (s *scanner) text(from, to int) error {
	t := s.b[from:to]
	if len(t) > s.l.TextLength {
		return s.errorf(ErrTooLarge, from, fmt.Sprintf("a text of more than %d bytes", s.l.TextLength))
	}
	if len(s.open) == 0 {
		if i := indexNotSpace(t); i >= 0 {
			return s.errorf(ErrMalformed, from+i, "text outside of the root element")
		}
		return nil
	}
	s.tree.text(t)
	// "]]>" may stand nowhere but at the end of a CDATA section. Edits have to be in order.
	for {
		n := bytes.Index(s.b[from:to], []byte("]]>"))
		if n < 0 {
			return s.references(from, to)
		}
		if err := s.references(from, from+n); err != nil {
			return err
		}
		from += n + 3
		if err := s.edit(from-1, from, "&gt;"); err != nil {
			return err
		}
	}
}

// references checks every & of a text.
func (s *scanner) references(from, to int) error {
	for i := from; ; {
		n := bytes.IndexByte(s.b[i:to], '&')
		if n < 0 {
			return nil
		}
		var err error
		if i, err = s.ampersand(i+n, to); err != nil {
			return err
		}
	}
}

func (s *scanner) exclamation(pos int) (int, error) {
	rest := s.b[pos:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		end, err := s.skip(pos, 4, "-->", "comment")
		// A comment may not hold "--", nor end in "--->"; device text in comments is none of our business.
		if err == nil && bytes.Index(s.b[pos+4:end-1], []byte("--")) < end-3-(pos+4) {
			return end, s.edit(pos, end, "")
		}
		return end, err
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		if len(s.open) == 0 {
			return 0, s.errorf(ErrMalformed, pos, "text outside of the root element")
		}
		end, err := s.skip(pos, 9, "]]>", "CDATA section")
		if err == nil && end-pos > s.l.TextLength {
			err = s.errorf(ErrTooLarge, pos, fmt.Sprintf("a text of more than %d bytes", s.l.TextLength))
		}
		if err == nil {
			s.tree.literal(s.b[pos+9 : end-3])
		}
		return end, err
	}
	// DOCTYPE, ENTITY and the like: no CWMP message has any, and what they can do is nothing we want.
	return 0, s.errorf(ErrForbidden, pos, "a document type or other directive")
}

// instruction skips a processing instruction. One that is called xml is an XML declaration in the wrong place; what it
// declares counts for nothing.
func (s *scanner) instruction(pos int) (int, error) {
	end, err := s.skip(pos, 2, "?>", "processing instruction")
	if err == nil && !isXMLName(s.b[pos+2:s.nameEnd(pos+2)]) {
		err = s.errorf(ErrMalformed, pos, "a processing instruction without name")
	}
	return end, err
}

// skip returns the offset behind the next end, which is looked for from intro bytes behind pos on.
func (s *scanner) skip(pos, intro int, end, what string) (int, error) {
	if err := s.count(pos); err != nil {
		return 0, err
	}
	i := bytes.Index(s.b[pos+intro:], []byte(end))
	if i < 0 {
		return 0, s.errorf(ErrMalformed, pos, "a "+what+" without end")
	}
	return pos + intro + i + len(end), nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func indexNotSpace(b []byte) int {
	for i, c := range b {
		if !isSpace(c) {
			return i
		}
	}
	return -1
}

package cwmp

import (
	"bytes"
	"fmt"
)

// A scanner walks over the markup of one message once. It enforces the limits, finds the end of the root element,
// refuses what may not be there, and notes the edits that would make a message with known device mistakes
// well-formed. It builds nothing of what it reads.
type scanner struct {
	b    []byte
	base int // offset of b in the message, for positions in errors
	l    Limits

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
			pos, err = s.skip(pos, 2, "?>", "processing instruction")
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
		return end, err
	}
	// DOCTYPE, ENTITY and the like: no CWMP message has any, and what they can do is nothing we want.
	return 0, s.errorf(ErrForbidden, pos, "a document type or other directive")
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

func (s *scanner) endTag(pos int) (int, error) {
	end := s.nameEnd(pos + 2)
	name := s.b[pos+2 : end]
	for end < len(s.b) && isSpace(s.b[end]) {
		end++
	}
	if end >= len(s.b) {
		return 0, s.errorf(ErrMalformed, pos, "the message ends inside a tag")
	}
	top := len(s.open) - 1
	if s.b[end] != '>' || top < 0 || !bytes.Equal(name, s.open[top].name) {
		return 0, s.errorf(ErrMalformed, pos, "an end tag that does not match")
	}
	s.declared = s.declared[:s.open[top].declared]
	s.open = s.open[:top]
	s.done = top == 0
	return end + 1, nil
}

func (s *scanner) startTag(pos int) (int, error) {
	if err := s.count(pos); err != nil {
		return 0, err
	}
	end := s.nameEnd(pos + 1)
	name := s.b[pos+1 : end]
	if len(name) == 0 {
		return 0, s.errorf(ErrMalformed, pos, "a < that begins no tag")
	}
	if len(name) > s.l.NameLength {
		return 0, s.errorf(ErrTooLarge, pos, fmt.Sprintf("a name of more than %d bytes", s.l.NameLength))
	}
	if len(s.open) >= s.l.Depth {
		return 0, s.errorf(ErrTooLarge, pos, fmt.Sprintf("elements nested more than %d deep", s.l.Depth))
	}
	outside := len(s.declared)
	s.names = s.names[:0]
	for {
		start := end
		for end < len(s.b) && isSpace(s.b[end]) {
			end++
		}
		if end >= len(s.b) {
			return 0, s.errorf(ErrMalformed, pos, "the message ends inside a tag")
		}
		switch s.b[end] {
		case '>':
			s.checkPrefixes(name)
			s.open = append(s.open, openTag{name, outside})
			return end + 1, nil
		case '/':
			if end+1 >= len(s.b) || s.b[end+1] != '>' {
				return 0, s.errorf(ErrMalformed, end, "a / inside a tag")
			}
			s.checkPrefixes(name)
			s.declared = s.declared[:outside]
			s.done = len(s.open) == 0
			return end + 2, nil
		}
		var err error
		if end, err = s.attribute(start, end); err != nil {
			return 0, err
		}
	}
}

// attribute reads one attribute at pos; start is where the white space before it begins.
func (s *scanner) attribute(start, pos int) (int, error) {
	end := s.nameEnd(pos)
	name := s.b[pos:end]
	if len(name) > s.l.NameLength {
		return 0, s.errorf(ErrTooLarge, pos, fmt.Sprintf("a name of more than %d bytes", s.l.NameLength))
	}
	for end < len(s.b) && isSpace(s.b[end]) {
		end++
	}
	if len(name) == 0 || end >= len(s.b) || s.b[end] != '=' {
		return 0, s.errorf(ErrMalformed, pos, "an attribute without value")
	}
	for end++; end < len(s.b) && isSpace(s.b[end]); {
		end++
	}
	if end >= len(s.b) || s.b[end] != '"' && s.b[end] != '\'' {
		return 0, s.errorf(ErrMalformed, pos, "an attribute value without quotes")
	}
	n := bytes.IndexByte(s.b[end+1:], s.b[end])
	if n < 0 {
		return 0, s.errorf(ErrMalformed, pos, "an attribute value without end")
	}
	from, to := end+1, end+1+n
	if n > s.l.TextLength {
		return 0, s.errorf(ErrTooLarge, from, fmt.Sprintf("a text of more than %d bytes", s.l.TextLength))
	}
	if s.attributes++; len(s.names) >= s.l.Attributes || s.attributes > 2*s.l.Elements {
		return 0, s.errorf(ErrTooLarge, pos, "too many attributes")
	}
	for _, other := range s.names {
		if bytes.Equal(other, name) {
			return to + 1, s.edit(start, to+1, "")
		}
	}
	s.names = append(s.names, name)
	if p, ok := bytes.CutPrefix(name, []byte("xmlns:")); ok {
		s.declared = append(s.declared, p)
	}
	return to + 1, s.attributeValue(from, to)
}

func (s *scanner) attributeValue(from, to int) error {
	for i := from; ; {
		n := bytes.IndexAny(s.b[i:to], "<&")
		if n < 0 {
			return nil
		}
		i += n
		var err error
		if s.b[i] == '<' {
			err = s.edit(i, i+1, "&lt;")
			i++
		} else {
			i, err = s.ampersand(i, to)
		}
		if err != nil {
			return err
		}
	}
}

// checkPrefixes is called when all declarations of an element are known.
func (s *scanner) checkPrefixes(name []byte) {
	if s.undeclared {
		return
	}
	s.undeclared = !s.hasPrefixDeclared(name)
	for _, n := range s.names {
		if !s.hasPrefixDeclared(n) {
			s.undeclared = true
		}
	}
}

func (s *scanner) hasPrefixDeclared(name []byte) bool {
	i := bytes.IndexByte(name, ':')
	if i < 0 {
		return true
	}
	p := name[:i]
	for _, d := range s.declared {
		if bytes.Equal(d, p) {
			return true
		}
	}
	return string(p) == "xml" || string(p) == "xmlns"
}

func (s *scanner) nameEnd(i int) int {
	for i < len(s.b) {
		switch s.b[i] {
		case ' ', '\t', '\r', '\n', '/', '>', '=', '<', '&', '"', '\'':
			return i
		}
		i++
	}
	return i
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

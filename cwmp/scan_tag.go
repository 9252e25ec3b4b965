package cwmp

import (
	"bytes"
	"fmt"
)

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
	s.tree.end()
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
	if !isQualifiedName(name) {
		return 0, s.errorf(ErrMalformed, pos, "an element's name that is none")
	}
	s.tree.start(pos+1, end)
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
			s.tree.attributes()
			s.open = append(s.open, openTag{name, outside})
			return end + 1, nil
		case '/':
			if end+1 >= len(s.b) || s.b[end+1] != '>' {
				return 0, s.errorf(ErrMalformed, end, "a / inside a tag")
			}
			s.checkPrefixes(name)
			s.declared = s.declared[:outside]
			s.done = len(s.open) == 0
			s.tree.attributes()
			s.tree.end()
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
	if !isQualifiedName(name) {
		return 0, s.errorf(ErrMalformed, pos, "an attribute's name that is none")
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
	s.tree.attribute(pos, pos+len(name), s.b[from:to])
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

package cwmp

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
)

const (
	namespaceEnvelope = "http://schemas.xmlsoap.org/soap/envelope/"
	namespacePrefix   = "urn:dslforum-org:cwmp-"
)

// IsEmpty reports whether body is that of an empty POST: nothing but white space and NULs (3.4.1).
func IsEmpty(body []byte) bool {
	return len(trimFront(body)) == 0
}

// Decode reads one SOAP envelope. It is lenient: elements are found by their local name whatever their prefix and
// order, counts in arrayType are ignored, unknown elements too, and what devices are known to get wrong in XML is
// repaired once (forbidden characters, bare ampersands, invalid UTF-8 read as ISO-8859-1, doubled attributes,
// undeclared prefixes, bytes before the declaration or behind the envelope); Envelope.Repaired tells so.
//
// White space around identities, codes, keys, names, times and numbers is dropped, but kept in parameter values of
// type string (and of none), except where the device pads the parameter's Name with line breaks as well.
//
// Errors wrap ErrMalformed, ErrTooLarge or ErrForbidden and give a position, never text of the message. An empty
// body is ErrMalformed: see IsEmpty.
func Decode(body []byte, l Limits) (*Envelope, error) {
	l = l.withDefaults()
	if int64(len(body)) > l.Bytes {
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, l.Bytes)
	}
	d, err := prepare(body)
	if err != nil {
		return nil, err
	}
	clean, changed := cleanCharacters(d.b)
	s := scanner{b: clean, base: d.base, l: l}
	end, err := s.scan()
	if err != nil {
		return nil, err
	}
	root, err := buildTree(s.repaired(end), l)
	if err != nil {
		return nil, err
	}
	e, err := envelope(root)
	if err != nil {
		return nil, err
	}
	e.Repaired = d.repaired || changed || s.undeclared || len(s.edits) > 0 || hasGarbage(clean[end:])
	return e, nil
}

// hasGarbage tells whether what follows the root element makes the document not well-formed.
func hasGarbage(b []byte) bool {
	i := indexNotSpace(b)
	return i >= 0 && !bytes.HasPrefix(b[i:], []byte("<!--")) && !bytes.HasPrefix(b[i:], []byte("<?"))
}

func envelope(root *etree.Element) (*Envelope, error) {
	if root == nil || root.Tag != "Envelope" {
		return nil, fmt.Errorf("%w: the root element is no Envelope", ErrMalformed)
	}
	body := childIn(root, "Body", namespaceEnvelope)
	if body == nil {
		return nil, fmt.Errorf("%w: the envelope has no Body", ErrMalformed)
	}
	e := &Envelope{}
	if h := childIn(root, "Header", namespaceEnvelope); h != nil {
		e.readHeader(h)
	}
	m := messageElement(body)
	e.Namespace = findNamespace(root, m)
	if m != nil {
		e.Message = message(m)
	}
	return e, nil
}

// messageElement is the one element that a Body may hold; where a device adds others, the one that is CWMP's or
// SOAP's own.
func messageElement(body *etree.Element) *etree.Element {
	var first *etree.Element
	count := 0
	for c := range elements(body) {
		if first == nil {
			first = c
		}
		count++
	}
	if count < 2 {
		return first
	}
	for c := range elements(body) {
		if ns := c.NamespaceURI(); ns == namespaceEnvelope || strings.HasPrefix(ns, namespacePrefix) {
			return c
		}
	}
	return first
}

// findNamespace takes the namespace of the message's element, else the first one that anything declares: a Fault's
// element is SOAP's, and some devices qualify the wrong elements.
func findNamespace(root, message *etree.Element) string {
	if message != nil {
		if ns := message.NamespaceURI(); strings.HasPrefix(ns, namespacePrefix) {
			return ns
		}
	}
	return declaredNamespace(root, 0)
}

// declaredNamespace need not look deep: what lies below the members of a fault declares nothing that matters.
func declaredNamespace(e *etree.Element, depth int) string {
	for _, a := range e.Attr {
		if (a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns") && strings.HasPrefix(a.Value, namespacePrefix) {
			return a.Value
		}
	}
	if depth >= 5 {
		return ""
	}
	for c := range elements(e) {
		if ns := declaredNamespace(c, depth+1); ns != "" {
			return ns
		}
	}
	return ""
}

func (e *Envelope) readHeader(h *etree.Element) {
	if id := childIn(h, "ID", namespacePrefix); id != nil {
		e.ID, e.HasID = strings.TrimSpace(text(id)), true
	}
	if t := childIn(h, "SessionTimeout", namespacePrefix); t != nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(text(t)), 10, 32); err == nil && n > 0 {
			e.SessionTimeout = time.Duration(n) * time.Second
		}
	}
	if v := childIn(h, "SupportedCWMPVersions", namespacePrefix); v != nil {
		for version := range strings.SplitSeq(text(v), ",") {
			if version = strings.TrimSpace(version); version != "" {
				e.SupportedCWMPVersions = append(e.SupportedCWMPVersions, version)
			}
		}
	}
	e.UseCWMPVersion = trimmed(childIn(h, "UseCWMPVersion", namespacePrefix))
	e.HoldRequests = isTrue(trimmed(childIn(h, "HoldRequests", namespacePrefix)))
	e.NoMoreRequests = isTrue(trimmed(childIn(h, "NoMoreRequests", namespacePrefix)))
}

package cwmp

import (
	"iter"
	"strings"

	"github.com/beevik/etree"
)

// Elements are matched by local name: most of CWMP's are in no namespace by the schemas, in any by devices, and with
// prefixes that nothing declares. A namespace only decides where several children have the same local name.

// elements iterates over the child elements of e.
func elements(e *etree.Element) iter.Seq[*etree.Element] { return e.ChildElementsSeq() }

// child returns the first child element of that local name, or nil.
func child(e *etree.Element, name string) *etree.Element {
	for _, t := range e.Child {
		if c, ok := t.(*etree.Element); ok && c.Tag == name {
			return c
		}
	}
	return nil
}

// childIn is child, but prefers one whose namespace begins with ns.
func childIn(e *etree.Element, name, ns string) *etree.Element {
	first := child(e, name)
	if first == nil {
		return nil
	}
	for c := range elements(e) {
		if c.Tag == name && strings.HasPrefix(c.NamespaceURI(), ns) {
			return c
		}
	}
	return first
}

// descendant returns the first element of that local name below e, in document order, or nil.
func descendant(e *etree.Element, name string) *etree.Element {
	for c := range elements(e) {
		if c.Tag == name {
			return c
		}
		if d := descendant(c, name); d != nil {
			return d
		}
	}
	return nil
}

// text is the text directly in e, across comments and CDATA sections; "" for nil.
func text(e *etree.Element) string {
	if e == nil {
		return ""
	}
	if len(e.Child) == 1 {
		if t, ok := e.Child[0].(*etree.CharData); ok {
			return t.Data
		}
	}
	var b strings.Builder
	for _, t := range e.Child {
		if t, ok := t.(*etree.CharData); ok {
			b.WriteString(t.Data)
		}
	}
	return b.String()
}

// trimmed is the text of e without white space around it.
func trimmed(e *etree.Element) string { return strings.TrimSpace(text(e)) }

// leaf is the trimmed text of the child of that local name.
func leaf(e *etree.Element, name string) string { return trimmed(child(e, name)) }

// attribute returns the value of the attribute of that local name; one with a prefix goes before one without.
func attribute(e *etree.Element, name string) string {
	value := ""
	for _, a := range e.Attr {
		if a.Key == name && a.Space != "xmlns" {
			if a.Space != "" {
				return strings.TrimSpace(a.Value)
			}
			value = strings.TrimSpace(a.Value)
		}
	}
	return value
}

func hasElements(e *etree.Element) bool {
	for range elements(e) {
		return true
	}
	return false
}

package cwmp

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

const (
	namespaceEncoding = "http://schemas.xmlsoap.org/soap/encoding/"
	namespaceXSD      = "http://www.w3.org/2001/XMLSchema"
	namespaceXSI      = "http://www.w3.org/2001/XMLSchema-instance"

	// maxKey is how many characters a CommandKey or ParameterKey holds.
	maxKey = 32
	// unknownTime is what a dateTime says that nobody knows (A.2.1).
	unknownTime = "0001-01-01T00:00:00Z"
)

// Encode writes one envelope in the form that every client known to us reads: a prefixed Envelope as the very first
// bytes (xmlDeclaration puts a declaration before it, which some firmware needs and other firmware breaks on), all
// five namespaces declared on it, members unqualified and in the order of the schema, real counts in arrayType,
// booleans as 0 and 1, printable ASCII only. The same envelope always gives the same bytes.
//
// An empty Namespace is written as Namespace10. Fields that the schema demands and the message leaves empty get
// their neutral value: no fault, unknown time, one envelope. The boolean values of SetParameterValues become 0 or 1.
//
// Errors wrap ErrNotEncodable and quote no values: text that XML cannot carry (see CheckText), a CommandKey or
// ParameterKey of more than 32 characters, a value without Type in SetParameterValues, a name that is none.
func Encode(e *Envelope, xmlDeclaration bool) ([]byte, error) {
	w := &writer{buf: make([]byte, 0, 1024)}
	if xmlDeclaration {
		w.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	}
	namespace := e.Namespace
	if namespace == "" {
		namespace = Namespace10
	}
	w.raw(`<soap-env:Envelope xmlns:soap-env="` + namespaceEnvelope + `" xmlns:soap-enc="` + namespaceEncoding +
		`" xmlns:xsd="` + namespaceXSD + `" xmlns:xsi="` + namespaceXSI + `" xmlns:cwmp="`)
	w.text(namespace)
	w.raw(`">`)
	w.header(e)
	w.raw(`<soap-env:Body>`)
	if e.Message != nil {
		w.message(e.Message)
	}
	w.raw(`</soap-env:Body></soap-env:Envelope>`)
	if w.err != nil {
		if e.Message != nil {
			return nil, fmt.Errorf("%s: %w", methodForError(e.Message), w.err)
		}
		return nil, w.err
	}
	return w.buf, nil
}

// methodForError keeps names that came from elsewhere out of errors.
func methodForError(m Message) string {
	if name := m.Method(); isName(name) {
		return name
	}
	return "message"
}

func (w *writer) header(e *Envelope) {
	start := len(w.buf)
	w.raw(`<soap-env:Header>`)
	empty := len(w.buf)
	block := func(name, mustUnderstand, text string) {
		w.raw(`<cwmp:` + name + ` soap-env:mustUnderstand="` + mustUnderstand + `">`)
		w.text(text)
		w.raw(`</cwmp:` + name + `>`)
	}
	if e.HasID {
		block("ID", "1", e.ID)
	}
	if e.HoldRequests {
		block("HoldRequests", "1", "1")
	}
	if e.NoMoreRequests {
		block("NoMoreRequests", "0", "1")
	}
	if e.SessionTimeout > 0 {
		block("SessionTimeout", "0", strconv.FormatInt(int64(e.SessionTimeout/time.Second), 10))
	}
	if len(e.SupportedCWMPVersions) > 0 {
		block("SupportedCWMPVersions", "0", joinVersions(e.SupportedCWMPVersions))
	}
	if e.UseCWMPVersion != "" {
		block("UseCWMPVersion", "1", e.UseCWMPVersion)
	}
	if len(w.buf) == empty {
		w.buf = w.buf[:start]
		return
	}
	w.raw(`</soap-env:Header>`)
}

// key writes a CommandKey or ParameterKey.
func (w *writer) key(name, value string) {
	if utf8.RuneCountInString(value) > maxKey {
		w.fail(fmt.Errorf("%w: %s of more than %d characters", ErrNotEncodable, name, maxKey))
	}
	w.leaf(name, value)
}

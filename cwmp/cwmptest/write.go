package cwmptest

import (
	"fmt"
	"strings"

	"recado/cwmp"
)

// writer writes one SOAP message the way a device with certain quirks would. Its shape is that of TR-069 3.5 where no quirk
// says otherwise: only the message itself is in the cwmp namespace, not what it holds.
type writer struct {
	q      *Quirks
	ns     string // the cwmp namespace
	prefix string // of the envelope's namespace
	b      strings.Builder
}

const (
	soapEnvelope = "http://schemas.xmlsoap.org/soap/envelope/"
	soapEncoding = "http://schemas.xmlsoap.org/soap/encoding/"
)

// message is what a device sends: what it is, and its ID.
type message struct {
	method string // as notes and cut points have it
	id     string
	hasID  bool
	inform bool // Informs carry headers of their own
	body   func(*writer)
}

// bytes writes the whole message.
func (w *writer) bytes(m message) []byte {
	w.openEnvelope()
	w.header(m)
	w.b.WriteString("<" + w.prefix + ":Body>")
	m.body(w)
	w.b.WriteString("</" + w.prefix + ":Body>")
	if w.q.Prefix == "none" {
		w.b.WriteString("</Envelope>")
	} else {
		w.b.WriteString("</" + w.prefix + ":Envelope>")
	}
	return w.encode(w.b.String())
}

func (w *writer) openEnvelope() {
	schema := "http://www.w3.org/2001/XMLSchema"
	if w.q.OldSchema {
		schema = "http://www.w3.org/1999/XMLSchema"
	}
	name := w.prefix + ":Envelope"
	if w.q.Prefix == "none" {
		name = "Envelope"
	}
	declared := [][2]string{
		{w.prefix, soapEnvelope},
		{"soap-enc", soapEncoding},
		{"xsd", schema},
		{"xsi", schema + "-instance"},
		{"cwmp", w.ns},
	}
	between := " "
	if w.q.BrokenLines {
		between = "\n        "
	}
	w.b.WriteString("<" + name)
	for _, d := range declared {
		if d[0] == "xsi" && w.q.UndeclaredXSI {
			continue
		}
		fmt.Fprintf(&w.b, `%sxmlns:%s="%s"`, between, d[0], d[1])
	}
	w.b.WriteString(">")
}

func (w *writer) header(m message) {
	var h strings.Builder
	add := func(name, value string, must bool) {
		attr := ""
		if must {
			attr = fmt.Sprintf(` %s:mustUnderstand="1"`, w.prefix)
		}
		fmt.Fprintf(&h, "<cwmp:%s%s>%s</cwmp:%s>", name, attr, w.escape(value), name)
	}
	switch w.q.ID {
	case IDMissing:
	case IDEmpty:
		add("ID", "", true)
	case IDConstant:
		add("ID", "1", true)
	default:
		if m.hasID {
			add("ID", m.id, true)
		}
	}
	if m.inform && w.q.SessionTimeout > 0 {
		add("SessionTimeout", fmt.Sprint(w.q.SessionTimeout), false)
	}
	if m.inform && w.q.SupportedVersions != "" {
		add("SupportedCWMPVersions", w.q.SupportedVersions, false)
	}
	if w.q.HoldRequests {
		add("HoldRequests", "0", true)
	}
	if w.q.NoMoreRequests {
		add("NoMoreRequests", "0", false)
	}
	if h.Len() > 0 {
		fmt.Fprintf(&w.b, "<%s:Header>%s</%s:Header>", w.prefix, h.String(), w.prefix)
	}
}

// encode puts the text into bytes: declaration, character set, and what surrounds it.
func (w *writer) encode(text string) []byte {
	var out []byte
	if w.q.LeadingBlank {
		out = append(out, "\xEF\xBB\xBF\r\n"...)
	}
	switch {
	case w.q.Latin1:
		out = append(out, `<?xml version="1.0" encoding="ISO-8859-1"?>`...)
	case w.q.Declaration != "":
		out = append(out, w.q.Declaration...)
	}
	if w.q.Latin1 || w.q.BrokenUTF8 {
		for _, r := range text {
			switch {
			case r < 0x100:
				out = append(out, byte(r))
			default:
				out = fmt.Appendf(out, "&#%d;", r)
			}
		}
	} else {
		out = append(out, text...)
	}
	if w.q.TrailingNUL {
		out = append(out, 0)
	}
	return out
}

func (w *writer) escape(s string) string {
	if !w.q.BareAmpersand {
		s = strings.ReplaceAll(s, "&", "&amp;")
	}
	return markup.Replace(s)
}

var markup = strings.NewReplacer("<", "&lt;", ">", "&gt;", "\r", "&#13;")

func (w *writer) name(n string) string {
	if w.q.QualifiedChildren {
		return "cwmp:" + n
	}
	return n
}

// element writes an element of the message with what it holds.
func (w *writer) element(name, attrs string, inside func()) {
	n := w.name(name)
	w.b.WriteString("<" + n + attrs + ">")
	inside()
	w.b.WriteString("</" + n + ">")
}

// leaf writes an element that holds text; xsd names its type for those that write types everywhere.
func (w *writer) leaf(name, xsd, text string) {
	attrs := ""
	if w.q.TypeEverything {
		attrs = fmt.Sprintf(` xsi:type="%s"`, xsd)
	}
	w.element(name, attrs, func() { w.b.WriteString(w.escape(text)) })
}

// rpc writes the element in the Body.
func (w *writer) rpc(name string, inside func()) {
	w.b.WriteString("<cwmp:" + name + ">")
	inside()
	w.b.WriteString("</cwmp:" + name + ">")
}

// array is the attributes of a list of n members.
func (w *writer) array(member string, n int) string {
	typed := ""
	if w.q.TypedList || w.q.TypeEverything {
		typed = ` xsi:type="soap-enc:Array"`
	}
	format := w.q.ArrayType
	switch {
	case format == "absent":
		return typed
	case format == "":
		format = "%d"
	}
	count := format
	if strings.Contains(format, "%") {
		count = fmt.Sprintf(format, n)
	}
	return fmt.Sprintf(`%s soap-enc:arrayType="%s[%s]"`, typed, member, count)
}

func (w *writer) values(list []cwmp.ParameterValue) {
	w.element("ParameterList", w.array("cwmp:ParameterValueStruct", len(list)), func() {
		for _, p := range list {
			w.element("ParameterValueStruct", w.typed("cwmp:ParameterValueStruct"), func() { w.value(p) })
		}
	})
}

// typed is the xsi:type of a structure, for those that write it.
func (w *writer) typed(t string) string {
	if w.q.TypeEverything {
		return fmt.Sprintf(` xsi:type="%s"`, t)
	}
	return ""
}

func (w *writer) value(p cwmp.ParameterValue) {
	w.leaf("Name", "xsd:string", p.Name)
	if p.Value == "" && w.q.NoValueElement {
		return
	}
	w.element("Value", fmt.Sprintf(` xsi:type="%s"`, p.Type), func() {
		text := w.escape(p.Value)
		if w.q.BlankValues {
			text = "\n            " + text + "\n          "
		}
		w.b.WriteString(text)
	})
}

func (w *writer) events(list []cwmp.Event) {
	w.element("Event", w.array("cwmp:EventStruct", len(list)), func() {
		for _, e := range list {
			w.element("EventStruct", w.typed("cwmp:EventStruct"), func() {
				w.leaf("EventCode", "xsd:string", e.EventCode)
				w.commandKey(e.CommandKey)
			})
		}
	})
}

func (w *writer) commandKey(key string) {
	switch {
	case key == "" && w.q.CommandKey == CommandKeySelf:
		w.b.WriteString("<" + w.name("CommandKey") + "/>")
	case key == "" && w.q.CommandKey == CommandKeyAbsent:
	case key == "" && w.q.CommandKey == CommandKeyBlank:
		w.leaf("CommandKey", "xsd:string", "  ")
	default:
		w.leaf("CommandKey", "xsd:string", key)
	}
}

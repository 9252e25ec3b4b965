package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// firstDifference is the first byte at which a and b differ; nil where they are the same.
func firstDifference(a, b []byte) *int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	if n == len(a) && n == len(b) {
		return nil
	}
	return &n
}

// compareBodies says in what got is not sent. It quotes neither.
func compareBodies(got, sent []byte, at int) (code, problem string) {
	where := fmt.Sprintf("this one first differs at byte %d (it has %d bytes, %d were delivered)", at, len(got), len(sent))
	for _, f := range rawForms(got) {
		if bytes.Equal(f.body, sent) {
			return FindingBodyReserialised, where + ": it would be the same " + f.how
		}
	}
	a, b := canonical(got, false), canonical(sent, false)
	switch {
	case a == nil && len(got) < len(sent) && at == len(got):
		return FindingBodyChanged, where + ": it is cut off"
	case a == nil || b == nil:
		return FindingBodyChanged, where + ": it is not JSON"
	case bytes.Equal(compact(got), compact(sent)):
		return FindingBodyReserialised, where + ": the JSON is the same but for white space, so it was parsed and printed again"
	case bytes.Equal(a, b):
		return FindingBodyReserialised, where + `: the JSON is the same but for escapes (\u…) and white space, so it was parsed and printed again`
	case bytes.Equal(canonical(got, true), canonical(sent, true)):
		return FindingBodyReserialised, where + ": the JSON is the same but for the order of keys, so it was parsed and printed again"
	}
	return FindingBodyChanged, where + ": what it says is different"
}

// form is a body printed otherwise. how completes "the signature is right for this body …".
type form struct {
	body []byte
	how  string
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// rawForms are b with its ends and lines changed.
func rawForms(b []byte) []form {
	all := []form{
		{bytes.TrimRight(b, " \t\r\n"), "without the white space at its end"},
		{bytes.TrimSpace(bytes.TrimPrefix(b, byteOrderMark)), "without the byte order mark or white space around it"},
		{append(bytes.Clone(b), '\n'), "with a line break at its end"},
		{append(bytes.Clone(b), '\r', '\n'), "with a line break (CR LF) at its end"},
		{bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), "with line breaks of LF instead of CR LF"},
		{bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n")), "with line breaks of CR LF instead of LF"},
	}
	return others(all, b)
}

// otherForms are those, and b's JSON printed in the ways that are usual.
func otherForms(b []byte) []form {
	all := rawForms(b)
	if !json.Valid(b) {
		return all
	}
	indented := func(of []byte, by string) []byte {
		var out bytes.Buffer
		// What is nested deep grows by the square.
		if indentedSize(of, len(by)) > 2*MaxExplained || json.Indent(&out, of, "", by) != nil {
			return nil
		}
		return out.Bytes()
	}
	plain, sorted := compact(b), canonical(b, true)
	all = append(all,
		form{plain, "printed without white space"},
		form{canonical(b, false), `printed without white space and without \u escapes`},
		form{spaced(plain), "printed with a space behind each comma and colon, as Python does"},
		form{indented(plain, "  "), "indented by two spaces"},
		form{indented(plain, "    "), "indented by four spaces"},
		form{indented(plain, "\t"), "indented by tabs"},
		form{sorted, "printed with its keys sorted"},
		form{spaced(sorted), "printed with its keys sorted and a space behind each comma and colon"},
		form{indented(sorted, "  "), "printed with its keys sorted and indented"},
	)
	return others(all, b)
}

// others drops forms that are b itself, and those that could not be made.
func others(all []form, b []byte) []form {
	return slices.DeleteFunc(all, func(f form) bool { return f.body == nil || bytes.Equal(f.body, b) })
}

func compact(b []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, b) != nil {
		return nil
	}
	return out.Bytes()
}

// indentedSize is about how many bytes compact JSON has once it is indented.
func indentedSize(b []byte, width int) int {
	size, depth := len(b), 0
	inString := false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			size += 1 + depth*width
		case c == '}' || c == ']':
			depth--
			size += 1 + depth*width
		case c == ',':
			size += 1 + depth*width
		case c == ':':
			size++
		}
	}
	return size
}

// spaced puts a space behind each comma and colon of compact JSON that is not in a string.
func spaced(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/8)
	inString := false
	for i := 0; i < len(b); i++ {
		out = append(out, b[i])
		switch {
		case inString && b[i] == '\\' && i+1 < len(b):
			i++
			out = append(out, b[i])
		case b[i] == '"':
			inString = !inString
		case !inString && (b[i] == ',' || b[i] == ':'):
			out = append(out, ' ')
		}
	}
	return out
}

// canonical prints JSON without white space and with as few escapes as can be, numbers as they were written; sorted also sorts
// the keys of objects. It is nil where b is not JSON, or nested too deep.
func canonical(b []byte, sorted bool) []byte {
	if !json.Valid(b) {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out bytes.Buffer
	if !printValue(d, &out, sorted, 0) {
		return nil
	}
	return out.Bytes()
}

const maxCanonicalDepth = 32

func printValue(d *json.Decoder, out *bytes.Buffer, sorted bool, depth int) bool {
	token, err := d.Token()
	if err != nil || depth > maxCanonicalDepth {
		return false
	}
	open, isDelim := token.(json.Delim)
	if !isDelim {
		printScalar(token, out)
		return true
	}
	type member struct{ key, text string }
	var members []member
	for d.More() {
		var m bytes.Buffer
		key := ""
		if open == '{' {
			k, err := d.Token()
			if err != nil {
				return false
			}
			key, _ = k.(string)
			printScalar(key, &m)
			m.WriteByte(':')
		}
		if !printValue(d, &m, sorted, depth+1) {
			return false
		}
		members = append(members, member{key, m.String()})
	}
	end, err := d.Token()
	if err != nil {
		return false
	}
	if sorted && open == '{' {
		slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	}
	out.WriteString(open.String())
	for i, m := range members {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(m.text)
	}
	closing, _ := end.(json.Delim)
	out.WriteString(closing.String())
	return true
}

func printScalar(token json.Token, out *bytes.Buffer) {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	if e.Encode(token) == nil {
		out.Truncate(out.Len() - 1) // the line break
	}
}

package acs

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a parameter update.
const (
	MaxParameters     = 256
	MaxParameterName  = 256 // TR-069 Table 17
	MaxParameterValue = 64 << 10
)

// ParameterInput is a parameter as a client asks for it. Value is JSON: a string, a number or a boolean.
type ParameterInput struct {
	Name  string
	Value json.RawMessage
	Type  string // "xsd:…", or empty
	// Path is where the request has it, as the member of an object whose key is the name; empty: it is an entry of a list.
	Path string
}

// at gives the paths of the name, the value and the type of the input's entry i.
func (p *ParameterInput) at(i int) (name, value, typ string) {
	if p.Path != "" {
		return p.Path, p.Path, p.Path
	}
	entry := fmt.Sprintf("parameters[%d]", i)
	return entry + ".name", entry + ".value", entry + ".type"
}

// knownTypes are the types that a client may name (TR-069 A.2.1, Table 12).
var knownTypes = []string{
	"xsd:string", "xsd:boolean", "xsd:int", "xsd:unsignedInt", "xsd:long", "xsd:unsignedLong", "xsd:dateTime",
	"xsd:base64Binary", "xsd:base64", "xsd:hexBinary", "xsd:decimal",
}

// resolveParameters turns what a client asked for into what goes to the device: each with its type by the rule (named, else last
// reported by the device, else the data model's, else by the JSON value) and its value in that type's wire form.
func resolveParameters(in []ParameterInput, root string, learned map[string]string) ([]Parameter, error) {
	if len(in) == 0 {
		return nil, &InvalidError{"parameters", "is empty; give at least one {name, value}"}
	}
	if len(in) > MaxParameters {
		return nil, &InvalidError{"parameters", fmt.Sprintf("has %d entries; at most %d go in one update", len(in), MaxParameters)}
	}
	out := make([]Parameter, len(in))
	seen := make(map[string]int, len(in))
	for i, p := range in {
		nameAt, _, _ := p.at(i)
		if err := checkName(nameAt, p.Name, root); err != nil {
			return nil, err
		}
		if j, twice := seen[p.Name]; twice {
			other, _, _ := in[j].at(j)
			return nil, &InvalidError{nameAt, "is the same as " + other + "; name each parameter once"}
		}
		seen[p.Name] = i
		r, err := resolveOne(i, p, learned[p.Name])
		if err != nil {
			return nil, err
		}
		out[i] = r
	}
	return out, nil
}

func checkName(at, name, root string) error {
	switch {
	case name == "":
		return &InvalidError{at, "is empty; give the full name, such as Device.WiFi.SSID.1.SSID"}
	case len(name) > MaxParameterName:
		return &InvalidError{at, fmt.Sprintf("has %d bytes; at most %d fit", len(name), MaxParameterName)}
	case strings.HasSuffix(name, "."):
		return &InvalidError{at, "ends with a dot, which names an object; give the full name of one parameter"}
	case strings.Contains(name, ".."):
		return &InvalidError{at, "has an empty part (two dots in a row)"}
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`<>&"'`, c) >= 0 {
			return &InvalidError{at, fmt.Sprintf("holds a character at byte %d that no parameter name has", i)}
		}
	}
	first, _, ok := strings.Cut(name, ".")
	if !ok || !strings.EqualFold(first, "InternetGatewayDevice") && !strings.EqualFold(first, "Device") {
		return &InvalidError{at, "does not begin with InternetGatewayDevice. or Device."}
	}
	if root != "" && !strings.EqualFold(first+".", root) {
		return &InvalidError{at, fmt.Sprintf("begins with %s. but this device's parameters begin with %s", first, clip(root, 40))}
	}
	return nil
}

func resolveOne(i int, p ParameterInput, learned string) (Parameter, error) {
	_, valueAt, typeAt := p.at(i)
	text, jsonType, err := jsonText(p.Value)
	if err != nil {
		return Parameter{}, &InvalidError{valueAt, err.Error()}
	}
	typ, from := p.Type, "as asked"
	if typ == "" {
		typ, from = learned, "the type that the device reports"
	}
	if typ == "" {
		typ, from = modelType(p.Name), "the type in the data model"
	}
	if typ == "" {
		typ, from = jsonType, "by the JSON value"
	}
	if p.Type != "" && !known(typ) {
		return Parameter{}, &InvalidError{typeAt, "is not one of " + strings.Join(knownTypes, ", ")}
	}
	wire, err := wireValue(typ, text)
	if err != nil {
		return Parameter{}, &InvalidError{valueAt, fmt.Sprintf("does not fit %s (%s): %v", typ, from, err)}
	}
	if hostValue(p.Name) && strings.ContainsAny(wire, shellCharacters) {
		return Parameter{}, &InvalidError{valueAt, "holds a blank or a character with a meaning to a shell; a host or URL has none"}
	}
	return Parameter{Name: p.Name, Value: wire, Type: typ}, nil
}

func known(typ string) bool {
	for _, k := range knownTypes {
		if k == typ {
			return true
		}
	}
	return false
}

// jsonText gives the value's text and the type that the JSON value alone suggests.
func jsonText(raw json.RawMessage) (text, typ string, err error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return "", "", fmt.Errorf("is missing; give a string, a number or a boolean")
	}
	switch raw[0] {
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return "", "", fmt.Errorf("is no valid JSON string")
		}
		return s, "xsd:string", nil
	case 't', 'f':
		return string(raw), "xsd:boolean", nil
	case 'n', '{', '[':
		return "", "", fmt.Errorf("must be a string, a number or a boolean")
	}
	text = string(raw)
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		if u, uerr := strconv.ParseUint(text, 10, 64); uerr == nil && u > math.MaxInt64 {
			return text, "xsd:unsignedLong", nil
		}
		return text, "xsd:decimal", nil
	case n < math.MinInt32:
		return text, "xsd:long", nil
	case n < 0:
		return text, "xsd:int", nil
	case n <= math.MaxUint32:
		return text, "xsd:unsignedInt", nil
	}
	return text, "xsd:unsignedLong", nil
}

// wireValue checks text against an XSD type and gives its wire form. Its errors never hold the value.
func wireValue(typ, text string) (string, error) {
	if len(text) > MaxParameterValue {
		return "", fmt.Errorf("it has %d bytes, at most %d fit", len(text), MaxParameterValue)
	}
	switch typ {
	case "xsd:boolean":
		switch text {
		case "1", "true":
			return "1", nil // 0 and 1 are what every device takes
		case "0", "false":
			return "0", nil
		}
		return "", fmt.Errorf("want true, false, 1 or 0")
	case "xsd:int":
		return wholeNumber(text, math.MinInt32, math.MaxInt32)
	case "xsd:long":
		return wholeNumber(text, math.MinInt64, math.MaxInt64)
	case "xsd:unsignedInt":
		return naturalNumber(text, math.MaxUint32)
	case "xsd:unsignedLong":
		return naturalNumber(text, math.MaxUint64)
	case "xsd:decimal":
		if _, err := strconv.ParseFloat(text, 64); err != nil || strings.ContainsAny(text, "xXpPnNiI_eE") {
			return "", fmt.Errorf("want a decimal number such as -3.25")
		}
		return text, nil
	case "xsd:dateTime":
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
			if _, err := time.Parse(layout, text); err == nil {
				return text, nil
			}
		}
		return "", fmt.Errorf("want a time such as 2026-11-21T10:07:00Z")
	case "xsd:hexBinary":
		if _, err := hex.DecodeString(text); err != nil {
			return "", fmt.Errorf("want an even number of hex digits")
		}
		return text, nil
	case "xsd:base64Binary", "xsd:base64":
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			return "", fmt.Errorf("want base64 with padding")
		}
		return text, nil
	}
	return text, checkXMLText(text)
}

func wholeNumber(text string, low, high int64) (string, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < low || n > high {
		return "", fmt.Errorf("want a whole number from %d to %d", low, high)
	}
	return strconv.FormatInt(n, 10), nil
}

func naturalNumber(text string, high uint64) (string, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n > high {
		return "", fmt.Errorf("want a whole number from 0 to %d", high)
	}
	return strconv.FormatUint(n, 10), nil
}

// checkXMLText refuses what XML 1.0 has no way to write.
func checkXMLText(s string) error {
	for i, r := range s {
		bad := r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
		if r == utf8.RuneError {
			_, size := utf8.DecodeRuneInString(s[i:])
			bad = size == 1
		}
		if bad {
			return fmt.Errorf("the character at byte %d cannot be written in XML", i)
		}
	}
	return nil
}

// sameValue compares a value that was set with the one read back, by the meaning of the type.
func sameValue(typ, set, got string) bool {
	if set == got {
		return true
	}
	trimmed := strings.TrimSpace(got)
	switch typ {
	case "xsd:boolean":
		return isTrue(set) == isTrue(trimmed) && (isTrue(trimmed) || isFalse(trimmed))
	case "xsd:int", "xsd:long", "xsd:unsignedInt", "xsd:unsignedLong", "xsd:decimal":
		a, errA := strconv.ParseFloat(set, 64)
		b, errB := strconv.ParseFloat(trimmed, 64)
		if errA != nil || errB != nil || a != b {
			return false
		}
		return math.Abs(a) < 1<<53 || strings.TrimLeft(set, "+0") == strings.TrimLeft(trimmed, "+0")
	case "xsd:dateTime":
		a, errA := time.Parse(time.RFC3339Nano, set)
		b, errB := time.Parse(time.RFC3339Nano, trimmed)
		return errA == nil && errB == nil && a.Equal(b)
	case "xsd:hexBinary":
		return strings.EqualFold(set, trimmed)
	}
	// Devices that print their answers prettily put white space around values.
	return strings.TrimSpace(set) == set && trimmed == set
}

func isTrue(s string) bool {
	return s == "1" || strings.EqualFold(s, "true") || strings.EqualFold(s, "enabled")
}

func isFalse(s string) bool {
	return s == "0" || strings.EqualFold(s, "false") || strings.EqualFold(s, "disabled")
}

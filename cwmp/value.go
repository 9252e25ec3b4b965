package cwmp

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// CheckText reports the first character of s that XML 1.0 cannot carry, not even as a reference (most control
// characters, U+FFFE, U+FFFF, invalid UTF-8). The error wraps ErrNotEncodable and does not quote s.
func CheckText(s string) error {
	for i := 0; i < len(s); {
		if c := s[i]; c >= 0x20 && c < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return fmt.Errorf("%w: invalid UTF-8 at byte %d", ErrNotEncodable, i)
		}
		if !isXMLCharacter(r) {
			return fmt.Errorf("%w: U+%04X at byte %d is a character that XML cannot carry", ErrNotEncodable, r, i)
		}
		i += size
	}
	return nil
}

// normalType makes "xsd:NAME" of what devices write as xsi:type: any prefix or none, and netcwmp's
// "xsd:string(1024)". SOAP's own base64 is XSD's base64Binary.
func normalType(t string) string {
	if i := strings.LastIndexByte(t, ':'); i >= 0 {
		t = t[i+1:]
	}
	if i := strings.IndexByte(t, '('); i >= 0 {
		t = t[:i]
	}
	switch t = strings.TrimSpace(t); t {
	case "":
		return ""
	case "string":
		return "xsd:string"
	case "base64":
		return "xsd:base64Binary"
	}
	return "xsd:" + t
}

// keepsSpace tells whether white space around a value of that type belongs to the value (A.2.1).
func keepsSpace(t string) bool { return t == "" || strings.EqualFold(t, "xsd:string") }

// isTrue reads a boolean as devices write it (A.2.1 and beyond).
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "1", "true", "enabled", "yes":
		return true
	}
	return false
}

// isPadded tells whether s has a line break in the white space around it, as pretty printers make it.
func isPadded(s string) bool {
	t := strings.TrimSpace(s)
	if len(t) == len(s) {
		return false
	}
	i := strings.Index(s, t)
	return strings.ContainsAny(s[:i], "\r\n") || strings.ContainsAny(s[i+len(t):], "\r\n")
}

package api

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

// body reads and decodes the request's body into v, and gives the bytes as they came.
func body(c echo.Context, v any) ([]byte, error) {
	b, err := readBody(c)
	if err != nil {
		return nil, err
	}
	return b, decode(b, v)
}

// optionalBody is body for requests that may come without one; v stays as it is then.
func optionalBody(c echo.Context, v any) error {
	b, err := readBody(c)
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return err
	}
	return decode(b, v)
}

// noBody is for requests that need no body: none or {} is right.
func noBody(c echo.Context) error {
	r := c.Request()
	if r.ContentLength == 0 {
		return nil
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, wire.MaxBody))
	switch {
	case err != nil:
		return readError(err)
	case len(bytes.TrimSpace(b)) == 0:
		return nil
	}
	return decode(b, &struct{}{})
}

func readBody(c echo.Context) ([]byte, error) {
	r := c.Request()
	if err := checkMediaType(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > wire.MaxBody {
		return nil, errBodyTooLarge
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, wire.MaxBody))
	if err != nil {
		return nil, readError(err)
	}
	return b, nil
}

func readError(err error) error {
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return errBodyTooLarge
	}
	return &acs.InvalidError{Problem: "the body did not arrive whole"}
}

func checkMediaType(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return errMediaType
	}
	given := h.Get("Content-Type")
	if given == "" {
		return nil
	}
	t, params, err := mime.ParseMediaType(given)
	if err != nil || t != "application/json" && !(strings.HasPrefix(t, "application/") && strings.HasSuffix(t, "+json")) {
		return errMediaType
	}
	if cs := params["charset"]; cs != "" && !strings.EqualFold(cs, "utf-8") {
		return errMediaType
	}
	return nil
}

// decode reads one JSON value into v, strictly: UTF-8 only, at most wire.MaxDepth deep, no doubled keys, no unknown fields, no
// null, names in exact case, everything of v that is not omitempty present. Errors are *acs.InvalidError with the path of the
// place, and never hold a value.
func decode(b []byte, v any) error {
	if len(bytes.TrimSpace(b)) == 0 {
		return &acs.InvalidError{Problem: "the body is empty; want a JSON object"}
	}
	if err := scan(b); err != nil {
		return err
	}
	s := strict{dec: json.NewDecoder(bytes.NewReader(b))}
	s.dec.UseNumber()
	if err := s.value(reflect.TypeOf(v).Elem(), ""); err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return &acs.InvalidError{Problem: "the body cannot be read as what this request takes"}
	}
	return nil
}

// scan checks what needs the raw bytes: encoding, depth and syntax.
func scan(b []byte) error {
	if !utf8.Valid(b) {
		return &acs.InvalidError{Problem: "the body is not valid UTF-8"}
	}
	depth, inString := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\':
			n, ok := escape(b[i:])
			if !ok {
				return &acs.InvalidError{Problem: fmt.Sprintf("byte %d: half of a surrogate pair", i+1)}
			}
			i += n - 1
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > wire.MaxDepth {
				return &acs.InvalidError{Problem: fmt.Sprintf("byte %d: nested more than %d deep", i+1, wire.MaxDepth)}
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	var any json.RawMessage
	syntax := (*json.SyntaxError)(nil)
	if err := json.Unmarshal(b, &any); errors.As(err, &syntax) {
		// encoding/json quotes one character at the most.
		return &acs.InvalidError{Problem: fmt.Sprintf("not JSON at byte %d: %s", syntax.Offset, syntax.Error())}
	} else if err != nil {
		return &acs.InvalidError{Problem: "not JSON"}
	}
	return nil
}

// escape gives the length of the escape that b begins with; false for a surrogate that is not one of a pair. Other mistakes are
// left to the syntax check.
func escape(b []byte) (int, bool) {
	if len(b) < 6 || b[1] != 'u' {
		return 2, true
	}
	switch u := hex4(b[2:6]); {
	case u < 0xD800 || u > 0xDFFF:
		return 6, true
	case u > 0xDBFF || len(b) < 12 || b[6] != '\\' || b[7] != 'u':
		return 6, false
	default:
		low := hex4(b[8:12])
		return 12, low >= 0xDC00 && low <= 0xDFFF
	}
}

func hex4(b []byte) uint64 {
	u, err := strconv.ParseUint(string(b), 16, 32)
	if err != nil {
		return 0
	}
	return u
}

// strict walks through valid JSON beside the type that it is for.
type strict struct{ dec *json.Decoder }

var (
	rawType        = reflect.TypeFor[json.RawMessage]()
	parametersType = reflect.TypeFor[wire.Parameters]()
	headerType     = reflect.TypeFor[wire.HeaderValues]()
	textType       = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (s *strict) value(t reflect.Type, path string) error {
	token, err := s.dec.Token()
	if err != nil {
		return invalid(path, "not JSON")
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	open, _ := token.(json.Delim)
	switch {
	case t == parametersType && open == '{':
		return s.object(path, func(string) (reflect.Type, error) { return rawType, nil })
	case t.Kind() == reflect.Map:
		if open != '{' {
			return wrongType(path, "an object", token)
		}
		return s.object(path, func(string) (reflect.Type, error) { return t.Elem(), nil })
	case t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textType):
		if open != '{' {
			return wrongType(path, "an object", token)
		}
		return s.fields(t, path)
	case t.Kind() == reflect.Slice && t != rawType:
		if open != '[' {
			if _, isString := token.(string); t == headerType && isString {
				return nil
			}
			if t == headerType {
				return wrongType(path, "a string or a list of strings", token)
			}
			if t == parametersType {
				return wrongType(path, `a list of {"name", "value", "type"?} or an object {name: value}`, token)
			}
			return wrongType(path, "a list", token)
		}
		for i := 0; s.dec.More(); i++ {
			if err := s.value(t.Elem(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		_, err := s.dec.Token()
		return err
	}
	return scalar(t, token, path)
}

// scalar checks a token that is no object and no list against its type.
func scalar(t reflect.Type, token json.Token, path string) error {
	n, isNumber := token.(json.Number)
	_, isString := token.(string)
	_, isBool := token.(bool)
	switch {
	case t == rawType:
		if !isNumber && !isString && !isBool {
			return wrongType(path, "a string, a number, true or false", token)
		}
	case t.Kind() == reflect.Bool:
		if !isBool {
			return wrongType(path, "true or false", token)
		}
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Int64:
		if !isNumber {
			return wrongType(path, "a whole number", token)
		}
		if _, err := strconv.ParseInt(n.String(), 10, 32); err != nil {
			return invalid(path, "want a whole number of at most 2147483647, without fraction or exponent")
		}
	default:
		if !isString {
			return wrongType(path, "a string", token)
		}
	}
	return nil
}

// fields walks through an object that is a struct's.
func (s *strict) fields(t reflect.Type, path string) error {
	known, required := map[string]reflect.Type{}, []string{}
	var names []string
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = f.Type
		names = append(names, name)
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	seen := map[string]bool{}
	err := s.object(path, func(key string) (reflect.Type, error) {
		ft, ok := known[key]
		if !ok {
			what := "is unknown here"
			if len(names) > 0 {
				what += "; known are " + strings.Join(names, ", ")
			}
			return nil, invalid(member(path, key), what)
		}
		seen[key] = true
		return ft, nil
	})
	if err != nil {
		return err
	}
	for _, name := range required {
		if !seen[name] {
			return invalid(member(path, name), "is missing")
		}
	}
	return nil
}

// object walks through an object whose brace is read already; typeOf tells what is under a key.
func (s *strict) object(path string, typeOf func(key string) (reflect.Type, error)) error {
	seen := map[string]bool{}
	for s.dec.More() {
		token, err := s.dec.Token()
		if err != nil {
			return invalid(path, "not JSON")
		}
		key, _ := token.(string)
		at := member(path, key)
		if seen[key] {
			return invalid(at, "comes twice")
		}
		seen[key] = true
		t, err := typeOf(key)
		if err != nil {
			return err
		}
		if err := s.value(t, at); err != nil {
			return err
		}
	}
	_, err := s.dec.Token()
	return err
}

const maxPathKey = 128

// member is the path of a key: plain where it is a plain word, quoted in brackets otherwise.
func member(path, key string) string {
	plain := key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
	if len(key) > maxPathKey {
		key = strings.ToValidUTF8(key[:maxPathKey], "") + "…"
	}
	switch {
	case !plain:
		return path + "[" + strconv.Quote(key) + "]"
	case path == "":
		return key
	}
	return path + "." + key
}

func invalid(path, problem string) error { return &acs.InvalidError{Field: path, Problem: problem} }

func wrongType(path, want string, got json.Token) error {
	is := "an object"
	switch g := got.(type) {
	case nil:
		return invalid(path, "want "+want+", got null; leave the field out instead")
	case string:
		is = "a string"
	case json.Number:
		is = "a number"
	case bool:
		is = "true or false"
	case json.Delim:
		if g == '[' {
			is = "a list"
		}
	}
	return invalid(path, "want "+want+", got "+is)
}

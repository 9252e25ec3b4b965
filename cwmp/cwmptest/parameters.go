package cwmptest

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"recado/cwmp"
)

// Parameter is one parameter of a device's data model.
type Parameter struct {
	// Name is the full path.
	Name string
	// Type is the XSD type that the device reports and expects, as "xsd:unsignedInt"; empty means xsd:string.
	Type string
	// Value is what it holds at first.
	Value string
	// Writable tells whether SetParameterValues may change it.
	Writable bool
	// Hidden makes it read back empty, as secrets do.
	Hidden bool
	// MaxLen bounds a string's bytes; 0 is no bound.
	MaxLen int
	// Min and Max bound a number where Max > Min.
	Min, Max int64
	// Enum lists all values allowed, where there are any.
	Enum []string
}

// check says whether the parameter may hold value: 0, or cwmp.FaultInvalidValue. It goes by the parameter's type.
func (p *Parameter) check(value string) int {
	if !fitsType(p.Type, value) {
		return cwmp.FaultInvalidValue
	}
	if p.MaxLen > 0 && len(value) > p.MaxLen || len(p.Enum) > 0 && !slices.Contains(p.Enum, value) {
		return cwmp.FaultInvalidValue
	}
	if p.Max > p.Min {
		if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err != nil || n < p.Min || n > p.Max {
			return cwmp.FaultInvalidValue
		}
	}
	return 0
}

// fitsType tells whether value is in the lexical space of the XSD type (TR-069 A.2.1); types it does not know take anything.
func fitsType(xsd, value string) bool {
	text := strings.TrimSpace(value)
	var err error
	switch bareType(xsd) {
	case "boolean":
		return slices.Contains([]string{"0", "1", "true", "false"}, text)
	case "int":
		_, err = strconv.ParseInt(text, 10, 32)
	case "long":
		_, err = strconv.ParseInt(text, 10, 64)
	case "unsignedInt":
		_, err = strconv.ParseUint(text, 10, 32)
	case "unsignedLong":
		_, err = strconv.ParseUint(text, 10, 64)
	case "dateTime":
		_, err = time.Parse("2006-01-02T15:04:05.999999999", strings.TrimRight(text, "Z"))
		if err != nil {
			_, err = time.Parse(time.RFC3339, text)
		}
	case "string":
		return utf8.ValidString(value)
	}
	return err == nil
}

// bareType is the type without its prefix: devices compare what it means, not how it is spelled.
func bareType(xsd string) string {
	if _, bare, ok := strings.Cut(xsd, ":"); ok {
		return bare
	}
	if xsd == "" {
		return "string"
	}
	return xsd
}

// model is a data model as delivered: shared by all devices that have it, never changed.
type model struct {
	root   string
	order  []string
	params map[string]*Parameter
}

// tree is one device's data model: the shared model and what is different here. Its owner locks.
type tree struct {
	model *model
	own   map[string]*Parameter // the device's own parameters and overridden ones
	extra []string              // names in own that the model lacks, in order
	value map[string]string     // what was set
}

func newTree(m *model, own []Parameter) *tree {
	t := &tree{model: m, own: make(map[string]*Parameter), value: make(map[string]string)}
	for _, p := range own {
		t.add(p)
	}
	return t
}

func (t *tree) add(p Parameter) {
	if _, known := t.find(p.Name); !known {
		t.extra = append(t.extra, p.Name)
	}
	if p.Type == "" {
		p.Type = "xsd:string"
	}
	t.own[p.Name] = &p
}

func (t *tree) find(name string) (*Parameter, bool) {
	if p, ok := t.own[name]; ok {
		return p, true
	}
	p, ok := t.model.params[name]
	return p, ok
}

func (t *tree) get(name string) string {
	if v, ok := t.value[name]; ok {
		return v
	}
	if p, ok := t.find(name); ok {
		return p.Value
	}
	return ""
}

// set stores a value; storing what the model has anyway costs no memory.
func (t *tree) set(name, value string) {
	if p, ok := t.find(name); ok && p.Value == value {
		delete(t.value, name)
		return
	}
	t.value[name] = value
}

// names calls yield for every name in the order of the model, own ones last.
func (t *tree) names(yield func(string) bool) {
	for _, list := range [][]string{t.model.order, t.extra} {
		for _, n := range list {
			if !yield(n) {
				return
			}
		}
	}
}

// below lists the full names that a path stands for: itself, or all below a partial path ("" is the root).
// It is false where the path names nothing.
func (t *tree) below(path string) ([]string, bool) {
	if path != "" && !strings.HasSuffix(path, ".") {
		_, ok := t.find(path)
		return []string{path}, ok
	}
	var list []string
	for n := range t.names {
		if strings.HasPrefix(n, path) {
			list = append(list, n)
		}
	}
	return list, len(list) > 0
}

// children lists path's next level, objects with their dot, as GetParameterNames with NextLevel does (A.3.2.3).
func (t *tree) children(path string) []cwmp.ParameterInfo {
	var list []cwmp.ParameterInfo
	seen := make(map[string]bool)
	for n := range t.names {
		rest, ok := strings.CutPrefix(n, path)
		if !ok {
			continue
		}
		info := cwmp.ParameterInfo{Name: n}
		if i := strings.IndexByte(rest, '.'); i >= 0 {
			info.Name = path + rest[:i+1]
		} else if p, ok := t.find(n); ok {
			info.Writable = p.Writable
		}
		if !seen[info.Name] {
			seen[info.Name] = true
			list = append(list, info)
		}
	}
	return list
}

// parseModel reads the compact table of a data model, one parameter a line: name (relative to root), type without
// "xsd:", flags, limit, value. Flags: w writable, h hidden, - neither. Limit: "-", a length, "min..max", or "a|b|c".
func parseModel(root, table string) *model {
	m := &model{root: root, params: make(map[string]*Parameter)}
	for line := range strings.Lines(table) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 5)
		if len(f) < 4 {
			continue
		}
		p := &Parameter{
			Name: root + f[0], Type: "xsd:" + f[1],
			Writable: strings.Contains(f[2], "w"), Hidden: strings.Contains(f[2], "h"),
		}
		if len(f) == 5 {
			p.Value = f[4]
		}
		p.limit(f[3])
		m.order = append(m.order, p.Name)
		m.params[p.Name] = p
	}
	return m
}

func (p *Parameter) limit(text string) {
	if lo, hi, ok := strings.Cut(text, ".."); ok {
		p.Min, _ = strconv.ParseInt(lo, 10, 64)
		p.Max = math.MaxInt64
		if hi != "" {
			p.Max, _ = strconv.ParseInt(hi, 10, 64)
		}
		return
	}
	if strings.Contains(text, "|") {
		p.Enum = strings.Split(text, "|")
		return
	}
	if text != "-" {
		p.MaxLen, _ = strconv.Atoi(text)
	}
}

package app

import (
	"fmt"
	"reflect"
	"strings"
)

// Setting is one setting as text, for printing. Secret ones are masked.
type Setting struct{ Name, Value string }

const mask = "********"

// Settings lists all settings in the order of Config; a file of them, "NAME: VALUE" each, is a configuration file.
func (c *Config) Settings() []Setting {
	v := reflect.ValueOf(*c)
	list := make([]Setting, 0, v.NumField())
	for i := range v.NumField() {
		f := v.Type().Field(i)
		s := Setting{Name: f.Tag.Get("name"), Value: text(v.Field(i))}
		if _, secret := f.Tag.Lookup("secret"); secret && s.Value != "" {
			s.Value = mask
		}
		list = append(list, s)
	}
	return list
}

// text writes lists with commas, as flags and environment take them.
func text(v reflect.Value) string {
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = fmt.Sprint(v.Index(i).Interface())
	}
	return strings.Join(parts, ",")
}

// Defaults gives the defaults by setting, with underscores in the names: what the tags of Config refer to.
func Defaults() map[string]string {
	c := DefaultConfig()
	defaults := make(map[string]string)
	for _, s := range c.Settings() {
		defaults[strings.ReplaceAll(s.Name, "-", "_")] = s.Value
	}
	return defaults
}

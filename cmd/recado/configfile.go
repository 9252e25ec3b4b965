package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// configFile gives flags what the file of --config has for them. It is a kong.Resolver.
type configFile struct {
	path   string
	values map[string]string
}

var _ kong.Resolver = (*configFile)(nil)

// loadConfigFile reads the file that --config or RECADO_CONFIG names; without one it is empty.
func loadConfigFile(args []string) (*configFile, error) {
	c := &configFile{path: os.Getenv("RECADO_CONFIG")}
	for i, a := range args {
		if a == "--" {
			break
		}
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			c.path = v
		} else if a == "--config" && i+1 < len(args) {
			c.path = args[i+1]
		}
	}
	if c.path == "" {
		return c, nil
	}
	text, err := os.ReadFile(c.path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	if c.values, err = parseConfig(text); err != nil {
		return nil, fmt.Errorf("--config %s: %w", c.path, err)
	}
	return c, nil
}

// parseConfig reads one level of keys; values are single ones or lists.
func parseConfig(text []byte) (map[string]string, error) {
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(text, &nodes); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	values := make(map[string]string, len(nodes))
	for key, n := range nodes {
		switch {
		case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
			values[key] = ""
		case n.Kind == yaml.ScalarNode:
			values[key] = n.Value
		case n.Kind == yaml.SequenceNode:
			var list []string
			if err := n.Decode(&list); err != nil {
				return nil, fmt.Errorf("line %d: %s is no list of values", n.Line, key)
			}
			values[key] = strings.Join(list, ",")
		default:
			return nil, fmt.Errorf("line %d: %s is neither a value nor a list of values", n.Line, key)
		}
	}
	return values, nil
}

// Validate refuses keys that are no flag of any command: a misspelled one would be a setting that silently does not hold.
func (c *configFile) Validate(a *kong.Application) error {
	known := map[string]bool{}
	collect(a.Node, known)
	var unknown []string
	for key := range c.values {
		if !known[key] || key == "config" {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("--config %s: unknown key %s; the keys are the flags' names without dashes in front", c.path, strings.Join(unknown, ", "))
}

func collect(n *kong.Node, known map[string]bool) {
	for _, f := range n.Flags {
		if f.Name != "help" {
			known[f.Name] = true
		}
	}
	for _, child := range n.Children {
		collect(child, known)
	}
}

// Resolve gives nothing where the environment has the flag: kong asks resolvers after the environment, and they win.
func (c *configFile) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	v, ok := c.values[f.Name]
	if !ok {
		return nil, nil
	}
	for _, name := range f.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	if v == "" {
		return nil, nil
	}
	if f.IsBool() {
		switch strings.ToLower(v) {
		case "true", "yes", "on":
			return true, nil
		case "false", "no", "off":
			return false, nil
		}
		return nil, fmt.Errorf("--config %s: %s is %q; want true or false", c.path, f.Name, v)
	}
	return v, nil
}

// writeConfig prints settings as such a file.
func writeConfig(w *bytes.Buffer, name, value string) {
	n := yaml.Node{Kind: yaml.ScalarNode, Value: value}
	if value == "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	text, err := yaml.Marshal(map[string]*yaml.Node{name: &n})
	if err != nil {
		return // a scalar can always be written
	}
	w.Write(text)
}

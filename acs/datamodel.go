package acs

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed datamodel.tsv
var dataModelText string

type modelEntry struct {
	typ    string
	hidden bool
}

// dataModel maps parameter names, instance numbers as {i}, to what the Broadband Forum's data models say.
var dataModel = sync.OnceValue(func() map[string]modelEntry {
	m := make(map[string]modelEntry)
	for line := range strings.Lines(dataModelText) {
		f := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(f) == 3 {
			m[f[0]] = modelEntry{typ: f[1], hidden: f[2] == "h"}
		}
	}
	return m
})

// templateName replaces the instance numbers of a parameter name by {i}.
func templateName(name string) string {
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if p != "" && strings.Trim(p, "0123456789") == "" {
			parts[i] = "{i}"
		}
	}
	return strings.Join(parts, ".")
}

// modelType is the type that the data models give, empty where they do not know the name.
func modelType(name string) string { return dataModel()[templateName(name)].typ }

// hiddenLeaves are last parts of names that read back empty by definition, whatever the vendor's path before them.
var hiddenLeaves = []string{
	"password", "keypassphrase", "presharedkey", "wepkey", "saepassphrase", "sharedsecret", "authpassword", "passphrase", "secret",
}

// Hidden reports whether a parameter is a secret by its name: it may read back empty, and its value is never shown.
func Hidden(name string) bool {
	if dataModel()[templateName(name)].hidden {
		return true
	}
	leaf := strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
	for _, h := range hiddenLeaves {
		if strings.HasSuffix(leaf, h) {
			return true
		}
	}
	return false
}

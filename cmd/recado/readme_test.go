package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeIsTrue holds the README to the program: what it says is not in it must not be there, and the commands that it shows must.
func TestReadmeIsTrue(t *testing.T) {
	root := filepath.Join("..", "..")
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	readme := read("README.md")
	_, missing, ok := strings.Cut(readme, "\n## What is not in it yet\n")
	if !ok {
		t.Fatal("README.md does not say what is not in it")
	}
	missing, _, _ = strings.Cut(missing, "\n## ")
	routes := read(filepath.Join("docs", "openapi.yaml"))
	spans := regexp.MustCompile("`([^`]+)`")
	checked := 0
	for _, m := range spans.FindAllStringSubmatch(missing, -1) {
		switch span := m[1]; {
		case strings.HasPrefix(span, "/"):
			path := regexp.QuoteMeta(strings.TrimSuffix(span, "/"))
			if regexp.MustCompile(`(?m)^  (/api/v\d)?` + path + `/?:$`).MatchString(routes) {
				t.Errorf("README.md says that %s is not in it, and the API has it", span)
			}
			checked++
		case strings.HasPrefix(span, "recado "):
			if isCommand(t, strings.Fields(span)[1]) {
				t.Errorf("README.md says that %s is not in it, and there is such a command", span)
			}
			checked++
		}
	}
	if checked < 5 {
		t.Errorf("only %d paths and commands in what is not in it: are they between backquotes?", checked)
	}
	for _, m := range regexp.MustCompile(`bin/recado (\w+)`).FindAllStringSubmatch(readme, -1) {
		if !isCommand(t, m[1]) {
			t.Errorf("README.md shows recado %s, and there is no such command", m[1])
		}
	}
}

func isCommand(t *testing.T, name string) bool {
	t.Helper()
	var out, errOut bytes.Buffer
	return run(t.Context(), []string{name, "--help"}, streams{out: &out, err: &errOut}) == exitOK && strings.Contains(out.String(), "Usage: recado "+name)
}

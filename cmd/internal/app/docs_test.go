package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"recado/cmd/internal/app"
)

// operations reads docs/operations.md.
func operations(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSettingsAreDocumented holds the table of settings to the settings that there are.
func TestSettingsAreDocumented(t *testing.T) {
	rows := map[string][]string{}
	for line := range strings.Lines(operations(t)) {
		if cells := strings.Split(line, "|"); len(cells) == 6 && strings.HasPrefix(cells[1], " `--") {
			rows[strings.Trim(cells[1], " `")] = cells
		}
	}
	defaults := app.DefaultConfig()
	for _, s := range defaults.Settings() {
		flag := "--" + s.Name
		cells, ok := rows[flag]
		if !ok {
			t.Errorf("%s is not in the table", flag)
			continue
		}
		delete(rows, flag)
		if want := "RECADO_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")); strings.Trim(cells[2], " `") != want {
			t.Errorf("%s: variable %s, want %s", flag, cells[2], want)
		}
		documented := strings.Trim(cells[3], " `")
		if s.Value != "" && s.Value != "false" && s.Value != documented {
			t.Errorf("%s: default %q in the table, want %q", flag, documented, s.Value)
		}
	}
	for flag := range rows {
		t.Errorf("%s is in the table, and there is no such setting", flag)
	}
}

// TestMetricsAreDocumented holds the list of metrics to those that a server registers.
func TestMetricsAreDocumented(t *testing.T) {
	text := operations(t)
	registry := &names{Registry: prometheus.NewRegistry()}
	app.RegisterMetrics(registry)
	if len(registry.seen) < 10 {
		t.Fatalf("metrics: got %d, want all of them", len(registry.seen))
	}
	for _, name := range registry.seen {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("%s is not documented", name)
		}
	}
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(line, "| `recado_")
		if !ok {
			continue
		}
		name = "recado_" + name[:strings.IndexByte(name, '`')]
		found := false
		for _, s := range registry.seen {
			found = found || s == name
		}
		if !found {
			t.Errorf("%s is documented, and there is no such metric", name)
		}
	}
}

// names is a registry that remembers the names of what it is given.
type names struct {
	*prometheus.Registry
	seen []string
}

func (n *names) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		descs := make(chan *prometheus.Desc, 16)
		c.Describe(descs)
		close(descs)
		for d := range descs {
			_, rest, _ := strings.Cut(d.String(), `fqName: "`)
			name, _, _ := strings.Cut(rest, `"`)
			n.seen = append(n.seen, name)
		}
	}
	n.Registry.MustRegister(cs...)
}

package docs_test

import (
	"regexp"
	"strings"
	"testing"

	"recado/acs"
	"recado/store/memstore"
	"recado/webhook"
)

// TestFilterExpressions registers the expressions that webhooks.md shows.
func TestFilterExpressions(t *testing.T) {
	_, section, ok := strings.Cut(read(t, "webhooks.md"), "\n### Content filters\n")
	if !ok {
		t.Fatal("webhooks.md has no section on content filters")
	}
	section, _, _ = strings.Cut(section, "\n### ")
	_, rows, _ := strings.Cut(section, "| expression | events |\n|---|---|\n")
	expressions := []string{`data.fault.code not in [9005, 9008] and data.device.oui == "00259E"`}
	for _, m := range regexp.MustCompile("(?m)^\\| `(.+?)` \\|").FindAllStringSubmatch(rows, -1) {
		expressions = append(expressions, m[1])
	}
	if len(expressions) < 5 {
		t.Fatalf("webhooks.md shows %d expressions, want the table's", len(expressions))
	}
	store := memstore.New()
	t.Cleanup(func() { store.Close() })
	service := webhook.NewService(webhook.ServiceConfig{Store: store, Catalogue: acs.EventTypes})
	for _, x := range expressions {
		_, err := service.Register(t.Context(), "cli_1", webhook.Registration{URL: "https://example.com/x", Filter: webhook.Filter{Expression: x}})
		if err != nil {
			t.Errorf("%s: %v", x, err)
		}
	}
	for _, name := range []string{"all", "any", "none", "one", "count", "filter", "len", "lower", "upper", "trim", "hasPrefix", "hasSuffix", "abs", "int", "float", "string"} {
		if !strings.Contains(section, "`"+name+"`") {
			t.Errorf("webhooks.md does not say that an expression can call %s", name)
		}
	}
}

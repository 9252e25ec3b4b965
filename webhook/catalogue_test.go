package webhook_test

import (
	"testing"

	"recado/webhook"
)

func TestCatalogueMatch(t *testing.T) {
	for _, c := range []struct {
		filters []string
		typ     string
		want    bool
	}{
		{[]string{"*"}, "action.succeeded", true},
		{[]string{"*"}, "action.accepted", false},
		{[]string{"action.*"}, "action.succeeded", true},
		{[]string{"action.*"}, "action.accepted", false},
		{[]string{"*", "action.accepted"}, "action.accepted", true},
		{[]string{"action.*"}, "device.added", false},
		{[]string{"action.*"}, "actions.x", false},
		{[]string{"action.failed"}, "action.succeeded", false},
		{[]string{"act*"}, "action.succeeded", false},
		{[]string{"*"}, "a.type.not.listed", true},
		{nil, "action.succeeded", false},
	} {
		if got := catalogue.Match(c.filters, c.typ); got != c.want {
			t.Errorf("%v and %s: got %v, want %v", c.filters, c.typ, got, c.want)
		}
	}
}

func TestCatalogueKnown(t *testing.T) {
	for filter, want := range map[string]bool{
		"*": true, "action.*": true, "webhook.*": true, "action.failed": true, "action.accepted": true,
		"": false, ".*": false, "act.*": false, "action": false, "action.": false, "action.failed.*": false, "act*": false,
		"Action.*": false, "**": false,
	} {
		if got := catalogue.Known(filter); got != want {
			t.Errorf("%q: got %v, want %v", filter, got, want)
		}
	}
	if webhook.Catalogue(nil).Known("action.*") {
		t.Error("an empty catalogue knows a prefix")
	}
}

package storetest

import "testing"

// CaseNames lists the cases of the suite.
func CaseNames() []string {
	var names []string
	for _, c := range allCases() {
		names = append(names, c.name)
	}
	return names
}

// RunCase runs one case under t, in whatever bubble the caller is.
func RunCase(t testing.TB, name string, h Harness) {
	for _, c := range allCases() {
		if c.name == name {
			runCase(t, c, h)
			return
		}
	}
	t.Fatalf("no case is called %q", name)
}

// Difference, Fill and Scribble are what the cases compare and spoil values with.
var (
	Difference = difference
	Fill       = fill
	Scribble   = scribble
)

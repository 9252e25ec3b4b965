package acs

import (
	"regexp"
	"strings"
	"sync"
)

// A rule of the list of parameters that can take a router away from its owner or run commands on it.
type dangerRule struct {
	pattern *regexp.Regexp
	// host tells that devices have passed the value to a shell: it may hold no shell characters, whatever the scope.
	host bool
}

// The list. Names are matched without their root and in any case. docs/operations.md tells it to operators.
var dangerRules = []dangerRule{
	{pattern: regexp.MustCompile(`(?i)^ManagementServer\.`)},                           // moves the device to another ACS
	{pattern: regexp.MustCompile(`(?i)^Time\.NTPServer\d*$`), host: true},              // Mirai's way in, 2016
	{pattern: regexp.MustCompile(`(?i)^Time\.Client\..*Server`), host: true},           // TR-181's newer form of it
	{pattern: regexp.MustCompile(`(?i)NTPServer\d*$`), host: true},                     // vendors' forms
	{pattern: regexp.MustCompile(`(?i)Diagnostics?\..*Host(Name|List)?$`), host: true}, // ping, trace route
	{pattern: regexp.MustCompile(`(?i)Diagnostics?\.(.*\.)?(DNSServer|DownloadURL|UploadURL|ServerURL)$`), host: true},
	{pattern: regexp.MustCompile(`(?i)Diagnostics?\.`)}, // starting any of them
	{pattern: regexp.MustCompile(`(?i)(Download|Upload|Firmware|Upgrade|Update)\w*URL$`), host: true},
	{pattern: regexp.MustCompile(`(?i)\.URL$`), host: true},
	{pattern: regexp.MustCompile(`(?i)^UserInterface\.RemoteAccess\.`)}, // opens the device to the Internet
	{pattern: regexp.MustCompile(`(?i)^Users\.User\.`)},
	{pattern: regexp.MustCompile(`(?i)^SoftwareModules\.`)},
	{pattern: regexp.MustCompile(`(?i)(Telnet|SSHD?|Dropbear|RemoteShell|Shell|Command|ExecCmd)(Enable|Port|User\w*|Password|Access|\.|$)`)},
}

func withoutRoot(name string) string {
	_, rest, ok := strings.Cut(name, ".")
	if !ok {
		return name
	}
	return rest
}

// judged remembers verdicts: the same few names are asked for over and over, by the request and by the audit record, and the rules cost
// more than all else that is done with a name.
var judged struct {
	mu sync.RWMutex
	by map[string]bool
}

// Bounds of what is remembered; names beyond them are judged anew.
const (
	maxJudged     = 4096
	maxJudgedName = 256
)

// Dangerous reports whether setting a parameter needs the scope parameters:dangerous.
func Dangerous(name string) bool {
	if len(name) > maxJudgedName {
		return dangerous(name)
	}
	judged.mu.RLock()
	is, known := judged.by[name]
	judged.mu.RUnlock()
	if known {
		return is
	}
	is = dangerous(name)
	judged.mu.Lock()
	if judged.by == nil || len(judged.by) >= maxJudged {
		judged.by = make(map[string]bool)
	}
	judged.by[strings.Clone(name)] = is
	judged.mu.Unlock()
	return is
}

func dangerous(name string) bool {
	n := withoutRoot(name)
	for _, r := range dangerRules {
		if r.pattern.MatchString(n) {
			return true
		}
	}
	return false
}

// hostValue reports whether the parameter takes a host or URL that devices may pass to a shell.
func hostValue(name string) bool {
	n := withoutRoot(name)
	for _, r := range dangerRules {
		if r.host && r.pattern.MatchString(n) {
			return true
		}
	}
	return false
}

// shellCharacters are refused in such values.
const shellCharacters = ";`$()|&<>\"'\\\n\r\t {}!*"

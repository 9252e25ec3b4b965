package app

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// cpeCredential is a line of the credentials file. Device is empty for one that any device may use.
type cpeCredential struct{ Device, Username, Password string }

// loadCredentials reads the file of --cwmp-credentials-file: a line for each credential, "username:password", or with the device
// id and a blank in front. Empty lines and those that start with # do not count. Errors name the line, never what it holds.
func loadCredentials(path string) ([]cpeCredential, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, badField("cwmp-credentials-file", "%v", err)
	}
	defer f.Close()
	var list []cpeCredential
	seen := map[string]int{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		c, err := parseCredential(line)
		if err != nil {
			return nil, badField("cwmp-credentials-file", "line %d %v", n, err)
		}
		if first := seen[c.Username]; first != 0 {
			return nil, badField("cwmp-credentials-file", "line %d has the user name of line %d; want one line for each", n, first)
		}
		seen[c.Username] = n
		list = append(list, c)
	}
	if err := lines.Err(); err != nil {
		return nil, badField("cwmp-credentials-file", "%v", err)
	}
	return list, nil
}

func parseCredential(line string) (cpeCredential, error) {
	var c cpeCredential
	user, password, ok := strings.Cut(line, ":")
	if i := strings.IndexAny(user, " \t"); i >= 0 {
		c.Device, user = user[:i], strings.TrimSpace(user[i:])
	}
	if !ok || user == "" || password == "" {
		return c, fmt.Errorf("is no credential; want 'username:password', or 'DEVICE_ID username:password'")
	}
	c.Username, c.Password = user, password
	return c, nil
}

package acs

import (
	"slices"
	"strings"
)

// Match reports whether the filter selects d, whatever its limit and cursor.
func (f *DeviceFilter) Match(d *Device) bool {
	tagged := len(f.Tags) == 0 || slices.ContainsFunc(f.Tags, func(t string) bool { return slices.Contains(d.Facts.Tags, t) })
	return tagged && (f.Search == "" || d.hasPart(f.Search))
}

// hasPart reports whether search is a part of one of the device's names, in any case. MACs are compared without punctuation.
func (d *Device) hasPart(search string) bool {
	search = strings.ToLower(search)
	for _, name := range []string{
		d.ID, d.Facts.RouterID, d.Facts.PPPoELogin, d.Reported.PPPoELogin, d.Identity.SerialNumber, d.Facts.MAC, d.Reported.MAC,
	} {
		if strings.Contains(strings.ToLower(name), search) {
			return true
		}
	}
	digits := MACDigits(search)
	return digits != "" && (strings.Contains(MACDigits(d.Facts.MAC), digits) || strings.Contains(MACDigits(d.Reported.MAC), digits))
}

var macMarks = strings.NewReplacer(":", "", "-", "", ".", "", " ", "")

// MACDigits gives a MAC, or a part of one, as bare hex digits in upper case; empty for what is something else.
func MACDigits(s string) string {
	s = strings.ToUpper(macMarks.Replace(s))
	if strings.Trim(s, "0123456789ABCDEF") != "" {
		return ""
	}
	return s
}

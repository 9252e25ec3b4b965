package acs

import (
	"strings"

	"recado/cwmp"
)

// NormalMAC gives a MAC as 12 upper-case hex digits, whatever its punctuation; empty for what is none.
func NormalMAC(s string) string {
	if m := MACDigits(s); len(m) == 12 {
		return m
	}
	return ""
}

// ParseDeviceID reads OUI-ProductClass-SerialNumber or OUI-SerialNumber, each part percent-encoded (TR-069 3.4.4).
func ParseDeviceID(id string) (cwmp.DeviceID, error) {
	bad := &InvalidError{"id", "is no device id; give OUI-ProductClass-SerialNumber, each part percent-encoded, such as 00259E-HG8245H-48575443"}
	parts := strings.Split(id, "-")
	if len(id) > 512 || len(parts) != 2 && len(parts) != 3 {
		return cwmp.DeviceID{}, bad
	}
	for i, p := range parts {
		u, ok := unescapeIdentity(p)
		if !ok || u == "" {
			return cwmp.DeviceID{}, bad
		}
		parts[i] = u
	}
	d := cwmp.DeviceID{OUI: parts[0], SerialNumber: parts[len(parts)-1]}
	if len(parts) == 3 {
		d.ProductClass = parts[1]
	}
	if d.Key() != id {
		return cwmp.DeviceID{}, bad
	}
	return d, nil
}

func unescapeIdentity(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		hi, lo := strings.IndexByte("0123456789ABCDEF", s[i+1]), strings.IndexByte("0123456789ABCDEF", s[i+2])
		if hi < 0 || lo < 0 {
			return "", false
		}
		b.WriteByte(byte(hi<<4 | lo))
		i += 2
	}
	return b.String(), true
}

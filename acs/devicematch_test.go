package acs_test

import (
	"testing"

	"recado/acs"
	"recado/cwmp"
)

func TestDeviceFilter(t *testing.T) {
	d := acs.Device{
		ID: "00259E-Box%2D1-XY77", Identity: cwmp.DeviceID{SerialNumber: "XY77", Manufacturer: "Maker"},
		Reported: acs.Reported{PPPoELogin: "Maria@isp.example", MAC: "00:25:9e:ab:cd:ef", SoftwareVersion: "V5"},
		Facts:    acs.Facts{RouterID: "Rtr-42", PPPoELogin: "joao", MAC: "AABBCCDDEE01", City: "Recife", Tags: []string{"north", "fibre"}},
	}
	for _, c := range []struct {
		f    acs.DeviceFilter
		want bool
	}{
		{acs.DeviceFilter{}, true},
		{acs.DeviceFilter{Limit: 1, Cursor: "after:zzz"}, true},
		{acs.DeviceFilter{Search: "rtr-4"}, true},
		{acs.DeviceFilter{Search: "BOX%2d1"}, true},
		{acs.DeviceFilter{Search: "maria@"}, true},
		{acs.DeviceFilter{Search: "JOAO"}, true},
		{acs.DeviceFilter{Search: "xy7"}, true},
		{acs.DeviceFilter{Search: "bb-cc.DD"}, true},
		{acs.DeviceFilter{Search: "259EAB"}, true},
		{acs.DeviceFilter{Search: "recife"}, false},
		{acs.DeviceFilter{Search: "maker"}, false},
		{acs.DeviceFilter{Search: "v5"}, false},
		{acs.DeviceFilter{Search: ":"}, true},
		{acs.DeviceFilter{Search: "::::"}, false},
		{acs.DeviceFilter{Tags: []string{"south", "fibre"}}, true},
		{acs.DeviceFilter{Tags: []string{"fib"}}, false},
		{acs.DeviceFilter{Tags: []string{"north"}, Search: "other"}, false},
	} {
		if got := c.f.Match(&d); got != c.want {
			t.Errorf("%+v: got %v, want %v", c.f, got, c.want)
		}
	}
}

func TestMACDigits(t *testing.T) {
	for s, want := range map[string]string{
		"00:25:9e:ab:cd:ef": "00259EABCDEF", "0025.9eab": "00259EAB", "a-b c": "ABC", "": "", ":": "", "00:25:9g": "", "mac": "",
	} {
		if got := acs.MACDigits(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
}

package acs

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestResolveType(t *testing.T) {
	learned := map[string]string{"Device.X_Learned": "xsd:int", "Device.WiFi.Radio.1.Channel": "xsd:string"}
	tests := []struct {
		name, param, value, typ string
		wantType, wantValue     string
		wantErr                 string // part of it
	}{
		{"named", "Device.A", `"5"`, "xsd:unsignedInt", "xsd:unsignedInt", "5", ""},
		{"learned", "Device.X_Learned", `"7"`, "", "xsd:int", "7", ""},
		{"learned before the data model", "Device.WiFi.Radio.1.Channel", `11`, "", "xsd:string", "11", ""},
		{"data model", "Device.WiFi.Radio.2.Channel", `"11"`, "", "xsd:unsignedInt", "11", ""},
		{"data model boolean", "Device.WiFi.SSID.3.Enable", `true`, "", "xsd:boolean", "1", ""},
		{"by value: string", "Device.A", `"x"`, "", "xsd:string", "x", ""},
		{"by value: boolean", "Device.A", `false`, "", "xsd:boolean", "0", ""},
		{"by value: natural", "Device.A", `4294967295`, "", "xsd:unsignedInt", "4294967295", ""},
		{"by value: large", "Device.A", `4294967296`, "", "xsd:unsignedLong", "4294967296", ""},
		{"by value: largest", "Device.A", `18446744073709551615`, "", "xsd:unsignedLong", "18446744073709551615", ""},
		{"by value: negative", "Device.A", `-3`, "", "xsd:int", "-3", ""},
		{"by value: long", "Device.A", `-3000000000`, "", "xsd:long", "-3000000000", ""},
		{"by value: decimal", "Device.A", `-3.25`, "", "xsd:decimal", "-3.25", ""},
		{"string keeps its blanks", "Device.A", `" a & <b> "`, "", "xsd:string", " a & <b> ", ""},
		{"does not fit the data model", "Device.WiFi.Radio.1.TransmitPower", `"loud"`, "", "", "", "parameters[0].value: does not fit xsd:int (the type in the data model): want a whole number"},
		{"does not fit the named type", "Device.A", `-1`, "xsd:unsignedInt", "", "", "want a whole number from 0 to 4294967295"},
		{"too large", "Device.A", `"4294967296"`, "xsd:unsignedInt", "", "", "from 0 to 4294967295"},
		{"no boolean", "Device.A", `"yes"`, "xsd:boolean", "", "", "want true, false, 1 or 0"},
		{"no time", "Device.A", `"yesterday"`, "xsd:dateTime", "", "", "want a time"},
		{"odd hex", "Device.A", `"abc"`, "xsd:hexBinary", "", "", "hex digits"},
		{"base64", "Device.A", `"YQ"`, "xsd:base64Binary", "", "", "base64"},
		{"unknown type", "Device.A", `"x"`, "string", "", "", "parameters[0].type: is not one of xsd:string"},
		{"null", "Device.A", `null`, "", "", "", "must be a string, a number or a boolean"},
		{"object", "Device.A", `{"a":1}`, "", "", "", "must be a string, a number or a boolean"},
		{"missing", "Device.A", ``, "", "", "", "is missing"},
		{"not in XML", "Device.A", `"a\u0002"`, "", "", "", "cannot be written in XML"},
		{"no root", "WiFi.SSID", `"x"`, "", "", "", "does not begin with InternetGatewayDevice. or Device."},
		{"the other root", "InternetGatewayDevice.A", `"x"`, "", "", "", "this device's parameters begin with Device."},
		{"an object", "Device.WiFi.", `"x"`, "", "", "", "names an object"},
		{"no name", "", `"x"`, "", "", "", "is empty"},
		{"blank in a name", "Device.A B", `"x"`, "", "", "", "byte 8"},
		{"long name", "Device." + strings.Repeat("a", 256), `"x"`, "", "", "", "at most 256"},
		{"shell in a host", "Device.Time.NTPServer1", `"a;reboot"`, "", "", "", "meaning to a shell"},
		{"newline in a host", "Device.IP.Diagnostics.IPPing.Host", `"a\nb"`, "", "", "", "meaning to a shell"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := resolveParameters([]ParameterInput{{Name: tt.param, Value: json.RawMessage(tt.value), Type: tt.typ}}, "Device.", learned)
			if tt.wantErr != "" {
				var invalid *InvalidError
				if !errors.As(err, &invalid) || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error: got %v, want an InvalidError with %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatalf("error: got %v, want none", err)
			}
			if got[0].Type != tt.wantType || got[0].Value != tt.wantValue {
				t.Errorf("got %s %q, want %s %q", got[0].Type, got[0].Value, tt.wantType, tt.wantValue)
			}
		})
	}
}

func TestResolveErrorsHoldNoValue(t *testing.T) {
	const secret = "hunter2-marker"
	for _, typ := range knownTypes {
		_, err := resolveParameters([]ParameterInput{{Name: "Device.A", Value: json.RawMessage(`"` + secret + `;` + "\\u0001" + `"`), Type: typ}}, "", nil)
		if err == nil {
			t.Errorf("%s: got no error, want one", typ)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds the value: %v", typ, err)
		}
	}
}

func TestResolveRefusesDoublesAndCrowds(t *testing.T) {
	one := ParameterInput{Name: "Device.A", Value: json.RawMessage(`1`)}
	if _, err := resolveParameters([]ParameterInput{one, one}, "", nil); err == nil || !strings.Contains(err.Error(), "parameters[1].name: is the same as parameters[0].name") {
		t.Errorf("doubled name: got %v", err)
	}
	if _, err := resolveParameters(nil, "", nil); err == nil {
		t.Error("no parameters: got no error")
	}
	if _, err := resolveParameters(make([]ParameterInput, MaxParameters+1), "", nil); err == nil || !strings.Contains(err.Error(), "at most 256") {
		t.Errorf("too many: got %v", err)
	}
}

func TestSameValue(t *testing.T) {
	tests := []struct {
		typ, set, got string
		want          bool
	}{
		{"xsd:string", "a", "a", true},
		{"xsd:string", "a", "b", false},
		{"xsd:string", "a", "\n  a\n", true},
		{"xsd:string", " a", "a", false},
		{"xsd:string", "a&b", "a&amp;b", false},
		{"xsd:boolean", "1", "true", true},
		{"xsd:boolean", "1", "TRUE", true},
		{"xsd:boolean", "0", "false", true},
		{"xsd:boolean", "1", "0", false},
		{"xsd:boolean", "0", "", false},
		{"xsd:boolean", "0", "garbage", false},
		{"xsd:unsignedInt", "7", "07", true},
		{"xsd:unsignedInt", "7", " 7 ", true},
		{"xsd:unsignedInt", "7", "8", false},
		{"xsd:unsignedLong", "18446744073709551615", "18446744073709551614", false},
		{"xsd:dateTime", "2026-11-21T10:00:00Z", "2026-11-21T11:00:00+01:00", true},
		{"xsd:hexBinary", "ab", "AB", true},
	}
	for _, tt := range tests {
		if got := sameValue(tt.typ, tt.set, tt.got); got != tt.want {
			t.Errorf("%s %q read back as %q: got %v, want %v", tt.typ, tt.set, tt.got, got, tt.want)
		}
	}
}

func TestDangerousNames(t *testing.T) {
	dangerous := []string{
		"Device.ManagementServer.URL", "InternetGatewayDevice.ManagementServer.Password", "Device.managementserver.url",
		"Device.Time.NTPServer1", "InternetGatewayDevice.Time.NTPServer5", "Device.Time.Client.1.Servers",
		"Device.IP.Diagnostics.IPPing.Host", "InternetGatewayDevice.IPPingDiagnostics.Host", "Device.IP.Diagnostics.TraceRoute.Host",
		"InternetGatewayDevice.DownloadDiagnostics.DownloadURL", "Device.DNS.Diagnostics.NSLookupDiagnostics.DNSServer",
		"Device.X_ACME_Firmware.UpgradeURL", "InternetGatewayDevice.UserInterface.RemoteAccess.Enable", "Device.Users.User.1.Password",
		"Device.SoftwareModules.ExecEnv.1.Enable", "Device.X_ACME.TelnetEnable", "Device.X_ACME.SSHPort",
	}
	for _, n := range dangerous {
		if !Dangerous(n) {
			t.Errorf("%s: got harmless, want dangerous", n)
		}
	}
	harmless := []string{
		"Device.WiFi.SSID.1.SSID", "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.KeyPassphrase", "Device.WiFi.Radio.1.Channel",
		"InternetGatewayDevice.WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Username", "Device.DHCPv4.Server.Pool.1.DNSServers",
	}
	for _, n := range harmless {
		if Dangerous(n) {
			t.Errorf("%s: got dangerous, want harmless", n)
		}
	}
}

func TestHidden(t *testing.T) {
	for n, want := range map[string]bool{
		"Device.PPP.Interface.1.Password": true,
		"InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.PreSharedKey.1.PreSharedKey": true,
		"Device.WiFi.AccessPoint.1.Security.KeyPassphrase":                                  true,
		"Device.X_ACME.VoipAuthPassword":                                                    true,
		"Device.WiFi.SSID.1.SSID":                                                           false,
	} {
		if got := Hidden(n); got != want {
			t.Errorf("%s: got %v, want %v", n, got, want)
		}
	}
}

func FuzzWireValue(f *testing.F) {
	for _, typ := range knownTypes {
		f.Add(typ, "1")
		f.Add(typ, "a\x00")
	}
	f.Fuzz(func(t *testing.T, typ, text string) {
		wire, err := wireValue(typ, text)
		if err != nil {
			if len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Errorf("the error holds the value")
			}
			return
		}
		if checkXMLText(wire) != nil {
			t.Errorf("%s %q: the wire form cannot be written in XML", typ, text)
		}
		if again, err := wireValue(typ, wire); err != nil || again != wire {
			t.Errorf("%s %q: got %q, then %q (%v); want the wire form to stay", typ, text, wire, again, err)
		}
	})
}

package cwmp_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"recado/cwmp"
)

// TestEncodeValidates holds every envelope to the published schemas. Those that only devices send are held to them
// as well, since the simulator has to be a device like any other.
func TestEncodeValidates(t *testing.T) {
	validate := filepath.Join(sharedFolder(t, "cwmp"), "validate")
	for _, tool := range []string{"bash", "xmllint"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, "NOT TESTED: envelopes are not held to the schemas, "+tool+" is missing")
		}
	}
	dir := t.TempDir()
	args := []string{validate, "-q"}
	sent := 0
	for _, ns := range []string{cwmp.Namespace10, cwmp.Namespace11, cwmp.Namespace12} {
		for _, s := range append(samples(), more()...) {
			if breaksSchema[s.name] || s.e.SessionTimeout != 0 {
				continue
			}
			if ns == cwmp.Namespace10 && s.name == "AutonomousTransferComplete.response" {
				continue // a method of 1.1
			}
			s.e.Namespace = ns
			body, err := cwmp.Encode(&s.e, false)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			file := filepath.Join(dir, ns[len(ns)-3:]+"-"+s.name+".xml")
			if err := os.WriteFile(file, body, 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, file)
			if s.acs {
				sent++
			}
		}
	}
	if want := 3*20 - 1; sent != want {
		t.Errorf("forms that Recado sends: got %d, want %d", sent, want)
	}
	out, err := exec.Command("bash", args...).CombinedOutput()
	if err != nil {
		t.Errorf("validate: %v\n%s", err, out)
	}
}

// breaksSchema are the samples that the schemas refuse by design: what a device gets wrong, headers that only newer
// schemas have, methods of nobody.
var breaksSchema = map[string]bool{
	"Inform-hold":                          true,
	"Fault-raw":                            true,
	"no-message":                           true,
	"SetParameterValuesResponse-no-status": true,
	"GetParameterValuesResponse-odd":       true,
	"Other":                                true,
}

func TestEncodeRefuses(t *testing.T) {
	long := strings.Repeat("k", 33)
	value := func(p cwmp.ParameterValue) cwmp.Message {
		return &cwmp.SetParameterValues{ParameterList: []cwmp.ParameterValue{p}}
	}
	for _, c := range []struct {
		name string
		m    cwmp.Message
	}{
		{"CommandKey of 33 characters", &cwmp.Reboot{CommandKey: long}},
		{"ParameterKey of 33 characters", &cwmp.SetParameterValues{ParameterKey: long}},
		{"event's CommandKey of 33 characters", &cwmp.Inform{Events: []cwmp.Event{{CommandKey: long}}}},
		{"value without type", value(cwmp.ParameterValue{Name: "Device.A", Value: "1"})},
		{"parameter without value", value(cwmp.ParameterValue{Name: "Device.A", NoValue: true, Type: "xsd:string"})},
		{"type with a prefix nobody declares", value(cwmp.ParameterValue{Name: "Device.A", Type: "xs:string"})},
		{"type that is markup", value(cwmp.ParameterValue{Name: "Device.A", Type: `xsd:string" x="`})},
		{"control character in a value", value(cwmp.ParameterValue{Name: "Device.A", Value: "SECRET\x02", Type: "xsd:string"})},
		{"invalid UTF-8 in a value", value(cwmp.ParameterValue{Name: "Device.A", Value: "SECRET\xe9", Type: "xsd:string"})},
		{"NUL in a name", &cwmp.GetParameterValues{ParameterNames: []string{"SECRET\x00"}}},
		{"U+FFFF in a key", &cwmp.Reboot{CommandKey: "SECRET\uffff"}},
		{"GetParameterValues of nothing", &cwmp.GetParameterValues{}},
		{"method that is no name", &cwmp.Other{Name: "SECRET><x"}},
		{"method without name", &cwmp.Other{}},
		{"field that is no name", &cwmp.Other{Name: "X", Fields: map[string]string{"SECRET b": ""}}},
		{"fault code of nobody", &cwmp.Fault{FaultCode: 200}},
		{"parameter fault code of nobody", &cwmp.Fault{FaultCode: 9003, Params: []cwmp.ParameterFault{{}}}},
		{"message of another package", stranger{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := with(c.m)
			body, err := cwmp.Encode(&e, false)
			if !errors.Is(err, cwmp.ErrNotEncodable) {
				t.Fatalf("got %q, %v, want %v", body, err, cwmp.ErrNotEncodable)
			}
			if body != nil {
				t.Errorf("body: got %d bytes, want none", len(body))
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("the error quotes the message: %v", err)
			}
		})
	}
}

type stranger struct{}

func (stranger) Method() string { return "Stranger" }

func TestEncodeHeaderText(t *testing.T) {
	for _, e := range []cwmp.Envelope{
		{HasID: true, ID: "a\x01"},
		{Namespace: "urn:\x02"},
		{UseCWMPVersion: "1.2\x00"},
	} {
		if _, err := cwmp.Encode(&e, false); !errors.Is(err, cwmp.ErrNotEncodable) {
			t.Errorf("%+v: got %v, want %v", e, err, cwmp.ErrNotEncodable)
		}
	}
}

// TestEncodeForm checks what some client is known to depend on, byte for byte.
func TestEncodeForm(t *testing.T) {
	e := with(&cwmp.SetParameterValues{
		ParameterList: []cwmp.ParameterValue{
			{Name: "Device.A", Value: "true", Type: "xsd:boolean"},
			{Name: "Device.B", Value: "false", Type: "xsd:boolean"},
			{Name: "Device.C", Value: "true", Type: "xsd:string"},
			{Name: "Device.D", Value: "é\r\n\t\"'<&>\x7f", Type: "xsd:string"},
		},
		ParameterKey: strings.Repeat("é", 32),
	})
	e.ID = "a&b"
	body, err := cwmp.Encode(&e, false)
	if err != nil {
		t.Fatal(err)
	}
	got := string(body)
	if !strings.HasPrefix(got, "<soap-env:Envelope xmlns:soap-env=") {
		t.Errorf("first bytes: got %.40q, want a prefixed Envelope", got)
	}
	for _, want := range []string{
		`xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/"`,
		`xmlns:xsd="http://www.w3.org/2001/XMLSchema"`,
		`xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`,
		`xmlns:cwmp="urn:dslforum-org:cwmp-1-0"`,
		`<cwmp:ID soap-env:mustUnderstand="1">a&amp;b</cwmp:ID>`,
		`<ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[4]">`,
		`<Name>Device.A</Name><Value xsi:type="xsd:boolean">1</Value>`,
		`<Name>Device.B</Name><Value xsi:type="xsd:boolean">0</Value>`,
		`<Name>Device.C</Name><Value xsi:type="xsd:string">true</Value>`,
		`&#233;&#13;&#10;&#9;&quot;'&lt;&amp;&gt;&#127;`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got %s\nwant it to hold %s", got, want)
		}
	}
	if got := e.Message.(*cwmp.SetParameterValues).ParameterList[0].Value; got != "true" {
		t.Errorf("Encode changed the message: got %q, want true", got)
	}
	for i := range len(got) {
		if got[i] < 0x20 || got[i] > 0x7E {
			t.Fatalf("byte %d: got %#x, want printable ASCII", i, got[i])
		}
	}
}

func TestEncodeSameBytes(t *testing.T) {
	e := with(&cwmp.Other{Name: "X", Fields: map[string]string{"b": "", "a": "", "d": "", "c": "", "e": "", "_": ""}})
	for range 20 {
		body, err := cwmp.Encode(&e, false)
		if err != nil {
			t.Fatal(err)
		}
		if want := "<cwmp:X><_></_><a></a><b></b><c></c><d></d><e></e></cwmp:X>"; !strings.Contains(string(body), want) {
			t.Fatalf("got %s\nwant it to hold %s", body, want)
		}
	}
}

func TestEncodeFaultSide(t *testing.T) {
	for code, want := range map[int]string{9000: "Server", 9003: "Client", 9008: "Client", 8000: "Server", 8003: "Client", 8005: "Server"} {
		e := with(&cwmp.Fault{FaultCode: code})
		body, err := cwmp.Encode(&e, false)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), "<faultcode>"+want+"</faultcode>") {
			t.Errorf("%d: got %s, want faultcode %s", code, body, want)
		}
	}
}

func TestCheckText(t *testing.T) {
	for _, s := range []string{"", "plain", "\t\r\n", "é", "\u0080\u0085", "\ue000", "\ufffd", "\U0010ffff", "\x7f"} {
		if err := cwmp.CheckText(s); err != nil {
			t.Errorf("%q: got %v, want no error", s, err)
		}
	}
	for _, s := range []string{"\x00", "a\x08", "\x0b", "\x1f", "\ufffe", "\uffff", "\xff", "a\xc3", "\xed\xa0\x80"} {
		if err := cwmp.CheckText(s); !errors.Is(err, cwmp.ErrNotEncodable) {
			t.Errorf("%q: got %v, want %v", s, err, cwmp.ErrNotEncodable)
		}
	}
}

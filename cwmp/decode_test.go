package cwmp_test

import (
	"fmt"
	"testing"

	"recado/cwmp"
)

// TestDecodeRepaired tells well-formed messages from those that needed help, one mistake at a time.
func TestDecodeRepaired(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       bool
	}{
		{"plain", head + tail, false},
		{"blank lines around", "\r\n " + head + tail + " \r\n", false},
		{"declaration", `<?xml version="1.0" encoding="utf-8"?>` + "\n" + head + tail, false},
		{"byte order mark", "\xef\xbb\xbf" + head + tail, false},
		{"comment and instruction around", "<!-- a --><?b?>" + head + tail + "<!-- c -->", false},
		{"instruction behind", head + tail + "\n<?b?>", false},
		{"C1 control, which XML allows", head + "<a>\u0085</a>" + tail, false},
		{"prefix declared on the element itself", head + `<a:b a:c="1" xmlns:a="urn:a"/>` + tail, false},
		{"prefix declared further out", head + `<a xmlns:b="urn:b"><b:c><b:d/></b:c></a>` + tail, false},
		{"xml's own prefix", head + `<a xml:lang="en"/>` + tail, false},
		{"blank line before a declaration", "\n" + `<?xml version="1.0"?>` + head + tail, true},
		{"second byte order mark", "\xef\xbb\xbf\xef\xbb\xbf" + head + tail, true},
		{"NUL before", "\x00" + head + tail, true},
		{"NUL behind", head + tail + "\x00", true},
		{"text behind", head + tail + "garbage", true},
		{"second envelope behind", head + tail + head + tail, true},
		{"prefix declared in an element that is closed", head + `<a xmlns:b="urn:b"></a><b:c/>` + tail, true},
		{"prefix declared in an element closed at once", head + `<a xmlns:b="urn:b"/><b:c/>` + tail, true},
		{"prefix of an attribute declared nowhere", head + `<a b:c="1"/>` + tail, true},
		{"attribute twice", head + `<a b="1" b="2"/>` + tail, true},
		{"control character", head + "<a>\x1b</a>" + tail, true},
		{"no UTF-8", head + "<a>\xe9</a>" + tail, true},
		{"U+FFFF", head + "<a>\uffff</a>" + tail, true},
		{"reference to NUL", head + "<a>&#0;</a>" + tail, true},
		{"bare ampersand", head + "<a>&</a>" + tail, true},
		{"entity of HTML", head + "<a>&nbsp;</a>" + tail, true},
		{"< in an attribute", head + `<a b="<"/>` + tail, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := cwmp.Decode([]byte(c.body), cwmp.DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			if e.Repaired != c.want {
				t.Errorf("Repaired: got %t, want %t", e.Repaired, c.want)
			}
			if e.Namespace != cwmp.Namespace10 || e.Message.Method() != "Inform" {
				t.Errorf("got %s of %s, want an Inform of 1.0", e.Message.Method(), e.Namespace)
			}
		})
	}
}

// TestDecodeValue is about one Value element: what belongs to the value and what does not.
func TestDecodeValue(t *testing.T) {
	const form = `<Envelope xmlns:xsi="i" xmlns:xsd="d"><Body><GetParameterValuesResponse><ParameterList><ParameterValueStruct>` +
		`%s</ParameterValueStruct></ParameterList></GetParameterValuesResponse></Body></Envelope>`
	const name = "<Name>A</Name>"
	for _, c := range []struct {
		in   string
		want cwmp.ParameterValue
	}{
		{name, cwmp.ParameterValue{NoValue: true}},
		{name + `<Value/>`, cwmp.ParameterValue{}},
		{name + `<Value xsi:nil="1"/>`, cwmp.ParameterValue{NoValue: true}},
		{name + `<Value xsi:nil="true">but there is one</Value>`, cwmp.ParameterValue{Value: "but there is one"}},
		{name + `<Value xsi:nil="false"></Value>`, cwmp.ParameterValue{}},
		{`<Value xsi:type="xsd:string">a</Value>` + name, cwmp.ParameterValue{Value: "a", Type: "xsd:string"}},
		{name + `<Value> a </Value>`, cwmp.ParameterValue{Value: " a "}},
		{name + `<Value xsi:type="xsd:string">` + "\n a \n" + `</Value>`, cwmp.ParameterValue{Value: "\n a \n", Type: "xsd:string"}},
		{name + `<Value xsi:type="xsd:string">a` + "\r\nb\rc" + `</Value>`, cwmp.ParameterValue{Value: "a\nb\nc", Type: "xsd:string"}},
		{name + `<Value xsi:type="xsd:String"> a</Value>`, cwmp.ParameterValue{Value: " a", Type: "xsd:String"}},
		{name + `<Value xsi:type=" xsd:int ">` + "\t5\n" + `</Value>`, cwmp.ParameterValue{Value: "5", Type: "xsd:int"}},
		{"<Name> A </Name>" + `<Value> a </Value>`, cwmp.ParameterValue{Value: " a "}},
		{"<Name>\nA</Name>" + `<Value> a </Value>`, cwmp.ParameterValue{Value: "a"}},
		{"<Name>A\r\n</Name>" + `<Value>` + "\n  \n" + `</Value>`, cwmp.ParameterValue{}},
		{name + `<Value>a<b>inside</b>c</Value>`, cwmp.ParameterValue{Value: "ac"}},
		{name + `<Value xsi:type="xsd:string(64)">a</Value>`, cwmp.ParameterValue{Value: "a", Type: "xsd:string"}},
	} {
		t.Run(c.in, func(t *testing.T) {
			e, err := cwmp.Decode(fmt.Appendf(nil, form, c.in), cwmp.DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			c.want.Name = "A"
			list := e.Message.(*cwmp.GetParameterValuesResponse).ParameterList
			if len(list) != 1 || list[0] != c.want {
				t.Errorf("got %+v, want %+v", list, c.want)
			}
		})
	}
}

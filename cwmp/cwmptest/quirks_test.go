package cwmptest_test

import (
	"compress/gzip"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

// TestWireForms shows each quirk of the wire in the bytes of the Inform. Not all of them can be read by cwmp.Decode
// without a repair; that they can be read at all is shown too.
func TestWireForms(t *testing.T) {
	type q = cwmptest.Quirks
	for name, c := range map[string]struct {
		q    q
		want []string // patterns
		not  string
	}{
		"none": {q{}, []string{
			"(?s)^POST /cwmp\\?x=1 HTTP/1.1\r\nHost: acs.example:7547\r\n.*SOAPAction: \r\nContent-Type: text/xml; charset=\"utf-8\"\r\n",
			`\r\n\r\n<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"`,
			`<soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">1001</cwmp:ID></soap-env:Header>`,
			`<Event soap-enc:arrayType="cwmp:EventStruct\[2\]"><EventStruct><EventCode>0 BOOTSTRAP</EventCode><CommandKey></CommandKey>`,
			`<MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2000-01-01T00:00:00Z</CurrentTime><RetryCount>0</RetryCount>`,
			`<ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct\[8\]">`,
			`<Value xsi:type="xsd:string">http://10.0.0.1:7547/`,
		}, "Authorization|Cookie|<\\?xml|Expect|chunked|gzip"},
		"quirk 15 absent":      {q{SOAPAction: cwmptest.SOAPActionAbsent, ContentType: "absent"}, nil, "SOAPAction|Content-Type"},
		"quirk 15 quotes":      {q{SOAPAction: cwmptest.SOAPActionQuotes, ContentType: "-"}, []string{"SOAPAction: \"\"\r\nContent-Type: \r\n"}, ""},
		"quirk 15 method":      {q{SOAPAction: cwmptest.SOAPActionMethod, ContentType: "text/plain"}, []string{"SOAPAction: cwmp:Inform\r\nContent-Type: text/plain\r\n"}, ""},
		"quirk 15 lower case":  {q{LowerCaseHeaders: true}, []string{"soapaction: \r\ncontent-type: .*\r\ncontent-length: "}, "SOAPAction"},
		"quirk 15 chunked":     {q{Chunked: true}, []string{"Transfer-Encoding: chunked\r\n\r\n3e8\r\n<soap", "\r\n0\r\n\r\n$"}, "Content-Length"},
		"quirk 15 gzip":        {q{Gzip: true}, []string{"Content-Encoding: gzip\r\n", "\r\n\r\n\x1f"}, "soap-env"},
		"quirk 15 expect":      {q{Expect: true}, []string{"Expect: 100-continue\r\n"}, ""},
		"quirk 16 prefix":      {q{Prefix: "SOAP-ENV"}, []string{`<SOAP-ENV:Envelope xmlns:SOAP-ENV=`, `</SOAP-ENV:Envelope>$`}, "soap-env"},
		"quirk 16 none":        {q{Prefix: "none"}, []string{`\r\n\r\n<Envelope xmlns:soap-env=`, `<soap-env:Body><cwmp:Inform>`, `</Envelope>$`}, "soap-env:Envelope"},
		"quirk 17 xsi":         {q{UndeclaredXSI: true}, []string{`xsi:type="xsd:string"`}, "xmlns:xsi"},
		"quirk 18 1999":        {q{OldSchema: true}, []string{`xmlns:xsd="http://www.w3.org/1999/XMLSchema" xmlns:xsi="http://www.w3.org/1999/XMLSchema-instance"`}, "2001"},
		"quirk 18 namespace":   {q{Namespace: "urn:dslforum-org:cwmp-1-4"}, []string{`xmlns:cwmp="urn:dslforum-org:cwmp-1-4"`}, ""},
		"quirk 18 headers":     {q{SessionTimeout: 60, SupportedVersions: "1.0,1.4"}, []string{`<cwmp:SessionTimeout>60</cwmp:SessionTimeout><cwmp:SupportedCWMPVersions>1.0,1.4</cwmp:SupportedCWMPVersions>`}, ""},
		"quirk 18 hold":        {q{HoldRequests: true, NoMoreRequests: true, MaxEnvelopes: 2}, []string{`<cwmp:HoldRequests soap-env:mustUnderstand="1">0</cwmp:HoldRequests><cwmp:NoMoreRequests>0</cwmp:NoMoreRequests>`, `<MaxEnvelopes>2<`}, ""},
		"quirk 19 all typed":   {q{TypeEverything: true}, []string{`<DeviceId xsi:type="cwmp:DeviceIdStruct"><Manufacturer xsi:type="xsd:string">`, `<RetryCount xsi:type="xsd:unsignedInt">`}, ""},
		"quirk 19 typed list":  {q{TypedList: true}, []string{`<ParameterList xsi:type="soap-enc:Array" soap-enc:arrayType=`}, ""},
		"quirk 19 lines":       {q{BrokenLines: true}, []string{`Envelope\n +xmlns:soap-env="[^"]+"\n +xmlns`}, ""},
		"quirk 19 self-closed": {q{CommandKey: cwmptest.CommandKeySelf}, []string{`</EventCode><CommandKey/></EventStruct>`}, ""},
		"quirk 19 absent":      {q{CommandKey: cwmptest.CommandKeyAbsent}, []string{`</EventCode></EventStruct>`}, "CommandKey"},
		"quirk 19 blank":       {q{CommandKey: cwmptest.CommandKeyBlank}, []string{`<CommandKey>  </CommandKey>`}, ""},
		"quirk 20 lie":         {q{ArrayType: "16"}, []string{`EventStruct\[16\]`, `ParameterValueStruct\[16\]`}, ""},
		"quirk 20 padded":      {q{ArrayType: "%02d"}, []string{`EventStruct\[02\]`, `ParameterValueStruct\[08\]`}, ""},
		"quirk 20 absent":      {q{ArrayType: "absent"}, []string{`<Event><EventStruct>`}, "arrayType"},
		"quirk 21 missing":     {q{ID: cwmptest.IDMissing}, nil, "Header|cwmp:ID"},
		"quirk 21 empty":       {q{ID: cwmptest.IDEmpty}, []string{`<cwmp:ID soap-env:mustUnderstand="1"></cwmp:ID>`}, ""},
		"quirk 21 constant":    {q{ID: cwmptest.IDConstant}, []string{`>1</cwmp:ID>`}, ""},
		"quirk 22 no zone":     {q{CurrentTime: cwmptest.TimeNoZone}, []string{`>2000-01-01T00:00:00<`}, ""},
		"quirk 22 offset":      {q{CurrentTime: cwmptest.TimeOffset}, []string{`>2000-01-01T00:00:00\+00:00<`}, ""},
		"quirk 22 millis":      {q{CurrentTime: cwmptest.TimeMillis}, []string{`>2000-01-01T00:00:00.000Z<`}, ""},
		"quirk 22 1970":        {q{CurrentTime: cwmptest.Time1970}, []string{`>1970-01-01T00:00:00Z<`}, ""},
		"quirk 22 unknown":     {q{CurrentTime: cwmptest.TimeUnknown}, []string{`>0001-01-01T00:00:00Z<`}, ""},
		"quirk 22 garbage":     {q{CurrentTime: cwmptest.TimeGarbage}, []string{`>Thu Jan  1 ::00 <`}, ""},
		"quirk 23 no path":     {q{URL: cwmptest.URLNoPath}, []string{`>http://10.0.0.1:7547</Value>`}, ""},
		"quirk 23 bare":        {q{URL: cwmptest.URLBare}, []string{`ConnectionRequestURL</Name><Value xsi:type="xsd:string">10.0.0.1</Value>`}, ""},
		"quirk 23 late":        {q{URL: cwmptest.URLLate}, []string{`ConnectionRequestURL</Name><Value xsi:type="xsd:string"></Value>`}, ""},
		"quirk 24":             {q{PasswordsInInform: true}, []string{`ManagementServer.ConnectionRequestPassword</Name><Value xsi:type="xsd:string">s3cret&amp;</Value>`}, ""},
		"quirk 31 reversed":    {q{ReverseEvents: true}, []string{`>1 BOOT<.*>0 BOOTSTRAP<`}, ""},
		"qualified":            {q{QualifiedChildren: true}, []string{`<cwmp:DeviceId><cwmp:Manufacturer>`}, ""},
		"blank values":         {q{BlankValues: true}, []string{`<Value xsi:type="xsd:string">\n +1.0\n +</Value>`}, ""},
		"no value":             {q{NoValueElement: true}, []string{`ProvisioningCode</Name></ParameterValueStruct>`}, ""},
		"declaration":          {q{Declaration: "<?xml version='1.0'?>"}, []string{`\r\n\r\n<\?xml version='1.0'\?><soap`}, ""},
		"latin 1":              {q{Latin1: true}, []string{`charset=ISO-8859-1`, `encoding="ISO-8859-1"\?><`, "caf\xe9 &#8364;<"}, ""},
		"broken UTF-8":         {q{BrokenUTF8: true}, []string{"caf\xe9 "}, ""},
		"control character":    {q{ControlCharacter: true}, []string{"Simulated CPE\x02<"}, ""},
		"bare ampersand":       {q{BareAmpersand: true, PasswordsInInform: true}, []string{"s3cret&<"}, ""},
		"trailing NUL":         {q{TrailingNUL: true}, []string{"Envelope>\x00$"}, ""},
		"leading blank":        {q{LeadingBlank: true}, []string{"\r\n\r\n\xef\xbb\xbf\r\n<soap"}, ""},
		"post to root":         {q{PostRoot: true}, []string{"^POST / HTTP"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cwmptest.Config{
				Quirks: c.q, ConnectionRequestPassword: "s3cret&",
				Parameters:       []cwmptest.Parameter{{Name: "InternetGatewayDevice.X_Note", Value: "café €"}},
				InformParameters: nil,
			}
			if c.q.Latin1 || c.q.BrokenUTF8 {
				cfg.InformParameters = []string{"InternetGatewayDevice.X_Note"}
			}
			run(t, cfg, func(b *bed) {
				b.after(0)
				got := b.posted("Inform")[0]
				for _, want := range c.want {
					if !regexp.MustCompile(bytesPattern(want)).MatchString(latin(got)) {
						t.Errorf("got %q, want %q in it", got, want)
					}
				}
				if c.not != "" && regexp.MustCompile(c.not).MatchString(got) {
					t.Errorf("got %q, want no %q in it", got, c.not)
				}
				if n := b.dev.Sessions().Ended; n != 1 && !c.q.Gzip {
					t.Errorf("ended sessions: got %d (%q), want 1", n, b.failures())
				}
			})
		})
	}
}

// latin and bytesPattern make every byte a character, so that patterns can hold bytes that are no UTF-8.
func latin(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
}

func bytesPattern(s string) string { return latin(s) }

func TestGzipInflates(t *testing.T) {
	run(t, cwmptest.Config{Quirks: cwmptest.Quirks{Gzip: true}}, func(b *bed) {
		b.after(0)
		_, body, _ := strings.Cut(b.posted("Inform")[0], "\r\n\r\n")
		z, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(z)
		if err != nil || !strings.Contains(string(got), "<cwmp:Inform>") {
			t.Errorf("got %q and %v, want an Inform", got, err)
		}
	})
}

// TestAnswerForms shows the quirks of answers (25 to 31) on the wire.
func TestAnswerForms(t *testing.T) {
	type q = cwmptest.Quirks
	set := func(name, typ, value string) cwmp.Message {
		return &cwmp.SetParameterValues{ParameterList: []cwmp.ParameterValue{{Name: name, Type: typ, Value: value}}}
	}
	get := func(names ...string) cwmp.Message { return &cwmp.GetParameterValues{ParameterNames: names} }
	const status = `<cwmp:SetParameterValuesResponse><Status>%</Status></cwmp:SetParameterValuesResponse>`
	for name, c := range map[string]struct {
		q      q
		ask    cwmp.Message
		method string
		want   string
		value  string // of the SSID afterwards
	}{
		"proper fault": {
			q{},
			set("Nope.X", "xsd:string", "1"), "Fault",
			`<soap-env:Fault><faultcode>Client</faultcode><faultstring>CWMP fault</faultstring><detail><cwmp:Fault><FaultCode>9003</FaultCode>` +
				`<FaultString>Invalid arguments</FaultString><SetParameterValuesFault><ParameterName>Nope.X</ParameterName><FaultCode>9005</FaultCode>` +
				`<FaultString>Invalid parameter name</FaultString></SetParameterValuesFault></cwmp:Fault></detail></soap-env:Fault>`, "Recado-24",
		},
		"quirk 17 undeclared": {q{UndeclaredFault: true}, set("Nope.X", "xsd:string", "1"), "Fault", `<soap:Fault>`, "Recado-24"},
		"quirk 25 in string":  {q{Fault: cwmptest.FaultInString}, get("Nope.X"), "Fault", `<faultstring>CWMP fault<detail><cwmp:Fault><FaultCode>9005</FaultCode>`, "Recado-24"},
		"quirk 25 empty":      {q{Fault: cwmptest.FaultEmptyString}, get("Nope.X"), "Fault", `<FaultString></FaultString></cwmp:Fault>`, "Recado-24"},
		"quirk 25 single": {
			q{Fault: cwmptest.FaultSingle},
			set(upTime, "xsd:unsignedInt", "1"), "Fault",
			`<cwmp:Fault><FaultCode>9008</FaultCode><FaultString>Invalid arguments</FaultString></cwmp:Fault>`, "Recado-24",
		},
		"no detail":              {q{Fault: cwmptest.FaultNoDetail}, get("Nope.X"), "Fault", `<faultstring>CWMP fault</faultstring></soap-env:Fault>`, "Recado-24"},
		"quirk 26 unknown set":   {q{UnknownNameOK: true}, set("Nope.X", "xsd:string", "1"), "SetParameterValuesResponse", strings.Replace(status, "%", "0", 1), "Recado-24"},
		"quirk 26 unknown get":   {q{UnknownNameOK: true}, get("Nope.X"), "GetParameterValuesResponse", `ParameterValueStruct[0]"></ParameterList>`, "Recado-24"},
		"quirk 26 unknown later": {q{UnknownNameLater: true}, set("Nope.X", "xsd:string", "1"), "SetParameterValuesResponse", strings.Replace(status, "%", "1", 1), "Recado-24"},
		"quirk 26 wrong value":   {q{WrongValueLater: true}, set(channel, "xsd:unsignedInt", "900"), "SetParameterValuesResponse", strings.Replace(status, "%", "1", 1), "Recado-24"},
		"quirk 26 read-only":     {q{ReadOnlyOK: true}, set(upTime, "xsd:unsignedInt", "1"), "SetParameterValuesResponse", strings.Replace(status, "%", "0", 1), "Recado-24"},
		"quirk 26 entities":      {q{KeepsEntities: true}, set(ssid, "xsd:string", "a&b"), "SetParameterValuesResponse", strings.Replace(status, "%", "0", 1), "a&amp;b"},
		"quirk 27":               {q{StatusOne: true}, set(ssid, "xsd:string", "new"), "SetParameterValuesResponse", strings.Replace(status, "%", "1", 1), "new"},
		"quirk 28":               {q{StatusMissing: true}, set(ssid, "xsd:string", "new"), "SetParameterValuesResponse", `<cwmp:SetParameterValuesResponse><ParameterList`, "new"},
		"quirk 29":               {q{RefusesQuotes: true}, set(ssid, "xsd:string", `a"b`), "Fault", `<FaultCode>9005</FaultCode>`, "Recado-24"},
		"quirk 19 status":        {q{TypedStatus: true}, set(ssid, "xsd:string", "new"), "SetParameterValuesResponse", `<Status xsi:type="xsd:int">0</Status>`, "new"},
		"cuts":                   {q{CutsAt: 3}, get("InternetGatewayDevice."), "GetParameterValuesResponse", `ParameterValueStruct[3]`, "Recado-24"},
		"secrets":                {q{ShowsSecrets: true}, get(pass), "GetParameterValuesResponse", `>initial-passphrase</Value>`, "Recado-24"},
		"echoed ID":              {q{}, get(ssid), "GetParameterValuesResponse", `>acs-1</cwmp:ID>`, "Recado-24"},
		"quirk 21 constant":      {q{ID: cwmptest.IDConstant}, get(ssid), "GetParameterValuesResponse", `>1</cwmp:ID>`, "Recado-24"},
		"unknown method":         {q{}, &cwmp.TransferComplete{FaultCode: "0"}, "Fault", `<FaultCode>9000</FaultCode>`, "Recado-24"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, cwmptest.Config{Quirks: c.q}, func(b *bed) {
				b.acs.push(c.ask)
				b.after(0)
				posted := b.posted(c.method)
				if len(posted) != 1 || !strings.Contains(posted[0], c.want) {
					t.Errorf("got %q (%q), want %q in one", posted, b.failures(), c.want)
				}
				if got := b.dev.Value(ssid); got != c.value {
					t.Errorf("SSID afterwards: got %q, want %q", got, c.value)
				}
			})
		})
	}
}

// TestAnswersWithTheFirstID shows the form of quirk 21 that takes two requests to be seen; the next session has a first ID of its own.
func TestAnswersWithTheFirstID(t *testing.T) {
	run(t, cwmptest.Config{Quirks: cwmptest.Quirks{ID: cwmptest.IDFirst}}, func(b *bed) {
		ask := &cwmp.GetParameterValues{ParameterNames: []string{ssid}}
		b.acs.push(ask, ask)
		b.after(0)
		b.acs.push(ask, ask)
		b.dev.Trigger()
		b.after(0)
		for i, posted := range b.posted("GetParameterValuesResponse") {
			if want := []string{">acs-1<", ">acs-1<", ">acs-3<", ">acs-3<"}[i]; !strings.Contains(posted, want+"/cwmp:ID>") {
				t.Errorf("answer %d: got %q, want the ID %s", i+1, posted, want)
			}
		}
		if n := len(b.posted("GetParameterValuesResponse")); n != 4 {
			t.Errorf("got %d answers (%q), want 4", n, b.failures())
		}
	})
}

func TestShufflesValues(t *testing.T) { // quirk 30
	order := func(q cwmptest.Quirks) (names []string) {
		run(t, cwmptest.Config{Quirks: q}, func(b *bed) {
			b.acs.push(&cwmp.GetParameterValues{ParameterNames: []string{"InternetGatewayDevice.LANDevice."}})
			b.after(0)
			for _, p := range b.acs.answers()[0].(*cwmp.GetParameterValuesResponse).ParameterList {
				names = append(names, p.Name)
			}
		})
		return names
	}
	plain, shuffled := order(cwmptest.Quirks{}), order(cwmptest.Quirks{Shuffles: true})
	if slices.Equal(plain, shuffled) {
		t.Error("shuffled: got the model's order")
	}
	slices.Sort(plain)
	slices.Sort(shuffled)
	if !slices.Equal(plain, shuffled) {
		t.Errorf("shuffled: got %d names, want the same %d", len(shuffled), len(plain))
	}
}

func TestMRebootForms(t *testing.T) { // quirks 31 and 32
	type q = cwmptest.Quirks
	for want, quirks := range map[string]q{
		"1 BOOT, M Reboot(k)": {},
		"M Reboot(k), 1 BOOT": {ReverseEvents: true},
		"1 BOOT":              {MReboot: cwmptest.MRebootMissing},
		"1 BOOT, M Reboot":    {MReboot: cwmptest.MRebootEmptyKey},
		"2 PERIODIC":          {NoBootEvents: true},
		"0 BOOTSTRAP":         {BootstrapOnBoot: true},
	} {
		run(t, cwmptest.Config{KnownToACS: true, Quirks: quirks, BootDelay: time.Minute}, func(b *bed) {
			b.acs.push(&cwmp.Reboot{CommandKey: "k"})
			b.after(2 * time.Minute)
			informs := b.acs.informs()
			if got := codes(informs[len(informs)-1].Events); len(informs) != 2 || got != want {
				t.Errorf("after the boot: got %q in %d Informs, want %q in 2", got, len(informs), want)
			}
			if got := b.dev.Value(upTime); got != "60" {
				t.Errorf("up-time: got %s, want 60", got)
			}
		})
	}
}

package app_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"recado/cwmp"
)

// messageAttacks are messages that no device should send, by one whose credentials are right.
func (a *siege) messageAttacks() map[string]func(*testing.T) {
	id := a.deviceWith(a.t, "messages", secretRogue)
	good := informOf(id, "2 PERIODIC", "", "")
	in := func(params string) string { return informOf(id, "2 PERIODIC", "", params) }
	type attack struct {
		body   string
		header []string
		want   int
	}
	table := map[string]attack{
		"malformed":             {strings.Replace(good, "</OUI>", "</IUO>", 1), nil, 400},
		"truncated":             {good[:len(good)/2], nil, 400},
		"no XML":                {"Inform \x00\xff{{{ not XML", nil, 400},
		"no Envelope":           {"<Inform/>", nil, 400},
		"20 MB":                 {in(parameter("Device.X", repeat("A", 20<<20))), nil, 413},
		"text of 2 MB":          {in(parameter("Device.X", repeat("A", 2<<20))), nil, 413},
		"gzip bomb":             {zipped(good + repeat(" ", 32<<20)), []string{"Content-Encoding", "gzip"}, 413},
		"gzip broken":           {zipped(good)[:60], []string{"Content-Encoding", "gzip"}, 400},
		"gzip that is none":     {good, []string{"Content-Encoding", "gzip"}, 400},
		"unknown encoding":      {good, []string{"Content-Encoding", "br"}, 415},
		"stacked encodings":     {zipped(zipped(good)), []string{"Content-Encoding", "gzip, gzip"}, 415},
		"encodings in two":      {zipped(zipped(good)), []string{"Content-Encoding", "gzip", "Content-Encoding", "gzip"}, 415},
		"DOCTYPE":               {`<!DOCTYPE x SYSTEM "file:///etc/passwd">` + good, nil, 400},
		"external entity":       {`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + in(parameter("Device.X", "&e;")), nil, 400},
		"entity bomb":           {laughs + in(parameter("Device.X", "&l9;")), nil, 400},
		"depth 10,000":          {in(repeat("<a>", 10_000) + repeat("</a>", 10_000)), nil, 413},
		"depth without ends":    {good[:strings.Index(good, "<Event")] + repeat("<a>", 1_000_000), nil, 413},
		"a million attributes":  {in("<a" + attributes(1_000_000) + "/>"), nil, 413},
		"attributes everywhere": {in(repeat("<a"+attributes(60)+"/>", 14_000)), nil, 413},
		"a million elements":    {in(repeat("<a/>", 1_000_000)), nil, 413},
		"a million comments":    {in(repeat("<!---->", 1_000_000)), nil, 413},
		"long name":             {in("<" + repeat("n", 100_000) + "/>"), nil, 413},
		"UTF-16":                {inUTF16(good), nil, 400},
		"wrong charset":         {`<?xml version="1.0" encoding="EBCDIC-CP-US"?>` + good, nil, 400},
		"endless declaration":   {`<?xml version="1.0" ` + repeat(" ", 100_000) + good, nil, 400},
	}
	attacks := map[string]func(*testing.T){}
	attacks["refused"] = func(t *testing.T) { // one attack, so that normal service is waited for once
		r := a.newRogue(t, "127.0.1.1", "user-messages", secretRogue)
		for name, x := range table {
			t.Run(name, func(t *testing.T) {
				r.t = t
				if got := r.login(x.body, x.header...); got.status != x.want {
					t.Errorf("got %d %.100s, want %d", got.status, got.body, x.want)
				}
			})
		}
		r.t = t
		if got := r.login(good); got.method() != "InformResponse" {
			t.Errorf("a good Inform after all: got %d %.200s, want InformResponse", got.status, got.body)
		}
	}
	attacks["by strangers"] = func(t *testing.T) {
		r := a.newRogue(t, "127.0.1.2", "", "")
		for name, x := range table {
			r.t = t
			got := r.post(x.body, x.header...)
			if got.status != x.want && got.status != http.StatusUnauthorized && got.status != http.StatusBadRequest || got.header.Get("Set-Cookie") != "" {
				t.Errorf("%s without credentials: got %d, want %d or, unread, 401 or 400", name, got.status, x.want)
			}
		}
	}
	attacks["oddities that are read"] = func(t *testing.T) { a.oddities(t, id) }
	attacks["many at once"] = func(t *testing.T) { a.bombs(t, id) }
	attacks["unknown requests"] = func(t *testing.T) { a.unknownRequests(t, id, good) }
	return attacks
}

// oddities are refused by faults, or read and bounded.
func (a *siege) oddities(t *testing.T, id cwmp.DeviceID) {
	r := a.newRogue(t, "127.0.1.3", "user-messages", secretRogue)
	noSerial := id
	noSerial.SerialNumber = " "
	if got := r.login(informOf(noSerial, "2 PERIODIC", "", "")); got.status != 200 || got.fault() != cwmp.FaultACSInvalidArguments {
		t.Errorf("empty serial number: got %d %.200s, want fault 8003", got.status, got.body)
	}
	noOUI := id
	noOUI.OUI = ""
	if got := r.login(informOf(noOUI, "2 PERIODIC", "", "")); got.status != 200 || got.fault() != cwmp.FaultACSInvalidArguments {
		t.Errorf("empty OUI: got %d %.200s, want fault 8003", got.status, got.body)
	}
	versions := strings.Replace(informOf(id, "2 PERIODIC", "", ""), "</soap:Header>", "<cwmp:SupportedCWMPVersions>9.9</cwmp:SupportedCWMPVersions></soap:Header>", 1)
	if got := r.login(versions); got.status != 200 || got.fault() != cwmp.FaultACSVersionIncompatible {
		t.Errorf("no common version: got %d %.200s, want fault 8006", got.status, got.body)
	}
	for _, count := range []string{"4294967295", "-1", "99999999999999999999", "NaN", "1,1,1"} {
		body := strings.ReplaceAll(informOf(id, "2 PERIODIC", "", parameter("Device.X", "1")), "Struct[1]", "Struct["+count+"]")
		if got := r.login(body); got.method() != "InformResponse" {
			t.Errorf("arrayType count %s: got %d %.200s, want InformResponse", count, got.status, got.body)
		}
	}
	huge := strings.Replace(informOf(id, "2 PERIODIC", "", ""), "<RetryCount>0<", "<RetryCount>"+repeat("9", 400)+"<", 1)
	huge = strings.Replace(huge, "<MaxEnvelopes>1<", "<MaxEnvelopes>"+repeat("9", 400)+"<", 1)
	if got := r.login(huge); got.method() != "InformResponse" {
		t.Errorf("huge numbers: got %d %.200s, want InformResponse", got.status, got.body)
	}
}

// bombs sends the largest messages that are let in, all at once.
func (a *siege) bombs(t *testing.T, id cwmp.DeviceID) {
	body := informOf(id, "2 PERIODIC", "", repeat("<ParameterValueStruct><Name>a</Name></ParameterValueStruct>", 130_000))
	done := make(chan said, 8)
	for i := range cap(done) {
		r := a.newRogue(t, fmt.Sprintf("127.0.1.%d", 100+i), "user-messages", secretRogue)
		go func() { done <- r.login(body) }()
	}
	for range cap(done) {
		if got := <-done; got.status != 200 && got.status != 503 || got.status == 503 && got.header.Get("Retry-After") == "" {
			t.Errorf("8 MB of small elements: got %d, want 200, or 503 with Retry-After", got.status)
		}
	}
}

func (a *siege) unknownRequests(t *testing.T, id cwmp.DeviceID, good string) {
	unknown := envelope(`<cwmp:X_Evil_Execute><Command>reboot</Command></cwmp:X_Evil_Execute>`)
	r := a.newRogue(t, "127.0.1.4", "user-messages", secretRogue)
	for name, message := range map[string]string{
		"unknown": unknown, "Reboot": envelope(`<cwmp:Reboot><CommandKey>x</CommandKey></cwmp:Reboot>`), "fault": envelope(`<soap:Fault/>`),
		"GetRPCMethods": envelope(`<cwmp:GetRPCMethods/>`), "named as one": envelope(`<cwmp:InformX/>`),
	} {
		if got := r.login(message); got.status != http.StatusBadRequest {
			t.Errorf("%s without a session: got %d %.200s, want 400", name, got.status, got.body)
		}
	}
	if got := r.login(good); got.method() != "InformResponse" {
		t.Fatalf("Inform: got %d %.200s, want InformResponse", got.status, got.body)
	}
	for _, method := range []string{"X_Evil_Execute", "Reboot", "SetParameterValues", "Download", "Kicked", "RequestDownload"} {
		if got := r.post(envelope("<cwmp:" + method + "/>")); got.status != 200 || got.fault() != cwmp.FaultACSMethodNotSupported {
			t.Errorf("%s in a session: got %d %.200s, want fault 8000", method, got.status, got.body)
		}
	}
	if got := r.post(""); got.status != http.StatusNoContent {
		t.Errorf("the session after them: got %d %.200s, want 204", got.status, got.body)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions, "TRACE", "BREW"} {
		if got := r.send(method, good); got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != http.MethodPost {
			t.Errorf("%s: got %d, Allow %q, want 405 with POST", method, got.status, got.header.Get("Allow"))
		}
	}
	began := time.Now()
	if got := r.post("<soap:Envelope", "Authorization", "Digest "+repeat("a=b, ", 10_000)); got.status != http.StatusBadRequest || time.Since(began) > 5*time.Second {
		t.Errorf("endless Authorization: got %d after %v, want 400 soon", got.status, time.Since(began))
	}
}

const laughs = `<!DOCTYPE l [<!ENTITY l0 "ha"><!ENTITY l1 "&l0;&l0;&l0;&l0;&l0;&l0;&l0;&l0;&l0;&l0;">` +
	`<!ENTITY l2 "&l1;&l1;&l1;&l1;&l1;&l1;&l1;&l1;&l1;&l1;"><!ENTITY l9 "&l2;&l2;&l2;&l2;&l2;&l2;&l2;&l2;&l2;&l2;">]>`

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%x=""`, i)
	}
	return b.String()
}

func zipped(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s)) // into memory
	_ = w.Close()
	return b.String()
}

func inUTF16(s string) string {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

package cwmp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"recado/cwmp"
)

const (
	head = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:c="urn:dslforum-org:cwmp-1-0"><s:Body><c:Inform>`
	tail = `</c:Inform></s:Body></s:Envelope>`
)

func utf16Of(order binary.AppendByteOrder, mark bool, s string) []byte {
	var out []byte
	if mark {
		out = order.AppendUint16(out, 0xFEFF)
	}
	for _, u := range utf16.Encode([]rune(s)) {
		out = order.AppendUint16(out, u)
	}
	return out
}

// TestDecodeRefuses has what nobody may send. Each costs little memory and time to refuse.
func TestDecodeRefuses(t *testing.T) {
	const MiB = 1 << 20
	rep := strings.Repeat
	var attributes strings.Builder
	for i := range 1_000_000 {
		fmt.Fprintf(&attributes, ` a%x=""`, i)
	}
	for _, c := range []struct {
		name string
		body string
		want error
	}{
		{"20 MiB", head + rep("x", 20*MiB) + tail, cwmp.ErrTooLarge},
		{"one byte too many", rep(" ", 8*MiB-len(head)-len(tail)+1) + head + tail, cwmp.ErrTooLarge},
		{"nested 65 deep", head + rep("<a>", 62) + rep("</a>", 62) + tail, cwmp.ErrTooLarge},
		{"nested two million deep", rep("<a>", 2_000_000), cwmp.ErrTooLarge},
		{"400,001 elements", head + rep("<a/>", 400_001-3) + tail, cwmp.ErrTooLarge},
		{"a million comments", head + rep("<!---->", 1_000_000) + tail, cwmp.ErrTooLarge},
		{"a million instructions", head + rep("<?a?>", 1_000_000) + tail, cwmp.ErrTooLarge},
		{"half a million CDATA sections", head + rep("<![CDATA[]]>", 500_000) + tail, cwmp.ErrTooLarge},
		{"a million attributes", "<a" + attributes.String()[:8*MiB-10] + "/>", cwmp.ErrTooLarge},
		{"65 attributes", head + "<a" + attributes.String()[:64*7+40] + "/>" + tail, cwmp.ErrTooLarge},
		{"a million attributes in all", head + rep(`<a a="" b="" c="" d=""/>`, 250_000) + tail, cwmp.ErrTooLarge},
		{"name of a megabyte", head + "<" + rep("n", MiB) + "/>" + tail, cwmp.ErrTooLarge},
		{"attribute name of a megabyte", head + "<a " + rep("n", MiB) + `="1"/>` + tail, cwmp.ErrTooLarge},
		{"attribute value of two megabytes", head + `<a b="` + rep("n", 2*MiB) + `"/>` + tail, cwmp.ErrTooLarge},
		{"text of two megabytes", head + "<a>" + rep("n", 2*MiB) + "</a>" + tail, cwmp.ErrTooLarge},
		{"CDATA of two megabytes", head + "<a><![CDATA[" + rep("n", 2*MiB) + "]]></a>" + tail, cwmp.ErrTooLarge},
		{"a million mistakes", head + "<a>" + rep("& ", MiB/2) + "</a>" + tail, cwmp.ErrMalformed},
		{"a million double attributes", head + rep(`<a b="" b="" b="" b="" b=""/>`, 100_000) + tail, cwmp.ErrMalformed},
		{"entity bomb", `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>` + head + "<a>&b;</a>" + tail, cwmp.ErrForbidden},
		{"external entity", `<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd">` + head + tail, cwmp.ErrForbidden},
		{"doctype in lower case", `<!doctype x>` + head + tail, cwmp.ErrForbidden},
		{"entity inside the body", head + `<!ENTITY a "b">` + tail, cwmp.ErrForbidden},
		{"UTF-16 with mark, big end first", string(utf16Of(binary.BigEndian, true, head+tail)), cwmp.ErrMalformed},
		{"UTF-16 with mark, little end first", string(utf16Of(binary.LittleEndian, true, head+tail)), cwmp.ErrMalformed},
		{"UTF-16 without mark, big end first", string(utf16Of(binary.BigEndian, false, head+tail)), cwmp.ErrMalformed},
		{"UTF-16 without mark, little end first", string(utf16Of(binary.LittleEndian, false, head+tail)), cwmp.ErrMalformed},
		{"UTF-16 by declaration", `<?xml version="1.0" encoding="UTF-16"?>` + head + tail, cwmp.ErrMalformed},
		{"unknown encoding", `<?xml version="1.0" encoding='EBCDIC-SECRET'?>` + head + tail, cwmp.ErrMalformed},
		{"declaration without end", `<?xml version="1.0" ` + head, cwmp.ErrMalformed},
		{"empty", "", cwmp.ErrMalformed},
		{"white space", " \r\n", cwmp.ErrMalformed},
		{"no XML", "SECRET", cwmp.ErrMalformed},
		{"JSON", `{"a": "<b>"}`, cwmp.ErrMalformed},
		{"HTML", "<html><body>SECRET</body></html>", cwmp.ErrMalformed},
		{"text before the envelope", "SECRET" + head + tail, cwmp.ErrMalformed},
		{"CDATA before the envelope", "<![CDATA[SECRET]]>" + head + tail, cwmp.ErrMalformed},
		{"envelope without body", `<Envelope><Header/></Envelope>`, cwmp.ErrMalformed},
		{"envelope closed at once", `<Envelope/>`, cwmp.ErrMalformed},
		{"cut in a tag", head + "<a SECRET", cwmp.ErrMalformed},
		{"cut in a start tag's end", head + "<a /", cwmp.ErrMalformed},
		{"cut in an end tag", head + "</c:Inform", cwmp.ErrMalformed},
		{"cut behind a <", head + "<", cwmp.ErrMalformed},
		{"cut in a text", head + "<a>SECRET", cwmp.ErrMalformed},
		{"cut in a value", head + `<a b="SECRET`, cwmp.ErrMalformed},
		{"comment without end", head + "<!-- SECRET", cwmp.ErrMalformed},
		{"comment of a few bytes", head + "<!-->", cwmp.ErrMalformed},
		{"instruction without end", head + "<?SECRET", cwmp.ErrMalformed},
		{"instruction without name", head + "<? SECRET?>" + tail, cwmp.ErrMalformed},
		{"CDATA without end", head + "<![CDATA[SECRET", cwmp.ErrMalformed},
		{"attribute without value", head + "<a SECRET/>" + tail, cwmp.ErrMalformed},
		{"attribute without quotes", head + "<a b=SECRET/>" + tail, cwmp.ErrMalformed},
		{"attribute without name", head + `<a ="SECRET"/>` + tail, cwmp.ErrMalformed},
		{"slash in a tag", head + "<a / b='SECRET'>" + tail, cwmp.ErrMalformed},
		{"bare <", head + "<a>1 < 2 SECRET</a>" + tail, cwmp.ErrMalformed},
		{"end tag of another", head + "<a></SECRET>" + tail, cwmp.ErrMalformed},
		{"end tag too many", "</SECRET>" + head + tail, cwmp.ErrMalformed},
		{"end tag with attribute", head + `<a></a b="SECRET">` + tail, cwmp.ErrMalformed},
		{"name that is none", head + "<1a>SECRET</1a>" + tail, cwmp.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			e, err := cwmp.Decode(body, cwmp.DefaultLimits)
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, %v, want %v", e, err, c.want)
			}
			if strings.Contains(err.Error(), "SECRET") || len(err.Error()) > 200 {
				t.Errorf("the error quotes the message: %v", err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 8*MiB {
				t.Errorf("memory: got %d KiB, want less than 8 MiB", used>>10)
			}
			if took > 5*time.Second {
				t.Errorf("time: got %v, want a fraction of a second", took)
			}
		})
	}
}

// TestDecodeLargest reads what just fits the limits, and does so in bounded memory.
func TestDecodeLargest(t *testing.T) {
	var attributes strings.Builder
	for i := range 64 {
		fmt.Fprintf(&attributes, ` a%d=""`, i)
	}
	for _, c := range []struct {
		name string
		body string
	}{
		{"399,997 elements", head + strings.Repeat("<a/>\n", 399_997) + tail},
		{"64 deep", head + strings.Repeat("<a>", 61) + strings.Repeat("</a>", 61) + tail},
		{"64 attributes", head + "<a" + attributes.String() + "/>" + tail},
		{"799,998 attributes", head + strings.Repeat(`<a a="" b="" c="" d="" e=""/>`, 159_999) + tail},
		{"a text of a megabyte", head + "<a>" + strings.Repeat("\t", 1<<20) + "</a>" + tail},
		{"eight megabytes", head + strings.Repeat("<a>"+strings.Repeat("n", 1<<20-100)+"</a>", 8) + tail},
		{"ten thousand mistakes", head + "<a>" + strings.Repeat("& ", 10_000) + "</a>" + tail},
		{"a million bytes of Latin-1", head + "<a>" + strings.Repeat("\xe9", 1<<19) + "</a>" + tail},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := []byte(c.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			e, err := cwmp.Decode(body, cwmp.DefaultLimits)
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if got := e.Message.Method(); got != "Inform" {
				t.Errorf("method: got %q, want Inform", got)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 320<<20 {
				t.Errorf("memory: got %d MiB, want less than 320 MiB", used>>20)
			}
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	body := []byte(head + `<a b="1" c="22"><abc>text</abc></a>` + tail)
	if _, err := cwmp.Decode(body, cwmp.Limits{}); err != nil {
		t.Errorf("no limits: got %v, want those of DefaultLimits", err)
	}
	exact := cwmp.Limits{
		Bytes: int64(len(body)), Depth: 5, Elements: 5, Attributes: 2,
		NameLength: len("s:Envelope"), TextLength: len("http://schemas.xmlsoap.org/soap/envelope/"),
	}
	if _, err := cwmp.Decode(body, exact); err != nil {
		t.Errorf("exact limits: got %v, want no error", err)
	}
	for name, less := range map[string]func(*cwmp.Limits){
		"Bytes":      func(l *cwmp.Limits) { l.Bytes-- },
		"Depth":      func(l *cwmp.Limits) { l.Depth-- },
		"Elements":   func(l *cwmp.Limits) { l.Elements-- },
		"Attributes": func(l *cwmp.Limits) { l.Attributes-- },
		"NameLength": func(l *cwmp.Limits) { l.NameLength-- },
		"TextLength": func(l *cwmp.Limits) { l.TextLength-- },
	} {
		l := exact
		less(&l)
		if _, err := cwmp.Decode(body, l); !errors.Is(err, cwmp.ErrTooLarge) {
			t.Errorf("%s one less: got %v, want %v", name, err, cwmp.ErrTooLarge)
		}
	}
}

// TestDecodePosition holds the positions in errors to the bytes of the message as they were sent.
func TestDecodePosition(t *testing.T) {
	for _, front := range []string{"", "\r\n\r\n", "\xef\xbb\xbf", `<?xml version="1.0"?>`, "\n<?xml version=\"1.0\" encoding=\"latin1\"?>\n"} {
		body := []byte(front + head + "<a></b>" + tail)
		_, err := cwmp.Decode(body, cwmp.DefaultLimits)
		want := fmt.Sprintf("at byte %d", bytes.Index(body, []byte("</b>")))
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: got %v, want it to end in %q", front, err, want)
		}
	}
}

func TestDecodeKeepsBody(t *testing.T) {
	body := []byte(head + "<DeviceId><OUI>a & \x02\xe9</OUI></DeviceId>" + tail)
	before := bytes.Clone(body)
	e, err := cwmp.Decode(body, cwmp.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Message.(*cwmp.Inform).DeviceID.OUI; got != "a & é" {
		t.Errorf("OUI: got %q, want %q", got, "a & é")
	}
	if !bytes.Equal(body, before) {
		t.Error("Decode changed the caller's bytes")
	}
}

func TestIsEmpty(t *testing.T) {
	for body, want := range map[string]bool{
		"": true, " \r\n\t": true, "\x00": true, "\r\n\x00\x00": true, "\xef\xbb\xbf\n": true, "a": false, " <a/>": false, "\x01": false,
	} {
		if got := cwmp.IsEmpty([]byte(body)); got != want {
			t.Errorf("%q: got %t, want %t", body, got, want)
		}
	}
}

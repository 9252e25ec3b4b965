package app_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/cwmp"
)

// rogue speaks to the CWMP listener without any manners, from an address of its own.
type rogue struct {
	t              *testing.T
	a              *siege
	user, password string
	http           *http.Client
	cookie         string
	nonce          string
	nc             int
	authorization  string // the last one sent
	deaf           bool   // what it is told is not searched for secrets
}

// said is what the ACS said to one POST.
type said struct {
	status int
	header http.Header
	body   string
}

// fault is the code of the CWMP fault in the answer, 0 where there is none.
func (s said) fault() int {
	e, err := cwmp.Decode([]byte(s.body), cwmp.DefaultLimits)
	if err != nil {
		return 0
	}
	if f, ok := e.Message.(*cwmp.Fault); ok {
		return f.FaultCode
	}
	return 0
}

// method is the name of the message in the answer, "" for an empty one.
func (s said) method() string {
	e, err := cwmp.Decode([]byte(s.body), cwmp.DefaultLimits)
	if err != nil || e.Message == nil {
		return ""
	}
	return e.Message.Method()
}

func (a *siege) newRogue(t *testing.T, source, user, password string) *rogue {
	tr := &http.Transport{
		DialContext:        (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}).DialContext,
		DisableCompression: true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &rogue{t: t, a: a, user: user, password: password, http: &http.Client{Transport: tr, Timeout: 60 * time.Second}}
}

// post sends one POST without credentials. Headers come in pairs.
func (r *rogue) post(body string, header ...string) said {
	r.t.Helper()
	return r.send(http.MethodPost, body, header...)
}

// quietly is post where a secret is handed over rightly.
func (r *rogue) quietly(body string) said {
	r.t.Helper()
	r.deaf = true
	defer func() { r.deaf = false }()
	return r.post(body)
}

func (r *rogue) send(method, body string, header ...string) said {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.a.s.CWMPURL, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	if r.cookie != "" {
		req.Header.Set("Cookie", r.cookie)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := r.http.Do(req)
	if err != nil {
		r.t.Fatalf("%s of %d bytes: %v", method, len(body), err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if !r.deaf {
		r.a.hear(text)
	}
	if c := res.Header.Get("Set-Cookie"); c != "" {
		r.cookie, _, _ = strings.Cut(c, ";")
	}
	return said{res.StatusCode, res.Header, string(text)}
}

// login sends a POST with digest credentials; the challenge is drawn first where none is known.
func (r *rogue) login(body string, header ...string) said {
	r.t.Helper()
	for try := 0; ; try++ {
		if r.nonce == "" {
			got := r.post(knock)
			if got.status != http.StatusUnauthorized {
				r.t.Fatalf("without credentials: got %d, want 401", got.status)
			}
			r.challenged(got)
		}
		r.authorization = r.answer()
		got := r.post(body, append(header, "Authorization", r.authorization)...)
		if got.status != http.StatusUnauthorized || try > 0 || !strings.Contains(got.header.Get("WWW-Authenticate"), "stale=true") {
			return got
		}
		r.challenged(got)
	}
}

var noncePattern = regexp.MustCompile(`nonce="([^"]+)"`)

func (r *rogue) challenged(s said) {
	r.t.Helper()
	m := noncePattern.FindStringSubmatch(s.header.Get("WWW-Authenticate"))
	if m == nil {
		r.t.Fatalf("challenge has no nonce: %v", s.header)
	}
	r.nonce, r.nc = m[1], 0
}

// answer makes an Authorization header (RFC 7616).
func (r *rogue) answer() string {
	r.nc++
	sum := func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) }
	nc := fmt.Sprintf("%08x", r.nc)
	response := sum(sum(r.user+":cwmp:"+r.password) + ":" + r.nonce + ":" + nc + ":cafe:auth:" + sum("POST:/"))
	return fmt.Sprintf(`Digest username="%s", realm="cwmp", nonce="%s", uri="/", qop=auth, nc=%s, cnonce="cafe", response="%s", algorithm=MD5`,
		strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(r.user), r.nonce, nc, response)
}

const envelopeHead = `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/" ` +
	`xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="urn:dslforum-org:cwmp-1-0">` +
	`<soap:Header><cwmp:ID soap:mustUnderstand="1">7</cwmp:ID></soap:Header><soap:Body>`

// envelope puts a message into an envelope.
func envelope(message string) string { return envelopeHead + message + `</soap:Body></soap:Envelope>` }

// knock is an Inform that nobody should take without credentials.
var knock = informOf(cwmp.DeviceID{OUI: "00259E", SerialNumber: "knock"}, "2 PERIODIC", "", "")

// informOf writes an Inform; what it is given goes in as it is. params are whole ParameterValueStructs.
func informOf(id cwmp.DeviceID, event, key, params string) string {
	return envelope(`<cwmp:Inform><DeviceId><Manufacturer>` + id.Manufacturer + `</Manufacturer><OUI>` + id.OUI + `</OUI><ProductClass>` +
		id.ProductClass + `</ProductClass><SerialNumber>` + id.SerialNumber + `</SerialNumber></DeviceId>` +
		`<Event soap-enc:arrayType="cwmp:EventStruct[1]"><EventStruct><EventCode>` + event + `</EventCode><CommandKey>` + key +
		`</CommandKey></EventStruct></Event><MaxEnvelopes>1</MaxEnvelopes><CurrentTime>2026-11-25T10:00:00Z</CurrentTime>` +
		`<RetryCount>0</RetryCount><ParameterList soap-enc:arrayType="cwmp:ParameterValueStruct[1]">` + params + `</ParameterList></cwmp:Inform>`)
}

func parameter(name, value string) string {
	return `<ParameterValueStruct><Name>` + name + `</Name><Value xsi:type="xsd:string">` + value + `</Value></ParameterValueStruct>`
}

const rebootResponse = `<cwmp:RebootResponse></cwmp:RebootResponse>`

// deviceWith registers a device with a credential of its own and returns its identity.
func (a *siege) deviceWith(t *testing.T, serial, password string) cwmp.DeviceID {
	t.Helper()
	id := cwmp.DeviceID{Manufacturer: "Made", OUI: "00259E", ProductClass: "R", SerialNumber: serial}
	put := wire.DevicePut{RouterID: &serial, CWMPAuth: &wire.Credential{Username: "user-" + serial, Password: password}}
	if code := a.s.call(http.MethodPut, "/api/v1/devices/"+id.Key(), a.rogue.Token, put, nil); code != http.StatusCreated {
		t.Fatalf("put device %s: got %d, want 201", serial, code)
	}
	return id
}

// reboot asks for a reboot of a device by its router_id.
func (a *siege) reboot(t *testing.T, routerID string) string {
	t.Helper()
	return a.accept(t, "/api/v1/devices/reboot", a.rogue.Token, `{"router_id":"`+routerID+`"}`)
}

// commandKey is the protocolo as CWMP has it.
func commandKey(protocolo string) string { return strings.ReplaceAll(protocolo, "-", "") }

func repeat(s string, n int) string { return string(bytes.Repeat([]byte(s), n)) }

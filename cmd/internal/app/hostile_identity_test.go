package app_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"recado/acs/wire"
	"recado/cwmp"
)

// identityAttacks come from a device that speaks for another one.
func (a *siege) identityAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"another's DeviceId":   a.foreignDeviceID,
		"forged M Reboot":      a.forgedReboot,
		"answers to nothing":   a.answersToNothing,
		"control characters":   a.controlCharacters,
		"pipelined turns":      a.pipelined,
		"oversized identities": a.oversizedIdentities,
	}
}

// record is what the API shows of a device.
func (a *siege) record(t *testing.T, id string) string {
	t.Helper()
	var d wire.Device
	if code := a.s.call(http.MethodGet, "/api/v1/devices/"+url.PathEscape(id), a.rogue.Token, nil, &d); code != http.StatusOK {
		t.Fatalf("device %s: got %d, want 200", id, code)
	}
	d.Online = wire.Online{} // tells of time
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (a *siege) foreignDeviceID(t *testing.T) {
	b := a.deviceWith(t, "victim-1", secretVictim)
	a.deviceWith(t, "mallory-1", secretRogue)
	victim := a.newRogue(t, "127.0.2.1", "user-victim-1", secretVictim)
	if got := victim.login(informOf(b, "1 BOOT", "", parameter("InternetGatewayDevice.DeviceInfo.SoftwareVersion", "1.0"))); got.method() != "InformResponse" {
		t.Fatalf("the victim's own Inform: got %d %.200s", got.status, got.body)
	}
	victim.post("")
	p := a.reboot(t, "victim-1")
	before := a.record(t, b.Key())

	credentials := map[string]*rogue{
		"another device's": a.newRogue(t, "127.0.2.2", "user-mallory-1", secretRogue),
		"the fleet's":      a.newRogue(t, "127.0.2.3", "fleet", secretCPE),
	}
	for whose, r := range credentials {
		got := r.login(informOf(b, "6 CONNECTION REQUEST", "", parameter("InternetGatewayDevice.DeviceInfo.SoftwareVersion", "evil")))
		if got.status != 200 || got.fault() != cwmp.FaultACSRequestDenied || got.header.Get("Set-Cookie") != "" {
			t.Errorf("Inform with %s credential: got %d %.200s, want fault 8001 and no cookie", whose, got.status, got.body)
		}
		if got := r.post(""); got.status != http.StatusUnauthorized {
			t.Errorf("empty POST behind it, with %s credential: got %d %.200s, want 401", whose, got.status, got.body)
		}
		if got := r.login(""); got.status != http.StatusNoContent {
			t.Errorf("empty POST with %s credential: got %d %.200s, want 204", whose, got.status, got.body)
		}
	}
	// A second Inform within a session of one's own.
	r := credentials["another device's"]
	own := b
	own.SerialNumber = "mallory-1"
	if got := r.login(informOf(own, "2 PERIODIC", "", "")); got.method() != "InformResponse" {
		t.Fatalf("mallory's own Inform: got %d %.200s", got.status, got.body)
	}
	if got := r.login(informOf(b, "2 PERIODIC", "", "")); got.fault() != cwmp.FaultACSRequestDenied {
		t.Errorf("second Inform for another device: got %d %.200s, want fault 8001", got.status, got.body)
	}
	if got := r.post(""); got.method() == "Reboot" {
		t.Error("mallory was handed the victim's reboot")
	}
	if after := a.record(t, b.Key()); after != before {
		t.Errorf("the victim's record: got %s, want it as before: %s", after, before)
	}
	if got := a.protocol(t, p); got.Stage != "queued" || got.SentAt != nil {
		t.Errorf("the victim's reboot: got %s, sent at %v, want queued", got.Stage, got.SentAt)
	}
	a.waiting = p
}

func (a *siege) forgedReboot(t *testing.T) {
	b := a.deviceWith(t, "victim-2", secretVictim)
	own := a.deviceWith(t, "mallory-2", secretRogue)
	victim := a.newRogue(t, "127.0.2.4", "user-victim-2", secretVictim)
	p := a.reboot(t, "victim-2")
	victim.login(informOf(b, "2 PERIODIC", "", ""))
	if got := victim.post(""); got.method() != "Reboot" || !strings.Contains(got.body, commandKey(p)) {
		t.Fatalf("the victim's turn: got %d %.300s, want Reboot with the protocolo", got.status, got.body)
	}
	if got := victim.post(envelope(rebootResponse)); got.status != http.StatusNoContent {
		t.Fatalf("RebootResponse: got %d, want 204", got.status)
	}
	mallory := a.newRogue(t, "127.0.2.5", "user-mallory-2", secretRogue)
	if got := mallory.login(informOf(own, "M Reboot", commandKey(p), "")); got.method() != "InformResponse" {
		t.Fatalf("mallory's Inform: got %d %.200s", got.status, got.body)
	}
	mallory.post("")
	if got := mallory.login(informOf(b, "M Reboot", commandKey(p), "")); got.fault() != cwmp.FaultACSRequestDenied {
		t.Errorf("M Reboot in the victim's name: got %d %.200s, want fault 8001", got.status, got.body)
	}
	if got := a.protocol(t, p); got.Final() || got.Stage != "accepted" {
		t.Errorf("after forged M Reboots: got %s/%s, want it open and accepted", got.Status, got.Stage)
	}
	victim.login(informOf(b, "M Reboot", commandKey(p), ""))
	if got := a.protocol(t, p); got.Status != "success" {
		t.Errorf("after the true M Reboot: got %s, want success", got.Status)
	}
	victim.post("")
	a.proof = p
}

func (a *siege) answersToNothing(t *testing.T) {
	b := a.deviceWith(t, "victim-3", secretVictim)
	p := a.reboot(t, "victim-3")
	r := a.newRogue(t, "127.0.2.6", "user-victim-3", secretVictim)
	for what, got := range map[string]said{
		"without credentials": r.post(envelope(rebootResponse)), "without a session": r.login(envelope(rebootResponse)),
		"with a made-up cookie": r.post(envelope(rebootResponse), "Cookie", "session=00112233445566778899aabbccddeeff"),
	} {
		if got.status != http.StatusBadRequest {
			t.Errorf("RebootResponse %s: got %d %.100s, want 400", what, got.status, got.body)
		}
	}
	r.login(informOf(b, "2 PERIODIC", "", ""))
	if got := r.post(envelope(rebootResponse)); got.status != http.StatusBadRequest {
		t.Errorf("RebootResponse before the Reboot: got %d %.100s, want 400", got.status, got.body)
	}
	if got := r.post(""); got.method() == "Reboot" {
		t.Error("the session went on after an answer to nothing")
	}
	// The answer to another request than the one that is open.
	r.login(informOf(b, "2 PERIODIC", "", ""))
	if got := r.post(""); got.method() != "Reboot" {
		t.Fatalf("turn: got %d %.200s, want Reboot", got.status, got.body)
	}
	if got := r.post(envelope(`<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>`)); got.status != http.StatusBadRequest {
		t.Errorf("an answer to something else: got %d %.100s, want 400", got.status, got.body)
	}
	if got := a.protocol(t, p); got.Final() || got.Stage != "sent" {
		t.Errorf("the reboot: got %s/%s, want it open and sent", got.Status, got.Stage)
	}
}

// controlCharacters are sent in every field that a device fills; the logs are read at the end.
func (a *siege) controlCharacters(t *testing.T) {
	r := a.newRogue(t, "127.0.2.7", "fleet", secretCPE)
	for _, bad := range []string{
		"a\x01b\x1b[31mc\x7f", "a\n{\"level\":\"ERROR\"}\nb", "a&#10;&#13;b", "a&#x1;b&#0;c&#xFFFE;", "\xff\xfe\x80", "a\u2028b\u202ec\u0085d",
		`&quot;,&quot;msg&quot;:&quot;x`, "<![CDATA[\n]]>x", "../../../etc/passwd", "%00%0a%0d", "'; DROP TABLE devices; --",
	} {
		id := cwmp.DeviceID{Manufacturer: bad, OUI: bad, ProductClass: bad, SerialNumber: "s" + bad}
		got := r.login(informOf(id, bad, bad, parameter("InternetGatewayDevice."+bad, bad)+
			parameter("InternetGatewayDevice.DeviceInfo.SoftwareVersion", bad)+parameter("InternetGatewayDevice.ManagementServer.ConnectionRequestURL", bad)))
		if got.status != 200 && got.status != 400 {
			t.Errorf("%q in all fields: got %d %.100s, want 200 or 400", bad, got.status, got.body)
		}
		r.post(envelope("<cwmp:TransferComplete><CommandKey>" + bad + "</CommandKey><FaultStruct><FaultCode>" + bad + "</FaultCode><FaultString>" +
			bad + "</FaultString></FaultStruct></cwmp:TransferComplete>"))
		r.post("")
	}
	bad := a.newRogue(t, "127.0.2.8", "x\t\x01\"\\{}"+secretGuess, secretGuess)
	bad.post(knock, "User-Agent", "a\"b", "Cookie", "session=\t\"; $Version=1; session="+repeat("z", 5000), "SOAPAction", repeat("y", 5000))
	var list wire.List[wire.Device]
	if code := a.s.call(http.MethodGet, "/api/v1/devices?limit=1000", a.rogue.Token, nil, &list); code != http.StatusOK {
		t.Fatalf("devices: got %d, want 200", code)
	}
	for _, d := range list.Items {
		if strings.ContainsFunc(d.ID, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/\"'<>`, r) }) {
			t.Errorf("device id %q: want it percent-encoded", d.ID)
		}
		a.record(t, d.ID)
	}
}

func (a *siege) oversizedIdentities(t *testing.T) {
	r := a.newRogue(t, "127.0.2.9", "fleet", secretCPE)
	long := repeat("S", 500_000)
	got := r.login(informOf(cwmp.DeviceID{Manufacturer: long, OUI: "00259E", ProductClass: "P", SerialNumber: long}, "2 PERIODIC", "", ""))
	if got.status != 200 || got.fault() == 0 {
		t.Errorf("a serial number of 500 kB: got %d %.200s, want a fault", got.status, got.body)
	}
	var list wire.List[wire.Device]
	if code := a.s.call(http.MethodGet, "/api/v1/devices?limit=1000", a.rogue.Token, nil, &list); code != http.StatusOK {
		t.Fatalf("devices: got %d, want 200", code)
	}
	for _, d := range list.Items {
		if n := len(d.ID) + len(d.SerialNumber) + len(d.Manufacturer); n > 4096 {
			t.Errorf("device %.40s…: its identity has %d bytes, want it bounded", d.ID, n)
		}
	}
}

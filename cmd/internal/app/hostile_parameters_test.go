package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"recado/acs/wire"
	"recado/cwmp"
)

// parameterAttacks are values that must never reach a device.
func (a *siege) parameterAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){"refused": a.badParameters}
}

func (a *siege) badParameters(t *testing.T) {
	id := a.deviceWith(t, "values", secretVictim)
	dangerous := a.newClient(t, wire.ClientCreate{Name: "dangerous", Scopes: []string{"actions", "parameters:dangerous"}})
	const ssid, ntp = "InternetGatewayDevice.X.SSID", "InternetGatewayDevice.Time.NTPServer1"
	one := func(name, value, typ string) string {
		m := map[string]string{"name": name, "value": value}
		if typ != "" {
			m["type"] = typ
		}
		b, err := json.Marshal([]any{m})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	many := func(n int, name string) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"name":%q,"value":"%s"}`, strings.ReplaceAll(name, "#", fmt.Sprint(i)), secretValue))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	type attack struct {
		parameters string
		token      string
		status     int
		code       string
	}
	table := map[string]attack{
		"none":             {`[]`, a.rogue.Token, 400, wire.CodeInvalidRequest},
		"257":              {many(257, "InternetGatewayDevice.X.#"), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"doubled":          {many(2, ssid), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"doubled as keys":  {`{"` + ssid + `":"a","` + ssid + `":"b"}`, a.rogue.Token, 400, wire.CodeInvalidRequest},
		"object as value":  {`[{"name":"` + ssid + `","value":{"a":1}}]`, a.rogue.Token, 400, wire.CodeInvalidRequest},
		"no value":         {`[{"name":"` + ssid + `"}]`, a.rogue.Token, 400, wire.CodeInvalidRequest},
		"huge value":       {one(ssid, repeat("v", 70_000), ""), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"unknown type":     {one(ssid, secretValue, "xsd:evil"), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"type injection":   {one(ssid, secretValue, `xsd:string" x="`), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"other data model": {one("InternetGatewayDevice..X", secretValue, ""), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"object name":      {one("InternetGatewayDevice.X.", secretValue, ""), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"no root":          {one("X.SSID", secretValue, ""), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"XML in a name":    {one("InternetGatewayDevice.</Name>", secretValue, ""), a.rogue.Token, 400, wire.CodeInvalidRequest},
		"long name":        {one("InternetGatewayDevice."+repeat("n", 300), secretValue, ""), a.rogue.Token, 400, wire.CodeInvalidRequest},
	}
	for typ, values := range map[string][]string{
		"xsd:unsignedInt": {secretValue, "-1", "4294967296", "1.5", "0x10", "", "1e3", " 1"}, "xsd:int": {"2147483648", secretValue}, "xsd:boolean": {secretValue, "yes", "2"},
		"xsd:dateTime": {"tomorrow", secretValue}, "xsd:hexBinary": {"abc", "zz"}, "xsd:base64Binary": {"%%%"}, "xsd:decimal": {"NaN", "Inf", secretValue},
		"xsd:string": {secretValue + "\x00", "\x1b[2J", "\x07", "\ufffe", "\uffff"},
	} {
		for _, v := range values {
			table[fmt.Sprintf("%q as %s", v, typ)] = attack{one(ssid, v, typ), a.rogue.Token, 400, wire.CodeInvalidRequest}
		}
	}
	for _, name := range []string{
		"InternetGatewayDevice.ManagementServer.URL", "Device.ManagementServer.Password", "device.managementserver.url", ntp, "Device.Time.NTPServer5",
		"InternetGatewayDevice.IPPingDiagnostics.Host", "Device.IP.Diagnostics.TraceRoute.Host", "InternetGatewayDevice.DownloadDiagnostics.DownloadURL",
		"Device.Users.User.1.Password", "InternetGatewayDevice.UserInterface.RemoteAccess.Enable", "InternetGatewayDevice.X_TelnetEnable",
	} {
		for who, token := range map[string]string{"a client": a.rogue.Token, "an admin": "admin"} {
			if token == "admin" {
				made := a.newClient(t, wire.ClientCreate{Name: "admin " + name, Scopes: []string{"admin"}})
				token = made.Token
			}
			table[who+" sets "+name] = attack{one(name, secretValue, ""), token, 403, wire.CodeScope}
		}
	}
	for _, v := range []string{"a;reboot", "`id`", "$(id)", "a|b", "a&b", "a\nb", "a b", "a>b", "\"a", "a\\b"} {
		table[fmt.Sprintf("host %q", v)] = attack{one(ntp, v+secretValue, ""), dangerous.Token, 400, wire.CodeInvalidRequest}
	}
	for name, x := range table {
		got := a.raw(t, http.MethodPost, "/api/v1/devices/parameters/update", x.token, `{"router_id":"values","parameters":`+x.parameters+`}`)
		refused(t, name, got, x.status, x.code)
		if x.code == wire.CodeScope && got.problem.Scope != "parameters:dangerous" {
			t.Errorf("%s: got scope %q, want parameters:dangerous", name, got.problem.Scope)
		}
	}
	// What needs escaping in XML is no danger: it arrives as it is.
	const escaped = `]]></Value><Evil/>&x;"'` + secretValue
	p := a.accept(t, "/api/v1/devices/parameters/update", dangerous.Token, `{"router_id":"values","parameters":`+one(ssid, escaped, "xsd:string")+`}`)
	r := a.newRogue(t, "127.0.5.1", "user-values", secretVictim)
	r.login(informOf(id, "2 PERIODIC", "", ""))
	turn, err := cwmp.Decode([]byte(r.quietly("").body), cwmp.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	set, ok := turn.Message.(*cwmp.SetParameterValues)
	if !ok || len(set.ParameterList) != 1 || set.ParameterList[0].Value != escaped {
		t.Errorf("turn for %s: got %+v, want SetParameterValues with the value as it was given", p, turn.Message)
	}
	if got := r.post(envelope(`<cwmp:SetParameterValuesResponse><Status>0</Status></cwmp:SetParameterValuesResponse>`)); got.status != http.StatusNoContent {
		t.Errorf("after the answer: got %d, want 204", got.status)
	}
}

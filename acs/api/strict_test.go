package api_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"recado/acs"
	"recado/acs/api"
	"recado/acs/wire"
)

func TestBadBodies(t *testing.T) {
	s := newServer(t)
	s.device(t, modem, "RTR-42")
	nest := func(n int) string {
		return `{"router_id": "RTR-42", "parameters": {"A.B": ` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}}`
	}
	for _, c := range []struct{ name, body, field, detail string }{
		{"empty", " ", "", "empty"},
		{"null", `null`, "", "want an object, got null"},
		{"list", `[]`, "", "want an object, got a list"},
		{"text", `"x"`, "", "want an object, got a string"},
		{"number", `1`, "", "want an object, got a number"},
		{"no JSON", `router_id=RTR-42`, "", "not JSON at byte 1"},
		{"cut off", `{"router_id": "RTR-42"`, "", "not JSON"},
		{"two values", `{"router_id": "RTR-42", "parameters": {"A.B": 1}} {}`, "", "not JSON at byte"},
		{"trailing text", `{"router_id": "RTR-42", "parameters": {"A.B": 1}}x`, "", "not JSON at byte"},
		{"comma too many", `{"router_id": "RTR-42",}`, "", "not JSON at byte"},
		{"NaN", `{"router_id": "RTR-42", "parameters": {"A.B": NaN}}`, "", "not JSON at byte"},
		{"Infinity", `{"router_id": "RTR-42", "parameters": {"A.B": -Infinity}}`, "", "not JSON at byte"},
		{"leading zero", `{"router_id": "RTR-42", "timeout_seconds": 0100}`, "", "not JSON at byte"},
		{"comment", `{"router_id": "RTR-42" /* x */}`, "", "not JSON at byte"},
		{"byte-order mark", "\xef\xbb\xbf{}", "", "not JSON at byte 1"},
		{"bad UTF-8", "{\"router_id\": \"\xff\"}", "", "not valid UTF-8"},
		{"half a surrogate", `{"router_id": "\ud800"}`, "", "half of a surrogate pair"},
		{"wrong half", `{"router_id": "\udc00\ud800"}`, "", "half of a surrogate pair"},
		{"surrogate and letter", `{"router_id": "\ud800\u0041"}`, "", "half of a surrogate pair"},
		{"raw control character", "{\"router_id\": \"a\nb\"}", "", "not JSON at byte"},
		{"17 deep", nest(15), "", "nested more than 16 deep"},
		{"16 deep", nest(14), `parameters["A.B"]`, "want a string, a number, true or false, got a list"},
		{"100,000 deep", strings.Repeat("[", 100_000), "", "nested more than 16 deep"},
		{"missing", `{"parameters": {"A.B": 1}}`, "router_id", "is missing"},
		{"missing too", `{"router_id": "RTR-42"}`, "parameters", "is missing"},
		{"no name", `{"router_id": ""}`, "parameters", "is missing"},
		{"empty name", `{"router_id": "", "parameters": {"A.B": 1}}`, "router_id", "is missing"},
		{"null name", `{"router_id": null}`, "router_id", "got null"},
		{"wrong case", `{"Router_ID": "RTR-42"}`, "Router_ID", "unknown"},
		{"unknown", `{"router_id": "RTR-42", "force": true}`, "force", "known are router_id, parameters, verify, timeout_seconds, client_ref"},
		{"odd unknown", `{"router_id": "RTR-42", "a.b \"c": 1}`, `["a.b \"c"]`, "unknown"},
		{"long unknown", `{"` + strings.Repeat("k", 500) + `": 1}`, "", "unknown"},
		{"doubled", `{"router_id": "RTR-42", "router_id": "RTR-43"}`, "router_id", "comes twice"},
		{"doubled by escape", `{"router_id": "RTR-42", "router\u005fid": "RTR-43"}`, "router_id", "comes twice"},
		{"doubled parameter", `{"router_id": "RTR-42", "parameters": {"A.B": 1, "A.B": 2}}`, `parameters["A.B"]`, "comes twice"},
		{"doubled inside", `{"router_id": "RTR-42", "parameters": [{"name": "A.B", "value": 1, "value": 2}]}`, "parameters[0].value", "comes twice"},
		{"number for a name", `{"router_id": 42}`, "router_id", "want a string, got a number"},
		{"list for a name", `{"router_id": ["RTR-42"]}`, "router_id", "want a string, got a list"},
		{"object for a name", `{"router_id": {"id": 1}}`, "router_id", "want a string, got an object"},
		{"text for a number", `{"router_id": "RTR-42", "timeout_seconds": "60"}`, "timeout_seconds", "want a whole number, got a string"},
		{"fraction", `{"router_id": "RTR-42", "timeout_seconds": 60.5}`, "timeout_seconds", "without fraction or exponent"},
		{"exponent", `{"router_id": "RTR-42", "timeout_seconds": 6e2}`, "timeout_seconds", "without fraction or exponent"},
		{"huge number", `{"router_id": "RTR-42", "timeout_seconds": 99999999999999999999}`, "timeout_seconds", "whole number"},
		{"text for a boolean", `{"router_id": "RTR-42", "verify": "yes"}`, "verify", "want true or false, got a string"},
		{"text for parameters", `{"router_id": "RTR-42", "parameters": "A=1"}`, "parameters", "want a list of"},
		{"no parameters", `{"router_id": "RTR-42", "parameters": []}`, "parameters", ""},
		{"no parameters either", `{"router_id": "RTR-42", "parameters": {}}`, "parameters", ""},
		{"list of names", `{"router_id": "RTR-42", "parameters": ["A.B"]}`, "parameters[0]", "want an object, got a string"},
		{"third is wrong", `{"router_id": "RTR-42", "parameters": [{"name": "A.B", "value": 1}, {"name": "A.C", "value": 1}, {"name": 3, "value": 1}]}`, "parameters[2].name", "want a string, got a number"},
		{"no value", `{"router_id": "RTR-42", "parameters": [{"name": "A.B"}]}`, "parameters[0].value", "is missing"},
		{"null value", `{"router_id": "RTR-42", "parameters": {"A.B": null}}`, `parameters["A.B"]`, "got null"},
		{"object value", `{"router_id": "RTR-42", "parameters": {"A.B": {}}}`, `parameters["A.B"]`, "got an object"},
		{"unknown inside", `{"router_id": "RTR-42", "parameters": [{"name": "A.B", "value": 1, "notify": 2}]}`, "parameters[0].notify", "unknown"},
		{"value that does not fit", `{"router_id": "RTR-42", "parameters": [{"name": "Device.A", "value": "hunter2", "type": "xsd:unsignedInt"}]}`, "parameters[0].value", ""},
		{"value that does not fit, by name", `{"router_id": "RTR-42", "parameters": {"InternetGatewayDevice.A": 1, "InternetGatewayDevice.ManagementServer.PeriodicInformInterval": "hunter2"}}`, `parameters["InternetGatewayDevice.ManagementServer.PeriodicInformInterval"]`, "does not fit xsd:unsignedInt"},
		{"name that is none, by name", `{"router_id": "RTR-42", "parameters": {"InternetGatewayDevice.": 1}}`, `parameters["InternetGatewayDevice."]`, "ends with a dot"},
		{"name that is none", `{"router_id": "RTR-42", "parameters": [{"name": "InternetGatewayDevice.", "value": 1}]}`, "parameters[0].name", "ends with a dot"},
		{"host with a shell's characters, by name", `{"router_id": "RTR-42", "parameters": {"Device.Time.NTPServer1": "a;b"}}`, `parameters["Device.Time.NTPServer1"]`, "shell"},
		{"too soon", `{"router_id": "RTR-42", "parameters": {"A.B": 1}, "timeout_seconds": 59}`, "timeout_seconds", "want 60 to 86400"},
		{"too late", `{"router_id": "RTR-42", "parameters": {"A.B": 1}, "timeout_seconds": 86401}`, "timeout_seconds", "want 60 to 86400"},
		{"zero", `{"router_id": "RTR-42", "parameters": {"A.B": 1}, "timeout_seconds": 0}`, "timeout_seconds", "want 60 to 86400"},
		{"long reference", `{"router_id": "RTR-42", "parameters": {"A.B": 1}, "client_ref": "` + strings.Repeat("x", 257) + `"}`, "client_ref", "at most 256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.do(t, "POST", "/api/v1/devices/parameters/update", s.admin, c.body)
			p := r.problem(t, 400, wire.CodeInvalidRequest)
			if p.Field != c.field && c.name != "long unknown" {
				t.Errorf("field: got %q, want %q (%s)", p.Field, c.field, p.Detail)
			}
			if !strings.Contains(p.Detail, c.detail) || p.Detail == "" {
				t.Errorf("detail: got %q, want it to hold %q", p.Detail, c.detail)
			}
			if strings.Contains(string(r.body), "hunter2") || len(r.body) > 2000 {
				t.Errorf("the problem shows too much: %s", r.body)
			}
		})
	}
	page := as[wire.List[wire.Protocol]](t, s.do(t, "GET", "/api/v1/protocols", s.admin, ""), 200)
	if len(page.Items) != 0 {
		t.Errorf("a bad request left %d actions behind", len(page.Items))
	}
}

func TestBodySize(t *testing.T) {
	s := newServer(t)
	s.device(t, modem, "RTR-42")
	const head, tail = `{"router_id": "RTR-42"`, `}`
	fits := head + strings.Repeat(" ", wire.MaxBody-len(head)-len(tail)) + tail
	as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", s.admin, fits), 202)
	s.do(t, "POST", "/api/v1/devices/reboot", s.admin, fits+" ").problem(t, 413, wire.CodeBodyTooLarge)
	for _, path := range []string{"/api/v1/webhooks/x/test", "/api/v1/clients/x/tokens"} {
		s.do(t, "POST", path, s.admin, fits+" ").problem(t, 413, wire.CodeBodyTooLarge)
		s.do(t, "POST", path, s.admin, `{"x": 1}`).problem(t, 400, wire.CodeInvalidRequest)
	}
}

func TestMediaTypes(t *testing.T) {
	s := newServer(t)
	s.device(t, modem, "RTR-42")
	const body = `{"router_id": "RTR-42"}`
	for _, good := range []string{"application/json", "Application/JSON; charset=UTF-8", "application/problem+json"} {
		r := s.raw("POST", "/api/v1/devices/reboot", s.admin, body, "Content-Type", good)
		as[wire.Receipt](t, r, 202)
	}
	as[wire.Receipt](t, s.raw("POST", "/api/v1/devices/reboot", s.admin, body), 202)
	for _, bad := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin1", "x;;", "application/json, text/plain"} {
		s.raw("POST", "/api/v1/devices/reboot", s.admin, body, "Content-Type", bad).problem(t, 415, wire.CodeUnsupportedMediaType)
	}
	s.raw("POST", "/api/v1/devices/reboot", s.admin, body, "Content-Encoding", "gzip").problem(t, 415, wire.CodeUnsupportedMediaType)
}

func TestBadQueries(t *testing.T) {
	s := newServer(t)
	for query, field := range map[string]string{
		"protocols?statuss=pending":      "statuss",
		"protocols?status=done":          "status",
		"protocols?status=":              "status",
		"protocols?status=pending,":      "status",
		"protocols?action=factory_reset": "action",
		"protocols?since=yesterday":      "since",
		"protocols?limit=0":              "limit",
		"protocols?limit=1001":           "limit",
		"protocols?limit=ten":            "limit",
		"protocols?limit=1&limit=2":      "limit",
		"protocols?device=%ff":           "device",
		"protocols?device=%zz":           "query",
		"protocols?cursor=":              "cursor",
		"devices?tag=a":                  "tag",
		"devices/x?full=1":               "full",
		"deliveries?state=lost":          "state",
		"deliveries?protocolo=7":         "protocolo",
		"clients?name=x":                 "name",
		"protocols/x?wait=61s":           "wait",
		"protocols/x?wait=-1s":           "wait",
		"protocols/x?wait=-1":            "wait",
		"protocols/x?wait=9999999999999": "wait",
		"protocols/x?wait=soon":          "wait",
	} {
		if p := s.do(t, "GET", "/api/v1/"+query, s.admin, "").problem(t, 400, wire.CodeInvalidRequest); p.Field != field {
			t.Errorf("%s: field %q, want %q", query, p.Field, field)
		}
	}
	// A cursor of another list is no reason to fall over.
	for _, list := range []string{"protocols", "devices", "deliveries", "webhooks", "clients"} {
		if r := s.do(t, "GET", "/api/v1/"+list+"?cursor=nonsense%00", s.admin, ""); r.code != 400 {
			t.Errorf("%s: got %d, want 400", list, r.code)
		}
		if r := s.do(t, "GET", "/api/v1/"+list+"?cursor=%21nonsense", s.admin, ""); r.code != 400 && r.code != 200 {
			t.Errorf("%s: got %d %s, want 400, or a page", list, r.code, r.body)
		}
	}
}

func FuzzStrictJSON(f *testing.F) {
	for _, seed := range []string{
		`{"router_id": "RTR-42", "parameters": {"A.B": 1}}`, `{"router_id":"x","parameters":[{"name":"a","value":"\ud83d\ude00","type":"xsd:string"}]}`,
		`{`, `[]`, `null`, `{"router_id": "\ud800"}`, `{"a":{"a":{"a":1}}}`, `{"router_id":"x","parameters":{"":true}}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var in wire.ParametersUpdateRequest
		err := api.Decode(b, &in)
		if err != nil {
			if invalid := (*acs.InvalidError)(nil); !errors.As(err, &invalid) {
				t.Fatalf("got %T %v, want an *acs.InvalidError", err, err)
			}
			return
		}
		// What is accepted means the same to a decoder that is not strict.
		var plain wire.ParametersUpdateRequest
		if err := json.Unmarshal(b, &plain); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		for _, p := range in.Parameters {
			if !json.Valid(p.Value) {
				t.Errorf("value of %q is no JSON: %q", p.Name, p.Value)
			}
		}
	})
}

func FuzzBodies(f *testing.F) {
	s := newServer(f)
	s.device(f, modem, "RTR-42")
	var routes []api.Route
	for _, r := range s.api.Routes() {
		if r.Method != "GET" && r.Method != "DELETE" {
			routes = append(routes, r)
		}
	}
	for i, seed := range []string{
		`{"router_id": "RTR-42"}`, `{"router_id": "RTR-42", "parameters": {"InternetGatewayDevice.X": 1e400}}`, `{}`,
		`{"url": "https://x.example", "events": ["*"]}`, `{"name": "x", "scopes": ["admin"]}`, `{"router_id": "a", "tags": [""]}`, `{"blocked": true}`,
	} {
		f.Add(uint8(i), []byte(seed), "application/json")
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte, mediaType string) {
		r := routes[int(n)%len(routes)]
		got := s.raw(r.Method, fill(r.Path, modem), s.admin, string(body), "Content-Type", mediaType)
		if got.code < 200 || got.code >= 500 || got.code >= 300 && got.code < 400 {
			t.Errorf("%s %s: got %d %s", r.Method, r.Path, got.code, got.body)
		}
		if !json.Valid(got.body) {
			t.Errorf("%s %s: the reply is no JSON: %s", r.Method, r.Path, got.body)
		}
		s.log.Reset()
	})
}

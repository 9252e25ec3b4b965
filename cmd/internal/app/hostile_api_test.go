package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"recado/acs/wire"
	"recado/webhook/webhooktest"
)

// apiAttacks are bodies and paths that no client should send.
func (a *siege) apiAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){"bodies": a.badBodies, "paths": a.badPaths, "flood": a.flood}
}

func (a *siege) badBodies(t *testing.T) {
	a.deviceWith(t, "api", secretVictim)
	const reboot, update = "/api/v1/devices/reboot", "/api/v1/devices/parameters/update"
	for name, x := range map[string]struct {
		path, body string
		header     []string
		status     int
		code       string
	}{
		"above 1 MiB":        {reboot, `{"router_id":"` + repeat("x", 1<<20) + `"}`, nil, 413, wire.CodeBodyTooLarge},
		"depth 17":           {update, `{"router_id":"api","parameters":` + repeat("[", 16) + repeat("]", 16) + `}`, nil, 400, wire.CodeInvalidRequest},
		"depth 500,000":      {reboot, repeat("[", 500_000), nil, 400, wire.CodeInvalidRequest},
		"doubled key":        {reboot, `{"router_id":"api","router_id":"api"}`, nil, 400, wire.CodeInvalidRequest},
		"key in other case":  {reboot, `{"Router_ID":"api"}`, nil, 400, wire.CodeInvalidRequest},
		"unknown field":      {reboot, `{"router_id":"api","force":true}`, nil, 400, wire.CodeInvalidRequest},
		"wrong type":         {reboot, `{"router_id":17}`, nil, 400, wire.CodeInvalidRequest},
		"null":               {reboot, `{"router_id":null}`, nil, 400, wire.CodeInvalidRequest},
		"a list":             {reboot, `[{"router_id":"api"}]`, nil, 400, wire.CodeInvalidRequest},
		"trailing data":      {reboot, `{"router_id":"api"}{"router_id":"api"}`, nil, 400, wire.CodeInvalidRequest},
		"no JSON":            {reboot, `router_id=api`, nil, 400, wire.CodeInvalidRequest},
		"empty":              {reboot, ``, nil, 400, wire.CodeInvalidRequest},
		"invalid UTF-8":      {reboot, "{\"router_id\":\"a\xff\"}", nil, 400, wire.CodeInvalidRequest},
		"half a surrogate":   {reboot, `{"router_id":"\ud800"}`, nil, 400, wire.CodeInvalidRequest},
		"huge number":        {reboot, `{"router_id":"api","timeout_seconds":1e999999}`, nil, 400, wire.CodeInvalidRequest},
		"long number":        {reboot, `{"router_id":"api","timeout_seconds":` + repeat("9", 100_000) + `}`, nil, 400, wire.CodeInvalidRequest},
		"negative timeout":   {reboot, `{"router_id":"api","timeout_seconds":-1}`, nil, 400, wire.CodeInvalidRequest},
		"NUL in a name":      {reboot, `{"router_id":"api\u0000"}`, nil, 404, wire.CodeDeviceNotFound},
		"long name":          {reboot, `{"router_id":"` + repeat("x", 5000) + `"}`, nil, 400, wire.CodeInvalidRequest},
		"long reference":     {reboot, `{"router_id":"api","client_ref":"` + repeat("x", 5000) + `"}`, nil, 400, wire.CodeInvalidRequest},
		"XML":                {reboot, `<router_id>api</router_id>`, []string{"Content-Type", "text/xml"}, 415, wire.CodeUnsupportedMediaType},
		"a form":             {reboot, `{"router_id":"api"}`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, wire.CodeUnsupportedMediaType},
		"UTF-16 by name":     {reboot, `{"router_id":"api"}`, []string{"Content-Type", "application/json; charset=utf-16"}, 415, wire.CodeUnsupportedMediaType},
		"compressed":         {reboot, zipped(`{"router_id":"api"}`), []string{"Content-Encoding", "gzip"}, 415, wire.CodeUnsupportedMediaType},
		"long key":           {reboot, `{"router_id":"api"}`, []string{"Idempotency-Key", repeat("k", 1000)}, 400, wire.CodeInvalidRequest},
		"query":              {reboot + "?token=" + a.rogue.Token, `{"router_id":"api"}`, nil, 400, wire.CodeInvalidRequest},
		"unknown webhook":    {"/api/v1/webhooks", `{"url":"https://example.com","secret":"` + repeat("s", 1000) + `"}`, nil, 400, wire.CodeInvalidRequest},
		"header of the wire": {"/api/v1/webhooks", `{"url":"http://127.0.0.1:1/","body_signature_header":"X: y\r\nEvil"}`, nil, 400, wire.CodeInvalidRequest},
		"own header":         {"/api/v1/webhooks", `{"url":"http://127.0.0.1:1/","body_signature_header":"Host"}`, nil, 400, wire.CodeInvalidRequest},
	} {
		refused(t, name, a.raw(t, http.MethodPost, x.path, a.rogue.Token, x.body, x.header...), x.status, x.code)
	}
	if n := a.raw(t, http.MethodGet, "/api/v1/protocols?device=00259E-R-api", a.rogue.Token, ""); !strings.Contains(n.text, `"items":[]`) {
		t.Errorf("after all refusals: got %.300s, want no protocolo", n.text)
	}
}

func (a *siege) badPaths(t *testing.T) {
	for _, path := range []string{
		"/api/v1/devices/%2e%2e%2f%2e%2e%2fhealthz", "/api/v1/devices/..%2f..%2f..%2fetc%2fpasswd", "/api/v1/devices/%00", "/api/v1/devices/%ff%0a%0d",
		"/api/v1/protocols/..%2fclients", "/api/v1/protocols/%2e%2e", "/api/v1/webhooks/%2e%2e/clients", "/api/v1/webhooks/..%2fclients",
		"/api/v1/deliveries/..%5c..%5cclients/attempts", "/api/v1/protocols/" + repeat("9", 50_000), "/api/v1//clients", "/api/v1/devices/" + repeat("%2f", 5000),
	} {
		if got := a.raw(t, http.MethodGet, path, a.rogue.Token, ""); got.status != http.StatusNotFound || got.problem.Code != wire.CodeNotFound && got.problem.Code != wire.CodeDeviceNotFound {
			t.Errorf("GET %.80s: got %d %.200s, want 404", path, got.status, got.text)
		}
	}
	for _, path := range []string{"/api/v1/devices?limit=-1", "/api/v1/devices?limit=1e9", "/api/v1/devices?cursor=" + repeat("z", 4000), "/api/v1/protocols?since=%00", "/api/v1/protocols?wait=9h", "/api/v1/protocols?status='or'1"} {
		refused(t, path[:min(len(path), 60)], a.raw(t, http.MethodGet, path, a.rogue.Token, ""), 400, wire.CodeInvalidRequest)
	}
	got := a.raw(t, "BREW", "/api/v1/devices", a.rogue.Token, "")
	refused(t, "BREW", got, 405, wire.CodeMethodNotAllowed)
}

// flood sends more than a client's limit, at once.
func (a *siege) flood(t *testing.T) {
	limited := a.newClient(t, wire.ClientCreate{Name: "flood", RequestsPerMinute: 10})
	var mu sync.Mutex
	count := map[int]int{}
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			got := a.raw(t, http.MethodGet, "/api/v1/devices?limit=1", limited.Token, "", "X-Forwarded-For", fmt.Sprint("10.0.0.", i))
			mu.Lock()
			defer mu.Unlock()
			count[got.status]++
			if got.status == http.StatusTooManyRequests && (got.problem.Code != wire.CodeRateLimited || got.header.Get("Retry-After") == "") {
				t.Errorf("429: got %s with Retry-After %q, want rate_limited with one", got.problem.Code, got.header.Get("Retry-After"))
			}
		})
	}
	all.Wait()
	if count[200] < 10 || count[200] > 12 || count[200]+count[429] != 100 {
		t.Errorf("100 requests at 10 a minute: got %v, want 10 times 200, else 429", count)
	}
}

// rightsAttacks ask for what is somebody else's.
func (a *siege) rightsAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){"tokens": a.badTokens, "things of others": a.foreignThings}
}

func (a *siege) badTokens(t *testing.T) {
	for what, authorization := range map[string]string{
		"none": "", "unknown": "Bearer rcd_" + repeat("A", 43) + secretGuess, "cut": "Bearer " + a.rogue.Token[:len(a.rogue.Token)-1], "longer": "Bearer " + a.rogue.Token + "A",
		"very long": "Bearer " + repeat("A", 50_000), "another scheme": "Basic " + a.rogue.Token, "no scheme": a.rogue.Token,
		"client secret": "Bearer " + a.rogue.ClientSecret, "client id": "Bearer " + a.rogue.ClientID, "two": "Bearer " + a.rogue.Token + " " + a.rogue.Token,
	} {
		for _, path := range []string{"/api/v1/devices", "/api/v1/clients"} {
			got := a.raw(t, http.MethodGet, path, "", "", "Authorization", authorization)
			refused(t, what, got, 401, wire.CodeUnauthenticated)
			if !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s: WWW-Authenticate is %q, want a Bearer challenge", what, got.header.Get("WWW-Authenticate"))
			}
		}
	}
	refused(t, "token in the query", a.raw(t, http.MethodGet, "/api/v1/devices?access_token="+a.rogue.Token, "", ""), 401, wire.CodeUnauthenticated)
	refused(t, "clients without admin", a.raw(t, http.MethodGet, "/api/v1/clients", a.rogue.Token, ""), 403, wire.CodeScope)
	refused(t, "making an admin", a.raw(t, http.MethodPost, "/api/v1/clients", a.rogue.Token, `{"name":"x","scopes":["admin"]}`), 403, wire.CodeScope)
	gone := a.newClient(t, wire.ClientCreate{Name: "gone"})
	if code := a.s.call(http.MethodDelete, "/api/v1/clients/"+gone.ID, adminToken, nil, nil); code != http.StatusNoContent {
		t.Fatalf("delete client: got %d, want 204", code)
	}
	refused(t, "token of a client that is gone", a.raw(t, http.MethodGet, "/api/v1/devices", gone.Token, ""), 401, wire.CodeUnauthenticated)
}

func (a *siege) foreignThings(t *testing.T) {
	r := &webhooktest.Receiver{}
	hook := a.register(t, wire.WebhookCreate{URL: receiver(t, r)})
	var tested wire.WebhookTested
	if code := a.s.call(http.MethodPost, "/api/v1/webhooks/"+hook.ID+"/test", a.rogue.Token, nil, &tested); code != http.StatusAccepted {
		t.Fatalf("test: got %d, want 202", code)
	}
	a.deviceWith(t, "mine", secretVictim)
	p := a.reboot(t, "mine")
	other := a.newClient(t, wire.ClientCreate{Name: "other"})
	for _, x := range []struct{ method, path, body string }{
		{"GET", "/protocols/" + p, ""},
		{"GET", "/protocols/" + p + "?wait=1s", ""},
		{"POST", "/protocols/" + p + "/cancel", ""},
		{"GET", "/webhooks/" + hook.ID, ""},
		{"PATCH", "/webhooks/" + hook.ID, `{"description":"x"}`},
		{"DELETE", "/webhooks/" + hook.ID, ""},
		{"POST", "/webhooks/" + hook.ID + "/test", ""},
		{"GET", "/webhooks/" + hook.ID + "/deliveries", ""},
		{"GET", "/deliveries/" + tested.Delivery.ID, ""},
		{"GET", "/deliveries/" + tested.Delivery.ID + "/attempts", ""},
		{"POST", "/deliveries/" + tested.Delivery.ID + "/replay", ""},
	} {
		refused(t, x.method+" "+x.path, a.raw(t, x.method, "/api/v1"+x.path, other.Token, x.body), 404, wire.CodeNotFound)
	}
	for _, path := range []string{"/protocols", "/webhooks", "/deliveries"} {
		var list wire.List[json.RawMessage]
		if code := a.s.call(http.MethodGet, "/api/v1"+path, other.Token, nil, &list); code != http.StatusOK || len(list.Items) != 0 {
			t.Errorf("GET %s: got %d with %d items, want 200 with none", path, code, len(list.Items))
		}
	}
	if got := a.protocol(t, p); got.Final() {
		t.Errorf("the protocolo: got %s, want it open", got.Status)
	}
	if code := a.s.call(http.MethodDelete, "/api/v1/webhooks/"+hook.ID, a.rogue.Token, nil, nil); code != http.StatusNoContent {
		t.Errorf("the owner's own delete: got %d, want 204", code)
	}
}

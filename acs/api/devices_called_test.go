package api_test

import (
	"net/url"
	"strings"
	"testing"

	"recado/acs/wire"
)

// TestDevicesCalled finds devices by the names that actions take.
func TestDevicesCalled(t *testing.T) {
	s := newServer(t)
	reader := s.client(t, "reader", "devices:read")
	put := func(id, body string) {
		t.Helper()
		if r := s.do(t, "PUT", "/api/v1/devices/"+id, s.admin, body); r.code != 201 {
			t.Fatalf("put device %s: got %d %s, want 201", id, r.code, r.body)
		}
	}
	put("00259E-R-1", `{"router_id": "RTR/1", "pppoe_login": "joana@isp", "mac": "00:25:9E:12:34:56", "tags": ["north"]}`)
	put("00259E-R-2", `{"router_id": "1", "pppoe_login": "joana@isp"}`)
	for name, want := range map[string]string{
		"RTR/1": "00259E-R-1", "00259E-R-2": "00259E-R-2", "0025.9e12.3456": "00259E-R-1", "2": "00259E-R-2",
		"1":         "00259E-R-2", // its router_id goes before the other's serial number
		"joana@isp": "00259E-R-1 00259E-R-2", "joana": "", "rtr/1": "",
	} {
		page := as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices?router_id="+url.QueryEscape(name), reader.token, ""), 200)
		var ids []string
		for _, d := range page.Items {
			ids = append(ids, d.ID)
		}
		if got := strings.Join(ids, " "); got != want || page.NextCursor != nil {
			t.Errorf("router_id=%s: got %q, want %q", name, got, want)
		}
	}
	page := as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices?router_id=joana@isp&limit=1", reader.token, ""), 200)
	if len(page.Items) != 1 {
		t.Errorf("with limit=1: got %d items, want 1", len(page.Items))
	}
	for _, with := range []string{"search=x", "tags=north", "cursor=x"} {
		p := as[wire.Problem](t, s.do(t, "GET", "/api/v1/devices?router_id=1&"+with, reader.token, ""), 400)
		if p.Field != "router_id" {
			t.Errorf("with %s: got a problem of %q, want of router_id", with, p.Field)
		}
	}
	made := as[wire.ClientCreated](t, s.do(t, "POST", "/api/v1/clients", s.admin, `{"name": "north", "tags": ["north"]}`), 201)
	seen := as[wire.List[wire.Device]](t, s.do(t, "GET", "/api/v1/devices?router_id=joana@isp", made.Token, ""), 200)
	if len(seen.Items) != 1 || seen.Items[0].ID != "00259E-R-1" {
		t.Errorf("a client of one tag: got %d devices, want the one with the tag", len(seen.Items))
	}
}

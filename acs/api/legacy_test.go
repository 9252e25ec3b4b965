package api_test

import (
	"testing"

	"recado/acs"
	"recado/acs/wire"
)

func TestUpdateParametersV2(t *testing.T) {
	s := newServer(t)
	s.device(t, modem, "RTR-42")
	const path = "/api/v2/devices/000001/parameters/update"
	const list = `[{"parameter": "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID", "value": "Casa", "type": "xsd:string"},
		{"parameter": "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.Channel", "value": 11},
		{"parameter": "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.Enable", "value": true, "type": "xsd:boolean"}]`
	c := s.client(t, "erp")
	for _, serial := range []string{"000001", "RTR-42", modem} {
		got := as[wire.Receipt](t, s.do(t, "POST", "/api/v2/devices/"+serial+"/parameters/update/", c.token, list), 202)
		if got.DeviceID != modem || got.RouterID != serial || got.Action != "parameters.update" {
			t.Errorf("%s: got %+v", serial, got)
		}
		p := as[wire.Protocol](t, s.do(t, "GET", got.StatusURL, c.token, ""), 200)
		if len(p.Parameters) != 3 || p.Parameters[1].Type != "xsd:unsignedInt" || p.Parameters[2].Type != "xsd:boolean" {
			t.Errorf("%s: parameters are %+v", serial, p.Parameters)
		}
	}

	first := as[wire.Receipt](t, s.do(t, "POST", path, c.token, list, "Idempotency-Key", "k"), 202)
	again := s.do(t, "POST", path, c.token, list, "Idempotency-Key", "k")
	if got := as[wire.Receipt](t, again, 202); got.Protocolo != first.Protocolo || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same key: got %s, want %s", got.Protocolo, first.Protocolo)
	}
	// The same body for another device is another request.
	s.do(t, "POST", "/api/v2/devices/RTR-42/parameters/update", c.token, list, "Idempotency-Key", "k").problem(t, 422, wire.CodeIdempotencyKeyReused)

	for body, field := range map[string]string{
		`[]`:                             "",
		`{"parameter": "A", "value": 1}`: "",
		`[{"parameter": "Device.A", "value": {"x": 1}}]`:                                 "[0].value",
		`[{"parameter": "Device.A", "value": null}]`:                                     "[0].value",
		`[{"name": "Device.A", "value": 1}]`:                                             "[0].name",
		`[{"parameter": "Device.A", "value": 1}, {"value": 1}]`:                          "[1].parameter",
		`[{"parameter": "Device.A", "value": 1}, {"parameter": "", "value": 1}]`:         "[1].parameter",
		`[{"parameter": "Device.A", "value": "x", "type": "xsd:int"}]`:                   "[0].value",
		`[{"parameter": "Device.A", "value": "x", "type": "int"}]`:                       "[0].type",
		`[{"parameter": "Device.A", "value": 1}, {"parameter": "Device.A", "value": 2}]`: "[1].parameter",
	} {
		if p := s.do(t, "POST", path, c.token, body).problem(t, 400, wire.CodeInvalidRequest); p.Field != field || p.Message == "" {
			t.Errorf("%s: got field %q and message %q, want %q", body, p.Field, p.Message, field)
		}
	}
	s.do(t, "POST", "/api/v2/devices/nobody/parameters/update", c.token, list).problem(t, 404, wire.CodeDeviceNotFound)
	dangerous := `[{"parameter": "InternetGatewayDevice.ManagementServer.URL", "value": "http://x"}]`
	s.do(t, "POST", path, c.token, dangerous).problem(t, 403, wire.CodeScope)
	blind, err := s.svc.CreateClient(t.Context(), acs.NewClient{Name: "blind", Tags: []string{"north"}})
	if err != nil {
		t.Fatal(err)
	}
	s.do(t, "POST", path, blind.Token, list).problem(t, 404, wire.CodeDeviceNotFound)
}

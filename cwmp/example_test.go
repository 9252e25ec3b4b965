package cwmp_test

import (
	"fmt"

	"recado/cwmp"
)

func ExampleDecode() {
	body := []byte(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:c="urn:dslforum-org:cwmp-1-0">
  <s:Header><c:ID s:mustUnderstand="1">42</c:ID></s:Header>
  <s:Body><c:Fault><FaultCode>9003</FaultCode><FaultString>Tom & Jerry</FaultString></c:Fault></s:Body>
</s:Envelope>`)

	e, err := cwmp.Decode(body, cwmp.DefaultLimits)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch m := e.Message.(type) {
	case *cwmp.Inform:
		fmt.Println("a session begins:", m.DeviceID.Key())
	case *cwmp.Fault:
		fmt.Println(e.ID, m.FaultCode, m.FaultString, "repaired:", e.Repaired)
	}
	// Output: 42 9003 Tom & Jerry repaired: true
}

func ExampleDecode_refused() {
	_, err := cwmp.Decode([]byte(`<!DOCTYPE bomb [<!ENTITY a "aaaa">]><bomb>&a;</bomb>`), cwmp.DefaultLimits)
	fmt.Println(err)
	// Output: message holds what is not allowed: a document type or other directive at byte 0
}

func ExampleEncode() {
	body, err := cwmp.Encode(&cwmp.Envelope{
		Namespace: cwmp.Namespace12, // that of the session's Inform
		ID:        "1", HasID: true,
		Message: &cwmp.Reboot{CommandKey: "6f1c0d3a5b7e49128a4c1d2e3f405162"},
	}, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := cwmp.Decode(body, cwmp.DefaultLimits)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Namespace, e.ID, e.Message.Method(), e.Message.(*cwmp.Reboot).CommandKey)
	// Output: urn:dslforum-org:cwmp-1-2 1 Reboot 6f1c0d3a5b7e49128a4c1d2e3f405162
}

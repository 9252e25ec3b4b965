package cwmp_test

import (
	"testing"

	"recado/cwmp"
)

// periodicInform is what a device sends in each session without work: one event, ten parameters.
func periodicInform() *cwmp.Envelope {
	const root = "InternetGatewayDevice."
	return &cwmp.Envelope{
		Namespace: cwmp.Namespace10, ID: "100", HasID: true,
		Message: &cwmp.Inform{
			DeviceID: cwmp.DeviceID{Manufacturer: "Example", OUI: "00259E", ProductClass: "HG8245H", SerialNumber: "4857544311223344"},
			Events:   []cwmp.Event{{EventCode: cwmp.EventPeriodic}}, MaxEnvelopes: "1",
			CurrentTime: "2026-11-21T10:07:00Z", RetryCount: "0",
			ParameterList: []cwmp.ParameterValue{
				{Name: root + "DeviceSummary", Value: "InternetGatewayDevice:1.4[](Baseline:1, EthernetLAN:4)", Type: "xsd:string"},
				{Name: root + "DeviceInfo.SpecVersion", Value: "1.0", Type: "xsd:string"},
				{Name: root + "DeviceInfo.HardwareVersion", Value: "V5.2", Type: "xsd:string"},
				{Name: root + "DeviceInfo.SoftwareVersion", Value: "V5.2.10P4T2", Type: "xsd:string"},
				{Name: root + "DeviceInfo.ProvisioningCode", Value: "", Type: "xsd:string"},
				{Name: root + "DeviceInfo.UpTime", Value: "86400", Type: "xsd:unsignedInt"},
				{Name: root + "ManagementServer.ConnectionRequestURL", Value: "http://192.0.2.7:7547/a1b2c3", Type: "xsd:string"},
				{Name: root + "ManagementServer.ParameterKey", Value: "", Type: "xsd:string"},
				{Name: root + "ManagementServer.PeriodicInformInterval", Value: "3600", Type: "xsd:unsignedInt"},
				{
					Name:  root + "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1.ExternalIPAddress",
					Value: "192.0.2.7", Type: "xsd:string",
				},
			},
		},
	}
}

func BenchmarkDecodeInform(b *testing.B) {
	body, err := cwmp.Encode(periodicInform(), false)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cwmp.Decode(body, cwmp.DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeReboot(b *testing.B) {
	e := &cwmp.Envelope{
		Namespace: cwmp.Namespace10, ID: "1", HasID: true,
		Message: &cwmp.Reboot{CommandKey: "6f1c0d3a5b7e49128a4c1d2e3f405162"},
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cwmp.Encode(e, false); err != nil {
			b.Fatal(err)
		}
	}
}

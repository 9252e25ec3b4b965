package cwmp_test

import (
	"time"

	"recado/cwmp"
)

// A sample is an envelope of each kind with the file of its golden form.
type sample struct {
	name string
	e    cwmp.Envelope
	// acs tells that Recado itself sends this form; the others are the simulator's.
	acs bool
}

const awkward = "Tom & <Jerry> \"it's\" ]]> \t\r\n café 日本 \U0001F600 &amp; %0A"

// samples are one request and one response for each RPC, and faults.
func samples() []sample {
	key := "6f1c0d3a5b7e49128a4c1d2e3f405162"
	return []sample{
		{name: "Inform.request", e: *periodicInform()},
		{name: "Inform.response", e: with(&cwmp.InformResponse{}), acs: true},
		{name: "Reboot.request", e: with(&cwmp.Reboot{CommandKey: key}), acs: true},
		{name: "Reboot.response", e: with(&cwmp.RebootResponse{})},
		{name: "SetParameterValues.request", e: with(&cwmp.SetParameterValues{
			ParameterList: []cwmp.ParameterValue{
				{Name: "Device.WiFi.SSID.1.SSID", Value: awkward, Type: "xsd:string"},
				{Name: "Device.WiFi.SSID.1.Enable", Value: "1", Type: "xsd:boolean"},
				{Name: "Device.A.Int", Value: "-5", Type: "xsd:int"},
				{Name: "Device.A.UnsignedInt", Value: "4294967295", Type: "xsd:unsignedInt"},
				{Name: "Device.A.Long", Value: "-9223372036854775808", Type: "xsd:long"},
				{Name: "Device.A.UnsignedLong", Value: "18446744073709551615", Type: "xsd:unsignedLong"},
				{Name: "Device.A.Time", Value: "2026-11-21T10:07:00Z", Type: "xsd:dateTime"},
				{Name: "Device.A.Base64", Value: "AQIDBA==", Type: "xsd:base64Binary"},
				{Name: "Device.A.Hex", Value: "00FF", Type: "xsd:hexBinary"},
			},
			ParameterKey: key,
		}), acs: true},
		{name: "SetParameterValues.response", e: with(&cwmp.SetParameterValuesResponse{Status: 1})},
		{name: "GetParameterValues.request", e: with(&cwmp.GetParameterValues{
			ParameterNames: []string{"Device.DeviceInfo.", "Device.ManagementServer.ParameterKey"},
		}), acs: true},
		{name: "GetParameterValues.response", e: with(&cwmp.GetParameterValuesResponse{
			ParameterList: []cwmp.ParameterValue{
				{Name: "Device.DeviceInfo.UpTime", Value: "86400", Type: "xsd:unsignedInt"},
				{Name: "Device.ManagementServer.ParameterKey", Value: "", Type: "xsd:string"},
			},
		})},
		{name: "GetParameterNames.request", e: with(&cwmp.GetParameterNames{ParameterPath: "Device.", NextLevel: true}), acs: true},
		{name: "GetParameterNames.response", e: with(&cwmp.GetParameterNamesResponse{
			ParameterList: []cwmp.ParameterInfo{{Name: "Device.WiFi."}, {Name: "Device.WiFi.SSID.1.SSID", Writable: true}},
		})},
		{name: "GetRPCMethods.request", e: with(&cwmp.GetRPCMethods{}), acs: true},
		{name: "GetRPCMethods.response", e: with(&cwmp.GetRPCMethodsResponse{
			MethodList: []string{"Inform", "GetRPCMethods", "TransferComplete"},
		}), acs: true},
		{name: "TransferComplete.request", e: with(&cwmp.TransferComplete{
			CommandKey: key, FaultCode: "9010", FaultString: "file transfer failure",
			StartTime: "2026-11-21T10:07:00Z", CompleteTime: "2026-11-21T10:08:00Z",
		})},
		{name: "TransferComplete.response", e: with(&cwmp.TransferCompleteResponse{}), acs: true},
		{name: "AutonomousTransferComplete.response", e: with(&cwmp.Other{Name: "AutonomousTransferCompleteResponse"}), acs: true},
		{name: "AddObject.response", e: with(&cwmp.Other{
			Name: "AddObjectResponse", Fields: map[string]string{"InstanceNumber": "3", "Status": "0"},
		})},
		{name: "Fault.acs", e: with(&cwmp.Fault{FaultCode: cwmp.FaultACSMethodNotSupported, FaultString: "Method not supported"}), acs: true},
		{name: "Fault.cpe", e: with(&cwmp.Fault{
			FaultCode: cwmp.FaultInvalidArguments, FaultString: "Invalid arguments",
			Params: []cwmp.ParameterFault{
				{ParameterName: "Device.A.Int", FaultCode: cwmp.FaultInvalidValue, FaultString: "Out of range"},
				{ParameterName: "Device.B", FaultCode: cwmp.FaultInvalidName, FaultString: "Unknown <name>"},
			},
		})},
	}
}

// more are envelopes beyond the golden pairs: what only some versions or devices have.
func more() []sample {
	versions := with(&cwmp.InformResponse{})
	versions.Namespace, versions.UseCWMPVersion = cwmp.Namespace12, "1.2"
	emptyID := with(&cwmp.InformResponse{})
	emptyID.ID = ""
	oddID := with(&cwmp.InformResponse{})
	oddID.ID = "<&\"' é\t>"
	noID := with(&cwmp.InformResponse{})
	noID.ID, noID.HasID = "", false
	informed := *periodicInform()
	informed.Namespace, informed.SessionTimeout = cwmp.Namespace12, 60*time.Second
	informed.SupportedCWMPVersions = []string{"1.0", "1.1", "1.2"}
	hold := *periodicInform()
	hold.HoldRequests, hold.NoMoreRequests = true, true
	return []sample{
		{name: "InformResponse-version", e: versions, acs: true},
		{name: "InformResponse-empty-ID", e: emptyID, acs: true},
		{name: "InformResponse-odd-ID", e: oddID, acs: true},
		{name: "InformResponse-no-ID", e: noID, acs: true},
		{name: "Inform-versions", e: informed},
		{name: "Inform-hold", e: hold},
		{name: "Inform-no-events", e: with(&cwmp.Inform{
			DeviceID: cwmp.DeviceID{OUI: "00259E", SerialNumber: "1"}, MaxEnvelopes: "1", CurrentTime: "2026-11-21T10:07:00Z", RetryCount: "1",
		})},
		{name: "SetParameterValues-key-only", e: with(&cwmp.SetParameterValues{ParameterKey: "k"}), acs: true},
		{name: "Reboot-no-key", e: with(&cwmp.Reboot{}), acs: true},
		{name: "Reboot-odd-key", e: with(&cwmp.Reboot{CommandKey: "a&b <c> é\"'"}), acs: true},
		{name: "GetParameterNames-root", e: with(&cwmp.GetParameterNames{}), acs: true},
		{name: "Fault-8005", e: with(&cwmp.Fault{FaultCode: cwmp.FaultACSRetryRequest, FaultString: "Retry request"}), acs: true},
		{name: "Fault-8003", e: with(&cwmp.Fault{FaultCode: cwmp.FaultACSInvalidArguments, FaultString: "Invalid arguments"}), acs: true},
		{name: "Fault-raw", e: with(&cwmp.Fault{FaultCode: cwmp.FaultRequestDenied, RawCode: "nine", FaultString: "odd"})},
		{name: "no-message", e: with(nil)},
		{name: "SetParameterValuesResponse-no-status", e: with(&cwmp.SetParameterValuesResponse{StatusMissing: true})},
		{name: "GetParameterValuesResponse-odd", e: with(&cwmp.GetParameterValuesResponse{ParameterList: []cwmp.ParameterValue{
			{Name: "Device.A", NoValue: true},
			{Name: "Device.B", Value: "  untyped \n"},
			{Name: "Device.C", Value: "\n" + awkward + "\n", Type: "xsd:string"},
		}})},
		{name: "Other", e: with(&cwmp.Other{
			Name: "X_00D09E_Hello", Fields: map[string]string{"B": "2", "A": awkward[:20]},
			ParameterList: []cwmp.ParameterValue{{Name: "Device.A", Value: "1", Type: "xsd:int"}},
		})},
	}
}

func with(m cwmp.Message) cwmp.Envelope {
	return cwmp.Envelope{Namespace: cwmp.Namespace10, ID: "1234", HasID: true, Message: m}
}

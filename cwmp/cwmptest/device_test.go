package cwmptest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ssid    = "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID"
	channel = "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.Channel"
	pass    = "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.KeyPassphrase"
	upTime  = "InternetGatewayDevice.DeviceInfo.UpTime"
)

func TestFirstSessionAndPeriod(t *testing.T) {
	run(t, cwmptest.Config{PeriodicInformInterval: 10 * time.Minute}, func(b *bed) {
		b.after(0)
		b.wantInforms("0 BOOTSTRAP, 1 BOOT")
		in := b.acs.informs()[0]
		if got := in.DeviceID.Key(); got != "02CD00-Simulator-000001" {
			t.Errorf("identity: got %s, want 02CD00-Simulator-000001", got)
		}
		for _, suffix := range []string{
			"DeviceSummary", ".SpecVersion", ".HardwareVersion", ".SoftwareVersion", ".ProvisioningCode",
			".ParameterKey", ".ConnectionRequestURL", ".ExternalIPAddress",
		} {
			if _, ok := in.Parameter(suffix); !ok {
				t.Errorf("Inform has no %s", suffix)
			}
		}
		if p, _ := in.Parameter(".ConnectionRequestURL"); p.Value != b.dev.ConnectionRequestURL() {
			t.Errorf("ConnectionRequestURL: got %q, want %q", p.Value, b.dev.ConnectionRequestURL())
		}
		b.after(20 * time.Minute)
		b.wantInforms("0 BOOTSTRAP, 1 BOOT", "2 PERIODIC", "2 PERIODIC")
		if got := b.dev.Sessions(); got.Started != 3 || got.Ended != 3 || got.Posts != 6 {
			t.Errorf("sessions: got %+v, want 3 started and ended in 6 posts", got)
		}
		if got := b.acs.requests[1].Header.Get("Cookie"); got != "sid=1" {
			t.Errorf("cookie of the empty POST: got %q, want sid=1", got)
		}
		if got := b.acs.requests[0].RemoteAddr; got != "10.0.0.1:40000" {
			t.Errorf("source: got %s, want 10.0.0.1:40000", got)
		}
	})
}

func TestRebootWithProof(t *testing.T) {
	run(t, cwmptest.Config{KnownToACS: true, BootDelay: time.Minute}, func(b *bed) {
		b.after(time.Hour - time.Second)
		b.acs.push(&cwmp.Reboot{CommandKey: "k1"}, &cwmp.Reboot{CommandKey: "k2"})
		b.dev.Trigger(cwmp.EventPeriodic)
		b.after(time.Second)
		if _, up := b.dev.Up(); up {
			t.Error("up a second after the Reboot, want down")
		}
		b.after(time.Minute)
		b.wantInforms("1 BOOT", "2 PERIODIC", "1 BOOT, M Reboot(k1), M Reboot(k2)")
		if got := b.dev.Boots(); len(got) != 2 || got[1].Up.Sub(got[1].Down) != time.Minute {
			t.Errorf("boots: got %+v, want a second one of a minute", got)
		}
		for _, r := range b.dev.Reboots() {
			if d := r.Booted.Sub(r.Accepted); d != time.Minute || b.dev.RebootsOf(r.CommandKey) != 1 {
				t.Errorf("reboot %s: got %d times after %v, want once after 1m", r.CommandKey, b.dev.RebootsOf(r.CommandKey), d)
			}
		}
		if got := b.dev.Value(upTime); got != "1" {
			t.Errorf("up-time: got %s, want 1", got)
		}
	})
}

func TestSetParameterValuesIsAtomicAndListsFaults(t *testing.T) {
	run(t, cwmptest.Config{}, func(b *bed) {
		set := func(p ...cwmp.ParameterValue) cwmp.Message {
			return &cwmp.SetParameterValues{ParameterKey: "key", ParameterList: p}
		}
		val := func(name, typ, value string) cwmp.ParameterValue {
			return cwmp.ParameterValue{Name: name, Type: typ, Value: value}
		}
		b.acs.push(
			set(val(ssid, "xsd:string", "never"), val(channel, "xsd:string", "11"), val("Nope.X", "xsd:string", "1"),
				val(upTime, "xsd:unsignedInt", "1"), val(pass, "xsd:string", long(64))),
			set(val(ssid, "xsd:string", "Caf\u00e9 & <Bar>"), val(channel, "xsd:unsignedInt", "11"), val(pass, "xsd:string", "new passphrase")),
			&cwmp.GetParameterValues{ParameterNames: []string{ssid, pass, "InternetGatewayDevice.ManagementServer.ParameterKey"}},
			&cwmp.GetParameterNames{ParameterPath: "InternetGatewayDevice.", NextLevel: true},
			&cwmp.GetRPCMethods{},
			&cwmp.GetParameterValues{ParameterNames: []string{"Nope."}},
		)
		b.after(0)
		got := b.acs.answers()
		if len(got) != 6 {
			t.Fatalf("got %d answers (%v), want 6", len(got), b.failures())
		}
		f, ok := got[0].(*cwmp.Fault)
		if !ok || f.FaultCode != 9003 || len(f.Params) != 4 {
			t.Fatalf("first answer: got %+v, want fault 9003 with four parameters", got[0])
		}
		for i, want := range []int{9006, 9005, 9008, 9007} {
			if f.Params[i].FaultCode != want {
				t.Errorf("fault of %s: got %d, want %d", f.Params[i].ParameterName, f.Params[i].FaultCode, want)
			}
		}
		if r, ok := got[1].(*cwmp.SetParameterValuesResponse); !ok || r.Status != 0 || r.StatusMissing {
			t.Errorf("second answer: got %+v, want Status 0", got[1])
		}
		values := got[2].(*cwmp.GetParameterValuesResponse).ParameterList
		for i, want := range []string{"Caf\u00e9 & <Bar>", "", "key"} {
			if values[i].Value != want {
				t.Errorf("%s: got %q, want %q", values[i].Name, values[i].Value, want)
			}
		}
		if v := b.dev.Value(pass); v != "new passphrase" {
			t.Errorf("hidden value: got %q, want it stored", v)
		}
		names := got[3].(*cwmp.GetParameterNamesResponse).ParameterList
		if len(names) < 6 || names[0].Name != "InternetGatewayDevice.DeviceInfo." {
			t.Errorf("names: got %+v, want the root's children", names)
		}
		if f, ok := got[5].(*cwmp.Fault); !ok || f.FaultCode != 9005 {
			t.Errorf("last answer: got %+v, want fault 9005", got[5])
		}
	})
}

func long(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

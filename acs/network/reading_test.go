package network_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"recado/acs/network"
)

const (
	igd = "InternetGatewayDevice."
	wan = igd + "WANDevice.1."
)

type readCase struct {
	name, value, xsd string
	metric           network.Metric
	want             float64
	gap              network.Gap
}

func good(name, value string, m network.Metric, want float64) readCase {
	return readCase{name: name, value: value, metric: m, want: want}
}

func gap(name, value string, m network.Metric, g network.Gap) readCase {
	return readCase{name: name, value: value, metric: m, gap: g}
}

func check(t *testing.T, cases []readCase) {
	t.Helper()
	for _, c := range cases {
		r, ok := network.Read(c.name, c.value, c.xsd)
		if !ok {
			t.Errorf("%s: no metric, want %s", c.name, c.metric)
			continue
		}
		if r.Metric != c.metric || r.Gap != c.gap || math.Abs(r.Value-c.want) > 0.006 || r.Name != c.name {
			t.Errorf("%s = %q: got %s %.4f gap %s, want %s %.4f gap %s", c.name, c.value, r.Metric, r.Value, r.Gap, c.metric, c.want, c.gap)
		}
		if r.Gap != network.NoGap && (r.Value != 0 || r.Count != 0 || r.Bits != 0) {
			t.Errorf("%s = %q: a gap with a value: %+v", c.name, c.value, r)
		}
	}
}

// TestEveryVendor has each row of the table of optical parameters, with the numbers of real devices where they are known.
func TestEveryVendor(t *testing.T) {
	rx, tx, temp, volt, bias := network.RxPower, network.TxPower, network.Temperature, network.Voltage, network.BiasCurrent
	cases := []readCase{
		// TR-181: dBm × 1000 in steps of 2.
		good("Device.Optical.Interface.1.OpticalSignalLevel", "-21300", rx, -21.3),
		good("Device.Optical.Interface.1.OpticalSignalLevel", "-21302", rx, -21.302),
		good("Device.Optical.Interface.12.TransmitOpticalLevel", "2136", tx, 2.136),
		gap("Device.Optical.Interface.1.OpticalSignalLevel", "0", rx, network.NotMeasured),
		gap("Device.Optical.Interface.1.OpticalSignalLevel", "-65536", rx, network.NotMeasured),
		gap("Device.Optical.Interface.1.OpticalSignalLevel", "65534", rx, network.OutOfRange),
		gap("Device.Optical.Interface.1.OpticalSignalLevel", "-40000", rx, network.NoLight),
		// TR-181 XPON: 0.1 dBm, mV, µA, whole °C.
		good("Device.XPON.ONU.1.ANI.1.Transceiver.1.RxPower", "-213", rx, -21.3),
		good("Device.XPON.ONU.1.ANI.1.Transceiver.1.TxPower", "21", tx, 2.1),
		good("Device.XPON.ONU.1.ANI.1.Transceiver.1.Voltage", "3280", volt, 3.28),
		good("Device.XPON.ONU.1.ANI.1.Transceiver.1.Bias", "12400", bias, 12.4),
		good("Device.XPON.ONU.1.ANI.1.Transceiver.1.Temperature", "47", temp, 47),
		gap("Device.XPON.ONU.1.ANI.1.Transceiver.1.Temperature", "-274", temp, network.NotMeasured),
		// Huawei (and Intelbras, Datacom DM986, Stavix, Unee, Next Fiber): whole dBm, mV, °C, mA.
		good(wan+"X_GponInterafceConfig.RXPower", "-3", rx, -3),
		good(wan+"X_GponInterafceConfig.TXPower", "2", tx, 2),
		good(wan+"X_GponInterafceConfig.RXPower", "-7", rx, -7),
		good(wan+"X_GponInterafceConfig.RXPower", "-21.55", rx, -21.55),
		good(wan+"X_GponInterafceConfig.TXPower", "0", tx, 0),
		gap(wan+"X_GponInterafceConfig.RXPower", "0", rx, network.NotMeasured),
		good(wan+"X_GponInterafceConfig.SupplyVoltage", "3415", volt, 3.415),
		good(wan+"X_GponInterafceConfig.TransceiverTemperature", "45", temp, 45),
		good(wan+"X_GponInterafceConfig.BiasCurrent", "7", bias, 7),
		// CT-COM family: raw 0.1 µW, 1/256 °C, 100 µV, 2 µA.
		good(wan+"X_CT-COM_GponInterfaceConfig.RXPower", "100", rx, -20),
		good(wan+"X_CT-COM_GponInterfaceConfig.RXPower", "14", rx, -28.539),
		good(wan+"X_CT-COM_GponInterfaceConfig.TXPower", "15849", tx, 2),
		good(wan+"X_CT-COM_EponInterfaceConfig.RXPower", "10000", rx, 0),
		good(wan+"X_CT-COM_GponInterfaceConfig.RXPower", "-18.1", rx, -18.1),
		gap(wan+"X_CT-COM_GponInterfaceConfig.RXPower", "0", rx, network.NoLight),
		gap(wan+"X_CT-COM_GponInterfaceConfig.RXPower", "1", rx, network.NoLight),
		gap(wan+"X_CT-COM_GponInterfaceConfig.RXPower", "65535", rx, network.NotMeasured),
		good(wan+"X_CT-COM_GponInterfaceConfig.TransceiverTemperature", "11509", temp, 44.957),
		good(wan+"X_CT-COM_GponInterfaceConfig.SupplyVottage", "32800", volt, 3.28),
		good(wan+"X_CT-COM_GponInterfaceConfig.BiasCurrent", "6000", bias, 12),
		gap(wan+"X_CT-COM_GponInterfaceConfig.TransceiverTemperature", "65535", temp, network.NotMeasured),
		gap(wan+"X_CT-COM_GponInterfaceConfig.TransceiverTemperature", "45.5", temp, network.Malformed),
		// China Mobile, China Unicom, Cianet HW01N, ZTE, in steps of 0.1 µW.
		good(wan+"X_CMCC_GponInterfaceConfig.RXPower", "79", rx, -21.024),
		good(wan+"X_CMCC_EponInterfaceConfig.TXPower", "17783", tx, 2.5),
		good(wan+"X_CU_WANEPONInterfaceConfig.OpticalTransceiver.RXPower", "254", rx, -15.952),
		good(wan+"X_CU_WANGPONInterfaceConfig.OpticalTransceiver.RXPower", "-16", rx, -16),
		good(wan+"X_CATV_GponInterfaceConfig.RXPower", "126", rx, -18.996),
		good(wan+"X_ZTE-COM_WANPONInterfaceConfig.RXPower", "63", rx, -22.007),
		good(igd+"WANDevice.2.X_ZTE-COM_WANPONInterfaceConfig.TXPower", "16982", tx, 2.3),
		good(wan+"X_ZTE_COM_WANPONInterfaceConfig.RXPower", "63", rx, -22.007),
		// ZTE F670L V9, F6600, F6600P: dBm in the same object.
		good(wan+"X_ZTE-COM_WANPONInterfaceConfig.RXPower", "-19.4", rx, -19.4),
		good(wan+"X_ZTE-COM_WANPONInterfaceConfig.TXPower", "2", tx, 2),
		good(wan+"X_ZTE-COM_WANPONInterfaceConfig.TXPower", "2.31", tx, 2.31),
		// Nokia: strings in dBm, V, °C, µA.
		good(igd+"X_ALU_OntOpticalParam.RXPower", "-3.409399", rx, -3.409),
		good(igd+"X_ALU_OntOpticalParam.TXPower", "2.360332", tx, 2.360),
		good(igd+"X_ALU_OntOpticalParam.SupplyVottage", "3.250000", volt, 3.25),
		good(igd+"X_ALU_OntOpticalParam.TransceiverTemperature", "41.599998", temp, 41.6),
		good(igd+"X_ALU_OntOpticalParam.BiasCurrent", "9656.999023", bias, 9.657),
		// TP-Link: raw, 1/256 °C, mV, and a bias whose unit nobody knows.
		good("Device.Optical.Interface.1.X_TP_GPON_Config.RXPower", "5624", rx, -2.5),
		good("Device.Optical.Interface.1.X_TP_GPON_Config.TXPower", "14880", tx, 1.726),
		good("Device.Optical.Interface.1.X_TP_GPON_Config.TransceiverTemperature", "12251", temp, 47.855),
		good("Device.Optical.Interface.1.X_TP_GPON_Config.SupplyVottage", "3298", volt, 3.298),
		gap("Device.Optical.Interface.1.X_TP_GPON_Config.BiasCurrent", "8302", bias, network.UnknownUnit),
		// FiberHome and Tenda: dBm, with and without a unit.
		good(wan+"X_FH_GponInterfaceConfig.RXPower", "-20.17", rx, -20.17),
		good(wan+"X_FH_GponInterfaceConfig.TXPower", "2.46", tx, 2.46),
		good(wan+"WANGponInterfaceConfig.RXPower", "-18.2 dBm", rx, -18.2),
		good(wan+"WANGponInterfaceConfig.TXPower", "2.1dBm", tx, 2.1),
		// Thousandths and hundredths where dBm were to be.
		good(wan+"X_FH_GponInterfaceConfig.RXPower", "-20170", rx, -20.17),
		good(wan+"X_FH_GponInterfaceConfig.RXPower", "-2017", rx, -20.17),
		good(wan+"X_FH_GponInterfaceConfig.RXPower", "-8170", rx, -8.17),
		good(wan+"X_FH_GponInterfaceConfig.RXPower", "-817", rx, -8.17),
		// Other units said in words.
		good(wan+"X_FH_GponInterfaceConfig.RXPower", "10 uW", rx, -20),
		good(wan+"X_FH_GponInterfaceConfig.RXPower", "0.01 mW", rx, -20),
		good(wan+"X_GponInterafceConfig.SupplyVoltage", "3.3 V", volt, 3.3),
		good(wan+"X_GponInterafceConfig.TransceiverTemperature", "45 °C", temp, 45),
		good(wan+"X_GponInterafceConfig.BiasCurrent", "9656 µA", bias, 9.656),
		good(wan+"X_FH_GponInterfaceConfig.RXPower", "−20,17 dBm", rx, -20.17),
		gap(wan+"X_FH_GponInterfaceConfig.RXPower", "3 V", rx, network.Malformed),
	}
	check(t, cases)
}

func TestOddOpticalValuesAreGaps(t *testing.T) {
	rx := wan + "X_CT-COM_GponInterfaceConfig.RXPower"
	dbm := wan + "X_FH_GponInterfaceConfig.RXPower"
	temp := wan + "X_GponInterafceConfig.TransceiverTemperature"
	for _, nothing := range []string{"", " ", "--", "N/A", "n/a", "-inf", "-Inf", "-inf dBm", "-- dBm", "−∞", "-∞ dBm", "NaN", "null", "none", "-40", "-40.0", "-99", "No Signal"} {
		for _, name := range []string{rx, dbm} {
			if nothing == "-99" && name == rx {
				continue
			}
			check(t, []readCase{gap(name, nothing, network.RxPower, network.NoLight)})
		}
		if !strings.Contains(nothing, "4") && !strings.Contains(nothing, "9") && !strings.Contains(nothing, "dBm") {
			check(t, []readCase{gap(temp, nothing, network.Temperature, network.NotMeasured)})
		}
	}
	check(t, []readCase{
		gap(dbm, "21", network.RxPower, network.OutOfRange),
		gap(dbm, "4294967295", network.RxPower, network.NotMeasured),
		gap(dbm, "2147483647", network.RxPower, network.NotMeasured),
		gap(dbm, "0x15", network.RxPower, network.Malformed),
		gap(dbm, "1,234", network.RxPower, network.Malformed),
		gap(dbm, "-20.1.7", network.RxPower, network.Malformed),
		gap(dbm, "--20", network.RxPower, network.Malformed),
		gap(dbm, "-20 dBm dBm", network.RxPower, network.Malformed),
		gap(dbm, "-1e400", network.RxPower, network.Malformed),
		gap(dbm, strings.Repeat("9", 65), network.RxPower, network.Malformed),
		gap(dbm, "<script>", network.RxPower, network.Malformed),
		gap(rx, "20000000", network.RxPower, network.OutOfRange),
		gap(temp, "-41", network.Temperature, network.OutOfRange),
		gap(temp, "32767", network.Temperature, network.OutOfRange),
		gap(wan+"X_GponInterafceConfig.SupplyVoltage", "0", network.Voltage, network.OutOfRange),
		gap(wan+"X_GponInterafceConfig.BiasCurrent", "-1", network.BiasCurrent, network.OutOfRange),
	})
}

// TestEveryCounter has each row of the table of byte counters that is about the network's side.
func TestEveryCounter(t *testing.T) {
	rows := []struct {
		object, sent, received string
		bits                   int
	}{
		{"Device.IP.Interface.1.Stats.", "BytesSent", "BytesReceived", 64},
		{"Device.Ethernet.Interface.2.Stats.", "BytesSent", "BytesReceived", 64},
		{"Device.PPP.Interface.3.Stats.", "BytesSent", "BytesReceived", 64},
		{"Device.Optical.Interface.1.Stats.", "BytesSent", "BytesReceived", 64},
		{wan + "WANCommonInterfaceConfig.", "TotalBytesSent", "TotalBytesReceived", 32},
		{wan + "WANEthernetInterfaceConfig.Stats.", "BytesSent", "BytesReceived", 32},
		{wan + "WANConnectionDevice.1.WANPPPConnection.1.Stats.", "EthernetBytesSent", "EthernetBytesReceived", 32},
		{wan + "X_GponInterafceConfig.Stats.", "BytesSent", "BytesReceived", 32},
		{wan + "X_ZTE-COM_WANPONInterfaceConfig.Stats.", "BytesSent", "BytesReceived", 32},
		{wan + "X_FH_GponInterfaceConfig.Stats.", "BytesSent", "BytesReceived", 32},
		{wan + "X_CMCC_GponInterfaceConfig.Stats.", "BytesSent", "BytesReceived", 32},
		{wan + "X_CT-COM_GponInterfaceConfig.Stat.", "BytesSent", "BytesReceived", 32},
	}
	for _, row := range rows {
		for leaf, m := range map[string]network.Metric{row.sent: network.BytesSent, row.received: network.BytesReceived} {
			r, ok := network.Read(row.object+leaf, "65535", "")
			if !ok || r.Metric != m || r.Count != 65535 || r.Gap != network.NoGap || r.Bits != row.bits {
				t.Errorf("%s%s: got %+v, %t; want %s 65535 of %d bits", row.object, leaf, r, ok, m, row.bits)
			}
			if r, _ := network.Read(row.object+leaf, "7", "xsd:unsignedInt"); r.Bits != 32 {
				t.Errorf("%s%s as unsignedInt: %d bits, want the type that the device reports", row.object, leaf, r.Bits)
			}
			if r, _ := network.Read(row.object+leaf, "7", "xsd:unsignedLong"); r.Bits != 64 {
				t.Errorf("%s%s as unsignedLong: %d bits, want the type that the device reports", row.object, leaf, r.Bits)
			}
			check(t, []readCase{
				gap(row.object+leaf, "-1", m, network.OutOfRange), gap(row.object+leaf, "N/A", m, network.NotMeasured),
				gap(row.object+leaf, "4294967295", m, network.NotMeasured), gap(row.object+leaf, "1.5", m, network.Malformed),
				gap(row.object+leaf, "18446744073709551615", m, network.NotMeasured),
				gap(row.object+leaf, "99999999999999999999999", m, network.OutOfRange),
				gap(row.object+leaf, "1000000000000000001", m, network.OutOfRange),
			})
		}
	}
	check(t, []readCase{
		good("Device.Ethernet.Interface.2.Stats.ErrorsReceived", "12", network.ErrorsReceived, 12),
		good("Device.Optical.Interface.1.Stats.ErrorsSent", "3", network.ErrorsSent, 3),
		good(wan+"X_CT-COM_GponInterfaceConfig.Stats.FECError", "44", network.ErrorsReceived, 44),
		good(wan+"WANConnectionDevice.1.WANPPPConnection.1.Stats.EthernetErrorsReceived", "9", network.ErrorsReceived, 9),
		good("Device.DeviceInfo.UpTime", "65535", network.UpTime, 65535),
		good(igd+"DeviceInfo.UpTime", "86400 s", network.UpTime, 86400),
		gap("Device.DeviceInfo.UpTime", "4294967295", network.UpTime, network.NotMeasured),
		gap("Device.DeviceInfo.UpTime", "-5", network.UpTime, network.OutOfRange),
		gap("Device.DeviceInfo.UpTime", "1800000000", network.UpTime, network.OutOfRange),
	})
	if r, _ := network.Read("Device.PPP.Interface.1.Stats.BytesSent", "9007199254740993", ""); r.Count != 9007199254740993 {
		t.Errorf("a count beyond 2^53 lost a digit: got %d", r.Count)
	}
	if r, _ := network.Read(wan+"WANCommonInterfaceConfig.TotalBytesSent", "4294967296", "xsd:unsignedInt"); r.Bits != 64 {
		t.Errorf("4294967296 in an unsignedInt: %d bits, want 64: it does not fit 32", r.Bits)
	}
}

func TestNamesWithoutMetric(t *testing.T) {
	for _, name := range []string{
		"", "Device.", "Device.DeviceInfo.SerialNumber", "Device.WiFi.SSID.1.Stats.BytesSent", igd + "LANDevice.1.LANEthernetInterfaceConfig.1.Stats.BytesSent",
		igd + "LANDevice.1.Hosts.Host.1.X_HW_Stats.BytesSent", igd + "LANDevice.1.WLANConfiguration.1.TotalBytesSent", wan + "X_GponInterafceConfig.Status",
		"Device.Optical.Interface.1.LowerOpticalThreshold", "Device.Optical.Interface.{i}.OpticalSignalLevel.", "X.Optical.Interface.1.OpticalSignalLevel",
		"Device.Optical.Interface..OpticalSignalLevel", "Device." + strings.Repeat("1.", 200),
	} {
		if r, ok := network.Read(name, "-20", ""); ok {
			t.Errorf("%q gave %+v, want no metric", name, r)
		}
	}
}

func TestPathsAskForTheBest(t *testing.T) {
	known := []string{
		"Device.DeviceInfo.UpTime", "Device.DeviceInfo.SerialNumber",
		"Device.Optical.Interface.1.OpticalSignalLevel", "Device.Optical.Interface.1.X_TP_GPON_Config.RXPower",
		"Device.Optical.Interface.1.X_TP_GPON_Config.BiasCurrent",
		"Device.Ethernet.Interface.1.Stats.BytesSent", "Device.Ethernet.Interface.4.Stats.BytesSent", "Device.IP.Interface.2.Stats.BytesSent",
		"Device.PPP.Interface.1.Stats.BytesSent", "Device.WiFi.SSID.1.Stats.BytesSent", wan + "WANCommonInterfaceConfig.TotalBytesSent",
	}
	got := network.Paths("Device.", known, []string{"Device.Ethernet.Interface.4.", "Device.IP.Interface.2."})
	want := []string{
		"Device.DeviceInfo.UpTime", "Device.Ethernet.Interface.4.Stats.BytesSent", "Device.Optical.Interface.1.OpticalSignalLevel",
		"Device.Optical.Interface.1.X_TP_GPON_Config.RXPower", "Device.PPP.Interface.1.Stats.BytesSent",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	got = network.Paths("Device.", []string{"Device.Ethernet.Interface.4.Stats.BytesSent"}, nil)
	if want := []string{"Device.DeviceInfo.UpTime"}; !slices.Equal(got, want) {
		t.Errorf("an interface that may be the subscriber's: got %v, want %v", got, want)
	}
	got = network.Paths(igd, []string{
		wan + "X_GponInterafceConfig.RXPower", wan + "X_GponInterafceConfig.RXPower", wan + "X_GponInterafceConfig.Stats.BytesSent",
		wan + "WANCommonInterfaceConfig.TotalBytesSent", wan + "WANEthernetInterfaceConfig.Stats.BytesSent",
	}, nil)
	want = []string{
		igd + "DeviceInfo.UpTime", wan + "WANCommonInterfaceConfig.TotalBytesSent",
		wan + "X_GponInterafceConfig.RXPower", wan + "X_GponInterafceConfig.Stats.BytesSent",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if got := network.Paths("Gateway.", known, nil); got != nil {
		t.Errorf("an unknown root: got %v, want none", got)
	}
	for _, root := range []string{"Device.", igd} {
		if got := network.Discover(root); len(got) == 0 {
			t.Errorf("nothing to discover below %s", root)
		}
	}
	if got := network.Discover(""); got != nil {
		t.Errorf("Discover of no root: %v", got)
	}
}

func TestFacingNetwork(t *testing.T) {
	got := network.FacingNetwork(map[string]string{
		"Device.Ethernet.Interface.1.Upstream":      "0",
		"Device.Ethernet.Interface.4.Upstream":      "true",
		"Device.IP.Interface.1.LowerLayers":         "Device.Ethernet.Link.1.",
		"Device.IP.Interface.2.LowerLayers":         "Device.PPP.Interface.1",
		"Device.IP.Interface.3.LowerLayers":         "Device.Bridging.Bridge.1.Port.1., Device.Ethernet.Interface.4",
		"Device.IP.Interface.5.LowerLayers":         "Device.IP.Interface.6.",
		"Device.IP.Interface.6.LowerLayers":         "Device.IP.Interface.5.",
		"Device.Ethernet.Link.1.LowerLayers":        "Device.Ethernet.Interface.1.",
		"Device.Ethernet.Interface.4.SomethingElse": "true",
	})
	want := []string{"Device.Ethernet.Interface.4.", "Device.IP.Interface.2.", "Device.IP.Interface.3."}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestChoose(t *testing.T) {
	var all []network.Reading
	for _, p := range [][3]string{
		{"Device.Optical.Interface.1.OpticalSignalLevel", "0"},
		{"Device.Optical.Interface.1.X_TP_GPON_Config.RXPower", "5624"},
		{"Device.PPP.Interface.1.Stats.BytesSent", "0"},
		{"Device.Ethernet.Interface.4.Stats.BytesSent", "17", "xsd:unsignedInt"},
		{wan + "X_GponInterafceConfig.Stats.BytesReceived", "1", "xsd:unsignedInt"},
		{wan + "WANCommonInterfaceConfig.TotalBytesReceived", "2", "xsd:unsignedLong"},
		{wan + "X_GponInterafceConfig.TXPower", "N/A"},
	} {
		r, ok := network.Read(p[0], p[1], p[2])
		if !ok {
			t.Fatalf("%s: no metric", p[0])
		}
		all = append(all, r)
	}
	got := network.Choose(all)
	want := []string{
		"Device.Optical.Interface.1.X_TP_GPON_Config.RXPower", wan + "X_GponInterafceConfig.TXPower",
		wan + "WANCommonInterfaceConfig.TotalBytesReceived", "Device.Ethernet.Interface.4.Stats.BytesSent",
	}
	var names []string
	for _, r := range got {
		names = append(names, r.Name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %v\nwant %v", names, want)
	}
	if got[1].Gap != network.NoLight {
		t.Errorf("the only reading of a metric is a gap, and stays one: got %+v", got[1])
	}
}

func TestMetricNames(t *testing.T) {
	seen := map[string]bool{}
	for m := network.RxPower; m <= network.ErrorsSent; m++ {
		got, ok := network.MetricNamed(m.String())
		if !ok || got != m || m.Unit() == "" || seen[m.String()] {
			t.Errorf("%d: name %q unit %q finds %d, %t", m, m, m.Unit(), got, ok)
		}
		seen[m.String()] = true
		if m.Kept() == m.Counter() && m != network.UpTime {
			t.Errorf("%s: kept %t, counter %t: want one of them", m, m.Kept(), m.Counter())
		}
	}
	for _, name := range []string{"", "rx", "metric(0)"} {
		if m, ok := network.MetricNamed(name); ok {
			t.Errorf("%q found %s", name, m)
		}
	}
	if got := network.Metric(99).String() + network.Metric(99).Unit() + network.Gap(99).String() + network.NoLight.String(); got != "metric(99)gap(99)no_light" {
		t.Errorf("got %q", got)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(wan+"X_FH_GponInterfaceConfig.RXPower", "-20.17 dBm", "xsd:string")
	f.Add("Device.Optical.Interface.1.OpticalSignalLevel", "−∞", "xsd:int")
	f.Add("Device.XPON.ONU.1.ANI.1.Transceiver.1.Temperature", "1e999", "")
	f.Add(wan+"WANCommonInterfaceConfig.TotalBytesSent", "-1", "xsd:unsignedInt")
	f.Add("Device.DeviceInfo.UpTime", "+00", "xsd:unsignedInt")
	f.Add(wan+"X_CT-COM_GponInterfaceConfig.SupplyVottage", "3,3 V", "")
	limits := map[network.Metric][2]float64{
		network.RxPower: {-40, 10}, network.TxPower: {-40, 10}, network.Temperature: {-40, 125}, network.Voltage: {1, 6}, network.BiasCurrent: {0, 150},
		network.UpTime: {0, 21 * 366 * 86400},
	}
	f.Fuzz(func(t *testing.T, name, value, xsd string) {
		r, ok := network.Read(name, value, xsd)
		if !ok {
			return
		}
		if r.Gap != network.NoGap {
			if r.Value != 0 || r.Count != 0 {
				t.Errorf("%q = %q: a gap with a number: %+v", name, value, r)
			}
			return
		}
		limit, measured := limits[r.Metric]
		if !measured {
			limit = [2]float64{0, network.MaxCount}
		}
		if !(r.Value >= limit[0] && r.Value <= limit[1]) {
			t.Errorf("%q = %q: %v is outside %v", name, value, r.Value, limit)
		}
	})
}

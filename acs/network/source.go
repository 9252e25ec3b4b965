package network

import (
	"cmp"
	"slices"
	"strings"
)

// source is a parameter that carries a metric. The lower its rank, the more it is to be believed.
type source struct {
	metric   Metric
	encoding encoding
	rank     int
}

// object is a group of parameters below one path; {i} stands for an instance number.
type object struct {
	paths  []string
	rank   int
	values map[string]source
}

// Ranks of what counts traffic: the whole PON interface first, then all WAN connections, then one of them.
const (
	rankPON = iota + 1
	rankWAN
	rankConnection
	rankInterface // of Ethernet or IP: only where it is known to face the network
)

const (
	igd = "InternetGatewayDevice."
	wan = igd + "WANDevice.{i}."
)

func powers(e encoding) map[string]source {
	return map[string]source{"RXPower": {metric: RxPower, encoding: e}, "TXPower": {metric: TxPower, encoding: e}}
}

func with(m map[string]source, leaf string, metric Metric, e encoding) map[string]source {
	m[leaf] = source{metric: metric, encoding: e}
	return m
}

func bytesOf(sent, received string, e encoding) map[string]source {
	return map[string]source{sent: {metric: BytesSent, encoding: e}, received: {metric: BytesReceived, encoding: e}}
}

func stats181() map[string]source {
	m := bytesOf("BytesSent", "BytesReceived", counter64)
	return with(with(m, "ErrorsSent", ErrorsSent, counter32), "ErrorsReceived", ErrorsReceived, counter32)
}

// objects is every place where a metric is known to be. Vendors' spelling is kept: Interafce, Vottage.
var objects = []object{
	{[]string{"Device.DeviceInfo.", igd + "DeviceInfo."}, 1, map[string]source{"UpTime": {metric: UpTime, encoding: seconds}}},
	{[]string{"Device.Optical.Interface.{i}."}, 2, map[string]source{
		"OpticalSignalLevel":   {metric: RxPower, encoding: milliDBm},
		"TransmitOpticalLevel": {metric: TxPower, encoding: milliDBm},
	}},
	{[]string{"Device.XPON.ONU.{i}.ANI.{i}.Transceiver.{i}."}, 1, map[string]source{
		"RxPower": {metric: RxPower, encoding: deciDBm}, "TxPower": {metric: TxPower, encoding: deciDBm},
		"Voltage": {metric: Voltage, encoding: millivolt}, "Bias": {metric: BiasCurrent, encoding: microampere},
		"Temperature": {metric: Temperature, encoding: celsius},
	}},
	{[]string{"Device.Optical.Interface.{i}.X_TP_GPON_Config."}, 1, with(with(with(powers(rawPower),
		"TransceiverTemperature", Temperature, celsius256), "SupplyVottage", Voltage, millivolt), "BiasCurrent", BiasCurrent, unknownUnit)},
	{[]string{wan + "X_GponInterafceConfig."}, 1, with(with(with(powers(dBm),
		"SupplyVoltage", Voltage, millivolt), "TransceiverTemperature", Temperature, celsius), "BiasCurrent", BiasCurrent, milliampere)},
	{[]string{wan + "X_CT-COM_GponInterfaceConfig.", wan + "X_CT-COM_EponInterfaceConfig."}, 1, with(with(with(powers(rawPower),
		"TransceiverTemperature", Temperature, celsius256), "SupplyVottage", Voltage, microvolt100), "BiasCurrent", BiasCurrent, microampere2)},
	{[]string{
		wan + "X_CMCC_GponInterfaceConfig.", wan + "X_CMCC_EponInterfaceConfig.", wan + "X_CATV_GponInterfaceConfig.",
		wan + "X_CU_WANEPONInterfaceConfig.OpticalTransceiver.", wan + "X_CU_WANGPONInterfaceConfig.OpticalTransceiver.",
		wan + "X_ZTE-COM_WANPONInterfaceConfig.", wan + "X_ZTE_COM_WANPONInterfaceConfig.",
	}, 1, powers(rawPower)},
	{[]string{igd + "X_ALU_OntOpticalParam."}, 1, with(with(with(powers(dBm),
		"SupplyVottage", Voltage, volt), "TransceiverTemperature", Temperature, celsius), "BiasCurrent", BiasCurrent, microampere)},
	{[]string{wan + "X_FH_GponInterfaceConfig.", wan + "WANGponInterfaceConfig."}, 1, powers(dBm)},

	{[]string{"Device.Optical.Interface.{i}.Stats."}, rankPON, stats181()},
	{[]string{"Device.PPP.Interface.{i}.Stats."}, rankConnection, stats181()},
	{[]string{"Device.Ethernet.Interface.{i}.Stats."}, rankInterface, stats181()},
	{[]string{"Device.IP.Interface.{i}.Stats."}, rankInterface + 1, stats181()},
	{[]string{
		wan + "X_GponInterafceConfig.Stats.", wan + "X_ZTE-COM_WANPONInterfaceConfig.Stats.", wan + "X_ZTE_COM_WANPONInterfaceConfig.Stats.",
		wan + "X_FH_GponInterfaceConfig.Stats.", wan + "X_CMCC_GponInterfaceConfig.Stats.", wan + "X_CMCC_EponInterfaceConfig.Stats.",
		wan + "X_CT-COM_GponInterfaceConfig.Stat.", wan + "X_CT-COM_EponInterfaceConfig.Stat.",
		wan + "X_CT-COM_GponInterfaceConfig.Stats.", wan + "X_CT-COM_EponInterfaceConfig.Stats.",
	}, rankPON, with(bytesOf("BytesSent", "BytesReceived", counter32), "FECError", ErrorsReceived, counter32)},
	{[]string{wan + "WANCommonInterfaceConfig."}, rankWAN, bytesOf("TotalBytesSent", "TotalBytesReceived", counter32)},
	{[]string{wan + "WANEthernetInterfaceConfig.Stats."}, rankConnection, bytesOf("BytesSent", "BytesReceived", counter32)},
	{
		[]string{wan + "WANConnectionDevice.{i}.WANPPPConnection.{i}.Stats.", wan + "WANConnectionDevice.{i}.WANIPConnection.{i}.Stats."},
		rankConnection + 1,
		with(with(bytesOf("EthernetBytesSent", "EthernetBytesReceived", counter32),
			"EthernetErrorsSent", ErrorsSent, counter32), "EthernetErrorsReceived", ErrorsReceived, counter32),
	},
}

// sources maps names, with {i} for instance numbers, to what they carry.
var sources = func() map[string]source {
	all := map[string]source{}
	for _, o := range objects {
		for _, path := range o.paths {
			for leaf, s := range o.values {
				s.rank = o.rank
				all[path+leaf] = s
			}
		}
	}
	return all
}()

// maxName is the longest parameter name of CWMP.
const maxName = 256

func sourceOf(name string) (source, bool) {
	if len(name) > maxName || !strings.HasPrefix(name, "Device.") && !strings.HasPrefix(name, igd) {
		return source{}, false
	}
	var b [maxName * 3]byte
	pattern := b[:0]
	for start, i := 0, 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '.' {
			continue
		}
		if segment := name[start:i]; allDigits(segment) {
			pattern = append(pattern, "{i}"...)
		} else {
			pattern = append(pattern, segment...)
		}
		if i < len(name) {
			pattern = append(pattern, '.')
		}
		start = i + 1
	}
	s, ok := sources[string(pattern)]
	return s, ok
}

// Discover gives the partial paths below which a device of the root ("Device." or "InternetGatewayDevice.") can have what Paths
// asks for; GetParameterNames of them, all levels, gives the names known. A device answers 9005 for those that it does not have.
// It is nil for any other root.
func Discover(root string) []string {
	switch root {
	case "Device.":
		return []string{"Device.Optical.", "Device.XPON.", "Device.PPP.Interface.", "Device.Ethernet.Interface.", "Device.IP.Interface."}
	case igd:
		return []string{igd + "WANDevice.", igd + "X_ALU_OntOpticalParam."}
	}
	return nil
}

// perMetric is how many sources of one metric are asked for: the best, and one beside it for the case that it stays 0.
const perMetric = 2

// Paths gives the names to ask a device for: the best sources among the names that it is known to have, at most two for a metric,
// and its up-time. upstream lists the interfaces that face the network (see FacingNetwork): counters of Ethernet and IP interfaces
// are asked for there only, since all others count the subscriber's own network. Sorted; nil for an unknown root.
func Paths(root string, known, upstream []string) []string {
	if Discover(root) == nil {
		return nil
	}
	found := map[Metric][]string{}
	for _, name := range known {
		s, ok := sourceOf(name)
		if !ok || !strings.HasPrefix(name, root) || s.metric == UpTime || s.encoding == unknownUnit {
			continue
		}
		if s.rank < rankInterface || slices.ContainsFunc(upstream, func(u string) bool { return strings.HasPrefix(name, u+"Stats.") }) {
			found[s.metric] = append(found[s.metric], name)
		}
	}
	names := []string{root + "DeviceInfo.UpTime"}
	for _, candidates := range found {
		slices.SortFunc(candidates, func(a, b string) int {
			x, _ := sourceOf(a)
			y, _ := sourceOf(b)
			return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(len(a), len(b)), strings.Compare(a, b))
		})
		candidates = slices.Compact(candidates)
		names = append(names, candidates[:min(perMetric, len(candidates))]...)
	}
	slices.Sort(names)
	return names
}

// FacingNetwork finds the interfaces of a TR-181 device that face the network, by the values of the parameters Upstream and LowerLayers
// below Device.Ethernet.Interface. and Device.IP.Interface.: those with Upstream set, and those on top of them or of a PPP or
// optical interface. It gives paths such as "Device.Ethernet.Interface.2.", sorted.
func FacingNetwork(values map[string]string) (paths []string) {
	for name, value := range values {
		i := strings.LastIndexByte(name, '.') + 1
		path, leaf := name[:i], name[i:]
		if leaf == "Upstream" && (value == "1" || strings.EqualFold(value, "true")) || leaf == "LowerLayers" && facesNetwork(values, value, 8) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// facesNetwork follows references downwards; depth ends circles.
func facesNetwork(values map[string]string, layers string, depth int) bool {
	if depth == 0 || layers == "" {
		return false
	}
	for path := range strings.SplitSeq(layers, ",") {
		path = strings.TrimSuffix(strings.TrimSpace(path), ".") + "."
		up := values[path+"Upstream"]
		if strings.HasPrefix(path, "Device.PPP.") || strings.HasPrefix(path, "Device.Optical.") || up == "1" || strings.EqualFold(up, "true") ||
			facesNetwork(values, values[path+"LowerLayers"], depth-1) {
			return true
		}
	}
	return false
}

// Choose gives one reading for each metric out of all that a device reported, ordered by metric. Values come before gaps,
// counters that wrap late before those that wrap early, counters that count before those that stay 0, then the better source.
func Choose(readings []Reading) []Reading {
	chosen := slices.Clone(readings)
	slices.SortStableFunc(chosen, func(a, b Reading) int {
		x, _ := sourceOf(a.Name)
		y, _ := sourceOf(b.Name)
		return cmp.Or(cmp.Compare(a.Metric, b.Metric), cmp.Compare(min(a.Gap, 1), min(b.Gap, 1)),
			cmp.Compare(idle(a), idle(b)), cmp.Compare(b.Bits, a.Bits), cmp.Compare(x.rank, y.rank), strings.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(chosen, func(a, b Reading) bool { return a.Metric == b.Metric })
}

func idle(r Reading) int {
	if r.Metric.Counter() && r.Count == 0 {
		return 1
	}
	return 0
}

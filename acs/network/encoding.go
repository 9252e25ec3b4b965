package network

import (
	"math"
	"strconv"
	"strings"
)

// encoding is how a device writes a metric.
type encoding uint8

const (
	dBm      encoding = iota + 1
	milliDBm          // dBm × 1000; exactly 0 is "not measured"
	deciDBm           // dBm × 10
	rawPower          // steps of 0.1 µW, or dBm by the firmware: see power
	celsius
	celsius256 // steps of 1/256 °C
	volt
	millivolt
	microvolt100 // steps of 100 µV
	milliampere
	microampere
	microampere2 // steps of 2 µA
	unknownUnit
	seconds
	counter32 // unless the device reports another type
	counter64
)

// limits are what each metric can be; a value outside is a gap. Powers exclude their lower limit: −40 dBm is how many devices
// write "no light".
var limits = map[Metric][2]float64{
	RxPower: {-40, 10}, TxPower: {-40, 10}, Temperature: {-40, 125}, Voltage: {1, 6}, BiasCurrent: {0, 150},
}

// MaxCount is more than 10 Gbit/s bring in 25 years: a counter above it is not believed.
const MaxCount = 1e18

// maxUpTime is 20 years in seconds.
const maxUpTime = 20 * 366 * 86400

// Reading is one value that a device reported, in the metric's unit.
type Reading struct {
	Metric Metric
	Name   string // the parameter it came from
	Value  float64
	// Count is Value of a counter, exactly.
	Count uint64
	// Bits is where a counter wraps: 32 or 64. 0 for what is no counter.
	Bits int
	// Gap is why there is no value; NoGap where there is one.
	Gap Gap
}

// Read takes what a device reported for a parameter: its name, value, and type as reported (xsd:unsignedInt; may be empty). ok is
// false where the name says nothing of any metric; what cannot be understood is a Reading with a Gap.
func Read(name, value, xsdType string) (r Reading, ok bool) {
	s, ok := sourceOf(name)
	if !ok {
		return r, false
	}
	r = Reading{Metric: s.metric, Name: name}
	n, good := parseNumber(value)
	switch {
	case !good:
		r.Gap = Malformed
	case n.nothing && s.metric.power():
		r.Gap = NoLight
	case n.nothing:
		r.Gap = NotMeasured
	case s.metric.Counter() || s.metric == UpTime:
		r.count(n, s.encoding, xsdType)
	default:
		r.gauge(n, s.encoding)
	}
	if r.Gap != NoGap {
		r.Value, r.Count, r.Bits = 0, 0, 0
	}
	return r, true
}

// count reads whole numbers that may not lose a digit.
func (r *Reading) count(n number, e encoding, xsdType string) {
	switch {
	case n.value < 0:
		r.Gap = OutOfRange
		return
	case !n.whole || n.unit != "" && n.unit != "s" && n.unit != "sec" && n.unit != "seconds" && n.unit != "b" && n.unit != "bytes":
		r.Gap = Malformed
		return
	}
	v, err := strconv.ParseUint(n.digits, 10, 64)
	switch {
	case err != nil && strings.Contains(err.Error(), "range"):
		r.Gap = OutOfRange
	case err != nil:
		r.Gap = Malformed
	case v == math.MaxUint32 || v == math.MaxUint64 || v == math.MaxInt64:
		r.Gap = NotMeasured
	case v > MaxCount, e == seconds && v > maxUpTime:
		r.Gap = OutOfRange
	}
	r.Count, r.Value = v, float64(v)
	if e != seconds {
		r.Bits = counterBits(e, v, xsdType)
	}
}

// counterBits trusts the reported type over the data model: some devices report unsignedInt where TR-181 says unsignedLong.
func counterBits(e encoding, v uint64, xsdType string) int {
	_, local, found := strings.Cut(xsdType, ":")
	if !found {
		local = xsdType
	}
	switch {
	case v > math.MaxUint32, local == "unsignedLong", local == "long":
		return 64
	case local == "unsignedInt", local == "int", e == counter32:
		return 32
	}
	return 64
}

// gauge reads a measured quantity.
func (r *Reading) gauge(n number, e encoding) {
	if n.value == 65535 || n.value == math.MaxUint32 || n.value == -65536 || n.value == math.MaxInt32 || n.value == math.MinInt32 {
		r.Gap = NotMeasured
		return
	}
	switch {
	case n.unit != "":
		r.Value, r.Gap = withUnit(r.Metric, n)
	case r.Metric.power():
		r.Value, r.Gap = power(r.Metric, n, e)
	default:
		r.Value, r.Gap = scaled(n, e)
	}
	limit := limits[r.Metric]
	switch {
	case r.Gap != NoGap:
	case r.Metric.power() && r.Value <= limit[0]+1e-9: // 1 in steps of 0.1 µW is −40 dBm but for the last bit
		r.Gap = NoLight
	case !(r.Value >= limit[0] && r.Value <= limit[1]):
		r.Gap = OutOfRange
	}
}

// withUnit believes a unit that the device wrote beside the number, where it fits the metric.
func withUnit(m Metric, n number) (float64, Gap) {
	var factor float64
	switch unit := n.unit; {
	case m.power() && unit == "dbm":
		return n.value, NoGap
	case m.power():
		factor = map[string]float64{"mw": 1, "uw": 1e-3, "nw": 1e-6}[unit]
		if factor != 0 {
			return fromMilliwatt(n.value * factor)
		}
	case m == Temperature:
		factor = map[string]float64{"c": 1, "°c": 1, "celsius": 1, "degc": 1}[unit]
	case m == Voltage:
		factor = map[string]float64{"v": 1, "mv": 1e-3, "uv": 1e-6}[unit]
	case m == BiasCurrent:
		factor = map[string]float64{"a": 1e3, "ma": 1, "ua": 1e-3}[unit]
	}
	if factor == 0 {
		return 0, Malformed
	}
	return n.value * factor, NoGap
}

func fromMilliwatt(mw float64) (float64, Gap) {
	if mw <= 0 {
		return 0, NoLight
	}
	return 10 * math.Log10(mw), NoGap
}

// power reads a power without a unit word. Devices of one object differ by firmware, so the number itself has a say.
func power(m Metric, n number, e encoding) (float64, Gap) {
	switch {
	case e == milliDBm && n.value == 0:
		// Where the vendor's object has the value, the standard one beside it stays 0.
		return 0, NotMeasured
	case e == milliDBm:
		return n.value / 1000, NoGap
	case e == deciDBm:
		return n.value / 10, NoGap
	case n.value < 0:
		return negative(n.value), NoGap
	case e == dBm && n.value == 0 && m == RxPower:
		// No receiver of a PON is given 1 mW: it would be damaged. Zero is what firmware shows before it has measured.
		return 0, NotMeasured
	case e == dBm:
		return n.value, NoGap
	case n.value == 0:
		return 0, NoLight
	case m == TxPower && n.value < 15, !n.whole:
		// ZTE F670L V9 and F6600 report dBm in an object that is raw elsewhere: no laser sends 1.5 µW.
		return n.value, NoGap
	}
	return fromMilliwatt(n.value / 10000)
}

// negative reads a negative power: dBm, or hundredths or thousandths of it where it is too low for dBm. Which, is told by what a
// receiver can be given: hundredths down to −40 dBm, below that thousandths. −2017 is −20.17 dBm, since −2 dBm would blind it.
func negative(v float64) float64 {
	switch {
	case v >= -100:
		return v
	case v > -4000:
		return v / 100
	}
	return v / 1000
}

// scaled reads what is no power. A fraction in a count of steps says that the unit is another one than is known.
func scaled(n number, e encoding) (float64, Gap) {
	steps := map[encoding]float64{celsius256: 256, millivolt: 1000, microvolt100: 10000, microampere2: 500}
	switch e {
	case unknownUnit:
		return 0, UnknownUnit
	case celsius:
		if n.value == -274 {
			return 0, NotMeasured // TR-181: no reading
		}
		return n.value, NoGap
	case volt, milliampere:
		return n.value, NoGap
	case microampere:
		return n.value / 1000, NoGap
	}
	if !n.whole {
		return 0, Malformed
	}
	return n.value / steps[e], NoGap
}

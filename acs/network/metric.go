package network

import (
	"fmt"
	"slices"
)

// Metric is one thing that is read from a device or kept of it.
type Metric uint8

// What is read from devices. The first five are kept in a Series as they are.
const (
	RxPower     Metric = iota + 1 // optical power received, dBm
	TxPower                       // optical power sent, dBm
	Temperature                   // of the transceiver, °C
	Voltage                       // supply of the transceiver, V
	BiasCurrent                   // of the laser, mA

	// What a Series keeps besides, made from the counters below.
	Downstream       // traffic to the subscriber, mean bit/s
	Upstream         // traffic from the subscriber, mean bit/s
	DownstreamErrors // mean errors an hour
	UpstreamErrors   // mean errors an hour
	Drops            // restarts and losses of the connection, a count

	// Counters, as read.
	UpTime         // s
	BytesReceived  // from the network
	BytesSent      // into the network
	ErrorsReceived // in what came from the network
	ErrorsSent     // in what was sent into it

	metrics = ErrorsSent
	kept    = Drops
)

var metricTexts = [...]struct{ name, unit string }{
	RxPower: {"rx_power", "dBm"}, TxPower: {"tx_power", "dBm"}, Temperature: {"temperature", "°C"}, Voltage: {"voltage", "V"},
	BiasCurrent: {"bias_current", "mA"}, Downstream: {"downstream", "bit/s"}, Upstream: {"upstream", "bit/s"},
	DownstreamErrors: {"downstream_errors", "1/h"}, UpstreamErrors: {"upstream_errors", "1/h"}, Drops: {"drops", "1"},
	UpTime: {"uptime", "s"}, BytesReceived: {"bytes_received", "B"}, BytesSent: {"bytes_sent", "B"},
	ErrorsReceived: {"errors_received", "1"}, ErrorsSent: {"errors_sent", "1"},
}

// String is the metric's name in the API, such as rx_power.
func (m Metric) String() string {
	if m < RxPower || m > metrics {
		return fmt.Sprintf("metric(%d)", uint8(m))
	}
	return metricTexts[m].name
}

// Unit is the unit of the metric's values; empty for a metric that is none.
func (m Metric) Unit() string {
	if m < RxPower || m > metrics {
		return ""
	}
	return metricTexts[m].unit
}

// Kept tells whether a Series keeps the metric.
func (m Metric) Kept() bool { return m >= RxPower && m <= kept }

// Counter tells whether the metric is read as a count that only grows until the device restarts.
func (m Metric) Counter() bool { return m >= BytesReceived && m <= ErrorsSent }

func (m Metric) power() bool { return m == RxPower || m == TxPower }

// MetricNamed finds a metric by its name.
func MetricNamed(name string) (Metric, bool) {
	i := slices.IndexFunc(metricTexts[:], func(t struct{ name, unit string }) bool { return t.name == name })
	return Metric(max(i, 0)), name != "" && i > 0
}

// Gap is why a value is missing; NoGap where it is not.
type Gap uint8

// The reasons.
const (
	NoGap       Gap = iota
	NotMeasured     // the device's way to say that it has no value: N/A, an empty text, all bits set
	NoLight         // a power of nothing: −inf, 0 µW, −40 dBm or less
	OutOfRange      // a number that the thing measured cannot have
	Malformed       // no number, or one that reads in two ways
	UnknownUnit     // a number whose unit is not known for this device
	Restarted       // a counter began anew
	Ambiguous       // a 32-bit counter may have wrapped more than once, or it is another counter
	BadInterval     // two samples at the same moment, or out of order
)

var gapNames = [...]string{"none", "not_measured", "no_light", "out_of_range", "malformed", "unknown_unit", "restarted", "ambiguous", "bad_interval"}

// String names the reason in snake case.
func (g Gap) String() string {
	if int(g) >= len(gapNames) {
		return fmt.Sprintf("gap(%d)", uint8(g))
	}
	return gapNames[g]
}

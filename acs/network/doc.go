// Package network turns what the routers of a network report into news about the network: readings of optics and traffic in one
// unit each, their history in a few kilobytes a device, statistics and forecasts over it, each device's own rhythm of calling in,
// and outages of PON ports.
//
// It is pure: no goroutine, no clock, no store, no network. Callers say what time it is and do what it asks for. Values flow
//
//	parameters -> Choose -> Reading -> Difference -> Series -> Median, Trend, Forecast
//	Informs    -> Rhythm -> Detector -> Notice
//
// A value that is not known is a Gap with its reason, never a number: an alarm that rests on a device's way of saying "nothing"
// costs more trust than one that is missing. docs/network.md tells how each number is computed. No type here is safe for
// concurrent use unless it says so.
package network

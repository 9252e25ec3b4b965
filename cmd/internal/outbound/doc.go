// Package outbound is the only maker of outbound connections. Both places where a stranger chooses the address, a client's
// webhook URL and a device's connection-request URL, get their connections here, so no path leads around the checks.
//
// Guard is for webhooks: it checks a URL when it is registered (CheckURL), and the real address again at every dial, so a name
// that changes its address gains nothing. DeviceDialer is for connection requests: it dials the address that the device called
// from, or the operator's networks, and nothing else.
//
// The package imports nothing of Recado's: the wiring hands it to webhook and cwmp, and gives the sentinels that their errors
// are to satisfy.
package outbound

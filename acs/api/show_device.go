package api

import (
	"fmt"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
)

// device is what is known of a device, without its open actions.
func device(d *acs.Device) wire.Device {
	id, f := &d.Identity, &d.Facts
	w := wire.Device{
		ID: d.ID, Manufacturer: id.Manufacturer, OUI: id.OUI, ProductClass: id.ProductClass, SerialNumber: id.SerialNumber,
		RouterID: f.RouterID, AccountID: f.AccountID, PPPoELogin: f.PPPoELogin, MAC: f.MAC, City: f.City, PONPort: f.PONPort,
		Tags: append([]string{}, f.Tags...), Online: online(d, time.Now()), ConnectionRequest: connectionHealth(d),
		CWMPAuth:  wire.CredentialShown{Username: f.CWMPAuth.Username, PasswordSet: f.CWMPAuth.Password != ""},
		CreatedAt: wire.TimePtr(f.CreatedAt), UpdatedAt: wire.TimePtr(f.UpdatedAt),
	}
	if d.Known() {
		w.Reported = reported(&d.Reported)
	}
	if c := d.Conflict; c != nil {
		w.IdentityConflict = &wire.IdentityConflict{
			Since: wire.Time(c.Since), LastAt: wire.Time(c.Last), Addresses: []string{c.Addresses[0].String(), c.Addresses[1].String()},
		}
	}
	return w
}

func reported(r *acs.Reported) *wire.Reported {
	w := &wire.Reported{
		DataModel: r.Root, SoftwareVersion: r.SoftwareVersion, HardwareVersion: r.HardwareVersion, MAC: r.MAC,
		PPPoELogin: r.PPPoELogin, CWMPNamespace: r.Namespace, FirstInformAt: wire.Time(r.FirstInform),
		LastInformAt: wire.Time(r.LastInform), LastBootAt: wire.TimePtr(r.LastBoot), LastEvents: append([]string{}, r.LastEvents...),
		UptimeAt: wire.TimePtr(r.UptimeAt), RetryCount: r.RetryCount,
	}
	if r.LastAddr.IsValid() {
		w.Address = r.LastAddr.String()
	}
	if !r.UptimeAt.IsZero() {
		seconds := int64(r.Uptime / time.Second)
		w.UptimeSeconds = &seconds
	}
	return w
}

// How old the last Inform may be for a device to count as online, and how old it is when it counts as offline: most CPEs call in
// once an hour to once a day.
const (
	onlineWithin = 15 * time.Minute
	offlineAfter = 26 * time.Hour
)

// online guesses from when the device last called in, and from whether it answered its last connection request.
func online(d *acs.Device, now time.Time) wire.Online {
	last, r := d.Reported.LastInform, d.Ring
	if !d.Known() {
		return wire.Online{Estimate: "unknown", Why: "it has never called in"}
	}
	age := now.Sub(last)
	ago := fmt.Sprintf("it called in %s ago", max(age, 0).Round(time.Second))
	if r != nil && r.At.After(last) {
		switch {
		case answered(r.Reason):
			if now.Sub(r.At) < onlineWithin {
				return wire.Online{Estimate: "online", Why: "it answered a connection request since it last called in"}
			}
		case unanswered(r.Reason):
			return wire.Online{Estimate: "offline", Why: "it did not answer a connection request; " + ago}
		}
	}
	switch {
	case age < onlineWithin:
		return wire.Online{Estimate: "online", Why: ago}
	case age > offlineAfter:
		return wire.Online{Estimate: "offline", Why: ago}
	}
	return wire.Online{Estimate: "unknown", Why: ago + ", and nothing is known since"}
}

// answered reports whether a connection request with this result had an answer of the device, if only a refusal.
func answered(r cwmp.RequestReason) bool {
	switch r {
	case "", cwmp.RequestUnauthorized, cwmp.RequestBadChallenge, cwmp.RequestBasicOnly, cwmp.RequestNotFound, cwmp.RequestBusy,
		cwmp.RequestNoPassword:
		return true
	}
	return false
}

func unanswered(r cwmp.RequestReason) bool {
	switch r {
	case cwmp.RequestRefused, cwmp.RequestUnreachable, cwmp.RequestTimeout:
		return true
	}
	return false
}

func connectionHealth(d *acs.Device) wire.ConnectionHealth {
	c := d.Facts.ConnectionRequest
	h := wire.ConnectionHealth{
		URLKnown: d.Reported.ConnectionRequestURL != "", Username: c.Username, PasswordSet: c.Password != "", Last: ring(d.Ring, d.Ring != nil && d.Reported.LastInform.After(d.Ring.At)),
	}
	switch {
	case !h.URLKnown:
		h.State = "impossible"
	case d.Ring == nil:
		h.State = "untried"
	case d.Ring.Reason == "":
		h.State = "ok"
	default:
		h.State = "failing"
	}
	return h
}

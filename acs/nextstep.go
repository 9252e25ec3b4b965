package acs

import (
	"recado/cwmp"
)

// explainRing says in a sentence what a failed connection request means.
func explainRing(r cwmp.RequestReason) string {
	switch r {
	case cwmp.RequestBadURL:
		return "the URL that the device reports cannot be used (it must be plain http without user info)"
	case cwmp.RequestForbidden:
		return "the URL that the device reports points neither at where it called from nor into an allowed network"
	case cwmp.RequestDNS:
		return "the host name in the device's URL does not resolve"
	case cwmp.RequestRefused:
		return "nothing listens at the device's address and port"
	case cwmp.RequestUnreachable:
		return "there is no route to the device's address"
	case cwmp.RequestReset:
		return "the device closed the connection without an answer"
	case cwmp.RequestTimeout:
		return "no answer within 5 s: the device is off, or behind NAT or a firewall"
	case cwmp.RequestNoPassword:
		return "the device asks for credentials and none are known for it"
	case cwmp.RequestUnauthorized:
		return "the device refuses the connection-request user name or password"
	case cwmp.RequestBadChallenge:
		return "the device asks for credentials in a way that cannot be answered"
	case cwmp.RequestBasicOnly:
		return "the device offers Basic authentication only, which is not allowed"
	case cwmp.RequestNotFound:
		return "the device does not know the path: its URL is out of date"
	case cwmp.RequestBusy:
		return "the device is busy or limits requests (503); it is asked again"
	case cwmp.RequestBadAnswer:
		return "the device's answer is no use here"
	case cwmp.RequestLimited:
		return "too soon after the last request"
	}
	return string(r)
}

// NextStep says in plain words what happens next with an action, or what somebody can do about it. w is what it waits behind, nil for
// nothing.
func NextStep(a Action, w *Wait) string {
	switch a.Status {
	case StatusSuccess:
		if a.Applied == AppliedAfterReboot {
			return "Done: the device has the values and applies them after the session or its next reboot."
		}
		return "Done: nothing to do."
	case StatusCancelled:
		return "Cancelled before anything was sent: nothing to do."
	case StatusFailure:
		return nextAfterFailure(a)
	case StatusTimeout:
		return nextAfterTimeout(a)
	}
	if w != nil && a.unsent() {
		return nextBehind(a, w)
	}
	switch a.Stage {
	case StageAccepted:
		if a.Kind == KindReboot {
			return "The device accepted the reboot; waiting for it to come back."
		}
		return "The device took the values; they are being read back."
	case StageSent:
		if a.Kind == KindReboot {
			return "The reboot was handed to the device; waiting for its answer or for it to come back. It is sent again only if the device proves that it did not reboot."
		}
		return "The values were handed to the device; waiting for its answer. They are sent again if the session broke off."
	case StageInSession:
		return "The device is in a session; the request goes out next."
	case StageWaking:
		return "The device was asked to call in; waiting for its session."
	}
	if a.Ring == nil || a.Ring.Reason == "" {
		return "Waiting for the device to be reached, or to call in by itself."
	}
	return "Waiting: " + ringTrouble(a.Ring)
}

// nextBehind is for an action behind another one. Where the device cannot be rung, that holds up both; for what is behind a reboot that
// was sent it is not rung.
func nextBehind(a Action, w *Wait) string {
	if a.Ring == nil || a.Ring.Reason == "" || w.Reason == WaitReboot {
		return w.explain()
	}
	return w.explain() + " Besides, " + ringTrouble(a.Ring)
}

func ringTrouble(r *Ring) string {
	return "the last connection request failed, since " + explainRing(r.Reason) + ". " + adviseRing(r.Reason)
}

func adviseRing(r cwmp.RequestReason) string {
	switch r {
	case cwmp.RequestUnauthorized, cwmp.RequestNoPassword:
		return "Set the right credentials with PUT /api/v1/devices/{id} (connection_request), or wait until the device calls in by itself."
	case cwmp.RequestForbidden:
		return "Allow the device's network with --device-allow-cidr, or wait until the device calls in by itself."
	case cwmp.RequestBasicOnly:
		return "Switch the device to digest authentication, or wait until it calls in by itself."
	}
	return "It is tried again, and the device may call in by itself: check its power and line."
}

func nextAfterFailure(a Action) string {
	switch a.Reason {
	case ReasonVerifyMismatch:
		return "The device took the values but reads back others: look at the named parameters on the device."
	case ReasonDeviceRebooted:
		return "The device rebooted by itself while it had the request: check its power supply and firmware before asking again."
	case ReasonMethodNotSupported:
		return "The device does not know this request: it cannot be done on this firmware."
	}
	if a.Fault != nil && len(a.Fault.Parameters) > 0 {
		return "The device refused the named parameters: correct them and ask again; nothing was changed."
	}
	return "The device refused the request: see fault; ask again if it is a passing condition."
}

func nextAfterTimeout(a Action) string {
	switch {
	case a.Late != nil && a.Late.Status == StatusSuccess:
		return "The device did it after the deadline: nothing to do."
	case a.Late != nil:
		return "The device refused it after the deadline: see fault."
	case a.watched():
		return "The request was sent before the deadline and may still happen; it is watched for 24 h and told as a late result."
	}
	switch a.Reason {
	case ReasonUnauthorized:
		return "Nothing was sent. Set the right connection-request credentials for the device, then ask again."
	case ReasonDeviceOffline, ReasonUnreachable:
		return "Nothing was sent. Check the device's power and line, then ask again."
	}
	if a.SentAt.IsZero() {
		return "Nothing was sent. Ask again when the device can be reached."
	}
	return "It is not known whether the device did it: look at the device before asking again."
}

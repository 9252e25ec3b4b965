package acs

import (
	"time"

	"recado/cwmp"
)

// Kind is what an action does.
type Kind string

// Kinds.
const (
	KindReboot           Kind = "reboot"
	KindParametersUpdate Kind = "parameters.update"
)

// Status is an action's result: pending, then exactly one of the others, for good.
type Status string

// Statuses.
const (
	StatusPending   Status = "pending"
	StatusSuccess   Status = "success"
	StatusFailure   Status = "failure"
	StatusTimeout   Status = "timeout"
	StatusCancelled Status = "cancelled"
)

// Final reports whether the status can no longer change.
func (s Status) Final() bool { return s != StatusPending }

// Stage tells how far a pending action is; a final action keeps its last one.
type Stage string

// Stages, in order.
const (
	StageQueued    Stage = "queued"     // stored; the device is not reached yet
	StageWaking    Stage = "waking"     // a connection request is under way, or was taken
	StageInSession Stage = "in_session" // the device called in
	StageSent      Stage = "sent"       // on disk as sent, then handed to the device
	StageAccepted  Stage = "accepted"   // the device answered; proof is awaited
)

// Reason says why an action failed, timed out or is stuck: a stable code for programs.
type Reason string

// Reasons of failures and timeouts.
const (
	ReasonDeviceFault        Reason = "device_fault"    // the device answered with a fault
	ReasonVerifyMismatch     Reason = "verify_mismatch" // values read back differ
	ReasonDeviceRebooted     Reason = "device_rebooted" // crash loop: two unexpected boots
	ReasonDeviceOffline      Reason = "device_offline"  // it never called in, and no connection request could be tried
	ReasonUnauthorized       Reason = "connection_request_unauthorized"
	ReasonUnreachable        Reason = "connection_request_unreachable"
	ReasonRejected           Reason = "connection_request_rejected" // answered, but with no use: 404, bad challenge, …
	ReasonBusy               Reason = "device_busy"                 // 503 to the end
	ReasonNoSession          Reason = "no_session_after_connection_request"
	ReasonNoAnswer           Reason = "no_answer"            // sent; the device never answered
	ReasonNoBoot             Reason = "no_boot_after_reboot" // accepted; no boot seen
	ReasonNotVerified        Reason = "not_verified"         // applied; the values could not be read back
	ReasonCancelledByClient  Reason = "cancelled_by_client"
	ReasonBehindAnother      Reason = "behind_another_action" // one sent before it was not settled in time
	ReasonSessionIncomplete  Reason = "session_incomplete"    // sessions came and broke off before the request could go out
	ReasonMethodNotSupported Reason = "method_not_supported"
)

// Parameter is one parameter of an update. Value is secret until proven otherwise: stores encrypt it, and it is emptied when the
// action is final.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
	Type  string `json:"type"` // "xsd:string", …
}

// Fault is why a device, the network or Recado refused: names and codes, never values.
type Fault struct {
	Source     string           `json:"source"` // "cpe", "acs", "network"
	Code       int              `json:"code"`
	String     string           `json:"string"`
	Parameters []ParameterFault `json:"parameters,omitempty"`
}

// ParameterFault is what was wrong with one parameter.
type ParameterFault struct {
	Name   string `json:"name"`
	Code   int    `json:"code"`
	String string `json:"string"`
}

// Kinds of evidence for a reboot.
const (
	EvidenceMReboot = "m_reboot" // M Reboot with our CommandKey
	EvidenceBoot    = "boot"     // 1 BOOT after sent
	EvidenceUptime  = "uptime"   // an up-time shorter than the time since sending
)

// Evidence is what proves a reboot.
type Evidence struct {
	Kind       string   `json:"kind"`
	EventCodes []string `json:"event_codes,omitempty"`
	// Downtime is from the answer to Reboot (or from sending it) to the Inform that proved it.
	Downtime time.Duration `json:"downtime"`
	// Uptime is what the device said, for EvidenceUptime.
	Uptime time.Duration `json:"uptime,omitempty"`
}

// Applied tells when an update takes effect.
const (
	AppliedNow         = "now"
	AppliedAfterReboot = "after_reboot"
)

// Ring is the last connection request made for an action.
type Ring struct {
	At     time.Time          `json:"at"`
	Reason cwmp.RequestReason `json:"reason,omitempty"` // empty: the device took it
	Status int                `json:"status,omitempty"`
	Tries  int                `json:"tries"`
	NextAt time.Time          `json:"next_at,omitzero"`
}

// TimelineEntry is one step in an action's life. Detail is plain English without values or secrets.
type TimelineEntry struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // "accepted", "waking", "sent", "boot", …: a code
	Detail string    `json:"detail,omitempty"`
}

// MaxTimeline bounds a timeline: the first entries and the last ones are kept.
const MaxTimeline = 64

// Late is what a device did after the action had timed out.
type Late struct {
	At     time.Time `json:"at"`
	Status Status    `json:"status"` // success or failure
	Event  string    `json:"event"`  // id of action.late_result
}

// Action is one request to one device, from acceptance to verdict.
type Action struct {
	ID        Protocolo `json:"id"`
	Client    string    `json:"client"` // id of the client that asked
	Kind      Kind      `json:"kind"`
	Device    string    `json:"device"`    // device id
	RouterID  string    `json:"router_id"` // as the client named the device
	ClientRef string    `json:"client_ref,omitempty"`

	Status       Status `json:"status"`
	Stage        Stage  `json:"stage"`
	Reason       Reason `json:"reason,omitempty"`
	ReasonDetail string `json:"reason_detail,omitempty"`

	CreatedAt  time.Time `json:"created_at"`
	DeadlineAt time.Time `json:"deadline_at"`
	SentAt     time.Time `json:"sent_at,omitzero"` // of the last sending
	AcceptedAt time.Time `json:"accepted_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// WatchUntil is set on a timed-out action that was sent: what the device does until then is told as a late result.
	WatchUntil time.Time `json:"watch_until,omitzero"`

	Parameters []Parameter `json:"parameters,omitempty"`
	Verify     bool        `json:"verify,omitempty"`

	// Sends counts how often the request was sent. A second Reboot needs the device's own proof that the first did nothing.
	Sends int `json:"sends,omitempty"`
	// BootKey is the protocolo whose CommandKey went out with the Reboot: another one's where a boot is shared.
	BootKey Protocolo `json:"boot_key,omitzero"`
	// SentSession tags the session that it was sent in; SentInBoot tells that this session's Inform itself had a boot event.
	SentSession string `json:"sent_session,omitempty"`
	SentInBoot  bool   `json:"sent_in_boot,omitempty"`
	// Boots counts unexpected boots of the device while the action was in flight.
	Boots int `json:"boots,omitempty"`

	Applied      string    `json:"applied,omitempty"`
	Verified     bool      `json:"verified,omitempty"`
	Unverifiable []string  `json:"unverifiable,omitempty"`
	Mismatched   []string  `json:"mismatched,omitempty"`
	Fault        *Fault    `json:"fault,omitempty"`
	Evidence     *Evidence `json:"evidence,omitempty"`
	Ring         *Ring     `json:"ring,omitempty"`
	Late         *Late     `json:"late,omitempty"`

	Timeline []TimelineEntry `json:"timeline,omitempty"`
	// FinalEvent is the id of the event that told the verdict; Sequence is the last number that was allotted for the action in the
	// device's order: the verdict's, then the late result's.
	FinalEvent string `json:"final_event,omitempty"`
	Sequence   uint64 `json:"sequence,omitempty"`
	// Version counts changes; the store compares it.
	Version uint64 `json:"version"`
}

// Due is when a clock has to look at the action again: its deadline, the end of its watch, or never (zero).
func (a *Action) Due() time.Time {
	if a.Status.Final() {
		return a.WatchUntil
	}
	return a.DeadlineAt
}

// Live reports whether the device can still change something about the action: it is pending or under watch.
func (a *Action) Live() bool { return !a.Due().IsZero() }

// Waits reports whether the device has yet to call in for the action.
func (a *Action) Waits() bool {
	return !a.Status.Final() && (a.Stage == StageQueued || a.Stage == StageWaking)
}

// InFlight reports whether the request was sent and no verdict is reached.
func (a *Action) InFlight() bool {
	return !a.Status.Final() && (a.Stage == StageSent || a.Stage == StageAccepted)
}

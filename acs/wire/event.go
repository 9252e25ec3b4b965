package wire

import "time"

// Event types.
const (
	ActionSucceeded  = "action.succeeded"
	ActionFailed     = "action.failed"
	ActionTimedOut   = "action.timed_out"
	ActionLateResult = "action.late_result"
	ActionAccepted   = "action.accepted"  // sent to endpoints that name it
	ActionCancelled  = "action.cancelled" // sent to endpoints that name it
	ActionStage      = "action.stage"     // sent to endpoints that name it
	WebhookTest      = "webhook.test"
	EndpointDisabled = "endpoint.disabled"
	DeviceAdded      = "device.added"
	DeviceBoot       = "device.boot" // sent to endpoints that name it
	SecurityAlert    = "security.alert"
	ClientChanged    = "client.changed"
)

// ActionEvent is the body of a webhook about an action.
type ActionEvent struct {
	Type      string     `json:"type"`
	ID        string     `json:"id"`
	Timestamp Time       `json:"timestamp"`
	Protocolo string     `json:"protocolo"`
	RouterID  string     `json:"router_id"`
	Status    string     `json:"status"` // success, failure, timeout; pending and cancelled in events asked for by name
	Data      ActionData `json:"data"`
}

// ActionData is the data of an ActionEvent.
type ActionData struct {
	Action       string      `json:"action"`
	ClientRef    string      `json:"client_ref,omitempty"`
	Sequence     uint64      `json:"sequence"`
	Final        bool        `json:"final"`
	RequestedAt  Time        `json:"requested_at"`
	SentAt       *Time       `json:"sent_at"`
	FinishedAt   *Time       `json:"finished_at"`
	DeadlineAt   Time        `json:"deadline_at"`
	DurationMS   *int64      `json:"duration_ms"`
	Device       EventDevice `json:"device"`
	Stage        string      `json:"stage,omitempty"` // in action.stage only
	Evidence     *Evidence   `json:"evidence"`
	Applied      string      `json:"applied,omitempty"`
	Verified     *bool       `json:"verified,omitempty"`
	Unverifiable []string    `json:"unverifiable,omitempty"`
	Reason       *string     `json:"reason"`
	Fault        *Fault      `json:"fault"`
	Late         bool        `json:"late"`
	Supersedes   *string     `json:"supersedes"` // id of the event that this one corrects
}

// EventDevice identifies the device in an event.
type EventDevice struct {
	ID              string `json:"id"`
	OUI             string `json:"oui"`
	ProductClass    string `json:"product_class"`
	SerialNumber    string `json:"serial_number"`
	SoftwareVersion string `json:"software_version,omitempty"`
}

// Evidence is what proves a reboot.
type Evidence struct {
	Kind       string   `json:"kind"` // m_reboot, boot, uptime
	EventCodes []string `json:"event_codes,omitempty"`
	DowntimeMS int64    `json:"downtime_ms"`
	UptimeMS   int64    `json:"uptime_ms,omitempty"`
}

// Fault is why the device, the network or Recado refused. It names parameters, never values.
type Fault struct {
	Source     string           `json:"source"` // cpe, acs, network
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

// Time is an instant in JSON as RFC 3339 in UTC with milliseconds.
type Time time.Time

const timeLayout = "2006-01-02T15:04:05.000Z"

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timeLayout), nil
}

// UnmarshalText implements encoding.TextUnmarshaler; it takes any RFC 3339 time.
func (t *Time) UnmarshalText(b []byte) error {
	u, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return err
	}
	*t = Time(u)
	return nil
}

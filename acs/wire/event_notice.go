package wire

import "encoding/json"

// Notice is the body of a webhook that is not about an action. T is the type's data.
type Notice[T any] struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Timestamp Time   `json:"timestamp"`
	Data      T      `json:"data"`
}

// TestData is the data of webhook.test.
type TestData struct {
	WebhookID string `json:"webhook_id"`
	Message   string `json:"message"`
}

// EndpointDisabledData is the data of endpoint.disabled.
type EndpointDisabledData struct {
	WebhookID string `json:"webhook_id"`
	URLHost   string `json:"url_host"` // host and port of its URL
	State     string `json:"state"`    // disabled, gone
	Reason    string `json:"reason"`
	Since     Time   `json:"since"` // the first of the failures that ended it
	Held      int    `json:"held"`  // deliveries that wait for it to be resumed
}

// DeviceAddedData is the data of device.added.
type DeviceAddedData struct {
	Device       EventDevice `json:"device"`
	Manufacturer string      `json:"manufacturer,omitempty"`
	Address      string      `json:"address"` // where it called from
	EventCodes   []string    `json:"event_codes"`
}

// DeviceBootData is the data of device.boot.
type DeviceBootData struct {
	Device       EventDevice `json:"device"`
	Address      string      `json:"address"`
	EventCodes   []string    `json:"event_codes"`
	Reason       string      `json:"reason"`         // a Boot… constant
	LastInformAt *Time       `json:"last_inform_at"` // when it had called in before
}

// Reasons of device.boot.
const (
	BootFactoryReset   = "factory_reset"   // 0 BOOTSTRAP: it came from its factory state
	BootForeignRequest = "foreign_request" // M Reboot: somebody else, or an older request, asked for it
	BootUnknown        = "unknown"         // power, a crash, a button
)

// SecurityAlertData is the data of security.alert.
type SecurityAlertData struct {
	Kind    string `json:"kind"`    // an Alert… constant
	Message string `json:"message"` // in plain words
	// Source is the address, or for IPv6 the network, that it came from; Door is where it knocked: api or cwmp.
	Source string `json:"source,omitempty"`
	Door   string `json:"door,omitempty"`
	Count  int    `json:"count,omitempty"` // how often, since Since
	Since  *Time  `json:"since,omitempty"`

	DeviceID  string   `json:"device_id,omitempty"`
	Username  string   `json:"username,omitempty"`
	Addresses []string `json:"addresses,omitempty"`

	ClientID   string `json:"client_id,omitempty"` // whose doing it was
	ClientName string `json:"client_name,omitempty"`
	Host       string `json:"host,omitempty"` // of a URL
	Protocolo  string `json:"protocolo,omitempty"`
	// Parameters are names, never values.
	Parameters []string `json:"parameters,omitempty"`
}

// Kinds of security.alert.
const (
	AlertFailedLogins        = "failed_logins"        // many wrong credentials from one source
	AlertForgedDevice        = "forged_device"        // a device that its credential may not speak for
	AlertDeviceConflict      = "device_conflict"      // one identity calls from two addresses in turn
	AlertRefusedURL          = "refused_url"          // a webhook that points where none may go
	AlertDangerousParameters = "dangerous_parameters" // parameters that need a scope of their own are to be set
)

// Doors of failed logins.
const (
	DoorAPI  = "api"
	DoorCWMP = "cwmp"
)

// ClientChangedData is the data of client.changed.
type ClientChangedData struct {
	ClientID   string             `json:"client_id"`
	ClientName string             `json:"client_name"`
	Changes    []ClientChangeMade `json:"changes"`
	By         ChangedBy          `json:"by"`
}

// ClientChangeMade is one act, as GET /audit names it.
type ClientChangeMade struct {
	What   string `json:"what"`
	Object string `json:"object"` // id of the client or webhook
	// Details are names of fields and the like; never values that are secret.
	Details map[string]string `json:"details,omitempty"`
}

// ChangedBy is who did it.
type ChangedBy struct {
	Via        string `json:"via"` // api, system
	ClientID   string `json:"client_id,omitempty"`
	ClientName string `json:"client_name,omitempty"`
	Source     string `json:"source,omitempty"`
}

// EventType is an entry of GET /event-types.
type EventType struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Priority    string `json:"priority"` // low, normal, high
	// ByNameOnly types come only to endpoints that name them: neither "*" nor "action.*" covers them.
	ByNameOnly bool `json:"by_name_only"`
}

// EventTypeShown is the answer to GET /event-types/{type}: with the JSON Schema of its bodies, and one of them.
type EventTypeShown struct {
	EventType
	Schema  json.RawMessage `json:"schema"`
	Example json.RawMessage `json:"example"`
}

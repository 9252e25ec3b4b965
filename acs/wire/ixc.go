package wire

import "encoding/json"

// ParameterUpdate is one item of the body of POST /api/v2/devices/{serial}/parameters/update, which is a list of them.
type ParameterUpdate struct {
	Parameter string          `json:"parameter"`
	Value     json.RawMessage `json:"value"` // a string, a number, true or false
	// Type is as in Parameter.
	Type string `json:"type,omitempty"`
}

// NaturalView is a page of GET /devices/views/natural.
type NaturalView struct {
	Registers   []NaturalRegister `json:"registers"`
	HasNextPage bool              `json:"hasNextPage"`
}

// NaturalRegister is a device as IXC ACS lists it. What is not known is null.
type NaturalRegister struct {
	SerialNumber string `json:"serialNumber"`
	// Status is true for a device whose online estimate is "online".
	Status     bool              `json:"status"`
	LastInform *Time             `json:"lastInform"`
	Connection NaturalConnection `json:"connection"`
	DeviceInfo NaturalDeviceInfo `json:"deviceInfo"`
}

// NaturalConnection is how a device is connected.
type NaturalConnection struct {
	PPPoELogin *string `json:"pppoeLogin"`
}

// NaturalDeviceInfo is what a device is, and how it does.
type NaturalDeviceInfo struct {
	Manufacturer *string `json:"manufacturer"`
	// ModelName is the ProductClass of the device's identity.
	ModelName       *string `json:"modelName"`
	HardwareVersion *string `json:"hardwareVersion"`
	SoftwareVersion *string `json:"softwareVersion"`
	// Uptime is in seconds, counted on since it was last read or since the last boot.
	Uptime *int64 `json:"uptime"`
	// RX and TX are optical levels, in dBm.
	RX *float64 `json:"rx"`
	TX *float64 `json:"tx"`
}

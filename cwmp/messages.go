package cwmp

import (
	"strconv"
	"strings"
	"time"
)

// A Message is what a SOAP Body holds: an RPC request, a response, or a Fault.
// Method is the local name of the Body's element, spelled as TR-069 spells it.
type Message interface {
	Method() string
}

// Namespaces that CWMP versions use on the wire (TR-069 3.7.4, Table 9).
// Versions 1.3 and 1.4 use Namespace12.
const (
	Namespace10 = "urn:dslforum-org:cwmp-1-0"
	Namespace11 = "urn:dslforum-org:cwmp-1-1"
	Namespace12 = "urn:dslforum-org:cwmp-1-2"
)

// Envelope is one SOAP message with the header fields that CWMP defines (TR-069 3.5, Table 4).
type Envelope struct {
	// Namespace is the cwmp namespace, as the message had it or is to have it.
	Namespace string
	// ID is the cwmp:ID header, trimmed; HasID tells an empty one from none.
	ID    string
	HasID bool
	// SessionTimeout is the wish of the CPE, 0 where it has none.
	SessionTimeout time.Duration
	// SupportedCWMPVersions is what a CPE of CWMP 1.4 lists in its Inform.
	SupportedCWMPVersions []string
	// UseCWMPVersion goes out with an InformResponse, only where the CPE listed versions.
	UseCWMPVersion string
	// HoldRequests and NoMoreRequests are read and ignored (deprecated).
	HoldRequests, NoMoreRequests bool

	// Message is nil for an envelope whose Body is empty.
	Message Message
	// Repaired tells that the message was not well-formed and a repair made it readable.
	Repaired bool
}

// DeviceID is the DeviceIdStruct of an Inform (TR-069 A.3.3.1), texts as the device sent them.
type DeviceID struct {
	Manufacturer string
	OUI          string
	ProductClass string
	SerialNumber string
}

// Key is the printable identity OUI-ProductClass-SerialNumber, each part percent-encoded by the
// rule of TR-069 3.4.4; OUI-SerialNumber where the product class is empty. The OUI is upper-cased.
func (d DeviceID) Key() string {
	k := escapeIdentity(strings.ToUpper(d.OUI)) + "-"
	if d.ProductClass != "" {
		k += escapeIdentity(d.ProductClass) + "-"
	}
	return k + escapeIdentity(d.SerialNumber)
}

func escapeIdentity(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// Event is one EventStruct of an Inform.
type Event struct {
	EventCode  string
	CommandKey string
}

// Event codes that Recado acts on (TR-069 3.7.1.5, Table 8).
const (
	EventBootstrap         = "0 BOOTSTRAP"
	EventBoot              = "1 BOOT"
	EventPeriodic          = "2 PERIODIC"
	EventValueChange       = "4 VALUE CHANGE"
	EventConnectionRequest = "6 CONNECTION REQUEST"
	EventTransferComplete  = "7 TRANSFER COMPLETE"
	EventMReboot           = "M Reboot"
)

// Is reports whether the event has the given code, tolerant of case and doubled blanks (devices vary).
func (e Event) Is(code string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(e.EventCode), " "), code)
}

// Inform opens every session (A.3.3.1).
type Inform struct {
	DeviceID     DeviceID
	Events       []Event
	MaxEnvelopes string
	// CurrentTime and RetryCount are kept as sent: devices write anything there.
	CurrentTime   string
	RetryCount    string
	ParameterList []ParameterValue
}

// Method implements Message.
func (*Inform) Method() string { return "Inform" }

// Retries is RetryCount as a number; what is no number counts as 0.
func (i *Inform) Retries() int {
	n, err := strconv.Atoi(strings.TrimSpace(i.RetryCount))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Parameter returns the value of the first parameter whose name ends in suffix (".DeviceInfo.SoftwareVersion").
func (i *Inform) Parameter(suffix string) (ParameterValue, bool) {
	for _, p := range i.ParameterList {
		if strings.HasSuffix(p.Name, suffix) {
			return p, true
		}
	}
	return ParameterValue{}, false
}

// Root is the root object that the parameter names show, with its dot: "InternetGatewayDevice." or
// "Device."; empty where the Inform has no parameters. The spelling is the device's.
func (i *Inform) Root() string {
	for _, p := range i.ParameterList {
		if n := strings.IndexByte(p.Name, '.'); n > 0 {
			return p.Name[:n+1]
		}
	}
	return ""
}

// InformResponse acknowledges an Inform; MaxEnvelopes is always 1.
type InformResponse struct{}

// Method implements Message.
func (*InformResponse) Method() string { return "InformResponse" }

// ParameterValue is a ParameterValueStruct. Type is the XSD type as "xsd:string"; empty where the
// device gave none. The value is not trimmed where the type is a string (A.2.1).
type ParameterValue struct {
	Name  string
	Value string
	Type  string
	// NoValue tells a missing Value element (or xsi:nil) from an empty one.
	NoValue bool
}

// ParameterInfo is a ParameterInfoStruct of GetParameterNamesResponse.
type ParameterInfo struct {
	Name     string
	Writable bool
}

// Reboot asks the CPE to reboot (A.3.2.9). CommandKey holds at most 32 characters.
type Reboot struct{ CommandKey string }

// Method implements Message.
func (*Reboot) Method() string { return "Reboot" }

// RebootResponse tells that the reboot is accepted, not that it is done.
type RebootResponse struct{}

// Method implements Message.
func (*RebootResponse) Method() string { return "RebootResponse" }

// SetParameterValues sets all of its parameters or none (A.3.2.1). Every Type must be set.
type SetParameterValues struct {
	ParameterList []ParameterValue
	ParameterKey  string
}

// Method implements Message.
func (*SetParameterValues) Method() string { return "SetParameterValues" }

// SetParameterValuesResponse: Status 0 is applied, 1 is committed and applied later.
type SetParameterValuesResponse struct {
	Status int
	// StatusMissing tells that the element was missing or no number; Status is 0 then.
	StatusMissing bool
}

// Method implements Message.
func (*SetParameterValuesResponse) Method() string { return "SetParameterValuesResponse" }

// GetParameterValues reads parameters or partial paths (A.3.2.2).
type GetParameterValues struct{ ParameterNames []string }

// Method implements Message.
func (*GetParameterValues) Method() string { return "GetParameterValues" }

// GetParameterValuesResponse lists values in an order of the device's own.
type GetParameterValuesResponse struct{ ParameterList []ParameterValue }

// Method implements Message.
func (*GetParameterValuesResponse) Method() string { return "GetParameterValuesResponse" }

// GetParameterNames lists what lies below a path (A.3.2.3).
type GetParameterNames struct {
	ParameterPath string
	NextLevel     bool
}

// Method implements Message.
func (*GetParameterNames) Method() string { return "GetParameterNames" }

// GetParameterNamesResponse answers GetParameterNames.
type GetParameterNamesResponse struct{ ParameterList []ParameterInfo }

// Method implements Message.
func (*GetParameterNamesResponse) Method() string { return "GetParameterNamesResponse" }

// GetRPCMethods asks either side what it answers (A.3.1.1).
type GetRPCMethods struct{}

// Method implements Message.
func (*GetRPCMethods) Method() string { return "GetRPCMethods" }

// GetRPCMethodsResponse lists method names.
type GetRPCMethodsResponse struct{ MethodList []string }

// Method implements Message.
func (*GetRPCMethodsResponse) Method() string { return "GetRPCMethodsResponse" }

// TransferComplete tells the end of a transfer (A.3.3.2). FaultCode is "0" for a good one.
type TransferComplete struct {
	CommandKey   string
	FaultCode    string
	FaultString  string
	StartTime    string
	CompleteTime string
}

// Method implements Message.
func (*TransferComplete) Method() string { return "TransferComplete" }

// TransferCompleteResponse acknowledges TransferComplete.
type TransferCompleteResponse struct{}

// Method implements Message.
func (*TransferCompleteResponse) Method() string { return "TransferCompleteResponse" }

// Other is any message that has no type of its own here: AutonomousTransferComplete, DownloadResponse, ….
type Other struct {
	Name string
	// Fields holds the text of every leaf below the element, by local name; the first of a name wins.
	Fields map[string]string
	// Methods, Parameters and Names hold what lists in it held, where there were any.
	ParameterList []ParameterValue
}

// Method implements Message.
func (o *Other) Method() string { return o.Name }

package cwmp

import "fmt"

// ParameterFault is a SetParameterValuesFault: what was wrong with one parameter.
type ParameterFault struct {
	ParameterName string
	FaultCode     int
	FaultString   string
}

// Fault is a SOAP fault with a CWMP fault in its detail (TR-069 3.5, A.5). It is data and an error.
type Fault struct {
	FaultCode int
	// RawCode is the code as sent where it was no number or out of range; FaultCode is 9001 then.
	RawCode     string
	FaultString string
	Params      []ParameterFault
}

// Method implements Message.
func (*Fault) Method() string { return "Fault" }

// Error implements error.
func (f *Fault) Error() string {
	return fmt.Sprintf("cwmp fault %d: %s", f.FaultCode, f.FaultString)
}

// Fault codes (TR-069 A.5, Tables 87 and 88).
const (
	FaultMethodNotSupported = 9000
	FaultRequestDenied      = 9001
	FaultInternalError      = 9002
	FaultInvalidArguments   = 9003
	FaultResourcesExceeded  = 9004
	FaultInvalidName        = 9005
	FaultInvalidType        = 9006
	FaultInvalidValue       = 9007
	FaultNotWritable        = 9008

	FaultACSMethodNotSupported  = 8000
	FaultACSRequestDenied       = 8001
	FaultACSInternalError       = 8002
	FaultACSInvalidArguments    = 8003
	FaultACSResourcesExceeded   = 8004
	FaultACSRetryRequest        = 8005
	FaultACSVersionIncompatible = 8006
)

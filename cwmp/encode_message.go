package cwmp

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// message writes the element in the Body. A fault's element is SOAP's, all others are CWMP's.
func (w *writer) message(m Message) {
	if f, ok := m.(*Fault); ok {
		w.fault(f)
		return
	}
	name := m.Method()
	if !isName(name) {
		w.fail(fmt.Errorf("%w: the method's name is no name", ErrNotEncodable))
		return
	}
	w.open("cwmp:" + name)
	w.members(m)
	w.close("cwmp:" + name)
}

func (w *writer) members(m Message) {
	switch m := m.(type) {
	case *Inform:
		w.inform(m)
	case *InformResponse:
		w.leaf("MaxEnvelopes", "1")
	case *Reboot:
		w.key("CommandKey", m.CommandKey)
	case *SetParameterValues:
		w.setParameterValues(m)
	case *SetParameterValuesResponse:
		if !m.StatusMissing {
			w.leaf("Status", strconv.Itoa(m.Status))
		}
	case *GetParameterValues:
		if len(m.ParameterNames) == 0 {
			w.fail(fmt.Errorf("%w: GetParameterValues without names", ErrNotEncodable))
		}
		w.stringArray("ParameterNames", m.ParameterNames)
	case *GetParameterValuesResponse:
		w.parameterList(m.ParameterList)
	case *GetParameterNames:
		w.leaf("ParameterPath", m.ParameterPath)
		w.leaf("NextLevel", boolDigit(m.NextLevel))
	case *GetParameterNamesResponse:
		w.parameterInfos(m.ParameterList)
	case *GetRPCMethodsResponse:
		w.stringArray("MethodList", m.MethodList)
	case *TransferComplete:
		w.transferComplete(m)
	case *Other:
		w.other(m)
	case *RebootResponse, *GetRPCMethods, *TransferCompleteResponse:
		// Nothing in them.
	default:
		w.fail(fmt.Errorf("%w: no form for a %T", ErrNotEncodable, m))
	}
}

func (w *writer) inform(m *Inform) {
	w.open("DeviceId")
	w.leaf("Manufacturer", m.DeviceID.Manufacturer)
	w.leaf("OUI", m.DeviceID.OUI)
	w.leaf("ProductClass", m.DeviceID.ProductClass)
	w.leaf("SerialNumber", m.DeviceID.SerialNumber)
	w.close("DeviceId")
	w.array("Event", "cwmp:EventStruct", len(m.Events))
	for _, e := range m.Events {
		w.open("EventStruct")
		w.leaf("EventCode", e.EventCode)
		w.key("CommandKey", e.CommandKey)
		w.close("EventStruct")
	}
	w.close("Event")
	w.leafOr("MaxEnvelopes", m.MaxEnvelopes, "1")
	w.leafOr("CurrentTime", m.CurrentTime, unknownTime)
	w.leafOr("RetryCount", m.RetryCount, "0")
	w.parameterList(m.ParameterList)
}

func (w *writer) setParameterValues(m *SetParameterValues) {
	list := slices.Clone(m.ParameterList)
	for i, p := range list {
		if p.Type == "" || p.NoValue {
			w.fail(fmt.Errorf("%w: parameter %d of SetParameterValues has no type or no value", ErrNotEncodable, i+1))
			return
		}
		if p.Type == "xsd:boolean" {
			list[i].Value = booleanDigit(p.Value)
		}
	}
	w.parameterList(list)
	w.key("ParameterKey", m.ParameterKey)
}

// booleanDigit writes a boolean as the digit, the one form that every device takes; what is none stays.
func booleanDigit(value string) string {
	switch value {
	case "true":
		return "1"
	case "false":
		return "0"
	}
	return value
}

func (w *writer) parameterList(list []ParameterValue) {
	w.array("ParameterList", "cwmp:ParameterValueStruct", len(list))
	for _, p := range list {
		w.open("ParameterValueStruct")
		w.leaf("Name", p.Name)
		if !p.NoValue {
			w.raw("<Value")
			if p.Type != "" {
				w.typeAttribute(p.Type)
			}
			w.raw(">")
			w.text(p.Value)
			w.close("Value")
		}
		w.close("ParameterValueStruct")
	}
	w.close("ParameterList")
}

func (w *writer) parameterInfos(list []ParameterInfo) {
	w.array("ParameterList", "cwmp:ParameterInfoStruct", len(list))
	for _, p := range list {
		w.open("ParameterInfoStruct")
		w.leaf("Name", p.Name)
		w.leaf("Writable", boolDigit(p.Writable))
		w.close("ParameterInfoStruct")
	}
	w.close("ParameterList")
}

func (w *writer) transferComplete(m *TransferComplete) {
	w.key("CommandKey", m.CommandKey)
	w.open("FaultStruct")
	w.leafOr("FaultCode", m.FaultCode, "0")
	w.leaf("FaultString", m.FaultString)
	w.close("FaultStruct")
	w.leafOr("StartTime", m.StartTime, unknownTime)
	w.leafOr("CompleteTime", m.CompleteTime, unknownTime)
}

func (w *writer) other(m *Other) {
	for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
		if !isName(name) || name == "ParameterList" && m.ParameterList != nil {
			w.fail(fmt.Errorf("%w: a field's name is no name", ErrNotEncodable))
			return
		}
		w.leaf(name, m.Fields[name])
	}
	if m.ParameterList != nil {
		w.parameterList(m.ParameterList)
	}
}

func (w *writer) fault(f *Fault) {
	code := f.RawCode
	if code == "" {
		code = w.faultCode(f.FaultCode)
	}
	w.open("soap-env:Fault")
	w.leaf("faultcode", faultSide(f.FaultCode))
	w.leaf("faultstring", "CWMP fault")
	w.open("detail")
	w.open("cwmp:Fault")
	w.leaf("FaultCode", code)
	w.leaf("FaultString", f.FaultString)
	for _, p := range f.Params {
		w.open("SetParameterValuesFault")
		w.leaf("ParameterName", p.ParameterName)
		w.leaf("FaultCode", w.faultCode(p.FaultCode))
		w.leaf("FaultString", p.FaultString)
		w.close("SetParameterValuesFault")
	}
	w.close("cwmp:Fault")
	w.close("detail")
	w.close("soap-env:Fault")
}

func (w *writer) faultCode(code int) string {
	if !isFaultCode(code) {
		w.fail(fmt.Errorf("%w: %d is no fault code", ErrNotEncodable, code))
	}
	return strconv.Itoa(code)
}

// faultSide says who is to blame in SOAP's words (Tables 87 and 88).
func faultSide(code int) string {
	switch code {
	case FaultInvalidArguments, FaultInvalidName, FaultInvalidType, FaultInvalidValue, FaultNotWritable,
		9020, 9021, FaultACSInvalidArguments:
		return "Client"
	}
	return "Server"
}

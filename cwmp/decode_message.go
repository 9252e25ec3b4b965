package cwmp

import (
	"strconv"
	"strings"

	"github.com/beevik/etree"
)

// message reads the element in a Body by its local name. What has no type of its own becomes *Other.
func message(e *etree.Element) Message {
	switch e.Tag {
	case "Inform":
		return inform(e)
	case "InformResponse":
		return &InformResponse{}
	case "Fault":
		return fault(e)
	case "Reboot":
		return &Reboot{CommandKey: leaf(e, "CommandKey")}
	case "RebootResponse":
		return &RebootResponse{}
	case "SetParameterValues":
		return &SetParameterValues{ParameterList: parameterValues(e), ParameterKey: leaf(e, "ParameterKey")}
	case "SetParameterValuesResponse":
		n, err := strconv.Atoi(leaf(e, "Status"))
		if err != nil {
			return &SetParameterValuesResponse{StatusMissing: true}
		}
		return &SetParameterValuesResponse{Status: n}
	case "GetParameterValues":
		return &GetParameterValues{ParameterNames: texts(child(e, "ParameterNames"))}
	case "GetParameterValuesResponse":
		return &GetParameterValuesResponse{ParameterList: parameterValues(e)}
	case "GetParameterNames":
		return &GetParameterNames{ParameterPath: leaf(e, "ParameterPath"), NextLevel: isTrue(leaf(e, "NextLevel"))}
	case "GetParameterNamesResponse":
		return &GetParameterNamesResponse{ParameterList: parameterInfos(e)}
	case "GetRPCMethods":
		return &GetRPCMethods{}
	case "GetRPCMethodsResponse":
		return &GetRPCMethodsResponse{MethodList: texts(child(e, "MethodList"))}
	case "TransferComplete":
		return transferComplete(e)
	case "TransferCompleteResponse":
		return &TransferCompleteResponse{}
	}
	return other(e)
}

func inform(e *etree.Element) *Inform {
	m := &Inform{
		MaxEnvelopes:  leaf(e, "MaxEnvelopes"),
		CurrentTime:   leaf(e, "CurrentTime"),
		RetryCount:    leaf(e, "RetryCount"),
		ParameterList: parameterValues(e),
	}
	if d := child(e, "DeviceId"); d != nil {
		m.DeviceID = DeviceID{
			Manufacturer: leaf(d, "Manufacturer"),
			OUI:          leaf(d, "OUI"),
			ProductClass: leaf(d, "ProductClass"),
			SerialNumber: leaf(d, "SerialNumber"),
		}
	}
	if list := child(e, "Event"); list != nil {
		for s := range elements(list) {
			if s.Tag == "EventStruct" || child(s, "EventCode") != nil {
				m.Events = appendEvents(m.Events, s)
			}
		}
	}
	return m
}

// appendEvents reads one EventStruct. Two EventCodes in one make two events; a CommandKey belongs to the code
// before it, and a struct without a code is an event without one.
func appendEvents(events []Event, s *etree.Element) []Event {
	first := len(events)
	key, hasKey := "", false
	for c := range elements(s) {
		switch c.Tag {
		case "EventCode":
			events = append(events, Event{EventCode: trimmed(c)})
		case "CommandKey":
			if len(events) > first {
				events[len(events)-1].CommandKey = trimmed(c)
			} else {
				key, hasKey = trimmed(c), true
			}
		}
	}
	switch {
	case len(events) == first:
		return append(events, Event{CommandKey: key})
	case hasKey && events[first].CommandKey == "":
		events[first].CommandKey = key
	}
	return events
}

func parameterValues(e *etree.Element) []ParameterValue {
	list := child(e, "ParameterList")
	if list == nil {
		return nil
	}
	var out []ParameterValue
	for s := range elements(list) {
		if name := child(s, "Name"); name != nil {
			if out == nil {
				out = make([]ParameterValue, 0, len(list.Child))
			}
			out = append(out, parameterValue(s, text(name)))
		}
	}
	return out
}

func parameterValue(s *etree.Element, name string) ParameterValue {
	p := ParameterValue{Name: strings.TrimSpace(name)}
	v := child(s, "Value")
	if v == nil {
		p.NoValue = true
		return p
	}
	p.Type = normalType(attribute(v, "type"))
	p.Value = text(v)
	// A device that breaks lines around names does so around values too, and means nothing by it.
	if !keepsSpace(p.Type) || isPadded(name) {
		p.Value = strings.TrimSpace(p.Value)
	}
	if p.Value == "" && isTrue(attribute(v, "nil")) {
		p.NoValue = true
	}
	return p
}

func parameterInfos(e *etree.Element) []ParameterInfo {
	list := child(e, "ParameterList")
	if list == nil {
		return nil
	}
	var out []ParameterInfo
	for s := range elements(list) {
		if name := child(s, "Name"); name != nil {
			if out == nil {
				out = make([]ParameterInfo, 0, len(list.Child))
			}
			out = append(out, ParameterInfo{Name: trimmed(name), Writable: isTrue(leaf(s, "Writable"))})
		}
	}
	return out
}

// texts is the text of every child element, of a string array.
func texts(list *etree.Element) []string {
	if list == nil {
		return nil
	}
	var out []string
	for c := range elements(list) {
		out = append(out, trimmed(c))
	}
	return out
}

func transferComplete(e *etree.Element) *TransferComplete {
	m := &TransferComplete{
		CommandKey:   leaf(e, "CommandKey"),
		StartTime:    leaf(e, "StartTime"),
		CompleteTime: leaf(e, "CompleteTime"),
	}
	// Some put the two members beside the struct instead of into it.
	f := child(e, "FaultStruct")
	if f == nil {
		f = e
	}
	m.FaultCode, m.FaultString = leaf(f, "FaultCode"), leaf(f, "FaultString")
	if m.FaultCode == "" {
		m.FaultCode = "0"
	}
	return m
}

// fault reads a SOAP fault. The CWMP fault in it is looked for by its FaultCode, wherever the device has put it:
// in detail, in detail inside faultstring (netcwmp), without the element around it.
func fault(e *etree.Element) *Fault {
	f := &Fault{}
	in := descendant(e, "Fault")
	if in == nil {
		if in = e; child(e, "FaultCode") == nil {
			if code := descendant(e, "FaultCode"); code != nil {
				in = code.Parent()
			}
		}
	}
	code := child(in, "FaultCode")
	if code == nil {
		// No CWMP fault at all: formally an invalid message, in practice an internal error of the CPE.
		f.FaultCode, f.FaultString = FaultInternalError, leaf(e, "faultstring")
		return f
	}
	f.FaultCode, f.RawCode = faultCode(trimmed(code))
	f.FaultString = leaf(in, "FaultString")
	for c := range elements(in) {
		if c.Tag == "SetParameterValuesFault" {
			p := ParameterFault{ParameterName: leaf(c, "ParameterName"), FaultString: leaf(c, "FaultString")}
			p.FaultCode, _ = faultCode(leaf(c, "FaultCode"))
			f.Params = append(f.Params, p)
		}
	}
	return f
}

// faultCode reads a fault code; what is none counts as 9001 and is given back raw (A.5.1).
func faultCode(s string) (code int, raw string) {
	if n, err := strconv.Atoi(s); err == nil && isFaultCode(n) {
		return n, ""
	}
	return FaultRequestDenied, s
}

func isFaultCode(n int) bool { return n >= 8000 && n <= 8899 || n >= 9000 && n <= 9899 }

func other(e *etree.Element) *Other {
	o := &Other{Name: strings.Clone(e.Tag), ParameterList: parameterValues(e)}
	o.collect(e)
	return o
}

// collect takes the text of every leaf below e. What is in a ParameterList is there already.
func (o *Other) collect(e *etree.Element) {
	for c := range elements(e) {
		switch {
		case c.Tag == "ParameterList" && o.ParameterList != nil:
		case hasElements(c):
			o.collect(c)
		default:
			if o.Fields == nil {
				o.Fields = make(map[string]string)
			}
			if _, ok := o.Fields[c.Tag]; !ok {
				o.Fields[strings.Clone(c.Tag)] = trimmed(c)
			}
		}
	}
}

package cwmptest

import (
	"fmt"
	"strconv"

	"recado/cwmp"
)

func writeInform(in *cwmp.Inform) func(*writer) {
	return func(w *writer) {
		w.rpc("Inform", func() {
			w.element("DeviceId", w.typed("cwmp:DeviceIdStruct"), func() {
				w.leaf("Manufacturer", "xsd:string", in.DeviceID.Manufacturer)
				w.leaf("OUI", "xsd:string", in.DeviceID.OUI)
				w.leaf("ProductClass", "xsd:string", in.DeviceID.ProductClass)
				w.leaf("SerialNumber", "xsd:string", in.DeviceID.SerialNumber)
			})
			w.events(in.Events)
			w.leaf("MaxEnvelopes", "xsd:unsignedInt", in.MaxEnvelopes)
			w.leaf("CurrentTime", "xsd:dateTime", in.CurrentTime)
			w.leaf("RetryCount", "xsd:unsignedInt", in.RetryCount)
			w.values(in.ParameterList)
		})
	}
}

// writeRequest writes a request of the CPE's own, other than Inform.
func writeRequest(m cwmp.Message) func(*writer) {
	return func(w *writer) {
		w.rpc(m.Method(), func() {
			switch m := m.(type) {
			case *cwmp.TransferComplete:
				w.leaf("CommandKey", "xsd:string", m.CommandKey)
				w.element("FaultStruct", w.typed("cwmp:FaultStruct"), func() {
					w.leaf("FaultCode", "xsd:unsignedInt", m.FaultCode)
					w.leaf("FaultString", "xsd:string", m.FaultString)
				})
				w.leaf("StartTime", "xsd:dateTime", m.StartTime)
				w.leaf("CompleteTime", "xsd:dateTime", m.CompleteTime)
			case *cwmp.Other:
				for name, text := range m.Fields {
					w.leaf(name, "xsd:string", text)
				}
			}
		})
	}
}

// writeResponse writes a response of the CPE.
func writeResponse(m cwmp.Message) func(*writer) {
	return func(w *writer) {
		w.rpc(m.Method(), func() {
			switch m := m.(type) {
			case *cwmp.GetParameterValuesResponse:
				w.values(m.ParameterList)
			case *cwmp.GetParameterNamesResponse:
				w.infos(m.ParameterList)
			case *cwmp.GetRPCMethodsResponse:
				w.element("MethodList", w.array("xsd:string", len(m.MethodList)), func() {
					for _, name := range m.MethodList {
						w.leaf("string", "xsd:string", name)
					}
				})
			}
		})
	}
}

// writeSet writes a SetParameterValuesResponse; list is what those answer that have no Status.
func writeSet(status int, list []cwmp.ParameterValue) func(*writer) {
	return func(w *writer) {
		w.rpc("SetParameterValuesResponse", func() {
			switch {
			case w.q.StatusMissing:
				w.values(list)
			case w.q.TypedStatus:
				w.element("Status", ` xsi:type="xsd:int"`, func() { w.b.WriteString(strconv.Itoa(status)) })
			default:
				w.leaf("Status", "xsd:int", strconv.Itoa(status))
			}
		})
	}
}

func (w *writer) infos(list []cwmp.ParameterInfo) {
	w.element("ParameterList", w.array("cwmp:ParameterInfoStruct", len(list)), func() {
		for _, p := range list {
			w.element("ParameterInfoStruct", w.typed("cwmp:ParameterInfoStruct"), func() {
				writable := "0"
				if p.Writable {
					writable = "1"
				}
				w.leaf("Name", "xsd:string", p.Name)
				w.leaf("Writable", "xsd:boolean", writable)
			})
		}
	})
}

// writeFault writes a fault in the form of the quirks.
func writeFault(f *cwmp.Fault) func(*writer) {
	return func(w *writer) {
		code, text, params := f.FaultCode, f.FaultString, f.Params
		switch w.q.Fault {
		case FaultEmptyString:
			text = ""
		case FaultSingle:
			if len(params) > 0 {
				code, params = params[0].FaultCode, nil
			}
		}
		detail := func() {
			w.b.WriteString("<detail><cwmp:Fault>")
			w.leaf("FaultCode", "xsd:unsignedInt", strconv.Itoa(code))
			w.leaf("FaultString", "xsd:string", text)
			for _, p := range params {
				w.element("SetParameterValuesFault", "", func() {
					w.leaf("ParameterName", "xsd:string", p.ParameterName)
					w.leaf("FaultCode", "xsd:unsignedInt", strconv.Itoa(p.FaultCode))
					w.leaf("FaultString", "xsd:string", p.FaultString)
				})
			}
			w.b.WriteString("</cwmp:Fault></detail>")
		}
		prefix := w.prefix
		if w.q.UndeclaredFault {
			prefix = "soap"
		}
		fmt.Fprintf(&w.b, "<%s:Fault><faultcode>%s</faultcode><faultstring>CWMP fault", prefix, faultSide(code))
		switch w.q.Fault {
		case FaultInString:
			detail()
			w.b.WriteString("</faultstring>")
		case FaultNoDetail:
			w.b.WriteString("</faultstring>")
		default:
			w.b.WriteString("</faultstring>")
			detail()
		}
		fmt.Fprintf(&w.b, "</%s:Fault>", prefix)
	}
}

// faultSide tells whose fault a code is (TR-069 Table 87).
func faultSide(code int) string {
	switch code {
	case 9003, 9005, 9006, 9007, 9008, 9020, 9021, 9022:
		return "Client"
	}
	return "Server"
}

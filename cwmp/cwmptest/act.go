package cwmptest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"recado/cwmp"
)

// methods are what a Device obeys.
var methods = []string{
	"GetRPCMethods", "SetParameterValues", "GetParameterValues", "GetParameterNames", "Reboot",
}

// act obeys a request of the ACS and makes the answer. An error is a session that ends without one.
func (s *session) act(e *cwmp.Envelope, raw []byte) (message, error) {
	request := e.Message
	name := request.Method()
	if strings.HasSuffix(name, "Response") || name == "Fault" {
		return message{}, fmt.Errorf("%w: %s where a request is due", errProtocol, name)
	}
	if s.isOneOf(s.q.DiesOn, request) {
		return message{}, fmt.Errorf("%w: of %s", errDied, name)
	}
	if s.isOneOf(s.q.InformAgainOn, request) {
		return message{}, errInformAgain
	}
	answer := message{id: e.ID, hasID: e.HasID}
	if s.first == nil {
		s.first = &message{id: e.ID, hasID: e.HasID}
	}
	if s.q.ID == IDFirst {
		answer = *s.first
	}
	fault := s.faultFor(request)
	if fault == nil {
		answer.method, answer.body, fault = s.obey(request)
	}
	if s.rebootNow {
		s.d.note(NoteActed, name, "", nil)
		return message{}, fmt.Errorf("%w: it reboots at once", errDied)
	}
	if fault != nil {
		answer.method, answer.body = "Fault", writeFault(fault)
		s.d.note(NoteFaulted, name, fault.Error(), nil)
	} else {
		s.d.note(NoteActed, name, "", nil)
	}
	return answer, s.cutHere(AfterActing, name)
}

// isOneOf tells whether a request is in a list of Quirks.DiesOn's kind.
func (s *session) isOneOf(list []string, request cwmp.Message) bool {
	if len(list) == 0 {
		return false
	}
	if slices.Contains(list, request.Method()) {
		return true
	}
	if get, ok := request.(*cwmp.GetParameterValues); ok {
		partial := slices.ContainsFunc(get.ParameterNames, func(n string) bool { return strings.HasSuffix(n, ".") || n == "" })
		return slices.Contains(list, "partial") && partial ||
			slices.Contains(list, "unknown") && slices.ContainsFunc(get.ParameterNames, s.unknown)
	}
	return slices.Contains(list, "unknown") && !slices.Contains(methods, request.Method())
}

func (s *session) unknown(path string) bool {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	_, ok := s.d.tree.below(path)
	return !ok
}

// faultFor is the fault that the configuration asks for, if any.
func (s *session) faultFor(request cwmp.Message) *cwmp.Fault {
	if f, ok := s.d.cfg.Faults[request.Method()]; ok {
		return &f
	}
	if s.d.cfg.FaultFor != nil {
		return s.d.cfg.FaultFor(request)
	}
	return nil
}

func (s *session) obey(request cwmp.Message) (method string, body func(*writer), fault *cwmp.Fault) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	var m cwmp.Message
	switch r := request.(type) {
	case *cwmp.GetRPCMethods:
		m = &cwmp.GetRPCMethodsResponse{MethodList: methods}
	case *cwmp.GetParameterValues:
		m, fault = s.getValues(r)
	case *cwmp.GetParameterNames:
		m, fault = s.getNames(r)
	case *cwmp.Reboot:
		m, fault = s.reboot(r)
	case *cwmp.SetParameterValues:
		status, fault := s.setValues(r)
		if fault != nil {
			return "", nil, fault
		}
		return "SetParameterValuesResponse", writeSet(status, r.ParameterList), nil
	default:
		fault = &cwmp.Fault{FaultCode: cwmp.FaultMethodNotSupported, FaultString: "Method not supported"}
	}
	if fault != nil {
		return "", nil, fault
	}
	return m.Method(), writeResponse(m), nil
}

// reboot accepts a Reboot; it is done when the session has ended (TR-069 A.3.2.9). d.mu is held.
func (s *session) reboot(r *cwmp.Reboot) (cwmp.Message, *cwmp.Fault) {
	d := s.d
	if len(r.CommandKey) > 32 {
		return nil, &cwmp.Fault{FaultCode: cwmp.FaultInvalidArguments, FaultString: "CommandKey is too long"}
	}
	if d.mishaps.IgnoresReboot {
		return &cwmp.RebootResponse{}, nil
	}
	d.reboots = append(d.reboots, Reboot{CommandKey: r.CommandKey, Accepted: time.Now()})
	d.accepted = append(d.accepted, len(d.reboots)-1)
	s.rebootNow = d.mishaps.RebootsAtOnce
	return &cwmp.RebootResponse{}, nil
}

func (s *session) getNames(r *cwmp.GetParameterNames) (cwmp.Message, *cwmp.Fault) {
	path := r.ParameterPath
	partial := path == "" || strings.HasSuffix(path, ".")
	names, ok := s.d.tree.below(path)
	switch {
	case !ok:
		return nil, invalidName(path)
	case r.NextLevel && !partial:
		return nil, &cwmp.Fault{FaultCode: cwmp.FaultInvalidArguments, FaultString: "NextLevel of a parameter"}
	case r.NextLevel:
		return &cwmp.GetParameterNamesResponse{ParameterList: s.d.tree.children(path)}, nil
	}
	m := &cwmp.GetParameterNamesResponse{}
	for _, n := range names {
		p, _ := s.d.tree.find(n)
		m.ParameterList = append(m.ParameterList, cwmp.ParameterInfo{Name: n, Writable: p.Writable})
	}
	return m, nil
}

func (s *session) getValues(r *cwmp.GetParameterValues) (cwmp.Message, *cwmp.Fault) {
	m := &cwmp.GetParameterValuesResponse{}
	for _, path := range r.ParameterNames {
		names, ok := s.d.tree.below(path)
		if !ok && s.q.UnknownNameOK {
			continue
		}
		if !ok {
			return nil, invalidName(path)
		}
		for _, n := range names {
			m.ParameterList = append(m.ParameterList, s.value(n, false))
		}
	}
	if s.q.Shuffles {
		s.d.rng.Shuffle(len(m.ParameterList), func(i, j int) {
			m.ParameterList[i], m.ParameterList[j] = m.ParameterList[j], m.ParameterList[i]
		})
	}
	if s.q.CutsAt > 0 && len(m.ParameterList) > s.q.CutsAt {
		m.ParameterList = m.ParameterList[:s.q.CutsAt]
	}
	return m, nil
}

func invalidName(name string) *cwmp.Fault {
	return &cwmp.Fault{FaultCode: cwmp.FaultInvalidName, FaultString: "Invalid parameter name: " + name}
}

// setValues sets all parameters or none (TR-069 A.3.2.1) and gives the Status.
func (s *session) setValues(r *cwmp.SetParameterValues) (status int, _ *cwmp.Fault) {
	fault := &cwmp.Fault{FaultCode: cwmp.FaultInvalidArguments, FaultString: "Invalid arguments"}
	if s.q.StatusOne {
		status = 1
	}
	seen := make(map[string]bool)
	var keep []cwmp.ParameterValue
	for _, p := range r.ParameterList {
		if seen[p.Name] {
			return 0, fault
		}
		seen[p.Name] = true
		code, dropped, later := s.checkSet(p)
		if code != 0 {
			fault.Params = append(fault.Params, cwmp.ParameterFault{
				ParameterName: p.Name, FaultCode: code, FaultString: faultText[code],
			})
		}
		if later {
			status = 1
		}
		if !dropped {
			keep = append(keep, p)
		}
	}
	if len(fault.Params) > 0 || len(r.ParameterKey) > 32 {
		return 0, fault
	}
	for _, p := range keep {
		s.d.tree.set(p.Name, s.stored(p.Value))
	}
	s.d.tree.set(s.d.cfg.Root+"ManagementServer.ParameterKey", r.ParameterKey)
	return status, nil
}

var faultText = map[int]string{
	cwmp.FaultInvalidName:  "Invalid parameter name",
	cwmp.FaultInvalidType:  "Invalid parameter type",
	cwmp.FaultInvalidValue: "Invalid parameter value",
	cwmp.FaultNotWritable:  "Attempt to set a non-writable parameter",
}

// checkSet judges one parameter of SetParameterValues: its fault code, and for devices that lie, whether it is dropped
// in silence and whether that makes the Status 1.
func (s *session) checkSet(p cwmp.ParameterValue) (code int, dropped, later bool) {
	have, ok := s.d.tree.find(p.Name)
	switch {
	case !ok && s.q.UnknownNameOK:
		return 0, true, false
	case !ok && s.q.UnknownNameLater:
		return 0, true, true
	case !ok || s.q.RefusesQuotes && strings.Contains(p.Value, `"`):
		return cwmp.FaultInvalidName, false, false
	case !have.Writable && s.q.ReadOnlyOK:
		return 0, true, false
	case !have.Writable:
		return cwmp.FaultNotWritable, false, false
	case bareType(p.Type) != bareType(have.Type):
		return cwmp.FaultInvalidType, false, false
	}
	code = have.check(p.Value)
	if code != 0 && s.q.WrongValueLater {
		return 0, true, true
	}
	return code, false, false
}

// stored is what a value becomes in the device: the entity text where it does not decode (quirk 26).
func (s *session) stored(value string) string {
	if !s.q.KeepsEntities {
		return value
	}
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(value)
}

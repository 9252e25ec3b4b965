package cwmp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// acsMethods is what we say to answer (TR-069 A.3.1.1).
var acsMethods = []string{"Inform", "GetRPCMethods", "TransferComplete", "AutonomousTransferComplete"}

// cpeMethods are those that only a CPE answers: sent to us they are never acted on (TR-069 Table 5).
var cpeMethods = []string{
	"SetParameterValues", "GetParameterValues", "GetParameterNames", "SetParameterAttributes", "GetParameterAttributes",
	"AddObject", "DeleteObject", "Reboot", "Download", "ScheduleDownload", "Upload", "FactoryReset", "ScheduleInform",
	"GetQueuedTransfers", "GetAllQueuedTransfers", "CancelTransfer", "ChangeDUState", "SetVouchers", "GetOptions",
}

var errPanicked = errors.New("handler panicked")

// guard calls the handler and turns a panic into errPanicked, with the panic in the log.
func (s *Server) guard(ss *session, call string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("handler panicked", "call", call, "session", ss.log, "panic", clip(fmt.Sprint(p)), "stack", string(debug.Stack()))
			err = errPanicked
		}
	}()
	return f()
}

// finish ends a session once; its turn must be held.
func (s *Server) finish(ss *session, reason EndReason) {
	if ss.ended {
		return
	}
	ss.ended = true
	unanswered := ss.outstanding
	ss.outstanding = nil
	if !ss.opened {
		s.table.remove(ss, false)
		return
	}
	// Before the session leaves the table: a new Inform of the device must find it until its end has been told.
	_ = s.guard(ss, "End", func() error { s.cfg.Handler.End(&ss.pub, reason, unanswered); return nil })
	// The connection remembers its last session for as long as it is open: what the handler kept is not to stay with it.
	ss.pub.State = nil
	s.habits.learn(ss.device, &ss.echo)
	ss.echo = echo{}
	s.table.remove(ss, true)
	lasted := time.Since(ss.started)
	s.cfg.Observer.SessionEnded(reason, lasted)
	s.log.Info("cwmp session ended", "session", ss.log, "device", clip(ss.device), "from", ss.pub.RemoteAddr, "reason", string(reason),
		"requests", ss.requests, "unanswered", unanswered != nil, "lasted", lasted)
}

// fail ends a session for an error of the handler that the CPE cannot be told, with the empty answer; 500 after a panic.
func (x *exchange) fail(s *session, call string, err error) {
	x.finish(s, EndError)
	if errors.Is(err, errPanicked) {
		x.refuse(http.StatusInternalServerError, RefusedError)
		return
	}
	x.log.Error("cwmp session failed", "session", s.log, "call", call, "error", err)
	x.leave(s)
}

// leave writes the empty answer of a session that is over.
func (x *exchange) leave(s *session) {
	if err := x.noContent(s); err != nil {
		x.log.Debug("empty answer not written", "session", s.log, "error", err)
	}
}

// turn deals with a POST of an open session: env is nil for an empty one.
func (x *exchange) turn(ctx context.Context, s *session, env *Envelope) {
	if err := s.lock(ctx); err != nil {
		x.unavailable(RefusedBusy)
		return
	}
	defer s.unlock()
	if s.ended {
		if env == nil {
			x.leave(s)
			return
		}
		x.refuse(http.StatusBadRequest, RefusedNoSession)
		return
	}
	s.extend()
	defer s.extend()
	x.conn.session.Store(s)
	s.echo.arrive(x.conn)
	switch {
	case env == nil || env.Message == nil:
		x.emptyTurn(ctx, s)
	case isAnswer(env.Message):
		x.answerTurn(ctx, s, env)
	default:
		x.requestTurn(ctx, s, env)
	}
}

// isAnswer tells the CPE's answers from its requests, by name.
func isAnswer(m Message) bool {
	_, fault := m.(*Fault)
	return fault || strings.HasSuffix(m.Method(), "Response")
}

// emptyTurn takes the turn that an empty POST leaves us. An empty POST in place of an answer leaves the request unanswered:
// it is not sent again here, and the session ends cleanly, so that the CPE can do what it may have begun.
func (x *exchange) emptyTurn(ctx context.Context, s *session) {
	if s.outstanding != nil {
		x.log.Debug("empty POST in place of an answer", "session", s.log, "request", s.outstanding.Method())
		x.finish(s, EndProtocol)
		x.leave(s)
		return
	}
	x.next(ctx, s)
}

// answerTurn takes the answer to the outstanding request. There is only one, so an answer that fits by name is its answer unless it
// is an earlier one sent once more; a fault always fits.
func (x *exchange) answerTurn(ctx context.Context, s *session, env *Envelope) {
	request := s.outstanding
	_, fault := env.Message.(*Fault)
	if request == nil || !fault && env.Message.Method() != request.Method()+"Response" {
		x.log.Debug("answer to nothing that was asked", "session", s.log, "answer", clip(env.Message.Method()))
		x.finish(s, EndProtocol)
		x.refuse(http.StatusBadRequest, RefusedProtocol)
		return
	}
	if s.repeats(env, x.body) {
		x.log.Debug("answer once more", "session", s.log, "answer", clip(env.Message.Method()))
		x.finish(s, EndProtocol)
		x.leave(s)
		return
	}
	if env.ID != s.requestID {
		x.log.Debug("answer with another ID", "session", s.log, "request", s.requestID)
	}
	s.outstanding = nil
	err := x.guard(s, "Response", func() error { return x.cfg.Handler.Response(ctx, &s.pub, request, env.Message) })
	if err != nil {
		x.fail(s, "Response", err)
		return
	}
	x.next(ctx, s)
}

// maxWithdrawn bounds how many requests in a row may be withdrawn before the session ends.
const maxWithdrawn = 64

// next sends the next request of the handler, or ends the session. One that is withdrawn makes room for what is next.
func (x *exchange) next(ctx context.Context, s *session) {
	for range maxWithdrawn {
		if !x.sendNext(ctx, s) {
			return
		}
	}
	x.done(s)
}

// done ends a session that has nothing more to ask. The end is told before the CPE learns of it: whoever sees the empty answer finds
// the session gone.
func (x *exchange) done(s *session) {
	x.finish(s, EndDone)
	x.leave(s)
}

// sendNext sends the next request of the handler, or ends the session; true where the request was withdrawn and the CPE still waits for
// an answer. The order keeps "sent" true: the bytes are made, then the handler stores that they go out, then they do.
func (x *exchange) sendNext(ctx context.Context, s *session) (withdrawn bool) {
	var request Message
	err := x.guard(s, "Next", func() (err error) { request, err = x.cfg.Handler.Next(ctx, &s.pub); return err })
	if err != nil {
		x.fail(s, "Next", err)
		return false
	}
	if request == nil {
		x.done(s)
		return false
	}
	id := s.nextRequestID()
	b, err := Encode(&Envelope{Namespace: s.pub.Namespace, ID: id, HasID: true, Message: request}, s.pub.XMLDeclaration)
	if err != nil {
		x.fail(s, "Next", err)
		return false
	}
	if err := x.guard(s, "Sending", func() error { return x.cfg.Handler.Sending(ctx, &s.pub, request) }); err != nil {
		if errors.Is(err, ErrWithdrawn) {
			x.log.Debug("request withdrawn", "session", s.log, "request", request.Method(), "error", err)
			return true
		}
		x.fail(s, "Sending", err)
		return false
	}
	s.outstanding, s.requestID = request, id
	if x.xml(b, s) != nil {
		x.finish(s, EndWrite)
	}
	return false
}

// requestTurn answers a request of the CPE; the answer is all that goes out (TR-069 3.7.2.2). It is answered after the empty
// POST too, and while our own request is open, though neither should be.
func (x *exchange) requestTurn(ctx context.Context, s *session, env *Envelope) {
	var answer Message
	var err error
	switch method := env.Message.Method(); {
	case method == "GetRPCMethods":
		answer = &GetRPCMethodsResponse{MethodList: acsMethods}
	case slices.Contains(cpeMethods, method):
		err = methodNotSupported()
	default:
		err = x.guard(s, "Request", func() (err error) {
			answer, err = x.cfg.Handler.Request(ctx, &s.pub, env.Message)
			return err
		})
		if err == nil && answer == nil {
			err = methodNotSupported()
		}
	}
	if errors.Is(err, errPanicked) {
		x.fail(s, "Request", err)
		return
	}
	if err != nil {
		answer = x.fault(s.log, "Request", err)
	}
	e := &Envelope{Namespace: s.pub.Namespace, ID: env.ID, HasID: env.HasID, Message: answer}
	if err := x.envelope(e, s.pub.XMLDeclaration, s); err != nil {
		x.log.Debug("answer not written", "session", s.log, "error", err)
		x.finish(s, EndWrite)
	}
}

func methodNotSupported() *Fault {
	return &Fault{FaultCode: FaultACSMethodNotSupported, FaultString: "Method not supported"}
}

// fault is the fault for an error of the handler: its own where it wraps one, else 8002 without the error's text.
func (x *exchange) fault(session, call string, err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	x.log.Error("handler failed", "session", session, "call", call, "error", err)
	return &Fault{FaultCode: FaultACSInternalError, FaultString: "Internal error"}
}

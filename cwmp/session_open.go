package cwmp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// cwmpVersions are those that we speak, best first (TR-069 3.7.4).
var cwmpVersions = []string{"1.4", "1.3", "1.2", "1.1", "1.0"}

// leastSessionTimeout is the least that a CPE may ask for (TR-069 Table 4).
const leastSessionTimeout = 30 * time.Second

// version chooses the version for UseCWMPVersion: the best common one; "" and true where the CPE listed none.
func version(listed []string) (string, bool) {
	if len(listed) == 0 {
		return "", true
	}
	for _, v := range cwmpVersions {
		if slices.ContainsFunc(listed, func(l string) bool { return strings.TrimSpace(l) == v }) {
			return v, true
		}
	}
	return "", false
}

// open opens a session for an Inform whose sender is authenticated, and answers it. An older session of the device is
// ended first, so that never two of them draw from one queue; that of another user only once the handler has taken the
// new one, or anybody could end the sessions of others by naming their device.
func (x *exchange) open(ctx context.Context, env *Envelope, inform *Inform, user string) {
	use, ok := x.acceptable(env, inform)
	if !ok {
		return
	}
	s := newSession(env, inform, x.sessionTimeout(env.SessionTimeout))
	s.pub.Username, s.pub.RemoteAddr = user, x.addr
	s.echo = x.habits.of(s.device, x.conn)
	s.turn <- struct{}{} // nobody else knows of it yet
	defer s.unlock()
	older, why := x.table.add(s)
	if why != "" {
		x.unavailable(why)
		return
	}
	mine := func(o *session) bool { return o.pub.Username == user }
	for _, o := range older {
		if mine(o) && !x.replace(ctx, o) {
			x.finish(s, EndReplaced)
			x.unavailable(RefusedUnavailable)
			return
		}
	}
	if x.table.superseded(s) {
		x.finish(s, EndReplaced)
		x.unavailable(RefusedUnavailable)
		return
	}
	s.opened = true
	x.cfg.Observer.SessionOpened()
	err := x.guard(s, "Inform", func() error { return x.cfg.Handler.Inform(ctx, &s.pub, inform) })
	if errors.Is(err, errPanicked) {
		x.fail(s, "Inform", err)
		return
	}
	answer := &Envelope{Namespace: env.Namespace, ID: env.ID, HasID: env.HasID}
	if err != nil {
		answer.Message = x.fault(s.log, "Inform", err)
		declaration := s.pub.XMLDeclaration
		x.finish(s, EndError)
		if err := x.envelope(answer, declaration, s); err != nil {
			x.log.Debug("fault not written", "session", s.log, "error", err)
		}
		return
	}
	for _, o := range older {
		if !mine(o) {
			x.replace(ctx, o)
		}
	}
	x.conn.session.Store(s)
	x.w.Header()["Set-Cookie"] = []string{cookieName + "=" + s.pub.ID + "; Path=/"}
	answer.Message, answer.UseCWMPVersion = &InformResponse{}, use
	s.extend()
	if err := x.envelope(answer, s.pub.XMLDeclaration, s); err != nil {
		x.log.Debug("answer not written", "session", s.log, "error", err)
		x.finish(s, EndWrite)
	}
	s.extend()
}

// acceptable chooses the version to use, or answers with a fault and returns false.
func (x *exchange) acceptable(env *Envelope, inform *Inform) (use string, ok bool) {
	use, common := version(env.SupportedCWMPVersions)
	if !common {
		x.refuseInform(env, RefusedVersion, &Fault{FaultCode: FaultACSVersionIncompatible, FaultString: "No common CWMP version"})
		return "", false
	}
	if strings.TrimSpace(inform.DeviceID.SerialNumber) == "" {
		// All such devices would be one.
		x.refuseInform(env, RefusedIdentity, &Fault{FaultCode: FaultACSInvalidArguments, FaultString: "SerialNumber is empty"})
		return "", false
	}
	return use, true
}

// refuseInform answers an Inform that opens no session with a fault.
func (x *exchange) refuseInform(env *Envelope, why Refusal, f *Fault) {
	x.cfg.Observer.Refused(why)
	e := &Envelope{Namespace: env.Namespace, ID: env.ID, HasID: env.HasID, Message: f}
	if err := x.envelope(e, false, nil); err != nil {
		x.log.Debug("answer not written", "from", x.addr, "error", err)
	}
}

// replace ends an older session of the same device; false where its turn could not be had in time.
func (x *exchange) replace(ctx context.Context, old *session) bool {
	old.overtake()
	if err := old.lock(ctx); err != nil {
		return false
	}
	defer old.unlock()
	x.finish(old, EndReplaced)
	return true
}

// sessionTimeout is the CPE's wish within bounds, or the default (TR-069 3.7.2.4).
func (x *exchange) sessionTimeout(wish time.Duration) time.Duration {
	if wish <= 0 {
		return x.cfg.SessionTimeout
	}
	return min(max(wish, min(leastSessionTimeout, x.cfg.SessionTimeout)), x.cfg.MaxSessionTimeout)
}

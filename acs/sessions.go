package acs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"recado/cwmp"
)

// CPECredential is a user name and password that devices may come with. Device, where given, is the only one that may.
type CPECredential struct {
	Username, Password string
	Device             string
}

// SessionsConfig is what Sessions needs.
type SessionsConfig struct {
	// Credentials besides those in devices' facts (cwmp_auth).
	Credentials []CPECredential
	// Provision is what a device is given on first contact.
	Provision Provision
}

// Sessions is the southbound door: it implements cwmp.Handler and cwmp.Credentials. What devices say in sessions, and nothing else,
// moves actions past "sent".
type Sessions struct {
	s     *Service
	log   *slog.Logger
	cfg   SessionsConfig
	creds map[string]CPECredential

	// stalled holds devices whose last session ended without their having gone on after InformResponse; unprovisioned those that
	// ended a session in place of an answer to being provisioned.
	stalled, unprovisioned deviceSet
}

var (
	_ cwmp.Handler     = (*Sessions)(nil)
	_ cwmp.Credentials = (*Sessions)(nil)
)

// NewSessions makes the handler of a cwmp.Server.
func NewSessions(s *Service, cfg SessionsConfig) *Sessions {
	h := &Sessions{
		s: s, log: s.log.With("component", "sessions"), cfg: cfg, creds: make(map[string]CPECredential),
	}
	for _, c := range cfg.Credentials {
		h.creds[c.Username] = c
	}
	return h
}

// conversation is the handler's state of one session.
type conversation struct {
	device  Device
	facts   informFacts
	wentOn  bool // the device took InformResponse
	answers int

	askUptime   bool
	uptimeAsked bool
	provisioned bool
	rebooted    bool // a Reboot was to be sent: nothing goes out after it
	// current are the actions that the outstanding request belongs to; the first one's CommandKey goes out with it.
	current []Action
	verify  *verification
	purpose purpose
	// explained: a reboot that was asked for here explains a boot.
	explained bool
	// done counts actions that got a verdict in this session.
	done int
}

// purpose says what the outstanding request is for.
type purpose int

const (
	purposeNone purpose = iota
	purposeAction
	purposeUptime
	purposeVerify
	purposeProvision
)

// CPEPassword implements cwmp.Credentials: a device's own credential first, then the configured ones.
func (h *Sessions) CPEPassword(ctx context.Context, username string) (string, bool, error) {
	d, err := h.s.store.DeviceByCPEUsername(ctx, username)
	switch {
	case err == nil:
		return d.Facts.CWMPAuth.Password, true, nil
	case !errors.Is(err, ErrNotFound):
		return "", false, err
	}
	c, ok := h.creds[username]
	return c.Password, ok, nil
}

// owns reports whether the credential that a session was opened with may speak for the device: its own, or a common one where it has
// none of its own.
func (h *Sessions) owns(ctx context.Context, username string, d *Device) (bool, error) {
	if username == "" {
		return true, nil // authentication is off
	}
	if !d.Facts.CWMPAuth.IsZero() {
		return d.Facts.CWMPAuth.Username == username, nil
	}
	if _, err := h.s.store.DeviceByCPEUsername(ctx, username); err == nil {
		return false, nil // another device's own
	} else if !errors.Is(err, ErrNotFound) {
		return false, err
	}
	c, ok := h.creds[username]
	return ok && (c.Device == "" || c.Device == d.ID), nil
}

// Inform implements cwmp.Handler: identity, evidence for what was sent, what the device reports. All that must not be lost is stored
// when it returns.
func (h *Sessions) Inform(ctx context.Context, sess *cwmp.Session, inform *cwmp.Inform) error {
	if problem := checkIdentity(&inform.DeviceID); problem != "" {
		h.s.metrics.deny("no_identity")
		return &cwmp.Fault{FaultCode: cwmp.FaultACSInvalidArguments, FaultString: problem}
	}
	id := inform.DeviceID.Key()
	d, err := h.s.store.Device(ctx, id)
	unseen := errors.Is(err, ErrNotFound)
	if err != nil && !unseen {
		return fmt.Errorf("read device: %w", err)
	}
	d.ID, d.Identity = id, inform.DeviceID
	ok, err := h.owns(ctx, sess.Username, &d)
	if err != nil {
		return fmt.Errorf("check credential: %w", err)
	}
	if !ok {
		h.s.metrics.deny("foreign_credential")
		h.log.Warn("inform refused: the credential is another device's", "device", id, "username", clip(sess.Username, 64),
			"addr", sess.RemoteAddr)
		h.forged(ctx, id, clip(sess.Username, 64), sess.RemoteAddr, time.Now())
		return &cwmp.Fault{FaultCode: cwmp.FaultACSRequestDenied, FaultString: "the credential does not belong to this device"}
	}
	now := time.Now()
	c := &conversation{device: d, facts: factsOf(inform, sessionTag(sess), now)}
	sess.State = c
	h.learnDeclaration(sess, c)
	was := d.Reported
	if unseen {
		if err := h.announce(ctx, c, inform, sess.RemoteAddr, now); err != nil {
			return err
		}
	}
	if err := h.report(ctx, sess, c, inform, now); err != nil {
		return err
	}
	if err := h.weigh(ctx, c, now); err != nil {
		return err
	}
	h.watchAddress(ctx, id, &was, sess.RemoteAddr, now)
	if !unseen {
		if err := h.tellBoot(ctx, c, &was, sess.RemoteAddr, now); err != nil {
			h.log.Error("tell of a boot", "device", id, "error", err) // no reason to turn the device away
		}
	}
	h.s.metrics.informed()
	h.s.rings.sessionStarted(id)
	return nil
}

// maxIdentity bounds each part of an identity, in bytes: four times the 64 characters of TR-069 A.3.3.1, Table 37.
const maxIdentity = 256

// checkIdentity says what keeps a DeviceId from naming a device, empty where it does. The manufacturer is display only, and is cut.
func checkIdentity(d *cwmp.DeviceID) string {
	switch {
	case strings.TrimSpace(d.SerialNumber) == "" || strings.TrimSpace(d.OUI) == "":
		return "OUI and SerialNumber must not be empty"
	case len(d.OUI) > maxIdentity || len(d.ProductClass) > maxIdentity || len(d.SerialNumber) > maxIdentity:
		return "OUI, ProductClass and SerialNumber must have 64 characters at most"
	}
	d.Manufacturer = clip(d.Manufacturer, maxIdentity)
	return ""
}

// weigh lets the Inform decide what it proves, and moves the next action into the session.
func (h *Sessions) weigh(ctx context.Context, c *conversation, now time.Time) error {
	live, err := h.s.store.LiveActions(ctx, c.device.ID)
	if err != nil {
		return fmt.Errorf("read actions: %w", err)
	}
	inFlight, next := false, -1
	for i := range live {
		a := &live[i]
		c.explained = c.explained || a.explains()
		rule, ev := judgeInform(a, c.facts)
		switch {
		case rule == rulingProven:
			if err := h.s.conclude(ctx, *a, verdict{status: StatusSuccess, evidence: ev, detail: "the device is back: " + ev.Kind}); err != nil {
				return fmt.Errorf("store verdict: %w", err)
			}
			c.done++
			continue
		case rule == rulingAskUptime:
			c.askUptime = true
		}
		looped, err := h.countBoot(ctx, a, c.facts, rule)
		if err != nil {
			return err
		}
		if looped {
			c.done++
			continue
		}
		switch {
		case a.InFlight():
			inFlight = true
		case a.unsent() && next < 0:
			next = i
		}
	}
	if inFlight || next < 0 {
		return nil
	}
	_, err = h.s.change(ctx, live[next], func(a *Action, now time.Time) error {
		if !a.unsent() {
			return errUnchanged
		}
		a.inSession(now, strings.Join(c.facts.codes, ", "))
		return nil
	})
	return err
}

// countBoot notes a boot that an action in flight does not explain; true where that ended the action.
func (h *Sessions) countBoot(ctx context.Context, a *Action, f informFacts, rule ruling) (bool, error) {
	boot := f.booted || f.mReboots > 0
	if !boot || !a.InFlight() || a.SentSession == f.session || f.retries > 0 || rule == rulingAskUptime {
		return false, nil
	}
	looped := false
	_, err := h.s.change(ctx, *a, func(a *Action, now time.Time) error {
		looped = false
		if !a.InFlight() {
			return errUnchanged
		}
		if a.booted(now) {
			looped = true
			a.finish(now, verdict{
				status: StatusFailure, reason: ReasonDeviceRebooted,
				detail: fmt.Sprintf("the device booted %d times without completing the request", a.Boots),
			})
		}
		return nil
	})
	if errors.Is(err, ErrPastDeadline) {
		return false, nil // the deadline's verdict stands
	}
	return looped, err
}

// Request implements cwmp.Handler. Transfers are acknowledged: a device repeats TransferComplete until it is.
func (h *Sessions) Request(_ context.Context, sess *cwmp.Session, m cwmp.Message) (cwmp.Message, error) {
	c := conversationOf(sess)
	h.wentOn(c)
	switch m := m.(type) {
	case *cwmp.TransferComplete:
		h.log.Info("transfer complete", "device", c.device.ID, "session", sessionTag(sess), "fault", clip(m.FaultCode, 16))
		return &cwmp.TransferCompleteResponse{}, nil
	case *cwmp.Other:
		if m.Name == "AutonomousTransferComplete" {
			return &cwmp.Other{Name: "AutonomousTransferCompleteResponse"}, nil
		}
	}
	return nil, &cwmp.Fault{FaultCode: cwmp.FaultACSMethodNotSupported, FaultString: "Method not supported"}
}

// End implements cwmp.Handler.
func (h *Sessions) End(sess *cwmp.Session, reason cwmp.EndReason, unanswered cwmp.Message) {
	c, ok := sess.State.(*conversation)
	if !ok {
		return // the Inform was refused
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	id := c.device.ID
	// Where the session ended by our own fault, the device was given nothing to go on from.
	if !c.wentOn && reason != cwmp.EndShutdown && reason != cwmp.EndError {
		h.stalled.add(id)
	}
	if c.purpose == purposeProvision && unanswered != nil {
		h.unprovisioned.add(id)
	}
	more := h.release(ctx, sess, reason, unanswered)
	h.s.rings.sessionEnded(id, more)
	h.s.metrics.sessionEnded(string(reason))
	method := ""
	if unanswered != nil {
		method = unanswered.Method()
	}
	h.log.Info("session ended", "session", sessionTag(sess), "device", id, "reason", reason, "events", c.facts.codes, "addr", sess.RemoteAddr,
		"answers", c.answers, "verdicts", c.done, "unanswered", method, "more", more, "duration", time.Since(sess.Started))
}

// release gives back what waited for this session, and reports whether another session has something to do at once.
func (h *Sessions) release(ctx context.Context, sess *cwmp.Session, reason cwmp.EndReason, unanswered cwmp.Message) (more bool) {
	c := conversationOf(sess)
	live, err := h.s.store.LiveActions(ctx, c.device.ID)
	if err != nil {
		h.log.Error("read actions at a session's end", "device", c.device.ID, "error", err)
		return true
	}
	reboot := false
	for _, a := range live {
		if a.InFlight() && a.SentSession == sessionTag(sess) && unanswered != nil {
			_, err = h.s.change(ctx, a, func(a *Action, now time.Time) error {
				if !a.InFlight() {
					return errUnchanged
				}
				a.note(now, "no_answer", "the session ended without an answer ("+string(reason)+")")
				return nil
			})
		}
		if a.Stage == StageInSession && a.unsent() {
			_, err = h.s.change(ctx, a, func(a *Action, now time.Time) error {
				if a.Stage != StageInSession || !a.unsent() {
					return errUnchanged
				}
				a.sessionLost(now, string(reason))
				return nil
			})
		}
		if err != nil {
			h.log.Warn("note a session's end", "action", a.ID, "error", err)
			err = nil
		}
		reboot = reboot || a.InFlight() && a.Kind == KindReboot
		more = more || !a.Status.Final()
	}
	return more && !reboot
}

func conversationOf(sess *cwmp.Session) *conversation {
	c, _ := sess.State.(*conversation)
	return c
}

// sessionTag names a session in logs and records: its ID is the cookie, which is nobody else's to know.
func sessionTag(sess *cwmp.Session) string {
	h := sha256.Sum256([]byte(sess.ID))
	return hex.EncodeToString(h[:6])
}

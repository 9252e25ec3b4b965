package acs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"recado/cwmp"
)

// Next implements cwmp.Handler: what proves something first, then what goes on with an update that was sent, then the oldest action.
// A Reboot is the last thing of its session.
func (h *Sessions) Next(ctx context.Context, sess *cwmp.Session) (cwmp.Message, error) {
	c := conversationOf(sess)
	h.wentOn(c)
	if err := h.settleDeclaration(ctx, c); err != nil {
		return nil, fmt.Errorf("store report: %w", err)
	}
	c.current, c.purpose = nil, purposeNone
	if c.askUptime && !c.uptimeAsked {
		c.uptimeAsked, c.purpose = true, purposeUptime
		return &cwmp.GetParameterValues{ParameterNames: []string{c.rootOf() + "DeviceInfo.UpTime"}}, nil
	}
	// A device may drop its session at being provisioned, each time: one that did is given what was asked of it first.
	last := h.unprovisioned.has(c.device.ID)
	if !last {
		if m, err := h.nextProvision(ctx, c); m != nil || err != nil {
			return m, err
		}
	}
	m, err := h.nextAction(ctx, sess, c)
	if m == nil && err == nil && last && !c.rebooted {
		return h.nextProvision(ctx, c)
	}
	return m, err
}

// nextAction gives what goes on with the oldest action, nil where there is nothing to do now.
func (h *Sessions) nextAction(ctx context.Context, sess *cwmp.Session, c *conversation) (cwmp.Message, error) {
	live, err := h.s.store.LiveActions(ctx, c.device.ID)
	if err != nil {
		return nil, fmt.Errorf("read actions: %w", err)
	}
	if m := h.lateVerify(c, live); m != nil {
		return m, nil
	}
	for i := range live {
		a := &live[i]
		switch {
		case a.Status.Final():
			continue
		case a.InFlight() && a.Kind == KindReboot:
			return nil, nil // it has to be settled first, and a device reboots only after its session
		case a.Stage == StageAccepted:
			return h.nextVerify(c, a), nil
		case a.InFlight() && a.SentSession == sessionTag(sess):
			continue // answered in this session, and waiting for nothing more
		case a.InFlight() && a.Sends >= MaxSends:
			return nil, nil // the deadline's matter
		}
		return h.request(c, a, live), nil
	}
	return nil, nil
}

// request makes the request of an action; a Reboot serves every reboot that waits on this device.
func (h *Sessions) request(c *conversation, a *Action, live []Action) cwmp.Message {
	c.current, c.purpose = []Action{*a}, purposeAction
	if a.Kind == KindReboot {
		c.rebooted = true
		for _, b := range live {
			if b.ID != a.ID && b.Kind == KindReboot && b.unsent() {
				c.current = append(c.current, b)
			}
		}
		return &cwmp.Reboot{CommandKey: a.ID.CommandKey()}
	}
	m := &cwmp.SetParameterValues{ParameterKey: a.ID.CommandKey()}
	for _, p := range a.Parameters {
		m.ParameterList = append(m.ParameterList, cwmp.ParameterValue{Name: p.Name, Value: p.Value, Type: p.Type})
	}
	return m
}

// Sending implements cwmp.Handler: "sent" is on disk before the first byte leaves. Those that share a boot are marked first, so that
// the one whose key goes out is marked last: after a crash in between nothing has left, and it goes out with the same key. Where the
// action ended since Next gave its request (cancelled, or its deadline came), the request is withdrawn.
func (h *Sessions) Sending(ctx context.Context, sess *cwmp.Session, _ cwmp.Message) error {
	c := conversationOf(sess)
	if c.purpose != purposeAction {
		return nil
	}
	lead := c.current[0]
	inBoot := c.facts.booted || c.facts.mReboots > 0
	var marks []mark
	for _, a := range slices.Backward(c.current) {
		var before Action
		a, err := h.s.change(ctx, a, func(a *Action, now time.Time) error {
			again := a.Kind == KindParametersUpdate && a.Stage == StageSent && !a.Status.Final()
			if !a.unsent() && !again {
				return errUnchanged
			}
			before = *a
			a.send(now, sessionTag(sess), lead.ID, inBoot)
			return nil
		})
		sent := err == nil && a.InFlight() && a.SentSession == sessionTag(sess)
		if sent {
			marks = append(marks, mark{before: before, sent: a})
		}
		if a.ID != lead.ID {
			continue // where it was cancelled or ended meanwhile, it shares nothing
		}
		switch {
		case err == nil && !sent:
			err = ErrFinished
		case err == nil && !time.Now().Before(a.DeadlineAt):
			err = ErrPastDeadline // the store took its time
		}
		if err != nil {
			return h.unsent(ctx, c, a, marks, err)
		}
	}
	slices.Reverse(marks)
	c.current = nil
	for _, m := range marks {
		c.current = append(c.current, m.sent)
	}
	return nil
}

// unsent deals with a request that does not leave, since why: what was marked for it is taken back. An action at its deadline ends
// here, so that Next does not give it again before the Sweeper comes.
func (h *Sessions) unsent(ctx context.Context, c *conversation, lead Action, marks []mark, why error) error {
	h.unsend(ctx, marks)
	err := fmt.Errorf("mark action %s as sent: %w", lead.ID, why)
	if !errors.Is(why, ErrFinished) && !errors.Is(why, ErrPastDeadline) {
		return err
	}
	c.current, c.purpose, c.rebooted = nil, purposeNone, false
	if errors.Is(why, ErrPastDeadline) {
		if lead, expireErr := h.s.expire(ctx, lead); expireErr != nil && !errors.Is(expireErr, ErrNotDue) {
			return fmt.Errorf("end action %s at its deadline: %w", lead.ID, expireErr)
		}
	}
	return fmt.Errorf("%w: %w", cwmp.ErrWithdrawn, err)
}

// mark is an action that was marked as sent, and how it was before.
type mark struct{ before, sent Action }

// unsend takes back marks of a request that did not leave: no byte was written. That the session's time is up does not matter.
func (h *Sessions) unsend(ctx context.Context, marks []mark) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, m := range marks {
		_, err := h.s.change(ctx, m.sent, func(a *Action, now time.Time) error {
			if !a.InFlight() && !a.watched() {
				return errUnchanged
			}
			a.unsend(now, &m.before)
			return nil
		})
		if err != nil {
			h.log.Error("take back a mark", "action", m.sent.ID, "error", err)
		}
	}
}

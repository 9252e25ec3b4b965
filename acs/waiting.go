package acs

import (
	"context"
	"fmt"
	"slices"
)

// WaitReason says why an action waits behind another one of its device: a stable code for programs.
type WaitReason string

// Reasons of waiting.
const (
	WaitTurn       WaitReason = "turn"               // requests for a device go out one at a time, oldest first
	WaitReboot     WaitReason = "reboot_unsettled"   // a reboot was sent, and it is not known yet whether the device did it
	WaitAnswer     WaitReason = "answer_outstanding" // an update was sent as often as may be, and was not answered
	WaitSharedBoot WaitReason = "shared_boot"        // the reboot in front will serve this one too
)

// Wait is what keeps an action from being sent next.
type Wait struct {
	Reason WaitReason
	// Behind is the action in front; nil where it is another client's.
	Behind *Action
}

// Waiting tells for each of the client's actions what it waits behind; nil for one that is next, sent or final.
func (s *Service) Waiting(ctx context.Context, c Client, actions []Action) ([]*Wait, error) {
	waits := make([]*Wait, len(actions))
	queues := make(map[string][]Action)
	for i := range actions {
		a := &actions[i]
		if !a.unsent() {
			continue
		}
		live, read := queues[a.Device]
		if !read {
			var err error
			if live, err = s.store.LiveActions(ctx, a.Device); err != nil {
				return nil, fmt.Errorf("actions of device %s: %w", a.Device, err)
			}
			queues[a.Device] = live
		}
		w := waitIn(live, a.ID)
		if w != nil && w.Behind.Client != c.ID {
			w.Behind = nil
		}
		waits[i] = w
	}
	return waits, nil
}

// waitIn tells what an action waits behind in its device's live actions, oldest first: the first that is pending is the one that the
// device is at.
func waitIn(live []Action, id Protocolo) *Wait {
	at := slices.IndexFunc(live, func(a Action) bool { return a.ID == id })
	front := slices.IndexFunc(live, func(a Action) bool { return !a.Status.Final() })
	if at < 0 || front < 0 || front >= at || !live[at].unsent() {
		return nil
	}
	b := live[front]
	w := &Wait{Reason: WaitTurn, Behind: &b}
	switch {
	case b.Kind == KindReboot && b.InFlight():
		w.Reason = WaitReboot
	case b.Kind == KindReboot && live[at].Kind == KindReboot:
		w.Reason = WaitSharedBoot
	case b.Stage == StageSent && b.Sends >= MaxSends:
		w.Reason = WaitAnswer
	}
	return w
}

// explain says in plain words what an action waits for.
func (w *Wait) explain() string {
	who, deadline := "another request for this device", "its deadline"
	if b := w.Behind; b != nil {
		who = "protocolo " + b.ID.String()
		deadline += " (" + b.DeadlineAt.UTC().Format("2006-01-02T15:04:05Z") + ")"
	}
	switch w.Reason {
	case WaitReboot:
		return "Waiting behind " + who + ", a reboot that was sent: it is not known yet whether the device did it, and nothing else goes out until the device is back, " +
			"proves that it did not reboot, or the reboot reaches " + deadline + "."
	case WaitAnswer:
		return fmt.Sprintf("Waiting behind %s: it was sent %d times without an answer, and ends at %s.", who, MaxSends, deadline)
	case WaitSharedBoot:
		return "Goes out together with " + who + ": one reboot serves both."
	}
	return "Waiting behind " + who + ": requests for a device go out one at a time, oldest first."
}

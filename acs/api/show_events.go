package api

import (
	"slices"
	"time"

	"recado/acs"
	"recado/acs/wire"
)

// protocolEvents puts the events of an action together, oldest first, from its deliveries, newest first, and from what the action knows
// of events that nobody wanted. Other events about an action are made only where somebody wants them.
func protocolEvents(act *acs.Action, deliveries []wire.Delivery) []wire.ProtocolEvent {
	var all []wire.ProtocolEvent
	at := map[string]int{}
	add := func(e wire.ProtocolEvent) int {
		if i, known := at[e.ID]; known {
			return i
		}
		e.Deliveries = []wire.EventDelivery{}
		at[e.ID] = len(all)
		all = append(all, e)
		return len(all) - 1
	}
	for i := range slices.Backward(deliveries) {
		d := &deliveries[i]
		e := &all[add(wire.ProtocolEvent{ID: d.EventID, Type: d.EventType, Timestamp: d.CreatedAt})]
		e.Deliveries = append(e.Deliveries, wire.EventDelivery{
			WebhookID: d.WebhookID, DeliveryID: d.ID, State: d.State, Attempts: d.Attempts,
		})
	}
	if act.FinalEvent != "" {
		add(wire.ProtocolEvent{ID: act.FinalEvent, Type: acs.EventOf(act.Status), Timestamp: wire.Time(act.FinishedAt)})
	}
	if act.Late != nil {
		add(wire.ProtocolEvent{ID: act.Late.Event, Type: wire.ActionLateResult, Timestamp: wire.Time(act.Late.At)})
	}
	slices.SortStableFunc(all, func(x, y wire.ProtocolEvent) int {
		return time.Time(x.Timestamp).Compare(time.Time(y.Timestamp))
	})
	return all
}

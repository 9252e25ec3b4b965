package acs

import (
	"recado/acs/wire"
	"recado/webhook"
)

// EventTypes is the catalogue of what clients can be told.
//
// Its priorities: what needs somebody is high, what only follows along, or comes in crowds, is low. At one endpoint the higher goes
// first.
var EventTypes = withSchemas(webhook.Catalogue{
	{Name: wire.ActionSucceeded, Description: "An action is done, with its evidence."},
	{Name: wire.ActionFailed, Priority: webhook.PriorityHigh, Description: "An action failed, with its fault."},
	{Name: wire.ActionTimedOut, Priority: webhook.PriorityHigh, Description: "An action reached its deadline, with the reason known so far."},
	{Name: wire.ActionLateResult, Description: "A device acted after the action had timed out."},
	{Name: wire.ActionAccepted, Priority: webhook.PriorityLow, ByNameOnly: true, Description: "A request was accepted."},
	{Name: wire.ActionStage, Priority: webhook.PriorityLow, ByNameOnly: true, Description: "A pending action came to another stage."},
	{Name: wire.ActionCancelled, ByNameOnly: true, Description: "An action was cancelled before it was sent."},
	{Name: wire.WebhookTest, Description: "A test that was asked for."},
	{Name: wire.EndpointDisabled, Priority: webhook.PriorityHigh, Description: "Another of your endpoints is disabled or gone; what is for it is held."},
	{Name: wire.DeviceAdded, Priority: webhook.PriorityLow, Description: "A device called in that was never seen before, and that nobody had put."},
	{Name: wire.DeviceBoot, Priority: webhook.PriorityLow, ByNameOnly: true, Description: "A device booted, and no action explains it."},
	{Name: wire.SecurityAlert, Priority: webhook.PriorityHigh, Description: "Something that a person should look at: wrong credentials, a forged device, a refused URL, dangerous parameters."},
	{Name: wire.ClientChanged, Description: "Settings, tokens or endpoints of your client were changed."},
})

func withSchemas(c webhook.Catalogue) webhook.Catalogue {
	for i := range c {
		var err error
		if c[i].Schema, err = wire.EventSchema(c[i].Name); err != nil {
			panic(err) // it is built in: the tests tell
		}
		if c[i].Example, err = wire.EventExample(c[i].Name); err != nil {
			panic(err)
		}
	}
	return c
}

func priorityOf(eventType string) webhook.Priority {
	t, _ := EventTypes.Type(eventType)
	return t.Priority
}

package main

import (
	"context"
	"fmt"
	"strings"

	"recado/acs/client"
	"recado/acs/wire"
)

type webhookCmd struct {
	Add     webhookAddCmd     `cmd:"" help:"Register an endpoint, and print its secret."`
	List    webhookListCmd    `cmd:"" help:"List the endpoints."`
	Show    webhookShowCmd    `cmd:"" help:"Show an endpoint and its health."`
	Test    webhookTestCmd    `cmd:"" help:"Send a webhook.test event."`
	Stats   webhookStatsCmd   `cmd:"" help:"Show what came of an endpoint's deliveries."`
	Replay  webhookReplayCmd  `cmd:"" help:"Deliver again what did not arrive."`
	Pause   webhookPauseCmd   `cmd:"" help:"Hold what comes for an endpoint."`
	Resume  webhookResumeCmd  `cmd:"" help:"Send again to an endpoint that is paused, failing, disabled or gone."`
	Delete  webhookDeleteCmd  `cmd:"" help:"Delete an endpoint, and cancel what it had still to get."`
	Secret  webhookSecretCmd  `cmd:"" help:"Show an endpoint's secret."`
	Rotate  webhookRotateCmd  `cmd:"" help:"Give an endpoint a new secret; the old one signs too for a time."`
	Promote webhookPromoteCmd `cmd:"" help:"End a rotation: the new secret signs alone."`
	Verify  webhookVerifyCmd  `cmd:"" help:"Tell why a receiver refuses a request."`
}

// endpointArg names an endpoint and says how to reach the server.
type endpointArg struct {
	Webhook    string `arg:"" help:"Id (wh_…) or URL of the endpoint."`
	connection `embed:""`
	output     `embed:""`
}

// find makes a client and finds the endpoint's id.
func (a endpointArg) find(ctx context.Context) (*client.Client, string, error) {
	api, err := a.dial()
	if err != nil {
		return nil, "", err
	}
	if !strings.Contains(a.Webhook, "://") {
		return api, a.Webhook, nil
	}
	all, err := client.All(ctx, 0, api.Webhooks)
	if err != nil {
		return nil, "", err
	}
	var found []string
	for _, w := range all {
		if w.URL == a.Webhook {
			found = append(found, w.ID)
		}
	}
	if len(found) != 1 {
		return nil, "", fmt.Errorf("%d endpoints have the URL %s; recado webhook list shows their ids", len(found), a.Webhook)
	}
	return api, found[0], nil
}

type webhookAddCmd struct {
	Endpoint            string   `arg:"" help:"Where to post: https://…"`
	Events              []string `name:"events" placeholder:"FILTER" help:"Event types, or filters such as action.* (all)."`
	Description         string   `name:"description" placeholder:"TEXT" help:"What it is for."`
	SecretFile          string   `name:"secret-file" placeholder:"FILE" help:"File with a secret of your own, - for standard input (one is made)."`
	BodySignatureHeader string   `name:"body-signature-header" placeholder:"NAME" help:"Also sign the body alone, under this header."`
	Order               string   `name:"order" enum:"none,device,fifo" default:"none" help:"What waits for what: none, device or fifo (${default})."`
	Paused              bool     `name:"paused" help:"Hold events until it is resumed."`
	connection          `embed:""`
	output              `embed:""`
}

// Run registers an endpoint.
func (c *webhookAddCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	secret, err := ownSecret(s, c.SecretFile)
	if err != nil {
		return err
	}
	active := !c.Paused
	made, err := api.CreateWebhook(ctx, wire.WebhookCreate{
		URL: c.Endpoint, Events: c.Events, Description: c.Description, Secret: secret, BodySignatureHeader: c.BodySignatureHeader,
		Order: c.Order, Active: &active,
	})
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, made)
	}
	fmt.Fprintf(s.out, "webhook %s to %s, %s\n", made.ID, clean(made.URL), made.State)
	printSecret(s, made.Secret, made.StandardSecret)
	return nil
}

type webhookListCmd struct {
	connection `embed:""`
	output     `embed:""`
}

// Run lists the endpoints.
func (c *webhookListCmd) Run(ctx context.Context, s streams) error {
	api, err := c.dial()
	if err != nil {
		return err
	}
	all, err := client.All(ctx, 0, api.Webhooks)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, all)
	}
	rows := make([][]string, len(all))
	for i, w := range all {
		rows[i] = []string{w.ID, w.State, w.URL, strings.Join(w.Events, ","), optionalStamp(w.LastSuccessAt), dash(w.LastError)}
	}
	return printTable(s.out, []string{"WEBHOOK", "STATE", "URL", "EVENTS", "LAST SUCCESS", "LAST ERROR"}, rows)
}

func optionalStamp(t *wire.Time) string {
	if t == nil {
		return "-"
	}
	return stamp(*t)
}

type webhookShowCmd struct {
	endpointArg `embed:""`
}

// Run shows an endpoint.
func (c *webhookShowCmd) Run(ctx context.Context, s streams) error {
	api, id, err := c.find(ctx)
	if err != nil {
		return err
	}
	w, err := api.Webhook(ctx, id)
	if err != nil {
		return err
	}
	return c.print(s, w)
}

// print prints an endpoint.
func (a endpointArg) print(s streams, w wire.Webhook) error {
	if a.json() {
		return printJSON(s.out, w)
	}
	state := w.State
	if w.StateReason != "" {
		state += ": " + w.StateReason
	}
	rotation := "none"
	if w.RotationUntil != nil {
		rotation = "under way; the old secret signs too until " + stamp(*w.RotationUntil)
	}
	return printTable(s.out, nil, [][]string{
		{"webhook", w.ID},
		{"url", w.URL},
		{"description", dash(w.Description)},
		{"events", strings.Join(w.Events, ", ")},
		{"state", state},
		{"held until", optionalStamp(w.HoldUntil)},
		{"rotation", rotation},
		{"body signature", dash(w.BodySignatureHeader)},
		{"order", w.Order},
		{"at once", fmt.Sprint(w.Concurrency)},
		{"timeout", fmt.Sprintf("%d s", w.TimeoutSeconds)},
		{"failures in a row", fmt.Sprint(w.ConsecutiveFailures)},
		{"last success", optionalStamp(w.LastSuccessAt)},
		{"last failure", optionalStamp(w.LastFailureAt)},
		{"last error", dash(w.LastError)},
	})
}

type webhookTestCmd struct {
	endpointArg `embed:""`
}

// Run sends a test.
func (c *webhookTestCmd) Run(ctx context.Context, s streams) error {
	api, id, err := c.find(ctx)
	if err != nil {
		return err
	}
	tested, err := api.TestWebhook(ctx, id)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, tested)
	}
	fmt.Fprintf(s.out, "event %s, delivery %s is %s\n", tested.EventID, tested.Delivery.ID, tested.Delivery.State)
	return nil
}

type webhookPauseCmd struct {
	endpointArg `embed:""`
}

// Run pauses an endpoint.
func (c *webhookPauseCmd) Run(ctx context.Context, s streams) error {
	return c.setActive(ctx, s, false)
}

type webhookResumeCmd struct {
	endpointArg `embed:""`
}

// Run resumes an endpoint.
func (c *webhookResumeCmd) Run(ctx context.Context, s streams) error {
	return c.setActive(ctx, s, true)
}

func (a endpointArg) setActive(ctx context.Context, s streams, active bool) error {
	api, id, err := a.find(ctx)
	if err != nil {
		return err
	}
	w, err := api.ChangeWebhook(ctx, id, wire.WebhookChange{Active: &active})
	if err != nil {
		return err
	}
	if a.json() {
		return printJSON(s.out, w)
	}
	fmt.Fprintf(s.out, "webhook %s is %s\n", w.ID, w.State)
	return nil
}

type webhookDeleteCmd struct {
	Webhook    string `arg:"" help:"Id (wh_…) or URL of the endpoint."`
	connection `embed:""`
}

// Run deletes an endpoint.
func (c *webhookDeleteCmd) Run(ctx context.Context, s streams) error {
	api, id, err := endpointArg{Webhook: c.Webhook, connection: c.connection}.find(ctx)
	if err != nil {
		return err
	}
	if err := api.DeleteWebhook(ctx, id); err != nil {
		return err
	}
	fmt.Fprintf(s.out, "webhook %s is deleted\n", id)
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/webhook/webhooktest"
)

type listenCmd struct {
	Listen     string   `name:"listen" default:"127.0.0.1:0" placeholder:"ADDR" help:"Where to receive (${default}; 0 is any free port)."`
	PublicURL  string   `name:"receiver-url" placeholder:"URL" help:"What to register, where the server sees the receiver by another URL."`
	Events     []string `name:"events" placeholder:"FILTER" help:"Event types, or filters such as action.* (all)."`
	Status     int      `name:"answer" default:"204" help:"HTTP status to answer with (${default})."`
	Count      int      `name:"count" help:"End after so many webhooks; 0 is never."`
	connection `embed:""`
	output     `embed:""`
}

// Run receives until a signal. The endpoint is registered at the start and deleted at the end.
func (c *listenCmd) Run(ctx context.Context, s streams) error {
	if c.Status < 200 || c.Status > 599 {
		return usageError{fmt.Errorf("--answer %d is no status of an answer; want 200 to 599", c.Status)}
	}
	api, err := c.dial()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	url := c.PublicURL
	if url == "" {
		url = "http://" + l.Addr().String() + "/"
	}
	secret := newSecret()
	made, err := api.CreateWebhook(ctx, wire.WebhookCreate{URL: url, Events: c.Events, Secret: secret, Description: "recado listen"})
	if err != nil {
		l.Close()
		return refusedURL(err, url)
	}
	defer c.unregister(ctx, s, api, made.ID)
	fmt.Fprintf(s.err, "endpoint %s receives at %s\n", made.ID, url)

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &arrivalPrinter{out: s.out, json: c.json(), count: c.Count, done: cancel}
	r := &webhooktest.Receiver{
		Secrets: []string{secret}, Default: webhooktest.Status(c.Status), RefuseUnverified: true, OnArrival: p.print,
		Check: checkBody,
	}
	if err := r.Serve(ctx, l); err != nil {
		return err
	}
	return p.err()
}

// refusedURL adds to a refusal of the receiver's own URL what would make the server take it.
func refusedURL(err error, url string) error {
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Problem.Code != wire.CodeInvalidRequest || refused.Problem.Field != "url" {
		return err
	}
	return advised{fmt.Errorf("%s: %w", url, err), []string{
		"on the server, for a receiver on its own machine: recado serve --dev",
		"on the server, for a receiver in your network: recado serve --webhook-allow-cidr NETWORK --webhook-allow-http",
		"here, where the receiver has a public address: recado listen --receiver-url https://HOST/PATH",
	}}
}

func (c *listenCmd) unregister(ctx context.Context, s streams, api *client.Client, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := api.DeleteWebhook(ctx, id); err != nil {
		fmt.Fprintf(s.err, "recado: endpoint %s stays registered: %s\n", id, explain(err))
	}
}

// arrivalPrinter prints arrivals, one at a time.
type arrivalPrinter struct {
	out   io.Writer
	json  bool
	count int
	done  func()

	mu      sync.Mutex
	printed int
	failed  error
}

var errUnverified = errors.New("a webhook came whose signature does not verify")

func (p *arrivalPrinter) print(a webhooktest.Arrival) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.json {
		p.printJSON(a)
	} else {
		fmt.Fprintln(p.out, describe(a))
	}
	if !a.Verified() {
		if a.ID != "" { // else it is no webhook, but somebody who came by
			p.failed = errUnverified
		}
		return
	}
	if p.printed++; p.printed == p.count {
		// The answer still has to go out, which Receiver.Serve waits for.
		p.done()
	}
}

func (p *arrivalPrinter) printJSON(a webhooktest.Arrival) {
	body := json.RawMessage(a.Body)
	if !json.Valid(body) {
		body = nil
	}
	line, err := json.Marshal(map[string]any{
		"at": wire.Time(a.At), "id": a.ID, "attempt": a.Attempt, "verified": a.Verified(), "duplicate": a.Duplicate, "body": body,
	})
	if err == nil {
		fmt.Fprintf(p.out, "%s\n", line)
	}
}

func (p *arrivalPrinter) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// describe tells of an arrival in a line.
func describe(a webhooktest.Arrival) string {
	verdict := "signature verified"
	if err := errors.Join(a.Err, a.BodyErr); err != nil {
		verdict = "SIGNATURE DOES NOT VERIFY: " + clean(err.Error())
	}
	if a.Duplicate {
		verdict += ", a duplicate"
	}
	var e wire.ActionEvent
	if json.Unmarshal(a.Body, &e) != nil {
		return fmt.Sprintf("%s  %s %s, %d bytes that are no event, %s", clock(wire.Time(a.At)), clean(a.Method), clean(a.Path), len(a.Body), verdict)
	}
	line := fmt.Sprintf("%s  webhook %s", clock(wire.Time(a.At)), clean(e.Type))
	if e.Protocolo != "" {
		line += fmt.Sprintf(" for protocolo %s: %s", clean(e.Protocolo), clean(e.Status))
	}
	return line + fmt.Sprintf(" (%s, attempt %d, %s)", clean(a.ID), a.Attempt, verdict)
}

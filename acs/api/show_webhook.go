package api

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func endpoint(e *webhook.Endpoint) wire.Webhook {
	w := wire.Webhook{
		ID: e.ID, WebhookID: e.ID, URL: e.URL, Description: e.Description, Events: append([]string{}, e.Events...),
		Active: e.State == webhook.EndpointActive || e.State == webhook.EndpointFailing,
		State:  string(e.State), StateReason: e.StateReason, HoldUntil: wire.TimePtr(e.HoldUntil),
		BodySignatureHeader: e.BodySignatureHeader, Order: string(e.Order), Concurrency: e.Concurrency,
		TimeoutSeconds: int(e.Timeout / time.Second), RetrySeconds: []int{},
		ConsecutiveFailures: e.ConsecutiveFailures, LastSuccessAt: wire.TimePtr(e.LastSuccessAt),
		LastFailureAt: wire.TimePtr(e.LastFailureAt), LastError: e.LastError,
		FailingSince: wire.TimePtr(e.FailingSince), CreatedAt: wire.Time(e.CreatedAt), UpdatedAt: wire.Time(e.UpdatedAt),
	}
	showOptions(&w, e)
	if e.State == webhook.EndpointFailing {
		w.ProbeAt = wire.TimePtr(e.ProbeAt)
	}
	if e.Rotating(time.Now()) {
		w.RotationUntil = wire.TimePtr(e.OldSecretUntil)
	}
	if w.Concurrency == 0 {
		w.Concurrency = webhook.DefaultConcurrency
	}
	if w.TimeoutSeconds == 0 {
		w.TimeoutSeconds = int(webhook.DefaultTimeout / time.Second)
	}
	schedule := e.Schedule
	if len(schedule) == 0 {
		schedule = webhook.DefaultSchedule()
	}
	for _, d := range schedule {
		w.RetrySeconds = append(w.RetrySeconds, int(d/time.Second))
	}
	return w
}

// endpointCreated shows a new endpoint with its secret and a worked example.
func (a *API) endpointCreated(ctx context.Context, e *webhook.Endpoint) (wire.WebhookCreated, error) {
	secret, err := webhook.ParseSecret(e.Secret)
	if err != nil {
		return wire.WebhookCreated{}, fmt.Errorf("secret of endpoint %s: %w", e.ID, err)
	}
	w := wire.WebhookCreated{Webhook: endpoint(e), Secret: secret.Text(), StandardSecret: secret.Standard()}
	w.Example, err = a.signingExample(ctx, e, secret)
	return w, err
}

// signingExample signs what a test would send to the endpoint, as if at its registration or rotation.
func (a *API) signingExample(ctx context.Context, e *webhook.Endpoint, secret webhook.Secret) (wire.SigningExample, error) {
	event, body, err := a.cfg.Webhooks.Sample(ctx, *e, e.UpdatedAt)
	if err != nil {
		return wire.SigningExample{}, fmt.Errorf("example of endpoint %s: %w", e.ID, err)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret.Standard(), "whsec_"))
	if err != nil {
		return wire.SigningExample{}, fmt.Errorf("key of endpoint %s: %w", e.ID, err)
	}
	at := strconv.FormatInt(e.UpdatedAt.Unix(), 10)
	x := wire.SigningExample{
		ID: event.ID, Timestamp: at, Body: string(body), SignedContent: event.ID + "." + at + "." + string(body),
		KeyHex: hex.EncodeToString(key), Signature: secret.Signature(event.ID, e.UpdatedAt, body),
	}
	if e.BodySignatureHeader != "" {
		x.BodySignatureHeader, x.BodySignature = e.BodySignatureHeader, secret.BodySignature(body)
	}
	return x, nil
}

// stateHeld is shown for a pending delivery at an endpoint that is not active. It is not stored.
const stateHeld = "held"

// deliveries shows deliveries of the client.
func (a *API) deliveries(ctx context.Context, who acs.Client, ds []webhook.Delivery) ([]wire.Delivery, error) {
	shown := make([]wire.Delivery, len(ds))
	pending := false
	for i := range ds {
		shown[i] = delivery(&ds[i])
		pending = pending || ds[i].State == webhook.DeliveryPending
	}
	if !pending {
		return shown, nil
	}
	endpoints, err := a.cfg.Webhooks.Endpoints(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	of := map[string]*webhook.Endpoint{}
	for i := range endpoints {
		of[endpoints[i].ID] = &endpoints[i]
	}
	for i := range shown {
		e := of[ds[i].Endpoint]
		if e == nil || ds[i].State != webhook.DeliveryPending {
			continue
		}
		shown[i].NextAt = wire.TimePtr(ds[i].DueAt(e))
		if e.State != webhook.EndpointActive {
			shown[i].State = stateHeld
		}
	}
	return shown, nil
}

func delivery(d *webhook.Delivery) wire.Delivery {
	w := wire.Delivery{
		ID: d.ID, EventID: d.Event, EventType: d.EventType, WebhookID: d.Endpoint, Protocolo: d.Protocolo, DeviceID: d.Device,
		State: string(d.State), Attempts: d.Attempts, CreatedAt: wire.Time(d.CreatedAt), DoneAt: wire.TimePtr(d.DoneAt),
		LastStatus: d.LastStatus, LastError: d.LastError,
	}
	if d.State == webhook.DeliveryPending {
		w.NextAt = wire.TimePtr(d.NextAt)
	}
	return w
}

func attempt(t *webhook.Attempt) wire.Attempt {
	return wire.Attempt{
		Number: t.Number, Probe: t.Probe, At: wire.Time(t.At), DurationMS: t.Duration.Milliseconds(), HTTPStatus: t.Status,
		ErrorClass: string(t.Class), Error: t.Error, Response: strings.ToValidUTF8(t.Response, "\uFFFD"),
		RetryAfterSeconds: int64(t.RetryAfter / time.Second),
	}
}

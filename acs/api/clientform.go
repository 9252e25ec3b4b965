package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

// putForm makes or changes the webhook of a client's form, and tells whether it was made.
func (a *API) putForm(ctx context.Context, cl acs.Client, in *wire.ClientWebhookPut) (acs.Client, webhook.Endpoint, bool, error) {
	a.forms.Lock() // so that two requests cannot both make it
	defer a.forms.Unlock()
	if cl.Webhook != "" {
		e, err := a.changeForm(ctx, cl, in)
		if !errors.Is(err, webhook.ErrNotFound) {
			return cl, e, false, inForm(err)
		}
	}
	if in.URL == nil {
		return cl, webhook.Endpoint{}, false, invalid("webhook.url", "is missing; the client's form has no webhook yet")
	}
	r := webhook.Registration{URL: *in.URL, Description: "webhook of the client's form", Paused: in.Active != nil && !*in.Active}
	if in.Events != nil {
		r.Events = *in.Events
	}
	if in.AcceptInvalidCertificate != nil {
		r.TLS.AcceptInvalid = *in.AcceptInvalidCertificate
	}
	e, err := a.cfg.Webhooks.Register(ctx, cl.ID, r)
	if err != nil {
		return cl, webhook.Endpoint{}, false, inForm(err)
	}
	changed, err := a.cfg.Clients.ChangeClient(ctx, cl.ID, acs.ClientChange{Webhook: &e.ID})
	if err != nil {
		return cl, webhook.Endpoint{}, false, errors.Join(err, a.cfg.Webhooks.Delete(context.WithoutCancel(ctx), cl.ID, e.ID))
	}
	return changed, e, true, nil
}

func (a *API) changeForm(ctx context.Context, cl acs.Client, in *wire.ClientWebhookPut) (webhook.Endpoint, error) {
	e, err := a.cfg.Webhooks.Endpoint(ctx, cl.ID, cl.Webhook)
	if err != nil {
		return webhook.Endpoint{}, err
	}
	ch := webhook.Change{URL: in.URL, Events: in.Events, Active: in.Active}
	if in.AcceptInvalidCertificate != nil && *in.AcceptInvalidCertificate != e.TLS.AcceptInvalid {
		tls := e.TLS
		tls.AcceptInvalid = *in.AcceptInvalidCertificate
		ch.TLS = &tls
	}
	return a.cfg.Webhooks.Change(ctx, cl.ID, e.ID, ch)
}

// inForm gives the places of a refused webhook as they are in a client's form.
func inForm(err error) error {
	var bad *webhook.InvalidError
	if !errors.As(err, &bad) {
		return err
	}
	return invalid("webhook."+strings.TrimPrefix(endpointField(bad.Field), "tls."), bad.Problem)
}

// showForm shows a client with the webhook of its form, and the secret of one that was just made.
func showForm(cl *acs.Client, e *webhook.Endpoint, made bool) (wire.Client, error) {
	w := client(cl)
	w.Webhook = &wire.ClientWebhook{
		ID: e.ID, URL: e.URL, Events: append([]string{}, e.Events...), State: string(e.State), AcceptInvalidCertificate: e.TLS.AcceptInvalid,
		Active: e.State == webhook.EndpointActive || e.State == webhook.EndpointFailing,
	}
	if !made {
		return w, nil
	}
	secret, err := webhook.ParseSecret(e.Secret)
	if err != nil {
		return wire.Client{}, fmt.Errorf("secret of endpoint %s: %w", e.ID, err)
	}
	w.Webhook.Secret, w.Webhook.StandardSecret = secret.Text(), secret.Standard()
	return w, nil
}

// showClient shows a client with the webhook of its form, where that is there.
func (a *API) showClient(ctx context.Context, cl *acs.Client) (wire.Client, error) {
	if cl.Webhook == "" {
		return client(cl), nil
	}
	e, err := a.cfg.Webhooks.Endpoint(ctx, cl.ID, cl.Webhook)
	if errors.Is(err, webhook.ErrNotFound) {
		return client(cl), nil // the client deleted it
	}
	if err != nil {
		return wire.Client{}, err
	}
	return showForm(cl, &e, false)
}

// takeBack is the change that undoes another one.
func takeBack(ch *acs.ClientChange, was *acs.Client) acs.ClientChange {
	return acs.ClientChange{
		Name: back(ch.Name, was.Name), Scopes: back(ch.Scopes, was.Scopes), RequestsPerMinute: back(ch.RequestsPerMinute, was.RequestsPerMinute),
		RequestsPerDay: back(ch.RequestsPerDay, was.RequestsPerDay), TokenTTL: back(ch.TokenTTL, was.TokenTTL), Tags: back(ch.Tags, was.Tags),
		Blocked: back(ch.Blocked, was.Blocked), Type: back(ch.Type, was.Type), PublicKey: back(ch.PublicKey, was.PublicKey),
		Legacy: back(ch.Legacy, was.Legacy), TimeZone: back(ch.TimeZone, was.TimeZone),
	}
}

func back[T any](changed *T, was T) *T {
	if changed == nil {
		return nil
	}
	return &was
}

// clientType is generic for clients of before there were types.
func clientType(c *acs.Client) string { return string(cmp.Or(c.Type, acs.ClientGeneric)) }

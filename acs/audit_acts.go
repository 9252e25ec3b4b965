package acs

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"recado/webhook"
)

// What stores write down with an act. Each function takes what was stored and what is stored now, and gives the entries that tell the
// difference: names of fields, and no more of their content than is said here.

// maxAuditDetail bounds a detail, in bytes: what clients choose must not fill the record.
const maxAuditDetail = 512

func act(ctx context.Context, name, object, client string, details ...string) AuditAct {
	a := AuditAct{Actor: ActorFrom(ctx), Act: name, Object: object, Client: client}
	for i := 0; i+1 < len(details); i += 2 {
		if details[i+1] == "" {
			continue
		}
		if a.Details == nil {
			a.Details = make(map[string]string, len(details)/2)
		}
		a.Details[details[i]] = auditText(details[i+1])
	}
	a.valid()
	return a
}

// auditText bounds a detail; nearly all are short and plain already.
func auditText(s string) string {
	if len(s) <= maxAuditDetail && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return s
	}
	return clip(s, maxAuditDetail)
}

// valid makes all texts but the details, which are, valid UTF-8: what is hashed has to be the same after a way through JSON.
func (a *AuditAct) valid() {
	for _, s := range [...]*string{
		&a.Actor.Client, &a.Actor.ClientName, &a.Actor.Source, &a.Actor.RequestID, &a.Actor.Via, &a.Act, &a.Object, &a.Client,
	} {
		*s = strings.ToValidUTF8(*s, "?")
	}
}

// fields names what differs.
type fields []string

func (f *fields) add(name string, differs bool) {
	if differs {
		*f = append(*f, name)
	}
}

func (f fields) String() string { return strings.Join(f, ",") }

// AuditNewClient tells of a client that is made.
func AuditNewClient(ctx context.Context, c *Client) []AuditAct {
	return []AuditAct{act(ctx, AuditClientCreated, c.ID, c.ID, "name", c.Name, "scopes", scopeNames(c.Scopes))}
}

func scopeNames(scopes []Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ",")
}

// AuditClient tells what a change of a client changes.
func AuditClient(ctx context.Context, before, now *Client) (acts []AuditAct) {
	var f fields
	f.add("name", before.Name != now.Name)
	f.add("scopes", !slices.Equal(before.Scopes, now.Scopes))
	f.add("requests_per_minute", before.RequestsPerMinute != now.RequestsPerMinute)
	f.add("requests_per_day", before.RequestsPerDay != now.RequestsPerDay)
	f.add("token_ttl_seconds", before.TokenTTL != now.TokenTTL)
	f.add("tags", !slices.Equal(before.Tags, now.Tags))
	f.add("type", before.Type != now.Type)
	f.add("public_key", before.PublicKey != now.PublicKey)
	f.add("legacy", before.Legacy != now.Legacy)
	f.add("time_zone", before.TimeZone != now.TimeZone)
	f.add("webhook", before.Webhook != now.Webhook)
	f.add("client_secret", before.SecretHash != now.SecretHash)
	if len(f) > 0 {
		scopes := ""
		if slices.Contains(f, "scopes") {
			scopes = scopeNames(now.Scopes)
		}
		acts = append(acts, act(ctx, AuditClientChanged, now.ID, now.ID, "fields", f.String(), "scopes", scopes))
	}
	switch {
	case !before.Blocked && now.Blocked:
		acts = append(acts, act(ctx, AuditClientBlocked, now.ID, now.ID))
	case before.Blocked && !now.Blocked:
		acts = append(acts, act(ctx, AuditClientUnblocked, now.ID, now.ID))
	}
	return acts
}

// AuditGoneClient tells of a client that is deleted, with its tokens and so many webhooks.
func AuditGoneClient(ctx context.Context, c *Client, webhooks int) []AuditAct {
	return []AuditAct{act(ctx, AuditClientDeleted, c.ID, c.ID, "name", c.Name, "webhooks", strconv.Itoa(webhooks))}
}

// AuditToken tells of a token that is made: whose, and how long it holds.
func AuditToken(ctx context.Context, t *Token) []AuditAct {
	expires := "never"
	if !t.ExpiresAt.IsZero() {
		expires = t.ExpiresAt.UTC().Format("2006-01-02T15:04:05Z")
	}
	how := ""
	if t.Fetched {
		how = "fetched" // by the client itself, with its secret or key
	}
	a := act(ctx, AuditTokenMade, t.Client, t.Client, "expires_at", expires, "how", how)
	if t.Fetched && a.Actor.Client == "" {
		a.Actor.Client = t.Client
	}
	return []AuditAct{a}
}

// AuditRevoked tells that all tokens of a client are revoked, how many that were.
func AuditRevoked(ctx context.Context, client string, tokens int) []AuditAct {
	return []AuditAct{act(ctx, AuditTokensRevoked, client, client, "tokens", strconv.Itoa(tokens))}
}

// urlHost is all that is told of a webhook's URL: the rest of it may be a key.
func urlHost(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}

// AuditNewEndpoint tells of a webhook that is registered.
func AuditNewEndpoint(ctx context.Context, e *webhook.Endpoint) []AuditAct {
	acts := []AuditAct{act(ctx, AuditWebhookRegistered, e.ID, e.Client, "host", urlHost(e.URL))}
	if e.TLS.AcceptInvalid {
		acts = append(acts, certificateTick(ctx, e))
	}
	return acts
}

func certificateTick(ctx context.Context, e *webhook.Endpoint) AuditAct {
	to := "off"
	if e.TLS.AcceptInvalid {
		to = "on"
	}
	return act(ctx, AuditWebhookCertificates, e.ID, e.Client, "accept_invalid", to)
}

// AuditEndpoint tells what a change of a webhook changes; what attempts make of it is no act of anybody.
func AuditEndpoint(ctx context.Context, before, now *webhook.Endpoint) (acts []AuditAct) {
	var f fields
	f.add("url", before.URL != now.URL)
	f.add("description", before.Description != now.Description)
	f.add("events", !slices.Equal(before.Events, now.Events))
	f.add("body_signature_header", before.BodySignatureHeader != now.BodySignatureHeader)
	f.add("order", before.Order != now.Order)
	f.add("concurrency", before.Concurrency != now.Concurrency)
	f.add("timeout_seconds", before.Timeout != now.Timeout)
	f.add("retry_seconds", !slices.Equal(before.Schedule, now.Schedule))
	f.add("per_minute", before.PerMinute != now.PerMinute)
	f.add("filter", !sameFilter(&before.Filter, &now.Filter))
	f.add("headers", !slices.Equal(before.Headers, now.Headers))
	f.add("tls.ca", before.TLS.CA != now.TLS.CA)
	f.add("tls.pins", !slices.Equal(before.TLS.Pins, now.TLS.Pins))
	f.add("tls.client_cert", before.TLS.ClientCert != now.TLS.ClientCert)
	f.add("tls.client_key", before.TLS.ClientKey != now.TLS.ClientKey)
	if len(f) > 0 {
		host := ""
		if before.URL != now.URL {
			host = urlHost(now.URL)
		}
		acts = append(acts, act(ctx, AuditWebhookChanged, now.ID, now.Client, "fields", f.String(), "host", host))
	}
	if before.TLS.AcceptInvalid != now.TLS.AcceptInvalid {
		acts = append(acts, certificateTick(ctx, now))
	}
	switch {
	case before.Secret != now.Secret:
		until := ""
		if now.OldSecret != "" {
			until = now.OldSecretUntil.UTC().Format("2006-01-02T15:04:05Z")
		}
		acts = append(acts, act(ctx, AuditSecretRotated, now.ID, now.Client, "old_until", until))
	case before.OldSecret == "" || now.OldSecret != "":
	case ActorFrom(ctx).Via == ViaSystem || !now.UpdatedAt.Before(before.OldSecretUntil):
		acts = append(acts, act(ctx, AuditOldSecretWiped, now.ID, now.Client))
	default:
		acts = append(acts, act(ctx, AuditSecretPromoted, now.ID, now.Client))
	}
	switch {
	case before.State == now.State:
	case now.State == webhook.EndpointActive:
		acts = append(acts, act(ctx, AuditWebhookResumed, now.ID, now.Client, "from", string(before.State)))
	default:
		acts = append(acts, act(ctx, AuditWebhookState, now.ID, now.Client, "from", string(before.State), "to", string(now.State)))
	}
	return acts
}

func sameFilter(a, b *webhook.Filter) bool {
	same := (a.MinPriority == nil) == (b.MinPriority == nil) && (a.MinPriority == nil || *a.MinPriority == *b.MinPriority)
	return same && a.Expression == b.Expression && slices.Equal(a.IgnoreFaults, b.IgnoreFaults)
}

// AuditSecret tells that a webhook's secret was shown. It is for AppendAudit, before the secret goes out.
func AuditSecret(ctx context.Context, e *webhook.Endpoint) AuditAct {
	return act(ctx, AuditSecretShown, e.ID, e.Client)
}

// AuditGoneEndpoint tells of a webhook that is deleted.
func AuditGoneEndpoint(ctx context.Context, e *webhook.Endpoint) []AuditAct {
	return []AuditAct{act(ctx, AuditWebhookDeleted, e.ID, e.Client, "host", urlHost(e.URL))}
}

// AuditReplay tells of a delivery that is made due again.
func AuditReplay(ctx context.Context, d *webhook.Delivery) []AuditAct {
	return []AuditAct{act(ctx, AuditDeliveryReplayed, d.ID, d.Client, "webhook", d.Endpoint, "state", string(d.State))}
}

// AuditReplayJob tells of a replay that is started or cancelled.
func AuditReplayJob(ctx context.Context, r *webhook.Replay) []AuditAct {
	if r.State == webhook.ReplayCancelled {
		return []AuditAct{act(ctx, AuditReplayCancelled, r.ID, r.Client, "replayed", strconv.Itoa(r.Replayed))}
	}
	states, webhooks := make([]string, len(r.States)), make([]string, len(r.Parts))
	for i, s := range r.States {
		states[i] = string(s)
	}
	for i := range r.Parts {
		webhooks[i] = r.Parts[i].Endpoint
	}
	return []AuditAct{act(ctx, AuditReplayStarted, r.ID, r.Client, "states", strings.Join(states, ","), "webhooks", strings.Join(webhooks, ","))}
}

// AuditAction tells of an action that is accepted. Of its parameters only those are named that needed a scope of their own.
func AuditAction(ctx context.Context, a *Action) []AuditAct {
	return []AuditAct{act(ctx, AuditActionAccepted, a.ID.String(), a.Client, "kind", string(a.Kind), "device", a.Device,
		"router_id", a.RouterID, "dangerous", dangerousNames(a.Parameters))}
}

func dangerousNames(ps []Parameter) string {
	var names []string
	for i := range ps {
		if Dangerous(ps[i].Name) {
			names = append(names, ps[i].Name)
		}
	}
	return strings.Join(names, ",")
}

// AuditVerdict tells of a verdict that somebody gave: an action that was cancelled. How a device ends one is no act of anybody.
func AuditVerdict(ctx context.Context, a *Action) []AuditAct {
	if a.Status != StatusCancelled {
		return nil
	}
	return []AuditAct{act(ctx, AuditActionCancelled, a.ID.String(), a.Client, "kind", string(a.Kind), "device", a.Device)}
}

// AuditFacts tells which of a device's facts a put changes.
func AuditFacts(ctx context.Context, device string, before, now *Facts) []AuditAct {
	var f fields
	f.add("router_id", before.RouterID != now.RouterID)
	f.add("account_id", before.AccountID != now.AccountID)
	f.add("pppoe_login", before.PPPoELogin != now.PPPoELogin)
	f.add("mac", before.MAC != now.MAC)
	f.add("city", before.City != now.City)
	f.add("pon_port", before.PONPort != now.PONPort)
	f.add("tags", !slices.Equal(before.Tags, now.Tags))
	f.add("connection_request", before.ConnectionRequest != now.ConnectionRequest)
	f.add("cwmp_auth", before.CWMPAuth != now.CWMPAuth)
	f.add("provisioned_at", !before.ProvisionedAt.Equal(now.ProvisionedAt))
	if len(f) == 0 {
		return nil
	}
	return []AuditAct{act(ctx, AuditDeviceFacts, device, "", "fields", f.String())}
}

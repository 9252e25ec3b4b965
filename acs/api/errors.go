package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

// What this package itself finds wrong.
var (
	errNoToken      = fmt.Errorf("no bearer token: %w", acs.ErrUnauthenticated)
	errBodyTooLarge = errors.New("body is above the limit")
	errMediaType    = errors.New("body is not JSON by its Content-Type")
	errNotReady     = errors.New("not ready")
)

// kind is what an error is in HTTP. An empty detail is the error's own text.
type kind struct {
	is     error
	status int
	code   string
	title  string
	detail string
}

// kinds are tried in order. Errors of other types, and those that are none of these, are in problemOf.
var kinds = []kind{
	{errNoToken, 401, wire.CodeUnauthenticated, "Token needed", "send the header Authorization: Bearer TOKEN"},
	{acs.ErrUnauthenticated, 401, wire.CodeUnauthenticated, "Token not accepted", "the token is unknown, expired or revoked"},
	{acs.ErrBlocked, 403, wire.CodeBlocked, "Client is blocked", "an administrator has blocked this client"},
	{acs.ErrDeviceNotFound, 404, wire.CodeDeviceNotFound, "Device not found", "no device has this router_id, device id, PPPoE login, serial number or MAC"},
	{acs.ErrNotFound, 404, wire.CodeNotFound, "Not found", "it does not exist, or is not yours"},
	{webhook.ErrNotFound, 404, wire.CodeNotFound, "Not found", "it does not exist, or is not yours"},
	{acs.ErrSent, 409, wire.CodeAlreadySent, "Already sent", "the request was handed to the device; it can no longer be cancelled"},
	{acs.ErrFinished, 409, wire.CodeFinished, "Already finished", "the action has its final status"},
	{acs.ErrPastDeadline, 409, wire.CodeFinished, "Already finished", "the action's deadline is past"},
	{acs.ErrQueueFull, 409, wire.CodeQueueFull, "Queue is full", fmt.Sprintf("the device has %d pending actions; wait for some to end, or cancel them", acs.MaxPendingPerDevice)},
	{acs.ErrWebhookQueueFull, 507, wire.CodeWebhookQueueFull, "Too many webhooks wait", "more deliveries wait for your endpoints than there is room for; nothing was accepted, and nothing that waits is lost. GET /webhooks tells which endpoint is paused, failing, disabled or gone: resume it, or delete it"},
	{webhook.ErrTooManyEndpoints, 409, wire.CodeTooManyWebhooks, "Too many webhooks", "the client has as many endpoints as it may have; delete one"},
	{webhook.ErrRotating, 409, wire.CodeRotating, "Rotation under way", "the old secret still signs; POST /webhooks/{id}/rotate/promote ends its overlap, then rotate again"},
	{webhook.ErrReplaying, 409, wire.CodeReplayRunning, "Replay under way", "a replay is running at this endpoint; wait for its end, or cancel it"},
	{webhook.ErrReplayEnded, 409, wire.CodeFinished, "Already finished", "the replay has ended; nothing is left to cancel"},
	{acs.ErrExists, 409, wire.CodeExists, "Exists already", "another one has this name"},
	{acs.ErrConflict, 409, wire.CodeConflict, "Changed meanwhile", "somebody else changed it at the same time; try again"},
	{webhook.ErrConflict, 409, wire.CodeConflict, "Changed meanwhile", "it is in use or was changed at the same time; try again"},
	{errBodyTooLarge, 413, wire.CodeBodyTooLarge, "Body too large", fmt.Sprintf("a body may have %d bytes", wire.MaxBody)},
	{errMediaType, 415, wire.CodeUnsupportedMediaType, "Unsupported media type", "send JSON in UTF-8, not compressed, with Content-Type: application/json"},
	{acs.ErrIdempotencyReused, 422, wire.CodeIdempotencyKeyReused, "Idempotency key reused", "this Idempotency-Key came with another request in the last 24 hours"},
	{errNotReady, 503, wire.CodeUnavailable, "Not ready", "the server cannot take requests now"},
	{acs.ErrUnavailable, 503, wire.CodeUnavailable, "Unavailable", "the server cannot store anything now; nothing was accepted"},
	{context.DeadlineExceeded, 503, wire.CodeUnavailable, "Unavailable", "the server did not get it done in time"},
	{context.Canceled, 503, wire.CodeUnavailable, "Unavailable", "the request was given up"},
}

const retryUnavailable = 5 // seconds

// problemOf tells what an error is in HTTP. An unknown error is an internal one and gives nothing away.
func problemOf(err error) wire.Problem {
	p := wire.Problem{Status: http.StatusInternalServerError, Code: wire.CodeInternal, Title: "Internal error"}
	var (
		invalid        *acs.InvalidError
		webhookInvalid *webhook.InvalidError
		ambiguous      *acs.AmbiguousError
		taken          *acs.TakenError
		scope          *acs.ScopeError
		limit          *limitError
		routing        *echo.HTTPError
	)
	switch {
	case errors.As(err, &invalid):
		return invalidProblem(invalid.Field, invalid.Problem)
	case errors.As(err, &webhookInvalid):
		return invalidProblem(endpointField(webhookInvalid.Field), webhookInvalid.Problem)
	case errors.As(err, &ambiguous):
		p.Status, p.Code, p.Title = http.StatusConflict, wire.CodeDeviceAmbiguous, "Device is ambiguous"
		p.Detail = fmt.Sprintf("%d devices have this name; use one of the candidates as router_id", len(ambiguous.Candidates))
		p.Field, p.Candidates = "router_id", ambiguous.Candidates
	case errors.As(err, &taken):
		p.Status, p.Code, p.Title = http.StatusConflict, wire.CodeExists, "Exists already"
		p.Detail, p.Field, p.DeviceID = "belongs to another device", taken.Field, taken.Device
	case errors.As(err, &scope):
		p.Status, p.Code, p.Title = http.StatusForbidden, wire.CodeScope, "Scope missing"
		p.Detail, p.Scope, p.Parameters = scope.Error(), string(scope.Scope), scope.Names
	case errors.As(err, &limit):
		p.Status, p.Code, p.Title = http.StatusTooManyRequests, wire.CodeRateLimited, "Too many requests"
		p.Detail, p.RetryAfterSeconds = limit.Error(), wholeSeconds(limit.wait)
	case errors.As(err, &routing) && routing.Code == http.StatusNotFound:
		p.Status, p.Code, p.Title = http.StatusNotFound, wire.CodeNotFound, "Not found"
		p.Detail = "there is no such path; " + base + "/openapi.yaml lists them"
	case errors.As(err, &routing) && routing.Code == http.StatusMethodNotAllowed:
		p.Status, p.Code, p.Title = http.StatusMethodNotAllowed, wire.CodeMethodNotAllowed, "Method not allowed"
		p.Detail = "the header Allow lists the methods of this path"
	default:
		for _, k := range kinds {
			if errors.Is(err, k.is) {
				p.Status, p.Code, p.Title, p.Detail = k.status, k.code, k.title, k.detail
				break
			}
		}
	}
	if p.Status == http.StatusServiceUnavailable {
		p.RetryAfterSeconds = retryUnavailable
	}
	return p
}

func invalidProblem(field, problem string) wire.Problem {
	return wire.Problem{Status: http.StatusBadRequest, Code: wire.CodeInvalidRequest, Title: "Invalid request", Field: field, Detail: problem}
}

// endpointField gives the API's name for a setting of an endpoint.
func endpointField(name string) string {
	switch name {
	case "timeout":
		return "timeout_seconds"
	case "overlap":
		return "overlap_seconds"
	case "retry_schedule":
		return "retry_seconds"
	}
	return name
}

func wholeSeconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// refuse answers with the error's problem. It is echo's HTTPErrorHandler too.
func (a *API) refuse(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	if o := (*oauthError)(nil); errors.As(err, &o) {
		a.refuseToken(o, c)
		return
	}
	p := problemOf(err)
	p.Type = "urn:recado:problem:" + p.Code
	p.RequestID, _ = c.Get(keyRequestID).(string)
	p.Message = message(&p)
	h := c.Response().Header()
	if p.RetryAfterSeconds > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfterSeconds))
	}
	switch p.Code {
	case wire.CodeUnauthenticated:
		challenge := `Bearer realm="recado"`
		if !errors.Is(err, errNoToken) {
			challenge += `, error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	case wire.CodeScope:
		h.Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="recado", error="insufficient_scope", scope=%q`, p.Scope))
	case wire.CodeBodyTooLarge:
		h.Set("Connection", "close")
	}
	body, jsonErr := json.Marshal(p)
	if jsonErr != nil {
		body = []byte(`{"type":"urn:recado:problem:internal","title":"Internal error","status":500,"code":"internal"}`)
	}
	h.Del("Location")
	h.Del("Etag")
	// A client that is gone cannot be told.
	_ = c.Blob(p.Status, wire.ProblemType, append(body, '\n'))
}

// message is the problem in one sentence.
func message(p *wire.Problem) string {
	text := p.Title
	if p.Detail != "" {
		text = p.Detail
	}
	if p.Field != "" {
		text = p.Field + ": " + text
	}
	return text
}

func asPanic(err error) (*panicError, bool) {
	var p *panicError
	return p, errors.As(err, &p)
}

func isPanic(err error) bool {
	_, ok := asPanic(err)
	return ok
}

package api

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func (a *API) rotateWebhook(c echo.Context, who acs.Client) error {
	var in wire.WebhookRotate
	if err := noQuery(c); err != nil {
		return err
	}
	if err := optionalBody(c, &in); err != nil {
		return err
	}
	e, err := a.cfg.Webhooks.Rotate(c.Request().Context(), who.ID, param(c, "id"), webhook.Rotation{
		Secret: in.Secret, Overlap: seconds(in.OverlapSeconds),
	})
	if err != nil {
		return err
	}
	w, err := a.endpointCreated(c.Request().Context(), &e)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, w)
}

func (a *API) promoteWebhook(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	e, err := a.cfg.Webhooks.Promote(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, endpoint(&e))
}

// webhookSecret is a POST, so that no prefetch, cache or history asks for a secret or keeps one.
func (a *API) webhookSecret(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	e, err := a.cfg.Webhooks.Endpoint(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	s, err := webhook.ParseSecret(e.Secret)
	if err != nil {
		return fmt.Errorf("secret of endpoint %s: %w", e.ID, err)
	}
	w := wire.WebhookSecret{WebhookID: e.ID, Secret: s.Text(), StandardSecret: s.Standard()}
	if e.Rotating(time.Now()) {
		old, err := webhook.ParseSecret(e.OldSecret)
		if err != nil {
			return fmt.Errorf("old secret of endpoint %s: %w", e.ID, err)
		}
		w.OldSecret, w.OldStandardSecret, w.OldSecretUntil = old.Text(), old.Standard(), wire.TimePtr(e.OldSecretUntil)
	}
	// It is written down first: no secret goes out unseen.
	if err := a.cfg.Audit.AppendAudit(c.Request().Context(), acs.AuditSecret(c.Request().Context(), &e)); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, w)
}

func (a *API) verifyWebhook(c echo.Context, who acs.Client) error {
	var in wire.WebhookVerify
	if err := noQuery(c); err != nil {
		return err
	}
	if _, err := body(c, &in); err != nil {
		return err
	}
	r, err := received(&in)
	if err != nil {
		return err
	}
	x, err := a.cfg.Webhooks.Explain(c.Request().Context(), who.ID, param(c, "id"), r)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, explanation(&x))
}

func received(in *wire.WebhookVerify) (webhook.Received, error) {
	r := webhook.Received{Body: []byte(in.Body), Headers: http.Header{}}
	if in.BodyBase64 != "" {
		if in.Body != "" {
			return r, invalid("body_base64", "cannot be given beside body")
		}
		var err error
		if r.Body, err = base64.StdEncoding.DecodeString(in.BodyBase64); err != nil {
			return r, invalid("body_base64", "want padded standard base64")
		}
	}
	for name, values := range in.Headers {
		for _, v := range values {
			r.Headers.Add(name, v)
		}
	}
	if in.ReceivedAt != "" {
		var err error
		if r.At, err = time.Parse(time.RFC3339, in.ReceivedAt); err != nil {
			return r, invalid("received_at", "want a time such as 2026-11-21T10:07:00Z")
		}
	}
	return r, nil
}

func explanation(x *webhook.Explanation) wire.WebhookVerified {
	w := wire.WebhookVerified{
		Accepted: x.Accepted, Matches: []wire.SignatureMatch{}, EventKnown: x.EventKnown, FirstDifference: x.FirstDifference,
		Findings: []wire.SignatureFinding{},
	}
	if x.Age != nil {
		s := int64(*x.Age / time.Second)
		w.AgeSeconds = &s
	}
	for _, m := range x.Matches {
		which := "new"
		if m.Old {
			which = "old"
		}
		w.Matches = append(w.Matches, wire.SignatureMatch{Scheme: string(m.Scheme), Header: m.Header, Secret: which})
	}
	for _, f := range x.Findings {
		w.Findings = append(w.Findings, wire.SignatureFinding{Code: f.Code, Problem: f.Problem, Advice: f.Advice})
	}
	return w
}

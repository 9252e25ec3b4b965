package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func (a *API) createWebhook(c echo.Context, who acs.Client) error {
	var in wire.WebhookCreate
	if err := noQuery(c); err != nil {
		return err
	}
	if _, err := body(c, &in); err != nil {
		return err
	}
	schedule, err := durations("retry_seconds", in.RetrySeconds)
	if err != nil {
		return err
	}
	filter, err := filterOf(in.Filter)
	if err != nil {
		return err
	}
	e, err := a.cfg.Webhooks.Register(c.Request().Context(), who.ID, webhook.Registration{
		URL: in.URL, Events: in.Events, Description: in.Description, Secret: in.Secret,
		Paused:              in.Active != nil && !*in.Active,
		BodySignatureHeader: in.BodySignatureHeader, Order: webhook.Order(in.Order), Concurrency: in.Concurrency,
		Timeout: time.Duration(in.TimeoutSeconds) * time.Second, Schedule: schedule, PerMinute: in.RequestsPerMinute,
		Filter: filter, Headers: headersOf(in.Headers), TLS: tlsOf(in.TLS),
	})
	if err != nil {
		return err
	}
	w, err := a.endpointCreated(c.Request().Context(), &e)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", base+"/webhooks/"+e.ID)
	return c.JSON(http.StatusCreated, w)
}

// durations turns a schedule in seconds into one of durations.
func durations(field string, seconds []int) ([]time.Duration, error) {
	var all []time.Duration
	for _, s := range seconds {
		if s < 1 {
			return nil, invalid(field, "want whole seconds above 0")
		}
		all = append(all, time.Duration(s)*time.Second)
	}
	return all, nil
}

func (a *API) listWebhooks(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	limit, cursor := q.page()
	if err := q.done(); err != nil {
		return err
	}
	all, err := a.cfg.Webhooks.Endpoints(c.Request().Context(), who.ID)
	if err != nil {
		return err
	}
	page, next := paged(all, func(e webhook.Endpoint) string { return e.ID }, limit, cursor)
	items := make([]wire.Webhook, len(page))
	for i := range page {
		items[i] = endpoint(&page[i])
	}
	if err := a.addHealth(c, who, page, items); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list(items, next))
}

func (a *API) getWebhook(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	e, err := a.cfg.Webhooks.Endpoint(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	shown := []wire.Webhook{endpoint(&e)}
	if err := a.addHealth(c, who, []webhook.Endpoint{e}, shown); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, shown[0])
}

func (a *API) changeWebhook(c echo.Context, who acs.Client) error {
	var in wire.WebhookChange
	if err := noQuery(c); err != nil {
		return err
	}
	if _, err := body(c, &in); err != nil {
		return err
	}
	ch := webhook.Change{
		URL: in.URL, Events: in.Events, Description: in.Description, Active: in.Active, BodySignatureHeader: in.BodySignatureHeader,
		Order: (*webhook.Order)(in.Order), Concurrency: in.Concurrency, Timeout: seconds(in.TimeoutSeconds),
		PerMinute: in.RequestsPerMinute,
	}
	if in.RetrySeconds != nil {
		schedule, err := durations("retry_seconds", *in.RetrySeconds)
		if err != nil {
			return err
		}
		ch.Schedule = &schedule
	}
	if in.Filter != nil {
		filter, err := filterOf(in.Filter)
		if err != nil {
			return err
		}
		ch.Filter = &filter
	}
	if in.Headers != nil {
		headers := headersOf(*in.Headers)
		ch.Headers = &headers
	}
	if in.TLS != nil {
		to := tlsOf(in.TLS)
		ch.TLS = &to
	}
	e, err := a.cfg.Webhooks.Change(c.Request().Context(), who.ID, param(c, "id"), ch)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, endpoint(&e))
}

func seconds(n *int) *time.Duration {
	if n == nil {
		return nil
	}
	d := time.Duration(*n) * time.Second
	return &d
}

func (a *API) deleteWebhook(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	if err := a.cfg.Webhooks.Delete(c.Request().Context(), who.ID, param(c, "id")); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (a *API) testWebhook(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	ctx := c.Request().Context()
	event, d, err := a.cfg.Webhooks.Test(ctx, who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	shown, err := a.deliveries(ctx, who, []webhook.Delivery{d})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, wire.WebhookTested{EventID: event.ID, Delivery: shown[0]})
}

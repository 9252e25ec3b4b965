package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func (a *API) startReplay(c echo.Context, who acs.Client) error { return a.replayMany(c, who, "") }

func (a *API) startWebhookReplay(c echo.Context, who acs.Client) error {
	return a.replayMany(c, who, param(c, "id"))
}

// replayMany starts a replay; endpoint is the one of the path, "" where the body may name one.
func (a *API) replayMany(c echo.Context, who acs.Client, endpoint string) error {
	var in wire.ReplayRequest
	if err := noQuery(c); err != nil {
		return err
	}
	if err := optionalBody(c, &in); err != nil {
		return err
	}
	if endpoint != "" && in.Webhook != "" && in.Webhook != endpoint {
		return invalid("webhook", "is another one than the path's; leave it out")
	}
	req := webhook.ReplayRequest{Endpoint: in.Webhook, Since: timeOf(in.Since), Until: timeOf(in.Until), Types: in.Types, Limit: in.Limit}
	if endpoint != "" {
		req.Endpoint = endpoint
	}
	for _, s := range in.States {
		req.States = append(req.States, webhook.DeliveryState(s))
	}
	r, err := a.cfg.Webhooks.StartReplay(c.Request().Context(), who.ID, req)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Location", base+"/replays/"+r.ID)
	return a.showReplay(c, who, http.StatusAccepted, r)
}

func timeOf(t *wire.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return time.Time(*t)
}

func (a *API) listReplays(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	limit, cursor := q.page()
	if err := q.done(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	page, next, err := a.cfg.Webhooks.ReplayJobs(ctx, who.ID, limit, cursor)
	if err != nil {
		return err
	}
	endpoints, err := a.cfg.Webhooks.Endpoints(ctx, who.ID)
	if err != nil {
		return err
	}
	items := make([]wire.Replay, len(page))
	for i := range page {
		items[i] = replay(&page[i], endpoints)
	}
	return c.JSON(http.StatusOK, list(items, next))
}

func (a *API) getReplay(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	r, err := a.cfg.Webhooks.ReplayJob(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	return a.showReplay(c, who, http.StatusOK, r)
}

func (a *API) cancelReplay(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	r, err := a.cfg.Webhooks.CancelReplayJob(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	return a.showReplay(c, who, http.StatusOK, r)
}

func (a *API) showReplay(c echo.Context, who acs.Client, status int, r webhook.Replay) error {
	endpoints, err := a.cfg.Webhooks.Endpoints(c.Request().Context(), who.ID)
	if err != nil {
		return err
	}
	return c.JSON(status, replay(&r, endpoints))
}

func replay(r *webhook.Replay, endpoints []webhook.Endpoint) wire.Replay {
	w := wire.Replay{
		ID: r.ID, State: string(r.State), Reason: r.Reason, WebhookIDs: []string{}, Since: wire.TimePtr(r.Since), Until: wire.Time(r.Until),
		States: []string{}, Types: append([]string{}, r.Types...), Limit: r.Limit, Matched: r.Replayed + r.Skipped, Replayed: r.Replayed,
		Skipped: r.Skipped, CreatedAt: wire.Time(r.CreatedAt), FinishedAt: wire.TimePtr(r.FinishedAt), Next: r.NextStep(endpoints),
	}
	for _, p := range r.Parts {
		w.WebhookIDs = append(w.WebhookIDs, p.Endpoint)
	}
	for _, s := range r.States {
		w.States = append(w.States, string(s))
	}
	return w
}

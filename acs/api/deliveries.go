package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func (a *API) listDeliveries(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	f := deliveryFilter(q, who)
	f.Endpoint = q.text("webhook")
	return a.showDeliveries(c, who, q, f)
}

func (a *API) listWebhookDeliveries(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	f := deliveryFilter(q, who)
	e, err := a.cfg.Webhooks.Endpoint(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	f.Endpoint = e.ID
	return a.showDeliveries(c, who, q, f)
}

func deliveryFilter(q *query, who acs.Client) webhook.DeliveryFilter {
	f := webhook.DeliveryFilter{Client: who.ID, Event: q.text("event"), Since: q.time("since"), Until: q.time("until"), Protocolo: q.protocolo("protocolo")}
	f.Types = q.someOf("type")
	for _, s := range q.someOf("state", "pending", "held", "delivered", "dead", "cancelled") {
		f.States = append(f.States, webhook.DeliveryState(s))
	}
	f.Limit, f.Cursor = q.page()
	return f
}

func (a *API) showDeliveries(c echo.Context, who acs.Client, q *query, f webhook.DeliveryFilter) error {
	if err := q.done(); err != nil {
		return err
	}
	ctx := c.Request().Context()
	page, next, err := a.cfg.Webhooks.Deliveries(ctx, f)
	if err != nil {
		return err
	}
	items, err := a.deliveries(ctx, who, page)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, list(items, next))
}

func (a *API) getDelivery(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	d, err := a.cfg.Webhooks.Delivery(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	return a.showDelivery(c, who, http.StatusOK, d)
}

func (a *API) showDelivery(c echo.Context, who acs.Client, status int, d webhook.Delivery) error {
	shown, err := a.deliveries(c.Request().Context(), who, []webhook.Delivery{d})
	if err != nil {
		return err
	}
	return c.JSON(status, shown[0])
}

func (a *API) listAttempts(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	all, err := a.cfg.Webhooks.Attempts(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	items := make([]wire.Attempt, len(all))
	for i := range all {
		items[i] = attempt(&all[i])
	}
	return c.JSON(http.StatusOK, list(items, ""))
}

func (a *API) replayDelivery(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	d, err := a.cfg.Webhooks.Replay(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	return a.showDelivery(c, who, http.StatusAccepted, d)
}

// paged cuts a page out of a list that its source gives whole: those after the cursor, which is the id that the last page ended
// with.
func paged[T any](all []T, id func(T) string, limit int, cursor string) (page []T, next string) {
	slices.SortFunc(all, func(x, y T) int {
		switch {
		case id(x) < id(y):
			return -1
		case id(x) > id(y):
			return 1
		}
		return 0
	})
	from := 0
	for from < len(all) && cursor != "" && id(all[from]) <= cursor {
		from++
	}
	page = all[from:]
	if len(page) > limit {
		page = page[:limit]
		next = id(page[limit-1])
	}
	return page, next
}

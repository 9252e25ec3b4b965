package api

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func (a *API) listEvents(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	f := webhook.EventFilter{Client: who.ID, Types: q.someOf("type"), Since: q.time("since")}
	f.Protocolo = q.protocolo("protocolo")
	f.Limit, f.Cursor = q.page()
	if err := q.done(); err != nil {
		return err
	}
	page, next, err := a.cfg.Webhooks.Events(c.Request().Context(), f)
	if err != nil {
		return err
	}
	items := make([]wire.Event, len(page))
	for i := range page {
		items[i] = event(&page[i])
	}
	return c.JSON(http.StatusOK, list(items, next))
}

func (a *API) getEvent(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	e, err := a.cfg.Webhooks.Event(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, event(&e))
}

func (a *API) listEventDeliveries(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	f := webhook.DeliveryFilter{Client: who.ID}
	f.Limit, f.Cursor = q.page()
	e, err := a.cfg.Webhooks.Event(c.Request().Context(), who.ID, param(c, "id"))
	if err != nil {
		return err
	}
	f.Event = e.ID
	return a.showDeliveries(c, who, q, f)
}

func (a *API) tryFilter(c echo.Context, who acs.Client) error {
	var in wire.FilterTry
	if err := noQuery(c); err != nil {
		return err
	}
	if _, err := body(c, &in); err != nil {
		return err
	}
	f, err := filterOf(&in.Filter)
	if err != nil {
		return err
	}
	var since time.Time
	if in.Since != nil {
		since = time.Time(*in.Since)
	}
	trials, err := a.cfg.Webhooks.TryFilter(c.Request().Context(), who.ID, f, in.Events, since, in.Limit)
	if err != nil {
		return err
	}
	out := wire.FilterTried{Tried: len(trials), Items: make([]wire.FilterTriedItem, len(trials))}
	for i, t := range trials {
		out.Items[i] = wire.FilterTriedItem{
			EventID: t.Event.ID, Type: t.Event.Type, Priority: t.Event.Priority.String(), Protocolo: t.Event.Protocolo,
			At: wire.Time(t.Event.Time), Matches: t.Matches, Problem: t.Problem,
		}
		if t.Matches {
			out.Matched++
		}
	}
	return c.JSON(http.StatusOK, out)
}

func event(e *webhook.Event) wire.Event {
	return wire.Event{
		ID: e.ID, Type: e.Type, Priority: e.Priority.String(), Protocolo: e.Protocolo, DeviceID: e.Device, At: wire.Time(e.Time),
		Body: e.Bytes(),
	}
}

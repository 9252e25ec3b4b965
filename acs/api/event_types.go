package api

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func (a *API) listEventTypes(c echo.Context, _ acs.Client) error {
	q := queryOf(c)
	limit, cursor := q.page()
	if err := q.done(); err != nil {
		return err
	}
	all := make([]wire.EventType, len(acs.EventTypes))
	for i := range acs.EventTypes {
		all[i] = eventType(&acs.EventTypes[i])
	}
	page, next := paged(all, func(t wire.EventType) string { return t.Name }, limit, cursor)
	return c.JSON(http.StatusOK, list(page, next))
}

func (a *API) getEventType(c echo.Context, _ acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	name := param(c, "type")
	t, ok := acs.EventTypes.Type(name)
	if !ok {
		return fmt.Errorf("event type %.100q: %w", name, webhook.ErrNotFound)
	}
	return c.JSON(http.StatusOK, wire.EventTypeShown{EventType: eventType(&t), Schema: t.Schema, Example: t.Example})
}

func eventType(t *webhook.EventType) wire.EventType {
	return wire.EventType{Name: t.Name, Description: t.Description, Priority: t.Priority.String(), ByNameOnly: t.ByNameOnly}
}

package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/docs"
)

const readyTimeout = 5 * time.Second

func (a *API) healthz(c echo.Context, _ acs.Client) error {
	return c.JSON(http.StatusOK, wire.Health{Status: "ok"})
}

func (a *API) readyz(c echo.Context, _ acs.Client) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if err := a.cfg.Ready(ctx); err != nil {
		return fmt.Errorf("%w: %w", errNotReady, err)
	}
	return c.JSON(http.StatusOK, wire.Health{Status: "ready"})
}

func (a *API) metrics(c echo.Context, _ acs.Client) error {
	a.cfg.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}

func (a *API) description(c echo.Context, _ acs.Client) error {
	c.Response().Header().Set("Cache-Control", "no-cache")
	return c.Blob(http.StatusOK, "application/yaml", docs.OpenAPI)
}

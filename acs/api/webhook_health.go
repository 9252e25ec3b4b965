package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

// Words of health.
const (
	healthy   = "healthy"
	unhealthy = "unhealthy"
)

func word(ok bool) string {
	if ok {
		return healthy
	}
	return unhealthy
}

// webhookHealth needs no token, so it tells nothing of clients, and looks no more often than once a second.
func (a *API) webhookHealth(c echo.Context, _ acs.Client) error {
	r := a.cfg.WebhookHealth(c.Request().Context())
	w := wire.WebhooksHealth{Status: word(r.Healthy), Timestamp: wire.Time(r.At), Checks: make(map[string]wire.HealthCheck, len(r.Checks))}
	for _, one := range r.Checks {
		w.Checks[one.Name] = wire.HealthCheck{Status: word(one.Healthy), Detail: one.Detail, Value: one.Value}
	}
	status := http.StatusOK
	if !r.Healthy {
		status = http.StatusServiceUnavailable
	}
	return c.JSON(status, w)
}

package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"recado/acs"
)

// secure asks for what the route needs: a token, the client's limits, the scope.
func (a *API) secure(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		actAs(c, &acs.Client{})
		if r.scope == "" {
			return r.handle(c, acs.Client{})
		}
		token, err := bearer(c.Request().Header)
		if err != nil {
			return err
		}
		who, err := a.cfg.Auth.Authenticate(c.Request().Context(), token)
		if err != nil {
			return err
		}
		c.Set(keyClient, who.ID)
		if err := a.limits.take(c.Request().Context(), &who, c.Response().Header()); err != nil {
			return err
		}
		if !who.Has(r.scope) {
			return &acs.ScopeError{Scope: r.scope}
		}
		actAs(c, &who)
		return r.handle(c, who)
	}
}

const maxToken = 512

// bearer takes the token out of the one Authorization header (RFC 6750, section 2.1).
func bearer(h http.Header) (string, error) {
	given := h.Values("Authorization")
	if len(given) != 1 {
		return "", errNoToken
	}
	scheme, token, ok := strings.Cut(given[0], " ")
	token = strings.Trim(token, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", errNoToken
	}
	if len(token) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", acs.ErrUnauthenticated
	}
	return token, nil
}

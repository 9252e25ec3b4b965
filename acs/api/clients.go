package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

func (a *API) createClient(c echo.Context, _ acs.Client) error {
	var in wire.ClientCreate
	if err := noQuery(c); err != nil {
		return err
	}
	if _, err := body(c, &in); err != nil {
		return err
	}
	granted, err := scopes(in.Scopes)
	if err != nil {
		return err
	}
	if err := notNegative(&in.RequestsPerMinute, &in.RequestsPerDay, &in.TokenTTLSeconds); err != nil {
		return err
	}
	s, err := a.cfg.Clients.CreateClient(c.Request().Context(), acs.NewClient{
		Name: in.Name, Scopes: granted, RequestsPerMinute: in.RequestsPerMinute, RequestsPerDay: in.RequestsPerDay,
		TokenTTL: time.Duration(in.TokenTTLSeconds) * time.Second, Tags: in.Tags, Type: acs.ClientType(in.Type), PublicKey: in.PublicKey,
		Legacy: in.Legacy, TimeZone: in.TimeZone, Blocked: in.Blocked,
	})
	if err != nil {
		return err
	}
	shown := client(&s.Client)
	if in.Webhook != nil {
		ctx := c.Request().Context()
		cl, e, made, err := a.putForm(ctx, s.Client, in.Webhook)
		if err == nil {
			shown, err = showForm(&cl, &e, made)
		}
		if err != nil {
			// Nobody has seen the client's secrets, and nobody will.
			return errors.Join(err, a.cfg.Clients.DeleteClient(context.WithoutCancel(ctx), s.Client.ID))
		}
	}
	c.Response().Header().Set("Location", base+"/clients/"+s.Client.ID)
	return c.JSON(http.StatusCreated, wire.ClientCreated{
		Client: shown, Token: s.Token, ClientID: s.ClientID, ClientSecret: s.ClientSecret,
	})
}

func (a *API) listClients(c echo.Context, _ acs.Client) error {
	q := queryOf(c)
	limit, cursor := q.page()
	if err := q.done(); err != nil {
		return err
	}
	all, err := a.cfg.Clients.Clients(c.Request().Context())
	if err != nil {
		return err
	}
	page, next := paged(all, func(cl acs.Client) string { return cl.ID }, limit, cursor)
	items := make([]wire.Client, len(page))
	for i := range page {
		if items[i], err = a.showClient(c.Request().Context(), &page[i]); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, list(items, next))
}

func (a *API) getClient(c echo.Context, _ acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	cl, err := a.cfg.Clients.Client(c.Request().Context(), param(c, "id"))
	if err != nil {
		return err
	}
	shown, err := a.showClient(c.Request().Context(), &cl)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, shown)
}

func (a *API) changeClient(c echo.Context, _ acs.Client) error {
	var in wire.ClientChange
	if err := noQuery(c); err != nil {
		return err
	}
	if _, err := body(c, &in); err != nil {
		return err
	}
	if err := notNegative(in.RequestsPerMinute, in.RequestsPerDay, in.TokenTTLSeconds); err != nil {
		return err
	}
	ch := acs.ClientChange{
		Name: in.Name, RequestsPerMinute: in.RequestsPerMinute, RequestsPerDay: in.RequestsPerDay, TokenTTL: seconds(in.TokenTTLSeconds),
		Tags: in.Tags, Blocked: in.Blocked, Type: (*acs.ClientType)(in.Type), PublicKey: in.PublicKey, Legacy: in.Legacy, TimeZone: in.TimeZone,
	}
	if in.Scopes != nil {
		granted, err := scopes(*in.Scopes)
		if err != nil {
			return err
		}
		ch.Scopes = &granted
	}
	shown, err := a.applyChange(c.Request().Context(), param(c, "id"), ch, in.Webhook)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, shown)
}

// applyChange changes a client and the webhook of its form: both, or neither.
func (a *API) applyChange(ctx context.Context, id string, ch acs.ClientChange, form *wire.ClientWebhookPut) (wire.Client, error) {
	was, err := a.cfg.Clients.Client(ctx, id)
	if err != nil {
		return wire.Client{}, err
	}
	cl, err := a.cfg.Clients.ChangeClient(ctx, id, ch)
	if err != nil {
		return wire.Client{}, err
	}
	if form == nil {
		return a.showClient(ctx, &cl)
	}
	cl, e, made, err := a.putForm(ctx, cl, form)
	if err != nil {
		if undo := takeBack(&ch, &was); undo != (acs.ClientChange{}) {
			_, undoErr := a.cfg.Clients.ChangeClient(context.WithoutCancel(ctx), id, undo)
			err = errors.Join(err, undoErr)
		}
		return wire.Client{}, err
	}
	return showForm(&cl, &e, made)
}

// scopes reads names of scopes.
func scopes(names []string) ([]acs.Scope, error) {
	var all []acs.Scope
	for i, name := range names {
		s := acs.Scope(name)
		if !slices.Contains(acs.AllScopes, s) {
			return nil, invalid(fmt.Sprintf("scopes[%d]", i), fmt.Sprintf("is no scope; want some of %v", acs.AllScopes))
		}
		if slices.Contains(all, s) {
			return nil, invalid(fmt.Sprintf("scopes[%d]", i), "comes twice")
		}
		all = append(all, s)
	}
	return all, nil
}

func notNegative(perMinute, perDay, ttl *int) error {
	for _, f := range []struct {
		name string
		n    *int
	}{{"requests_per_minute", perMinute}, {"requests_per_day", perDay}, {"token_ttl_seconds", ttl}} {
		if f.n != nil && *f.n < 0 {
			return invalid(f.name, "want 0 (none) or more")
		}
	}
	return nil
}

func (a *API) deleteClient(c echo.Context, _ acs.Client) error {
	return noContent(c, func() error { return a.cfg.Clients.DeleteClient(c.Request().Context(), param(c, "id")) })
}

func (a *API) revokeTokens(c echo.Context, _ acs.Client) error {
	return noContent(c, func() error { return a.cfg.Clients.RevokeTokens(c.Request().Context(), param(c, "id")) })
}

// noContent does something that takes nothing but the path, and answers 204.
func noContent(c echo.Context, do func() error) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (a *API) createToken(c echo.Context, _ acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	text, t, err := a.cfg.Clients.NewToken(c.Request().Context(), param(c, "id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wire.TokenCreated{
		Token: text, ClientID: t.Client, CreatedAt: wire.Time(t.CreatedAt), ExpiresAt: wire.TimePtr(t.ExpiresAt),
	})
}

func client(cl *acs.Client) wire.Client {
	w := wire.Client{
		ID: cl.ID, Name: cl.Name, Scopes: []string{}, RequestsPerMinute: cl.RequestsPerMinute, RequestsPerDay: cl.RequestsPerDay,
		TokenTTLSeconds: int64(cl.TokenTTL / time.Second), Tags: append([]string{}, cl.Tags...), Blocked: cl.Blocked,
		Type: clientType(cl), PublicKey: cl.PublicKey, Legacy: cl.Legacy, TimeZone: cl.TimeZone,
		CreatedAt: wire.Time(cl.CreatedAt), UpdatedAt: wire.Time(cl.UpdatedAt),
	}
	for _, s := range cl.Scopes {
		w.Scopes = append(w.Scopes, string(s))
	}
	return w
}

package api

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

func (a *API) listDevices(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	f := acs.DeviceFilter{Search: q.text("search"), Tags: q.someOf("tags")}
	f.Limit, f.Cursor = q.page()
	name := q.text("router_id")
	if name != "" && (f.Search != "" || len(f.Tags) > 0 || f.Cursor != "") {
		q.fail("router_id", "finds by one name; leave search, tags and cursor out")
	}
	if err := q.done(); err != nil {
		return err
	}
	var page []acs.Device
	var next string
	var err error
	if name == "" {
		page, next, err = a.cfg.Devices.Devices(c.Request().Context(), who, f)
	} else if page, err = a.cfg.Devices.DevicesCalled(c.Request().Context(), who, name); len(page) > f.Limit {
		page = page[:f.Limit]
	}
	if err != nil {
		return err
	}
	items := make([]wire.Device, len(page))
	for i := range page {
		items[i] = device(&page[i])
	}
	return c.JSON(http.StatusOK, list(items, next))
}

func (a *API) getDevice(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	return a.showDevice(c, who, http.StatusOK, deviceID(c))
}

func (a *API) showDevice(c echo.Context, who acs.Client, status int, id string) error {
	d, open, err := a.cfg.Devices.Device(c.Request().Context(), who, id)
	if err != nil {
		return err
	}
	w := device(&d)
	for i := range open {
		act := &open[i]
		w.OpenActions = append(w.OpenActions, wire.OpenAction{
			Protocolo: act.ID.String(), Action: string(act.Kind), Stage: string(act.Stage),
			CreatedAt: wire.Time(act.CreatedAt), DeadlineAt: wire.Time(act.DeadlineAt), StatusURL: a.statusURL(act.ID),
		})
	}
	return c.JSON(status, w)
}

func (a *API) putDevice(c echo.Context, who acs.Client) error {
	var in wire.DevicePut
	if err := noQuery(c); err != nil {
		return err
	}
	if _, err := body(c, &in); err != nil {
		return err
	}
	id := deviceID(c)
	d, created, err := a.cfg.Devices.PutDevice(c.Request().Context(), who, id, acs.DevicePut{
		RouterID: in.RouterID, AccountID: in.AccountID, PPPoELogin: in.PPPoELogin, MAC: in.MAC, City: in.City, PONPort: in.PONPort,
		Tags: in.Tags, ConnectionRequest: credential(in.ConnectionRequest), CWMPAuth: credential(in.CWMPAuth),
	})
	if err != nil {
		return err
	}
	if !created {
		return c.JSON(http.StatusOK, device(&d))
	}
	c.Response().Header().Set("Location", base+"/devices/"+url.PathEscape(d.ID))
	return c.JSON(http.StatusCreated, device(&d))
}

func credential(c *wire.Credential) *acs.Credential {
	if c == nil {
		return nil
	}
	return &acs.Credential{Username: c.Username, Password: c.Password}
}

package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

// naturalView lists devices as IXC ACS does.
func (a *API) naturalView(c echo.Context, who acs.Client) error {
	q, err := naturalQueryOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	view, err := a.natural.get(ctx, a.cfg.Devices)
	if err != nil {
		return err
	}
	ids, more := view.page(&who, q)
	out := wire.NaturalView{Registers: make([]wire.NaturalRegister, 0, len(ids)), HasNextPage: more}
	for _, id := range ids {
		// What is shown is read now; what it is sorted and chosen by may be some seconds old.
		d, _, err := a.cfg.Devices.Device(ctx, who, id)
		if errors.Is(err, acs.ErrNotFound) {
			continue // the client does not see it any more
		}
		if err != nil {
			return err
		}
		out.Registers = append(out.Registers, register(&d, time.Now()))
	}
	return c.JSON(http.StatusOK, out)
}

func register(d *acs.Device, now time.Time) wire.NaturalRegister {
	r := &d.Reported
	return wire.NaturalRegister{
		SerialNumber: d.Identity.SerialNumber, Status: online(d, now).Estimate == estimateOnline, LastInform: wire.TimePtr(r.LastInform),
		Connection: wire.NaturalConnection{PPPoELogin: known(login(d))},
		DeviceInfo: wire.NaturalDeviceInfo{
			Manufacturer: known(d.Identity.Manufacturer), ModelName: known(d.Identity.ProductClass),
			HardwareVersion: known(r.HardwareVersion), SoftwareVersion: known(r.SoftwareVersion), Uptime: uptime(r, now),
		},
	}
}

const estimateOnline = "online"

// login is the PPPoE login that the provider gave, else the one that the device reports.
func login(d *acs.Device) string {
	if d.Facts.PPPoELogin != "" {
		return d.Facts.PPPoELogin
	}
	return d.Reported.PPPoELogin
}

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// uptime is in seconds, counted on: from the last reading, or from the last boot where that is younger. Null where there is neither.
func uptime(r *acs.Reported, now time.Time) *int64 {
	up := now.Sub(r.LastBoot)
	switch {
	case !r.UptimeAt.IsZero() && !r.LastBoot.After(r.UptimeAt):
		up = r.Uptime + now.Sub(r.UptimeAt)
	case r.LastBoot.IsZero():
		return nil
	}
	s := int64(max(up, 0) / time.Second)
	return &s
}

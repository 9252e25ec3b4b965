package acs

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"recado/acs/wire"
	"recado/cwmp"
	"recado/webhook"
)

// announce tells of a device that is seen for the first time. That it was told is written down with the event, in the device's facts:
// so it is told once, however many sessions it begins with and whenever the process dies. It comes before the report is stored: a
// device that has reported, or was put, is none to announce. Where nobody listens, nothing is written.
func (h *Sessions) announce(ctx context.Context, c *conversation, in *cwmp.Inform, addr netip.Addr, now time.Time) error {
	to, err := h.s.seeing(ctx, wire.DeviceAdded, &c.device)
	if err != nil || len(to) == 0 {
		return err
	}
	device := eventDevice(c.device.ID, &c.device)
	if p, ok := in.Parameter(".DeviceInfo.SoftwareVersion"); ok {
		device.SoftwareVersion = clip(strings.TrimSpace(p.Value), 64)
	}
	data := wire.DeviceAddedData{
		Device: device, Manufacturer: c.device.Identity.Manufacturer, Address: addressText(addr), EventCodes: codesOf(c),
	}
	var out Outbox
	for i := range to {
		if err := tell(&out, wire.DeviceAdded, &to[i], c.device.ID, data, now); err != nil {
			return err
		}
	}
	if len(out.Events) == 0 {
		return nil
	}
	facts := Facts{AnnouncedAt: now}
	d, err := h.s.store.PutFacts(webhook.WithOutbox(ctx, webhook.Outbox(out)), c.device.ID, c.device.Identity, facts)
	switch {
	case errors.Is(err, ErrConflict):
		return nil // it was put, or announced by another session, since it was looked for
	case err != nil:
		return fmt.Errorf("announce device: %w", err)
	}
	c.device.Facts = d.Facts
	h.log.Info("device added", "device", c.device.ID, "addr", addr)
	return nil
}

// tellBoot tells of a boot that no reboot asked for here explains. was is what the device had said before.
func (h *Sessions) tellBoot(ctx context.Context, c *conversation, was *Reported, addr netip.Addr, now time.Time) error {
	if c.explained || !c.facts.rebooted() || repeated(&c.facts, was) {
		return nil
	}
	to, err := h.s.seeing(ctx, wire.DeviceBoot, &c.device)
	if err != nil || len(to) == 0 {
		return err
	}
	data := wire.DeviceBootData{
		Device: eventDevice(c.device.ID, &c.device), Address: addressText(addr), EventCodes: codesOf(c),
		Reason: wire.BootUnknown, LastInformAt: wireTime(was.LastInform),
	}
	switch {
	case c.facts.bootstrapped:
		data.Reason = wire.BootFactoryReset
	case c.facts.mReboots > 0:
		data.Reason = wire.BootForeignRequest
	}
	var out Outbox
	for i := range to {
		if err := tell(&out, wire.DeviceBoot, &to[i], c.device.ID, data, now); err != nil {
			return err
		}
	}
	return h.s.post(ctx, out)
}

// rebooted reports whether the Inform tells of a boot.
func (f *informFacts) rebooted() bool { return f.booted || f.mReboots > 0 }

// repeated reports whether an Inform is the one before again, since the session with that one came to nothing.
func repeated(f *informFacts, was *Reported) bool {
	return f.retries > 0 && slices.ContainsFunc(was.LastEvents, func(code string) bool {
		return strings.HasPrefix(code, "1 ") || strings.HasPrefix(code, "M Reboot")
	})
}

// explains reports whether a live action is a reboot that a boot may be the work of.
func (a *Action) explains() bool { return a.Kind == KindReboot && (a.InFlight() || a.watched()) }

// seeing gives those who listen to a type and see the device.
func (s *Service) seeing(ctx context.Context, eventType string, d *Device) ([]listener, error) {
	all, err := s.listeners(ctx, eventType)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	to := make([]listener, 0, len(all))
	for i := range all {
		if all[i].client.sees(d) {
			to = append(to, all[i])
		}
	}
	return to, nil
}

func codesOf(c *conversation) []string {
	if c.facts.codes == nil {
		return []string{}
	}
	return c.facts.codes
}

func addressText(addr netip.Addr) string {
	if !addr.IsValid() {
		return "unknown"
	}
	return addr.Unmap().String()
}

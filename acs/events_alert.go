package acs

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"recado/acs/wire"
)

// Bounds of alerts. Whoever can make us alert must not be able to flood anybody with it.
const (
	failedLoginsAlert  = 20 // wrong credentials of one source within failedLoginsWindow
	failedLoginsWindow = 10 * time.Minute
	alertEvery         = time.Hour // at the least, for one kind and source, device or client
	alertsPerKind      = 60        // in alertEvery
	maxAlertEntries    = 20_000    // sources, devices and clients that are remembered, about
)

// alertBook counts what may be worth an alert. Its memory is bounded: of two generations of entries the older goes when the younger is
// full, and with it what was idle since. Its zero value is empty.
type alertBook struct {
	mu         sync.Mutex
	young, old map[string]*alertEntry
	hour       time.Time // when the counting of kinds began
	kinds      map[string]int
}

type alertEntry struct {
	since time.Time // of the window
	n     int
	told  time.Time
}

// count counts an occurrence. alert is true where it is one to tell: at least threshold of them came within the window, and it was not
// told of the key in the last hour, nor of the kind too often.
func (b *alertBook) count(kind, key string, threshold int, window time.Duration, now time.Time) (n int, since time.Time, alert bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entry(kind + " " + key)
	if e.n == 0 || now.Sub(e.since) > window {
		e.n, e.since = 0, now
	}
	e.n++
	if e.n < threshold || !e.told.IsZero() && now.Sub(e.told) < alertEvery {
		return e.n, e.since, false
	}
	if b.kinds == nil || now.Sub(b.hour) >= alertEvery {
		b.kinds, b.hour = map[string]int{}, now
	}
	if b.kinds[kind] >= alertsPerKind {
		return e.n, e.since, false
	}
	b.kinds[kind]++
	e.told = now
	return e.n, e.since, true
}

func (b *alertBook) entry(key string) *alertEntry {
	e := b.young[key]
	if e != nil {
		return e
	}
	if e = b.old[key]; e == nil {
		e = &alertEntry{}
	}
	if b.young == nil || len(b.young) >= maxAlertEntries/2 {
		b.young, b.old = map[string]*alertEntry{}, b.young
	}
	b.young[key] = e
	return e
}

// once is count for what is an alert the first time.
func (b *alertBook) once(kind, key string, now time.Time) bool {
	_, _, alert := b.count(kind, key, 1, alertEvery, now)
	return alert
}

// alertOutbox tells of an alert: the clients with the scope admin, and the one whose own doing it is.
func (s *Service) alertOutbox(ctx context.Context, data *wire.SecurityAlertData, now time.Time) (out Outbox, err error) {
	all, err := s.listeners(ctx, wire.SecurityAlert)
	if err != nil {
		return Outbox{}, err
	}
	for i := range all {
		if l := &all[i]; l.client.HasNamed(ScopeAdmin) || data.ClientID != "" && l.client.ID == data.ClientID {
			if err := tell(&out, wire.SecurityAlert, l, data.DeviceID, *data, now); err != nil {
				return Outbox{}, err
			}
		}
	}
	return out, nil
}

// raise logs an alert and tells of it. That it cannot be told changes nothing of what it is about: it is logged.
func (s *Service) raise(ctx context.Context, data wire.SecurityAlertData, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	s.log.Warn("security alert", "kind", data.Kind, "source", data.Source, "door", data.Door, "count", data.Count, "device", data.DeviceID,
		"client", data.ClientID)
	out, err := s.alertOutbox(ctx, &data, now)
	if err == nil {
		err = s.post(ctx, out)
	}
	if err != nil {
		s.log.Error("tell of a security alert", "kind", data.Kind, "error", err)
	}
}

// Doors that credentials come to.
const (
	DoorAPI  = wire.DoorAPI
	DoorCWMP = wire.DoorCWMP
)

// LoginFailed counts wrong credentials at a door from an address, and raises an alert where they are many. Of
// IPv6 the network counts, since whoever has one address there has the others too.
func (s *Service) LoginFailed(ctx context.Context, door string, from netip.Addr) {
	now, source := time.Now(), sourceText(from)
	n, since, alert := s.alerts.count(wire.AlertFailedLogins, door+" "+source, failedLoginsAlert, failedLoginsWindow, now)
	if !alert {
		return
	}
	s.raise(ctx, wire.SecurityAlertData{
		Kind: wire.AlertFailedLogins, Door: door, Source: source, Count: n, Since: wireTime(since),
		Message: fmt.Sprintf("%d wrong credentials from one source within %d minutes", n, int(failedLoginsWindow.Minutes())),
	}, now)
}

// loginFailed is LoginFailed for what came over the API.
func (s *Service) loginFailed(ctx context.Context) {
	actor := ActorFrom(ctx)
	if from, err := netip.ParseAddr(actor.Source); err == nil && actor.Via == ViaAPI {
		s.LoginFailed(ctx, wire.DoorAPI, from)
	}
}

func sourceText(from netip.Addr) string {
	if from = from.Unmap().WithZone(""); from.Is6() {
		if p, err := from.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addressText(from)
}

// RefusedURL raises an alert of a client's webhook that was to go, or went, where none may. Only the host is told.
func (s *Service) RefusedURL(ctx context.Context, client, host string) {
	now := time.Now()
	if client == "" || !s.alerts.once(wire.AlertRefusedURL, client, now) {
		return
	}
	data := wire.SecurityAlertData{
		Kind: wire.AlertRefusedURL, ClientID: client, Host: clip(host, 256), Message: "a webhook points where none may go",
	}
	if c, err := s.store.Client(ctx, client); err == nil {
		data.ClientName = c.Name
	}
	s.raise(ctx, data, now)
}

// dangerousOutbox tells of dangerous parameters that an action is to set: their names, never their values.
func (s *Service) dangerousOutbox(ctx context.Context, a *Action, c *Client, now time.Time) (Outbox, error) {
	var names []string
	for i := range a.Parameters {
		if Dangerous(a.Parameters[i].Name) {
			names = append(names, a.Parameters[i].Name)
		}
	}
	if len(names) == 0 {
		return Outbox{}, nil
	}
	return s.alertOutbox(ctx, &wire.SecurityAlertData{
		Kind: wire.AlertDangerousParameters, ClientID: c.ID, ClientName: c.Name, DeviceID: a.Device, Protocolo: a.ID.String(), Parameters: names,
		Message: "parameters are to be set that can take a router away from its owner, or run commands on it",
	}, now)
}

// forged raises an alert of a device that its credential may not speak for.
func (h *Sessions) forged(ctx context.Context, device, username string, addr netip.Addr, now time.Time) {
	if source := sourceText(addr); h.s.alerts.once(wire.AlertForgedDevice, source, now) {
		h.s.raise(ctx, wire.SecurityAlertData{
			Kind: wire.AlertForgedDevice, Source: source, Door: wire.DoorCWMP, DeviceID: device, Username: username,
			Message: "a device gave an identity that its credential may not speak for; it got nothing",
		}, now)
	}
}

func join(a, b Outbox) Outbox {
	return Outbox{Events: append(a.Events, b.Events...), Deliveries: append(a.Deliveries, b.Deliveries...)}
}

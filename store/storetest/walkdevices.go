package storetest

import (
	"fmt"
	"slices"
	"time"

	"recado/acs"
	"recado/cwmp"
)

func (w *walker) serial() string { return pick(w, "SN-1", "SN-2", "00259E000001") }

func (w *walker) putFacts() {
	id := w.device()
	var version uint64
	if d, ok := both(w, "read device", func(s Store) (acs.Device, error) { return s.Device(w.ctx, id) }); ok {
		version = d.Facts.Version
	}
	if w.chance(8) {
		version++
	}
	f := acs.Facts{
		RouterID:   pick(w, "", "R-1", "R-2", "R-3", "cpe-1", "login-1", "SN-1"),
		PPPoELogin: pick(w, "", "login-1", "login-2", "SN-2"),
		MAC:        pick(w, "", "00259E000001", "00259E000002"),
		City:       pick(w, "Recife", "Olinda"),
		CWMPAuth:   pick(w, acs.Credential{}, acs.Credential{Username: "u1", Password: "p"}, acs.Credential{Username: "u2", Password: "q"}),
		UpdatedAt:  w.now(),
		Version:    version,
	}
	for _, tag := range []string{"north", "south"} {
		if w.chance(2) {
			f.Tags = append(f.Tags, tag)
		}
	}
	who := pick(w, cwmp.DeviceID{}, identity(w.serial()))
	both(w, "put facts of "+id, func(s Store) (acs.Device, error) { return s.PutFacts(w.ctx, id, who, f) })
}

func (w *walker) reportDevice() {
	id, who := w.device(), identity(w.serial())
	r := acs.Reported{
		SoftwareVersion: pick(w, "1", "2"), MAC: pick(w, "", "00:25:9e:00:00:01", "00-25-9E-00-00-03"),
		PPPoELogin: pick(w, "", "login-1", "login-3"), LastInform: w.now(), LastEvents: []string{pick(w, "1 BOOT", "2 PERIODIC")},
		Uptime: time.Duration(w.IntN(1000)) * time.Second,
	}
	done(w, "report of "+id, func(s Store) error { return s.Report(w.ctx, id, who, r) })
}

func (w *walker) learnTypes() {
	id := w.device()
	types := map[string]string{pick(w, "A", "B"): pick(w, "xsd:string", "xsd:int"), "C": "xsd:boolean"}
	done(w, "learn types of "+id, func(s Store) error { return s.LearnTypes(w.ctx, id, types) })
	id = w.device()
	both(w, "learned types of "+id, func(s Store) (map[string]string, error) { return s.LearnedTypes(w.ctx, id, []string{"A", "B", "C"}) })
}

func (w *walker) readDevices() {
	f := acs.DeviceFilter{Limit: pick(w, 1, 3, 100), Search: pick(w, "", "", "r-", "LOGIN", "sn-", "00:25:9E", "pe-3", "9e000001")}
	if w.chance(2) {
		f.Tags = pick(w, []string{"north"}, []string{"south", "north"}, []string{"east"})
	}
	w.same(fmt.Sprintf("devices by %+v", f), w.allDevices(f, nil), w.model.allDevices(f, nil))
	name := pick(w, "R-1", "R-2", "cpe-1", "login-1", "login-2", "login-3", "SN-1", "SN-2", "00259E000001", "00:25:9e:00:00:03", "none")
	both(w, "find "+name, func(s Store) ([]acs.Device, error) {
		list, err := s.FindDevices(w.ctx, name)
		slices.SortFunc(list, func(a, b acs.Device) int { return compareText(a.ID, b.ID) })
		return list, err
	})
	user := pick(w, "u1", "u2", "u3", "")
	both(w, "device of the CPE user name "+user, func(s Store) (acs.Device, error) { return s.DeviceByCPEUsername(w.ctx, user) })
}

func (w *walker) changeClients() {
	id := w.aClient()
	c, ok := both(w, "read client "+id, func(s Store) (acs.Client, error) { return s.Client(w.ctx, id) })
	name := pick(w, "a", "b", "c", "d", "e", "f")
	switch {
	case !ok || w.chance(8):
		c = acs.Client{ID: w.text("cli_"), Name: name, Scopes: acs.DefaultScopes, CreatedAt: w.now()}
		if !ok {
			c.ID = id
		}
		done(w, "create client", func(s Store) error { return s.CreateClient(w.ctx, c) })
	case w.chance(6):
		done(w, "delete client "+id, func(s Store) error { return s.DeleteClient(w.ctx, id) })
	default:
		c.Name, c.Blocked = name, w.chance(2)
		if w.chance(6) {
			c.Version++
		}
		both(w, "update client "+id, func(s Store) (acs.Client, error) { return s.UpdateClient(w.ctx, c) })
	}
	both(w, "clients", func(s Store) ([]acs.Client, error) { return s.Clients(w.ctx) })
}

func (w *walker) changeTokens() {
	t := acs.Token{Hash: fmt.Sprintf("hash-%d", w.IntN(10)), Client: w.aClient(), CreatedAt: w.now()}
	_, taken := both(w, "token", func(s Store) (acs.Token, error) { return s.Token(w.ctx, t.Hash) })
	switch {
	case w.chance(5):
		done(w, "delete tokens", func(s Store) error { return s.DeleteTokens(w.ctx, t.Client) })
	case !taken && w.chance(2):
		t.Fetched, t.ExpiresAt = true, w.now().Add(time.Duration(w.IntN(100))*time.Minute)
		g := acs.Grant{Token: t, Mark: pick(w, "", "m1", "m2", "m3"), MarkUntil: w.now().Add(time.Hour)}
		done(w, "grant token", func(s Store) error { return s.GrantToken(w.ctx, g) })
	case !taken:
		done(w, "add token", func(s Store) error { return s.AddToken(w.ctx, t) })
	}
}

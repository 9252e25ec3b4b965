package acs_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"recado/acs"
	"recado/cwmp"
	"recado/store/boltstore"
	"recado/store/memstore"
	"recado/webhook"
)

// benchSessions is the southbound door over a store (in memory without a path), and a client whose endpoint has these filters; none without filters.
func benchSessions(b *testing.B, path string, events ...string) *acs.Sessions {
	b.Helper()
	var db interface {
		acs.Store
		webhook.Store
		Close() error
	} = memstore.New()
	if path != "" {
		var err error
		if db, err = boltstore.Open(path, boltstore.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() { _ = db.Close() })
	svc, err := acs.NewService(db, acs.ServiceConfig{})
	if err != nil {
		b.Fatal(err)
	}
	made, err := svc.CreateClient(b.Context(), acs.NewClient{Name: "noc"})
	if err != nil {
		b.Fatal(err)
	}
	if len(events) > 0 {
		err := db.CreateEndpoint(b.Context(), webhook.Endpoint{
			ID: webhook.NewID(webhook.PrefixEndpoint), Client: made.Client.ID, URL: "https://noc.example/", Events: events, State: webhook.EndpointActive,
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return acs.NewSessions(svc, acs.SessionsConfig{})
}

func benchSession(b *testing.B, h *acs.Sessions, n int, serial string, event string) {
	id := cwmp.DeviceID{OUI: "00259E", ProductClass: "HG8245H", SerialNumber: serial}
	s := &cwmp.Session{ID: fmt.Sprint("session-", n), Device: id, RemoteAddr: netip.AddrFrom4([4]byte{192, 0, 2, 7}), Started: time.Now()}
	in := &cwmp.Inform{DeviceID: id, Events: []cwmp.Event{{EventCode: event}}, RetryCount: "0"}
	if err := h.Inform(b.Context(), s, in); err != nil {
		b.Error(err)
	}
	if _, err := h.Next(b.Context(), s); err != nil {
		b.Error(err)
	}
	h.End(s, cwmp.EndDone, nil)
}

// BenchmarkInformWithoutNews is a session that nothing comes of.
func BenchmarkInformWithoutNews(b *testing.B) {
	for _, events := range [][]string{nil, {"*", "device.boot", "action.stage"}} {
		b.Run(fmt.Sprint("listening=", events != nil), func(b *testing.B) {
			h := benchSessions(b, "", events...)
			benchSession(b, h, 0, "1", cwmp.EventPeriodic)
			b.ReportAllocs()
			for n := 1; b.Loop(); n++ {
				benchSession(b, h, n, "1", cwmp.EventPeriodic)
			}
		})
	}
}

// BenchmarkCrowd is many devices at once on a file: new ones, and ones that boot.
func BenchmarkCrowd(b *testing.B) {
	for _, c := range []struct {
		name   string
		event  string
		known  bool
		events []string
	}{
		{"new/listening=false", cwmp.EventBootstrap, false, nil},
		{"new/listening=true", cwmp.EventBootstrap, false, []string{"device.added"}},
		{"boot/listening=false", cwmp.EventBoot, true, nil},
		{"boot/listening=true", cwmp.EventBoot, true, []string{"device.boot"}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := benchSessions(b, filepath.Join(b.TempDir(), "recado.db"), c.events...)
			if c.known {
				benchSession(b, h, 0, "1", cwmp.EventPeriodic)
			}
			var n atomic.Int64
			b.SetParallelism(64)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i, serial := int(n.Add(1)), "1"
					if !c.known {
						serial = fmt.Sprint(i)
					}
					benchSession(b, h, i, serial, c.event)
				}
			})
		})
	}
}

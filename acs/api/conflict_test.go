package api_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/cwmp"
)

// TestConflictIsShown lets one identity call from two addresses in turn.
func TestConflictIsShown(t *testing.T) {
	s := newServer(t)
	mine := s.client(t, "noc")
	sessions := acs.NewSessions(s.svc, acs.SessionsConfig{})
	id := cwmp.DeviceID{OUI: "00259E", ProductClass: "HG8245H", SerialNumber: "1"}
	for i := range 6 {
		sess := &cwmp.Session{
			ID: fmt.Sprintf("session-%d", i), Device: id, RemoteAddr: netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 2)}), Started: time.Now(),
		}
		if err := sessions.Inform(t.Context(), sess, &cwmp.Inform{DeviceID: id, Events: []cwmp.Event{{EventCode: cwmp.EventPeriodic}}}); err != nil {
			t.Fatal(err)
		}
		d := as[wire.Device](t, s.do(t, "GET", "/api/v1/devices/"+id.Key(), mine.token, ""), 200)
		switch c := d.IdentityConflict; {
		case (c != nil) != (i >= 3):
			t.Errorf("Inform %d: got conflict %+v, want one %v", i, c, i >= 3)
		case c != nil && (len(c.Addresses) != 2 || c.Addresses[0] == c.Addresses[1]):
			t.Errorf("Inform %d: got conflict %+v, want both addresses", i, c)
		}
	}
}

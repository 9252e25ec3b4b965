package acs_test

import (
	"errors"
	"testing"

	"recado/acs"
)

// A client that is limited to some devices cannot put its own before another by that one's name.
func TestNamesOfUnseenDevicesAreTaken(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		other := w.known("77")
		limited := w.client
		limited.Tags = []string{"north"}
		tags, mine := []string{"north"}, "00259E-HG8245H-9"
		put := func(p acs.DevicePut) error {
			p.Tags = &tags
			_, _, err := w.svc.PutDevice(t.Context(), limited, mine, p)
			return err
		}
		serial, id, free := "77", other.id.Key(), "RTR-42"
		if err := put(acs.DevicePut{RouterID: &free}); err != nil {
			t.Fatalf("a free name: got %v, want none", err)
		}
		for field, p := range map[string]acs.DevicePut{
			"router_id":   {RouterID: &serial},
			"pppoe_login": {PPPoELogin: &id},
		} {
			var taken *acs.TakenError
			if err := put(p); !errors.As(err, &taken) || taken.Field != field || taken.Device != "" {
				t.Errorf("%s of an unseen device: got %v, want it taken, without the device's id", field, err)
			}
		}
		if found, err := w.svc.DevicesCalled(t.Context(), w.client, serial); err != nil || len(found) != 1 || found[0].ID != id {
			t.Errorf("the serial number: got %v, %v, want the device that has it", found, err)
		}
		if _, _, err := w.svc.PutDevice(t.Context(), w.client, mine, acs.DevicePut{RouterID: &serial}); err != nil {
			t.Errorf("a client that sees both: got %v, want none", err)
		}
	})
}

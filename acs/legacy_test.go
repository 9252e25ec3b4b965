package acs_test

import (
	"slices"
	"testing"
	"time"

	"recado/acs"
	"recado/webhook"
)

// TestLegacySwitch: a client's switch shapes the results from then on, and leaves what was told before as it was.
func TestLegacySwitch(t *testing.T) {
	inWorld(t, acs.SessionsConfig{}, func(w *world) {
		ctx := t.Context()
		timeOut := func() {
			w.submit(acs.Submission{Kind: acs.KindReboot, RouterID: "202BC1-BM632w-000001"})
			time.Sleep(time.Hour + time.Second)
		}
		set := func(legacy bool, zone string) {
			c, err := w.store.Client(ctx, w.client.ID)
			if err != nil {
				t.Fatal(err)
			}
			c.Legacy, c.TimeZone = legacy, zone
			if _, err := w.store.UpdateClient(ctx, c); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := w.svc.PutDevice(ctx, w.client, "202BC1-BM632w-000001", acs.DevicePut{}); err != nil {
			t.Fatal(err)
		}
		timeOut()
		set(true, "America/Sao_Paulo")
		timeOut()
		set(false, "")
		timeOut()
		ds, _, err := w.store.Deliveries(ctx, webhook.DeliveryFilter{Client: w.client.ID})
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(ds)
		want := []webhook.Format{webhook.FormatStandard, webhook.FormatLegacy, webhook.FormatStandard}
		if len(ds) != len(want) {
			t.Fatalf("got %d deliveries, want %d", len(ds), len(want))
		}
		for i, d := range ds {
			if d.Format != want[i] || d.EventType != "action.timed_out" || (d.TimeZone == "America/Sao_Paulo") != (i == 1) {
				t.Errorf("delivery %d: got %q of %s in zone %q, want %q", i, d.Format, d.EventType, d.TimeZone, want[i])
			}
		}
	})
}

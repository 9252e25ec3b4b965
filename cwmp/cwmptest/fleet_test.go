package cwmptest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

func TestFleetStaggersAndIsWokenThroughOneListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, acs := cwmptest.NewNetwork(), &scriptedACS{}
		l, err := n.Listen("acs.example:7547")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: acs}
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()
		f, err := cwmptest.NewFleet(cwmptest.FleetConfig{
			Size: 100, ACSURL: "http://acs.example:7547/", Net: n, DoorAddr: "10.1.0.1:7547",
			Stagger: 100 * time.Second, Profiles: []string{"plain", "plain181"},
			ConnectionRequestUsername: "u", ConnectionRequestPassword: "p", Password: "pw",
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- f.Run(ctx) }()
		time.Sleep(49500 * time.Millisecond)
		synctest.Wait()
		if got := f.Counters(); got.Devices != 50 || got.Up != 50 || got.Ended != 50 {
			t.Errorf("half way: got %+v, want 50 started, up, and informed", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := f.Counters(); got.Devices != 100 || got.Ended != 100 || got.Failed != 0 {
			t.Errorf("in the end: got %+v, want 100 informed, none failed", got)
		}
		if res := knock(t, n, f.Device(42).ConnectionRequestURL(), "u", "p"); res.StatusCode != 200 {
			t.Errorf("connection request: got %s, want 200", res.Status)
		}
		synctest.Wait()
		if got := f.Device(42).Sessions(); got.ConnectionRequests != 1 || got.Ended != 2 {
			t.Errorf("device 42: got %+v, want one connection request and two sessions", got)
		}
		if got := f.Counters(); got.ConnectionRequests != 1 {
			t.Errorf("all: got %d connection requests, want 1", got.ConnectionRequests)
		}
		informs := acs.informs()
		if root := informs[1].Root(); root != "Device." {
			t.Errorf("second device: got root %s, want Device.", root)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: got %v, want nil", err)
		}
		srv.Close()
		<-served
	})
}

func TestFleetOverTCP(t *testing.T) {
	acs := &scriptedACS{}
	srv := httptest.NewServer(acs)
	defer srv.Close()
	informed := make(chan struct{}, 100)
	f, err := cwmptest.NewFleet(cwmptest.FleetConfig{
		Size: 20, ACSURL: srv.URL, ConnectionRequestUsername: "u", ConnectionRequestPassword: "p",
		Observe: func(_ int, n cwmptest.Note) {
			if n.Kind == cwmptest.NoteEnded {
				informed <- struct{}{}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ran := make(chan error)
	go func() { ran <- f.Run(ctx) }()
	for range 20 {
		<-informed
	}
	if res := knock(t, cwmptest.TCP{}, f.Device(7).ConnectionRequestURL(), "u", "p"); res.StatusCode != 200 {
		t.Errorf("connection request: got %s, want 200", res.Status)
	}
	<-informed
	if got := codes(acs.informs()[20].Events); got != cwmp.EventConnectionRequest {
		t.Errorf("events: got %q, want %q", got, cwmp.EventConnectionRequest)
	}
	cancel()
	if err := <-ran; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}

func TestFleetRefusesWhatCannotBe(t *testing.T) {
	if _, err := cwmptest.NewFleet(cwmptest.FleetConfig{}); err == nil {
		t.Error("size 0: got no error")
	}
	if _, err := cwmptest.NewFleet(cwmptest.FleetConfig{Size: 1, Profiles: []string{"nope"}}); err == nil {
		t.Error("unknown profile: got no error")
	}
}

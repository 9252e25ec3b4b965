package cwmptest_test

import (
	"context"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp/cwmptest"
)

// TestFleetIsCheap bounds what an idle device costs, sessions behind it.
func TestFleetIsCheap(t *testing.T) {
	const size, limit = 1000, 24 << 10
	synctest.Test(t, func(t *testing.T) {
		n := cwmptest.NewNetwork()
		l, err := n.Listen("acs.example:7547")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		})}
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()
		memory := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc + m.StackInuse
		}
		f, err := cwmptest.NewFleet(cwmptest.FleetConfig{Size: size, ACSURL: "http://acs.example:7547/", Net: n})
		if err != nil {
			t.Fatal(err)
		}
		before := memory()
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error)
		go func() { ran <- f.Run(ctx) }()
		time.Sleep(time.Second)
		synctest.Wait()
		if got := f.Counters(); got.Failed != size {
			t.Errorf("sessions: got %+v, want %d refused ones", got, size)
		}
		each := (memory() - before) / size
		t.Logf("%d bytes a device", each)
		if each > limit {
			t.Errorf("an idle device costs %d bytes, want %d at most", each, limit)
		}
		cancel()
		<-ran
		srv.Close()
		<-served
	})
}

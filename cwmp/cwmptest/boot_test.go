package cwmptest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
)

func TestURLChangesWithEachBoot(t *testing.T) { // quirk 23
	for _, form := range []cwmptest.URLForm{cwmptest.URLFull, cwmptest.URLRandomPath, cwmptest.URLRandomPort} {
		run(t, woken(cwmptest.Quirks{URL: form, DoorAuth: cwmptest.DoorOpen}), func(b *bed) {
			b.after(0)
			before := b.dev.ConnectionRequestURL()
			b.dev.PowerCycle()
			b.after(time.Second)
			now := b.dev.ConnectionRequestURL()
			if (before == now) != (form == cwmptest.URLFull) {
				t.Errorf("form %d: got %s, then %s", form, before, now)
			}
			if p, _ := b.acs.informs()[1].Parameter(".ConnectionRequestURL"); p.Value != now {
				t.Errorf("form %d: the Inform says %s, want %s", form, p.Value, now)
			}
			if got := raw(b.T, b.net, now, ""); len(got) < 12 || got[9:12] != "200" {
				t.Errorf("form %d: got %q at the new URL, want 200", form, got)
			}
		})
	}
}

func TestDelayedSessionIsForgottenInABoot(t *testing.T) { // quirk 32
	q := cwmptest.Quirks{SessionDelay: time.Hour, ForgetsRequests: true, DoorAuth: cwmptest.DoorOpen}
	run(t, woken(q), func(b *bed) {
		b.after(0)
		raw(b.T, b.net, b.dev.ConnectionRequestURL(), "")
		b.after(0)
		b.wantInforms("1 BOOT") // accepted, and not acted on yet
		b.dev.PowerCycle()
		b.after(30 * time.Minute)
		b.wantInforms("1 BOOT", "1 BOOT")
	})
}

func TestFollowsRedirects(t *testing.T) { // TR-069 3.4.2
	run(t, cwmptest.Config{}, func(b *bed) {
		l, err := b.net.Listen("other.example:80")
		if err != nil {
			t.Fatal(err)
		}
		srv := &http.Server{Handler: http.RedirectHandler("http://acs.example:7547/moved", http.StatusTemporaryRedirect)}
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()
		b.acs.push(&cwmp.SetParameterValues{ParameterList: []cwmp.ParameterValue{{
			Name: "InternetGatewayDevice.ManagementServer.URL", Type: "xsd:string", Value: "http://other.example/",
		}}})
		b.after(time.Second)
		b.wantInforms("0 BOOTSTRAP, 1 BOOT", "0 BOOTSTRAP")
		if got := b.acs.requests[len(b.acs.requests)-1].URL.Path; got != "/moved" {
			t.Errorf("path: got %s, want /moved", got)
		}
		srv.Close()
		<-served
	})
}

func TestTLS(t *testing.T) {
	acs := &scriptedACS{}
	srv := httptest.NewTLSServer(acs)
	defer srv.Close()
	tlsConfig := srv.Client().Transport.(*http.Transport).TLSClientConfig
	ended := make(chan cwmptest.Note, 10)
	dev := cwmptest.New(cwmptest.Config{ACSURL: srv.URL, TLS: tlsConfig, Observe: func(n cwmptest.Note) {
		if n.Kind == cwmptest.NoteEnded || n.Kind == cwmptest.NoteFailed {
			ended <- n
		}
	}})
	done := make(chan error)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	go func() { done <- dev.Run(ctx) }()
	if n := <-ended; n.Kind != cwmptest.NoteEnded {
		t.Errorf("session: got %s (%s), want a good end", n.Kind, n.Text)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}

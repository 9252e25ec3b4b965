package app_test

import (
	"bytes"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/webhook"
	"recado/webhook/webhooktest"
)

// TestRotationOfSecrets changes an endpoint's secret on a running server, as its owner does, and asks about what arrived.
func TestRotationOfSecrets(t *testing.T) {
	cfg := devConfig()
	cfg.Store = "bolt://" + filepath.Join(t.TempDir(), "recado.db")
	s := start(t, cfg)
	api, err := client.New(s.APIURL, adminToken)
	if err != nil {
		t.Fatal(err)
	}
	arrived := make(chan webhooktest.Arrival, 8)
	r := &webhooktest.Receiver{OnArrival: func(a webhooktest.Arrival) { arrived <- a }}
	hook, err := api.CreateWebhook(t.Context(), wire.WebhookCreate{URL: receiver(t, r), BodySignatureHeader: "X-Signature"})
	if err != nil {
		t.Fatal(err)
	}
	next := func() webhooktest.Arrival {
		t.Helper()
		if _, err := api.TestWebhook(t.Context(), hook.ID); err != nil {
			t.Fatal(err)
		}
		select {
		case a := <-arrived:
			return a
		case <-time.After(20 * time.Second):
			t.Fatal("no webhook arrived")
			return webhooktest.Arrival{}
		}
	}
	// signedBy checks who can verify an arrival: the standard signature, and the body's.
	signedBy := func(when string, a webhooktest.Arrival, secret string, standard, body bool) {
		t.Helper()
		if err := webhook.Verify(secret, a.Header, a.Body, a.At); (err == nil) != standard {
			t.Errorf("%s: the standard signature: got %v, want right %v", when, err, standard)
		}
		if err := webhook.VerifyBody(secret, a.Header.Get("X-Signature"), a.Body); (err == nil) != body {
			t.Errorf("%s: the body signature: got %v, want right %v", when, err, body)
		}
	}
	ask := func(a webhooktest.Arrival, body []byte) wire.WebhookVerified {
		t.Helper()
		in := wire.WebhookVerify{Body: string(body), Headers: map[string]wire.HeaderValues{}}
		for name, values := range a.Header {
			in.Headers[name] = values
		}
		x, err := api.VerifyWebhook(t.Context(), hook.ID, in)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}

	signedBy("before", next(), hook.Secret, true, true)
	overlap := 3600
	rotated, err := api.RotateWebhook(t.Context(), hook.ID, wire.WebhookRotate{OverlapSeconds: &overlap})
	if err != nil {
		t.Fatal(err)
	}
	during := next()
	signedBy("during, old", during, hook.Secret, true, true)
	signedBy("during, new", during, rotated.Secret, true, false)
	if x := ask(during, during.Body); !x.Accepted || len(x.Matches) != 3 || !x.EventKnown || x.FirstDifference != nil {
		t.Errorf("asked during the overlap: got %+v, want accepted, three signatures right", x)
	}
	spaced := bytes.Replace(during.Body, []byte(`,"`), []byte(`, "`), 1)
	if x := ask(during, spaced); x.Accepted || len(x.Findings) != 1 || x.Findings[0].Code != webhook.FindingBodyReserialised ||
		x.FirstDifference == nil || *x.FirstDifference != bytes.Index(spaced, []byte(`, "`))+1 {
		t.Errorf("asked about a space more: got %+v", x)
	}
	if _, err := api.PromoteWebhook(t.Context(), hook.ID); err != nil {
		t.Fatal(err)
	}
	after := next()
	signedBy("after, old", after, hook.Secret, false, false)
	signedBy("after, new", after, rotated.Secret, true, true)
	if list := after.Header.Get("webhook-signature"); bytes.Count([]byte(list), []byte("v1,")) != 1 {
		t.Errorf("after: got %q, want one signature", list)
	}
	if x := ask(after, after.Body); !x.Accepted || len(x.Matches) != 2 {
		t.Errorf("asked after: got %+v", x)
	}

	// An overlap that ends by itself: the old secret is wiped from the store by the server's own loop.
	overlap = 1
	if _, err := api.RotateWebhook(t.Context(), hook.ID, wire.WebhookRotate{OverlapSeconds: &overlap}); err != nil {
		t.Fatal(err)
	}
	const path = "/api/v1/audit?act=webhook.old_secret_wiped"
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		var record wire.List[wire.AuditEntry]
		if code := s.call(http.MethodGet, path, adminToken, nil, &record); code != http.StatusOK {
			t.Fatalf("GET %s: got %d, want 200", path, code)
		}
		if len(record.Items) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the old secret was not wiped when its overlap ended")
		}
	}
	shown, err := api.WebhookSecret(t.Context(), hook.ID)
	if err != nil {
		t.Fatal(err)
	}
	if shown.OldSecret != "" || shown.OldSecretUntil != nil || shown.Secret == rotated.Secret {
		t.Error("after the overlap: an old secret is still shown, or the secret is the one before")
	}
}

package api_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

func TestRotateWebhook(t *testing.T) {
	s := newServer(t)
	erp := s.client(t, "erp")
	made := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", erp.token, `{"url": "https://erp.example.com/hook"}`), 201)
	if made.RotationUntil != nil {
		t.Errorf("new: got a rotation until %v", made.RotationUntil)
	}
	path := "/api/v1/webhooks/" + made.ID
	r := s.do(t, "POST", path+"/rotate", erp.token, `{"overlap_seconds": 604800}`)
	rotated := as[wire.WebhookCreated](t, r, 200)
	checkExample(t, rotated)
	if rotated.Secret == made.Secret || rotated.RotationUntil == nil {
		t.Fatalf("rotated: got the same secret %v, until %v", rotated.Secret == made.Secret, rotated.RotationUntil)
	}
	if left := time.Until(time.Time(*rotated.RotationUntil)); left < 604790*time.Second || left > 604800*time.Second {
		t.Errorf("overlap: got %v left, want a week", left)
	}
	if r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control: got %q, want no-store", r.header.Get("Cache-Control"))
	}
	for _, p := range []string{path, "/api/v1/webhooks"} {
		got := s.do(t, "GET", p, erp.token, "")
		if !strings.Contains(string(got.body), `"rotation_until":"2`) {
			t.Errorf("GET %s does not show the rotation: %s", p, got.body)
		}
		if strings.Contains(string(got.body), "whsec_") {
			t.Errorf("GET %s shows a secret", p)
		}
	}
	s.do(t, "POST", path+"/rotate", erp.token, "").problem(t, 409, wire.CodeRotating)

	shown := as[wire.WebhookSecret](t, s.do(t, "POST", path+"/secret", erp.token, ""), 200)
	want := wire.WebhookSecret{
		WebhookID: made.ID, Secret: rotated.Secret, StandardSecret: rotated.Secret, OldSecret: made.Secret, OldStandardSecret: made.Secret,
		OldSecretUntil: shown.OldSecretUntil,
	}
	if shown != want || shown.OldSecretUntil == nil {
		t.Error("the secrets shown are not those of the rotation and the registration")
	}
	if got := s.do(t, "POST", path+"/secret", erp.token, "").header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: got %q, want no-store", got)
	}
	s.raw("GET", path+"/secret", erp.token, "").problem(t, 405, wire.CodeMethodNotAllowed)

	if e := as[wire.Webhook](t, s.do(t, "POST", path+"/rotate/promote", erp.token, "{}"), 200); e.RotationUntil != nil {
		t.Errorf("promoted: got a rotation until %v", e.RotationUntil)
	}
	as[wire.Webhook](t, s.do(t, "POST", path+"/rotate/promote", erp.token, ""), 200)
	if shown = as[wire.WebhookSecret](t, s.do(t, "POST", path+"/secret", erp.token, ""), 200); shown.OldSecret != "" || shown.Secret != rotated.Secret {
		t.Error("promoted: the old secret is still shown, or the new one is another")
	}
	// Without a body the usual overlap; with the client's own text, at once.
	if e := as[wire.WebhookCreated](t, s.do(t, "POST", path+"/rotate", erp.token, ""), 200); e.RotationUntil == nil {
		t.Error("without a body: got no overlap, want a day")
	}
	as[wire.Webhook](t, s.do(t, "POST", path+"/rotate/promote", erp.token, ""), 200)
	own := as[wire.WebhookCreated](t, s.do(t, "POST", path+"/rotate", erp.token, `{"secret": "our-own-shared-secret", "overlap_seconds": 0}`), 200)
	if own.Secret != "our-own-shared-secret" || own.RotationUntil != nil || own.StandardSecret != "whsec_"+base64.StdEncoding.EncodeToString([]byte(own.Secret)) {
		t.Errorf("own text, no overlap: got %+v", own)
	}
	for _, made := range []string{made.Secret, rotated.Secret, own.Secret} {
		if strings.Contains(s.log.String(), made) {
			t.Error("the log shows a secret")
		}
	}
}

func TestRotateWebhookRefused(t *testing.T) {
	s := newServer(t)
	erp := s.client(t, "erp")
	made := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", erp.token, `{"url": "https://erp.example.com/hook"}`), 201)
	for body, field := range map[string]string{
		`{"overlap_seconds": -1}`:           "overlap_seconds",
		`{"overlap_seconds": 604801}`:       "overlap_seconds",
		`{"overlap_seconds": "1"}`:          "overlap_seconds",
		`{"secret": "short"}`:               "secret",
		`{"secret": "` + made.Secret + `"}`: "secret",
		`{"overlap": 1}`:                    "overlap",
	} {
		p := s.do(t, "POST", "/api/v1/webhooks/"+made.ID+"/rotate", erp.token, body).problem(t, 400, wire.CodeInvalidRequest)
		if p.Field != field || strings.Contains(p.Detail, made.Secret) {
			t.Errorf("%s: got field %q, want %q: %s", body, p.Field, field, p.Detail)
		}
	}
}

func TestVerifyWebhook(t *testing.T) {
	s := newServer(t)
	erp := s.client(t, "erp")
	made := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", erp.token, `{"url": "https://erp.example.com/hook", "body_signature_header": "X-Sig"}`), 201)
	tested := as[wire.WebhookTested](t, s.do(t, "POST", "/api/v1/webhooks/"+made.ID+"/test", erp.token, ""), 202)
	event, err := s.store.Event(t.Context(), tested.EventID)
	if err != nil {
		t.Fatal(err)
	}
	sent := webhook.Render(event, webhook.FormatBodySignature)
	secret, err := webhook.ParseSecret(made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(at time.Time) map[string]any {
		h := http.Header{}
		webhook.Sign(h, event.ID, at, sent, secret)
		all := map[string]any{"x-sig": []string{secret.BodySignature(sent)}}
		for name := range h {
			all[strings.ToUpper(name)] = h.Get(name)
		}
		return all
	}
	ask := func(in map[string]any) wire.WebhookVerified {
		t.Helper()
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		r := s.do(t, "POST", "/api/v1/webhooks/"+made.ID+"/verify", erp.token, string(b))
		if text := string(r.body); strings.Contains(text, secret.BodySignature(sent)) || strings.Contains(text, secret.Signature(event.ID, time.Now(), sent)) ||
			strings.Contains(text, strings.TrimPrefix(made.Secret, "whsec_")) {
			t.Errorf("the answer shows a signature or a secret: %s", text)
		}
		return as[wire.WebhookVerified](t, r, 200)
	}
	now := time.Now()
	x := ask(map[string]any{"body": string(sent), "headers": signed(now)})
	if !x.Accepted || len(x.Matches) != 2 || !x.EventKnown || x.AgeSeconds == nil || len(x.Findings) != 0 ||
		x.Matches[0] != (wire.SignatureMatch{Scheme: "body_signature", Header: "X-Sig", Secret: "new"}) {
		t.Errorf("right: got %+v", x)
	}
	if x = ask(map[string]any{"body_base64": base64.StdEncoding.EncodeToString(sent), "headers": signed(now)}); !x.Accepted {
		t.Errorf("in base64: got %+v", x)
	}
	headers := signed(now)
	delete(headers, "x-sig")
	x = ask(map[string]any{"body": string(sent), "headers": headers, "received_at": now.Add(400 * time.Second).UTC().Format(time.RFC3339)})
	if x.Accepted || len(x.Findings) != 1 || x.Findings[0].Code != webhook.FindingClockSkew || x.AgeSeconds == nil || *x.AgeSeconds != 400 {
		t.Errorf("a clock 400 s ahead: got %+v", x)
	}
	x = ask(map[string]any{"body": strings.Replace(string(sent), ":", ": ", 1), "headers": headers})
	if x.Accepted || len(x.Findings) != 1 || x.Findings[0].Code != webhook.FindingBodyReserialised || x.FirstDifference == nil ||
		!strings.Contains(x.Findings[0].Problem, "byte "+strconv.Itoa(*x.FirstDifference)) {
		t.Errorf("a space more: got %+v", x)
	}
	// No body at all is an empty one.
	if x = ask(map[string]any{"headers": map[string]any{}}); x.Accepted || len(x.Findings) != 3 {
		t.Errorf("nothing: got %+v, want three headers missing", x)
	}
	for body, field := range map[string]string{
		`{}`:                                                  "headers",
		`{"headers": []}`:                                     "headers",
		`{"headers": {"a": 1}}`:                               "headers.a",
		`{"headers": {"a": null}}`:                            "headers.a",
		`{"headers": {"a": ["x", 1]}}`:                        "headers.a[1]",
		`{"headers": {"a": "x", "a": "y"}}`:                   "headers.a",
		`{"headers": {}, "received_at": "1"}`:                 "received_at",
		`{"headers": {}, "body_base64": "*"}`:                 "body_base64",
		`{"headers": {}, "body": "x", "body_base64": "eA=="}`: "body_base64",
		fmt.Sprintf(`{"headers": {}, "body": %q}`, strings.Repeat("x", webhook.MaxExplained+1)): "body",
	} {
		p := s.do(t, "POST", "/api/v1/webhooks/"+made.ID+"/verify", erp.token, body).problem(t, 400, wire.CodeInvalidRequest)
		if p.Field != field {
			t.Errorf("%.60s: got field %q, want %q", body, p.Field, field)
		}
	}
}

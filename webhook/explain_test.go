package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/webhook"
)

func sum(key, content string) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(content))
	return h.Sum(nil)
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// explained asks about a request to an endpoint.
func explained(t *testing.T, s *webhook.Service, e webhook.Endpoint, h http.Header, body string, at time.Time) webhook.Explanation {
	t.Helper()
	x, err := s.Explain(t.Context(), e.Client, e.ID, webhook.Received{Body: []byte(body), Headers: h, At: at})
	if err != nil {
		t.Fatalf("Explain: %v", err)
	}
	return x
}

// wantFinding checks that there is one finding, with this code and these words, and that it holds no secret.
func wantFinding(t *testing.T, x webhook.Explanation, code string, words ...string) {
	t.Helper()
	if x.Accepted || len(x.Findings) != 1 || x.Findings[0].Code != code {
		t.Fatalf("got accepted %v, %+v; want one finding %s", x.Accepted, x.Findings, code)
	}
	for _, w := range words {
		if !strings.Contains(x.Findings[0].Problem+" | "+x.Findings[0].Advice, w) {
			t.Errorf("got %+v, want %q in it", x.Findings[0], w)
		}
	}
}

func standardHeaders(id, stamp, signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", stamp)
	h.Set("webhook-signature", signature)
	return h
}

const (
	ownText  = "the client's own text"
	someBody = `{"type":"webhook.test","data":{"b":"São <1>","a":1.50}}`
)

func TestExplainRight(t *testing.T) {
	s, _ := newService(nil)
	e := mustRegister(t, s, "c1", webhook.Registration{BodySignatureHeader: "X-Signature", Secret: ownText})
	old := mustSecret(t, ownText)
	e, err := s.Rotate(t.Context(), "c1", e.ID, webhook.Rotation{})
	if err != nil {
		t.Fatal(err)
	}
	fresh := mustSecret(t, e.Secret)
	now := time.Now()
	h := http.Header{}
	webhook.Sign(h, "evt_1", now, []byte(someBody), fresh, old)
	h.Set("X-Signature", old.BodySignature([]byte(someBody)))
	x := explained(t, s, e, h, someBody, time.Time{})
	want := []webhook.Match{
		{Scheme: webhook.SchemeBody, Header: "X-Signature", Old: true},
		{Scheme: webhook.SchemeStandard, Header: "webhook-signature"},
		{Scheme: webhook.SchemeStandard, Header: "webhook-signature", Old: true},
	}
	if !x.Accepted || !slices.Equal(x.Matches, want) || len(x.Findings) != 0 || x.EventKnown || x.FirstDifference != nil {
		t.Errorf("got %+v, want accepted and matches %+v", x, want)
	}
	if x.Age == nil || x.Age.Abs() > time.Minute {
		t.Errorf("age: got %v, want about 0", x.Age)
	}
	// Beside a standard signature that is not right, a body signature that is proves too little: it says nothing of the time.
	late := h.Clone()
	if x = explained(t, s, e, late, someBody, now.Add(time.Hour)); x.Accepted || len(x.Matches) != 3 || len(x.Findings) != 1 {
		t.Errorf("an hour late: got %+v, want matches, and refused", x)
	}
	// The body signature alone is enough, where it alone is asked about.
	only := http.Header{}
	only.Set("X-Signature", fresh.BodySignature([]byte(someBody)))
	if x = explained(t, s, e, only, someBody, time.Time{}); !x.Accepted || len(x.Matches) != 1 || x.Matches[0].Old {
		t.Errorf("body signature alone: got %+v", x)
	}
	// After the promotion the old one is a stranger's.
	if e, err = s.Promote(t.Context(), "c1", e.ID); err != nil {
		t.Fatal(err)
	}
	only.Set("X-Signature", old.BodySignature([]byte(someBody)))
	wantFinding(t, explained(t, s, e, only, someBody, time.Time{}), webhook.FindingNoMatch, "not by the secret")
}

// TestExplainMistakes is a table of what people get wrong. Each signature is computed here, in the wrong way, and the way out told.
func TestExplainMistakes(t *testing.T) {
	s, _ := newService(nil)
	e := mustRegister(t, s, "c1", webhook.Registration{BodySignatureHeader: "X-Signature"})
	own := mustRegister(t, s, "c1", webhook.Registration{BodySignatureHeader: "X-Signature", Secret: ownText})
	text, std := e.Secret, strings.TrimPrefix(e.Secret, "whsec_")
	raw, err := base64.StdEncoding.DecodeString(std)
	if err != nil {
		t.Fatal(err)
	}
	key := string(raw)
	ts := strconv.FormatInt(time.Now().Unix(), 10)
	content := "evt_1." + ts + "." + someBody
	of := func(body string) string { return "evt_1." + ts + "." + body }
	v1 := func(key, content string) http.Header {
		return standardHeaders("evt_1", ts, "v1,"+b64(sum(key, content)))
	}
	sig := func(signature string) http.Header { return standardHeaders("evt_1", ts, signature) }
	bodySig := func(signature string) http.Header { return http.Header{"X-Signature": {signature}} }
	sha := func(key, content string) http.Header {
		return bodySig("sha256=" + hex.EncodeToString(sum(key, content)))
	}
	drop := func(name string) http.Header {
		h := v1(key, content)
		h.Del(name)
		return h
	}
	twice := v1(key, content)
	twice.Add("webhook-signature", "v1,AAAA")
	milli := strconv.FormatInt(time.Now().UnixMilli(), 10)
	phpKey, err := base64.StdEncoding.DecodeString("whsec" + strings.TrimRight(std, "="))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		e     webhook.Endpoint
		h     http.Header
		body  string
		code  string
		words []string
	}{
		{"no headers", e, http.Header{}, "", "", nil},
		{"no id", e, drop("webhook-id"), "", webhook.FindingHeaderMissing, []string{"webhook-id is missing", "proxy"}},
		{"no timestamp", e, drop("webhook-timestamp"), "", webhook.FindingHeaderMissing, []string{"webhook-timestamp is missing"}},
		{"no signature", e, drop("webhook-signature"), "", webhook.FindingHeaderMissing, []string{"webhook-signature is missing"}},
		{"signature twice", e, twice, "", webhook.FindingHeaderRepeated, []string{"came several times"}},
		{"two signatures joined", e, sig("v1,AAAA, v1," + b64(sum(key, content))), "", webhook.FindingHeaderRepeated, []string{"joined"}},

		{"text with prefix", e, v1(text, content), "", webhook.FindingWrongKey, []string{"with whsec_", "decode the rest as base64"}},
		{"text without prefix", e, v1(std, content), "", webhook.FindingWrongKey, []string{"text that follows whsec_"}},
		{"decoded with prefix", e, v1(string(phpKey), content), "", webhook.FindingWrongKey, []string{"whsec_ in it"}},
		{"hex digits", e, v1(hex.EncodeToString(raw), content), "", webhook.FindingWrongKey, []string{"hex digits"}},
		{"line break", e, v1(key+"\n", content), "", webhook.FindingWrongKey, []string{"line break"}},
		{"empty", e, v1("", content), "", webhook.FindingWrongKey, []string{"empty", "not set"}},
		{"own text's standard form as text", own, v1(mustSecret(t, ownText).Standard(), content), "", webhook.FindingWrongKey, []string{"standard_secret with whsec_"}},
		{
			"text, of the body alone, in hex", e, sig(hex.EncodeToString(sum(text, someBody))), "", webhook.FindingWrongKey,
			[]string{"with whsec_", "body alone", "v1,", "hex"},
		},

		{"body alone", e, v1(key, someBody), "", webhook.FindingSignedContent, []string{"the body alone", "{webhook-id}.{webhook-timestamp}.{raw body}"}},
		{"without id", e, v1(key, ts+"."+someBody), "", webhook.FindingSignedContent, []string{"webhook-id and a full stop are missing"}},
		{"without timestamp", e, v1(key, "evt_1."+someBody), "", webhook.FindingSignedContent, []string{"webhook-timestamp"}},
		{"without stops", e, v1(key, "evt_1"+ts+someBody), "", webhook.FindingSignedContent, []string{"without the full stops"}},

		{"hex", e, sig("v1," + hex.EncodeToString(sum(key, content))), "", webhook.FindingSignatureForm, []string{"hex", "base64"}},
		{"base64 of hex", e, sig("v1," + b64([]byte(hex.EncodeToString(sum(key, content))))), "", webhook.FindingSignatureForm, []string{"base64 of the hex digits"}},
		{"no version", e, sig(b64(sum(key, content))), "", webhook.FindingSignatureForm, []string{"does not begin with v1,"}},
		{"v1=", e, sig("v1=" + b64(sum(key, content))), "", webhook.FindingSignatureForm, []string{"does not begin with v1,"}},
		{"no padding", e, sig(strings.TrimRight("v1,"+b64(sum(key, content)), "=")), "", webhook.FindingSignatureForm, []string{"padding"}},
		{"rubbish", e, sig("***"), "", webhook.FindingSignatureForm, []string{"nothing that can be read"}},

		{"trailing line break", e, v1(key, content), someBody + "\n", webhook.FindingBodyReserialised, []string{"without the white space at its end"}},
		{"stripped line break", e, v1(key, of(someBody+"\n")), "", webhook.FindingBodyReserialised, []string{"with a line break at its end"}},
		{"byte order mark", e, v1(key, content), "\ufeff" + someBody, webhook.FindingBodyReserialised, []string{"byte order mark"}},
		{"indented", e, v1(key, content), "{\n  \"type\": \"webhook.test\",\n  \"data\": {\"b\": \"São <1>\", \"a\": 1.50}\n}", webhook.FindingBodyReserialised, []string{"without white space"}},
		{"escaped", e, v1(key, content), strings.NewReplacer("ã", `\u00e3`, "<", `\u003c`, ",", ", ").Replace(someBody), webhook.FindingBodyReserialised, []string{`\u`}},
		{"signed with spaces", e, v1(key, of(`{"type": "webhook.test", "data": {"b": "São <1>", "a": 1.50}}`)), "", webhook.FindingBodyReserialised, []string{"Python"}},
		{"signed sorted", e, v1(key, of(`{"data":{"a":1.50,"b":"São <1>"},"type":"webhook.test"}`)), "", webhook.FindingBodyReserialised, []string{"keys sorted"}},

		{"other endpoint", e, v1(ownText, content), "", webhook.FindingOtherEndpoint, []string{own.ID}},
		{"nobody's", e, v1("somebody else's secret of bytes.", content), "", webhook.FindingNoMatch, []string{"not by the secret", "POST /webhooks/{id}/secret"}},
		{"milliseconds", e, standardHeaders("evt_1", milli, "v1,"+b64(sum(key, "evt_1."+milli+"."+someBody))), "", webhook.FindingTimestamp, []string{"milliseconds"}},

		{"body: decoded key", e, sha(key, someBody), "", webhook.FindingWrongKey, []string{"instead of the whole text"}},
		{"body: without prefix", e, sha(std, someBody), "", webhook.FindingWrongKey, []string{"text that follows whsec_"}},
		{"body: standard form of own text", own, sha(mustSecret(t, ownText).Standard(), someBody), "", webhook.FindingWrongKey, []string{"standard_secret"}},
		{"body: base64", e, bodySig("sha256=" + b64(sum(text, someBody))), "", webhook.FindingSignatureForm, []string{"base64", "64 hex digits"}},
		{"body: bare hex", e, bodySig(hex.EncodeToString(sum(text, someBody))), "", webhook.FindingSignatureForm, []string{"does not begin with sha256="}},
		{"body: line break", e, sha(text, someBody), someBody + "\r\n", webhook.FindingBodyReserialised, []string{"white space at its end"}},
		{"body: empty header", e, bodySig(""), "", webhook.FindingHeaderMissing, []string{"X-Signature"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			body := c.body
			if body == "" {
				body = someBody
			}
			x := explained(t, s, c.e, c.h, body, time.Time{})
			if c.code != "" {
				wantFinding(t, x, c.code, c.words...)
			} else if x.Accepted || len(x.Findings) == 0 {
				t.Errorf("got %+v, want refused, with reasons", x)
			}
			out := fmt.Sprintf("%+v", x)
			for _, leak := range []string{std, ownText, key, hex.EncodeToString(raw), b64(sum(key, content)), hex.EncodeToString(sum(key, content)), "São"} {
				if strings.Contains(out, leak) {
					t.Errorf("the explanation holds %q: %s", leak, out)
				}
			}
		})
	}
}

func TestExplainClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newService(nil)
		e := mustRegister(t, s, "c1", webhook.Registration{})
		secret := mustSecret(t, e.Secret)
		at := time.Now()
		h := http.Header{}
		webhook.Sign(h, "evt_1", at, []byte(someBody), secret)
		for _, c := range []struct {
			received time.Duration
			says     string
		}{
			{300 * time.Second, ""},
			{-300 * time.Second, ""},
			{301 * time.Second, "301 s behind received_at"},
			{-301 * time.Second, "301 s ahead of received_at"},
		} {
			x := explained(t, s, e, h, someBody, at.Add(c.received))
			if len(x.Matches) != 1 || *x.Age != c.received {
				t.Errorf("%v: got %+v, want a match and that age", c.received, x)
			}
			if c.says == "" {
				if !x.Accepted {
					t.Errorf("%v: got %+v, want accepted", c.received, x.Findings)
				}
				continue
			}
			wantFinding(t, x, webhook.FindingClockSkew, "the signature is right", c.says, "NTP")
		}
		time.Sleep(10 * time.Minute)
		wantFinding(t, explained(t, s, e, h, someBody, time.Time{}), webhook.FindingClockSkew, "600 s behind the time of this call", "received_at")
	})
}

// TestExplainDelivered compares with what was delivered under the id.
func TestExplainDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, store := newService(nil)
		e := mustRegister(t, s, "c1", webhook.Registration{})
		secret := mustSecret(t, e.Secret)
		event, d, err := s.Test(t.Context(), "c1", e.ID)
		if err != nil {
			t.Fatal(err)
		}
		leases, _, err := store.ClaimDeliveries(t.Context(), webhook.ClaimLimits{Total: 1, PerEndpoint: 1, Lease: time.Minute})
		if err != nil || len(leases) != 1 {
			t.Fatalf("claim: %v, %v", leases, err)
		}
		at := time.Now()
		if _, err := store.RecordAttempt(t.Context(), leases[0], webhook.Attempt{Delivery: d.ID, Number: 1, At: at, Status: 401, Class: webhook.ErrorStatus},
			webhook.Settlement{State: webhook.DeliveryPending, NextAt: at.Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		sent := string(event.Body)
		h := http.Header{}
		webhook.Sign(h, event.ID, at, event.Body, secret)
		if x := explained(t, s, e, h, sent, time.Time{}); !x.Accepted || !x.EventKnown || x.FirstDifference != nil {
			t.Errorf("right: got %+v", x)
		}

		var parsed map[string]any
		if err := json.Unmarshal(event.Body, &parsed); err != nil {
			t.Fatal(err)
		}
		sorted, err := json.MarshalIndent(parsed, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		x := explained(t, s, e, h, string(sorted), time.Time{})
		wantFinding(t, x, webhook.FindingBodyReserialised, "right for the body that was delivered", "order of keys", "byte 1 ", "raw body")
		if x.FirstDifference == nil || *x.FirstDifference != 1 {
			t.Errorf("first difference: got %v, want 1", x.FirstDifference)
		}
		changed := strings.Replace(sent, "Nothing happened", "Anything happened", 1)
		wantFinding(t, explained(t, s, e, h, changed, time.Time{}), webhook.FindingBodyChanged,
			fmt.Sprintf("byte %d ", strings.Index(sent, "Nothing")), "what it says is different")
		wantFinding(t, explained(t, s, e, h, sent[:40], time.Time{}), webhook.FindingBodyChanged, "cut off", "40 bytes")
		wantFinding(t, explained(t, s, e, h, sent+"\n", time.Time{}), webhook.FindingBodyReserialised, "white space at its end")

		other := http.Header{}
		webhook.Sign(other, event.ID, at, event.Body, webhook.NewSecret())
		wantFinding(t, explained(t, s, e, other, sent, time.Time{}), webhook.FindingHeadersChanged, "an attempt was signed at webhook-timestamp")
		webhook.Sign(other, event.ID, at.Add(time.Second), event.Body, webhook.NewSecret())
		wantFinding(t, explained(t, s, e, other, sent, time.Time{}), webhook.FindingHeadersChanged, "no attempt was signed")
		wantFinding(t, explained(t, s, e, other, changed, time.Time{}), webhook.FindingBodyChanged, "neither for this body nor for the delivered one")

		// An old request is old for a reason.
		time.Sleep(time.Hour)
		wantFinding(t, explained(t, s, e, h, sent, time.Time{}), webhook.FindingOldRequest, "attempt 1, 3600 s ago", "received_at")

		// Another endpoint of the client did not get the event, and another client may not ask.
		second := mustRegister(t, s, "c1", webhook.Registration{})
		if x := explained(t, s, second, h, sent, time.Time{}); x.EventKnown || x.Findings[0].Code != webhook.FindingOtherEndpoint {
			t.Errorf("at another endpoint: got %+v", x)
		}
		if _, err := s.Explain(t.Context(), "c2", e.ID, webhook.Received{}); err == nil {
			t.Error("another client: got no error")
		}
	})
}

func TestExplainBounds(t *testing.T) {
	s, _ := newService(nil)
	e := mustRegister(t, s, "c1", webhook.Registration{})
	if _, err := s.Explain(t.Context(), "c1", e.ID, webhook.Received{Body: make([]byte, webhook.MaxExplained+1)}); err == nil {
		t.Error("a large body: got no error")
	}
	h := http.Header{}
	for i := range webhook.MaxExplainedHeaders + 1 {
		h.Set("x-"+strconv.Itoa(i), "1")
	}
	if _, err := s.Explain(t.Context(), "c1", e.ID, webhook.Received{Headers: h}); err == nil {
		t.Error("many headers: got no error")
	}
	// The worst that is allowed takes a moment, not seconds.
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	body := `{"a":[` + strings.TrimSuffix(strings.Repeat(deep+",", (webhook.MaxExplained-200)/len(deep+",")), ",") + `]}`
	hs := standardHeaders("evt_1", "1800000000", strings.TrimSuffix(strings.Repeat("v1,"+b64(make([]byte, 32))+" ", 100), " "))
	began := time.Now()
	x := explained(t, s, e, hs, body, time.Time{})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	if x.Accepted || len(x.Findings) != 1 {
		t.Errorf("got %+v", x)
	}
}

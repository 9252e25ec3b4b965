package webhook_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"recado/webhook"
)

// vectorSecret and the signature below are those of the Standard Webhooks reference libraries' own tests.
const (
	vectorSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	vectorID     = "msg_p5jXN8AQM9LWM0D4loKWxJek"
	vectorUnix   = 1614265330
	vectorBody   = `{"test": 2432232314}`
	vectorSig    = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
)

func mustSecret(t testing.TB, text string) webhook.Secret {
	t.Helper()
	s, err := webhook.ParseSecret(text)
	if err != nil {
		t.Fatalf("ParseSecret: %v", err)
	}
	return s
}

func TestSignatureVector(t *testing.T) {
	s := mustSecret(t, vectorSecret)
	at := time.Unix(vectorUnix, 999_999_999)
	if got := s.Signature(vectorID, at, []byte(vectorBody)); got != vectorSig {
		t.Errorf("got signature %s, want %s", got, vectorSig)
	}
	h := http.Header{}
	webhook.Sign(h, vectorID, at, []byte(vectorBody), s)
	if got, want := h.Get("webhook-timestamp"), strconv.Itoa(vectorUnix); got != want {
		t.Errorf("got timestamp %s, want %s", got, want)
	}
	if err := webhook.Verify(vectorSecret, h, []byte(vectorBody), at); err != nil {
		t.Errorf("Verify: got %v, want nil", err)
	}
}

// The vector is what "openssl dgst -sha256 -hmac 0123456789abcdef" prints.
func TestBodySignatureVector(t *testing.T) {
	s := mustSecret(t, "0123456789abcdef")
	const want = "sha256=1c76fbb930d3aa8b1633728fae212c68ca68a6752bb319b98be6fe17e86cf5b8"
	got := s.BodySignature([]byte(`{"a":1}`))
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReferenceLibraryAgrees(t *testing.T) {
	now := time.Now()
	body := []byte(`{"type":"action.succeeded","data":{"text":"ação ✓"}}`)
	for _, text := range []string{
		webhook.NewSecret().Text(), vectorSecret,
		"sixteen letters!", "own text, as the client wrote it", strings.Repeat("é", 75),
	} {
		s := mustSecret(t, text)
		h := http.Header{}
		webhook.Sign(h, "evt_1", now, body, s)
		ref, err := standardwebhooks.NewWebhook(s.Standard())
		if err != nil {
			t.Fatalf("%s: the reference library refuses the standard form: %v", text, err)
		}
		if err := ref.Verify(body, h); err != nil {
			t.Errorf("%s: the reference library says %v", text, err)
		}
		signed, err := ref.Sign("evt_2", now, body)
		if err != nil {
			t.Fatal(err)
		}
		theirs := http.Header{}
		theirs.Set("webhook-id", "evt_2")
		theirs.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
		theirs.Set("webhook-signature", signed)
		for _, form := range []string{s.Text(), s.Standard()} {
			if err := webhook.Verify(form, theirs, body, now); err != nil {
				t.Errorf("%s: Verify of the reference's signature: %v", form, err)
			}
		}
	}
}

func TestVerifyReasons(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	body := []byte(`{"a":1}`)
	s, old, other := webhook.NewSecret(), webhook.NewSecret(), webhook.NewSecret()
	signed := func(at time.Time, secrets ...webhook.Secret) http.Header {
		h := http.Header{}
		webhook.Sign(h, "evt_1", at, body, secrets...)
		return h
	}
	edit := func(name, value string) http.Header {
		h := signed(now, s)
		h.Set(name, value)
		return h
	}
	twice := signed(now, s)
	twice.Add("webhook-id", "evt_2")
	sig := signed(now, s).Get("webhook-signature")
	for _, c := range []struct {
		name string
		h    http.Header
		body string
		want error
	}{
		{"good", signed(now, s), "", nil},
		{"rotation, new key", signed(now, s, old), "", nil},
		{"rotation, this key second", signed(now, old, s), "", nil},
		{"five minutes late", signed(now.Add(-300*time.Second), s), "", nil},
		{"five minutes early", signed(now.Add(300*time.Second), s), "", nil},
		{"301 s late", signed(now.Add(-301*time.Second), s), "", webhook.ErrTimestampTooOld},
		{"301 s early", signed(now.Add(301*time.Second), s), "", webhook.ErrTimestampTooNew},
		{"other key", signed(now, other), "", webhook.ErrSignatureMismatch},
		{"other body", signed(now, s), `{"a":2}`, webhook.ErrSignatureMismatch},
		{"other id", edit("webhook-id", "evt_2"), "", webhook.ErrSignatureMismatch},
		{"other time", edit("webhook-timestamp", "1800000001"), "", webhook.ErrSignatureMismatch},
		{"old time without a key", signed(now.Add(-time.Hour), other), "", webhook.ErrSignatureMismatch},
		{"no id", edit("webhook-id", ""), "", webhook.ErrHeaderMissing},
		{"no time", edit("webhook-timestamp", ""), "", webhook.ErrHeaderMissing},
		{"no signature", edit("webhook-signature", ""), "", webhook.ErrHeaderMissing},
		{"no headers", http.Header{}, "", webhook.ErrHeaderMissing},
		{"two ids", twice, "", webhook.ErrHeaderInvalid},
		{"two signatures joined", edit("webhook-signature", sig+", "+sig), "", webhook.ErrHeaderInvalid},
		{"time in words", edit("webhook-timestamp", "noon"), "", webhook.ErrHeaderInvalid},
		{"time with a plus", edit("webhook-timestamp", "+1800000000"), "", webhook.ErrHeaderInvalid},
		{"time below zero", edit("webhook-timestamp", "-1"), "", webhook.ErrHeaderInvalid},
		{"time beyond int64", edit("webhook-timestamp", "99999999999999999999"), "", webhook.ErrHeaderInvalid},
		{"version 2 only", edit("webhook-signature", "v2,"+sig[3:]), "", webhook.ErrHeaderInvalid},
		{"version 1 among others", edit("webhook-signature", "v1a,xx  v2,yy "+sig), "", nil},
		{"cut", edit("webhook-signature", sig[:len(sig)-4]), "", webhook.ErrSignatureMismatch},
		{"no base64", edit("webhook-signature", "v1,***"), "", webhook.ErrSignatureMismatch},
		{"empty signature", edit("webhook-signature", "v1,"), "", webhook.ErrSignatureMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := body
			if c.body != "" {
				b = []byte(c.body)
			}
			err := webhook.Verify(s.Text(), c.h, b, now)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), s.Text()[6:]) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

// One flipped bit anywhere in the body or in the signature is seen.
func TestVerifyFlippedBits(t *testing.T) {
	s := mustSecret(t, vectorSecret)
	now := time.Unix(vectorUnix, 0)
	for i := range len(vectorBody) * 8 {
		body := []byte(vectorBody)
		body[i/8] ^= 1 << (i % 8)
		h := http.Header{}
		webhook.Sign(h, vectorID, now, []byte(vectorBody), s)
		if err := webhook.Verify(vectorSecret, h, body, now); !errors.Is(err, webhook.ErrSignatureMismatch) {
			t.Fatalf("bit %d of the body flipped: got %v, want %v", i, err, webhook.ErrSignatureMismatch)
		}
	}
	mac, err := base64.StdEncoding.DecodeString(vectorSig[3:])
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(mac) * 8 {
		mac[i/8] ^= 1 << (i % 8)
		h := http.Header{}
		webhook.Sign(h, vectorID, now, []byte(vectorBody), s)
		h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac))
		if err := webhook.Verify(vectorSecret, h, []byte(vectorBody), now); !errors.Is(err, webhook.ErrSignatureMismatch) {
			t.Fatalf("bit %d of the signature flipped: got %v, want %v", i, err, webhook.ErrSignatureMismatch)
		}
		mac[i/8] ^= 1 << (i % 8)
	}
}

func TestVerifyBody(t *testing.T) {
	const text = "the client's own secret"
	body := []byte(`{"a":1}`)
	good := mustSecret(t, text).BodySignature(body)
	for _, c := range []struct {
		name, secret, signature string
		want                    error
	}{
		{"good", text, good, nil},
		{"upper case hex", text, "sha256=" + strings.ToUpper(good[7:]), nil},
		{"other secret", text + "!", good, webhook.ErrSignatureMismatch},
		{"none", text, "", webhook.ErrHeaderMissing},
		{"sha1", text, "sha1=" + good[7:], webhook.ErrHeaderInvalid},
		{"no hex", text, "sha256=zz", webhook.ErrHeaderInvalid},
		{"half", text, good[:39], webhook.ErrSignatureMismatch},
		{"bad secret", "short", good, webhook.ErrSecret},
	} {
		if err := webhook.VerifyBody(c.secret, c.signature, body); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestParseSecret(t *testing.T) {
	std := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for _, c := range []struct {
		name, text string
		ok, own    bool
	}{
		{"24 bytes", std(24), true, false},
		{"64 bytes", std(64), true, false},
		{"23 bytes", std(23), false, false},
		{"65 bytes", std(65), false, false},
		{"prefix alone", "whsec_", false, false},
		{"no padding", strings.TrimRight(std(25), "="), false, false},
		{"URL alphabet", "whsec_" + strings.Repeat("-_-_", 8), false, false},
		{"line break", std(24)[:10] + "\n" + std(24)[10:], false, false},
		{"trailing bits", "whsec_" + strings.Repeat("A", 33) + "B==", false, false},
		{"16 characters", strings.Repeat("a", 16), true, true},
		{"75 characters", strings.Repeat("a", 75), true, true},
		{"75 characters of two bytes", strings.Repeat("é", 75), true, true},
		{"15 characters", strings.Repeat("a", 15), false, false},
		{"76 characters", strings.Repeat("a", 76), false, false},
		{"empty", "", false, false},
		{"control character", "0123456789abcdef\x00", false, false},
		{"no UTF-8", "0123456789abcdef\xff", false, false},
		{"space at the end", "0123456789abcdef ", false, false},
		{"space inside", "0123 456789abcdef", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := webhook.ParseSecret(c.text)
			if (err == nil) != c.ok {
				t.Fatalf("got error %v, want ok %v", err, c.ok)
			}
			if !c.ok {
				if !errors.Is(err, webhook.ErrSecret) {
					t.Errorf("got %v, want an ErrSecret", err)
				}
				if len(c.text) > 10 && strings.Contains(err.Error(), c.text[6:]) {
					t.Errorf("the error shows the secret: %v", err)
				}
				return
			}
			if s.Own() != c.own {
				t.Errorf("got own %v, want %v", s.Own(), c.own)
			}
			if s.Text() != c.text {
				t.Errorf("got text %q, want %q", s.Text(), c.text)
			}
			var logged bytes.Buffer
			slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "secret", s, "in", struct{ S webhook.Secret }{s})
			for _, shown := range []string{s.String(), fmt.Sprintf("%v %+v %#v %s", s, s, s, &s), logged.String()} {
				if strings.Contains(shown, c.text[6:]) {
					t.Errorf("printing shows the secret: %s", shown)
				}
			}
		})
	}
}

func TestNewSecret(t *testing.T) {
	a, b := webhook.NewSecret(), webhook.NewSecret()
	if a.Text() == b.Text() {
		t.Errorf("two new secrets are the same")
	}
	if got, err := webhook.ParseSecret(a.Text()); err != nil || got.Standard() != a.Text() {
		t.Errorf("got %v, %v; want a standard secret back", got.Standard() == a.Text(), err)
	}
}

// What Verify takes, the reference library takes, and the other way round; nothing panics.
func FuzzVerify(f *testing.F) {
	f.Add(vectorID, "1614265330", vectorSig, []byte(vectorBody))
	f.Add("", "", "", []byte(nil))
	f.Add("a", "-1", "v1,", []byte("x"))
	f.Add("a", "99999999999999999999", "v1,,v1,a v2,b  v1", []byte("{}"))
	f.Add(vectorID, "1614265330", "v1a,x "+vectorSig, []byte(vectorBody))
	ref, err := standardwebhooks.NewWebhook(vectorSecret)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Unix(vectorUnix, 0)
	f.Fuzz(func(t *testing.T, id, stamp, signature string, body []byte) {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", signature)
		ours := webhook.Verify(vectorSecret, h, body, now)
		if ours == nil {
			if err := ref.VerifyIgnoringTimestamp(body, h); err != nil && !strings.ContainsAny(signature, "\r\n") {
				t.Errorf("we take what the reference library does not: %v", err)
			}
		}
		// A signature of what is there verifies, in both.
		webhook.Sign(h, id, now, body, mustSecret(t, vectorSecret))
		if id == "" {
			return
		}
		if err := webhook.Verify(vectorSecret, h, body, now); err != nil {
			t.Errorf("our own signature: %v", err)
		}
		if err := ref.VerifyIgnoringTimestamp(body, h); err != nil {
			t.Errorf("our signature in the reference library: %v", err)
		}
	})
}

func FuzzParseSecret(f *testing.F) {
	for _, s := range []string{"", vectorSecret, "whsec_", "0123456789abcdef", "whsec_\n", "é\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := webhook.ParseSecret(text)
		if err != nil {
			return
		}
		if s.Text() != text {
			t.Errorf("got text %q, want %q", s.Text(), text)
		}
		// Both forms sign the same, and the reference library reads the standard one.
		ref, err := standardwebhooks.NewWebhook(s.Standard())
		if err != nil {
			t.Fatalf("%q: %v", s.Standard(), err)
		}
		at := time.Unix(vectorUnix, 0)
		want, err := ref.Sign("id", at, []byte("x"))
		if got := s.Signature("id", at, []byte("x")); err != nil || got != want {
			t.Errorf("got %s, want %s (%v)", got, want, err)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	s := mustSecret(b, vectorSecret)
	body := []byte(`{"type":"action.succeeded","data":"` + strings.Repeat("x", 560) + `"}`)
	at := time.Unix(vectorUnix, 0)
	h := http.Header{}
	b.ReportAllocs()
	for b.Loop() {
		webhook.Sign(h, vectorID, at, body, s)
	}
}

func BenchmarkVerify(b *testing.B) {
	s := mustSecret(b, vectorSecret)
	body := []byte(`{"type":"action.succeeded","data":"` + strings.Repeat("x", 560) + `"}`)
	at := time.Unix(vectorUnix, 0)
	h := http.Header{}
	webhook.Sign(h, vectorID, at, body, s)
	b.ReportAllocs()
	for b.Loop() {
		if err := webhook.Verify(vectorSecret, h, body, at); err != nil {
			b.Fatal(err)
		}
	}
}

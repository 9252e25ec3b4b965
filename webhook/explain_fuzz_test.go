package webhook_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"recado/webhook"
)

// FuzzExplain: whatever comes, Explain neither fails nor says that something unsigned is right, nor shows the secret.
func FuzzExplain(f *testing.F) {
	s, _ := newService(nil)
	e, err := s.Register(context.Background(), "c1", webhook.Registration{URL: goodURL, BodySignatureHeader: "X-Signature"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("evt_1", "1800000000", "v1,AAAA v1,", "sha256=00", []byte(`{"a":[1,{"b":"\u00e3"}],"c":null}`))
	f.Add("", "", "", "", []byte(nil))
	f.Add("evt_1", "-1", "v1,"+strings.Repeat("A", 43)+"=", strings.Repeat("0", 64), []byte(" \r\n\xef\xbb\xbf{}\x00"))
	f.Add("évt", "9223372036854775807", "v1=, sha256=", "SHA256=zz", []byte(strings.Repeat("[", 100)))
	f.Fuzz(func(t *testing.T, id, stamp, list, body string, payload []byte) {
		h := http.Header{"X-Signature": {body}}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", stamp)
		h.Set("webhook-signature", list)
		for _, headers := range []http.Header{h, {"X-Signature": {body}}} {
			x, err := s.Explain(t.Context(), "c1", e.ID, webhook.Received{Body: payload, Headers: headers, At: time.Unix(1_800_000_000, 0)})
			if err != nil {
				t.Fatalf("got %v", err)
			}
			if x.Accepted || len(x.Matches) > 0 || len(x.Findings) == 0 {
				t.Fatalf("got %+v, want refused, with a reason", x)
			}
			for _, f := range x.Findings {
				if strings.Contains(f.Problem+f.Advice, e.Secret[6:]) {
					t.Fatalf("the secret is shown: %+v", f)
				}
			}
		}
	})
}

package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"recado/acs/wire/wiretest"
	"recado/webhook/webhooktest"
)

// failer is the part of testing.TB that a check of bodies needs.
type failer interface {
	Errorf(format string, args ...any)
}

// checkBodies is a Receiver's Check that fails the test at a body that does not fit its schema.
func checkBodies(t failer) func(string, []byte) error {
	return func(eventType string, body []byte) error {
		err := wiretest.CheckBody(eventType, body)
		if err != nil {
			t.Errorf("a webhook's body is wrong: %v\n%s", err, body)
		}
		return err
	}
}

// recorder notes failures in place of a test.
type recorder struct {
	mu     sync.Mutex
	failed []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, fmt.Sprintf(format, args...))
}

// TestWrongBodyFails plants a wrong body among right ones: the check that all receivers of these tests have fails the test.
func TestWrongBodyFails(t *testing.T) {
	for _, c := range []struct {
		name, planted string
		want          string // "" for a right one
	}{
		{"right", "", ""},
		{"a field misspelled", "mesage", "mesage"},
		{"no JSON", "x", "no JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got recorder
			r := &webhooktest.Receiver{Check: checkBodies(&got)}
			url := receiver(t, r)
			body := `{"type":"webhook.test","id":"evt_019aa5e4ef7b7c31a5d2000000000008","timestamp":"2026-11-21T10:00:00.000Z",` +
				`"data":{"webhook_id":"wh_019aa5d04d2a7be08c1f55a0b7e3d911","message":"hello"}}`
			switch c.planted {
			case "":
			case "x":
				body = "x"
			default:
				body = strings.Replace(body, "message", c.planted, 1)
			}
			res, err := http.Post(url, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			arrived := r.Arrivals()
			if len(arrived) != 1 || (arrived[0].CheckErr != nil) != (c.want != "") {
				t.Fatalf("got arrivals %+v, want one with an error %v", arrived, c.want != "")
			}
			if c.want == "" && len(got.failed) > 0 || c.want != "" && (len(got.failed) != 1 || !strings.Contains(got.failed[0], c.want)) {
				t.Errorf("got failures %q, want one about %q", got.failed, c.want)
			}
		})
	}
}

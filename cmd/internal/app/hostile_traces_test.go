package app_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recado/acs/wire"
)

// search looks for secrets in all that the server left behind, and starts another one on its files.
func (a *siege) search(t *testing.T) {
	if a.proof == "" || a.waiting == "" { // only some of the attacks were run
		a.forgedReboot(t)
		a.foreignDeviceID(t)
	}
	metrics := a.raw(t, http.MethodGet, "/metrics", "", "")
	if metrics.status != http.StatusOK || !strings.Contains(metrics.text, "recado_") {
		t.Errorf("metrics: got %d with %d bytes, want 200", metrics.status, len(metrics.text))
	}
	// An endpoint that --dev allowed, with an event that waits for it.
	inside := newTrap(t, "127.0.0.1", nil)
	paused := false
	held := a.register(t, wire.WebhookCreate{URL: "http://" + inside.address + "/hook", Active: &paused})
	var tested wire.WebhookTested
	if code := a.s.call(http.MethodPost, "/api/v1/webhooks/"+held.ID+"/test", a.rogue.Token, nil, &tested); code != http.StatusAccepted {
		t.Fatalf("test: got %d, want 202", code)
	}
	for _, arrival := range a.canary.receiver.Arrivals() {
		a.hooks = append(a.hooks, arrival.Body)
	}
	if err := a.s.stop(); err != nil {
		t.Fatalf("stop: %v", err)
	}
	places := map[string][]byte{
		"the logs": []byte(a.s.logs.String()), "replies": a.told.Bytes(), "metrics": []byte(metrics.text), "webhooks": bytes.Join(a.hooks, []byte("\n")),
	}
	err := filepath.WalkDir(filepath.Join(a.dir, "data"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		places[filepath.Base(path)], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a.checkLogs(t)
	for place, text := range places {
		if len(text) == 0 {
			t.Errorf("%s: empty, want something to search", place)
		}
		for _, secret := range append(a.tokens, "MARKER", base64.StdEncoding.EncodeToString([]byte(secretHook))) {
			if i := bytes.Index(text, []byte(secret)); i >= 0 {
				t.Errorf("%s hold a secret: …%.300q…", place, text[max(0, i-150):min(len(text), i+150)])
			}
		}
	}
	a.restart(t, held, tested, inside)
}

func (a *siege) checkLogs(t *testing.T) {
	lines := bufio.NewScanner(strings.NewReader(a.s.logs.String()))
	lines.Buffer(nil, 16<<20)
	n := 0
	for ; lines.Scan(); n++ {
		var line map[string]any
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line["msg"] == nil || line["level"] == nil {
			t.Errorf("log line %d is no JSON object: %.200q", n, lines.Bytes())
		}
		if len(lines.Bytes()) > 16<<10 {
			t.Errorf("log line %d has %d bytes, want it short: %.300q", n, len(lines.Bytes()), lines.Bytes())
		}
		if line["level"] == "ERROR" {
			t.Errorf("an attack made an error: %.500s", lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil || n < 100 {
		t.Errorf("logs: got %d lines, %v, want many", n, err)
	}
}

// restart opens the same files without --dev: all is there, and what --dev allowed is refused when it is dialled.
func (a *siege) restart(t *testing.T, held wire.WebhookCreated, tested wire.WebhookTested, inside *trap) {
	a.cfg.Dev, a.cfg.WebhookAllowHTTP = false, false
	a.s = start(t, a.cfg)
	if got := a.raw(t, http.MethodGet, "/readyz", "", ""); got.status != http.StatusOK {
		t.Errorf("readyz after a restart: got %d %.200s, want 200", got.status, got.text)
	}
	if got := a.protocol(t, a.proof); got.Status != "success" {
		t.Errorf("a protocolo with a verdict: got %s after the restart, want success", got.Status)
	}
	if got := a.protocol(t, a.waiting); got.Final() || got.SentAt != nil {
		t.Errorf("a protocolo that waits: got %s after the restart, want it open", got.Status)
	}
	if code := a.s.call(http.MethodPatch, "/api/v1/webhooks/"+held.ID, a.rogue.Token, map[string]any{"active": true}, nil); code != http.StatusOK {
		t.Fatalf("activate: got %d, want 200", code)
	}
	eventually(t, 10*time.Second, "an attempt at what is not allowed any more", func() bool {
		var got wire.List[wire.Attempt]
		if code := a.s.call(http.MethodGet, "/api/v1/deliveries/"+tested.Delivery.ID+"/attempts", a.rogue.Token, nil, &got); code != http.StatusOK {
			t.Fatalf("attempts: got %d, want 200", code)
		}
		if len(got.Items) == 0 {
			return false
		}
		if at := got.Items[0]; at.ErrorClass != "refused_address" || at.Response != "" {
			t.Errorf("attempt at loopback without --dev: got %q, %q, want refused_address", at.ErrorClass, at.Response)
		}
		return true
	})
	if n := inside.calls.Load(); n != 0 {
		t.Errorf("loopback was called %d times, want never", n)
	}
}

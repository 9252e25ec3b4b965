package docs_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recado/webhook"
)

// blocks gives the blocks of code in a language, by the heading that they stand below.
func blocks(t *testing.T, doc, language string) map[string]string {
	t.Helper()
	found := map[string]string{}
	heading, block, in := "", "", false
	for line := range strings.Lines(read(t, doc)) {
		switch {
		case in && line == "```\n":
			found[heading] += block
			in, block = false, ""
		case in:
			block += line
		case line == "```"+language+"\n":
			in = true
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "# "))
		}
	}
	return found
}

// program looks for a program, which CI has to have.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is not on this machine, and CI needs it", name)
	}
	if err != nil {
		t.Skipf("SKIPPED: %s is not on this machine, so what the document shows in that language is not tried", name)
	}
	return path
}

// relayed is what the other system got.
type relayed struct {
	header http.Header
	body   string
}

// relay is a relay that runs, and the system behind it.
type relay struct {
	t       *testing.T
	url     string
	secret  webhook.Secret
	got     chan relayed
	answers chan int // for the next request; none: 200
}

func startRelay(t *testing.T, recipe string) *relay {
	t.Helper()
	python := program(t, "python3")
	code := blocks(t, "recipes.md", "python")
	if code[recipe] == "" || code["The relay"] == "" {
		t.Fatalf("recipes.md has no code for %s", recipe)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"relay.py": code["The relay"], "recipe.py": code[recipe], "verify.py": read(t, filepath.Join("verify", "verify.py")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &relay{t: t, secret: webhook.NewSecret(), got: make(chan relayed, 10), answers: make(chan int, 10)}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		r.got <- relayed{req.Header, string(body)}
		select {
		case status := <-r.answers:
			w.WriteHeader(status)
		default:
		}
	}))
	t.Cleanup(target.Close)
	cmd := exec.CommandContext(t.Context(), python, "relay.py", "0")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "WEBHOOK_SECRET="+r.secret.Text(), "TARGET_URL="+target.URL, "SERVICENOW_USER=recado",
		"SERVICENOW_PASSWORD=secret", "CRM_KEY=k1", "PYTHONDONTWRITEBYTECODE=1", "no_proxy=*")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if strings.Contains(errs.String(), "Traceback") {
			t.Errorf("relay of %s: %s", recipe, errs.String())
		}
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		t.Fatalf("relay of %s did not start: %v\n%s", recipe, err, errs.String())
	}
	r.url = "http://127.0.0.1:" + strings.TrimSpace(port)
	return r
}

// send posts an event as Recado does, and wants the relay's status.
func (r *relay) send(id, body string, key webhook.Secret, want int) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	webhook.Sign(req.Header, id, time.Now(), []byte(body), key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != want {
		r.t.Errorf("%s: the relay answered %d, want %d", id, res.StatusCode, want)
	}
}

// nothing wants no request at the other system; whatever was relayed is there when the relay has answered.
func (r *relay) nothing(what string) {
	r.t.Helper()
	select {
	case got := <-r.got:
		r.t.Errorf("%s: got %s, want nothing relayed", what, got.body)
	default:
	}
}

// message takes what was relayed, and compares its body with JSON.
func (r *relay) message(what, want string) http.Header {
	r.t.Helper()
	select {
	case got := <-r.got:
		var g, w any
		if json.Unmarshal([]byte(got.body), &g) != nil || json.Unmarshal([]byte(want), &w) != nil {
			r.t.Fatalf("%s: got %s, want %s", what, got.body, want)
		}
		gj, _ := json.Marshal(g)
		wj, _ := json.Marshal(w)
		if !bytes.Equal(gj, wj) {
			r.t.Errorf("%s: got %s, want %s", what, gj, wj)
		}
		return got.header
	default:
		r.t.Fatalf("%s: nothing was relayed", what)
		return nil
	}
}

// result is the body of a result; fields of data may be replaced.
func result(typ, status, data string) string {
	return `{"type": "` + typ + `", "id": "evt_1", "timestamp": "2026-11-21T10:07:00.123Z", "protocolo": "6f1c", "router_id": "<RTR&42>",
		"status": "` + status + `", "data": {"action": "reboot", "client_ref": "case-8812", "sequence": 17, "final": true,
		"device": {"id": "202BC1-BM632w-000001"}, "evidence": null, ` + data + `}}`
}

const noReason = `"reason": null, "fault": null`

func TestSlackRecipe(t *testing.T) {
	r := startRelay(t, "Slack")
	fault := result("action.failed", "failure", `"reason": "cpe_fault", "fault": {"source": "cpe", "code": 9002, "string": "Internal <error>"}`)
	r.send("evt_1", fault, webhook.NewSecret(), 401)
	r.nothing("another's signature")
	r.answers <- 500
	r.send("evt_1", fault, r.secret, 502)
	want := `{"text": ":x: reboot of *&lt;RTR&amp;42&gt;*: failure (Internal &lt;error&gt;)\nprotocolo ` + "`6f1c`" + `"}`
	r.message("Slack is away", want)
	r.send("evt_1", fault, r.secret, 204)
	r.message("Slack is back", want)
	r.send("evt_1", fault, r.secret, 204)
	r.nothing("the same event once more")
	r.send("evt_2", result("action.timed_out", "timeout", `"reason": "device_offline", "fault": null`), r.secret, 204)
	r.message("timeout", `{"text": ":hourglass: reboot of *&lt;RTR&amp;42&gt;*: timeout (device_offline)\nprotocolo `+"`6f1c`"+`"}`)
	r.send("evt_3", result("action.succeeded", "success", noReason), r.secret, 204)
	r.send("evt_4", `{"type": "webhook.test", "id": "evt_4", "data": {}}`, r.secret, 204)
	r.nothing("success, and a test")
}

func TestServiceNowRecipe(t *testing.T) {
	r := startRelay(t, "ServiceNow")
	record := func(typ, severity, text string) string {
		return `{"records": [{"source": "Recado", "event_class": "Recado", "node": "202BC1-BM632w-000001", "resource": "<RTR&42>",
			"metric_name": "reboot", "type": "` + typ + `", "severity": "` + severity + `", "message_key": "recado/202BC1-BM632w-000001/reboot",
			"time_of_event": "2026-11-21 10:07:00", "description": "` + text + `", "additional_info": "{\"protocolo\": \"6f1c\"}"}]}`
	}
	r.send("evt_1", result("action.timed_out", "timeout", `"reason": "device_offline", "fault": null`), r.secret, 204)
	h := r.message("timeout", record("action.timed_out", "3", "device_offline"))
	if got := h.Get("Authorization"); got != "Basic cmVjYWRvOnNlY3JldA==" {
		t.Errorf("Authorization: got %q, want the user and password", got)
	}
	r.send("evt_2", result("action.late_result", "success", noReason), r.secret, 204)
	r.message("late success", record("action.late_result", "0", "success"))
	r.send("evt_3", result("action.late_result", "failure", noReason), r.secret, 204)
	r.message("late failure", record("action.late_result", "3", "failure"))
	r.send("evt_4", result("action.succeeded", "success", noReason), r.secret, 204)
	r.message("success", record("action.succeeded", "0", "success"))
	r.send("evt_5", `{"type": "device.added", "id": "evt_5", "data": {}}`, r.secret, 204)
	r.nothing("another event")
}

func TestCRMRecipe(t *testing.T) {
	r := startRelay(t, "A CRM")
	r.send("evt_1", result("action.succeeded", "success", noReason), r.secret, 204)
	h := r.message("success", `{"case": "case-8812", "text": "The router was restarted and is back.", "final": true, "protocol": "6f1c",
		"occurred_at": "2026-11-21T10:07:00.123Z"}`)
	if h.Get("X-Api-Key") != "k1" || h.Get("Idempotency-Key") != "evt_1" {
		t.Errorf("headers: got %v, want the key and the event's id", h)
	}
	r.send("evt_2", strings.Replace(result("action.failed", "failure", noReason), `"client_ref": "case-8812", `, "", 1), r.secret, 204)
	r.send("evt_3", `{"type": "webhook.test", "id": "evt_3", "data": {}}`, r.secret, 204)
	r.nothing("without a case, and a test")
}

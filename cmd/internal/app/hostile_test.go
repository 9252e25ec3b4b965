package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/cmd/internal/app"
	"recado/webhook"
)

// Secrets of the siege: after all attacks they must be nowhere but in the files that operators wrote them to.
const (
	secretCPE    = "MARKERcpepassword"
	secretDoor   = "MARKERdoorpassword"
	secretValue  = "MARKERvalue"
	secretGuess  = "MARKERguess"
	secretRogue  = "MARKERroguepassword"
	secretVictim = "MARKERvictimpassword"
	secretHook   = "MARKER-webhook-secret-as-text"
)

// growthLimit bounds the heap that an attack may leave behind.
const growthLimit = 128 << 20

// siege is a server under attack, with a bolt file and digest for devices, and a canary of normal service beside the attacks.
type siege struct {
	t      *testing.T
	s      *server
	cfg    app.Config
	dir    string
	admin  *client.Client
	rogue  wire.ClientCreated // the API client that attackers hold
	canary *canary
	heap   uint64

	mu sync.Mutex
	// told is what attackers were told: replies of the CWMP listener, and refusals of the API.
	told bytes.Buffer
	// tokens are secrets made in the run.
	tokens []string
	// hooks are the bodies that attackers' receivers got.
	hooks [][]byte
	// epilogues run when all attacks are over: what takes the server a while to end.
	epilogues []func(*testing.T)
	// proof is a protocolo that has its verdict, and waiting one that has none.
	proof, waiting string
}

// TestHostile attacks a server from all sides, on real listeners with real files. After each attack normal service must have gone
// on beside it, and the memory must be free again; after all of them the logs, files and replies must hold no secret.
func TestHostile(t *testing.T) {
	a := besiege(t)
	for _, front := range []struct {
		name    string
		attacks func(*siege) map[string]func(*testing.T)
	}{
		{"slow", (*siege).slowAttacks}, // first: its connections stay for the rest
		{"messages", (*siege).messageAttacks},
		{"identity", (*siege).identityAttacks},
		{"sessions", (*siege).sessionAttacks},
		{"passwords", (*siege).passwordAttacks},
		{"api", (*siege).apiAttacks},
		{"rights", (*siege).rightsAttacks},
		{"parameters", (*siege).parameterAttacks},
		{"rings", (*siege).ringAttacks},
		{"receivers", (*siege).receiverAttacks},
	} {
		t.Run(front.name, func(t *testing.T) {
			for name, attack := range front.attacks(a) {
				t.Run(name, func(t *testing.T) { a.attack(t, attack) })
			}
		})
	}
	for _, epilogue := range a.epilogues {
		epilogue(t)
	}
	a.canary.stop(t)
	a.search(t)
}

// besiege starts the server and the canary.
func besiege(t *testing.T) *siege {
	a := &siege{t: t, dir: t.TempDir()}
	file := filepath.Join(a.dir, "cpe-credentials")
	if err := os.WriteFile(file, []byte("fleet:"+secretCPE+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.cfg = devConfig()
	a.cfg.CWMPAuth, a.cfg.CWMPCredentialsFile = "digest", file
	a.cfg.Store = "bolt://" + filepath.Join(a.dir, "data", "recado.db")
	a.cfg.ProvisionConnectionRequest = false // attackers count what they are sent
	a.s = start(t, a.cfg)
	var err error
	if a.admin, err = client.New(a.s.APIURL, adminToken); err != nil {
		t.Fatal(err)
	}
	a.tokens = append(a.tokens, adminToken)
	a.rogue = a.newClient(t, wire.ClientCreate{Name: "rogue"})
	a.canary = a.startCanary(t)
	a.heap = heap()
	return a
}

func (a *siege) newClient(t *testing.T, in wire.ClientCreate) wire.ClientCreated {
	t.Helper()
	made, err := a.admin.CreateClient(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens = append(a.tokens, made.Token, made.ClientSecret)
	return made
}

// attack runs one attack and then looks at what it did to others.
func (a *siege) attack(t *testing.T, f func(*testing.T)) {
	before := a.canary.rounds()
	began := time.Now()
	f(t)
	a.canary.goesOn(t, before)
	if used := heap(); used > a.heap+growthLimit {
		t.Errorf("heap after the attack: got %d MiB more than before all of them, want at most %d", (used-a.heap)>>20, growthLimit>>20)
	}
	t.Logf("took %v", time.Since(began).Round(time.Millisecond))
}

// heap is what is in use once the garbage is gone.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (a *siege) hear(text []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told.Write(text)
	a.told.WriteByte('\n')
}

// reply is what a raw request to the API got.
type reply struct {
	status  int
	header  http.Header
	text    string
	problem wire.Problem
}

// raw sends a request to the API as it is.
func (a *siege) raw(t *testing.T, method, path, token, body string, header ...string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, a.s.APIURL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatalf("%s %.80s: %v", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := reply{status: res.StatusCode, header: res.Header, text: string(text)}
	if res.StatusCode >= http.StatusBadRequest {
		a.hear(text)
		if res.Header.Get("Content-Type") == wire.ProblemType {
			if err := json.Unmarshal(text, &got.problem); err != nil {
				t.Errorf("%s %.80s: problem is no JSON: %v", method, path, err)
			}
		}
	}
	return got
}

// refused checks that a reply is the problem that is wanted.
func refused(t *testing.T, what string, got reply, status int, code string) {
	t.Helper()
	if got.status != status || got.problem.Code != code {
		t.Errorf("%s: got %d %.300s, want %d with code %s", what, got.status, got.text, status, code)
	}
}

// accept asks for something that is right, and returns its protocolo.
func (a *siege) accept(t *testing.T, path, token, body string) string {
	t.Helper()
	got := a.raw(t, http.MethodPost, path, token, body)
	var receipt wire.Receipt
	if err := json.Unmarshal([]byte(got.text), &receipt); err != nil || got.status != http.StatusAccepted {
		t.Fatalf("POST %s: got %d %.200s, want 202", path, got.status, got.text)
	}
	return receipt.Protocolo
}

// protocol reads a protocolo of the rogue client.
func (a *siege) protocol(t *testing.T, id string) wire.Protocol {
	t.Helper()
	var p wire.Protocol
	got := a.raw(t, http.MethodGet, "/api/v1/protocols/"+id, a.rogue.Token, "")
	if err := json.Unmarshal([]byte(got.text), &p); err != nil || got.status != http.StatusOK {
		t.Fatalf("protocol: got %d %.200s, want 200", got.status, got.text)
	}
	return p
}

// register makes an endpoint of the rogue client's.
func (a *siege) register(t *testing.T, in wire.WebhookCreate) wire.WebhookCreated {
	t.Helper()
	var made wire.WebhookCreated
	if code := a.s.call(http.MethodPost, "/api/v1/webhooks", a.rogue.Token, in, &made); code != http.StatusCreated {
		t.Fatalf("register: got %d, want 201", code)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	secret, err := webhook.ParseSecret(made.Secret)
	if err != nil {
		t.Fatal(err)
	}
	a.tokens = append(a.tokens, secret.Text())
	return made
}

// eventually polls until ok, or fails after a while.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for !ok() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, within)
		}
	}
}

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"recado/acs/wire"
	"recado/cmd/internal/app"
	"recado/cwmp"
	"recado/cwmp/cwmptest"
	"recado/webhook"
	"recado/webhook/webhooktest"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(benchServeEnv); mode != "" {
		benchServe(mode)
		return
	}
	goleak.VerifyTestMain(m)
}

const adminToken = "an-admin-token-of-forty-characters-or-so"

// server is a running App.
type server struct {
	app.Running
	t    *testing.T
	logs *syncBuffer
	stop func() error
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func devConfig() app.Config {
	cfg := app.DefaultConfig()
	cfg.Store, cfg.Dev, cfg.AdminToken, cfg.ShutdownDelay = "memory:", true, adminToken, 0
	return cfg
}

func listener(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs an App until the test's end.
func start(t *testing.T, cfg app.Config) *server {
	t.Helper()
	s := &server{t: t, logs: &syncBuffer{}}
	started := make(chan app.Running, 1)
	a, err := app.New(cfg, app.Options{
		Logger: slog.New(slog.NewJSONHandler(s.logs, nil)), Version: "test",
		APIListener: listener(t), CWMPListener: listener(t), OnStart: func(r app.Running) { started <- r },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("Run ended with %v, want nil", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	select {
	case s.Running = <-started:
	case err := <-ended:
		ended <- err
		t.Fatalf("Run ended at once: %v\n%s", err, s.logs)
	}
	return s
}

// call sends a request and decodes the reply into out; it returns the status.
func (s *server) call(method, path, token string, in, out any) int {
	s.t.Helper()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			s.t.Fatal(err)
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.APIURL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			s.t.Fatalf("%s %s: %d %s: %v", method, path, res.StatusCode, text, err)
		}
	}
	return res.StatusCode
}

// receiver serves a webhook receiver and returns its URL.
func receiver(t *testing.T, r *webhooktest.Receiver) string {
	t.Helper()
	if r.Check == nil {
		r.Check = checkBodies(t)
	}
	l := listener(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	t.Cleanup(func() { cancel(); <-done })
	return "http://" + l.Addr().String() + "/hook"
}

// cpe runs a simulated device until the test's end.
func cpe(t *testing.T, cfg cwmptest.Config) *cwmptest.Device {
	t.Helper()
	d := cwmptest.New(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("device: %v", err)
		}
	})
	return d
}

// follow waits for the protocolo's final status.
func (s *server) follow(protocolo string) wire.Protocol {
	s.t.Helper()
	for range 30 {
		var p wire.Protocol
		if code := s.call(http.MethodGet, "/api/v1/protocols/"+protocolo+"?wait=5s", adminToken, nil, &p); code != http.StatusOK {
			s.t.Fatalf("protocol: got %d, want 200", code)
		}
		if p.Final() {
			return p
		}
	}
	s.t.Fatal("protocol has no final status after 30 changes")
	return wire.Protocol{}
}

func (s *server) waitDevice(id string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		var d wire.Device
		if s.call(http.MethodGet, "/api/v1/devices/"+id, adminToken, nil, &d) == http.StatusOK && d.Reported != nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	s.t.Fatalf("device %s never called in\n%s", id, s.logs)
}

// TestWholeJob runs a reboot and a parameter update over real listeners, to the verified webhooks.
func TestWholeJob(t *testing.T) {
	for _, store := range []string{"memory", "bolt"} {
		t.Run(store, func(t *testing.T) {
			cfg := devConfig()
			if store == "bolt" {
				cfg.Store = "bolt://" + filepath.Join(t.TempDir(), "recado.db")
			}
			wholeJob(t, start(t, cfg))
		})
	}
}

func wholeJob(t *testing.T, s *server) {
	secret := webhook.NewSecret().Text()
	r := &webhooktest.Receiver{Secrets: []string{secret}}
	url := receiver(t, r)
	if code := s.call(http.MethodPost, "/api/v1/webhooks", adminToken, wire.WebhookCreate{URL: url, Secret: secret}, nil); code != http.StatusCreated {
		t.Fatalf("register: got %d, want 201", code)
	}
	d := cpe(t, cwmptest.Config{
		DeviceID: cwmp.DeviceID{OUI: "00259E", ProductClass: "HG8245H", SerialNumber: "485754430001"}, ACSURL: s.CWMPURL,
		BootDelay: 50 * time.Millisecond,
	})
	s.waitDevice(d.ID().Key())

	var receipt wire.Receipt
	if code := s.call(http.MethodPost, "/api/v1/devices/reboot", adminToken, wire.RebootRequest{RouterID: "485754430001"}, &receipt); code != http.StatusAccepted {
		t.Fatalf("reboot: got %d, want 202", code)
	}
	if p := s.follow(receipt.Protocolo); p.Status != "success" || p.Evidence == nil || p.Evidence.Kind != "m_reboot" {
		t.Errorf("reboot: got %s with evidence %+v, want success with m_reboot", p.Status, p.Evidence)
	}
	update := wire.ParametersUpdateRequest{RouterID: "485754430001", Parameters: wire.Parameters{
		{Name: "InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.SSID", Value: json.RawMessage(`"Recado"`)},
	}, Verify: true}
	if code := s.call(http.MethodPost, "/api/v1/devices/parameters/update", adminToken, update, &receipt); code != http.StatusAccepted {
		t.Fatalf("update: got %d, want 202", code)
	}
	if p := s.follow(receipt.Protocolo); p.Status != "success" || p.Verified == nil || !*p.Verified {
		t.Errorf("update: got %s (%v), verified %v, want success, verified", p.Status, p.ReasonDetail, p.Verified)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	arrivals, err := r.Wait(ctx, 2)
	if err != nil {
		t.Fatalf("got %d webhooks, want 2\n%s", len(arrivals), s.logs)
	}
	for _, a := range arrivals {
		var e wire.ActionEvent
		if err := json.Unmarshal(a.Body, &e); err != nil {
			t.Fatal(err)
		}
		if !a.Verified() || e.Type != wire.ActionSucceeded {
			t.Errorf("webhook %s: verified %t (%v), want action.succeeded, verified", e.Type, a.Verified(), a.Err)
		}
	}
	if n := len(d.Reboots()); n != 1 {
		t.Errorf("device was rebooted %d times, want 1", n)
	}
}

func TestWebhookToOwnListenerIsRefused(t *testing.T) {
	s := start(t, devConfig())
	for _, url := range []string{s.APIURL + "/api/v1/devices", s.CWMPURL, "http://169.254.169.254/", "https://10.0.0.1/"} {
		var p wire.Problem
		code := s.call(http.MethodPost, "/api/v1/webhooks", adminToken, wire.WebhookCreate{URL: url}, &p)
		if code != http.StatusBadRequest || p.Field != "url" {
			t.Errorf("register %s: got %d %+v, want 400 about url", url, code, p)
		}
	}
}

func TestHealthNeedsNoToken(t *testing.T) {
	s := start(t, devConfig())
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/openapi.yaml"} {
		if code := s.call(http.MethodGet, path, "", nil, nil); code != http.StatusOK {
			t.Errorf("GET %s: got %d, want 200", path, code)
		}
	}
	if code := s.call(http.MethodGet, "/api/v1/devices", "", nil, nil); code != http.StatusUnauthorized {
		t.Errorf("devices without a token: got %d, want 401", code)
	}
	if code := s.call(http.MethodGet, "/api/v1/devices", adminToken+"x", nil, nil); code != http.StatusUnauthorized {
		t.Errorf("devices with a wrong token: got %d, want 401", code)
	}
}

func TestFirstAdminToken(t *testing.T) {
	dir := t.TempDir()
	cfg := devConfig()
	cfg.AdminToken = ""
	cfg.Store = "bolt://" + filepath.Join(dir, "data", "recado.db")
	s := start(t, cfg)
	file := filepath.Join(dir, "data", "admin-token")
	if s.AdminTokenFile != file {
		t.Fatalf("admin token file: got %q, want %q", s.AdminTokenFile, file)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the token's file: got %04o, want 0600", info.Mode().Perm())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(text))
	if code := s.call(http.MethodGet, "/api/v1/clients", token, nil, nil); code != http.StatusOK {
		t.Errorf("clients with the made token: got %d, want 200", code)
	}
	if strings.Contains(s.logs.String(), token) {
		t.Error("the log holds the token")
	}
	if !strings.Contains(s.logs.String(), file) {
		t.Error("the log does not tell where the token is")
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, cfg)
	if again.AdminTokenFile != "" {
		t.Errorf("second start made a token in %s, want none", again.AdminTokenFile)
	}
	if code := again.call(http.MethodGet, "/api/v1/clients", token, nil, nil); code != http.StatusOK {
		t.Errorf("clients with the made token after a restart: got %d, want 200", code)
	}
}

func TestStopEndsLongPolls(t *testing.T) {
	s := start(t, devConfig())
	put := map[string]any{"router_id": "RTR-1"}
	if code := s.call(http.MethodPut, "/api/v1/devices/00259E-HG8245H-1", adminToken, put, nil); code != http.StatusCreated && code != http.StatusOK {
		t.Fatalf("put device: got %d", code)
	}
	var receipt wire.Receipt
	if code := s.call(http.MethodPost, "/api/v1/devices/reboot", adminToken, wire.RebootRequest{RouterID: "RTR-1"}, &receipt); code != http.StatusAccepted {
		t.Fatalf("reboot: got %d, want 202", code)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.APIURL+"/api/v1/protocols/"+receipt.Protocolo+"?wait=60s", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+adminToken)
	answered := make(chan int, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			answered <- 0
			return
		}
		res.Body.Close()
		answered <- res.StatusCode
	}()
	begin := time.Now()
	if err := s.stop(); err != nil {
		t.Fatalf("stop: got %v, want nil", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("stop took %s with a long poll open, want it not to wait for the poll", took)
	}
	// 503 where the poll had begun; a broken connection where the stop was faster.
	if code := <-answered; code != http.StatusServiceUnavailable && code != 0 {
		t.Errorf("long poll at the stop: got %d, want 503", code)
	}
}

func TestRefusesToStartWithoutCredentials(t *testing.T) {
	for _, auth := range []string{"digest", "basic"} {
		cfg := devConfig()
		cfg.CWMPAuth = auth
		a, err := app.New(cfg, app.Options{APIListener: listener(t), CWMPListener: listener(t)})
		if err != nil {
			t.Fatal(err)
		}
		err = a.Run(t.Context())
		var field *app.FieldError
		if !errors.As(err, &field) || field.Field != "cwmp-auth" || !strings.Contains(err.Error(), "--cwmp-credentials-file") {
			t.Errorf("Run with %s and no credentials: got %v, want it to say how to give them", auth, err)
		}
	}
}

func TestDigestWithCredentialsFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "cpe")
	lines := "# devices\ncommon:a pass:word\n\n00259E-X-2 single:other\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := devConfig()
	cfg.CWMPAuth, cfg.CWMPCredentialsFile = "digest", file
	s := start(t, cfg)
	device := func(serial, user, password string) *cwmptest.Device {
		return cpe(t, cwmptest.Config{
			DeviceID: cwmp.DeviceID{OUI: "00259E", ProductClass: "X", SerialNumber: serial}, ACSURL: s.CWMPURL, Username: user, Password: password,
		})
	}
	device("1", "common", "a pass:word")
	device("2", "single", "other")
	s.waitDevice("00259E-X-1")
	s.waitDevice("00259E-X-2")
	stranger := device("3", "single", "other") // another device's credential
	wrong := device("4", "common", "wrong")
	for _, d := range []*cwmptest.Device{stranger, wrong} {
		for d.Sessions().Failed == 0 {
			select {
			case <-time.After(10 * time.Millisecond):
			case <-t.Context().Done():
			}
		}
		if code := s.call(http.MethodGet, "/api/v1/devices/"+d.ID().Key(), adminToken, nil, nil); code != http.StatusNotFound {
			t.Errorf("device %s with a credential that is not its own: got %d, want 404", d.ID().Key(), code)
		}
	}
}

func TestCredentialsFileErrors(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no colon":    {"user\n", "line 1"},
		"no password": {"# x\nMARKER:\n", "line 2"},
		"no user":     {":MARKER\n", "line 1"},
		"twice":       {"a:MARKER\nb:x\na:y\n", "line 3 has the user name of line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "cpe")
			if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg := devConfig()
			cfg.CWMPCredentialsFile = file
			_, err := app.New(cfg, app.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "MARKER") {
				t.Errorf("New: got %v, want it to say %q and nothing of the line", err, tc.want)
			}
		})
	}
	cfg := devConfig()
	cfg.CWMPCredentialsFile = filepath.Join(t.TempDir(), "none")
	if _, err := app.New(cfg, app.Options{}); err == nil {
		t.Error("New with a file that is missing: got nil, want an error")
	}
}

func TestPortInUse(t *testing.T) {
	l := listener(t)
	defer l.Close()
	cfg := devConfig()
	cfg.APIListen = l.Addr().String()
	cwmpListener := listener(t)
	a, err := app.New(cfg, app.Options{CWMPListener: cwmpListener})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--api-listen") {
		t.Errorf("Run: got %v, want an error about --api-listen", err)
	}
}

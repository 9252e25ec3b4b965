package docs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recado/acs"
	"recado/store/memstore"
	"recado/webhook"
)

// TestSigner runs the program of ixc.md that signs a JWT, and exchanges what it prints.
func TestSigner(t *testing.T) {
	node := program(t, "node")
	code := blocks(t, "ixc.md", "js")["Tokens"]
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key) // the form that openssl ecparam -genkey writes
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"jwt.mjs": code, "key.pem": string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	svc, err := acs.NewService(memstore.New(), acs.ServiceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := svc.CreateClient(t.Context(), acs.NewClient{
		Name: "ixc", PublicKey: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "jwt.mjs", "key.pem", made.ClientID)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("jwt.mjs: %v\n%s", err, out)
	}
	got, err := svc.ExchangeJWT(t.Context(), strings.TrimSpace(string(out)))
	if err != nil || got.Client.ID != made.ClientID {
		t.Errorf("the JWT %s: got %v, want it taken", out, err)
	}
}

// TestIXCIsDocumented holds numbers of ixc.md to the program's.
func TestIXCIsDocumented(t *testing.T) {
	text := strings.Join(strings.Fields(read(t, "ixc.md")), " ")
	for _, want := range []string{
		fmt.Sprintf("the newest %d hold", acs.MaxFetchedTokens),
		fmt.Sprintf("the clocks may be %d s apart", acs.JWTSkew/time.Second),
		fmt.Sprintf("At most %s from `iat` to `exp`", map[time.Duration]string{time.Hour: "an hour"}[acs.MaxJWTLife]),
		"tokens hold for 86,400 s",
		"the protocolo `" + webhook.LegacyTestProtocolo + "`, the router `" + webhook.LegacyTestRouterID + "`",
		"`status` is `" + webhook.LegacySuccess + "`, or `" + webhook.LegacyError + "`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("ixc.md does not say %q", want)
		}
	}
	if acs.MaxTokenTTL != 86_400*time.Second {
		t.Errorf("tokens hold for %v at the most; ixc.md says 86,400 s", acs.MaxTokenTTL)
	}
	at := webhook.Event{Type: "action.failed", Protocolo: "p", Time: time.Date(2026, 11, 25, 18, 18, 14, 0, time.UTC), Body: []byte(`{"router_id":"SIM000001","status":"success"}`)}
	at.Protocolo = "01a213ee-01b3-7d22-8ee2-3195958d4045"
	body := string(webhook.Body(at, &webhook.Delivery{Format: webhook.FormatLegacy, TimeZone: "America/Sao_Paulo"}))
	if !strings.Contains(read(t, "ixc.md"), "\n"+body+"\n") {
		t.Errorf("ixc.md does not show %s", body)
	}
}

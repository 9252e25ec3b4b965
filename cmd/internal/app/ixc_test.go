package app_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"recado/cwmp"
	"recado/cwmp/cwmptest"
	"recado/webhook/webhooktest"
)

// oldSystem is a system written for IXC ACS. It knows nothing of Recado but a host, an id, a secret and a key: no type of ours, and no
// path or field that public clients of IXC ACS do not have.
type oldSystem struct {
	t               *testing.T
	url, id, secret string
	key             *ecdsa.PrivateKey
	accessToken     string
	serial          string
}

// call makes a request with the token, and gives status and body.
func (o *oldSystem) call(method, path, contentType string, body []byte) (int, map[string]any) {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, o.url+path, bytes.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if o.accessToken != "" {
		r.Header.Set("Authorization", "Bearer "+o.accessToken)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		o.t.Fatalf("%s %s: %d %s: %v", method, path, res.StatusCode, text, err)
	}
	return res.StatusCode, out
}

// login fetches a token by id and secret.
func (o *oldSystem) login(path string) {
	o.t.Helper()
	form := url.Values{"client_id": {o.id}, "client_secret": {o.secret}}.Encode()
	status, got := o.call(http.MethodPost, path, "application/x-www-form-urlencoded", []byte(form))
	token, _ := got["access_token"].(string)
	seconds, _ := got["expires_in"].(float64)
	at, err := time.Parse(time.RFC3339, fmt.Sprint(got["expires_at"]))
	if status != http.StatusOK || token == "" || got["token_type"] != "Bearer" || seconds != 3600 || err != nil || time.Until(at) > time.Hour {
		o.t.Fatalf("%s: got %d %v", path, status, got)
	}
	o.accessToken = token
}

// loginByKey swaps a JWT for a token.
func (o *oldSystem) loginByKey() {
	o.t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	input := b64([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + b64([]byte(fmt.Sprintf(`{"iss":%q,"exp":%d,"iat":%d}`, o.id, now+60, now)))
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, o.key, sum[:])
	if err != nil {
		o.t.Fatal(err)
	}
	o.accessToken = input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	status, got := o.call(http.MethodGet, "/api/v1/token", "", nil)
	token, _ := got["token"].(string)
	if status != http.StatusOK || token == "" || got["access_token"] != token {
		o.t.Fatalf("GET /api/v1/token: got %d %v", status, got)
	}
	o.accessToken = token
}

// online looks the device up by its serial number, until it is there.
func (o *oldSystem) online(version string) {
	o.t.Helper()
	query := "?pagination[pageSize]=50&pagination[currentPage]=1&sorting[sortBy]=lastInform&sorting[sortOrder]=desc&search[column]=serialNumber&search[search]=" +
		o.serial + "&filters[0][0][type]=boolean&filters[0][0][accessor]=status&filters[0][0][operator]=equal&filters[0][0][value]=true"
	for range 200 {
		status, got := o.call(http.MethodGet, "/api/"+version+"/devices/views/natural"+query, "", nil)
		registers, _ := got["registers"].([]any)
		if status != http.StatusOK || got["hasNextPage"] != false {
			o.t.Fatalf("natural view: got %d %v", status, got)
		}
		if len(registers) == 1 {
			r := registers[0].(map[string]any)
			if r["serialNumber"] != o.serial || r["status"] != true || r["deviceInfo"].(map[string]any)["softwareVersion"] == nil {
				o.t.Fatalf("register: got %v", r)
			}
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-o.t.Context().Done():
		}
	}
	o.t.Fatal("the device never came online")
}

// accepted checks a receipt, and takes its protocol number.
func (o *oldSystem) accepted(status int, got map[string]any) string {
	o.t.Helper()
	p, _ := got["protocolo"].(string)
	if status < 200 || status > 299 || len(p) != 36 {
		o.t.Fatalf("got %d %v, want a protocolo", status, got)
	}
	return p
}

func (o *oldSystem) update(name string, value any, typ string) string {
	o.t.Helper()
	body, err := json.Marshal([]map[string]any{{"parameter": name, "value": value, "type": typ}})
	if err != nil {
		o.t.Fatal(err)
	}
	return o.accepted(o.call(http.MethodPost, "/api/v2/devices/"+o.serial+"/parameters/update", "application/json", body))
}

// told waits for the webhook of a protocolo, and reads it as a receiver that chokes on anything but four texts.
func (o *oldSystem) told(r *webhooktest.Receiver, n int, protocolo, router, status string, zone *time.Location) {
	o.t.Helper()
	arrivals, err := r.Wait(o.t.Context(), n)
	if err != nil {
		o.t.Fatal(err)
	}
	a := arrivals[n-1]
	var got map[string]string
	if err := json.Unmarshal(a.Body, &got); err != nil {
		o.t.Fatalf("webhook %s: %v", a.Body, err)
	}
	at := got["timestamp"]
	want := map[string]string{"protocolo": protocolo, "router_id": router, "status": status, "timestamp": at}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		o.t.Errorf("webhook: got %s, want %v", a.Body, want)
	}
	var near []string
	for back := range 120 {
		near = append(near, a.At.Add(-time.Duration(back)*time.Second).In(zone).Format("15:04:05"))
	}
	if !slices.Contains(near, at) {
		o.t.Errorf("timestamp: got %s, want the time of day in %v, %s or just before", at, zone, near[0])
	}
	if !a.Verified() || a.Method != http.MethodPost {
		o.t.Errorf("webhook: got %s, %v; want a POST with a good signature over these bytes", a.Method, a.Err)
	}
}

// TestSystemWrittenForIXC has a provider's administrator fill in a client's form, and a system that was written for IXC ACS work with it.
func TestSystemWrittenForIXC(t *testing.T) {
	for _, store := range []string{"memory", "bolt"} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			cfg := devConfig()
			if store == "bolt" {
				cfg.Store = "bolt://" + filepath.Join(t.TempDir(), "recado.db")
			}
			s := start(t, cfg)
			o := &oldSystem{t: t, url: s.APIURL, serial: "485754430042"}
			var err error
			if o.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKIXPublicKey(&o.key.PublicKey)
			if err != nil {
				t.Fatal(err)
			}
			zone, err := time.LoadLocation("America/Sao_Paulo")
			if err != nil {
				t.Fatal(err)
			}
			r := &webhooktest.Receiver{}
			var made struct {
				ID     string `json:"client_id"`
				Secret string `json:"client_secret"`
				Hook   struct {
					ID     string `json:"id"`
					Secret string `json:"secret"`
				} `json:"webhook"`
			}
			form := map[string]any{
				"name": "IXC Provedor", "type": "erp", "token_ttl_seconds": 3600, "legacy": true, "time_zone": "America/Sao_Paulo",
				"public_key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "webhook": map[string]any{"url": receiver(t, r)},
			}
			if code := s.call(http.MethodPost, "/api/v1/clients", adminToken, form, &made); code != http.StatusCreated {
				t.Fatalf("client: got %d, want 201", code)
			}
			o.id, o.secret = made.ID, made.Secret
			r.SetSecrets(made.Hook.Secret)
			d := cpe(t, cwmptest.Config{
				DeviceID: cwmp.DeviceID{OUI: "00259E", ProductClass: "HG8245H", SerialNumber: o.serial}, ACSURL: s.CWMPURL, BootDelay: 50 * time.Millisecond,
			})
			s.waitDevice(d.ID().Key())

			o.login("/api/v1/token/oauth")
			o.online("v1")
			p := o.update("InternetGatewayDevice.LANDevice.1.WLANConfiguration.1.Channel", 11, "xsd:unsignedInt")
			o.told(r, 1, p, o.serial, "success", zone)

			o.accessToken = ""
			o.login("/api/v2/token/oauth")
			o.online("v2")
			p = o.accepted(o.call(http.MethodPost, "/api/v1/devices/reboot/", "application/json", []byte(`{"router_id": "`+o.serial+`"}`)))
			o.told(r, 2, p, o.serial, "success", zone)

			o.accessToken = ""
			o.loginByKey()
			p = o.update("InternetGatewayDevice.NoSuch.Parameter", "x", "xsd:string")
			o.told(r, 3, p, o.serial, "error", zone)
			if code := s.call(http.MethodPost, "/api/v1/webhooks/"+made.Hook.ID+"/test", o.accessToken, nil, nil); code != http.StatusAccepted {
				t.Errorf("test: got %d, want 202", code)
			}
			o.told(r, 4, "00000000-0000-0000-0000-000000000000", "TEST", "success", zone)

			o.accessToken = "rcd_wrongwrongwrongwrongwrongwrong"
			if status, got := o.call(http.MethodGet, "/api/v1/devices/views/natural", "", nil); status != http.StatusUnauthorized || got["message"] == "" {
				t.Errorf("a wrong token: got %d %v, want 401 with a message", status, got)
			}
			o.secret += "x"
			form2 := url.Values{"client_id": {o.id}, "client_secret": {o.secret}}.Encode()
			status, got := o.call(http.MethodPost, "/api/v1/token/oauth", "application/x-www-form-urlencoded", []byte(form2))
			if status != http.StatusUnauthorized || got["error"] != "invalid_client" || !strings.Contains(fmt.Sprint(got["message"]), "client_secret") {
				t.Errorf("a wrong secret: got %d %v, want 401 invalid_client with a message", status, got)
			}
		})
	}
}

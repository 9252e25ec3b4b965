package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"recado/cwmp"
)

// sessionAttacks are on sessions that others hold.
func (a *siege) sessionAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){"second session": a.secondSession, "stolen cookie": a.stolenCookie}
}

func (a *siege) secondSession(t *testing.T) {
	id := a.deviceWith(t, "twice", secretVictim)
	p := a.reboot(t, "twice")
	one, two, three := a.newRogue(t, "127.0.3.1", "user-twice", secretVictim), a.newRogue(t, "127.0.3.2", "user-twice", secretVictim), a.newRogue(t, "127.0.3.3", "user-twice", secretVictim)
	one.login(informOf(id, "2 PERIODIC", "", ""))
	two.login(informOf(id, "2 PERIODIC", "", ""))
	if got := two.post(""); got.method() != "Reboot" {
		t.Fatalf("turn of the newer session: got %d %.200s, want Reboot", got.status, got.body)
	}
	if got := one.post(""); got.status != http.StatusNoContent {
		t.Errorf("turn of the older session: got %d %.200s, want 204", got.status, got.body)
	}
	three.login(informOf(id, "2 PERIODIC", "", ""))
	for range 3 {
		if got := three.post(""); got.method() == "Reboot" {
			t.Error("the reboot was handed out twice")
		}
	}
	if got := two.post(envelope(rebootResponse)); got.status != http.StatusBadRequest {
		t.Errorf("an answer in a session that was replaced: got %d, want 400", got.status)
	}
	three.login(informOf(id, "M Reboot", commandKey(p), ""))
	if got := a.protocol(t, p); got.Status != "success" {
		t.Errorf("after the boot: got %s, want success", got.Status)
	}
}

func (a *siege) stolenCookie(t *testing.T) {
	id := a.deviceWith(t, "cookie", secretVictim)
	a.deviceWith(t, "thief", secretRogue)
	p := a.reboot(t, "cookie")
	victim := a.newRogue(t, "127.0.3.4", "user-cookie", secretVictim)
	victim.login(informOf(id, "2 PERIODIC", "", ""))
	for source, user := range map[string]string{"127.0.3.5": "user-cookie", "127.0.3.4": "user-thief"} {
		thief := a.newRogue(t, source, user, secretRogue)
		thief.challenged(thief.post(knock))
		for _, body := range []string{"", envelope(rebootResponse), envelope("<cwmp:GetRPCMethods/>")} {
			got := thief.post(body, "Cookie", victim.cookie, "Authorization", thief.answer())
			if got.status != http.StatusBadRequest || got.method() != "" {
				t.Errorf("stolen cookie from %s as %s: got %d %.200s, want 400", source, user, got.status, got.body)
			}
		}
	}
	if got := victim.post(""); got.method() != "Reboot" || !strings.Contains(got.body, commandKey(p)) {
		t.Errorf("the victim's turn after that: got %d %.200s, want its Reboot", got.status, got.body)
	}
}

// pipelined sends all of a session at once: each turn is taken once.
func (a *siege) pipelined(t *testing.T) {
	id := a.deviceWith(t, "pipeline", secretVictim)
	a.reboot(t, "pipeline")
	r := a.newRogue(t, "127.0.3.6", "user-pipeline", secretVictim)
	r.challenged(r.post(knock))
	host := strings.TrimPrefix(a.s.CWMPURL, "http://")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	inform := informOf(id, "2 PERIODIC", "", "")
	all := fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s", host, r.answer(), len(inform), inform)
	all += repeat("POST / HTTP/1.1\r\nHost: "+host+"\r\nContent-Length: 0\r\n\r\n", 5)
	if _, err := io.WriteString(conn, all); err != nil {
		t.Fatal(err)
	}
	var got []string
	in := bufio.NewReader(conn)
	for range 6 {
		res, err := http.ReadResponse(in, &http.Request{Method: http.MethodPost})
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s", res.StatusCode, said{body: string(text)}.method()))
	}
	if want := "200 InformResponse,200 Reboot,204 ,204 ,204 ,204 "; strings.Join(got, ",") != want {
		t.Errorf("pipelined session: got %q, want %q", got, want)
	}
}

// passwordAttacks guess and replay.
func (a *siege) passwordAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){"guessing": a.guessing, "replayed digest": a.replayed}
}

// guessing tries many passwords: of the canary from other addresses, and of others from the canary's own. Who guesses at a name from
// the address of its owner cannot be told from the owner, so that is left out.
func (a *siege) guessing(t *testing.T) {
	var all sync.WaitGroup
	for _, source := range []string{"127.0.0.1", "127.0.4.1", "127.0.4.2"} {
		for _, user := range []string{"canary", "nobody", "fleet"} {
			if source == "127.0.0.1" && user == "canary" {
				continue
			}
			r := a.newRogue(t, source, user, secretGuess)
			all.Go(func() {
				for i := range 60 {
					r.password = fmt.Sprint(secretGuess, i)
					if got := r.login(knock); got.status != http.StatusUnauthorized || got.header.Get("Set-Cookie") != "" {
						t.Errorf("guess at %s: got %d, want 401", user, got.status)
					}
				}
			})
		}
	}
	all.Wait()
	// One who was never seen before gets in from an address that did not guess.
	id := cwmp.DeviceID{OUI: "00259E", ProductClass: "R", SerialNumber: "after-guesses"}
	r := a.newRogue(t, "127.0.4.3", "fleet", secretCPE)
	if got := r.login(informOf(id, "2 PERIODIC", "", "")); got.method() != "InformResponse" {
		t.Errorf("a true device after the guesses: got %d %.200s, want InformResponse", got.status, got.body)
	}
	if err := a.canary.device.Inform(t.Context(), "2 PERIODIC"); err != nil {
		t.Errorf("the canary after guesses at its password from its address: %v", err)
	}
	if n := a.canary.device.Sessions(); n.Failed != 0 {
		t.Errorf("sessions of the canary that failed: got %d, want 0", n.Failed)
	}
}

func (a *siege) replayed(t *testing.T) {
	id := a.deviceWith(t, "replay", secretVictim)
	r := a.newRogue(t, "127.0.4.4", "user-replay", secretVictim)
	if got := r.login(informOf(id, "2 PERIODIC", "", "")); got.method() != "InformResponse" {
		t.Fatalf("Inform: got %d %.200s, want InformResponse", got.status, got.body)
	}
	for _, source := range []string{"127.0.4.4", "127.0.4.5"} {
		thief := a.newRogue(t, source, "", "")
		got := thief.post(informOf(id, "1 BOOT", "", ""), "Authorization", r.authorization)
		if got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), "stale=true") {
			t.Errorf("the same Authorization again from %s: got %d %v, want 401 with stale=true", source, got.status, got.header["Www-Authenticate"])
		}
		higher := strings.Replace(r.authorization, "nc=00000001", "nc=00000002", 1)
		if got := thief.post(informOf(id, "1 BOOT", "", ""), "Authorization", higher); got.status != http.StatusUnauthorized {
			t.Errorf("with another nc from %s: got %d, want 401", source, got.status)
		}
	}
	made := a.newRogue(t, "127.0.4.6", "user-replay", secretVictim)
	made.nonce = repeat("0", 80)
	if got := made.post(informOf(id, "1 BOOT", "", ""), "Authorization", made.answer()); got.status != http.StatusUnauthorized {
		t.Errorf("a nonce of one's own: got %d, want 401", got.status)
	}
	basic := a.newRogue(t, "127.0.4.6", "", "")
	if got := basic.post(informOf(id, "1 BOOT", "", ""), "Authorization", "Basic dXNlci1yZXBsYXk6TUFSS0VSdmljdGltcGFzc3dvcmQ="); got.status != http.StatusUnauthorized {
		t.Errorf("Basic without TLS: got %d, want 401", got.status)
	}
}

package cwmp_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"recado/cwmp"
)

// throttled is a server with a device that has logged in from an address where somebody else is, too.
type throttled struct {
	*acs
	mode            cwmp.AuthMode
	device, guesser *cpe
	form            []string // headers of the device's requests
	guesses         int
}

// inThrottled runs a story in a bubble, with either scheme.
func inThrottled(t *testing.T, story func(t *testing.T, w *throttled)) {
	for _, mode := range []cwmp.AuthMode{cwmp.AuthBasic, cwmp.AuthDigest} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := startACS(t, cwmp.ServerConfig{Handler: &script{}, Auth: mode, Credentials: passwords{"cpe": "secret"}})
				w := &throttled{
					acs: a, mode: mode, device: a.cpe("203.0.113.9"), guesser: a.cpe("203.0.113.9"),
					form: []string{"User-Agent: gSOAP/2.7", "SOAPAction: ", "Content-Type: text/xml"},
				}
				w.wantLogin("secret")
				story(t, w)
			})
		})
	}
}

// login tries a password once and returns the status.
func (w *throttled) login(c *cpe, password string, form []string) int {
	w.t.Helper()
	header := basic("cpe", password)
	if w.mode == cwmp.AuthDigest {
		header = digestHeader("cpe", password, nonceOf(w.t, c.post(informOf(w.t, "A"))), "00000001", "/acs")
	}
	a := c.post(informOf(w.t, "A"), append([]string{header}, form...)...)
	if a.status == 200 {
		c.wantStatus(204, "")
	}
	return a.status
}

func (w *throttled) wantLogin(password string) {
	w.t.Helper()
	if got := w.login(w.device, password, w.form); got != 200 {
		w.t.Errorf("the device's login after %d guesses: got status %d, want 200", w.guesses, got)
	}
}

// guess tries n wrong passwords in d.
func (w *throttled) guess(n int, d time.Duration, form ...string) {
	w.t.Helper()
	for range n {
		w.guesses++
		if got := w.login(w.guesser, fmt.Sprint("guess", w.guesses), form); got != 401 {
			w.t.Fatalf("guess %d: got status %d, want 401", w.guesses, got)
		}
		time.Sleep(d / time.Duration(n))
	}
}

func (w *throttled) wantChecked(most int) {
	w.t.Helper()
	if n := w.seen.count("auth wrong"); n > most {
		w.t.Errorf("%d passwords were checked, want %d at most", n, most)
	}
}

// Somebody behind the same NAT guesses the password of a device without a pause. The device gets in each time, and the guesses stay few.
func TestAuthThrottleLetsTheKnownDeviceIn(t *testing.T) {
	inThrottled(t, func(_ *testing.T, w *throttled) {
		for range 3 {
			w.guess(300, time.Minute)
			w.wantLogin("secret")
		}
		w.wantChecked(10 + 3*10)
	})
}

// A device that was configured with a wrong password has its own bucket, and no more than that.
func TestAuthThrottleBoundsTheKnownDevice(t *testing.T) {
	inThrottled(t, func(t *testing.T, w *throttled) {
		w.guess(200, 0, w.form...)
		w.wantChecked(100)
		if got := w.login(w.device, "secret", w.form); got != 401 {
			t.Errorf("right password, with a full bucket: got status %d, want 401: it would be let in for a guesser too", got)
		}
		time.Sleep(600 * time.Millisecond)
		w.wantLogin("secret")
		w.wantChecked(100)
		w.guess(600, 2*time.Minute, w.form...)
		w.wantChecked(100 + 2*100 + 1)
	})
}

// The two do not add up without end: a form that has not succeeded is a stranger's, however many there are.
func TestAuthThrottleForgedForms(t *testing.T) {
	inThrottled(t, func(_ *testing.T, w *throttled) {
		for i := range 200 {
			w.guess(1, 0, fmt.Sprintf("User-Agent: forged/%d", i))
		}
		w.wantChecked(10)
		w.wantLogin("secret")
	})
}

// A device whose form has changed is known by its pair still, and its new form once it has got in.
func TestAuthThrottleLearnsANewForm(t *testing.T) {
	inThrottled(t, func(_ *testing.T, w *throttled) {
		w.form[0] = "User-Agent: gSOAP/2.8"
		w.guess(9, 0)
		w.wantLogin("secret")
		w.guess(200, 0)
		w.wantLogin("secret")
		w.form[0] = "User-Agent: gSOAP/2.7"
		w.wantLogin("secret")
	})
}

// Who sends a right answer again that he has heard has not shown that he knows the password.
func TestAuthThrottleReplayMakesNobodyKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _ := digestACS(t)
		device := a.cpe("192.0.2.7")
		right := digestHeader("cpe", "secret", nonceOf(t, device.post(informOf(t, "A"))), "00000001", "/acs")
		device.inform("A", right)
		device.wantStatus(204, "")

		guesser := a.cpe("203.0.113.9")
		for range 20 {
			guesser.wantStatus(401, informOf(t, "A"), right)
		}
		if n := a.seen.count("auth stale"); n != 20 {
			t.Errorf("%d replays were told as stale, want 20: they are no failures", n)
		}
		nonce := nonceOf(t, guesser.post(informOf(t, "A")))
		for range 200 {
			guesser.wantStatus(401, informOf(t, "A"), digestHeader("cpe", "wrong", nonce, "00000001", "/acs"))
		}
		if n := a.seen.count("auth wrong"); n > 10 {
			t.Errorf("%d passwords were checked, want a stranger's 10 at most", n)
		}
	})
}

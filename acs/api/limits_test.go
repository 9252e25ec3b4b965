package api_test

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs/api"
	"recado/acs/wire"
)

// TestMaxWait has servers that are set to shorter and to longer waits than the usual ones.
func TestMaxWait(t *testing.T) {
	for _, tc := range []struct {
		longest time.Duration
		asked   string
		status  int
		took    time.Duration
	}{
		{3 * time.Second, "60s", 200, 3 * time.Second}, // any client may ask for as much
		{3 * time.Second, "2s", 200, 2 * time.Second},
		{3 * time.Second, "61s", 400, 0},
		{2 * time.Minute, "100s", 200, 100 * time.Second}, // longer than the server's usual limit on writing
		{2 * time.Minute, "120", 200, 2 * time.Minute},
		{2 * time.Minute, "121", 400, 0},
		{0, "60s", 200, time.Minute},
		{0, "61s", 400, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, func(c *api.Config) { c.MaxWait = tc.longest })
			s.device(t, modem, "RTR-42")
			web := overPipes(t, s)
			receipt := as[wire.Receipt](t, s.do(t, "POST", "/api/v1/devices/reboot", s.admin, `{"router_id": "RTR-42"}`), 202)
			start := time.Now()
			res, _ := get(t, web, s.admin, receipt.StatusURL+"?wait="+tc.asked, "")
			if took := time.Since(start); took != tc.took || res.StatusCode != tc.status {
				t.Errorf("wait=%s where %v is the longest: got %d after %v, want %d after %v", tc.asked, tc.longest, res.StatusCode, took, tc.status, tc.took)
			}
		})
	}
}

// TestReadTimeout sends a body that stops on its way.
func TestReadTimeout(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{0: api.ReadTimeout, 3 * time.Second: 3 * time.Second, 2 * time.Minute: 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer(t, func(c *api.Config) { c.ReadTimeout = limit })
			web := overPipes(t, s)
			body, end := io.Pipe()
			defer end.Close()
			r, err := http.NewRequest("POST", "http://recado/api/v1/devices/reboot", body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+s.admin)
			r.Header.Set("Content-Type", "application/json")
			start := time.Now()
			res, err := web.Do(r)
			if err == nil {
				_ = res.Body.Close()
				if res.StatusCode/100 == 2 {
					t.Errorf("half a request: got %d, want it refused", res.StatusCode)
				}
			}
			if took := time.Since(start); took != want {
				t.Errorf("half a request with a limit of %v: ended after %v, want %v", limit, took, want)
			}
		})
	}
}

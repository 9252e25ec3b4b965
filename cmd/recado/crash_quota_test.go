package main

import (
	"math/rand/v2"
	"testing"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
)

// TestCrashQuota kills the real program while a client uses up its day: what passed before counts after, and each kill loses a hundredth of
// the limit at the most. A stop loses nothing.
func TestCrashQuota(t *testing.T) {
	t.Parallel()
	const limit, kills = 600, 3
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0xda7))
	s := newCrashServer(t, rng)
	s.start()
	s.ready()
	admin := apiOf(t, s, crashAdmin)
	made, err := admin.CreateClient(t.Context(), wire.ClientCreate{Name: "busy", RequestsPerDay: limit})
	if err != nil {
		t.Fatal(err)
	}
	today := dayNow()
	api := apiOf(t, s, made.Token)
	passed := 0
	spend := func(n int) (used int) {
		t.Helper()
		for used < n {
			_, err := api.Protocols(t.Context(), client.ProtocolFilter{Page: client.Page{Limit: 1}})
			if client.Code(err) == wire.CodeRateLimited {
				return used
			}
			if err != nil {
				t.Fatal(err)
			}
			used++
		}
		return used
	}
	for range kills {
		passed += spend(100 + rng.IntN(50))
		s.kill()
		s.verifyAudit()
		s.start()
		s.ready()
	}
	passed += spend(37)
	s.stop()
	s.start()
	s.ready()
	passed += spend(2 * limit)
	if dayNow() != today {
		t.Logf("midnight (UTC) passed: %d requests of two days", passed)
		return
	}
	if least := limit - kills*limit/100; passed > limit || passed < least {
		t.Errorf("seed %d: %d requests passed over %d kills and a stop, want %d to %d", seed, passed, kills, least, limit)
	}
	if more := spend(10); more != 0 {
		t.Errorf("%d more passed after the day was used up, want none", more)
	}
}

func apiOf(t *testing.T, s *crashServer, token string) *client.Client {
	t.Helper()
	api, err := client.New("http://"+s.api, token)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

func dayNow() int64 { return time.Now().Unix() / 86400 }

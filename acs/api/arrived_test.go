package api_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/webhook"
)

// settled makes a webhook whose test deliveries are dead, as many as asked for, and gives its id.
func (s *server) settled(t testing.TB, c caller, n int) string {
	t.Helper()
	id := s.told(t, c, n)
	leases, _, err := s.store.ClaimDeliveries(t.Context(), webhook.ClaimLimits{Total: 1000, PerEndpoint: 1000, Lease: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases {
		a := webhook.Attempt{At: time.Now(), Duration: 20 * time.Millisecond, Status: 500, Class: webhook.ErrorStatus, Error: "the receiver answered 500"}
		if _, err := s.store.RecordAttempt(t.Context(), l, a, webhook.Settlement{State: webhook.DeliveryDead}); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

func TestWhatDidNotArrive(t *testing.T) {
	s := newServer(t)
	mine, other := s.client(t, "erp"), s.client(t, "noc")
	dead := s.settled(t, mine, 2)
	s.settled(t, other, 1)
	held := s.told(t, mine, 3)
	as[wire.Webhook](t, s.do(t, "PATCH", "/api/v1/webhooks/"+held, mine.token, `{"active": false}`), 200)
	waiting := s.told(t, mine, 1)
	list := func(query string) (states []string, webhooks []string) {
		t.Helper()
		for _, d := range as[page[wire.Delivery]](t, s.do(t, "GET", "/api/v1/deliveries?"+query, mine.token, ""), 200).Items {
			states = append(states, d.State)
			webhooks = append(webhooks, d.WebhookID)
		}
		slices.Sort(states)
		return states, webhooks
	}
	soon, past := time.Now().Add(time.Minute).UTC().Format(time.RFC3339), time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	for query, want := range map[string]string{
		"state=dead,held&since=" + past:      "[dead dead held held held]",
		"state=held":                         "[held held held]",
		"state=held&webhook=" + held:         "[held held held]",
		"state=held&webhook=" + waiting:      "[]",
		"state=pending":                      "[held held held pending]",
		"state=pending,held":                 "[held held held pending]",
		"state=pending,dead":                 "[dead dead held held held pending]",
		"state=dead&webhook=" + dead:         "[dead dead]",
		"state=delivered,held":               "[held held held]",
		"state=dead,held&until=" + past:      "[]",
		"state=dead&until=" + soon:           "[dead dead]",
		"state=dead&type=webhook.test":       "[dead dead]",
		"state=dead&type=action.failed":      "[]",
		"type=webhook.test,action.succeeded": "[dead dead held held held pending]",
	} {
		if states, _ := list(query); fmt.Sprint(states) != want {
			t.Errorf("%s: got %v, want %s", query, states, want)
		}
	}
	s.do(t, "GET", "/api/v1/deliveries?state=lost", mine.token, "").problem(t, 400, "invalid_request")
	s.do(t, "GET", "/api/v1/deliveries?type=action.nope", mine.token, "").problem(t, 400, "invalid_request")
	s.do(t, "GET", "/api/v1/deliveries?since="+soon+"&until="+past, mine.token, "").problem(t, 400, "invalid_request")
}

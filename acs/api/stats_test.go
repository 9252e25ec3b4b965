package api_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"recado/acs/api"
	"recado/acs/wire"
	"recado/webhook"
)

func TestWebhookStats(t *testing.T) {
	s := newServer(t)
	mine, other := s.client(t, "erp"), s.client(t, "noc")
	id := s.settled(t, mine, 3)
	quiet := s.told(t, mine, 0)
	as[wire.WebhookTested](t, s.do(t, "POST", "/api/v1/webhooks/"+id+"/test", mine.token, ""), 202)
	path := "/api/v1/webhooks/" + id + "/stats"
	got := as[wire.WebhookStats](t, s.do(t, "GET", path, mine.token, ""), 200)
	if got.WebhookID != id || got.State != "active" || got.Events != 4 || got.Deliveries != 3 || got.Dead != 3 || got.Delivered != 0 ||
		got.Attempts != 3 || got.SuccessRate == nil || *got.SuccessRate != 0 || got.AttemptsPerDelivery == nil || *got.AttemptsPerDelivery != 1 {
		t.Errorf("got %+v, want three dead of four events, each after one attempt", got)
	}
	if got.ReceiverMS == nil || got.ReceiverMS.Average != 20 || got.ReceiverMS.P99 < 18 || got.ReceiverMS.P99 > 22 || got.LagMS != nil {
		t.Errorf("got receiver %+v, lag %+v; want 20 ms, and no lag since nothing arrived", got.ReceiverMS, got.LagMS)
	}
	if len(got.Errors) != 1 || got.Errors[0].Class != "status" || got.Errors[0].Count != 3 || got.Errors[0].Hint == "" {
		t.Errorf("errors: got %+v, want three of status, with a hint", got.Errors)
	}
	if got.DeadNow != 3 || got.QueueDepth != 1 || got.HeldNow != 0 || got.OldestPendingAt == nil {
		t.Errorf("now: got %+v, want three dead and one pending", got)
	}
	none := as[wire.WebhookStats](t, s.do(t, "GET", "/api/v1/webhooks/"+quiet+"/stats?range=30d", mine.token, ""), 200)
	if none.SuccessRate != nil || none.AttemptsPerDelivery != nil || none.ReceiverMS != nil || none.Errors == nil || none.OldestPendingAt != nil {
		t.Errorf("got %+v, want nothing of what was never tried", none)
	}
	for _, good := range []string{"1h", "24h", "720h", "1d", "30d"} {
		as[wire.WebhookStats](t, s.do(t, "GET", path+"?range="+good, mine.token, ""), 200)
	}
	for _, bad := range []string{"0h", "721h", "31d", "24", "1w", "h", "-1h", "1.5h", "99999999999999999999h"} {
		if p := s.do(t, "GET", path+"?range="+bad, mine.token, "").problem(t, 400, wire.CodeInvalidRequest); p.Field != "range" {
			t.Errorf("range %s: got field %q, want range", bad, p.Field)
		}
	}
	s.do(t, "GET", path, other.token, "").problem(t, 404, wire.CodeNotFound)

	as[wire.Webhook](t, s.do(t, "PATCH", "/api/v1/webhooks/"+id, mine.token, `{"active": false}`), 200)
	list := as[page[wire.Webhook]](t, s.do(t, "GET", "/api/v1/webhooks", mine.token, ""), 200)
	at := slices.IndexFunc(list.Items, func(w wire.Webhook) bool { return w.ID == id })
	h := list.Items[at].Health
	if h == nil || h.State != "paused" || h.SuccessRate == nil || *h.SuccessRate != 0 || h.LastError != "status" || h.Hint == "" || h.Held != 1 ||
		h.Dead != 3 || h.OldestPendingSeconds == nil || *h.OldestPendingSeconds > 60 {
		t.Errorf("health: got %+v, want one held and three dead, and what to do", h)
	}
	one := as[wire.Webhook](t, s.do(t, "GET", "/api/v1/webhooks/"+quiet, mine.token, ""), 200)
	if one.Health == nil || one.Health.SuccessRate != nil || one.Health.LastError != "" || one.Health.OldestPendingSeconds != nil {
		t.Errorf("health of the quiet one: got %+v, want nothing to tell", one.Health)
	}
}

func TestWebhookHealth(t *testing.T) {
	s := newServer(t)
	c := s.client(t, "secret-client")
	id := s.settled(t, c, 2)
	good := as[wire.WebhooksHealth](t, s.do(t, "GET", "/webhook/health", "", ""), 200)
	for _, name := range []string{"store", "dispatcher", "due", "oldest_pending", "pending", "held", "dead"} {
		if one := good.Checks[name]; one.Status != "healthy" || one.Detail == "" {
			t.Errorf("check %s: got %+v, want it healthy", name, one)
		}
	}
	if good.Status != "healthy" || time.Since(time.Time(good.Timestamp)) > time.Minute || *good.Checks["dead"].Value != 2 {
		t.Errorf("got %+v, want healthy now, with two dead", good)
	}
	sick := newServer(t, func(cfg *api.Config) {
		cfg.WebhookHealth = func(context.Context) webhook.CheckReport {
			return webhook.CheckReport{At: time.Now(), Checks: []webhook.Check{{Name: "store", Detail: "the store cannot be written"}}}
		}
	})
	r := sick.raw("GET", "/webhook/health", "", "")
	var got wire.WebhooksHealth
	if err := json.Unmarshal(r.body, &got); err != nil || r.code != 503 || got.Status != "unhealthy" || got.Checks["store"].Status != "unhealthy" {
		t.Errorf("got %d %s, want 503 and what is wrong", r.code, r.body)
	}
	text := string(s.do(t, "GET", "/webhook/health", "", "").body)
	for _, hidden := range []string{"secret", id, c.id, "receiver.example", "/tmp"} {
		if strings.Contains(text, hidden) {
			t.Errorf("the report holds %q: %s", hidden, text)
		}
	}
}

package api_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs/wire"
)

func TestReplayMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		mine, other := s.client(t, "erp"), s.client(t, "noc")
		id := s.settled(t, mine, 3)
		time.Sleep(time.Second) // a replay is of what was made before it
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.hooks.RunReplays(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		r := s.do(t, "POST", "/api/v1/webhooks/"+id+"/replay", mine.token, "")
		job := as[wire.Replay](t, r, 202)
		if job.State != "running" || len(job.WebhookIDs) != 1 || job.WebhookIDs[0] != id || job.Next == "" || job.FinishedAt != nil ||
			len(job.States) != 1 || job.States[0] != "dead" || job.Since != nil {
			t.Errorf("started: got %+v, want the dead ones of %s", job, id)
		}
		path := r.header.Get("Location")
		if path != "/api/v1/replays/"+job.ID {
			t.Errorf("Location: got %q", path)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		job = as[wire.Replay](t, s.do(t, "GET", path, mine.token, ""), 200)
		if job.State != "done" || job.Matched != 3 || job.Replayed != 3 || job.Skipped != 0 || job.FinishedAt == nil || job.Next != "" {
			t.Errorf("later: got %+v, want three replayed, and done", job)
		}
		if l := as[page[wire.Delivery]](t, s.do(t, "GET", "/api/v1/deliveries?state=pending", mine.token, ""), 200); len(l.Items) != 3 {
			t.Errorf("pending: got %d, want 3", len(l.Items))
		}
		s.do(t, "POST", path+"/cancel", mine.token, "").problem(t, 409, wire.CodeFinished)
		for _, get := range []string{path, path + "/"} {
			s.do(t, "GET", get, other.token, "").problem(t, 404, wire.CodeNotFound)
		}
		s.do(t, "POST", path+"/cancel", other.token, "").problem(t, 404, wire.CodeNotFound)
		s.do(t, "POST", "/api/v1/webhooks/"+id+"/replay", other.token, "").problem(t, 404, wire.CodeNotFound)
		if l := as[page[wire.Replay]](t, s.do(t, "GET", "/api/v1/replays", other.token, ""), 200); len(l.Items) != 0 {
			t.Errorf("another client's replays: got %+v, want none", l.Items)
		}
	})
}

func TestReplayRequestsAreChecked(t *testing.T) {
	s := newServer(t)
	c := s.client(t, "erp")
	id := s.settled(t, c, 1)
	for body, field := range map[string]string{
		`{"states": ["cancelled"]}`:                                          "states",
		`{"types": ["action.nope"]}`:                                         "types",
		`{"since": "2026-11-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"}`: "until",
		`{"limit": -1}`:                                                      "limit",
		`{"webhook": "wh_2"}`:                                                "webhook",
		`{"every": true}`:                                                    "every",
		`{"states": "dead"}`:                                                 "states",
		`{"since": "2026-11-21T00:00:00Z", "until": "2026-11-21T00:00:00+00:00"}`: "until",
	} {
		p := s.do(t, "POST", "/api/v1/webhooks/"+id+"/replay", c.token, body).problem(t, 400, wire.CodeInvalidRequest)
		if !strings.HasPrefix(p.Field, field) {
			t.Errorf("%s: got field %q, want %s", body, p.Field, field)
		}
	}
	as[wire.Replay](t, s.do(t, "POST", "/api/v1/deliveries/replay", c.token, `{"webhook": "`+id+`", "limit": 5}`), 202)
	s.do(t, "POST", "/api/v1/deliveries/replay", c.token, `{}`).problem(t, 409, wire.CodeReplayRunning)
}

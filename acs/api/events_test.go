package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"recado/acs/wire"
)

type page[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`
}

// told makes a webhook of a client and sends it some tests.
func (s *server) told(t testing.TB, c caller, n int) (webhookID string) {
	t.Helper()
	w := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", c.token, `{"url":"https://receiver.example/x"}`), 201)
	for range n {
		as[wire.WebhookTested](t, s.do(t, "POST", "/api/v1/webhooks/"+w.ID+"/test", c.token, ""), 202)
	}
	return w.ID
}

func TestEventsAreListed(t *testing.T) {
	s := newServer(t)
	mine, other := s.client(t, "erp"), s.client(t, "noc")
	id := s.told(t, mine, 3)
	s.told(t, other, 1)
	got := as[page[wire.Event]](t, s.do(t, "GET", "/api/v1/events?limit=2&type=webhook.test", mine.token, ""), 200)
	if len(got.Items) != 2 || got.NextCursor == nil {
		t.Fatalf("got %d events and cursor %v, want 2 of 3", len(got.Items), got.NextCursor)
	}
	rest := as[page[wire.Event]](t, s.do(t, "GET", "/api/v1/events?limit=2&type=webhook.test&cursor="+*got.NextCursor, mine.token, ""), 200)
	if len(rest.Items) != 1 || rest.NextCursor != nil {
		t.Fatalf("got %d more events and cursor %v, want the last one", len(rest.Items), rest.NextCursor)
	}
	e := as[wire.Event](t, s.do(t, "GET", "/api/v1/events/"+rest.Items[0].ID, mine.token, ""), 200)
	var body struct{ ID, Type string }
	if err := json.Unmarshal(e.Body, &body); err != nil || body.ID != e.ID || body.Type != e.Type || e.Type != "webhook.test" {
		t.Errorf("got event %+v with body %s (%v), want a webhook.test with its own id in the body", e, e.Body, err)
	}
	to := as[page[wire.Delivery]](t, s.do(t, "GET", "/api/v1/events/"+e.ID+"/deliveries", mine.token, ""), 200)
	if len(to.Items) != 1 || to.Items[0].WebhookID != id || to.Items[0].EventID != e.ID {
		t.Errorf("got deliveries %+v, want the one to %s", to.Items, id)
	}
	s.do(t, "GET", "/api/v1/events/"+e.ID, other.token, "").problem(t, 404, "not_found")
	s.do(t, "GET", "/api/v1/events/"+e.ID+"/deliveries", other.token, "").problem(t, 404, "not_found")
	s.do(t, "GET", "/api/v1/events/evt_none", mine.token, "").problem(t, 404, "not_found")
	p := s.do(t, "GET", "/api/v1/events?type=action.nope", mine.token, "").problem(t, 400, "invalid_request")
	if !strings.Contains(p.Detail, "action.nope") {
		t.Errorf("got detail %q, want the unknown type in it", p.Detail)
	}
}

func TestFilterIsTried(t *testing.T) {
	s := newServer(t)
	mine := s.client(t, "erp")
	id := s.told(t, mine, 3)
	try := func(expression string) wire.FilterTried {
		t.Helper()
		body := fmt.Sprintf(`{"filter": {"expression": %q}, "events": ["*"], "since": "2020-01-01T00:00:00Z"}`, expression)
		return as[wire.FilterTried](t, s.do(t, "POST", "/api/v1/webhooks/try-filter", mine.token, body), 200)
	}
	if got := try(`data.webhook_id == "` + id + `"`); got.Tried != 3 || got.Matched != 3 || len(got.Items) != 3 || !got.Items[0].Matches {
		t.Errorf("got %+v, want all 3 events matched", got)
	}
	if got := try(`type != "webhook.test"`); got.Tried != 3 || got.Matched != 0 {
		t.Errorf("got %+v, want none of 3 matched", got)
	}
	if got := try(`data.webhook_id`); got.Matched != 3 || got.Items[0].Problem == "" {
		t.Errorf("got %+v, want all matched with the problem told", got)
	}
	for expression, want := range map[string]string{
		`status ==`:     "unexpected token EOF",
		`dta.fault`:     "unknown name dta",
		`len(1..9) > 1`: "ranges",
	} {
		body := fmt.Sprintf(`{"filter": {"expression": %q}}`, expression)
		p := s.do(t, "POST", "/api/v1/webhooks/try-filter", mine.token, body).problem(t, 400, "invalid_request")
		if !strings.Contains(p.Detail, want) {
			t.Errorf("%s: got detail %q, want %q in it", expression, p.Detail, want)
		}
	}
	s.do(t, "POST", "/api/v1/webhooks/try-filter", mine.token, `{"filter": {"min_priority": "urgent"}}`).problem(t, 400, "invalid_request")
}

func TestWebhookOptionsAreShown(t *testing.T) {
	s := newServer(t)
	c := s.client(t, "erp")
	made := as[wire.WebhookCreated](t, s.do(t, "POST", "/api/v1/webhooks", c.token, `{"url": "https://receiver.example/x",
		"filter": {"expression": "status != \"success\"", "ignore_fault_codes": [9005], "min_priority": "normal"},
		"headers": {"X-Api-Key": "very secret", "Authorization": "Bearer also secret"}, "requests_per_minute": 60,
		"tls": {"pins": ["sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}}`), 201)
	got := as[wire.Webhook](t, s.do(t, "GET", "/api/v1/webhooks/"+made.ID, c.token, ""), 200)
	if got.Filter == nil || got.Filter.Expression != `status != "success"` || got.Filter.MinPriority != "normal" || len(got.Filter.IgnoreFaultCodes) != 1 {
		t.Errorf("got filter %+v, want the one given", got.Filter)
	}
	if fmt.Sprint(got.HeaderNames) != "[Authorization X-Api-Key]" || got.RequestsPerMinute != 60 || got.TLS == nil || len(got.TLS.Pins) != 1 {
		t.Errorf("got %+v, want the options given, the headers by name", got)
	}
	r := s.do(t, "PATCH", "/api/v1/webhooks/"+made.ID, c.token, `{"tls": {"accept_invalid_certificate": true}}`)
	if got := as[wire.Webhook](t, r, 200); !got.TLS.AcceptInvalidCertificate || len(got.TLS.Pins) != 0 || len(got.HeaderNames) != 2 {
		t.Errorf("got %+v, want other TLS settings and the same headers", got)
	}
	gone := s.do(t, "PATCH", "/api/v1/webhooks/"+made.ID, c.token, `{"filter": {}, "headers": {}, "tls": {}, "requests_per_minute": 0}`)
	if got := as[wire.Webhook](t, gone, 200); got.Filter != nil || len(got.HeaderNames) != 0 || got.TLS != nil || got.RequestsPerMinute != 0 {
		t.Errorf("got %+v, want no options", got)
	}
	if strings.Contains(s.log.String()+string(r.body)+string(gone.body), "secret") {
		t.Error("a header's value was shown or logged")
	}
	p := s.do(t, "POST", "/api/v1/webhooks", c.token, `{"url": "https://receiver.example/x", "headers": {"X-Api-Key": "a\nb"}}`).problem(t, 400, "invalid_request")
	if !strings.Contains(p.Detail, "X-Api-Key") {
		t.Errorf("got detail %q, want the header named", p.Detail)
	}
}

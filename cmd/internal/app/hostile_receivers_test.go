package app_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/webhook/webhooktest"
)

// receiverAttacks are receivers that answer badly.
func (a *siege) receiverAttacks() map[string]func(*testing.T) {
	return map[string]func(*testing.T){"answers": a.badReceivers}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (a *siege) badReceivers(t *testing.T) {
	elsewhere := newTrap(t, "127.0.0.1", nil)
	type waiting struct {
		want, delivery string
		receiver       *webhooktest.Receiver
	}
	all := map[string]*waiting{}
	bomb := zipped(repeat("\x00", 16<<20))
	for name, x := range map[string]struct {
		behave webhooktest.Behaviour
		want   string // class; "" is delivered: the status has decided
	}{
		"hang":          {webhooktest.Hang(), "timeout"},
		"drip head":     {webhooktest.DripHead(100 * time.Millisecond), "timeout"},
		"drip body":     {webhooktest.Drip(200, 100*time.Millisecond), ""},
		"drip a 500":    {webhooktest.Drip(500, 100*time.Millisecond), "status"},
		"redirect":      {webhooktest.Redirect(302, "http://"+elsewhere.address+"/"), "redirect"},
		"metadata":      {webhooktest.Redirect(307, "http://169.254.169.254/latest/"), "redirect"},
		"redirect odd":  {webhooktest.Redirect(308, "http://[::1%lo]:x/\" y"), "redirect"},
		"flood headers": {webhooktest.FloodHeaders(4 << 20), "bad_answer"},
		"flood body":    {webhooktest.FloodBody(200, 1<<30), ""},
		"garbage":       {webhooktest.Garbage(), "bad_answer"},
		"reset":         {webhooktest.Reset(), "connect"},
		"cut":           {webhooktest.CutBody(500, 10_000), "status"},
		"long 429":      {webhooktest.RetryAfter(429, "99999999999999999999"), "status"},
		"gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(bomb)) // the sender may stop reading
		}, "status"},
		"control text": {webhooktest.Answer(400, "\x1b[2J\x00\"}\n{\"level\":\"ERROR\"}\n\u202e"+repeat("é", 5000)), "status"},
	} {
		r := &webhooktest.Receiver{Default: x.behave, Keep: 10}
		hook := a.register(t, wire.WebhookCreate{URL: receiver(t, r), TimeoutSeconds: 1, RetrySeconds: []int{86400}})
		all[name] = &waiting{want: x.want, receiver: r}
		var tested wire.WebhookTested
		if code := a.s.call(http.MethodPost, "/api/v1/webhooks/"+hook.ID+"/test", a.rogue.Token, nil, &tested); code != http.StatusAccepted {
			t.Fatalf("test %s: got %d, want 202", name, code)
		}
		all[name].delivery = tested.Delivery.ID
	}
	// Another endpoint of the same client, asked for after all of them.
	good := &webhooktest.Receiver{}
	hook := a.register(t, wire.WebhookCreate{URL: receiver(t, good)})
	good.SetSecrets(hook.Secret)
	began := time.Now()
	if code := a.s.call(http.MethodPost, "/api/v1/webhooks/"+hook.ID+"/test", a.rogue.Token, nil, nil); code != http.StatusAccepted {
		t.Fatalf("test the good one: got %d, want 202", code)
	}
	eventually(t, 5*time.Second, "the event of an endpoint beside bad ones", func() bool { return good.Total() > 0 })
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the event of an endpoint beside bad ones took %v, want it promptly", took)
	}
	for name, w := range all {
		var got wire.List[wire.Attempt]
		eventually(t, 10*time.Second, "an attempt at "+name, func() bool {
			if code := a.s.call(http.MethodGet, "/api/v1/deliveries/"+w.delivery+"/attempts", a.rogue.Token, nil, &got); code != http.StatusOK {
				t.Fatalf("attempts: got %d, want 200", code)
			}
			return len(got.Items) > 0
		})
		at := got.Items[0]
		if at.ErrorClass != w.want || at.DurationMS > 3000 {
			t.Errorf("%s: got class %q (%s) after %d ms, want %q within 3 s", name, at.ErrorClass, at.Error, at.DurationMS, w.want)
		}
		if len(at.Response) > 4<<10 || len(at.Error) > 500 || at.RetryAfterSeconds > 86400 {
			t.Errorf("%s: kept %d bytes of answer, %d of error, Retry-After %d s, want them bounded", name, len(at.Response), len(at.Error), at.RetryAfterSeconds)
		}
		a.mu.Lock()
		for _, arrival := range w.receiver.Arrivals() {
			a.hooks = append(a.hooks, arrival.Body)
		}
		a.mu.Unlock()
	}
	if n := elsewhere.calls.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times, want never", n)
	}
}

package api

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func (a *API) webhookStats(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	length := q.hours("range", 24*time.Hour)
	if err := q.done(); err != nil {
		return err
	}
	s, err := a.cfg.Webhooks.Stats(c.Request().Context(), who.ID, param(c, "id"), length)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, stats(&s))
}

// hours is a range such as 24h or 7d.
func (q *query) hours(name string, left time.Duration) time.Duration {
	v := q.text(name)
	if v == "" {
		return left
	}
	unit := time.Hour
	text, ok := strings.CutSuffix(v, "h")
	if !ok {
		text, ok = strings.CutSuffix(v, "d")
		unit = 24 * time.Hour
	}
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 1 || n > int(webhook.MaxStatsRange/unit) {
		q.fail(name, "want 1h to 720h, or 1d to 30d")
		return left
	}
	return time.Duration(n) * unit
}

func stats(s *webhook.Stats) wire.WebhookStats {
	w := wire.WebhookStats{
		WebhookID: s.Queue.Endpoint, State: string(s.Queue.State), Since: wire.Time(s.Since), Until: wire.Time(s.Until),
		Events: s.Events, Deliveries: s.Delivered + s.Dead + s.Expired, Delivered: s.Delivered, Dead: s.Dead, Expired: s.Expired,
		Attempts: s.Attempts, SuccessRate: share(s.SuccessRate()), AttemptsPerDelivery: share(s.AttemptsPerDelivery()),
		ReceiverMS: spread(&s.Took), LagMS: spread(&s.Lag), Errors: []wire.ErrorNumber{},
		DeadNow: s.Queue.Dead, HeldNow: s.Queue.Held(), QueueDepth: s.Queue.Pending, OldestPendingAt: wire.TimePtr(s.Queue.Oldest),
	}
	for class, n := range s.Errors {
		w.Errors = append(w.Errors, wire.ErrorNumber{Class: string(class), Count: n, Hint: webhook.Hint(class)})
	}
	slices.SortFunc(w.Errors, func(a, b wire.ErrorNumber) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Class, b.Class))
	})
	return w
}

func share(n float64, ok bool) *float64 {
	if !ok {
		return nil
	}
	return &n
}

func spread(h *webhook.Histogram) *wire.Spread {
	if h.Count() == 0 {
		return nil
	}
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return &wire.Spread{Average: ms(h.Mean()), P50: ms(h.Quantile(0.5)), P99: ms(h.Quantile(0.99))}
}

// addHealth adds to each endpoint how it does.
func (a *API) addHealth(c echo.Context, who acs.Client, endpoints []webhook.Endpoint, shown []wire.Webhook) error {
	all, err := a.cfg.Webhooks.EndpointHealths(c.Request().Context(), who.ID)
	if err != nil {
		return err
	}
	for i := range shown {
		h := all[endpoints[i].ID]
		shown[i].Health = &wire.WebhookHealth{
			State: string(endpoints[i].State), SuccessRate: share(h.Recent.SuccessRate()), Held: h.Queue.Held(), Dead: h.Queue.Dead,
		}
		if e := &endpoints[i]; e.ConsecutiveFailures > 0 {
			shown[i].Health.LastError, shown[i].Health.Hint = e.LastError, webhook.Hint(webhook.ErrorClass(e.LastError))
		}
		if !h.Queue.Oldest.IsZero() {
			age := int64(max(time.Since(h.Queue.Oldest), 0) / time.Second)
			shown[i].Health.OldestPendingSeconds = &age
		}
	}
	return nil
}

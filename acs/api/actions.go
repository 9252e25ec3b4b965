package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
	"recado/webhook"
)

func (a *API) reboot(c echo.Context, who acs.Client) error {
	var in wire.RebootRequest
	raw, err := body(c, &in)
	if err != nil {
		return err
	}
	return a.submit(c, in.TimeoutSeconds, acs.Submission{
		Client: who, Kind: acs.KindReboot, RouterID: in.RouterID, ClientRef: in.ClientRef, Body: raw,
	})
}

func (a *API) updateParameters(c echo.Context, who acs.Client) error {
	var in wire.ParametersUpdateRequest
	raw, err := body(c, &in)
	if err != nil {
		return err
	}
	byName := namesAreKeys(raw)
	params := make([]acs.ParameterInput, len(in.Parameters))
	for i, p := range in.Parameters {
		params[i] = acs.ParameterInput{Name: p.Name, Value: p.Value, Type: p.Type}
		if byName {
			params[i].Path = member("parameters", p.Name)
		}
	}
	return a.submit(c, in.TimeoutSeconds, acs.Submission{
		Client: who, Kind: acs.KindParametersUpdate, RouterID: in.RouterID, ClientRef: in.ClientRef, Body: raw,
		Parameters: params, Verify: in.Verify,
	})
}

// namesAreKeys reports whether the parameters of an update, which was decoded, came as an object {name: value}: what is wrong with one is
// told by the place where the client wrote it.
func namesAreKeys(raw []byte) bool {
	var in struct {
		Parameters json.RawMessage `json:"parameters"`
	}
	return json.Unmarshal(raw, &in) == nil && len(in.Parameters) > 0 && in.Parameters[0] == '{'
}

// submit hands a request for an action in, and answers with its receipt.
func (a *API) submit(c echo.Context, timeoutSeconds *int, s acs.Submission) error {
	if err := noQuery(c); err != nil {
		return err
	}
	key, err := idempotencyKey(c.Request().Header)
	if err != nil {
		return err
	}
	s.IdempotencyKey = key
	if s.Timeout, err = timeout(timeoutSeconds); err != nil {
		return err
	}
	r, err := a.cfg.Actions.Submit(c.Request().Context(), s)
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("Location", statusPath(r.Action.ID))
	if r.Existed {
		h.Set("Idempotent-Replayed", "true")
	}
	return c.JSON(http.StatusAccepted, a.receipt(&r))
}

func timeout(seconds *int) (time.Duration, error) {
	if seconds == nil {
		return 0, nil
	}
	if *seconds < wire.MinTimeoutSeconds || *seconds > wire.MaxTimeoutSeconds {
		return 0, invalid("timeout_seconds", fmt.Sprintf("want %d to %d", wire.MinTimeoutSeconds, wire.MaxTimeoutSeconds))
	}
	return time.Duration(*seconds) * time.Second, nil
}

const maxIdempotencyKey = 255

// idempotencyKey is the header's value, "" where there is none.
func idempotencyKey(h http.Header) (string, error) {
	given := h.Values("Idempotency-Key")
	if len(given) == 0 {
		return "", nil
	}
	if len(given) > 1 {
		return "", invalid("Idempotency-Key", "comes twice")
	}
	key := given[0]
	if key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", invalid("Idempotency-Key", fmt.Sprintf("want 1 to %d printable ASCII characters", maxIdempotencyKey))
	}
	return key, nil
}

func (a *API) getProtocol(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	wait := q.wait(a.cfg.MaxWait)
	if err := q.done(); err != nil {
		return err
	}
	id, err := protocolo(c)
	if err != nil {
		return err
	}
	v, err := a.follow(c, who, id, wait)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Etag", v.etag())
	if c.Request().Header.Get("If-None-Match") == v.etag() {
		return c.NoContent(http.StatusNotModified)
	}
	return a.showProtocol(c, who, v)
}

// view is an action as a client sees it at one moment.
type view struct {
	act  acs.Action
	wait *acs.Wait
}

func (a *API) view(ctx context.Context, who acs.Client, act acs.Action) (view, error) {
	waits, err := a.cfg.Actions.Waiting(ctx, who, []acs.Action{act})
	if err != nil {
		return view{}, err
	}
	return view{act, waits[0]}, nil
}

// etag changes with the action and with what it waits behind, though not with its deliveries.
func (v *view) etag() string {
	switch w := v.wait; {
	case w == nil:
		return fmt.Sprintf(`W/"%d"`, v.act.Version)
	case w.Behind == nil:
		return fmt.Sprintf(`W/"%d-%s"`, v.act.Version, w.Reason)
	default:
		return fmt.Sprintf(`W/"%d-%s-%s-%d"`, v.act.Version, w.Reason, w.Behind.ID.CommandKey(), w.Behind.Version)
	}
}

// follow gives the action at once, or waits for a change of it: of what the client has seen (If-None-Match), where it says so.
func (a *API) follow(c echo.Context, who acs.Client, id acs.Protocolo, wait time.Duration) (view, error) {
	r := c.Request()
	act, err := a.cfg.Actions.Action(r.Context(), who, id)
	if err != nil {
		return view{}, err
	}
	v, err := a.view(r.Context(), who, act)
	if err != nil || wait == 0 || act.Status.Final() {
		return v, err
	}
	if seen := r.Header.Get("If-None-Match"); seen != "" && seen != v.etag() {
		return v, nil
	}
	if act, err = a.cfg.Actions.Follow(r.Context(), who, id, wait); err != nil {
		return view{}, err
	}
	return a.view(r.Context(), who, act)
}

// showProtocol answers with the whole status of an action.
func (a *API) showProtocol(c echo.Context, who acs.Client, v view) error {
	ctx := c.Request().Context()
	deliveries, _, err := a.cfg.Webhooks.Deliveries(ctx, webhook.DeliveryFilter{
		Client: who.ID, Protocolo: v.act.ID.String(), Limit: wire.MaxPage,
		Since: v.act.CreatedAt.Add(-time.Second), // none is older: the store need not look further
	})
	if err != nil {
		return err
	}
	p := a.protocol(&v.act, v.wait)
	p.Timeline = timeline(v.act.Timeline)
	if p.Deliveries, err = a.deliveries(ctx, who, deliveries); err != nil {
		return err
	}
	p.Events = protocolEvents(&v.act, p.Deliveries)
	return c.JSON(http.StatusOK, p)
}

func (a *API) listProtocols(c echo.Context, who acs.Client) error {
	q := queryOf(c)
	f := acs.ActionFilter{Device: q.text("device"), Since: q.time("since")}
	f.Kind = acs.Kind(q.oneOf("action", string(acs.KindReboot), string(acs.KindParametersUpdate)))
	for _, s := range q.someOf("status", "pending", "success", "failure", "timeout", "cancelled") {
		f.Statuses = append(f.Statuses, acs.Status(s))
	}
	f.Limit, f.Cursor = q.page()
	if err := q.done(); err != nil {
		return err
	}
	page, next, err := a.cfg.Actions.Actions(c.Request().Context(), who, f)
	if err != nil {
		return err
	}
	waits, err := a.cfg.Actions.Waiting(c.Request().Context(), who, page)
	if err != nil {
		return err
	}
	items := make([]wire.Protocol, len(page))
	for i := range page {
		items[i] = a.protocol(&page[i], waits[i])
	}
	return c.JSON(http.StatusOK, list(items, next))
}

func (a *API) cancelProtocol(c echo.Context, who acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	id, err := protocolo(c)
	if err != nil {
		return err
	}
	act, err := a.cfg.Actions.Cancel(c.Request().Context(), who, id)
	if err != nil {
		return err
	}
	return a.showProtocol(c, who, view{act: act}) // a final one waits for nothing
}

// protocolo reads the path's; what is none names nothing.
func protocolo(c echo.Context) (acs.Protocolo, error) {
	id, err := acs.ParseProtocolo(param(c, "protocolo"))
	if err != nil {
		return acs.Protocolo{}, acs.ErrNotFound
	}
	return id, nil
}

// list makes a page.
func list[T any](items []T, next string) wire.List[T] {
	if items == nil {
		items = []T{}
	}
	l := wire.List[T]{Items: items}
	if next != "" {
		l.NextCursor = &next
	}
	return l
}

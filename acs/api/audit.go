package api

import (
	"context"
	"encoding/hex"
	"net"
	"net/http"

	"github.com/labstack/echo/v4"

	"recado/acs"
	"recado/acs/wire"
)

// Audit reads the record of who did what, and writes down what changes nothing else; *acs.Service is one.
type Audit interface {
	AppendAudit(ctx context.Context, acts ...acs.AuditAct) error
	Audit(ctx context.Context, f acs.AuditFilter) ([]acs.AuditEntry, string, error)
	AuditEnds(ctx context.Context) (acs.AuditEnds, error)
}

// actAs makes what the request does from now on the client's act; one without an id is nobody known.
func actAs(c echo.Context, who *acs.Client) {
	r := c.Request()
	id, _ := c.Get(keyRequestID).(string)
	c.SetRequest(r.WithContext(acs.WithActor(r.Context(), acs.Actor{
		Client: who.ID, ClientName: who.Name, Source: sourceOf(r), RequestID: id, Via: acs.ViaAPI,
	})))
}

// sourceOf is the address that a request came from. What a proxy says of others is not believed.
func sourceOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (a *API) listAudit(c echo.Context, _ acs.Client) error {
	q := queryOf(c)
	f := acs.AuditFilter{
		Client: q.text("client"), Act: q.oneOf("act", acs.AuditActs...), Object: q.text("object"),
		Since: q.time("since"), Until: q.time("until"), OldestFirst: q.oneOf("order", "newest", "oldest") == "oldest",
	}
	f.Limit, f.Cursor = q.page()
	if err := q.done(); err != nil {
		return err
	}
	page, next, err := a.cfg.Audit.Audit(c.Request().Context(), f)
	if err != nil {
		return err
	}
	items := make([]wire.AuditEntry, len(page))
	for i := range page {
		items[i] = auditEntry(&page[i])
	}
	return c.JSON(http.StatusOK, list(items, next))
}

func auditEntry(e *acs.AuditEntry) wire.AuditEntry {
	a := e.Actor
	return wire.AuditEntry{
		Seq: e.Seq, Time: wire.Time(e.Time), Act: e.Act, Object: e.Object, Client: e.Client, Details: e.Details,
		Actor: wire.AuditActor{Client: a.Client, Name: a.ClientName, Source: a.Source, RequestID: a.RequestID, Via: a.Via},
		Prev:  hex.EncodeToString(e.Prev[:]), Hash: hex.EncodeToString(e.Hash[:]),
	}
}

func (a *API) auditEnds(c echo.Context, _ acs.Client) error {
	if err := noQuery(c); err != nil {
		return err
	}
	ends, err := a.cfg.Audit.AuditEnds(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.AuditEnds{Anchor: auditMark(ends.Anchor), Head: auditMark(ends.Head)})
}

func auditMark(m acs.AuditMark) wire.AuditMark {
	return wire.AuditMark{Seq: m.Seq, Hash: hex.EncodeToString(m.Hash[:])}
}

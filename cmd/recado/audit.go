package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"recado/acs/client"
	"recado/acs/wire"
	"recado/cmd/internal/app"
)

type auditCmd struct {
	List   auditListCmd   `cmd:"" default:"withargs" help:"List what was done, the newest first (needs an admin token)."`
	Verify auditVerifyCmd `cmd:"" help:"Check that nothing in the record was changed, taken out or put in."`
}

type auditListCmd struct {
	Client     string `name:"of" placeholder:"NAME" help:"What this client (name or id) did, and what was done to it."`
	Act        string `name:"act" placeholder:"ACT" help:"Only this act, such as client.blocked."`
	Object     string `name:"object" placeholder:"ID" help:"Only what was done to this protocolo, webhook, device …."`
	Since      string `name:"since" placeholder:"TIME" help:"From then on: 2026-11-21T10:07:00Z, or 24h for the last day."`
	Until      string `name:"until" placeholder:"TIME" help:"Before then."`
	Limit      int    `name:"limit" default:"100" help:"How many to list (${default}); 0 for all."`
	connection `embed:""`
	output     `embed:""`
}

// Run lists entries.
func (c *auditListCmd) Run(ctx context.Context, s streams) error {
	f := client.AuditFilter{Act: c.Act, Object: c.Object}
	var err error
	if f.Since, err = momentOf("--since", c.Since); err != nil {
		return err
	}
	if f.Until, err = momentOf("--until", c.Until); err != nil {
		return err
	}
	api, err := c.dial()
	if err != nil {
		return err
	}
	if f.Client = c.Client; c.Client != "" && !strings.HasPrefix(c.Client, "cli_") {
		if f.Client, err = clientID(ctx, api, c.Client); err != nil {
			return err
		}
	}
	list, err := client.All(ctx, c.Limit, func(ctx context.Context, p client.Page) (wire.List[wire.AuditEntry], error) {
		f.Page = p
		return api.Audit(ctx, f)
	})
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, list)
	}
	rows := make([][]string, len(list))
	for i, e := range list {
		rows[i] = []string{fmt.Sprint(e.Seq), stamp(e.Time), whoDid(&e.Actor), dash(e.Actor.Source), e.Act, e.Object, detailsOf(e.Details)}
	}
	return printTable(s.out, []string{"SEQ", "TIME", "WHO", "FROM", "ACT", "OBJECT", "DETAILS"}, rows)
}

func whoDid(a *wire.AuditActor) string {
	switch {
	case a.Name != "":
		return a.Name
	case a.Client != "":
		return a.Client
	}
	return a.Via
}

func detailsOf(d map[string]string) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(d)) {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%s", name, d[name])
	}
	return dash(b.String())
}

// momentOf reads a time, or how long ago it was.
func momentOf(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return time.Now().Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usageError{fmt.Errorf("%s: %q is no time; want one such as 2026-11-21T10:07:00Z, or 24h for a day ago", flag, text)}
	}
	return t, nil
}

type auditVerifyCmd struct {
	File       string   `arg:"" optional:"" help:"A store's file, or bolt://PATH; the server must not be running. Left out, a running server is asked."`
	Marks      []string `name:"mark" placeholder:"SEQ:HASH" help:"An entry that was noted before: the record has to have it still."`
	connection `embed:""`
	output     `embed:""`
}

// Run checks the record and prints its last entry, for the next time.
func (c *auditVerifyCmd) Run(ctx context.Context, s streams) error {
	report, err := c.verify(ctx)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(s.out, struct {
			First uint64         `json:"first"`
			Last  wire.AuditMark `json:"last"`
		}{report.First, report.Last})
	}
	if report.Empty() {
		fmt.Fprintln(s.out, "the record is whole: it has no entries")
		return nil
	}
	fmt.Fprintf(s.out, "the record is whole: entries %d to %d\nthe last is %d:%s\n", report.First, report.Last.Seq, report.Last.Seq, report.Last.Hash)
	return nil
}

func (c *auditVerifyCmd) verify(ctx context.Context) (app.AuditReport, error) {
	if c.File != "" {
		return app.VerifyAuditFile(c.File, c.Marks)
	}
	api, err := c.dial()
	if err != nil {
		return app.AuditReport{}, err
	}
	ends, err := api.AuditEnds(ctx)
	if err != nil {
		return app.AuditReport{}, err
	}
	return app.VerifyAuditEntries(ends, auditEntries(ctx, api), c.Marks)
}

// auditEntries are all entries that a server has, the oldest first.
func auditEntries(ctx context.Context, api *client.Client) iter.Seq2[wire.AuditEntry, error] {
	return func(yield func(wire.AuditEntry, error) bool) {
		f := client.AuditFilter{OldestFirst: true, Page: client.Page{Limit: 1000}}
		for {
			page, err := api.Audit(ctx, f)
			if err != nil {
				yield(wire.AuditEntry{}, err)
				return
			}
			for _, e := range page.Items {
				if !yield(e, nil) {
					return
				}
			}
			if page.NextCursor == nil {
				return
			}
			f.Cursor = *page.NextCursor
		}
	}
}

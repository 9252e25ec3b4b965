package storetest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"recado/acs"
	"recado/webhook"
)

var listCases = []testCase{
	{"actions/newest first, page by page", (*env).pageActions},
	{"actions/each filter", (*env).filterActions},
	{"actions/pages stay what they are while actions come", (*env).stableActions},
	{"actions/at most 1,000 a page", (*env).biggestPage},
	{"actions/a wrong cursor", (*env).wrongCursors},
}

// walkPages reads page after page, and fails where one is not full although another follows it.
func walkPages[T any](e *env, what string, limit int, list func(cursor string) ([]T, string, error), between func()) []T {
	e.Helper()
	var all []T
	for cursor := ""; ; {
		page, next, err := list(cursor)
		e.ok(what, err)
		all = append(all, page...)
		if next == "" {
			if len(page) > limit || cursor != "" && len(page) == 0 {
				e.Fatalf("%s: got a last page of %d, want 1 … %d", what, len(page), limit)
			}
			return all
		}
		if len(page) != limit {
			e.Fatalf("%s: got a page of %d with another after it, want %d", what, len(page), limit)
		}
		if len(all) > 100_000 {
			e.Fatalf("%s: the pages never end", what)
		}
		cursor = next
		if between != nil {
			between()
		}
	}
}

func (e *env) allActions(f acs.ActionFilter, between func()) []acs.Action {
	e.Helper()
	return walkPages(e, fmt.Sprintf("actions by %+v", f), f.Limit, func(cursor string) ([]acs.Action, string, error) {
		f.Cursor = cursor
		return e.Actions(e.ctx, f)
	}, between)
}

func (e *env) pageActions() {
	if got := e.allActions(acs.ActionFilter{Limit: 3}, nil); len(got) != 0 {
		e.Fatalf("actions of an empty store: got %d, want none", len(got))
	}
	var made []acs.Action
	for i := range 12 {
		made = append(made, e.create(e.action("cli_1", fmt.Sprintf("cpe-%d", i%5))))
		if i%3 == 0 {
			e.pass(time.Second)
		}
	}
	want := reversed(made)
	for _, limit := range []int{1, 5, 6, 11, 12, 13} {
		e.same(fmt.Sprintf("pages of %d", limit), e.allActions(acs.ActionFilter{Limit: limit}, nil), want)
	}
	all, next, err := e.Actions(e.ctx, acs.ActionFilter{})
	e.ok("actions without a limit", err)
	e.same("actions without a limit", all, want)
	e.same("cursor after all", next, "")
}

func (e *env) filterActions() {
	var made []acs.Action
	for i := range 24 {
		a := e.action([]string{"cli_1", "cli_2"}[i%2], []string{"cpe-1", "cpe-2", "cpe-10"}[i%3])
		if i%4 == 0 {
			a.Kind = acs.KindParametersUpdate
		}
		a = e.create(a)
		if s := []acs.Status{acs.StatusPending, acs.StatusSuccess, acs.StatusFailure}[i%5%3]; s.Final() {
			a, _ = e.finish(a, s)
		}
		made = append(made, a)
		e.pass(time.Second)
	}
	for _, f := range []acs.ActionFilter{
		{Client: "cli_1"},
		{Client: "cli_"},
		{Device: "cpe-1"},
		{Kind: acs.KindReboot},
		{Statuses: []acs.Status{acs.StatusPending}},
		{Statuses: []acs.Status{acs.StatusSuccess, acs.StatusFailure}},
		{Statuses: []acs.Status{acs.StatusTimeout}},
		{Since: made[9].CreatedAt},
		{Since: made[9].CreatedAt.Add(time.Millisecond)},
		{Since: made[9].CreatedAt, Client: "cli_2", Device: "cpe-2", Kind: acs.KindReboot, Statuses: []acs.Status{acs.StatusSuccess}},
		{Client: "cli_2", Device: "cpe-10", Statuses: []acs.Status{acs.StatusPending, acs.StatusFailure}},
	} {
		var want []acs.Action
		for _, a := range reversed(made) {
			if (f.Client == "" || f.Client == a.Client) && (f.Device == "" || f.Device == a.Device) && (f.Kind == "" || f.Kind == a.Kind) &&
				(f.Statuses == nil || slices.Contains(f.Statuses, a.Status)) && !a.CreatedAt.Before(f.Since) {
				want = append(want, a)
			}
		}
		for _, f.Limit = range []int{2, 100} {
			e.same(fmt.Sprintf("%+v", f), e.allActions(f, nil), want)
		}
	}
}

func (e *env) stableActions() {
	var made []acs.Action
	for range 9 {
		made = append(made, e.create(e.action("cli_1", "cpe-1")))
	}
	got := e.allActions(acs.ActionFilter{Client: "cli_1", Limit: 2}, func() {
		e.create(e.action("cli_1", "cpe-1"))
		e.pass(time.Millisecond)
		e.create(e.action("cli_2", "cpe-1"))
	})
	e.same("pages while actions came", got, reversed(made))
}

func (e *env) biggestPage() {
	const n = 1003
	e.many(n, func(i int) { e.create(e.action("cli_1", fmt.Sprintf("cpe-%d", i%100))) })
	for _, limit := range []int{0, 1000, 1001, 1 << 40} {
		page, next, err := e.Actions(e.ctx, acs.ActionFilter{Limit: limit})
		e.ok("actions", err)
		if len(page) != 1000 || next == "" {
			e.Fatalf("limit %d: got %d actions, cursor %q; want 1000 and a cursor", limit, len(page), next)
		}
		page, next, err = e.Actions(e.ctx, acs.ActionFilter{Limit: limit, Cursor: next})
		e.ok("actions", err)
		if len(page) != n-1000 || next != "" {
			e.Fatalf("limit %d, second page: got %d actions, cursor %q; want %d and none", limit, len(page), next, n-1000)
		}
	}
}

func (e *env) wrongCursors() {
	e.create(e.action("cli_1", "cpe-1"))
	e.facts("cpe-1", acs.Facts{})
	for _, cursor := range []string{"?", "\x00", "' or 1=1", "é"} {
		_, _, errActions := e.Actions(e.ctx, acs.ActionFilter{Cursor: cursor})
		_, _, errDevices := e.Devices(e.ctx, acs.DeviceFilter{Cursor: cursor})
		_, _, errDeliveries := e.Deliveries(e.ctx, webhook.DeliveryFilter{Cursor: cursor})
		_, _, errEvents := e.Events(e.ctx, webhook.EventFilter{Cursor: cursor})
		for list, err := range map[string]error{
			"actions": errActions, "devices": errDevices, "deliveries": errDeliveries, "events": errEvents,
		} {
			var invalid *acs.InvalidError
			if !errors.As(err, &invalid) || invalid.Field != "cursor" {
				e.Errorf("%s, cursor %q: got error %v, want an *acs.InvalidError of the cursor", list, cursor, err)
			}
		}
	}
}

package storetest

import (
	"sync/atomic"

	"recado/acs"
)

var quotaCases = []testCase{
	{"quota/counts to the limit, by client and day", (*env).quotaCounts},
	{"quota/many at once get what there is", (*env).quotaRace},
	{"quota/goes with its client, and with time", (*env).quotaGone},
	{"reopen/counts of requests", (*env).quotaReopened},
}

func (e *env) reserve(client string, day acs.Day, n, limit int) acs.Reserved {
	e.Helper()
	return try(e.ReserveRequests(e.ctx, client, day, n, limit)).get(e, "reserve requests")
}

func (e *env) quotaCounts() {
	const day = acs.Day(20000)
	for _, tt := range []struct {
		client   string
		day      acs.Day
		n, limit int
		want     acs.Reserved
	}{
		{"cli_1", day, 3, 10, acs.Reserved{Granted: 3, Used: 3}},
		{"cli_1", day, 5, 10, acs.Reserved{Granted: 5, Used: 8}},
		{"cli_1", day, 5, 10, acs.Reserved{Granted: 2, Used: 10}},
		{"cli_1", day, 5, 10, acs.Reserved{Granted: 0, Used: 10}},
		{"cli_2", day, 5, 10, acs.Reserved{Granted: 5, Used: 5}},
		{"cli_1", day + 1, 1, 10, acs.Reserved{Granted: 1, Used: 1}},
		{"cli_1", day, 5, 12, acs.Reserved{Granted: 2, Used: 12}}, // a day is not forgotten as soon as it is over
		{"cli_1", day, 5, 4, acs.Reserved{Granted: 0, Used: 12}},  // a lower limit holds at once
		{"cli_1", day, 0, 100, acs.Reserved{Granted: 0, Used: 12}},
		{"cli_1", day, -5, 100, acs.Reserved{Granted: 0, Used: 12}},
	} {
		e.same("reserve", e.reserve(tt.client, tt.day, tt.n, tt.limit), tt.want)
	}
	for _, tt := range []struct{ n, used int }{{2, 10}, {0, 10}, {-3, 10}, {100, 0}, {1, 0}} {
		e.ok("return", e.ReturnRequests(e.ctx, "cli_1", day, tt.n))
		e.same("used after a return", e.reserve("cli_1", day, 0, 100).Used, tt.used)
	}
	e.same("another client's", e.reserve("cli_2", day, 0, 10).Used, 5)
	e.same("reserved again", e.reserve("cli_1", day, 10, 10), acs.Reserved{Granted: 10, Used: 10})
}

func (e *env) quotaRace() {
	var granted atomic.Int64
	e.many(200, func(int) { granted.Add(int64(e.reserve("cli_1", 20000, 3, 500).Granted)) })
	if n := granted.Load(); n != 500 {
		e.Errorf("of 600 asked for at once with a limit of 500: got %d, want 500", n)
	}
}

func (e *env) quotaGone() {
	const day = acs.Day(20000)
	e.client("cli_1", "one")
	e.client("cli_10", "ten")
	for _, client := range []string{"cli_1", "cli_10"} {
		for d := day - 1; d <= day; d++ {
			e.reserve(client, d, 7, 10)
		}
	}
	e.ok("delete client", e.DeleteClient(e.ctx, "cli_1"))
	for d := day - 1; d <= day; d++ {
		e.same("a deleted client's", e.reserve("cli_1", d, 0, 10).Used, 0)
		e.same("another client's", e.reserve("cli_10", d, 0, 10).Used, 7)
	}
	e.ok("return to a deleted client", e.ReturnRequests(e.ctx, "cli_1", day, 7))
	e.same("a deleted client's", e.reserve("cli_1", day, 10, 10), acs.Reserved{Granted: 10, Used: 10})
	e.reserve("cli_10", day+5, 1, 10)
	for d := day - 1; d <= day; d++ {
		e.same("some days later", e.reserve("cli_10", d, 0, 10).Used, 0)
	}
	e.same("that day", e.reserve("cli_10", day+5, 0, 10).Used, 1)
}

func (e *env) quotaReopened() {
	if !e.reopens() {
		return
	}
	for i := range 3 {
		e.reserve("cli_1", 20000, 2, 100)
		e.reopen()
		e.same("reopened", e.reserve("cli_1", 20000, 0, 100).Used, 2*(i+1))
	}
}

// reserveSome is a step of the walk.
func (w *walker) reserveSome() {
	client, day := w.aClient(), acs.Day(20000+w.step/500)
	if w.chance(4) {
		n := w.IntN(5)
		done(w, "return requests", func(s Store) error { return s.ReturnRequests(w.ctx, client, day, n) })
		return
	}
	n, limit := w.IntN(5), pick(w, 3, 20, 100)
	both(w, "reserve requests", func(s Store) (acs.Reserved, error) { return s.ReserveRequests(w.ctx, client, day, n, limit) })
}

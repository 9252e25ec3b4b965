package storetest

import (
	"fmt"
	"time"

	"recado/acs"
)

func (e *env) grant(hash string, age time.Duration) acs.Grant {
	at := e.now().Add(-age)
	return acs.Grant{Token: acs.Token{Hash: hash, Client: "cli_1", CreatedAt: at, ExpiresAt: at.Add(24 * time.Hour), Fetched: true}}
}

// holds checks which of some tokens are there.
func (e *env) holds(what string, want map[string]bool) {
	e.Helper()
	for hash, there := range want {
		if _, err := e.Token(e.ctx, hash); (err == nil) != there {
			e.Errorf("%s: token %s: got error %v, want it there: %v", what, hash, err, there)
		}
	}
}

func (e *env) fetchedTokens() {
	e.wantErr("grant to nobody", e.GrantToken(e.ctx, e.grant("h", 0)), acs.ErrNotFound)
	e.client("cli_1", "a")
	e.client("cli_2", "b")
	e.ok("add", e.AddToken(e.ctx, acs.Token{Hash: "made", Client: "cli_1", CreatedAt: e.now().Add(-time.Hour * 1000)}))
	e.ok("add", e.AddToken(e.ctx, acs.Token{Hash: "made, over", Client: "cli_1", ExpiresAt: e.now().Add(time.Minute)}))
	e.ok("add", e.AddToken(e.ctx, acs.Token{Hash: "of cli_2, over", Client: "cli_2", ExpiresAt: e.now().Add(time.Minute), Fetched: true}))
	e.ok("grant", e.GrantToken(e.ctx, e.grant("over", 24*time.Hour-time.Minute)))
	g := e.grant("oldest", 2*time.Hour)
	e.ok("grant", e.GrantToken(e.ctx, g))
	e.same("every field", try(e.Token(e.ctx, "oldest")).get(e, "token"), g.Token)
	e.pass(2 * time.Minute)
	// "over" goes with the next one, which leaves room for one less than the bound, and "oldest" with the one after it.
	for i := range acs.MaxFetchedTokens - 1 {
		e.ok("grant", e.GrantToken(e.ctx, e.grant(fmt.Sprint("h", i), time.Hour-time.Duration(i)*time.Second)))
	}
	all := map[string]bool{"made": true, "made, over": false, "of cli_2, over": true, "over": false, "oldest": true, "h0": true}
	e.holds("at the bound", all)
	e.ok("grant", e.GrantToken(e.ctx, e.grant("one more", 0)))
	all["oldest"], all["one more"] = false, true
	e.holds("past the bound", all)
	e.ok("grant", e.GrantToken(e.ctx, e.grant("two more", 0)))
	all["h0"], all["h1"], all["two more"] = false, true, true
	e.holds("two past the bound", all)
}

func (e *env) marks() {
	e.client("cli_1", "a")
	e.client("cli_2", "b")
	grant := func(hash, client, mark string) error {
		g := e.grant(hash, 0)
		g.Token.Client, g.Mark, g.MarkUntil = client, mark, e.now().Add(time.Hour)
		return e.GrantToken(e.ctx, g)
	}
	e.ok("the first", grant("h1", "cli_1", "m1"))
	e.ok("another mark", grant("h2", "cli_1", "m2"))
	e.ok("no mark", grant("h3", "cli_1", ""))
	e.ok("no mark again", grant("h4", "cli_1", ""))
	e.wantErr("the mark again", grant("h5", "cli_1", "m1"), acs.ErrExists)
	e.wantErr("by another client", grant("h5", "cli_2", "m1"), acs.ErrExists)
	e.holds("what was refused", map[string]bool{"h5": false, "m1": false})
	e.ok("revoke", e.DeleteTokens(e.ctx, "cli_1"))
	e.wantErr("after revoking", grant("h5", "cli_1", "m1"), acs.ErrExists)
	e.pass(time.Hour - time.Second)
	e.wantErr("a second before its end", grant("h5", "cli_1", "m1"), acs.ErrExists)
	e.pass(time.Second)
	e.ok("when its time is over", grant("h6", "cli_1", "m1"))
	e.wantErr("once more", grant("h7", "cli_1", "m1"), acs.ErrExists)
}

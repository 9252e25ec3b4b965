package boltstore_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
)

func TestPurgeOfTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(t)
		check(t, "client", s.CreateClient(ctx, acs.Client{ID: "cli_1", Name: "a"}))
		check(t, "token", s.AddToken(ctx, acs.Token{Hash: "for ever", Client: "cli_1"}))
		now := time.Now()
		for i := range 25 {
			check(t, "grant", s.GrantToken(ctx, acs.Grant{
				Token: acs.Token{Hash: fmt.Sprint("h", i), Client: "cli_1", ExpiresAt: now.Add(time.Duration(i+1) * time.Minute), Fetched: true},
				Mark:  fmt.Sprint("m", i), MarkUntil: now.Add(time.Duration(i+1) * time.Minute),
			}))
		}
		done, err := s.Purge(ctx, acs.Retention{Batch: 4})
		check(t, "purge of nothing", err)
		if done != (acs.Purged{}) {
			t.Errorf("without a bound: got %+v, want nothing", done)
		}
		done, err = s.Purge(ctx, acs.Retention{Batch: 4, TokensBefore: now.Add(20 * time.Minute)})
		check(t, "purge", err)
		if want := (acs.Purged{Tokens: 40}); done != want {
			t.Errorf("got %+v, want %+v: 20 tokens with their marks", done, want)
		}
		for hash, there := range map[string]bool{"for ever": true, "h19": false, "h20": true} {
			if _, err := s.Token(ctx, hash); (err == nil) != there {
				t.Errorf("token %s: got error %v, want it there: %v", hash, err, there)
			}
		}
	})
}

// BenchmarkGrantToken fetches tokens where a hundred clients have as many as they may.
func BenchmarkGrantToken(b *testing.B) {
	s := newStore(b)
	n := 0
	grant := func(client string) {
		n++
		check(b, "grant", s.GrantToken(ctx, acs.Grant{
			Token: acs.Token{Hash: fmt.Sprintf("%064d", n), Client: client, CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour), Fetched: true},
		}))
	}
	for c := range 100 {
		id := fmt.Sprintf("cli_%032d", c)
		check(b, "client", s.CreateClient(ctx, acs.Client{ID: id, Name: id}))
		for range acs.MaxFetchedTokens {
			check(b, "token", s.AddToken(ctx, acs.Token{Hash: fmt.Sprintf("%d-%061d", c, n), Client: id, ExpiresAt: time.Now().Add(time.Hour), Fetched: true}))
			n++
		}
	}
	for b.Loop() {
		grant("cli_00000000000000000000000000000050")
	}
}

// TestMarksOutliveACrash: what a token was given for is not taken again by the process after this one.
func TestMarksOutliveACrash(t *testing.T) {
	s := newStore(t)
	check(t, "client", s.CreateClient(ctx, acs.Client{ID: "cli_1", Name: "a"}))
	grant := acs.Grant{
		Token: acs.Token{Hash: "h1", Client: "cli_1", ExpiresAt: time.Now().Add(time.Hour), Fetched: true},
		Mark:  "m", MarkUntil: time.Now().Add(time.Hour),
	}
	check(t, "grant", s.GrantToken(ctx, grant))
	to := filepath.Join(t.TempDir(), "recado.db")
	copyStore(t, s.path, to)
	after := open(t, to)
	defer func() { check(t, "close", after.Close()) }()
	grant.Token.Hash = "h2"
	if err := after.GrantToken(ctx, grant); !errors.Is(err, acs.ErrExists) {
		t.Errorf("the mark again: got %v, want ErrExists", err)
	}
	got, err := after.Token(ctx, "h1")
	if err != nil || !got.Fetched {
		t.Errorf("the token: got %+v, %v", got, err)
	}
}

package acs_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"recado/acs"
	"recado/store/memstore"
)

func TestFetchToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, err := acs.NewService(memstore.New(), acs.ServiceConfig{})
		if err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		made, err := svc.CreateClient(ctx, acs.NewClient{Name: "erp"})
		if err != nil {
			t.Fatal(err)
		}
		other, err := svc.CreateClient(ctx, acs.NewClient{Name: "crm"})
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct{ id, secret string }{
			"wrong secret":     {made.ClientID, made.ClientSecret + "x"},
			"no secret":        {made.ClientID, ""},
			"another's secret": {made.ClientID, other.ClientSecret},
			"its token":        {made.ClientID, made.Token},
			"its name":         {"erp", made.ClientSecret},
			"no client":        {"cli_0", made.ClientSecret},
			"the hash":         {made.ClientID, made.Client.SecretHash},
			"nobody":           {"", "nobody"},
			"nobody at all":    {"cli_0", "nobody"},
		} {
			if _, err := svc.FetchToken(ctx, c.id, c.secret); !errors.Is(err, acs.ErrUnauthenticated) {
				t.Errorf("%s: got %v, want ErrUnauthenticated", name, err)
			}
		}
		fetch := func(want time.Duration) acs.FetchedToken {
			t.Helper()
			got, err := svc.FetchToken(ctx, made.ClientID, made.ClientSecret)
			if err != nil || !got.Token.ExpiresAt.Equal(time.Now().Add(want)) {
				t.Fatalf("got %+v, %v; want a token of %v", got.Token, err, want)
			}
			return got
		}
		works := func(token string, want error) {
			t.Helper()
			if _, err := svc.Authenticate(ctx, token); !errors.Is(err, want) {
				t.Errorf("authenticate: got %v, want %v", err, want)
			}
		}
		day := fetch(24 * time.Hour)
		ttl := 5 * time.Minute
		if _, err := svc.ChangeClient(ctx, made.ClientID, acs.ClientChange{TokenTTL: &ttl}); err != nil {
			t.Fatal(err)
		}
		short := fetch(ttl)
		time.Sleep(ttl - time.Nanosecond)
		works(short.Text, nil)
		time.Sleep(time.Nanosecond)
		works(short.Text, acs.ErrUnauthenticated)
		works(day.Text, nil)

		// A client that fetches one for each call keeps the newest, and the token that was made for it.
		for range acs.MaxFetchedTokens {
			time.Sleep(time.Millisecond)
			short = fetch(ttl)
		}
		works(day.Text, acs.ErrUnauthenticated)
		works(short.Text, nil)
		works(made.Token, nil)

		blocked := true
		if _, err := svc.ChangeClient(ctx, made.ClientID, acs.ClientChange{Blocked: &blocked}); err != nil {
			t.Fatal(err)
		}
		if _, err := svc.FetchToken(ctx, made.ClientID, made.ClientSecret); !errors.Is(err, acs.ErrBlocked) {
			t.Errorf("blocked: got %v, want ErrBlocked", err)
		}
		if _, err := svc.FetchToken(ctx, made.ClientID, "wrong"); !errors.Is(err, acs.ErrUnauthenticated) {
			t.Errorf("blocked, wrong secret: got %v, want ErrUnauthenticated", err)
		}
		works(short.Text, acs.ErrBlocked)
		if err := svc.DeleteClient(ctx, made.ClientID); err != nil {
			t.Fatal(err)
		}
		if _, err := svc.FetchToken(ctx, made.ClientID, made.ClientSecret); !errors.Is(err, acs.ErrUnauthenticated) {
			t.Errorf("deleted: got %v, want ErrUnauthenticated", err)
		}
	})
}

func TestClientFields(t *testing.T) {
	svc, err := acs.NewService(memstore.New(), acs.ServiceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	made, err := svc.CreateClient(t.Context(), acs.NewClient{Name: "erp"})
	if err != nil || made.Client.Type != acs.ClientGeneric {
		t.Fatalf("got type %q, %v; want generic", made.Client.Type, err)
	}
	typ, zone, legacy := acs.ClientERP, "America/Sao_Paulo", true
	c, err := svc.ChangeClient(t.Context(), made.ClientID, acs.ClientChange{Type: &typ, TimeZone: &zone, Legacy: &legacy})
	if err != nil || c.Type != typ || c.TimeZone != zone || !c.Legacy {
		t.Errorf("got %+v, %v", c, err)
	}
	for field, ch := range map[string]acs.ClientChange{
		"type":       {Type: ptr(acs.ClientType("fax"))},
		"time_zone":  {TimeZone: ptr("Local")},
		"public_key": {PublicKey: ptr("x")},
	} {
		var invalid *acs.InvalidError
		if _, err := svc.ChangeClient(t.Context(), made.ClientID, ch); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: got %v, want it refused", field, err)
		}
	}
}
func ptr[T any](v T) *T { return &v }

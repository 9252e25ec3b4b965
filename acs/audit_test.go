package acs_test

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"recado/acs"
	"recado/webhook"
)

// chain makes so many entries.
func chain(n int) []acs.AuditEntry {
	var all []acs.AuditEntry
	last := acs.AuditMark{}
	for i := range n {
		e := acs.AuditEntry{
			Seq: last.Seq + 1, Time: time.UnixMilli(int64(1000 * i)).UTC(), Prev: last.Hash,
			AuditAct: acs.AuditAct{Act: acs.AuditClientBlocked, Object: "cli_1", Details: map[string]string{"n": strings.Repeat("x", i)}},
		}
		e.Hash = acs.AuditHash(e.Prev, e.Seq, e.Time, acs.AppendAuditBody(nil, &e.AuditAct))
		last = acs.AuditMark{Seq: e.Seq, Hash: e.Hash}
		all = append(all, e)
	}
	return all
}

func entriesOf(all []acs.AuditEntry, err error) iter.Seq2[acs.AuditEntry, error] {
	return func(yield func(acs.AuditEntry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
		if err != nil {
			yield(acs.AuditEntry{}, err)
		}
	}
}

func mark(e acs.AuditEntry) acs.AuditMark { return acs.AuditMark{Seq: e.Seq, Hash: e.Hash} }

// TestVerifyAudit changes one thing at a time; everything that is hashed is among them.
func TestVerifyAudit(t *testing.T) {
	good := chain(10)
	change := func(f func(e *acs.AuditEntry)) func() []acs.AuditEntry {
		return func() []acs.AuditEntry {
			all := slices.Clone(good)
			f(&all[4])
			return all
		}
	}
	other := mark(good[6])
	other.Hash[0] ^= 1
	for _, tt := range []struct {
		name    string
		anchor  acs.AuditMark
		entries func() []acs.AuditEntry
		marks   []acs.AuditMark
		want    uint64 // the first wrong entry; 0 for none
	}{
		{"whole", acs.AuditMark{}, func() []acs.AuditEntry { return good }, []acs.AuditMark{mark(good[9]), mark(good[0]), mark(good[4]), {}}, 0},
		{"from an anchor", mark(good[3]), func() []acs.AuditEntry { return good[4:] }, []acs.AuditMark{mark(good[9]), mark(good[3]), mark(good[1])}, 0},
		{"nothing", acs.AuditMark{}, func() []acs.AuditEntry { return nil }, nil, 0},
		{"nothing after an anchor", mark(good[9]), func() []acs.AuditEntry { return nil }, []acs.AuditMark{mark(good[9])}, 0},
		{"another anchor", mark(good[2]), func() []acs.AuditEntry { return good[4:] }, nil, 4},
		{"a wrong anchor", acs.AuditMark{Seq: 4}, func() []acs.AuditEntry { return good[4:] }, nil, 5},
		{"a mark that is another", acs.AuditMark{}, func() []acs.AuditEntry { return good }, []acs.AuditMark{other}, 7},
		{"an anchor that is another than its mark", acs.AuditMark{Seq: 7}, func() []acs.AuditEntry { return good[7:] }, []acs.AuditMark{other}, 7},
		{"a mark beyond the end", acs.AuditMark{}, func() []acs.AuditEntry { return good[:9] }, []acs.AuditMark{mark(good[9])}, 10},
		{"one missing", acs.AuditMark{}, func() []acs.AuditEntry { return slices.Concat(good[:4], good[5:]) }, nil, 5},
		{"one twice", acs.AuditMark{}, func() []acs.AuditEntry { return slices.Concat(good[:5], good[4:]) }, nil, 6},
		{"seq", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Seq++ }), nil, 5},
		{"hash", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Hash[31]++ }), nil, 5},
		{"time", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Time = e.Time.Add(time.Millisecond) }), nil, 5},
		{"actor's client", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Actor.Client = "x" }), nil, 5},
		{"actor's name", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Actor.ClientName = "x" }), nil, 5},
		{"source", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Actor.Source = "x" }), nil, 5},
		{"request", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Actor.RequestID = "x" }), nil, 5},
		{"via", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Actor.Via = "x" }), nil, 5},
		{"act", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Act = acs.AuditClientUnblocked }), nil, 5},
		{"object", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Object = "cli_2" }), nil, 5},
		{"client", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Client = "cli_2" }), nil, 5},
		{"a detail", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Details = map[string]string{"n": "y"} }), nil, 5},
		{"a detail's name", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Details = map[string]string{"m": "xxxx"} }), nil, 5},
		{"one detail more", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Details = map[string]string{"n": "xxxx", "o": ""} }), nil, 5},
		{"a text moved on", acs.AuditMark{}, change(func(e *acs.AuditEntry) { e.Act, e.Object = e.Act+e.Object[:1], e.Object[1:] }), nil, 5},
	} {
		last, err := acs.VerifyAudit(tt.anchor, entriesOf(tt.entries(), nil), tt.marks...)
		var wrong *acs.AuditError
		switch {
		case tt.want == 0 && err != nil:
			t.Errorf("%s: got %v, want none", tt.name, err)
		case tt.want == 0:
		case !errors.As(err, &wrong) || wrong.Seq != tt.want:
			t.Errorf("%s: got %v, want entry %d", tt.name, err, tt.want)
		case last.Seq >= tt.want:
			t.Errorf("%s: got entry %d as the last good one, want one before %d", tt.name, last.Seq, tt.want)
		}
	}
	broken := errors.New("broken pipe")
	if last, err := acs.VerifyAudit(acs.AuditMark{}, entriesOf(good[:3], broken)); !errors.Is(err, broken) || last.Seq != 3 {
		t.Errorf("entries that end in an error: got %v after entry %d, want %v after 3", err, last.Seq, broken)
	}
}

// differ calls told with a copy of v that differs in one field, for each field of v and of what is in it.
func differ[T any](t *testing.T, told func(field string, changed *T)) {
	t.Helper()
	var walk func(prefix string, typ reflect.Type, at func(*T) reflect.Value)
	walk = func(prefix string, typ reflect.Type, at func(*T) reflect.Value) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			field := func(v *T) reflect.Value { return at(v).Field(i) }
			if f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Time]() && f.Type != reflect.TypeFor[webhook.Health]() {
				walk(prefix+f.Name+".", f.Type, field)
				continue
			}
			var v T
			set(t, field(&v))
			told(prefix+f.Name, &v)
		}
	}
	walk("", reflect.TypeFor[T](), func(v *T) reflect.Value { return reflect.ValueOf(v).Elem() })
}

func set(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("changed")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(7, 0)))
			return
		}
		set(t, v.Field(0))
	default:
		t.Fatalf("a field of kind %s", v.Kind())
	}
}

// TestEveryFieldIsTold: a change of any field is written down, unless the field is listed here as none of anybody's acts.
func TestEveryFieldIsTold(t *testing.T) {
	ctx := context.Background()
	want := func(what, field string, told bool, untold ...string) {
		t.Helper()
		if told == slices.Contains(untold, field) {
			t.Errorf("%s.%s: got told %v", what, field, told)
		}
	}
	differ(t, func(field string, c *acs.Client) {
		want("Client", field, len(acs.AuditClient(ctx, &acs.Client{}, c)) > 0, "ID", "CreatedAt", "UpdatedAt", "Version")
	})
	differ(t, func(field string, e *webhook.Endpoint) {
		want("Endpoint", field, len(acs.AuditEndpoint(ctx, &webhook.Endpoint{}, e)) > 0, "ID", "Client", "StateReason", "HoldUntil", "OldSecret",
			"OldSecretUntil", "Health", "CreatedAt", "UpdatedAt", "Version")
	})
	differ(t, func(field string, f *acs.Facts) {
		want("Facts", field, len(acs.AuditFacts(ctx, "cpe-1", &acs.Facts{}, f)) > 0, "AnnouncedAt", "CreatedAt", "UpdatedAt", "Version")
	})
}

// TestOldSecret tells who ended a rotation's overlap: the client, or the time.
func TestOldSecret(t *testing.T) {
	until := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	before := webhook.Endpoint{ID: "wh_1", OldSecret: "old", OldSecretUntil: until, UpdatedAt: until.Add(-time.Hour)}
	for _, tt := range []struct {
		via  string
		at   time.Time
		want string
	}{
		{acs.ViaAPI, until.Add(-time.Minute), acs.AuditSecretPromoted},
		{acs.ViaAPI, until, acs.AuditOldSecretWiped},
		{acs.ViaSystem, until.Add(-time.Hour), acs.AuditOldSecretWiped},
	} {
		now := before
		now.OldSecret, now.OldSecretUntil, now.UpdatedAt = "", time.Time{}, tt.at
		acts := acs.AuditEndpoint(acs.WithActor(context.Background(), acs.Actor{Via: tt.via}), &before, &now)
		if len(acts) != 1 || acts[0].Act != tt.want {
			t.Errorf("via %s at %v: got %+v, want %s", tt.via, tt.at, acts, tt.want)
		}
	}
}

// TestAuditTextsAreBounded: what clients choose neither fills the record nor is changed by a way through JSON.
func TestAuditTextsAreBounded(t *testing.T) {
	c := acs.Client{ID: "cli_\xff", Name: strings.Repeat("é", 5000) + "\xff\x00"}
	ctx := acs.WithActor(context.Background(), acs.Actor{ClientName: "a\xffb"})
	for _, a := range acs.AuditNewClient(ctx, &c) {
		if n := len(a.Details["name"]); n > 512 {
			t.Errorf("name: got %d bytes, want 512 at the most", n)
		}
		for _, s := range []string{a.Object, a.Client, a.Actor.ClientName, a.Details["name"]} {
			if strings.ToValidUTF8(s, "") != s {
				t.Errorf("%q is not valid UTF-8", s)
			}
		}
	}
}

// TestDangerousIsRemembered: a verdict is the same the second time, for more names than are remembered.
func TestDangerousIsRemembered(t *testing.T) {
	for range 2 {
		for i := range 10_000 {
			suffix := strings.Repeat("x", i%7) + string(rune('a'+i%26)) + time.Duration(i).String()
			if !acs.Dangerous("Device.ManagementServer." + suffix) {
				t.Fatalf("Device.ManagementServer.%s: got harmless", suffix)
			}
			if acs.Dangerous("Device.WiFi.SSID.1." + suffix) {
				t.Fatalf("Device.WiFi.SSID.1.%s: got dangerous", suffix)
			}
		}
	}
	if long := "Device.ManagementServer." + strings.Repeat("x", 1000); !acs.Dangerous(long) {
		t.Error("a long name: got harmless")
	}
}

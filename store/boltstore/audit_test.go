package boltstore_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"recado/acs"
	"recado/store/boltstore"
)

// audited makes a closed store with so many entries and gives its path.
func audited(t testing.TB, entries int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, path)
	for i := range entries {
		who := acs.Actor{Client: newID(t, "cli_"), ClientName: "erp", Source: "192.0.2.7", RequestID: newProtocolo().String(), Via: acs.ViaAPI}
		check(t, "append", s.AppendAudit(acs.WithActor(ctx, who), acs.AuditAct{
			Actor: who, Act: acs.AuditClientChanged, Object: fmt.Sprint("object-", i), Client: who.Client, Details: map[string]string{"fields": "name"},
		}))
	}
	check(t, "close", s.Close())
	return path
}

// tamper changes a closed store's file.
func tamper(t testing.TB, path string, change func(audit, meta *bolt.Bucket) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	check(t, "open file", err)
	check(t, "tamper", db.Update(func(tx *bolt.Tx) error { return change(tx.Bucket([]byte("audit")), tx.Bucket([]byte("meta"))) }))
	check(t, "close file", db.Close())
}

func seqKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// TestAuditTampering is C9: whatever is done to the record, verifying names the first entry that is not as it was.
func TestAuditTampering(t *testing.T) {
	const n = 20
	flip := func(seq uint64, at int) func(a, m *bolt.Bucket) error {
		return func(a, _ *bolt.Bucket) error {
			v := bytes.Clone(a.Get(seqKey(seq)))
			v[(at+len(v))%len(v)] ^= 1
			return a.Put(seqKey(seq), v)
		}
	}
	set := func(seq uint64, value func(a *bolt.Bucket) []byte) func(a, m *bolt.Bucket) error {
		return func(a, _ *bolt.Bucket) error { return a.Put(seqKey(seq), bytes.Clone(value(a))) }
	}
	swap := func(x, y uint64) func(a, m *bolt.Bucket) error {
		return func(a, _ *bolt.Bucket) error {
			vx, vy := bytes.Clone(a.Get(seqKey(x))), bytes.Clone(a.Get(seqKey(y)))
			return errors.Join(a.Put(seqKey(x), vy), a.Put(seqKey(y), vx))
		}
	}
	drop := func(seqs ...uint64) func(a, m *bolt.Bucket) error {
		return func(a, _ *bolt.Bucket) (err error) {
			for _, seq := range seqs {
				err = errors.Join(err, a.Delete(seqKey(seq)))
			}
			return err
		}
	}
	type attack struct {
		name   string
		change func(audit, meta *bolt.Bucket) error
		want   uint64
	}
	attacks := []attack{
		{"nothing", func(_, _ *bolt.Bucket) error { return nil }, 0},
		{"the first dropped", drop(1), 1},
		{"one in the middle dropped", drop(8), 8},
		{"the last dropped", drop(n), n},
		{"the last three dropped", drop(n-2, n-1, n), n - 2},
		{"all dropped", func(a, _ *bolt.Bucket) (err error) {
			for i := uint64(1); i <= n; i++ {
				err = errors.Join(err, a.Delete(seqKey(i)))
			}
			return err
		}, 1},
		{"neighbours swapped", swap(8, 9), 8},
		{"two apart swapped", swap(3, 15), 3},
		{"one put in the place of another", set(8, func(a *bolt.Bucket) []byte { return a.Get(seqKey(7)) }), 8},
		{"one added", set(n+1, func(a *bolt.Bucket) []byte { return a.Get(seqKey(n)) }), n + 1},
		{"one in front", set(0, func(a *bolt.Bucket) []byte { return a.Get(seqKey(1)) }), 1},
		{"one emptied", set(5, func(*bolt.Bucket) []byte { return nil }), 5},
		{"one cut short", set(5, func(a *bolt.Bucket) []byte { v := a.Get(seqKey(5)); return v[:len(v)-1] }), 5},
		{"one made longer", set(5, func(a *bolt.Bucket) []byte { return append(bytes.Clone(a.Get(seqKey(5))), 0) }), 5},
		{"another version", set(5, func(a *bolt.Bucket) []byte { v := bytes.Clone(a.Get(seqKey(5))); v[0]++; return v }), 5},
		{"the head moved back", func(a, m *bolt.Bucket) error {
			return m.Put([]byte("audit_head"), append(seqKey(7), a.Get(seqKey(7))[1:33]...))
		}, 0}, // it still goes on from there, entry by entry
		{"the last dropped, and the head's hash changed", func(a, m *bolt.Bucket) error {
			return errors.Join(a.Delete(seqKey(n)), m.Put([]byte("audit_head"), append(seqKey(n-1), make([]byte, 32)...)))
		}, n - 1},
		{"an anchor in the middle", func(_, m *bolt.Bucket) error {
			return m.Put([]byte("audit_anchor"), append(seqKey(4), make([]byte, 32)...))
		}, 5},
	}
	for seq := uint64(1); seq <= n; seq += 3 {
		for _, at := range []int{0, 1, 20, 32, 35, 40, 70, 90, -1} {
			attacks = append(attacks, attack{fmt.Sprintf("byte %d of entry %d", at, seq), flip(seq, at), seq})
		}
	}
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			path := audited(t, n)
			tamper(t, path, a.change)
			report, err := boltstore.VerifyAudit(path, boltstore.Options{})
			var wrong *acs.AuditError
			switch {
			case a.want == 0 && (err != nil || report.Last.Seq != n):
				t.Errorf("got %v and the last entry %d, want none and %d", err, report.Last.Seq, n)
			case a.want == 0:
			case !errors.As(err, &wrong):
				t.Fatalf("got %v, want an *acs.AuditError", err)
			case wrong.Seq != a.want:
				t.Errorf("got %v, want entry %d", err, a.want)
			}
		})
	}
}

// TestAuditMarks: what the file alone cannot show, a mark that was noted elsewhere does.
func TestAuditMarks(t *testing.T) {
	path := audited(t, 9)
	report, err := boltstore.VerifyAudit(path, boltstore.Options{})
	check(t, "verify", err)
	if report.First != (acs.AuditMark{}) || report.Last.Seq != 9 {
		t.Fatalf("got %+v, want 9 entries", report)
	}
	noted := report.Last
	if _, err := boltstore.VerifyAudit(path, boltstore.Options{}, noted, acs.AuditMark{}); err != nil {
		t.Errorf("with its own mark: %v", err)
	}
	// Somebody takes the last entries out and moves the head: by itself the record is whole again.
	tamper(t, path, func(a, m *bolt.Bucket) error {
		return errors.Join(a.Delete(seqKey(8)), a.Delete(seqKey(9)), m.Put([]byte("audit_head"), append(seqKey(7), a.Get(seqKey(7))[1:33]...)))
	})
	if _, err := boltstore.VerifyAudit(path, boltstore.Options{}); err != nil {
		t.Errorf("cut, without a mark: got %v, want none: nothing is left to tell it by", err)
	}
	var wrong *acs.AuditError
	if _, err := boltstore.VerifyAudit(path, boltstore.Options{}, noted); !errors.As(err, &wrong) || wrong.Seq != 8 {
		t.Errorf("cut, with the mark: got %v, want entry 8", err)
	}
	// And writes others in their place.
	s := open(t, path)
	check(t, "append", s.AppendAudit(ctx, acs.AuditAct{Act: "x"}, acs.AuditAct{Act: "y"}))
	check(t, "close", s.Close())
	if _, err := boltstore.VerifyAudit(path, boltstore.Options{}, noted); !errors.As(err, &wrong) || wrong.Seq != 9 {
		t.Errorf("rewritten, with the mark: got %v, want entry 9", err)
	}
}

// TestAuditAnchor: entries can be cut off at the beginning, where the last of them is left as the anchor.
func TestAuditAnchor(t *testing.T) {
	path := audited(t, 30)
	tamper(t, path, func(a, m *bolt.Bucket) (err error) {
		hash := bytes.Clone(a.Get(seqKey(10))[1:33])
		for i := uint64(1); i <= 10; i++ {
			err = errors.Join(err, a.Delete(seqKey(i)))
		}
		return errors.Join(err, m.Put([]byte("audit_anchor"), append(seqKey(10), hash...)))
	})
	s := open(t, path)
	check(t, "append", s.AppendAudit(ctx, acs.AuditAct{Act: "x"}))
	ends, err := s.AuditEnds(ctx)
	check(t, "ends", err)
	if ends.Anchor.Seq != 10 || ends.Head.Seq != 31 {
		t.Errorf("ends: got %d to %d, want 10 to 31", ends.Anchor.Seq, ends.Head.Seq)
	}
	for _, f := range []acs.AuditFilter{{OldestFirst: true}, {}, {OldestFirst: true, Since: time.Now().Add(-time.Hour)}, {Until: time.Now().Add(time.Hour)}} {
		page, _, err := s.Audit(ctx, f)
		check(t, "audit", err)
		if len(page) != 21 {
			t.Fatalf("%+v: got %d entries, want 21", f, len(page))
		}
		first := page[0]
		if !f.OldestFirst {
			first = page[20]
		}
		if first.Seq != 11 || first.Prev != ends.Anchor.Hash {
			t.Errorf("the first entry: got %d, want 11, with the anchor's hash before", first.Seq)
		}
	}
	check(t, "close", s.Close())
	report, err := boltstore.VerifyAudit(path, boltstore.Options{})
	if err != nil || report.First.Seq != 10 || report.Last.Seq != 31 {
		t.Errorf("verify: got %+v, %v, want 10 to 31", report, err)
	}
}

// TestAuditCommitsWithTheAct is I14: a commit that fails leaves neither the act nor its entry.
func TestAuditCommitsWithTheAct(t *testing.T) {
	s := newStore(t)
	a := newAction(t, "cpe-1")
	_, _, err := s.CreateAction(ctx, a, acs.Idempotency{}, acs.Outbox{})
	check(t, "create", err)
	before, err := s.AuditEnds(ctx)
	check(t, "ends", err)
	s.FailCommits(func() error { return errors.New("no space left on device") })
	b := newAction(t, "cpe-1")
	if _, _, err := s.CreateAction(ctx, b, acs.Idempotency{}, acs.Outbox{}); !errors.Is(err, acs.ErrUnavailable) {
		t.Fatalf("create: got %v, want %v", err, acs.ErrUnavailable)
	}
	s.FailCommits(nil)
	after, err := s.AuditEnds(ctx)
	check(t, "ends", err)
	if _, err := s.Action(ctx, b.ID); !errors.Is(err, acs.ErrNotFound) || after != before {
		t.Errorf("after a failed commit: got action %v and the last entry %d, want none and %d", err, after.Head.Seq, before.Head.Seq)
	}
	_, _, err = s.CreateAction(ctx, b, acs.Idempotency{}, acs.Outbox{})
	check(t, "create", err)
	bothOrNeither(t, s)
}

// bothOrNeither holds actions against the record: each has its entry, and each entry has its action; and the chain holds.
func bothOrNeither(t *testing.T, s *opened) {
	t.Helper()
	told := make(map[string]int)
	last := acs.AuditMark{}
	for cursor := ""; ; {
		page, next, err := s.Audit(ctx, acs.AuditFilter{OldestFirst: true, Cursor: cursor})
		check(t, "audit", err)
		for i := range page {
			e := &page[i]
			if e.Seq != last.Seq+1 || acs.AuditHash(last.Hash, e.Seq, e.Time, acs.AppendAuditBody(nil, &e.AuditAct)) != e.Hash {
				t.Fatalf("entry %d does not follow entry %d", e.Seq, last.Seq)
			}
			if last = (acs.AuditMark{Seq: e.Seq, Hash: e.Hash}); e.Act == acs.AuditActionAccepted {
				told[e.Object]++
			}
		}
		if cursor = next; next == "" {
			break
		}
	}
	ends, err := s.AuditEnds(ctx)
	check(t, "ends", err)
	if ends.Head != last {
		t.Errorf("head: got entry %d, want %d", ends.Head.Seq, last.Seq)
	}
	there := make(map[string]int)
	for cursor := ""; ; {
		page, next, err := s.Actions(ctx, acs.ActionFilter{Cursor: cursor})
		check(t, "actions", err)
		for i := range page {
			there[page[i].ID.String()]++
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(there) == 0 || !maps.Equal(told, there) {
		t.Errorf("got %d actions and entries of %d, want one of each", len(there), len(told))
	}
}

// TestAuditTexts stores texts that packing could mistake for something else.
func TestAuditTexts(t *testing.T) {
	id := "0f8fad5b-d9cb-469f-a165-70867728950e"
	flat := strings.ReplaceAll(id, "-", "")
	texts := []string{
		"", "api", "system", "kind", "never", id, strings.ToUpper(id), id + "x", "x" + id, flat, "cli_" + flat, strings.ToUpper(flat), "-" + flat,
		id[:35], id[:35] + "g", strings.Repeat("a", 32), strings.Repeat("-", 36), strings.Repeat("0", 36), "é" + flat, strings.Repeat("x", 5000), "\x00", "a\x00b",
		flat[:31] + "é",
	}
	rng := rand.New(rand.NewPCG(1, 2))
	one := func() string { return texts[rng.IntN(len(texts))] }
	s := newStore(t)
	var want []acs.AuditAct
	for i := range 500 {
		a := acs.AuditAct{
			Actor: acs.Actor{Client: one(), ClientName: one(), Source: one(), RequestID: one(), Via: one()}, Act: one(), Object: one(), Client: one(),
		}
		if i%3 == 0 {
			a.Client = a.Actor.Client
		}
		for range rng.IntN(4) {
			if a.Details == nil {
				a.Details = make(map[string]string)
			}
			a.Details[one()] = one()
		}
		want = append(want, a)
	}
	check(t, "append", s.AppendAudit(ctx, want...))
	got, _, err := s.Audit(ctx, acs.AuditFilter{OldestFirst: true})
	check(t, "audit", err)
	if len(got) != len(want) {
		t.Fatalf("got %d entries, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i].AuditAct, want[i]
		if g.Actor != w.Actor || g.Act != w.Act || g.Object != w.Object || g.Client != w.Client || !maps.Equal(g.Details, w.Details) {
			t.Errorf("entry %d: got %+v, want %+v", i+1, g, w)
		}
	}
}

// TestAuditFormat holds a stored entry and its hash to the bytes that they have had from the beginning: both are for ever.
func TestAuditFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "recado.db")
	s := open(t, path)
	check(t, "append", s.AppendAudit(ctx, formatAct()))
	check(t, "close", s.Close())
	var value []byte
	at := time.Date(2026, 11, 25, 17, 0, 0, 123e6, time.UTC)
	tamper(t, path, func(a, _ *bolt.Bucket) error {
		value = bytes.Clone(a.Get(seqKey(1)))
		return nil
	})
	// The time and the hash are the moment's; what follows them is the act.
	_, used := binary.Varint(value[33:])
	got := hex.EncodeToString(value[33+used:])
	if want := formatPacked; got != want {
		t.Errorf("packed: got %s, want %s", got, want)
	}
	act := formatAct()
	body := hex.EncodeToString(acs.AppendAuditBody(nil, &act))
	if body != formatBody {
		t.Errorf("canonical bytes: got %s, want %s", body, formatBody)
	}
	hash := acs.AuditHash([32]byte{1, 2, 3}, 7, at, acs.AppendAuditBody(nil, &act))
	if got := hex.EncodeToString(hash[:]); got != formatHash {
		t.Errorf("hash: got %s, want %s", got, formatHash)
	}
}

func formatAct() acs.AuditAct {
	client := "cli_" + strings.Repeat("0a", 16)
	return acs.AuditAct{
		Actor: acs.Actor{Client: client, ClientName: "ERP é", Source: "192.0.2.7", RequestID: "0f8fad5b-d9cb-469f-a165-70867728950e", Via: "api"},
		Act:   "action.accepted", Object: "01a213da-a60f-714c-88cf-374171b00ab1", Client: client,
		Details: map[string]string{"kind": "reboot", "device": "00259E-HG8245H-4857", "note": "x"},
	}
}

// Made by another program, from the description in docs/operations.md and auditrecord.go.
const (
	formatBody   = "24636c695f30613061306130613061306130613061306130613061306130613061306130610645525020c3a9093139322e302e322e372430663866616435622d643963622d343639662d613136352d373038363737323839353065036170690f616374696f6e2e61636365707465642430316132313364612d613630662d373134632d383863662d33373431373162303061623124636c695f30613061306130613061306130613061306130613061306130613061306130610306646576696365133030323539452d484738323435482d34383537046b696e64067265626f6f74046e6f74650178"
	formatPacked = "12636c695f0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a1845525020c3a9243139322e302e322e37010f8fad5bd9cb469fa16570867728950e07270101a213daa60f714c88cf374171b00ab103031b4c3030323539452d484738323435482d34383537170f106e6f74650478"
	formatHash   = "248365589836e911e88af363293dd95ef755d5d0e29ca99e6a12636113dd8576"
)

package app

import (
	"encoding/hex"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"recado/acs"
	"recado/acs/wire"
	"recado/store/boltstore"
)

// AuditReport tells what a check of the audit record has found: the first entry that is there, and the last one with its hash.
type AuditReport struct {
	First uint64
	Last  wire.AuditMark
}

// Empty tells that the record has no entries.
func (r AuditReport) Empty() bool { return r.Last.Seq < r.First }

func auditReport(anchor, last acs.AuditMark) AuditReport {
	return AuditReport{First: anchor.Seq + 1, Last: wire.AuditMark{Seq: last.Seq, Hash: hex.EncodeToString(last.Hash[:])}}
}

// VerifyAuditFile checks the audit record in a store's file, given as a path or as bolt://PATH. The file is opened for reading only, and the
// server must not be running. The record has to go through each of the marks, texts such as "12:HASH". The error names the first entry that is
// not as it was written.
func VerifyAuditFile(store string, marks []string) (AuditReport, error) {
	noted, err := auditMarks(marks)
	if err != nil {
		return AuditReport{}, err
	}
	if !strings.Contains(store, ":") {
		store = "bolt://" + store
	}
	c := DefaultConfig()
	c.Store = store
	if err := c.resolveStore(); err != nil {
		return AuditReport{}, err
	}
	if c.inMemory() {
		return AuditReport{}, badField("store", "a store in memory has no file; want bolt://PATH")
	}
	r, err := boltstore.VerifyAudit(c.boltPath(), boltstore.Options{}, noted...)
	return auditReport(r.First, r.Last), err
}

// VerifyAuditEntries checks entries as the API gives them, from the oldest on.
func VerifyAuditEntries(ends wire.AuditEnds, entries iter.Seq2[wire.AuditEntry, error], marks []string) (AuditReport, error) {
	noted, err := auditMarks(marks)
	if err != nil {
		return AuditReport{}, err
	}
	anchor, err := auditMark(ends.Anchor)
	if err != nil {
		return AuditReport{}, fmt.Errorf("the server's anchor: %w", err)
	}
	head, err := auditMark(ends.Head)
	if err != nil {
		return AuditReport{}, fmt.Errorf("the server's head: %w", err)
	}
	last, err := acs.VerifyAudit(anchor, auditEntries(entries), append(noted, head)...)
	return auditReport(anchor, last), err
}

func auditEntries(entries iter.Seq2[wire.AuditEntry, error]) iter.Seq2[acs.AuditEntry, error] {
	return func(yield func(acs.AuditEntry, error) bool) {
		for w, err := range entries {
			var e acs.AuditEntry
			if err == nil {
				e, err = auditEntry(&w)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func auditEntry(w *wire.AuditEntry) (e acs.AuditEntry, err error) {
	m, err := auditMark(wire.AuditMark{Seq: w.Seq, Hash: w.Hash})
	if err != nil {
		return e, &acs.AuditError{Seq: w.Seq, Problem: "has no hash"}
	}
	a := w.Actor
	return acs.AuditEntry{
		Seq: w.Seq, Time: time.Time(w.Time), Hash: m.Hash,
		AuditAct: acs.AuditAct{
			Act: w.Act, Object: w.Object, Client: w.Client, Details: w.Details,
			Actor: acs.Actor{Client: a.Client, ClientName: a.Name, Source: a.Source, RequestID: a.RequestID, Via: a.Via},
		},
	}, nil
}

func auditMark(w wire.AuditMark) (m acs.AuditMark, err error) {
	b, err := hex.DecodeString(w.Hash)
	if err != nil || len(b) != len(m.Hash) {
		return m, fmt.Errorf("%q is no hash; want 64 hex digits", w.Hash)
	}
	m.Seq = w.Seq
	copy(m.Hash[:], b)
	return m, nil
}

func auditMarks(texts []string) (marks []acs.AuditMark, err error) {
	for _, text := range texts {
		seq, hash, _ := strings.Cut(text, ":")
		n, err := strconv.ParseUint(seq, 10, 64)
		m, hashErr := auditMark(wire.AuditMark{Seq: n, Hash: hash})
		if err != nil || hashErr != nil {
			return nil, badField("mark", "%q is no entry of the record; want SEQ:HASH, as recado audit verify prints it", text)
		}
		marks = append(marks, m)
	}
	return marks, nil
}

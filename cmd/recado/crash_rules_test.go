package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"recado/acs/wire"
	"recado/cwmp/cwmptest"
)

// goodHistory is one of a reboot that succeeded, an update that failed, and a reboot that timed out and came late. The client "c" has
// the endpoints "e1" and "e2"; the webhook of the first was repeated once.
func goodHistory() *crashHistory {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	h := &crashHistory{
		kills: 1, docs: map[string]wire.Protocol{}, finals: map[string][]string{"p-1": {"success"}}, endpoints: map[string][]string{"c": {"e1", "e2"}},
		boots:  map[string][]cwmptest.Boot{"d": {{Down: noon.Add(time.Second), Up: noon.Add(2 * time.Second)}}},
		obeyed: []obeyedReboot{{"d", "p1"}, {"d", "p3"}},
		stored: map[string]storedAction{}, listed: []string{"p-1", "p-2", "p-3"},
	}
	for _, a := range []struct{ protocolo, action, status, event string }{
		{"p-1", "reboot", "success", wire.ActionSucceeded},
		{"p-2", "parameters.update", "failure", wire.ActionFailed},
		{"p-3", "reboot", "timeout", wire.ActionTimedOut},
	} {
		finished := wire.Time(noon.Add(3 * time.Second))
		if a.status == "timeout" {
			finished = wire.Time(noon.Add(time.Minute))
		}
		doc := wire.Protocol{
			Protocolo: a.protocolo, DeviceID: "d", Action: a.action, Status: a.status, CreatedAt: wire.Time(noon),
			DeadlineAt: wire.Time(noon.Add(time.Minute)), SentAt: wire.TimePtr(noon.Add(time.Second)), FinishedAt: &finished,
		}
		h.receipts = append(h.receipts, receiptSeen{"key" + a.protocolo, "c", a.protocolo, "d", a.action})
		h.stored[a.protocolo] = storedAction{status: a.status}
		h.tell(&doc, a.event, "evt"+a.protocolo)
		if a.status == "timeout" {
			doc.Late = &wire.Late{Status: "success", EventID: "late"}
			h.tell(&doc, wire.ActionLateResult, "late")
		}
		h.docs[a.protocolo] = doc
	}
	h.told = append(h.told, h.told[0])
	return h
}

// tell delivers an event of doc to both endpoints.
func (h *crashHistory) tell(doc *wire.Protocol, typ, id string) {
	status := doc.Status
	if typ == wire.ActionLateResult {
		status = "success"
	}
	for _, e := range h.endpoints["c"] {
		event := wire.ActionEvent{Type: typ, ID: id, Protocolo: doc.Protocolo, Status: status}
		h.told = append(h.told, telling{endpoint: e, id: id, event: event, verified: true, taken: true})
		doc.Deliveries = append(doc.Deliveries, wire.Delivery{ID: "dlv" + id + e, EventID: id, EventType: typ, WebhookID: e, State: "delivered"})
	}
}

// change changes a status document.
func (h *crashHistory) change(protocolo string, f func(*wire.Protocol)) {
	doc := h.docs[protocolo]
	f(&doc)
	h.docs[protocolo] = doc
}

// TestCrashRules holds the crash test's checks to their word: each breach is found, and nothing where there is none.
func TestCrashRules(t *testing.T) {
	if got := goodHistory().violations(); len(got) != 0 {
		t.Fatalf("good history: got %q, want no violation", got)
	}
	at := func(s int) *wire.Time { return wire.TimePtr(time.Date(2026, 1, 2, 12, 0, s, 0, time.UTC)) }
	for want, breach := range map[string]func(*crashHistory){
		"lost: p-1":                     func(h *crashHistory) { delete(h.docs, "p-1") },
		"not final: p-1":                func(h *crashHistory) { h.change("p-1", func(d *wire.Protocol) { d.Status = "pending" }) },
		"final status changed: p-1":     func(h *crashHistory) { h.finals["p-1"] = []string{"timeout"} },
		"final status changed: p-2":     func(h *crashHistory) { h.finals["p-2"] = []string{"failure", "pending", "failure"} },
		"two protocolos for one":        func(h *crashHistory) { h.receipts[1].key = h.receipts[0].key },
		"unknown protocolo listed: p-9": func(h *crashHistory) { h.listed = append(h.listed, "p-9") },
		"unknown protocolo told: p-9":   func(h *crashHistory) { h.told[0].event.Protocolo = "p-9" },
		"added twice: e1 d-1": func(h *crashHistory) {
			for _, id := range []string{"evt-a", "evt-b"} {
				event := wire.ActionEvent{Type: wire.DeviceAdded, ID: id, Data: wire.ActionData{Device: wire.EventDevice{ID: "d-1"}}}
				h.told = append(h.told, telling{endpoint: "e1", id: id, event: event, verified: true, taken: true})
			}
		},
		"unverified webhook: evtp-1":       func(h *crashHistory) { h.told[0].verified = false },
		"id differs: webhook-id evtx":      func(h *crashHistory) { h.told[0].id = "evtx" },
		"told to another client: evtp-1":   func(h *crashHistory) { h.told[0].endpoint = "e9" },
		"too many duplicates: 1 at e1":     func(h *crashHistory) { h.kills = 0 },
		"wrong event: p-1 is success":      func(h *crashHistory) { h.told[0].event.Type = wire.ActionTimedOut },
		"wrong event: p-2 is failure":      func(h *crashHistory) { h.told[2].event.Type = wire.ActionLateResult },
		"wrong status: p-1 is success":     func(h *crashHistory) { h.told[0].event.Status = "failure" },
		"two event ids: p-1":               func(h *crashHistory) { h.told[0].id, h.told[0].event.ID = "evtx", "evtx" },
		"two event ids: p-3":               func(h *crashHistory) { h.told[6].id, h.told[6].event.ID = "evtx", "evtx" },
		"late result after success: p-1":   func(h *crashHistory) { h.change("p-1", func(d *wire.Protocol) { d.Late = &wire.Late{} }) },
		"late id differs: p-3":             func(h *crashHistory) { h.change("p-3", func(d *wire.Protocol) { d.Late = &wire.Late{EventID: "x"} }) },
		"not told: no action.failed of":    func(h *crashHistory) { h.told[2].taken = false },
		"not told: no action.late_result":  func(h *crashHistory) { h.told[7].taken = false },
		"delivery not settled: dlvevtp-1":  func(h *crashHistory) { h.docs["p-1"].Deliveries[0].State = "dead" },
		"delivery id differs: dlvevtp-1":   func(h *crashHistory) { h.docs["p-1"].Deliveries[0].EventID = "evtx" },
		"deliveries: p-1 has 0":            func(h *crashHistory) { h.change("p-1", func(d *wire.Protocol) { d.Deliveries = d.Deliveries[:1] }) },
		"deliveries: p-1 has 2":            func(h *crashHistory) { h.docs["p-1"].Deliveries[1].WebhookID = "e1" },
		"wrong device: p-1":                func(h *crashHistory) { h.change("p-1", func(d *wire.Protocol) { d.DeviceID = "x" }) },
		"wrong time: p-1 ended as success": func(h *crashHistory) { h.change("p-1", func(d *wire.Protocol) { d.FinishedAt = at(61) }) },
		"wrong time: p-3 ended as timeout": func(h *crashHistory) { h.change("p-3", func(d *wire.Protocol) { d.FinishedAt = at(59) }) },
		"sent after its deadline: p-2":     func(h *crashHistory) { h.change("p-2", func(d *wire.Protocol) { d.SentAt = at(61) }) },
		"not in the store: p-2":            func(h *crashHistory) { delete(h.stored, "p-2") },
		"the store differs: p-2":           func(h *crashHistory) { h.stored["p-2"] = storedAction{status: "success"} },
		"values kept: p-2":                 func(h *crashHistory) { h.stored["p-2"] = storedAction{"failure", true} },
		"rebooted twice: CommandKey p1":    func(h *crashHistory) { h.obeyed = append(h.obeyed, obeyedReboot{"d", "p1"}) },
		"nobody asked for: CommandKey p9":  func(h *crashHistory) { h.obeyed[0].commandKey = "p9" },
		"nobody asked for: CommandKey p2":  func(h *crashHistory) { h.obeyed[0].commandKey = "p2" },
		"nobody asked for: CommandKey p1":  func(h *crashHistory) { h.obeyed[0].device = "x" },
		"success without a boot: p-1":      func(h *crashHistory) { h.boots["d"][0].Up = time.Time{} },
		"value leaked into recado.db":      func(h *crashHistory) { h.leaks = []string{"recado.db"} },
	} {
		h := goodHistory()
		breach(h)
		if got := strings.Join(h.violations(), "\n"); !strings.Contains(got, want) {
			t.Errorf("got %q, want a violation %q", got, want)
		}
	}
}

// TestCrashLeaks: the search for values finds them in all their forms, and a dump's values are seen.
func TestCrashLeaks(t *testing.T) {
	const marker = "zqMark01234567"
	for name, text := range map[string]string{
		"plain": "x" + marker + "y", "hex": "7a714d61726b3031323334353637", "base64": "eHpxTWFyazAxMjM0NTY3eQ==",
		"base64 shifted": "eHh6cU1hcmswMTIzNDU2N3k=", "base64 unshifted": "enFNYXJrMDEyMzQ1Njd5",
	} {
		dir := t.TempDir()
		if got := leaks(t, dir, marker); len(got) != 0 {
			t.Errorf("empty folder: got %q, want nothing", got)
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := leaks(t, dir, marker); len(got) == 0 {
			t.Errorf("%s: got nothing, want the file named", name)
		}
	}
	got := storedActions(t, []byte(`{"bucket":"meta","key":"x","value":1}
{"bucket":"act","key":"p-1","value":{"v":1,"a":{"status":"success","parameters":[{"name":"A"}]}}}
{"bucket":"act","key":"p-2","value":{"v":1,"a":{"status":"success"},"sealed":"(sealed)"}}
{"bucket":"act","key":"p-3","value":{"v":1,"a":{"status":"success","parameters":[{"name":"A","value":"x"}]}}}
`))
	for p, want := range map[string]storedAction{"p-1": {"success", false}, "p-2": {"success", true}, "p-3": {"success", true}} {
		if got[p] != want {
			t.Errorf("stored %s: got %+v, want %+v", p, got[p], want)
		}
	}
}

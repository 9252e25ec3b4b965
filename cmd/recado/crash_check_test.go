package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"recado/acs/wire"
	"recado/cwmp/cwmptest"
)

// crashHistory is all that was seen from outside: by API clients, receivers and devices, and in the store at the end.
type crashHistory struct {
	kills     int
	receipts  []receiptSeen
	docs      map[string]wire.Protocol // status documents at the end, by protocolo
	finals    map[string][]string      // final statuses in the order seen, each change once
	listed    []string                 // what the clients' lists hold at the end
	endpoints map[string][]string      // endpoint ids by client
	told      []telling
	obeyed    []obeyedReboot
	boots     map[string][]cwmptest.Boot // by device
	stored    map[string]storedAction    // by protocolo
	leaks     []string                   // where a value of a parameter showed
}

// receiptSeen is a 202 as a client saw it.
type receiptSeen struct{ key, client, protocolo, device, action string }

// telling is a webhook that came in. It was taken where the receiver answered 2xx.
type telling struct {
	endpoint, id    string
	event           wire.ActionEvent
	verified, taken bool
}

// obeyedReboot is a Reboot request that a device obeyed.
type obeyedReboot struct{ device, commandKey string }

// storedAction is an action's record as "recado dump" shows it.
type storedAction struct {
	status    string
	hasValues bool
}

// finalTypes are the events that tell each final status.
var finalTypes = map[string]string{"success": wire.ActionSucceeded, "failure": wire.ActionFailed, "timeout": wire.ActionTimedOut}

// perEndpoint is how many attempts can be under way at an endpoint, and so be repeated after a kill.
const perEndpoint = 4

// violations tells each promise of the product (section 8) that the history breaks.
func (h *crashHistory) violations() []string {
	v := &violations{}
	known := map[string]receiptSeen{}
	keys := map[string]string{}
	for _, r := range h.receipts {
		if was, ok := keys[r.client+r.key]; ok && was != r.protocolo {
			v.add("two protocolos for one idempotency key: %s and %s", was, r.protocolo)
		}
		keys[r.client+r.key], known[r.protocolo] = r.protocolo, r
	}
	for _, p := range h.listed {
		if _, ok := known[p]; !ok {
			v.add("unknown protocolo listed: %s", p)
		}
	}
	told := h.sortTold(v, known)
	for _, r := range known {
		h.checkStatus(v, r)
		h.checkTold(v, r, told[r.protocolo])
	}
	h.checkDevices(v, known)
	for _, l := range h.leaks {
		v.add("a parameter's value leaked into %s", l)
	}
	slices.Sort(v.list)
	return v.list
}

type violations struct{ list []string }

func (v *violations) add(format string, args ...any) {
	v.list = append(v.list, fmt.Sprintf(format, args...))
}

func (h *crashHistory) checkStatus(v *violations, r receiptSeen) {
	doc, ok := h.docs[r.protocolo]
	if !ok {
		v.add("lost: %s was accepted and is gone", r.protocolo)
		return
	}
	if !doc.Final() {
		v.add("not final: %s is %s/%s", r.protocolo, doc.Status, doc.Stage)
	}
	if seen := h.finals[r.protocolo]; len(seen) > 1 || len(seen) == 1 && seen[0] != doc.Status {
		v.add("final status changed: %s was %v and is %s", r.protocolo, seen, doc.Status)
	}
	if doc.DeviceID != r.device {
		v.add("wrong device: %s was accepted for %s and is of %s", r.protocolo, r.device, doc.DeviceID)
	}
	if doc.FinishedAt != nil && (doc.Status == "timeout") == time.Time(*doc.FinishedAt).Before(time.Time(doc.DeadlineAt)) {
		v.add("wrong time: %s ended as %s on the wrong side of its deadline", r.protocolo, doc.Status)
	}
	if doc.SentAt != nil && time.Time(*doc.SentAt).After(time.Time(doc.DeadlineAt)) {
		v.add("sent after its deadline: %s", r.protocolo)
	}
	switch s, ok := h.stored[r.protocolo]; {
	case !ok:
		v.add("not in the store: %s", r.protocolo)
	case s.status != doc.Status:
		v.add("the store differs: %s is %s there, and was %s by the API", r.protocolo, s.status, doc.Status)
	case s.hasValues:
		v.add("values kept: %s is final and its record still has parameter values", r.protocolo)
	}
}

// sortTold checks webhooks each by itself and gives those of each protocolo.
func (h *crashHistory) sortTold(v *violations, known map[string]receiptSeen) map[string][]telling {
	told := map[string][]telling{}
	taken, again, added := map[string]bool{}, map[string]int{}, map[string]string{}
	for _, w := range h.told {
		r, ok := known[w.event.Protocolo]
		switch {
		case !w.verified:
			v.add("unverified webhook: %s at %s", w.id, w.endpoint)
			continue
		case w.event.Type == wire.DeviceAdded:
			device := w.endpoint + " " + w.event.Data.Device.ID
			if id := added[device]; id != "" && id != w.id {
				v.add("added twice: %s by %s and %s", device, id, w.id)
			}
			added[device] = w.id
			continue
		case w.event.Type == wire.ClientChanged:
			continue
		case !ok:
			v.add("unknown protocolo told: %s by %s", w.event.Protocolo, w.id)
			continue
		case w.id != w.event.ID:
			v.add("id differs: webhook-id %s carries event %s", w.id, w.event.ID)
		case !slices.Contains(h.endpoints[r.client], w.endpoint):
			v.add("told to another client: %s at %s", w.id, w.endpoint)
		}
		told[r.protocolo] = append(told[r.protocolo], w)
		if w.taken {
			if taken[w.endpoint+w.id] {
				again[w.endpoint]++
			}
			taken[w.endpoint+w.id] = true
		}
	}
	for endpoint, n := range again {
		if n > perEndpoint*h.kills {
			v.add("too many duplicates: %d at %s, and %d kills explain %d at most", n, endpoint, h.kills, perEndpoint*h.kills)
		}
	}
	return told
}

// checkTold: one verdict under one event id, and after a timeout at most one late result, each taken by every endpoint.
func (h *crashHistory) checkTold(v *violations, r receiptSeen, told []telling) {
	doc, ok := h.docs[r.protocolo]
	if !ok {
		return
	}
	want := map[string]bool{finalTypes[doc.Status]: true}
	if doc.Late != nil {
		want[wire.ActionLateResult] = true
		if doc.Status != "timeout" {
			v.add("late result after %s: %s", doc.Status, r.protocolo)
		}
	}
	ids, takers := map[string]string{}, map[string]bool{}
	for _, w := range told {
		if !want[w.event.Type] {
			v.add("wrong event: %s is %s and was told as %s", r.protocolo, doc.Status, w.event.Type)
			continue
		}
		if w.event.Type != wire.ActionLateResult && w.event.Status != doc.Status {
			v.add("wrong status: %s is %s and %s tells %s", r.protocolo, doc.Status, w.id, w.event.Status)
		}
		if was := ids[w.event.Type]; was != "" && was != w.id {
			v.add("two event ids: %s was told by %s and %s", r.protocolo, was, w.id)
		}
		ids[w.event.Type] = w.id
		if w.taken {
			takers[w.event.Type+w.endpoint] = true
		}
	}
	if id := ids[wire.ActionLateResult]; doc.Late != nil && id != "" && id != doc.Late.EventID {
		v.add("late id differs: %s was told as %s, its status says %s", r.protocolo, id, doc.Late.EventID)
	}
	for _, endpoint := range h.endpoints[r.client] {
		for typ := range want {
			if !takers[typ+endpoint] {
				v.add("not told: no %s of %s was taken at %s", typ, r.protocolo, endpoint)
			}
			checkDeliveries(v, doc, typ, endpoint, ids[typ])
		}
	}
}

func checkDeliveries(v *violations, doc wire.Protocol, typ, endpoint, id string) {
	n := 0
	for _, d := range doc.Deliveries {
		if d.WebhookID != endpoint || d.EventType != typ {
			continue
		}
		n++
		if d.State != "delivered" {
			v.add("delivery not settled: %s of %s is %s", d.ID, doc.Protocolo, d.State)
		}
		if id != "" && d.EventID != id {
			v.add("delivery id differs: %s says event %s, told was %s", d.ID, d.EventID, id)
		}
	}
	if n != 1 {
		v.add("deliveries: %s has %d of %s for %s, want 1", doc.Protocolo, n, typ, endpoint)
	}
}

// checkDevices: no Reboot twice, none that nobody asked for, and no success without a boot.
func (h *crashHistory) checkDevices(v *violations, known map[string]receiptSeen) {
	byKey := map[string]receiptSeen{}
	for _, r := range known {
		byKey[strings.ReplaceAll(r.protocolo, "-", "")] = r
	}
	seen := map[string]bool{}
	for _, o := range h.obeyed {
		if seen[o.commandKey] {
			v.add("rebooted twice: CommandKey %s, the second time %s", o.commandKey, o.device)
		}
		seen[o.commandKey] = true
		if r, ok := byKey[o.commandKey]; !ok || r.device != o.device || r.action != "reboot" {
			v.add("reboot that nobody asked for: CommandKey %s at %s", o.commandKey, o.device)
		}
	}
	for _, r := range known {
		doc := h.docs[r.protocolo]
		if r.action != "reboot" || doc.Status != "success" || doc.FinishedAt == nil {
			continue
		}
		from, to := time.Time(doc.CreatedAt), time.Time(*doc.FinishedAt).Add(time.Millisecond)
		if !slices.ContainsFunc(h.boots[r.device], func(b cwmptest.Boot) bool {
			return !b.Down.Before(from) && !b.Up.IsZero() && !b.Up.After(to)
		}) {
			v.add("success without a boot: %s", r.protocolo)
		}
	}
}

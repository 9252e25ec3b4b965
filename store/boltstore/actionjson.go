package boltstore

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"recado/acs"
)

// Three of four writes are an action, and encoding/json takes most of what preparing one costs. appendAction writes byte for byte
// what it does, for the fields that were there when it was written; where a type has others, encoding/json is used again, so that
// none is lost.
const (
	actionShape = "id client kind device router_id client_ref,omitempty status stage reason,omitempty reason_detail,omitempty " +
		"created_at deadline_at sent_at,omitzero accepted_at,omitzero finished_at,omitzero watch_until,omitzero parameters,omitempty " +
		"verify,omitempty sends,omitempty boot_key,omitzero sent_session,omitempty sent_in_boot,omitempty boots,omitempty " +
		"applied,omitempty verified,omitempty unverifiable,omitempty mismatched,omitempty fault,omitempty evidence,omitempty " +
		"ring,omitempty late,omitempty timeline,omitempty final_event,omitempty sequence,omitempty version"
	parameterShape = "name value,omitempty type"
	entryShape     = "at what detail,omitempty"
)

var knownShapes = shape[acs.Action]() == actionShape && shape[acs.Parameter]() == parameterShape && shape[acs.TimelineEntry]() == entryShape

// shape lists the JSON names of a type's fields with their options.
func shape[T any]() string {
	var tags []string
	for f := range reflect.TypeFor[T]().Fields() {
		tags = append(tags, f.Tag.Get("json"))
	}
	return strings.Join(tags, " ")
}

// appendAction writes an action without its parameters' values.
func appendAction(b []byte, a *acs.Action) ([]byte, error) {
	w := jsonWriter{b: b}
	w.text(`{"id":`, a.ID.String())
	w.text(`,"client":`, a.Client)
	w.text(`,"kind":`, string(a.Kind))
	w.text(`,"device":`, a.Device)
	w.text(`,"router_id":`, a.RouterID)
	w.someText(`,"client_ref":`, a.ClientRef)
	w.text(`,"status":`, string(a.Status))
	w.text(`,"stage":`, string(a.Stage))
	w.someText(`,"reason":`, string(a.Reason))
	w.someText(`,"reason_detail":`, a.ReasonDetail)
	w.time(`,"created_at":`, a.CreatedAt)
	w.time(`,"deadline_at":`, a.DeadlineAt)
	w.someTime(`,"sent_at":`, a.SentAt)
	w.someTime(`,"accepted_at":`, a.AcceptedAt)
	w.someTime(`,"finished_at":`, a.FinishedAt)
	w.someTime(`,"watch_until":`, a.WatchUntil)
	w.parameters(a.Parameters)
	w.flag(`,"verify":true`, a.Verify)
	w.someNumber(`,"sends":`, a.Sends)
	if !a.BootKey.IsZero() {
		w.text(`,"boot_key":`, a.BootKey.String())
	}
	w.someText(`,"sent_session":`, a.SentSession)
	w.flag(`,"sent_in_boot":true`, a.SentInBoot)
	w.someNumber(`,"boots":`, a.Boots)
	w.someText(`,"applied":`, a.Applied)
	w.flag(`,"verified":true`, a.Verified)
	w.value(`,"unverifiable":`, a.Unverifiable, len(a.Unverifiable) > 0)
	w.value(`,"mismatched":`, a.Mismatched, len(a.Mismatched) > 0)
	w.value(`,"fault":`, a.Fault, a.Fault != nil)
	w.value(`,"evidence":`, a.Evidence, a.Evidence != nil)
	w.value(`,"ring":`, a.Ring, a.Ring != nil)
	w.value(`,"late":`, a.Late, a.Late != nil)
	w.timeline(a.Timeline)
	w.someText(`,"final_event":`, a.FinalEvent)
	if a.Sequence != 0 {
		w.b = strconv.AppendUint(append(w.b, `,"sequence":`...), a.Sequence, 10)
	}
	w.b = strconv.AppendUint(append(w.b, `,"version":`...), a.Version, 10)
	return append(w.b, '}'), w.err
}

// jsonWriter writes members of an object; a name comes with what stands before and behind it.
type jsonWriter struct {
	b   []byte
	err error
}

func (w *jsonWriter) raw(s string) { w.b = append(w.b, s...) }

func (w *jsonWriter) flag(s string, on bool) {
	if on {
		w.raw(s)
	}
}

// text writes s; what needs escaping goes to encoding/json.
func (w *jsonWriter) text(name, s string) {
	w.raw(name)
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			w.value("", s, true)
			return
		}
	}
	w.b = append(append(append(w.b, '"'), s...), '"')
}

func (w *jsonWriter) someText(name, s string) {
	if s != "" {
		w.text(name, s)
	}
}

func (w *jsonWriter) someNumber(name string, n int) {
	if n != 0 {
		w.raw(name)
		w.b = strconv.AppendInt(w.b, int64(n), 10)
	}
}

func (w *jsonWriter) time(name string, t time.Time) {
	w.raw(name)
	w.b = append(w.b, '"')
	b, err := t.AppendText(w.b)
	if err != nil {
		w.fail(err)
		return
	}
	w.b = append(b, '"')
}

func (w *jsonWriter) someTime(name string, t time.Time) {
	if !t.IsZero() {
		w.time(name, t)
	}
}

// value writes what is rarely there.
func (w *jsonWriter) value(name string, v any, there bool) {
	if !there {
		return
	}
	w.raw(name)
	b, err := json.Marshal(v)
	if err != nil {
		w.fail(err)
		return
	}
	w.b = append(w.b, b...)
}

func (w *jsonWriter) fail(err error) {
	if w.err == nil {
		w.err = fmt.Errorf("record cannot be stored: %w", err)
	}
}

func (w *jsonWriter) parameters(ps []acs.Parameter) {
	for i := range ps {
		if i == 0 {
			w.raw(`,"parameters":[`)
		} else {
			w.raw(`,`)
		}
		w.text(`{"name":`, ps[i].Name)
		w.text(`,"type":`, ps[i].Type)
		w.raw(`}`)
	}
	w.flag(`]`, len(ps) > 0)
}

func (w *jsonWriter) timeline(es []acs.TimelineEntry) {
	for i := range es {
		if i == 0 {
			w.raw(`,"timeline":[`)
		} else {
			w.raw(`,`)
		}
		w.time(`{"at":`, es[i].At)
		w.text(`,"what":`, es[i].What)
		w.someText(`,"detail":`, es[i].Detail)
		w.raw(`}`)
	}
	w.flag(`]`, len(es) > 0)
}

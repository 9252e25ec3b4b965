package boltstore_test

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"recado/acs"
	"recado/store/boltstore"
)

// An action is encoded just as encoding/json does, and no field is forgotten: a new one has to be added to appendAction.
func TestActionsAreEncodedAsJSON(t *testing.T) {
	if !boltstore.KnownShapes {
		t.Error("acs.Action, Parameter or TimelineEntry have fields that appendAction does not write: all actions are encoded the slow way")
	}
	keys := testKeys(t)
	for seed := range uint64(500) {
		var a acs.Action
		r := rand.New(rand.NewPCG(seed, 1))
		scramble(r, reflect.ValueOf(&a).Elem(), int(seed%4))
		a.Status = acs.StatusFailure // values are not stored then, so there is nothing sealed, which is never the same twice
		got, err := boltstore.EncodeAction(keys, &a)
		check(t, "encode", err)
		want, err := boltstore.MarshalAction(&a)
		check(t, "marshal", err)
		if string(got) != string(want) {
			t.Fatalf("seed %d:\n got %s\nwant %s", seed, got, want)
		}
	}
	pending := newAction(t, "cpe-1")
	b, err := boltstore.EncodeAction(keys, &pending)
	check(t, "encode", err)
	back, ok := boltstore.DecodeAny(keys, b)
	if !ok || !reflect.DeepEqual(back.Parameters, pending.Parameters) || strings.Contains(string(b), "marker-ssid") {
		t.Errorf("pending action: got %+v, %v of %s; want %+v, sealed", back.Parameters, ok, b, pending.Parameters)
	}
	late := newAction(t, "cpe-1")
	late.DeadlineAt = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := boltstore.EncodeAction(keys, &late); err == nil {
		t.Error("a time that JSON cannot hold: got no error")
	}
}

// scramble sets some fields of v, deeply: none with often 0, all with 3.
func scramble(r *rand.Rand, v reflect.Value, often int) {
	if r.IntN(3) >= often {
		return
	}
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(r.Int64N(1<<33), r.Int64N(3)*500_000_001).In([]*time.Location{time.UTC, time.FixedZone("", -3*3600)}[r.IntN(2)])
		return
	case *acs.Protocolo:
		for i := range x {
			x[i] = byte(r.Uint32())
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		texts := []string{"plain", `"quoted" \ back`, "<b>&amp;</b>", "é ✓", "\x00\n\x1f\x7f", "bad \xff utf-8", "\u2028", " "}
		v.SetString(texts[r.IntN(len(texts))])
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64() >> r.IntN(63) * int64(1-2*r.IntN(2)))
	case reflect.Uint64:
		v.SetUint(r.Uint64() >> r.IntN(63))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scramble(r, v.Elem(), often)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			scramble(r, v.Index(i), often)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			scramble(r, v.Field(i), often)
		}
	default:
		panic("no way to scramble " + v.Type().String())
	}
}

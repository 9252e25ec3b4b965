package storetest

import (
	"fmt"
	"net/netip"
	"reflect"
	"time"
)

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[time.Duration]()
	addrType     = reflect.TypeFor[netip.Addr]()
)

// difference tells the first difference between two values of one type, "" for none. Times may differ by slack. Fields that
// are not stored (json:"-") are left out.
func difference(got, want any, slack time.Duration) string {
	if got == nil || want == nil {
		if got != want {
			return fmt.Sprintf("got %v, want %v", got, want)
		}
		return ""
	}
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	if g.Type() != w.Type() {
		return fmt.Sprintf("got a %s, want a %s", g.Type(), w.Type())
	}
	return differ("", g, w, slack)
}

func differ(path string, g, w reflect.Value, slack time.Duration) string {
	unlike := func() string { return fmt.Sprintf("%s: got %v, want %v", path, g, w) }
	switch {
	case g.Type() == timeType:
		a, b := g.Interface().(time.Time), w.Interface().(time.Time)
		if a.IsZero() != b.IsZero() || a.Sub(b).Abs() > slack {
			return unlike()
		}
		return ""
	case g.Type() == addrType:
		if g.Interface() != w.Interface() {
			return unlike()
		}
		return ""
	}
	switch g.Kind() {
	case reflect.Struct:
		for i := range g.NumField() {
			f := g.Type().Field(i)
			if f.Tag.Get("json") == "-" {
				continue
			}
			if d := differ(path+"."+f.Name, g.Field(i), w.Field(i), slack); d != "" {
				return d
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range min(g.Len(), w.Len()) {
			if d := differ(fmt.Sprintf("%s[%d]", path, i), g.Index(i), w.Index(i), slack); d != "" {
				return d
			}
		}
		if g.Len() != w.Len() {
			return fmt.Sprintf("%s: got %d of them, want %d", path, g.Len(), w.Len())
		}
	case reflect.Map:
		if g.Len() != w.Len() {
			return unlike()
		}
		for _, k := range w.MapKeys() {
			if !g.MapIndex(k).IsValid() {
				return fmt.Sprintf("%s[%v]: got none, want %v", path, k, w.MapIndex(k))
			}
			if d := differ(fmt.Sprintf("%s[%v]", path, k), g.MapIndex(k), w.MapIndex(k), slack); d != "" {
				return d
			}
		}
	case reflect.Pointer, reflect.Interface:
		if g.IsNil() || w.IsNil() {
			if g.IsNil() != w.IsNil() {
				return unlike()
			}
			return ""
		}
		return differ(path, g.Elem(), w.Elem(), slack)
	default:
		if !g.Equal(w) {
			return unlike()
		}
	}
	return ""
}

// fill gives every field below p a value of its own, beginning at n, so that none can be forgotten or mixed up.
func fill(p any, n int) { filler{n: n, grow: true}.fill(reflect.ValueOf(p).Elem()) }

// scribble changes all memory that p shares with copies of *p, as a careless caller would.
func scribble(p any, n int) {
	f := filler{n: n}
	f.fill(reflect.ValueOf(p).Elem())
}

type filler struct {
	n    int
	grow bool // make slices and pointers that are not there
}

func (f filler) fill(v reflect.Value) { f.at(v) }

func (f *filler) at(v reflect.Value) {
	f.n++
	switch {
	case v.Type() == timeType:
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 0, 0, f.n, 5e6, time.UTC)))
		return
	case v.Type() == addrType:
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{192, 0, 2, byte(f.n)})))
		return
	case v.Type() == durationType:
		v.SetInt(int64(time.Duration(f.n) * time.Millisecond))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("text %d é", f.n))
	case reflect.Bool:
		v.SetBool(f.grow)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(uint64(f.n % 100))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Tag.Get("json") != "-" {
				f.at(v.Field(i))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			f.at(v.Index(i))
		}
	case reflect.Slice:
		if f.grow {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		}
		for i := range v.Len() {
			f.at(v.Index(i))
		}
	case reflect.Pointer:
		if f.grow {
			v.Set(reflect.New(v.Type().Elem()))
		}
		if !v.IsNil() {
			f.at(v.Elem())
		}
	default:
		panic(fmt.Sprintf("storetest: no filling for a %s", v.Type()))
	}
}

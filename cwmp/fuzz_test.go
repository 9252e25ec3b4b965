package cwmp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"recado/cwmp"
)

// FuzzDecode: no bytes make the decoder panic, its errors are of the three kinds, and what it makes of a message is
// the same after being written and read again.
func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"quirks", "rpc"} {
		files, err := filepath.Glob(filepath.Join("testdata", pattern, "*.xml"))
		if err != nil || len(files) == 0 {
			f.Fatalf("no seeds in testdata/%s: %v", pattern, err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(body)
		}
	}
	f.Add([]byte(`<!DOCTYPE a><a/>`))
	f.Add(utf16Of(binary.LittleEndian, true, head+tail))
	limits := cwmp.Limits{Bytes: 64 << 10, Depth: 16, Elements: 1000}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := cwmp.Decode(body, limits)
		if err != nil {
			if !errors.Is(err, cwmp.ErrMalformed) && !errors.Is(err, cwmp.ErrTooLarge) && !errors.Is(err, cwmp.ErrForbidden) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if cwmp.IsEmpty(body) {
			t.Error("an empty body was decoded")
		}
		first, err := cwmp.Encode(e, false)
		if err != nil {
			if !errors.Is(err, cwmp.ErrNotEncodable) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		again, err := cwmp.Decode(first, cwmp.DefaultLimits)
		if err != nil {
			t.Fatalf("own form refused: %v\n%s", err, first)
		}
		if again.Repaired {
			t.Errorf("own form needed a repair:\n%s", first)
		}
		second, err := cwmp.Encode(again, false)
		if err != nil {
			t.Fatalf("own form not writable: %v\n%s", err, first)
		}
		if !bytes.Equal(first, second) {
			t.Errorf("changed by reading:\n%s\n%s", first, second)
		}
	})
}

// FuzzValue: a value reaches the device as it is, or is refused before anything is written.
func FuzzValue(f *testing.F) {
	f.Add("Device.A", awkward)
	f.Add("Device.A", " \n ")
	f.Add("Device.A", "\x00")
	f.Add("Device.A", "&#2;")
	f.Add(" Device.<b>", "\ufffe")
	f.Fuzz(func(t *testing.T, name, value string) {
		name = strings.TrimSpace(name)
		want := with(&cwmp.SetParameterValues{
			ParameterList: []cwmp.ParameterValue{{Name: name, Value: value, Type: "xsd:string"}},
		})
		body, err := cwmp.Encode(&want, false)
		if bad := errors.Join(cwmp.CheckText(name), cwmp.CheckText(value)); (err != nil) != (bad != nil) {
			t.Fatalf("Encode: got %v, want as CheckText has it: %v", err, bad)
		}
		if err != nil {
			return
		}
		got, err := cwmp.Decode(body, cwmp.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("got  %+v\nwant %+v", got.Message, want.Message)
		}
	})
}

// TestRoundTripRandom draws messages of every kind with all that is awkward in text.
func TestRoundTripRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 1))}
	for range 3000 {
		want := g.envelope()
		body, err := cwmp.Encode(&want, g.IntN(2) == 0)
		if err != nil {
			t.Fatalf("%v\n%+v", err, want.Message)
		}
		got, err := cwmp.Decode(body, cwmp.DefaultLimits)
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		if !reflect.DeepEqual(*got, want) {
			t.Fatalf("got  %s\nwant %s\n%s", show(t, got), show(t, &want), body)
		}
	}
}

type generator struct{ *rand.Rand }

var pieces = []string{
	"a", "Z", "0", " ", "  ", "\t", "\n", "\r", "\r\n", "&", "&amp;", "&#65;", "<", ">", "]]>", "<![CDATA[", "<!--", "\"", "'",
	"%", "\\", "é", "ß", "\u0080", "\u2028", "日", "\U0001F600", "\ufffd", "\ue000", "\x7f", "=", "/", ";", "xsd:", "\ufeff",
}

// text is any text at all.
func (g generator) text(n int) string {
	var b strings.Builder
	for range g.IntN(n + 1) {
		b.WriteString(pieces[g.IntN(len(pieces))])
	}
	return b.String()
}

// word is text without white space around it, as everything but values is read; not empty.
func (g generator) word(n int) string { return "x" + strings.TrimSpace(g.text(n)) }

// maybe is a word or nothing.
func (g generator) maybe(n int) string { return strings.TrimSpace(g.text(n)) }

func (g generator) values(typed bool) []cwmp.ParameterValue {
	var out []cwmp.ParameterValue
	for range g.IntN(4) {
		p := cwmp.ParameterValue{Name: "Device." + g.word(5), Type: "xsd:string", Value: g.text(12)}
		switch g.IntN(4) {
		case 0:
			p.Type, p.Value = "xsd:unsignedInt", g.word(3)
		case 1:
			if !typed {
				p.Type = ""
			}
		case 2:
			if !typed {
				p = cwmp.ParameterValue{Name: p.Name, NoValue: true}
			}
		}
		out = append(out, p)
	}
	return out
}

func (g generator) words() []string {
	out := []string{g.word(4)}
	for range g.IntN(3) {
		out = append(out, g.maybe(4))
	}
	return out
}

func (g generator) code() int { return []int{8000, 8899, 9000, 9003, 9899}[g.IntN(5)] }

func (g generator) envelope() cwmp.Envelope {
	e := cwmp.Envelope{Namespace: "urn:dslforum-org:cwmp-" + g.word(2), Message: g.message()}
	if g.IntN(4) > 0 {
		e.HasID, e.ID = true, g.maybe(6)
	}
	if g.IntN(4) == 0 {
		e.SessionTimeout, e.SupportedCWMPVersions = time.Duration(1+g.IntN(300))*time.Second, []string{"1.0", "1.4"}
	}
	if g.IntN(4) == 0 {
		e.UseCWMPVersion, e.HoldRequests, e.NoMoreRequests = "1.4", true, true
	}
	return e
}

func (g generator) message() cwmp.Message {
	switch g.IntN(17) {
	case 0:
		m := &cwmp.Inform{
			DeviceID: cwmp.DeviceID{
				Manufacturer: g.maybe(5), OUI: g.maybe(5), ProductClass: g.maybe(5), SerialNumber: g.maybe(5),
			},
			MaxEnvelopes: g.word(2), CurrentTime: g.word(2), RetryCount: g.word(2), ParameterList: g.values(false),
		}
		for range g.IntN(4) {
			m.Events = append(m.Events, cwmp.Event{EventCode: g.maybe(4), CommandKey: g.maybe(3)})
		}
		return m
	case 1:
		return &cwmp.InformResponse{}
	case 2:
		return &cwmp.Reboot{CommandKey: g.maybe(3)}
	case 3:
		return &cwmp.RebootResponse{}
	case 4:
		return &cwmp.SetParameterValues{ParameterList: g.values(true), ParameterKey: g.maybe(3)}
	case 5:
		return &cwmp.SetParameterValuesResponse{Status: g.IntN(2)}
	case 6:
		return &cwmp.SetParameterValuesResponse{StatusMissing: true}
	case 7:
		return &cwmp.GetParameterValues{ParameterNames: g.words()}
	case 8:
		return &cwmp.GetParameterValuesResponse{ParameterList: g.values(false)}
	case 9:
		return &cwmp.GetParameterNames{ParameterPath: g.maybe(5), NextLevel: g.IntN(2) == 0}
	case 10:
		return &cwmp.GetParameterNamesResponse{ParameterList: []cwmp.ParameterInfo{{Name: g.maybe(5), Writable: g.IntN(2) == 0}}}
	case 11:
		return &cwmp.GetRPCMethods{}
	case 12:
		return &cwmp.GetRPCMethodsResponse{MethodList: g.words()}
	case 13:
		return &cwmp.TransferComplete{
			CommandKey: g.maybe(3), FaultCode: g.word(2), FaultString: g.maybe(8), StartTime: g.word(2), CompleteTime: g.word(2),
		}
	case 14:
		return &cwmp.TransferCompleteResponse{}
	case 15:
		f := &cwmp.Fault{FaultCode: g.code(), FaultString: g.maybe(8)}
		if g.IntN(4) == 0 {
			f.FaultCode, f.RawCode = cwmp.FaultRequestDenied, g.word(3)
		}
		for range g.IntN(3) {
			f.Params = append(f.Params, cwmp.ParameterFault{ParameterName: g.maybe(5), FaultCode: g.code(), FaultString: g.maybe(5)})
		}
		return f
	}
	return &cwmp.Other{
		Name: "X_00D09E_Method", Fields: map[string]string{"B": g.maybe(5), "A": g.maybe(5)}, ParameterList: g.values(false),
	}
}

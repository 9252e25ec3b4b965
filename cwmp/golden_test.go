package cwmp_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"recado/cwmp"
)

var updateGolden = flag.Bool("update", false, "write the golden files of testdata anew")

// golden compares got with a file of testdata, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *updateGolden {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot  %s\nwant %s", path, got, want)
	}
}

func TestGoldenRPC(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			got, err := cwmp.Encode(&s.e, false)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "rpc", s.name+".xml"), got)
		})
	}
}

// TestRoundTripSamples also reads what it wrote, so the golden files prove the decoder as well.
func TestRoundTripSamples(t *testing.T) {
	for _, s := range append(samples(), more()...) {
		t.Run(s.name, func(t *testing.T) {
			for _, declaration := range []bool{false, true} {
				body, err := cwmp.Encode(&s.e, declaration)
				if err != nil {
					t.Fatal(err)
				}
				if got := bytes.HasPrefix(body, []byte("<?xml")); got != declaration {
					t.Errorf("declaration: got %t, want %t", got, declaration)
				}
				got, err := cwmp.Decode(body, cwmp.DefaultLimits)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(*got, s.e) {
					t.Errorf("got  %s\nwant %s", show(t, got), show(t, &s.e))
				}
			}
		})
	}
}

// TestGoldenQuirks reads what devices are known to write; the expectation is beside each message.
func TestGoldenQuirks(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "quirks", "*.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 70 {
		t.Errorf("testdata/quirks: got %d messages, want 70 and more", len(files))
	}
	for _, file := range files {
		name := strings.TrimSuffix(file, ".xml")
		t.Run(filepath.Base(name), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			e, err := cwmp.Decode(body, cwmp.DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", append(show(t, e), '\n'))
		})
	}
}

// show gives all of an envelope as JSON.
func show(t *testing.T, e *cwmp.Envelope) []byte {
	t.Helper()
	method := ""
	if e.Message != nil {
		method = e.Message.Method()
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(struct {
		Method   string
		Envelope *cwmp.Envelope
	}{method, e}); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(out.Bytes())
}

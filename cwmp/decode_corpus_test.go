package cwmp_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"recado/cwmp"
)

// corpusSize is how many messages the shared corpus holds; a listing that finds fewer has not looked properly.
const corpusSize = 108

// sharedFolder finds a folder of the shared material, which is not part of the project.
func sharedFolder(t *testing.T, path string) string {
	t.Helper()
	shared := os.Getenv("RECADO_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "shared")
	}
	if !filepath.IsAbs(shared) {
		root, err := os.Getwd()
		for err == nil {
			if _, statErr := os.Stat(filepath.Join(root, "go.mod")); statErr == nil {
				break
			}
			if filepath.Dir(root) == root {
				t.Fatal("no go.mod above the test's folder")
			}
			root = filepath.Dir(root)
		}
		if err != nil {
			t.Fatal(err)
		}
		shared = filepath.Join(root, shared)
	}
	dir := filepath.Join(shared, filepath.FromSlash(path))
	if _, err := os.Stat(dir); err != nil {
		missing(t, "NOT TESTED: the shared material is missing (set RECADO_SHARED): "+path)
	}
	return dir
}

// missing skips a test for want of something, and fails it where tests count.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

type sidecar struct {
	File           string            `json:"file"`
	Kind           string            `json:"kind"`
	WellFormed     *bool             `json:"well_formed"`
	Namespace      *string           `json:"cwmp_ns"`
	ID             *string           `json:"id"`
	HeaderElements map[string]string `json:"header_elements"`
	Device         *sidecarDevice    `json:"device"`
	Events         []sidecarEvent    `json:"events"`
	MaxEnvelopes   *string           `json:"max_envelopes"`
	CurrentTime    *string           `json:"current_time"`
	RetryCount     *string           `json:"retry_count"`
	Root           json.RawMessage   `json:"root"`
	Parameters     *int              `json:"parameters"`
	First          []sidecarValue    `json:"first_parameters"`
	Last           *sidecarValue     `json:"last_parameter"`
	Methods        []string          `json:"methods"`
	Fields         map[string]string `json:"fields"`
	Fault          *struct {
		Code   string `json:"code"`
		String string `json:"string"`
		SPV    []struct {
			Name, Code, String string
		} `json:"set_parameter_values"`
	} `json:"fault"`
	Lenient *struct {
		Kind       string         `json:"kind"`
		Namespace  *string        `json:"cwmp_ns"`
		ID         *string        `json:"id"`
		Device     *sidecarDevice `json:"device"`
		Events     []string       `json:"events"`
		Parameters *int           `json:"parameters_seen"`
	} `json:"lenient"`
}

type sidecarDevice struct {
	Manufacturer, OUI, Serial *string
	ProductClass              *string `json:"product_class"`
}

type sidecarEvent struct {
	Code       *string
	CommandKey *string `json:"command_key"`
}

type sidecarValue struct {
	Name        string
	Value, Type *string
}

// refused are the messages of the corpus that are not to be read, and why.
var refused = map[string]error{
	"Inform-avm-FRITZBox-7170.xml": cwmp.ErrMalformed, // broken tags, no envelope
	"Inform-jdalberg-cut.xml":      cwmp.ErrMalformed, // half a message: its missing half may hold anything
	"derived-truncated-body.http":  cwmp.ErrMalformed,
	"hostile-deep-nesting.xml":     cwmp.ErrTooLarge,
	"hostile-entity-bomb.xml":      cwmp.ErrForbidden,
}

func TestDecodeCorpus(t *testing.T) {
	dir := sharedFolder(t, "cwmp/corpus")
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range files {
		var want sidecar
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		message, err := os.ReadFile(filepath.Join(dir, want.File))
		if err != nil {
			t.Fatal(err)
		}
		seen++
		t.Run(want.File, func(t *testing.T) { checkCorpus(t, want, message) })
	}
	if seen != corpusSize {
		t.Errorf("corpus: got %d messages, want %d", seen, corpusSize)
	}
}

func checkCorpus(t *testing.T, want sidecar, message []byte) {
	body := message
	if strings.HasSuffix(want.File, ".http") {
		body = httpBody(t, message)
	}
	if want.Kind == "(empty POST)" {
		if !cwmp.IsEmpty(body) {
			t.Errorf("IsEmpty: got false, want true")
		}
		return
	}
	if cwmp.IsEmpty(body) {
		t.Fatal("IsEmpty: got true, want false")
	}
	got, err := cwmp.Decode(body, cwmp.DefaultLimits)
	if kind := refused[want.File]; kind != nil {
		if !errors.Is(err, kind) {
			t.Fatalf("error: got %v, want %v", err, kind)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if got.Repaired == *want.WellFormed {
		t.Errorf("Repaired: got %t, want %t", got.Repaired, !*want.WellFormed)
	}
	if want.Lenient != nil {
		l := want.Lenient
		want.Namespace, want.ID, want.Device, want.Parameters = l.Namespace, l.ID, l.Device, l.Parameters
		for _, code := range l.Events {
			want.Events = append(want.Events, sidecarEvent{Code: &code})
		}
	}
	checkEnvelope(t, want, got)
	checkMessage(t, want, got.Message)
}

func checkEnvelope(t *testing.T, want sidecar, got *cwmp.Envelope) {
	t.Helper()
	if m := got.Message.Method(); m != want.Kind {
		t.Errorf("kind: got %q, want %q", m, want.Kind)
	}
	same(t, "namespace", got.Namespace, want.Namespace)
	if got.HasID != (want.ID != nil) {
		t.Errorf("HasID: got %t, want %t", got.HasID, want.ID != nil)
	}
	same(t, "id", got.ID, want.ID)
	for name, text := range want.HeaderElements {
		switch name {
		case "ID":
		case "SessionTimeout":
			if s := strconv.Itoa(int(got.SessionTimeout / time.Second)); s != text {
				t.Errorf("SessionTimeout: got %s, want %s", s, text)
			}
		case "SupportedCWMPVersions":
			if s := strings.Join(got.SupportedCWMPVersions, ","); s != text {
				t.Errorf("SupportedCWMPVersions: got %s, want %s", s, text)
			}
		case "HoldRequests":
			if got.HoldRequests != (text == "1") {
				t.Errorf("HoldRequests: got %t, want %s", got.HoldRequests, text)
			}
		case "NoMoreRequests":
			if got.NoMoreRequests != (text == "1") {
				t.Errorf("NoMoreRequests: got %t, want %s", got.NoMoreRequests, text)
			}
		default:
			t.Errorf("header element %s: not checked", name)
		}
	}
}

func checkMessage(t *testing.T, want sidecar, message cwmp.Message) {
	t.Helper()
	fields := want.Fields
	var parameters []cwmp.ParameterValue
	switch m := message.(type) {
	case *cwmp.Inform:
		parameters = m.ParameterList
		checkInform(t, want, m)
	case *cwmp.GetParameterValuesResponse:
		parameters = m.ParameterList
	case *cwmp.GetParameterNamesResponse:
		for _, p := range m.ParameterList {
			parameters = append(parameters, cwmp.ParameterValue{Name: p.Name, NoValue: true})
		}
	case *cwmp.Other:
		parameters = m.ParameterList
		for name, text := range fields {
			if got := m.Fields[name]; got != text {
				t.Errorf("field %s: got %q, want %q", name, got, text)
			}
		}
		if want.Fault != nil && (m.Fields["FaultCode"] != want.Fault.Code || m.Fields["FaultString"] != want.Fault.String) {
			t.Errorf("fault: got %q %q, want %+v", m.Fields["FaultCode"], m.Fields["FaultString"], *want.Fault)
		}
	case *cwmp.SetParameterValuesResponse:
		if m.StatusMissing || strconv.Itoa(m.Status) != fields["Status"] {
			t.Errorf("status: got %+v, want %s", *m, fields["Status"])
		}
	case *cwmp.GetRPCMethodsResponse:
		if g, w := strings.Join(m.MethodList, " "), strings.Join(want.Methods, " "); g != w || len(m.MethodList) == 0 {
			t.Errorf("methods: got %s, want %s", g, w)
		}
	case *cwmp.TransferComplete:
		g := cwmp.TransferComplete{
			CommandKey: fields["CommandKey"], StartTime: fields["StartTime"], CompleteTime: fields["CompleteTime"],
			FaultCode: want.Fault.Code, FaultString: want.Fault.String,
		}
		if *m != g {
			t.Errorf("got %+v, want %+v", *m, g)
		}
	case *cwmp.Fault:
		checkFault(t, want, m)
	case *cwmp.RebootResponse, *cwmp.GetRPCMethods:
		if len(fields) > 0 || want.Fault != nil || want.Parameters != nil {
			t.Errorf("sidecar has more than %T", m)
		}
	default:
		t.Errorf("message of type %T: not checked", m)
	}
	checkParameters(t, want, parameters)
}

func checkInform(t *testing.T, want sidecar, m *cwmp.Inform) {
	t.Helper()
	if d := want.Device; d != nil {
		same(t, "Manufacturer", m.DeviceID.Manufacturer, d.Manufacturer)
		same(t, "OUI", m.DeviceID.OUI, d.OUI)
		same(t, "ProductClass", m.DeviceID.ProductClass, d.ProductClass)
		same(t, "SerialNumber", m.DeviceID.SerialNumber, d.Serial)
	} else {
		t.Error("sidecar has no device")
	}
	if len(m.Events) != len(want.Events) {
		t.Fatalf("events: got %+v, want %d", m.Events, len(want.Events))
	}
	for i, e := range want.Events {
		same(t, "EventCode", m.Events[i].EventCode, e.Code)
		if want.Lenient == nil {
			same(t, "CommandKey", m.Events[i].CommandKey, e.CommandKey)
		}
	}
	if want.Lenient != nil {
		return
	}
	same(t, "MaxEnvelopes", m.MaxEnvelopes, want.MaxEnvelopes)
	same(t, "CurrentTime", m.CurrentTime, want.CurrentTime)
	same(t, "RetryCount", m.RetryCount, want.RetryCount)
	var root string
	if json.Unmarshal(want.Root, &root) == nil && root != "" && m.Root() != root+"." {
		t.Errorf("Root: got %q, want %q", m.Root(), root+".")
	}
}

func checkFault(t *testing.T, want sidecar, m *cwmp.Fault) {
	t.Helper()
	if want.Fault == nil {
		t.Fatal("sidecar has no fault")
	}
	if strconv.Itoa(m.FaultCode) != want.Fault.Code || m.FaultString != want.Fault.String || m.RawCode != "" {
		t.Errorf("fault: got %d (%q) %q, want %s %q", m.FaultCode, m.RawCode, m.FaultString, want.Fault.Code, want.Fault.String)
	}
	if len(m.Params) != len(want.Fault.SPV) {
		t.Fatalf("parameter faults: got %d, want %d", len(m.Params), len(want.Fault.SPV))
	}
	for i, w := range want.Fault.SPV {
		code, _ := strconv.Atoi(w.Code)
		if g := m.Params[i]; g != (cwmp.ParameterFault{ParameterName: w.Name, FaultCode: code, FaultString: w.String}) {
			t.Errorf("parameter fault %d: got %+v, want %+v", i, g, w)
		}
	}
}

func checkParameters(t *testing.T, want sidecar, got []cwmp.ParameterValue) {
	t.Helper()
	if want.Parameters == nil {
		return
	}
	if len(got) != *want.Parameters {
		t.Fatalf("parameters: got %d, want %d", len(got), *want.Parameters)
	}
	for i, w := range want.First {
		checkValue(t, got[i], w)
	}
	if want.Last != nil {
		checkValue(t, got[len(got)-1], *want.Last)
	}
}

func checkValue(t *testing.T, got cwmp.ParameterValue, want sidecarValue) {
	t.Helper()
	if got.Name != want.Name {
		t.Errorf("parameter: got name %q, want %q", got.Name, want.Name)
	}
	if got.NoValue != (want.Value == nil) {
		t.Errorf("%s: got NoValue %t, want %t", want.Name, got.NoValue, want.Value == nil)
	}
	// Sidecars give all text trimmed.
	same(t, want.Name, strings.TrimSpace(got.Value), want.Value)
	if want.Type != nil {
		_, local, _ := strings.Cut(*want.Type, ":")
		local, _, _ = strings.Cut(local, "(")
		if got.Type != "xsd:"+local {
			t.Errorf("%s: got type %q, want %q", want.Name, got.Type, *want.Type)
		}
	} else if got.Type != "" {
		t.Errorf("%s: got type %q, want none", want.Name, got.Type)
	}
}

// same compares with what the sidecar says; it says null where there is no such element.
func same(t *testing.T, what, got string, want *string) {
	t.Helper()
	w := ""
	if want != nil {
		w = *want
	}
	if got != w {
		t.Errorf("%s: got %q, want %q", what, got, w)
	}
}

// httpBody takes the body out of a recorded HTTP message, whose head may have any line ends.
func httpBody(t *testing.T, message []byte) []byte {
	t.Helper()
	head, body, ok := bytes.Cut(message, []byte("\r\n\r\n"))
	if !ok || bytes.Contains(head, []byte("\n\n")) {
		if head, body, ok = bytes.Cut(message, []byte("\n\n")); !ok {
			t.Fatal("no blank line behind the HTTP head")
		}
	}
	if !bytes.Contains(bytes.ToLower(head), []byte("transfer-encoding: chunked")) {
		return body
	}
	out, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	if err != nil {
		t.Fatalf("chunks: %v", err)
	}
	return out
}

package api_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"recado/acs/api"
	"recado/acs/wire"
	"recado/docs"
)

type description struct {
	doc    *openapi3.T
	router routers.Router
	err    error
}

var theDescription = sync.OnceValue(func() description {
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.PlainBodyDecoder)
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err != nil {
		return description{err: err}
	}
	router, err := gorillamux.NewRouter(doc)
	return description{doc, router, err}
})

func loadDescription(t testing.TB) description {
	t.Helper()
	d := theDescription()
	if d.err != nil {
		t.Fatalf("openapi.yaml: %v", d.err)
	}
	return d
}

// checkExchange holds a request and its reply against the description.
func checkExchange(t testing.TB, r *http.Request, body []byte, w *httptest.ResponseRecorder) {
	t.Helper()
	d := loadDescription(t)
	again := r.Clone(context.Background())
	again.Body = io.NopCloser(bytes.NewReader(body))
	again.URL.Path, again.URL.RawPath = strings.TrimSuffix(r.URL.Path, "/"), strings.TrimSuffix(r.URL.RawPath, "/")
	route, params, err := d.router.FindRoute(again)
	if err != nil {
		if w.Code != http.StatusNotFound && w.Code != http.StatusMethodNotAllowed && w.Code != http.StatusNoContent {
			t.Errorf("%s %s: answered %d, but the description does not know it: %v", r.Method, r.URL.Path, w.Code, err)
		}
		return
	}
	in := &openapi3filter.RequestValidationInput{
		Request: again, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true,
		},
	}
	if w.Code < 300 {
		if len(body) > 0 && again.Header.Get("Content-Type") == "" {
			again.Header.Set("Content-Type", "application/json")
		}
		if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil {
			t.Errorf("%s %s: accepted a request that the description forbids: %v", r.Method, r.URL.Path, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options,
	}
	out.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("%s %s: reply %d does not fit the description: %v\n%s", r.Method, r.URL.Path, w.Code, err, w.Body)
	}
}

func TestDescriptionIsValid(t *testing.T) {
	d := loadDescription(t)
	if err := d.doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	if d.doc.OpenAPI != "3.1.0" {
		t.Errorf("openapi: got %s, want 3.1.0", d.doc.OpenAPI)
	}
}

func TestRoutesAreDescribed(t *testing.T) {
	d := loadDescription(t)
	described := map[api.Route]bool{}
	for path, item := range d.doc.Paths.Map() {
		for method := range item.Operations() {
			described[api.Route{Method: method, Path: path}] = true
		}
	}
	s := newServer(t)
	routes := s.api.Routes()
	if len(routes) == 0 {
		t.Fatal("got no routes")
	}
	for _, r := range routes {
		if !described[r] {
			t.Errorf("%s %s is served, and not described", r.Method, r.Path)
		}
		delete(described, r)
	}
	for r := range described {
		t.Errorf("%s %s is described, and not served", r.Method, r.Path)
	}
}

// TestScopesAreDescribed holds the scope in each operation's description against what the server really asks for.
func TestScopesAreDescribed(t *testing.T) {
	d := loadDescription(t)
	s := newServer(t)
	bare := s.client(t, "bare", "network")
	for _, r := range s.api.Routes() {
		op := d.doc.Paths.Find(r.Path).GetOperation(r.Method)
		if op.Security != nil && len(*op.Security) == 0 {
			continue
		}
		got := s.do(t, r.Method, fill(r.Path, "x"), bare.token, "").problem(t, 403, wire.CodeScope)
		if !strings.HasPrefix(op.Description, "Scope `"+got.Scope+"`") {
			t.Errorf("%s %s: wants scope %s, is described as %q", r.Method, r.Path, got.Scope, op.Description)
		}
		if h := s.do(t, r.Method, fill(r.Path, "x"), bare.token, "").header.Get("WWW-Authenticate"); !strings.Contains(h, `scope="`+got.Scope+`"`) {
			t.Errorf("%s %s: WWW-Authenticate %q does not name the scope", r.Method, r.Path, h)
		}
	}
}

func TestCodesAreDescribed(t *testing.T) {
	d := loadDescription(t)
	var described []string
	for _, v := range d.doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
		described = append(described, v.(string))
	}
	want := slices.Sorted(slices.Values(wire.Codes))
	slices.Sort(described)
	if !slices.Equal(described, want) {
		t.Errorf("codes described: got %v, want %v", described, want)
	}
	for _, code := range wire.Codes {
		if n := bytes.Count(docs.OpenAPI, []byte("`"+code+"`")); n == 0 {
			t.Errorf("code %s is explained nowhere", code)
		}
	}
}

// TestSchemasFitTypes compares the fields of the wire types with the schemas, both ways: names, and which are required.
func TestSchemasFitTypes(t *testing.T) {
	d := loadDescription(t)
	seen := map[string]bool{}
	for _, v := range []any{
		wire.RebootRequest{},
		wire.ParametersUpdateRequest{},
		wire.Parameter{},
		wire.DevicePut{},
		wire.Credential{},
		wire.WebhookCreate{},
		wire.WebhookChange{},
		wire.WebhookFilter{},
		wire.FilterTry{},
		wire.FilterTried{},
		wire.FilterTriedItem{},
		wire.Event{},
		wire.EventType{},
		wire.EventTypeShown{},
		wire.ProtocolEvent{},
		wire.IdentityConflict{},
		wire.EventDelivery{},
		wire.WebhookTLS{},
		wire.ClientCreate{},
		wire.ClientChange{},
		wire.Problem{},
		wire.Receipt{},
		wire.Protocol{},
		wire.WaitingFor{},
		wire.ParameterName{},
		wire.Fault{},
		wire.ParameterFault{},
		wire.Evidence{},
		wire.Ring{},
		wire.Late{},
		wire.TimelineEntry{},
		wire.Device{},
		wire.Reported{},
		wire.Online{},
		wire.ConnectionHealth{},
		wire.CredentialShown{},
		wire.OpenAction{},
		wire.Webhook{},
		wire.WebhookCreated{},
		wire.SigningExample{},
		wire.WebhookTested{},
		wire.WebhookRotate{},
		wire.WebhookSecret{},
		wire.WebhookVerify{},
		wire.WebhookVerified{},
		wire.SignatureMatch{},
		wire.SignatureFinding{},
		wire.Delivery{},
		wire.ReplayRequest{},
		wire.Replay{},
		wire.WebhookStats{},
		wire.Spread{},
		wire.ErrorNumber{},
		wire.WebhookHealth{},
		wire.WebhooksHealth{},
		wire.HealthCheck{},
		wire.Attempt{},
		wire.Client{},
		wire.ClientCreated{},
		wire.TokenCreated{},
		wire.AccessToken{},
		wire.ClientWebhookPut{},
		wire.ClientWebhook{},
		wire.ParameterUpdate{},
		wire.NaturalView{},
		wire.NaturalRegister{},
		wire.NaturalConnection{},
		wire.NaturalDeviceInfo{},
		wire.TokenRefusal{},
		wire.AuditEntry{},
		wire.AuditActor{},
		wire.AuditMark{},
		wire.AuditEnds{},
		wire.Health{},
	} {
		typ := reflect.TypeOf(v)
		seen[typ.Name()] = true
		ref := d.doc.Components.Schemas[typ.Name()]
		if ref == nil {
			t.Errorf("wire.%s has no schema", typ.Name())
			continue
		}
		names, required := fieldsOf(typ)
		gotNames, gotRequired := propertiesOf(ref.Value)
		if !slices.Equal(names, gotNames) {
			t.Errorf("schema %s: properties %v, want %v", typ.Name(), gotNames, names)
		}
		if !slices.Equal(required, gotRequired) {
			t.Errorf("schema %s: required %v, want %v", typ.Name(), gotRequired, required)
		}
	}
	for name, ref := range d.doc.Components.Schemas {
		if name == "TokenRequest" {
			continue // read field by field, so that what is not known can be passed over
		}
		if isObject := ref.Value.Type.Is("object") || len(ref.Value.AllOf) > 0; isObject && !seen[name] && !strings.HasSuffix(name, "List") {
			t.Errorf("schema %s is compared with no type", name)
		}
	}
}

func fieldsOf(typ reflect.Type) (names, required []string) {
	for f := range typ.Fields() {
		if f.Anonymous {
			n, r := fieldsOf(f.Type)
			names, required = append(names, n...), append(required, r...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		if options != "omitempty" {
			required = append(required, name)
		}
	}
	slices.Sort(names)
	slices.Sort(required)
	return names, required
}

func propertiesOf(s *openapi3.Schema) (names, required []string) {
	for name := range s.Properties {
		names = append(names, name)
	}
	required = append(required, s.Required...)
	for _, part := range s.AllOf {
		n, r := propertiesOf(part.Value)
		names, required = append(names, n...), append(required, r...)
	}
	slices.Sort(names)
	slices.Sort(required)
	return names, required
}

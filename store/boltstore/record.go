package boltstore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"recado/acs"
	"recado/store/seal"
	"recado/webhook"
)

// ErrDamaged is a record that is in the store and cannot be read: its bytes are damaged, it is of a newer version, or the key
// that sealed it is missing.
var ErrDamaged = errors.New("stored record cannot be read")

// recordVersion is the version of all records written. Older ones have to stay readable for ever.
const recordVersion = 1

// Records are JSON objects that begin with {"v":1. Those with a sequence number have it next, in "n", so that all the rest can be
// encoded before the number is known.
type (
	actionRecord struct {
		V      int        `json:"v"`
		N      uint64     `json:"n,omitempty"`
		Action acs.Action `json:"a"`
		Sealed string     `json:"sealed,omitempty"` // the parameters' values, a JSON list
	}
	eventRecord struct {
		V     int           `json:"v"`
		N     uint64        `json:"n,omitempty"`
		Event webhook.Event `json:"e"`
		Text  string        `json:"b,omitempty"` // the body, where it is UTF-8
	}
	deliveryRecord struct {
		V        int              `json:"v"`
		Delivery webhook.Delivery `json:"d"`
	}
	attemptRecord struct {
		V       int             `json:"v"`
		Attempt webhook.Attempt `json:"t"`
		Raw     []byte          `json:"raw,omitempty"` // the response, where it is no UTF-8
	}
	clientRecord struct {
		V      int        `json:"v"`
		Client acs.Client `json:"c"`
	}
	tokenRecord struct {
		V     int       `json:"v"`
		Token acs.Token `json:"t"`
	}
)

func (r *actionRecord) version() int   { return r.V }
func (r *eventRecord) version() int    { return r.V }
func (r *deliveryRecord) version() int { return r.V }
func (r *attemptRecord) version() int  { return r.V }
func (r *clientRecord) version() int   { return r.V }
func (r *tokenRecord) version() int    { return r.V }

type record interface{ version() int }

// decode reads a record. The error holds nothing of its content.
func decode(value []byte, r record) error {
	if err := json.Unmarshal(value, r); err != nil {
		return fmt.Errorf("%w: no JSON of its shape", ErrDamaged)
	}
	if v := r.version(); v < 1 || v > recordVersion {
		return fmt.Errorf("%w: version %d, this program knows 1 to %d", ErrDamaged, v, recordVersion)
	}
	return nil
}

// encode cannot fail for the types given to it: they hold no channels, functions or odd floats. A time beyond year 9999 can
// make it fail, and that is the caller's error.
func encode(r any) ([]byte, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("record cannot be stored: %w", err)
	}
	return b, nil
}

// numbered puts a sequence number into an encoded record; 0 leaves it out.
func numbered(rest []byte, n uint64) []byte {
	if n == 0 {
		return rest
	}
	const head = `{"v":1,`
	b := make([]byte, 0, len(rest)+26)
	b = append(b, head...)
	b = append(b, `"n":`...)
	b = strconv.AppendUint(b, n, 10)
	b = append(b, ',')
	return append(b, rest[len(head):]...)
}

// encodeAction gives a's record without the number. Values go sealed, and not at all once the action is final.
func encodeAction(k *seal.Keys, a *acs.Action) ([]byte, error) {
	sealed, err := sealValues(k, a)
	if err != nil {
		return nil, err
	}
	if !knownShapes {
		return marshalAction(a, sealed)
	}
	b := append(make([]byte, 0, 1024), `{"v":1,"a":`...)
	if b, err = appendAction(b, a); err != nil {
		return nil, err
	}
	if sealed != "" {
		b = append(append(append(b, `,"sealed":"`...), sealed...), '"') // base64 and ids of keys: nothing to escape
	}
	return append(b, '}'), nil
}

// sealValues gives the sealed values of a pending action's parameters.
func sealValues(k *seal.Keys, a *acs.Action) (string, error) {
	any := slices.ContainsFunc(a.Parameters, func(p acs.Parameter) bool { return p.Value != "" })
	if !any || a.Status.Final() {
		return "", nil
	}
	values := make([]string, len(a.Parameters))
	for i, p := range a.Parameters {
		values[i] = p.Value
	}
	text, err := encode(values)
	if err != nil {
		return "", err
	}
	return k.Seal(string(text), "action/"+a.ID.String()+"/parameters"), nil
}

// marshalAction is encodeAction by encoding/json.
func marshalAction(a *acs.Action, sealed string) ([]byte, error) {
	r := actionRecord{V: recordVersion, Action: *a, Sealed: sealed}
	r.Action.Parameters = slices.Clone(a.Parameters)
	for i := range r.Action.Parameters {
		r.Action.Parameters[i].Value = ""
	}
	return encode(&r)
}

func decodeAction(k *seal.Keys, value []byte) (acs.Action, error) {
	var r actionRecord
	if err := decode(value, &r); err != nil {
		return acs.Action{}, err
	}
	a := r.Action
	if r.N > 0 {
		a.Sequence = r.N
	}
	if r.Sealed == "" {
		return a, nil
	}
	text, err := k.Open(r.Sealed, "action/"+a.ID.String()+"/parameters")
	if err != nil {
		return acs.Action{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	var values []string
	if err := json.Unmarshal([]byte(text), &values); err != nil || len(values) != len(a.Parameters) {
		return acs.Action{}, fmt.Errorf("%w: values do not fit the parameters", ErrDamaged)
	}
	for i, v := range values {
		a.Parameters[i].Value = v
	}
	return a, nil
}

func encodeEvent(e *webhook.Event) ([]byte, error) {
	r := eventRecord{V: recordVersion, Event: *e}
	if len(e.Body) > 0 && utf8.Valid(e.Body) {
		r.Text, r.Event.Body = string(e.Body), nil
	}
	return encode(&r)
}

func decodeEvent(value []byte) (webhook.Event, error) {
	var r eventRecord
	if err := decode(value, &r); err != nil {
		return webhook.Event{}, err
	}
	if r.N > 0 {
		r.Event.Sequence = r.N
	}
	if r.Text != "" {
		r.Event.Body = []byte(r.Text)
	}
	return r.Event, nil
}

func encodeDelivery(d *webhook.Delivery) ([]byte, error) {
	return encode(&deliveryRecord{V: recordVersion, Delivery: *d})
}

func decodeDelivery(value []byte) (webhook.Delivery, error) {
	var r deliveryRecord
	err := decode(value, &r)
	return r.Delivery, err
}

func encodeAttempt(a *webhook.Attempt) ([]byte, error) {
	r := attemptRecord{V: recordVersion, Attempt: *a}
	if !utf8.ValidString(a.Response) {
		r.Raw, r.Attempt.Response = []byte(a.Response), ""
	}
	return encode(&r)
}

func decodeAttempt(value []byte) (webhook.Attempt, error) {
	var r attemptRecord
	err := decode(value, &r)
	if len(r.Raw) > 0 {
		r.Attempt.Response = string(r.Raw)
	}
	return r.Attempt, err
}

// endpointRecord is what its owner set; healthRecord what attempts maintain besides.
type (
	endpointRecord struct {
		V        int              `json:"v"`
		Endpoint webhook.Endpoint `json:"e"`
		Sealed   string           `json:"sealed,omitempty"` // endpointSecrets as JSON
	}
	endpointSecrets struct {
		Secret    string           `json:"secret"`
		OldSecret string           `json:"old_secret,omitempty"`
		Headers   []webhook.Header `json:"headers,omitempty"`
		ClientKey string           `json:"client_key,omitempty"`
	}
	healthRecord struct {
		V      int            `json:"v"`
		Health endpointHealth `json:"h"`
	}
)

func (r *endpointRecord) version() int { return r.V }
func (r *healthRecord) version() int   { return r.V }

func encodeEndpoint(k *seal.Keys, e *webhook.Endpoint) ([]byte, error) {
	r := endpointRecord{V: recordVersion, Endpoint: *e}
	r.Endpoint.Secret, r.Endpoint.OldSecret, r.Endpoint.Headers, r.Endpoint.TLS.ClientKey = "", "", nil, ""
	if e.Secret != "" || e.OldSecret != "" || len(e.Headers) > 0 || e.TLS.ClientKey != "" {
		text, err := encode(endpointSecrets{e.Secret, e.OldSecret, e.Headers, e.TLS.ClientKey})
		if err != nil {
			return nil, err
		}
		r.Sealed = k.Seal(string(text), "endpoint/"+e.ID+"/secrets")
	}
	return encode(&r)
}

func decodeEndpoint(k *seal.Keys, value []byte) (webhook.Endpoint, error) {
	var r endpointRecord
	if err := decode(value, &r); err != nil {
		return webhook.Endpoint{}, err
	}
	if r.Sealed != "" {
		var s endpointSecrets
		if err := openJSON(k, r.Sealed, "endpoint/"+r.Endpoint.ID+"/secrets", &s); err != nil {
			return webhook.Endpoint{}, err
		}
		r.Endpoint.Secret, r.Endpoint.OldSecret, r.Endpoint.Headers, r.Endpoint.TLS.ClientKey = s.Secret, s.OldSecret, s.Headers, s.ClientKey
	}
	return r.Endpoint, nil
}

func openJSON(k *seal.Keys, sealed, context string, into any) error {
	text, err := k.Open(sealed, context)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("%w: sealed part is no JSON of its shape", ErrDamaged)
	}
	return nil
}

// hasField reports whether a record written by encode has the text under that name somewhere: a cheap look before decoding. It
// may say yes too often (the text stands elsewhere), never no too often.
func hasField(value []byte, name, text string) bool {
	if text == "" {
		return true
	}
	want, err := json.Marshal(text)
	if err != nil {
		return true
	}
	return bytes.Contains(value, append([]byte(`"`+name+`":`), want...))
}

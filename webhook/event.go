package webhook

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// Bytes returns Body with Sequence put in as decimal digits at SequenceAt. Where SequenceAt is 0, or outside of Body, it is
// Body itself, not a copy.
func (e Event) Bytes() []byte {
	if e.SequenceAt <= 0 || e.SequenceAt > len(e.Body) {
		return e.Body
	}
	b := make([]byte, 0, len(e.Body)+20)
	b = append(b, e.Body[:e.SequenceAt]...)
	b = strconv.AppendUint(b, e.Sequence, 10)
	return append(b, e.Body[e.SequenceAt:]...)
}

// Render returns the bytes of a format. FormatBodySignature puts event_type and event_id behind the last member of the object;
// a body that is no object stays as it is. FormatLegacy tells the time in UTC; Body knows the delivery's zone.
func Render(e Event, f Format) []byte {
	if f == FormatLegacy {
		return renderLegacy(e, "")
	}
	b := e.Bytes()
	if f != FormatBodySignature {
		return b
	}
	open := bytes.TrimRight(b, " \t\r\n")
	if len(open) < 2 || open[len(open)-1] != '}' {
		return b
	}
	open = bytes.TrimRight(open[:len(open)-1], " \t\r\n")
	if len(open) == 0 {
		return b
	}
	out := make([]byte, 0, len(b)+len(e.Type)+len(e.ID)+40)
	out = append(out, open...)
	if open[len(open)-1] != '{' {
		out = append(out, ',')
	}
	out = append(out, `"event_type":`...)
	out = appendJSONString(out, e.Type)
	out = append(out, `,"event_id":`...)
	out = appendJSONString(out, e.ID)
	return append(out, '}')
}

func appendJSONString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil {
		// A string always has a JSON form.
		panic(err)
	}
	return append(b, q...)
}

// FanOut makes a delivery of e for each endpoint whose filters want it, due now; a filter that cannot be evaluated wants it. Endpoints
// of other clients than e's are passed over (an event without a client is for all). Those that are not active get theirs, which the
// store holds. Store the event and the deliveries in the transaction of what the event tells of.
func FanOut(c Catalogue, e Event, endpoints []Endpoint, now time.Time) []Delivery {
	var out []Delivery
	for _, p := range endpoints {
		if e.Client != "" && p.Client != e.Client || !c.Match(p.Events, e.Type) {
			continue
		}
		if wants, _ := p.Filter.Match(e); !wants {
			continue
		}
		out = append(out, newDelivery(e, p, now))
	}
	return out
}

func newDelivery(e Event, p Endpoint, now time.Time) Delivery {
	d := Delivery{
		ID:        NewID(PrefixDelivery),
		Event:     e.ID,
		EventType: e.Type,
		Endpoint:  p.ID,
		Client:    p.Client,
		Protocolo: e.Protocolo,
		Device:    e.Device,
		State:     DeliveryPending,
		OrderKey:  orderKey(e, p.Order),
		Priority:  e.Priority,
		NextAt:    now,
		CreatedAt: now,
	}
	if p.BodySignatureHeader != "" {
		d.Format = FormatBodySignature
	}
	return d
}

// orderKey keeps the deliveries of one protocolo in order under every Order: the key of a device, or of the whole endpoint,
// covers the protocolos in it.
func orderKey(e Event, o Order) string {
	switch {
	case o == OrderFIFO:
		return "f"
	case o == OrderDevice && e.Device != "":
		return "d:" + e.Device
	case e.Protocolo != "":
		return "p:" + e.Protocolo
	}
	return ""
}

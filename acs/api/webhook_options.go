package api

import (
	"maps"
	"slices"

	"recado/acs/wire"
	"recado/webhook"
)

// filterOf reads a filter; nil is none.
func filterOf(in *wire.WebhookFilter) (webhook.Filter, error) {
	if in == nil {
		return webhook.Filter{}, nil
	}
	f := webhook.Filter{Expression: in.Expression, IgnoreFaults: in.IgnoreFaultCodes}
	if in.MinPriority != "" {
		p, ok := webhook.ParsePriority(in.MinPriority)
		if !ok {
			return f, invalid("filter.min_priority", "want low, normal or high")
		}
		f.MinPriority = &p
	}
	return f, nil
}

func headersOf(in map[string]string) (list []webhook.Header) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		list = append(list, webhook.Header{Name: name, Value: in[name]})
	}
	return list
}

func tlsOf(in *wire.WebhookTLS) webhook.TLS {
	if in == nil {
		return webhook.TLS{}
	}
	return webhook.TLS{
		CA: in.CA, Pins: in.Pins, AcceptInvalid: in.AcceptInvalidCertificate, ClientCert: in.ClientCertificate, ClientKey: in.ClientKey,
	}
}

// showOptions shows what narrows and shapes an endpoint's deliveries, without what is secret in it.
func showOptions(w *wire.Webhook, e *webhook.Endpoint) {
	w.RequestsPerMinute, w.HeaderNames = e.PerMinute, []string{}
	if f := e.Filter; !f.IsZero() {
		w.Filter = &wire.WebhookFilter{Expression: f.Expression, IgnoreFaultCodes: f.IgnoreFaults}
		if f.MinPriority != nil {
			w.Filter.MinPriority = f.MinPriority.String()
		}
	}
	for _, h := range e.Headers {
		w.HeaderNames = append(w.HeaderNames, h.Name)
	}
	if t := e.TLS; !t.IsZero() {
		w.TLS = &wire.WebhookTLS{CA: t.CA, Pins: t.Pins, AcceptInvalidCertificate: t.AcceptInvalid, ClientCertificate: t.ClientCert}
	}
}

// Package app puts Recado together: one Config, the wiring of store, engine, API, CWMP server and webhooks, and the order in
// which they start and end. Package main of cmd/recado is a thin shell around it; end-to-end tests embed it.
//
// Start: store, engine, loops, CWMP listener, API listener. End, within 15 s: /readyz says 503, then the API listener, the CWMP
// listener (open sessions get a grace period), the engine's loops, the webhook dispatcher, the store. Only this package starts
// goroutines for what runs long, and it waits for each of them.
package app

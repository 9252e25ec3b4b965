// Package webhooktest is a webhook receiver to test against: it answers by a script, well or badly, verifies signatures and
// records what arrived and when.
//
// A Receiver is an http.Handler, so it can stand behind any server; Serve puts it behind one of its own, on a TCP listener or
// on a Pipe, the in-memory network that works in testing/synctest bubbles. Its zero value answers 204 to everything.
//
//	r := &webhooktest.Receiver{Secrets: []string{secret}}
//	r.Script(webhooktest.Status(500), webhooktest.Hang())  // then 204 for good
//
// The package does not import testing, so that programs may ship it: "recado listen" is one.
package webhooktest

// Package webhook delivers events to the endpoints that clients registered: at least once, signed by the Standard Webhooks
// scheme, retried by a schedule, with a record of every attempt.
//
// It knows URLs, bodies, signatures and attempts, and nothing about devices or actions. Who makes an event stores it with its
// deliveries (see FanOut) in the transaction of the act that it tells of; Dispatcher.Run does the rest.
package webhook

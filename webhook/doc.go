// Package webhook delivers events to the endpoints that clients registered: at least once, signed by the Standard Webhooks
// scheme, retried by a schedule, with a record of every attempt.
//
// It knows URLs, bodies, signatures and attempts, and nothing about devices or actions. Who makes an event stores it with its
// deliveries (see FanOut) in the transaction of the act that it tells of; Dispatcher.Run does the rest:
//
//	ClaimDeliveries → sign, POST → Settle → RecordAttempt
//
// Service is what clients do with their endpoints and deliveries; Verify and VerifyBody are for receivers. The engine, the API
// and the stores import this package; it imports none of ours.
//
// Caveats. A receiver may get an event twice: when the process or the store fails between the answer and its record. The
// webhook-id is the same each time. The status line decides: a 2xx whose body breaks off, or drips until the deadline, is a
// success. Settings of an endpoint apply to attempts from then on; the format and the order of a delivery are fixed when it is
// made.
package webhook

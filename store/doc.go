// Package store keeps what the engine (acs.Store) and webhook delivery (webhook.Store) ask to be kept. Those two declare the
// operations; this package only adds them up and opens the backend that a URL names. This page is the contract in prose;
// store/storetest is the same contract as a suite that every backend runs, and store/memstore its readable reference.
//
// # Durable
//
// A write is on disk when its call returns without an error; after an error nothing of it is stored. Two things are softer: what
// devices report and the parameter types learned from them are seen by the next read, but reach the disk some seconds later (at
// the latest by Close), and leases may be kept in memory. A crash loses them and costs time only: devices report again, and what
// was leased is due again. Package memstore keeps nothing at all when the process ends.
//
// # Atomic
//
// Each call is one transaction. A change of an action commits with its outbox (events, deliveries, and the numbers in the
// device's sequence) or not at all; an attempt commits with what it does to its delivery and endpoint, and with what tells of that.
// Deleting a client or an endpoint commits with a mark; what was pending is out of the queue then, and is cancelled in small
// transactions before the call returns, or after a crash. A delivery that comes after its endpoint was deleted is stored as
// cancelled, so that none waits for ever. What makes an endpoint active again makes all due that was put off before, by a stamp on the
// endpoint alone. Numbers of a device's sequence have no gaps and are never given twice.
//
// # Compare and set
//
// What is created has version 1. A change carries the version that it was made from, and is refused as a conflict where that is
// no longer the stored one. Of two verdicts on one action exactly one is taken: the other one gets acs.ErrFinished. Attempts
// do not count as changes of their endpoint.
//
// # Whose clock
//
// The store's clock, and no other, decides whether a deadline is reached, an idempotency key is old, a delivery is due, or a lease
// is over: time.Now in this process for memory and bolt. All limits are reached at their moment, not after it: at the deadline
// nothing can be sent any more, and only a timeout is a verdict. Times that tell of something (CreatedAt, FinishedAt) are the
// caller's and are stored as given.
//
// # Copies and concurrency
//
// All methods may be called at once from many goroutines. Stores copy what they take and what they give, down to the last slice:
// who changes either changes nothing inside. A call whose context has ended returns its error without waiting and stores
// nothing; a context that ends while a write is on its way may leave it stored, as a lost connection would.
//
// # Secrets
//
// The values of an action's parameters are kept until it is final and are gone then. Passwords, webhook secrets and those values
// are sealed (store/seal) before they reach a file.
//
// # Errors
//
// What is not there is acs.ErrNotFound or webhook.ErrNotFound, by whose word it is. A cursor that no page gave is an
// *acs.InvalidError. A store that cannot write, or is closed, says acs.ErrUnavailable. The error of a lookup never holds a
// secret, a token or a parameter's value.
package store
